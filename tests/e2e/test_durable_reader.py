"""What a program has written is there for who reads slowly, or is away for a moment, though others want none of it."""

import os
import subprocess

import pytest

import support
from pair import pair

pytestmark = pytest.mark.timeout(180)

RING = 64 << 20  # bytes that the server keeps for a slow reader


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


class Stalled:
    """A command that prints more than anybody takes, and ends: the rest is in its pipe. Its client's output is not read yet."""

    size = RING + (600 << 10)

    def __init__(self, box, *options):
        mark = os.path.join(box.landline.scratch, "mark")
        command = "head -c %d /dev/zero; echo done > %s; exit 3" % (self.size, mark)
        words = [support.LANDLINE, "run", "--grace", "500ms", *options, "box", "sh", "-c", command]
        self.client = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                       env=box.landline.environment(box.client_home, box.env))
        support.eventually(lambda: os.path.exists(mark), "the end of the program")
        # The time for stragglers passes.
        assert box.run("run", "box", "sleep", "1.5").returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.kill()
        self.client.wait()
        self.client.stdout.close()
        self.client.stderr.close()


def test_a_program_that_has_ended_with_its_pipe_full(box):
    """The reader is a ring behind: what is in the pipe has no room in it, and waits."""
    with Stalled(box) as stalled:
        p = stalled.client
        came = sum(len(piece) for piece in iter(lambda: p.stdout.read1(1 << 20), b""))
        said = p.stderr.read()
        assert (came, p.wait(support.PATIENCE), said) == (stalled.size, 3, b"")


def test_it_does_not_wait_for_ever(box):
    with Stalled(box, "--on-loss", "keep=1s") as stalled:
        assert b"running" in box.run("runs", "box").stdout
        stalled.client.kill()
        support.eventually(lambda: b"running" not in box.run("runs", "box").stdout, "the end of the run")
        assert b"exited 3" in box.run("runs", "box").stdout
