"""A server and clients on machines of their own, by IPv4, IPv6 and link-local addresses, one of them hostile."""

import os
import re
import time

import pytest

import nets
import support
from server_support import ME

pytestmark = [pytest.mark.timeout(180), pytest.mark.skipif(not nets.possible(), reason=nets.WHY)]


@pytest.fixture
def net(landline):
    net = nets.Nets(landline, 2)
    yield net
    landline.close()
    landline.processes.clear()
    net.close()


def serve(net, *listen):
    net.home = os.path.join(net.landline.scratch, "server")
    words = [word for one in listen for word in ("--listen", one)]
    process = net.server.start("serve", *words, home=net.home)
    for _ in listen:
        net.port = process.listening()[1]
    return process


def home_of(net, client):
    return os.path.join(net.landline.scratch, "client%d" % client)


def add(net, client, address, name="box"):
    """Pairs client number `client` with the server at `address`."""
    invite = net.server.run("invite", "--address", address, "--as", ME, home=net.home)
    assert invite.returncode == 0, invite.stderr
    done = net.clients[client - 1].run("add", name, input=invite.stdout, home=home_of(net, client))
    assert done.returncode == 0, done.stderr


def ask(net, client, *words, name="box"):
    return net.clients[client - 1].run("run", "--no-broker", name, "--", *words, home=home_of(net, client))


def test_two_machines_by_ipv4_and_ipv6(net):
    serve(net, ":0")
    add(net, 1, "10.77.1.1:%d" % net.port)
    add(net, 2, "[fd77:2::1]:%d" % net.port)
    for client in (1, 2):
        assert ask(net, client, "echo", "hello", str(client)).stdout == b"hello %d\n" % client
    with open(os.path.join(net.home, "server", "audit.log")) as f:
        audit = f.read()
    assert "10.77.1.2" in audit and "fd77:2::2" in audit


def test_every_ipv6_address_and_no_ipv4(net):
    process = serve(net, "[::]:0")
    assert re.search(r"listening on \[::\]:\d+\n", process.stderr.text())
    add(net, 1, "[fd77:1::1]:%d" % net.port)
    assert ask(net, 1, "echo", "six").stdout == b"six\n"


def test_a_link_local_address_with_its_scope(net):
    address = nets.link_local(net.server, "c2")
    serve(net, "[%s%%c2]:0" % address)
    add(net, 2, "[%s%%eth0]:%d" % (address, net.port))
    assert ask(net, 2, "echo", "link").stdout == b"link\n"


def counts_until_stopped(net):
    return "i=0; while [ ! -e %s ]; do i=$((i+1)); echo $i; sleep 0.1; done; exit 5" % (net.home + ".stop")


def stop(net):
    with open(net.home + ".stop", "w"):
        pass


def counted(process):
    lines = process.stdout.data.split()
    assert lines == [b"%d" % i for i in range(1, len(lines) + 1)]


LOST = [("10.77.1.1", "10.77.1.2/24", "10.77.1.9/24"), ("[fd77:1::1]", "fd77:1::2/64", "fd77:1::9/64 nodad")]


@pytest.mark.parametrize("server, old, new", LOST)
def test_the_clients_address_changes(net, server, old, new):
    """Nothing says so on the connection, and silence would tell after 45 s: the client hears it from its machine."""
    serve(net, ":0")
    add(net, 1, "%s:%d" % (server, net.port))
    client = net.clients[0]
    p = client.start("run", "-v", "--no-broker", "box", "--", "sh", "-c", counts_until_stopped(net), home=home_of(net, 1))
    p.stdout.wait_for(b"15\n")  # a client that is older than a second
    began = time.monotonic()
    client.do("ip addr del %s dev eth0" % old)
    client.do("ip addr add %s dev eth0" % new)
    p.stderr.wait_for(b"the link is back")
    assert time.monotonic() - began < 30
    stop(net)
    assert p.wait() == 5, p.stderr.text()
    counted(p)
    assert "this machine has lost the address" in p.stderr.text()


