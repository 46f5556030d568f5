"""What others can have the server's log say: LIMIT_LOG_LINES of a kind in LIMIT_LOG_MS (lib/base/limits.h), and then how many more
there were."""

import contextlib
import os
import re
import shutil
import signal
import socket
import sys

import pytest

import support
from server_support import Server

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402

pytestmark = pytest.mark.timeout(180)

LINES, MANY = 20, 2000

# A gate that was taken over, as far as the keeper can tell. It says that it is ready, and then what follows.
GATE = """#!%s
import os, signal, socket, struct, time
keeper = socket.socket(fileno=3)
keeper.setblocking(True)
def say(kind, text):
    keeper.sendall(struct.pack(">IBBHII", 4 + len(text), kind, 0, 0, 0, 0) + text)
say(0x41, b"")
""" % sys.executable


def replaceable(landline, **environment):
    """A server whose program is a file of its own, in whose place a test can put another."""
    program = os.path.join(landline.scratch, "landline")
    shutil.copy(support.LANDLINE, program)
    return Server(landline, program=program, **environment)


@pytest.fixture
def server(landline):
    return replaceable(landline)


def next_gate(server, text):
    """The gates that start from now on."""
    os.unlink(server.program)
    with open(server.program, "w") as f:
        f.write(GATE + text)
    os.chmod(server.program, 0o755)
    gate = server.gate()
    server.process.signal(signal.SIGHUP)
    support.eventually(lambda: not support.exists(gate), "the end of the gate")


def log(server):
    """All that it has said, at its end."""
    server.process.signal(signal.SIGTERM)
    server.process.signal(signal.SIGTERM)
    server.process.wait()
    return server.process.stderr.text().splitlines()


def left_out(lines, about):
    [line] = [line for line in lines if re.search(r"\d+ more lines %s were left out$" % about, line)]
    return int(re.search(r"(\d+) more", line).group(1))


@pytest.mark.parametrize("way", ['say(0x42, b"flood \\x1b[2J")', 'os.write(2, b"flood \\x1b[2J\\n")'])
def test_what_a_gate_says(server, way):
    """Until it says what cannot be: then all before that has been read. The next one does the same."""
    next_gate(server, """
for _ in range(%d):
    %s
say(0x7f, b"")
signal.pause()
""" % (MANY, way))
    server.process.stderr.wait_for(b"the gate was killed")
    lines = log(server)
    assert len([line for line in lines if re.match(r"landline: gate: flood \\x1b\[2J$", line)]) == LINES
    assert left_out(lines, "from the gate") >= MANY - LINES


def test_a_gate_that_is_ready_again_and_again(landline):
    """The service manager is told once."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.setblocking(False)
    with manager:
        name = os.path.join(landline.scratch, "manager")
        manager.bind(name)
        server = replaceable(landline, NOTIFY_SOCKET=name)
        done = os.path.join(landline.scratch, "done")
        next_gate(server, """
if not os.path.exists(%r):
    open(%r, "w").close()
    for _ in range(1000):
        say(0x41, b"")
    say(0x7f, b"")
signal.pause()
""" % (done, done))
        server.process.stderr.wait_for(b"the gate was killed")  # the next one holds its peace
        told = []
        with contextlib.suppress(BlockingIOError):
            while True:
                told.append(manager.recv(4096))
    assert told[0] == b"READY=1" and told[1].startswith(b"RELOADING=1\n") and len(told) < 5, told


def test_gates_that_end(server, landline):
    starts = os.path.join(landline.scratch, "starts")
    next_gate(server, """
with open(%r, "a") as f:
    f.write(".")
os._exit(3)
""" % starts)
    support.eventually(lambda: os.path.exists(starts) and os.path.getsize(starts) > LINES + 3, "many gates")
    lines = log(server)
    assert len([line for line in lines if re.match("landline: the gate (ended|was killed)", line)]) == LINES
    assert left_out(lines, "about gates that ended") >= 2


def test_the_last_words_of_a_gate(server):
    """What is read of them when it has ended."""
    next_gate(server, 'os.write(2, b"corrupted\\nand without an end of line")\nos._exit(3)\n')
    server.process.stderr.wait_for(rb"landline: gate: corrupted\nlandline: gate: and without an end of line\n")


def test_keys_that_are_not_enrolled(server, landline):
    """Each of them knows an invite that was used already; one that is let in is told of all the same."""
    first, other = (lp.Identity(os.path.join(landline.scratch, name)) for name in ("first", "other"))
    used, good = lp.Invite(server.invite()), lp.Invite(server.invite())

    def enrol(invite, identity):
        peer = lp.Peer.dial(invite.host, invite.port, invite.pin, identity)
        try:
            peer.enrol(invite, "peer", identity.pin)
        finally:
            peer.close()
    enrol(used, first)
    for _ in range(LINES + 5):
        with pytest.raises(lp.Closed):
            enrol(used, other)
    enrol(good, other)
    lines = log(server)
    assert len([line for line in lines if "was not enrolled" in line]) == LINES
    assert len([line for line in lines if "enrolled SHA256:" in line]) == 2
    assert left_out(lines, "about keys that were not enrolled") == 5
