"""landline doctor: its findings against what the system says, and its advice for what is wrong."""

import json
import os
import re
import resource
import shutil
import socket
import sys

import pair
import pytest
import support
from test_ping import in_network
from test_trace import Server, read_all


def ask(landline, *args, status=0, run=None):
    result = (run or landline)("doctor", "--json", *args)
    assert result.returncode == status, result.stderr.decode()
    found = json.loads(result.stdout)
    return {f["name"]: f for f in found["findings"]}, found["change"]


def setting(path):
    with open(path) as file:
        return file.read().split()


def test_this_machine(landline):
    found, change = ask(landline)
    assert found["kernel"]["value"] == "%s %s %s" % (os.uname().sysname, os.uname().release, os.uname().machine)
    assert found["congestion control"]["value"] == setting("/proc/sys/net/ipv4/tcp_congestion_control")[0]
    assert found["receive buffer"]["value"].split() == setting("/proc/sys/net/ipv4/tcp_rmem")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert found["open files"]["value"] == "%d, at most %d" % (soft, hard)
    assert found["configuration"]["value"] == landline.home
    assert all(found[name]["state"] == "good" for name in ("openat2", "pidfd_open", "close_range"))
    advice = [f["advice"] for f in found.values() if "advice" in f]
    assert change in advice if advice else change is None


def test_a_limit_that_is_too_low(landline):
    result = landline.run(["sh", "-c", "ulimit -n 64; exec \"$0\" doctor --json", support.LANDLINE])
    finding = next(f for f in json.loads(result.stdout)["findings"] if f["name"] == "open files")
    assert finding["state"] == "could be better" and "LimitNOFILE" in finding["advice"]


def test_text_ends_with_the_one_thing(landline):
    text = landline("doctor").stdout.decode()
    assert re.search(r"\n\n(The one thing to change: .+|Nothing to change\.)\n\Z", text)


def test_rights_that_are_missing(landline):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root, to drop what root may")
    bare = ["setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw", support.LANDLINE]
    found, _ = ask(landline, run=lambda *args: landline.run([*bare, *args]))
    assert "no CAP_NET_RAW" in found["capture and ping"]["value"]


def test_a_host_that_answers(landline):
    with Server(read_all) as server:
        found, change = ask(landline, "127.0.0.1:%d" % server.port)
    assert found["name"]["value"] == "127.0.0.1 has 1 address"
    way = found["127.0.0.1:%d" % server.port]
    assert way["value"] == "connected" and way["seconds"] > 0
    assert found["sent again"]["value"] == "0 segments"
    assert found["congestion"]["value"].startswith(setting("/proc/sys/net/ipv4/tcp_congestion_control")[0] + ",")
    assert re.fullmatch(r"theirs \d+, ours \d+", found["window scale"]["value"])
    assert change is None


def test_a_port_where_nobody_listens(landline):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        target = "127.0.0.1:%d" % closed.getsockname()[1]
        found, change = ask(landline, target, status=1)
    assert found[target]["state"] == "wrong" and found[target]["value"] == "Connection refused"
    assert change == found[target]["advice"] and "start the server" in change


def test_a_name_that_is_none(landline):
    found, change = ask(landline, "no-such-host.invalid", status=1)
    assert found["name"]["state"] == "wrong" and "no-such-host.invalid" in change


def test_a_host_that_is_silent_and_one_that_cannot_be_reached(landline):
    result = in_network(landline, "doctor", "--json", "--timeout", "300ms", "192.0.2.6:80")
    assert result.returncode == 1 and "firewall" in json.loads(result.stdout)["change"]
    result = in_network(landline, "doctor", "--json", "192.0.2.5:80")
    assert result.returncode == 1 and "there is no way" in json.loads(result.stdout)["change"]