WAYS = {"address": ("client", "ip addr del 10.77.1.2/24 dev eth0", "ip addr add 10.77.1.9/24 dev eth0"),
        "interface": ("client", "ip link set eth0 down", "ip link set eth0 up"),
        "cable": ("server", "ip link set c1 down", "ip link set c1 up")}


@pytest.mark.parametrize("way", WAYS)
def test_a_way_that_comes_back_is_tried_at_once(net, way):
    """Its next try would be 6 s or more away: the client hears from its machine that there is a way again."""
    serve(net, ":0")
    add(net, 1, "10.77.1.1:%d" % net.port)
    client = net.clients[0]
    where, lost, back = WAYS[way]
    machine = client if where == "client" else net.server
    how = {"home": home_of(net, 1), "env": {"LANDLINE_SILENCE": "1s"}}
    p = client.start("run", "-v", "--no-broker", "box", "--", "sh", "-c", counts_until_stopped(net), **how)
    p.stdout.wait_for(b"15\n")
    machine.do(lost)
    failed = b": cannot connect to 10.77.1.1:%d" % net.port
    support.eventually(lambda: p.stderr.data.count(failed) >= 7, "seven failed tries")
    began = time.monotonic()
    machine.do(back)
    p.stderr.wait_for(b"the link is back")
    took = time.monotonic() - began
    stop(net)
    assert p.wait() == 5, p.stderr.text()
    counted(p)
    assert took < 4, p.stderr.text()


@pytest.mark.parametrize("server, old, new", LOST)
def test_a_broker_goes_with_its_address(net, server, old, new):
    serve(net, ":0")
    add(net, 1, "%s:%d" % (server, net.port))
    client, how = net.clients[0], {"home": home_of(net, 1), "env": {"LANDLINE_BROKER": "10m"}}
    assert client.run("run", "box", "--", "true", **how).returncode == 0
    shown = support.eventually(lambda: re.search(rb" by process (\d+)", client.run("hosts", **how).stdout), "a broker")
    broker = int(shown.group(1))
    client.do("ip addr del %s dev eth0" % old)
    support.eventually(lambda: not support.exists(broker), "the end of the broker", 30)  # silence: 45 s
    client.do("ip addr add %s dev eth0" % new)
    assert client.run("run", "box", "--", "echo", "on", **how).stdout == b"on\n"


@pytest.mark.parametrize("address", ["10.77.1.1", "fd77:1::1"])
def test_silent_connections_of_one_machine_keep_nobody_out(net, address):
    serve(net, ":0")
    add(net, 1, "[%s]:%d" % (address, net.port) if ":" in address else "%s:%d" % (address, net.port))
    add(net, 2, "10.77.2.1:%d" % net.port)
    flood = nets.silent(net.clients[0], address, net.port, 1000)
    assert ask(net, 2, "echo", "the other").stdout == b"the other\n"
    assert ask(net, 1, "echo", "the same").stdout == b"the same\n"
    assert flood.popen.poll() is None
    flood.stdin.close()
    assert flood.wait() == 0


def test_an_unplugged_machine_comes_back(net):
    """The card goes down in the middle of a run and up again: nothing is lost, and the other client does not notice."""
    serve(net, ":0")
    add(net, 1, "10.77.1.1:%d" % net.port)
    add(net, 2, "10.77.2.1:%d" % net.port)
    script = "i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo line $i; sleep 0.1; done; exit 9"
    p = net.clients[0].start("run", "--no-broker", "box", "--", "sh", "-c", script, home=home_of(net, 1))
    p.stdout.wait_for(b"line 5\n")
    net.clients[0].do("ip link set eth0 down")
    assert ask(net, 2, "echo", "other").stdout == b"other\n"
    net.clients[0].do("ip link set eth0 up")
    assert p.wait() == 9
    assert p.stdout.data == b"".join(b"line %d\n" % i for i in range(1, 41))
    support.eventually(lambda: ask(net, 1, "true").returncode == 0, "the link")
