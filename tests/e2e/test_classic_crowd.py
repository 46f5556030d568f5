"""landline classic under many clients and bad ones: nobody waits for them, nothing is left of them."""

import concurrent.futures
import contextlib
import os
import random
import resource
import signal
import socket

import pytest

import support
from classic_support import at_rest, client, connect, receive, receive_to_end, serve, vanish, write_file

CROWD = 100


def ask_upper(connection, path, i):
    connection.sendall(b"hello %d" % i)
    assert receive(connection, len(b"hello %d" % i)) == b"HELLO %d" % i


def ask_exec(connection, path, i):
    connection.sendall(b"echo answer %d" % i)
    assert receive(connection, len(b"answer %d\n" % i)) == b"answer %d\n" % i


def ask_ssh(connection, path, i):
    expected = b"answer %d\n" % i
    connection.sendall(b"echo answer %d" % i)
    assert receive(connection, len(b"%d" % len(expected))) == b"%d" % len(expected)
    connection.sendall(b"ok")
    assert receive(connection, len(expected)) == expected


def ask_file(connection, path, i):
    connection.sendall(path.encode())
    assert receive(connection, 4) == b"1025"
    assert len(receive(connection, 1025)) == 1025


ASKERS = {"upper": ask_upper, "exec": ask_exec, "file": ask_file, "ssh": ask_ssh}
PROTOCOLS = sorted(ASKERS)


@pytest.fixture
def path(scratch):
    return write_file(scratch + "/file", 1025)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_hundred_clients_at_once(landline, path, protocol):
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)
    connections = [connect(port) for _ in range(CROWD)]
    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        for _ in range(3):
            answers = [pool.submit(ASKERS[protocol], c, path, i) for i, c in enumerate(connections)]
            for answer in answers:
                answer.result()
    for connection in connections:
        connection.close()
    at_rest(server, before)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_silent_clients_disturb_nobody(landline, path, protocol):
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)
    silent = [connect(port) for _ in range(CROWD)]
    with connect(port) as connection:
        for i in range(3):
            ASKERS[protocol](connection, path, i)
    for connection in silent:
        connection.close()
    at_rest(server, before)


def started(scratch, name):
    """The process id that a command wrote into a file, once it is there."""
    path = os.path.join(scratch, name)
    return int(support.eventually(lambda: os.path.exists(path) and open(path).read().strip(), "the command's start"))


def half_close(connection):
    connection.shutdown(socket.SHUT_WR)


def speak_and_close(connection):
    """Its end lies behind bytes that the server does not read while the command runs."""
    connection.sendall(b"another command")
    connection.close()


@pytest.mark.parametrize("go", [socket.socket.close, vanish, half_close, speak_and_close])
@pytest.mark.parametrize("protocol", ["exec", "ssh"])
@pytest.mark.parametrize("command", [
    "echo $$ > {0}/a; sleep 1000 & echo $! > {0}/b; wait",           # the shell waits for its child
    "trap '' HUP TERM INT; echo $$ > {0}/a; sleep 1000 & echo $! > {0}/b; yes > /dev/null",  # and is stubborn
    "echo $$ > {0}/a; sleep 1000 & echo $! > {0}/b; exit 0",         # the shell has gone, its child holds the pipe
    "echo $$ > {0}/a; sleep 1000 & echo $! > {0}/b; exec >&-; sleep 1000",  # answered, but not ended
    "echo $$ > {0}/a; sleep 1000 & echo $! > {0}/b; cat /dev/zero | cat > /dev/null",
])
def test_command_ends_when_its_client_leaves(landline, scratch, protocol, command, go):
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)
    connection = connect(port)
    connection.sendall(command.format(scratch).encode())
    pids = [started(scratch, "a"), started(scratch, "b")]
    with connect(port) as other:
        ASKERS[protocol](other, None, 1)
    go(connection)
    for pid in pids:
        support.eventually(lambda: not support.exists(pid), "the end of %d" % pid)
    at_rest(server, before)
    connection.close()


