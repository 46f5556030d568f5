"""What a program has written is there for who reads slowly, or is away for a moment, though others want none of it."""

import os
import signal
import subprocess

import pytest

import support
from pair import pair
from reader import Reader

pytestmark = pytest.mark.timeout(180)

RING = 64 << 20  # bytes that the server keeps for a slow reader


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


class Stalled(Reader):
    """A command that prints more than anybody takes, and ends: the rest is in its pipe. Its client's output is not read yet."""

    all = RING + (600 << 10)

    def __init__(self, box, *options):
        mark = os.path.join(box.landline.scratch, "mark")
        super().__init__(box, "run", "--grace", "500ms", *options, "box", "sh", "-c",
                         "head -c %d /dev/zero; echo done > %s; exit 3" % (self.all, mark))
        support.eventually(lambda: os.path.exists(mark), "the end of the program")
        # The time for stragglers passes.
        assert box.run("run", "box", "sleep", "1.5").returncode == 0


def test_a_program_that_has_ended_with_its_pipe_full(box):
    """The reader is a ring behind: what is in the pipe has no room in it, and waits."""
    with Stalled(box) as stalled:
        assert stalled.check_rest(bytes(stalled.all)) == b""


def test_it_does_not_wait_for_ever(box):
    with Stalled(box, "--on-loss", "keep=1s") as stalled:
        assert b"running" in box.run("runs", "box").stdout
        stalled.popen.kill()
        support.eventually(lambda: b"running" not in box.run("runs", "box").stdout, "the end of the run")
        assert b"exited 3" in box.run("runs", "box").stdout


@pytest.mark.parametrize("first", ["the cut", "the stop"])
def test_one_is_cut_off_and_another_wants_nothing(landline, first):
    """The program must not hear that nobody reads it: who was cut off comes back."""
    with pair(landline, through_relay=True) as far:
        near = far.another_way()
        end, progress = (os.path.join(landline.scratch, name) for name in ("end", "progress"))
        script = "i=0; while [ ! -e %s ]; do i=$((i+1)); echo $i; echo >> %s; sleep 0.02; done; exit 3" % (end, progress)
        runner = far.start("run", "box", "sh", "-c", script)
        runner.stdout.wait_for(b"5\n")
        listed = far.run("runs", "box", home=near).stdout.decode()
        other = subprocess.Popen([support.LANDLINE, "attach", "box", listed.split()[0]], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, env=landline.environment(near, far.env))

        def more():
            before = os.path.getsize(progress)
            support.eventually(lambda: os.path.getsize(progress) > before + 20, "some lines more")

        def cut():
            far.relay.set_open(False)
            far.relay.cut_all()
            support.eventually(lambda: b"1 watching" in far.run("runs", "box", home=near).stdout, "the loss")

        try:
            assert other.stdout.readline() == b"1\n"
            for step in ((cut, other.stdout.close) if first == "the cut" else (other.stdout.close, cut)):
                step()
                more()
            far.relay.set_open(True)
            open(end, "w").close()
            assert runner.wait() == 3, runner.stderr.text()
            assert runner.stdout.data.split() == [b"%d" % i for i in range(1, os.path.getsize(progress) + 1)]
        finally:
            other.kill()
            other.wait()
            other.stdout.close()


def test_when_all_have_stopped_the_program_is_told(box):
    """Also when the one who wanted it has left on purpose."""
    run = box.run("run", "--detach", "box", "sh", "-c", "while :; do echo x; sleep 0.02; done").stdout.decode().strip()
    wants = box.start("attach", "box", run)
    wants.stdout.wait_for(b"x\n")
    other = subprocess.Popen([support.LANDLINE, "attach", "box", run], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env=box.landline.environment(box.client_home, box.env))
    assert other.stdout.readline() == b"x\n"
    other.stdout.close()
    wants.signal(signal.SIGINT)
    assert wants.wait() == 130
    assert other.wait(support.PATIENCE) == 141