def test_a_path_that_strips_options(landline):
    """A server without window scaling, as behind a meddling firewall: told, and no alarm."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("needs root and network namespaces")
    program = ("import socket, subprocess, sys; open('/proc/sys/net/ipv4/tcp_window_scaling', 'w').write('0'); "
               "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True); "
               "s = socket.create_server(('127.0.0.1', 0)); "
               "sys.exit(subprocess.run([sys.argv[1], 'doctor', '--json', '127.0.0.1:%d' % s.getsockname()[1]]).returncode)")
    result = landline.run(["unshare", "-n", sys.executable, "-c", program, support.LANDLINE])
    assert result.returncode == 0, result.stderr
    assert "window scaling" in json.loads(result.stdout)["change"]


@pytest.mark.parametrize("args, words", [(("a", "b"), b"too many"), (("127.0.0.1:99999",), b"HOST"),
                                         (("--timeout", "x", "h"), b"duration")])
def test_wrong_command_lines(landline, args, words):
    result = landline("doctor", *args)
    assert result.returncode == 2 and words in result.stderr


def test_hostile_names_are_escaped(landline):
    result = landline("doctor", "a\x1b[31mb.invalid")
    assert result.returncode in (1, 2)
    assert b"\x1b" not in result.stdout + result.stderr


def ask_box(both, status=0):
    result = both.run("doctor", "--json", "box")
    assert result.returncode == status, result.stderr.decode()
    found = json.loads(result.stdout)
    return {(f["group"], f["name"]): f for f in found["findings"]}, found["change"]


def test_a_paired_host(landline):
    with pair.pair(landline) as both:
        def times():
            found, _ = ask_box(both)
            return found if found["landline", "round trip"]["seconds"] < found["landline", "spawn"]["seconds"] else None
        # A busy machine may hold up the question alone.
        found = support.eventually(times, "a question that takes less time than a command")
    assert found["host", both.address]["value"] == "connected"
    for step in ("TLS", "identity", "grant", "round trip", "spawn"):
        assert found["landline", step]["state"] == "good" and found["landline", step]["seconds"] > 0
    assert abs(float(found["server", "clock"]["value"].split()[0])) < 60
    assert found["server", "kernel"]["value"] == "%s %s" % (os.uname().sysname, os.uname().release)
    assert "at most" in found["server", "open files"]["value"]
    assert re.fullmatch(r"at most (\d+|unlimited)", found["server", "processes"]["value"])
    assert found["server", "kernel TLS"]["value"] in ("available", "not loaded")
    assert found["server", "gate sandbox"]["state"] == "good"


def test_a_grant_without_runs(landline):
    with pair.pair(landline, grant="get") as both:
        found, change = ask_box(both)
    assert "does not let it run" in found["landline", "spawn"]["value"]
    assert change is None


def test_a_server_that_is_down(landline):
    with pair.pair(landline) as both:
        both.server.stop()
        found, change = ask_box(both, status=1)
    assert found["landline", "TLS"]["state"] == "wrong"
    assert "start the server" in change


def test_a_server_with_another_key(landline):
    with pair.pair(landline) as both:
        other = "SHA256:" + "A" * 43
        path = os.path.join(both.client_home, "hosts")
        with open(path) as file:
            text = re.sub(r"SHA256:\S+", other, file.read())
        with open(path, "w") as file:
            file.write(text)
        found, change = ask_box(both, status=1)
    assert found["landline", "TLS"]["state"] == "wrong"
    assert change == found["landline", "TLS"]["advice"]
    assert "key" in change or "without a word" in change


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not there")
def test_a_machine_in_the_middle(landline):
    with pair.pair(landline) as both:
        both.put_a_machine_in_the_middle()
        found, change = ask_box(both, status=1)
    assert found["landline", "TLS"]["state"] == "good" and found["landline", "identity"]["state"] == "wrong"
    assert ("landline", "grant") not in found
    assert "another key than the pinned one" in change and "in between" in change


def test_a_list_of_hosts_that_is_broken(landline):
    os.makedirs(landline.home)
    with open(os.path.join(landline.home, "hosts"), "w") as file:
        file.write("not a host\n")
    found, _ = ask(landline, "127.0.0.1:1", status=1)
    assert found["list of hosts"]["state"] == "wrong" and "hosts" in found["list of hosts"]["advice"]