@pytest.mark.parametrize("go", [socket.socket.close, vanish])
def test_clients_that_vanish_at_any_point(landline, scratch, go):
    big = write_file(scratch + "/big", 8 << 20)
    scripts = {
        "upper": [(b"x" * n, take) for n in (0, 1, 100000) for take in (0, 1)],
        "exec": [(b"", 0), (b"echo hello", 0), (b"echo hello", 1), (b"head -c 5000000 /dev/zero", 1)],
        "ssh": [(b"", 0), (b"echo hello", 0), (b"echo hello", 1), (b"head -c 5000000 /dev/zero", 7)],
        "file": [(b"", 0), (big.encode(), 0), (big.encode(), 1), (big.encode(), 7), (big.encode(), 100000)],
    }
    for protocol, cases in scripts.items():
        server, port = serve(landline, protocol)
        before = support.descriptors(server.pid)
        if protocol == "upper":  # … while its answers wait for it
            connection = connect(port)
            connection.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    connection.send(b"x" * 100000)
            go(connection)
        for say, take in cases:
            if not say and take:
                continue
            connection = connect(port)
            connection.sendall(say)
            receive(connection, take)
            go(connection)
        if protocol == "ssh":  # … and after the consent, in the middle of the output
            connection = connect(port)
            connection.sendall(b"head -c 5000000 /dev/zero")
            assert receive(connection, 7) == b"5000000"
            connection.sendall(b"ok")
            receive(connection, 1000)
            go(connection)
        at_rest(server, before)
        with connect(port) as connection:
            ASKERS[protocol](connection, write_file(scratch + "/file", 1025), 1)
        assert server.popen.poll() is None


@pytest.mark.parametrize("command, why", [
    (b"echo a\0b", b"a NUL in the command"),
    (b"x" * (64 * 1024 + 1), b"larger than the limit allows"),
], ids=["nul", "large"])
@pytest.mark.parametrize("protocol", ["exec", "ssh"])
def test_commands_that_are_refused(landline, protocol, command, why):
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)
    with connect(port) as connection:
        server.signal(signal.SIGSTOP)  # stopped, so that the command is there as a whole when it is received
        connection.sendall(command)
        server.signal(signal.SIGCONT)
        assert receive_to_end(connection) == b""
    server.stderr.wait_for(why)
    at_rest(server, before)


def test_command_of_the_largest_size(landline):
    server, port = serve(landline, "exec")
    with connect(port) as connection:
        command = b"echo " + b"y" * (64 * 1024 - 5)
        server.signal(signal.SIGSTOP)
        connection.sendall(command)
        server.signal(signal.SIGCONT)
        assert receive(connection, len(command) - 4) == command[5:] + b"\n"


def test_output_above_the_limit_ends_the_connection(landline):
    server, port = serve(landline, "ssh")
    before = support.descriptors(server.pid)
    limit = 64 << 20
    with connect(port) as connection:
        connection.sendall(b"head -c %d /dev/zero" % limit)
        assert receive(connection, 8) == b"%d" % limit
        connection.sendall(b"ok")
        assert receive(connection, limit) == bytes(limit)
        connection.sendall(b"head -c %d /dev/zero; sleep 1000" % (limit + 1))
        assert receive_to_end(connection) == b""
    server.stderr.wait_for(b"larger than 64 MiB")
    at_rest(server, before)


def serve_with_limit(landline, protocol, limit):
    """Our server under a limit of descriptors, as ulimit takes it: (process, port)."""
    process = landline.spawn(["sh", "-c", "ulimit %s; exec \"$@\"" % limit, "sh", support.LANDLINE, "classic", "serve",
                              protocol, "--listen", "127.0.0.1:0"])
    return process, process.listening()[1]


def test_without_descriptors_clients_wait_and_are_served_later(landline):
    server, port = serve_with_limit(landline, "upper", "-n 24")
    before = support.descriptors(server.pid)
    connections = [connect(port) for _ in range(50)]  # the system accepts them, the server cannot
    server.stderr.wait_for(b"cannot accept for now")
    ask_upper(connections[0], None, 0)
    for i, connection in enumerate(connections):
        ask_upper(connection, None, i)
        connection.close()
    at_rest(server, before)


