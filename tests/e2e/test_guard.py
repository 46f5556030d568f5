"""A guard: what a `run true` costs in instructions and system calls, which no busy machine changes, under the ceilings of
ceilings.json.

A ceiling was about a tenth above what was measured when it was written. Where a change exceeds it, find out why (callgrind,
strace -c) and take it out; what is worth its price raises the ceiling in the same commit, whose message says why. What got
much cheaper lowers it: a ceiling that nothing can reach guards nothing."""

import json
import os
import re
import shutil
import signal
import subprocess

import pytest

import support
from server_support import Server

GENEROUS = 0.6  # below this part of its ceiling a figure is told as too good for it
CEILINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "ceilings.json")


def plain_build():
    """Whether the program is what gcc makes of it for users: sanitizers, coverage and other compilers cost their own."""
    with open(support.LANDLINE, "rb") as f:
        program = f.read()
    return b"__asan_init" not in program and b"__gcov" not in program and b"GCC: (" in program and \
        b"clang version" not in program


pytestmark = [pytest.mark.timeout(120),
              pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed"),
              pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")]


def hold(name, measured):
    with open(CEILINGS) as f:
        ceiling = json.load(f)[name]
    assert measured <= ceiling, "%s: %d, and the ceiling is %d: %s" % (name, measured, ceiling, __doc__)
    assert measured >= GENEROUS * ceiling, "%s: %d, and the ceiling is %d, too high to guard anything: lower it" % (
        name, measured, ceiling)


@pytest.fixture
def server(landline):
    if not plain_build():
        pytest.skip("the ceilings are those of an ordinary build with gcc")
    server = Server(landline)
    server.add()
    return server


COLD, WARM = "cold", "warm"


@pytest.fixture
def broker(landline, server):
    """What a first call left, so that others are warm; until the host is forgotten."""
    run_true(landline, WARM)
    support.eventually(lambda: b" by process " in landline("hosts").stdout, "a broker")
    yield
    assert landline("hosts", "remove", "box").returncode == 0


def run_true(landline, kind, *before):
    options = ("--no-broker",) if kind == COLD else ()
    done = subprocess.run([*before, support.LANDLINE, "run", *options, "box", "--", "true"],
                          env=landline.environment(env={"LANDLINE_BROKER": "60s"}), stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=support.PATIENCE)
    assert done.returncode == 0, done.stderr
    return done


def calls(path):
    """The sum of a table of strace -c."""
    with open(path) as f:
        return int(re.search(r"^\s*(\d+)\s+total$", f.read(), re.M).group(1))


def instructions(landline, kind, out):
    counts = []
    for _ in range(3):  # a busy machine may make the server lose its patience, and then there are two handshakes
        run_true(landline, kind, "valgrind", "--tool=callgrind", "--callgrind-out-file=" + out)
        with open(out) as f:
            counts.append(int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1)))
    return min(counts)


def test_instructions_of_the_client(landline, server, scratch):
    hold("instructions of the client, cold", instructions(landline, COLD, os.path.join(scratch, "callgrind")))


def test_instructions_of_a_warm_client(landline, broker, scratch):
    hold("instructions of the client, warm", instructions(landline, WARM, os.path.join(scratch, "callgrind")))


COUNT = ["strace", "-f", "-c", "-U", "calls,name", "-o"]


def system_calls(landline, kind, out):
    counts = []
    for _ in range(3):  # how many pieces an answer comes in depends on time, and a busy machine only adds to them
        run_true(landline, kind, *COUNT, out)
        counts.append(calls(out))
    return min(counts)


def test_system_calls_of_the_client(landline, server, scratch):
    hold("system calls of the client, cold", system_calls(landline, COLD, os.path.join(scratch, "calls")))


def test_system_calls_of_a_warm_client(landline, broker, scratch):
    hold("system calls of the client, warm", system_calls(landline, WARM, os.path.join(scratch, "calls")))


def sends(landline, kind, out):
    counts = []
    for _ in range(3):
        run_true(landline, kind, "strace", "-e", "trace=sendto", "-o", out)
        with open(out) as f:
            counts.append(f.read().count("sendto("))
    return min(counts)


def test_packets_of_the_client(landline, server, scratch):
    """ClientHello; the end of the handshake, with the request; and all last words."""
    assert sends(landline, COLD, os.path.join(scratch, "calls")) == 3


def test_packets_of_a_warm_client(landline, broker, scratch):
    """The request; to close the socket is the last word."""
    assert sends(landline, WARM, os.path.join(scratch, "calls")) == 1


def served(landline, server, count, out):
    """System calls of gate, keeper and programs for `count` commands, one after another on one connection."""
    tracer = subprocess.Popen([*COUNT, out, "-p", str(server.pid), "-p", str(server.gate())], stderr=subprocess.PIPE)
    try:
        traced = [b"%d attached" % pid for pid in (server.pid, server.gate())]
        seen = b""
        while not all(word in seen for word in traced):
            line = tracer.stderr.readline()
            if not line or b"not permitted" in line:
                pytest.skip("this machine does not let strace attach: %r" % line)
            seen += line
        done = subprocess.run([os.path.join(support.BUILD, "bench", "bench-exec-workers"), "box", str(count), "1",
                               "/bin/true"], env=landline.environment(), capture_output=True, timeout=support.PATIENCE)
        assert done.returncode == 0, done.stderr
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=support.PATIENCE)
    return calls(out)


def test_system_calls_of_the_server(landline, server, scratch):
    out = os.path.join(scratch, "calls")
    few, many = (min(served(landline, server, count, out) for _ in range(3)) for count in (20, 70))
    subprocess.run([*COUNT, out, "/bin/true"], check=True)
    hold("system calls of the server for one command", (many - few) / 50 - calls(out))
