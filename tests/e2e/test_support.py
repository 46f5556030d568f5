"""The test tools themselves: a leftover, a leaked descriptor and a line that never comes are found."""

import os
import re
import socket
import subprocess
import sys
import time
import types

import pytest

import cuts
import support
from pair import pair

PYTHON = "/usr/bin/python3"


def test_a_line_is_waited_for(landline):
    p = landline.spawn([PYTHON, "-c", "import sys; sys.stderr.write('landline: listening on [::1]:4711\\n')"])
    assert p.listening() == ("::1", 4711)
    assert p.wait() == 0


def test_a_line_that_never_comes_fails_at_the_end(landline):
    p = landline.spawn([PYTHON, "-c", "print('something else')"])
    with pytest.raises(AssertionError, match="closed it"):
        p.stdout.wait_for(b"listening")


def test_leftovers_are_found_and_ended(scratch):
    runner = support.Runner(scratch)
    runner.grace = 0.2
    # A process that leaves its session, as a careless daemon does.
    p = runner.spawn([PYTHON, "-c", "import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True,"
                      " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(p.pid)"])
    left = int(p.stdout.wait_for(rb"(\d+)\n").group(1))
    assert p.wait() == 0
    with pytest.raises(AssertionError, match="left behind"):
        runner.close()
    support.eventually(lambda: not support.exists(left), "the end of the leftover")


def test_descriptors_and_children_are_counted(landline):
    p = landline.spawn([PYTHON, "-c", "import sys, subprocess; c = subprocess.Popen(['cat'], stdin=subprocess.PIPE);"
                        "f = open('/dev/null'); print('up', flush=True); sys.stdin.read()"], stdin=subprocess.PIPE)
    p.stdout.wait_for(b"up")
    assert "/dev/null" in support.descriptors(p.pid).values()
    assert len(support.children(p.pid)) == 1
    with pytest.raises(AssertionError):
        support.eventually(lambda: len(support.descriptors(p.pid)) <= 3, timeout=0.1)


def test_what_nobody_reads_from_a_terminal_is_seen(landline):
    master, terminal = os.openpty()
    waits = landline.spawn(["sleep", "1000"], stdin=terminal)
    os.write(master, b"ab\n")
    support.eventually(lambda: support.unread_of(waits.pid) == "3 bytes wait", "bytes on the terminal", timeout=10)
    waits.stop()
    assert "bytes" not in support.unread_of(waits.pid)
    os.close(master)
    os.close(terminal)


class Endless(cuts.Run):
    """Its command waits for input that does not come."""

    patience = 3.0

    def begin(self, slot):
        waits, self.feed = os.pipe()
        slot.spawn(["run", "box", "sh", "-c", "echo begun; cat"], waits)
        os.close(waits)


def test_a_session_that_does_not_end_says_where_it_is(landline, monkeypatch):
    monkeypatch.setitem(cuts.SESSIONS, "endless", Endless)
    with pair(landline, env=cuts.ENVIRONMENT) as both:
        sweep = cuts.Sweep(both, "endless", 2)
        try:
            with pytest.raises(AssertionError) as failure:
                sweep.cut([cuts.Cut(cuts.RST, cuts.UP, 1 << 20)] * 2, lambda place: [], lambda place: None)
        finally:
            sweep.close()
            os.close(sweep.session.feed)
        said = str(failure.value)
        for part in (r"no end; it said b'begun\\n'", "0 sessions ended", "this one: ", "another: ", "up: [1-9][0-9]* passed",
                     "client, [0-9]+:", "keeper, %d:" % both.server.pid, "landline: gate", "syscall: ", "ESTAB.*127.0.0.1:%d" %
                     both.server.listening()[1]):
            assert re.search(part, said), (part, said)


def test_a_connection_without_a_session_is_not_the_next_ones(landline):
    with pair(landline, env=cuts.ENVIRONMENT) as both:
        sweep = cuts.Sweep(both, "run", 1)
        try:
            with socket.create_connection(sweep.slots[0].listener.getsockname(), timeout=10) as late:
                sweep.wait()
                assert late.recv(1) == b"" and sweep.slots[0].links == []
        finally:
            sweep.close()


class Line(cuts.Sweep):
    """What of a sweep a link needs, and the clock."""

    def __init__(self, *slots):
        self.make_loop()
        self.session, self.made, self.slots, self.problems = cuts.Session(), 0, slots, []


def test_a_relay_that_stood_still_gives_its_sessions_the_time_back(monkeypatch):
    monkeypatch.setattr(cuts.Sweep, "explain", lambda self, slot: "why")
    monkeypatch.setattr(cuts.Session, "output", lambda self, slot: b"", raising=False)
    slot = types.SimpleNamespace(pid=1, place="here", complaint=0, text=lambda fd: b"", deadline=time.monotonic() + 1)
    line = Line(slot)
    for took, problems in ((cuts.STOOD_STILL + 1, 0), (cuts.STOOD_STILL - 1, 1)):
        before = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda now=before + took: now)
        line.look_at_the_clock()
        assert len(line.problems) == problems, line.problems
    line.epoll.close()


def connection():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far = listener.accept()[0]
    near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 << 10)
    near.setblocking(False)
    far.setblocking(False)
    return near, far


def test_a_relay_whose_way_on_is_full_goes_on_when_it_is_not():
    (client, here), (there, server) = connection(), connection()
    line, sent, came = Line(), 0, 0
    link = cuts.Link(types.SimpleNamespace(sweep=line), here, there, None)

    def turn():
        for fd, events in line.epoll.poll(0):
            line.waits[fd](events)

    while not link.held[cuts.UP]:  # in small pieces, so that one finds no room at all
        sent += client.send(b"x" * 1000)
        turn()

    def arrive():
        nonlocal came
        turn()
        try:
            came += len(server.recv(1 << 20))
        except BlockingIOError:
            pass
        return came == sent

    support.eventually(arrive, "the rest", timeout=10)
    link.close()
    client.close()
    server.close()
    line.epoll.close()


def test_python_is_debians(build):
    assert os.path.realpath(sys.executable).startswith("/usr/bin/python3")
    assert os.path.isdir(build)
