"""landline ping: on loopback, and in a network where the other machines behave as the test wants."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys

import pair
import pytest
import support

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tunpeer.py")
LINE = r"64 bytes from %s: icmp_seq=%d ttl=\d+ time=\d+\.\d{3} ms\n"
END = r"rtt min/avg/max/mdev = [\d.]+/[\d.]+/[\d.]+/[\d.]+ ms\n"


@functools.lru_cache
def can_make_networks():
    if os.geteuid() != 0 or not all(shutil.which(tool) for tool in ("unshare", "ip", "setpriv")):
        return False
    return subprocess.run(["unshare", "-n", sys.executable, PEER, "true"], stderr=subprocess.DEVNULL).returncode == 0


def in_network(landline, *args, unprivileged=False):
    if not can_make_networks():
        pytest.skip("needs root, network namespaces and /dev/net/tun")
    first = ["--unprivileged"] if unprivileged else []
    return landline.run(["unshare", "-n", sys.executable, PEER, *first, support.LANDLINE, *args])


def may_ping(result):
    if result.returncode == 2 and b"ping_group_range" in result.stderr:
        pytest.skip("neither SOCK_RAW nor echo sockets are allowed here")
    return result.stdout.decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_usual_lines(landline, host):
    text = may_ping(landline("ping", "-c", "3", "-i", "20ms", host))
    lines = "".join(LINE % (re.escape(host), i) for i in (1, 2, 3))
    assert re.fullmatch(r"PING %s \(%s\): 56 data bytes\n%s\n--- %s ping statistics ---\n"
                        r"3 packets transmitted, 3 received, 0%% packet loss, time \d+ ms\n%s"
                        % (host, host, lines, host, END), text)


@pytest.mark.parametrize("size", [0, 1, 1400, 65507])
def test_sizes(landline, size):
    text = may_ping(landline("ping", "-c", "1", "-s", str(size), "127.0.0.1"))
    assert "%d bytes from 127.0.0.1" % (size + 8) in text


def test_quiet_and_json(landline):
    text = may_ping(landline("ping", "-q", "-c", "2", "-i", "1ms", "127.0.0.1"))
    assert "icmp_seq" not in text and "2 received" in text
    found = json.loads(landline("ping", "--json", "-c", "2", "-i", "1ms", "127.0.0.1").stdout)
    assert (found["sent"], found["received"]) == (2, 2)
    assert [line["sequence"] for line in found["lines"]] == [1, 2]
    assert 0 < found["min"] <= found["avg"] <= found["max"]
    assert found["avg"] == pytest.approx(sum(line["time"] for line in found["lines"]) / 2, abs=2e-9)


def test_interrupt_shows_the_summary(landline):
    process = landline.start("ping", "-i", "10ms", "127.0.0.1")
    try:
        process.stdout.wait_for(rb"icmp_seq=2 ")
    except AssertionError:
        pytest.skip(process.stderr.text())
    process.signal(2)
    assert process.wait() == 0
    assert re.search(r"\d+ packets transmitted, \d+ received", process.stdout.text())


def test_over_the_network(landline):
    result = in_network(landline, "ping", "-c", "2", "-i", "5ms", "192.0.2.2")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count(b"ttl=57 ") == 2
    result = in_network(landline, "ping", "-c", "1", "2001:db8::2")
    assert b"64 bytes from 2001:db8::2: icmp_seq=1 ttl=57 " in result.stdout


def test_without_privilege(landline):
    for address in ("192.0.2.2", "2001:db8::2"):
        result = in_network(landline, "ping", "-c", "1", address, unprivileged=True)
        assert result.returncode == 0, result.stderr
        assert b"over an unprivileged echo socket" in result.stdout
        assert b"icmp_seq=1 ttl=57 " in result.stdout


def test_not_allowed_at_all(landline):
    if not shutil.which("setpriv") or os.geteuid() != 0:
        pytest.skip("needs root, to drop what root may")
    bare = ["unshare", "-n", "setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"]
    result = landline.run([*bare, support.LANDLINE, "ping", "-c", "1", "127.0.0.1"])
    assert result.returncode == 2
    assert b"CAP_NET_RAW" in result.stderr and b"ping_group_range" in result.stderr


def test_second_answers_and_damage(landline):
    text = in_network(landline, "ping", "-c", "2", "-i", "50ms", "192.0.2.3").stdout.decode()
    assert "(a second answer)" in text and re.search(r"2 received, [12] repeated, 0% packet loss", text)
    text = in_network(landline, "ping", "-c", "1", "192.0.2.4").stdout.decode()
    assert "(damaged)" in text and "1 damaged" in text


@pytest.mark.parametrize("address, router, words", [
    ("192.0.2.5", "192.0.2.9", "host unreachable"), ("2001:db8::5", "2001:db8::9", "address unreachable")])
def test_unreachable(landline, address, router, words):
    result = in_network(landline, "ping", "-c", "1", address)
    assert result.returncode == 1
    assert "from %s: icmp_seq=1 %s" % (router, words) in result.stdout.decode()
    assert b"1 errors, 100% packet loss" in result.stdout


def test_no_answer(landline):
    result = in_network(landline, "ping", "-c", "2", "-i", "10ms", "-W", "100ms", "192.0.2.6")
    assert result.returncode == 1
    assert b"no answer: icmp_seq=1 within 0.1 s\n" in result.stdout
    assert b"2 packets transmitted, 0 received, 100% packet loss" in result.stdout


def test_no_route(landline):
    result = in_network(landline, "ping", "-c", "1", "198.51.100.1")
    assert result.returncode == 1
    assert b"Network is unreachable" in result.stdout


def test_trace_names_an_unreachable_host(landline):
    result = in_network(landline, "trace", "--timeout", "5s", "192.0.2.5:80")
    assert result.returncode == 1
    assert b"ICMP from 192.0.2.9: host unreachable" in result.stdout
    assert b"Unreachable: a machine on the way said" in result.stdout


@pytest.mark.parametrize("args, words", [
    ((), b"HOST"), (("-s", "65508", "127.0.0.1"), b"65507"), (("-i", "0", "127.0.0.1"), b"1ms"),
    (("-c", "x", "127.0.0.1"), b"not a number"), (("a", "b"), b"too many"),
])
def test_wrong_command_lines(landline, args, words):
    result = landline("ping", *args)
    assert result.returncode == 2 and words in result.stderr


def test_unknown_name(landline):
    result = landline("ping", "no-such-host.invalid")
    assert result.returncode == 2 and b"no-such-host.invalid" in result.stderr


def test_a_paired_host(landline):
    """Also through landline: connecting, a question, a command; without the privilege for ICMP that is all there is."""
    with pair.pair(landline) as both:
        result = both.run("ping", "-c", "2", "-i", "10ms", "box")
        text = result.stdout.decode()
        assert result.returncode == 0
        if b"ping_group_range" not in result.stderr:
            assert "PING 127.0.0.1 (127.0.0.1)" in text and "2 received" in text
        assert re.search(r"(?m)^landline: connected in [\d.]+ ms, round trip [\d.]+ ms, `true` in [\d.]+ ms\n\Z", text)

        def told():
            found = json.loads(both.run("ping", "--json", "-c", "1", "box").stdout)["landline"]
            assert found["code"] == "" and found["round_trip"] > 0
            return found["round_trip"] < found["true"]  # a busy machine may hold up the question alone
        support.eventually(told, "a question that takes less time than a command")
        both.server.stop()
        result = both.run("ping", "-c", "1", "box")
        assert b"landline: box: cannot connect" in result.stdout
        found = json.loads(both.run("ping", "--json", "-c", "1", "box").stdout)["landline"]
        assert found["code"] == "ECONNREFUSED"