@pytest.mark.parametrize("protocol", ["exec", "ssh"])
@pytest.mark.parametrize("free", [0, 1, 2])  # a command needs two for its pipe and one for itself
def test_without_descriptors_a_command_is_refused(landline, protocol, free):
    limit = 40
    server, port = serve_with_limit(landline, protocol, "-n %d" % limit)
    before = support.descriptors(server.pid)
    connections = [connect(port) for _ in range(limit - len(before) - free)]
    support.eventually(lambda: len(support.descriptors(server.pid)) == limit - free, "all to be accepted")
    connections[0].sendall(b"echo hello")
    assert receive_to_end(connections[0]) == b""
    server.stderr.wait_for(b"Too many open files")
    for connection in connections:
        connection.close()
    at_rest(server, before)
    with connect(port) as connection:
        ASKERS[protocol](connection, None, 1)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_number_of_commands_at_once(landline, scratch):
    limit = 1024
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))  # for this test's own end of the connections
    server, port = serve(landline, "ssh")
    before = support.descriptors(server.pid)
    os.mkfifo(scratch + "/go")
    connections = [connect(port) for _ in range(limit)]
    for connection in connections:
        connection.sendall(b"exec cat %s/go" % scratch.encode())
    support.eventually(lambda: len(support.children(server.pid)) == limit, "%d commands" % limit)
    with connect(port) as one_more:
        one_more.sendall(b"echo hello")
        assert receive_to_end(one_more) == b""
    server.stderr.wait_for(b"too many commands at once")
    connections.pop().close()
    support.eventually(lambda: len(support.children(server.pid)) == limit - 1, "one command less")
    with connect(port) as one_more:
        ask_ssh(one_more, None, 1)
    for connection in connections:
        connection.close()
    at_rest(server, before)


def random_client(port, protocol, path, dice):
    """Says and does what comes to mind; whatever the server answers is right, if it is still there afterwards."""
    says = {
        "upper": [b"x", b"y" * 1000, b"z" * 300000],
        "exec": [b"echo hello", b"true", b"seq 1 100000", b"sleep 1000", b"sleep 1000 & exit", b"\0", b"exec >&-; sleep 9"],
        "file": [path.encode(), b"/missing", b"/", b"\0", path.encode() * 50],
    }
    says["ssh"] = says["exec"]
    with connect(port) as connection:
        connection.settimeout(0.05)
        try:
            for _ in range(dice.randrange(5)):
                if dice.random() < 0.7:
                    connection.sendall(dice.choice(says[protocol]))
                if dice.random() < 0.6:
                    connection.recv(dice.choice([1, 5, 1000, 1 << 20]))
                if dice.random() < 0.1:
                    connection.shutdown(socket.SHUT_WR)
        except OSError:  # the server has ended it, or takes its time
            pass
        if dice.random() < 0.5:
            vanish(connection)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_clients_without_manners(landline, path, protocol):
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)
    seed = random.randrange(1 << 32)
    print("seed", seed)
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for _ in pool.map(lambda i: random_client(port, protocol, path, random.Random(seed + i)), range(2000)):
            pass
    at_rest(server, before)
    with connect(port) as connection:
        ASKERS[protocol](connection, path, 1)
    server.signal(signal.SIGTERM)
    assert server.wait() == 0


def test_commands_get_the_usual_limit_of_descriptors(landline):
    server, port = serve_with_limit(landline, "exec", "-S -n 100")
    with connect(port) as connection:
        connection.sendall(b"ulimit -S -n; cat; for n in $(seq 0 99); do [ -e /proc/$$/fd/$n ] && echo $n; done")
        assert receive(connection, 10) == b"100\n0\n1\n2\n"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ten_thousand_connections_leave_nothing(landline, path, protocol):
    """Of every ten: seven ask and close, one says nothing, one asks and vanishes, one ends its direction and waits."""
    server, port = serve(landline, protocol)
    before = support.descriptors(server.pid)  # before the first client: one that has just left may still be among them
    hello = path.encode() if protocol == "file" else b"echo hello"

    def one(i):
        with connect(port) as connection:
            if i % 10 == 7:
                return
            if i % 10 == 8:
                connection.sendall(hello)
                vanish(connection)
                return
            if i % 10 == 9:
                connection.sendall(hello)
                connection.shutdown(socket.SHUT_WR)
                receive_to_end(connection)
                return
            ASKERS[protocol](connection, path, i)

    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        for _ in pool.map(one, range(10000), chunksize=1):
            pass
    at_rest(server, before)
    assert set(support.descriptors(server.pid)) == set(before)
    with connect(port) as connection:
        ASKERS[protocol](connection, path, 1)
