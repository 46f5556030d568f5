"""The window of a landline on a terminal is closed: SIGHUP comes, and the end of what is typed, in either order or one alone.
A shell ends then; a run with --on-loss=keep goes on, and its input has not ended."""

import contextlib
import os
import select
import signal
import subprocess
import sys

import pytest

import support
from pair import pair
from test_shell import at_prompt, terminal

pytestmark = pytest.mark.timeout(180)

# Who leads the session of a terminal is the one that a hang-up is told to: here somebody who does not pass it on.
LEADER = """import signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
child = subprocess.Popen(sys.argv[1:], preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
print("child=%d." % child.pid, flush=True)
sys.exit(child.wait())
"""

ENDS = ["the end alone", "the signal alone", "both", "the signal first"]

LISTENS = "trap '' HUP; stty -echo; echo up $$; while read -r line; do echo \"got $line\"; done; echo en''ded; exit 4"


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


def close(t, how):
    """Does to the terminal of landline what closing its window does."""
    if how in ("the signal alone", "the signal first"):
        os.kill(t.landline, signal.SIGHUP)
    if how != "the signal alone":
        t.hang_up()


def closed(box, how, words, ready):
    """Runs landline on a terminal until `ready` comes, closes that, and gives what `ready` found and the exit status."""
    program = (support.LANDLINE,) if how == "both" else (sys.executable, "-c", LEADER, support.LANDLINE)
    with terminal(box, *words, program=program) as t:
        t.landline = t.process.pid if how == "both" else int(t.expect(rb"child=(\d+)\.").group(1))
        found = ready(t)
        close(t, how)
        return found, t.wait()


def up(t):
    return int(t.expect(rb"up (\d+)\r\n").group(1))


def shell(t):
    at_prompt(t)
    t.type(b"echo up $$\r")
    return up(t)


@pytest.mark.parametrize("how", ENDS)
def test_a_shell_ends(box, how):
    pid, status = closed(box, how, ["shell", "box"], shell)
    assert status == 129
    support.eventually(lambda: not support.exists(pid), "the end of the shell")
    assert b"signalled 9" in box.run("runs", "box").stdout  # by us, not by ^D


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_is_kept_goes_on_and_can_be_typed_to(box, how):
    pid, status = closed(box, how, ["run", "-t", "--on-loss=keep", "box", "sh", "-c", LISTENS], up)
    assert status == 129
    listed = box.run("runs", "box").stdout.decode()
    assert "running" in listed, listed
    run = listed.split()[0]
    with terminal(box, "attach", "-i", "-t", "box", run) as t:
        assert up(t) == pid
        t.type(b"hello\r")
        t.expect(rb"got hello\r\n")
        t.type(b"\x04")
        t.expect(rb"ended")
        assert t.wait() == 4


@pytest.mark.parametrize("how", ENDS)
def test_a_run_that_is_not_kept_ends(box, how):
    pid, status = closed(box, how, ["run", "-t", "--on-loss=kill", "box", "sh", "-c", LISTENS], up)
    assert status == 129
    support.eventually(lambda: not support.exists(pid), "the end of the run")


# Notes what it hears, in order.
HEARS = """import os, signal, sys
notes = os.open(%r, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
signal.signal(signal.SIGHUP, lambda *_: os.write(notes, b"hup "))
print("up", os.getpid(), flush=True)
sys.stdin.read()
os.write(notes, b"end")
sys.exit(5)
"""


@pytest.mark.parametrize("how", ["the end alone", "both", "the signal first"])
def test_a_run_without_a_terminal_gets_the_signal_before_the_end(box, how):
    """As it is for a program here: one that does not mind the signal finds its input ended."""
    notes = os.path.join(box.landline.scratch, "notes")
    assert closed(box, how, ["run", "box", "/usr/bin/python3", "-c", HEARS % notes], up)[1] == 5
    with open(notes) as f:
        assert f.read() == "hup end"


def test_an_end_that_is_typed_is_no_hang_up(box):
    with terminal(box, "run", "box", "sh", "-c", "echo up; cat; exit 6") as t:
        t.expect(rb"up\r\n")
        t.type(b"line\r")
        t.expect(rb"line\r\nline\r\n")
        t.type(b"\x04")
        assert t.wait() == 6


def test_a_terminal_whose_input_came_from_a_pipe_can_be_typed_to_later(box):
    """What was piped has ended, and with it what read it; the terminal goes on."""
    script = "stty -echo; cat; echo en''ded; read -r line; echo \"got $line\"; exit 3"
    p = box.start("run", "-t", "box", "sh", "-c", script, stdin=subprocess.PIPE)
    p.stdin.write(b"piped\n")
    p.stdin.close()
    p.stdout.wait_for(rb"ended\r\n")
    run = box.run("runs", "box").stdout.decode().split()[0]
    with terminal(box, "attach", "-i", "-t", "box", run) as t:
        t.expect(rb"ended\r\n")
        t.type(b"hello\r")
        t.expect(rb"got hello\r\n")
        assert t.wait() == 3
    assert p.wait() == 3


def test_who_ignores_the_signal_sees_the_end_alone(box):
    """As under nohup."""
    notes = os.path.join(box.landline.scratch, "notes")
    words = ["run", "box", "/usr/bin/python3", "-c", HEARS % notes]
    with terminal(box, "-c", "trap '' HUP; \"$@\"", "sh", support.LANDLINE, *words, program=("sh",)) as t:
        up(t)
        t.hang_up()
        assert t.wait() == 5
    with open(notes) as f:
        assert f.read() == "end"


def fill(t):
    """Types until nobody takes any more of it."""
    os.set_blocking(t.master, False)
    typed = before = -1
    while typed < LIMIT_INPUT or typed != before:
        before = typed
        with contextlib.suppress(BlockingIOError):
            typed += os.write(t.master, b"a" * 4096)
        select.select([], [t.master], [], 0.2)


LIMIT_INPUT = 1 << 20  # bytes that a client keeps for a server that has not taken them


def test_a_shell_without_a_link_notices_though_it_reads_no_more(landline):
    """There is no signal, and nobody to take what was typed; it would try again until --give-up."""
    with pair(landline, through_relay=True) as box:
        with terminal(box, "-c", LEADER, support.LANDLINE, "shell", "box", program=(sys.executable,)) as t:
            at_prompt(t)
            box.relay.set_open(False)
            box.relay.cut_all()
            t.expect(rb"no link since")
            fill(t)
            t.hang_up()
            assert t.wait() == 122


def test_nor_need_the_run_read_anything(box):
    words = ["run", "-t", "--on-loss=kill", "box", "sh", "-c", "stty raw -echo; echo up $$.; exec sleep 1000"]
    with terminal(box, "-c", LEADER, support.LANDLINE, *words, program=(sys.executable,)) as t:
        pid = int(t.expect(rb"up (\d+)\.").group(1))
        fill(t)
        t.hang_up()
        assert t.wait() == 129
    support.eventually(lambda: not support.exists(pid), "the end of the run")


def test_a_watcher_that_is_hung_up_leaves_the_run_alone(box):
    run = box.run("run", "--detach", "box", "sh", "-c", "echo up; exec sleep 1000").stdout.decode().strip()
    with terminal(box, "attach", "box", run) as t:
        t.expect(rb"up\r\n")
        t.hang_up()
        assert t.wait() == 129
    assert b"running" in box.run("runs", "box").stdout
    box.run("kill", "box", run, "KILL")
