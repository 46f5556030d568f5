"""A long output, which is kept in a short ring while its readers keep up: no byte less, whatever they do."""

import json
import os
import signal
import subprocess

import pytest

import support
from pair import pair
from reader import Reader

pytestmark = pytest.mark.timeout(180)

LONG, SHORT = 64 << 20, 8 << 20
LINES = 30_000_000  # about 250 MiB


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


@pytest.fixture(scope="module")
def text():
    return subprocess.run(["seq", "1", str(LINES)], stdout=subprocess.PIPE, check=True).stdout


def numbers(box):
    return json.loads(box.run("runs", "--json", "box").stdout.splitlines()[0])


def kept(box):
    return numbers(box)["kept_bytes"]


SCRIPT = ["sh", "-c", "seq 1 %d; exit 3" % LINES]


def test_a_reader_that_keeps_up(box, text):
    first, gate = 70 << 20, support.Gate(box.landline.scratch)
    script = "seq 1 %d | { head -c %d; %s; cat; }; exit 3" % (LINES, first, gate.wait)
    with Reader(box, "run", "box", "sh", "-c", script) as reader:
        reader.read(first)
        support.eventually(lambda: kept(box) == SHORT, "a short ring")
        gate.open()
        assert reader.check_rest(text) == b""
    missed, status = len(text) - kept(box), os.path.join(box.landline.scratch, "status")
    with Reader(box, "attach", "--status", status, "box", numbers(box)["id"], "--from", "start") as again:
        said = again.check_rest(text, begin=missed)
    assert b"MiB of standard output are not shown: the server does not keep them any more" in said
    with open(status) as f:
        result = json.load(f)
    assert (result["stdout_missed"], result["stdout_dropped"], result["stderr_missed"]) == (missed, 0, 0)


def test_all_of_an_output_that_is_not_longer(box):
    """… than can be kept, for who comes later."""
    with Reader(box, "run", "box", "head", "-c", str(LONG), "/dev/zero") as reader:
        reader.read()
        assert reader.popen.wait(support.PATIENCE) == 0
    done = box.run("attach", "box", numbers(box)["id"], "--from", "start")
    assert (done.returncode, len(done.stdout)) == (0, LONG)


def test_a_reader_that_stops(box, text):
    """As much as ever is taken from the program then."""
    with Reader(box, "run", "box", *SCRIPT) as reader:
        reader.read(150 << 20)
        support.eventually(lambda: kept(box) == LONG, "a long ring that is full")
        assert reader.check_rest(text) == b""


def test_a_disk_without_room_for_a_long_ring(landline, text):
    """It stays with the short one, and tries again."""
    first, gate = 70 << 20, support.Gate(landline.scratch)
    script = "seq 1 %d | { head -c %d; %s; cat; }; exit 3" % (LINES, first, gate.wait)
    with support.small_disk(os.path.join(landline.scratch, "server"), "size=76m,mode=0700") as disk, \
            pair(landline) as box, Reader(box, "run", "box", "sh", "-c", script) as reader:
        reader.read(first)
        support.eventually(lambda: kept(box) == SHORT, "a short ring")
        support.eventually(lambda: os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize > 40 << 20, "the place of the long one")
        with open(os.path.join(disk, "ballast"), "wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, 40 << 20)
        gate.open()
        reader.read(first + (1 << 20))
        assert box.run("run", "box", "sleep", "0.5").returncode == 0  # it is full, and a long one was tried
        files = [os.path.getsize(os.path.join(top, f)) for top, _, found in os.walk(disk) for f in found]
        assert SHORT in files and LONG not in files and kept(box) == SHORT
        os.unlink(ballast.name)
        support.eventually(lambda: kept(box) == LONG, "a long ring")
        assert reader.check_rest(text) == b""


def test_a_disk_without_room_for_a_short_ring(landline, text):
    """… beside the long one, with which it stays."""
    with support.small_disk(os.path.join(landline.scratch, "server"), "size=68m,mode=0700"), pair(landline) as box:
        with Reader(box, "run", "box", *SCRIPT) as reader:
            assert reader.check_rest(text) == b""
        assert kept(box) == LONG


def test_gates_that_are_killed(box, text):
    with Reader(box, "run", "box", *SCRIPT) as reader:
        for mib in (20, 70, 100, 150, 200):
            reader.read(mib << 20)
            gate = support.gate_of(box.server.pid)
            os.kill(gate, signal.SIGKILL)
            support.eventually(lambda gate=gate: not support.exists(gate), "the end of the gate")
        reader.check_rest(text)


class Two:
    """A run with two readers, who both have its first 100 MiB; `rest` more come when `gate` is open. The way of the one who started it
    is cut then; the other's is not the relay's."""

    def __init__(self, far, rest):
        self.far, self.near, self.gate = far, far.another_way(), support.Gate(far.landline.scratch)
        self.first, self.size = 100 << 20, (100 << 20) + rest
        script = "seq 1 %d | { head -c %d; %s; head -c %d; cat >/dev/null; }; exit 3" % (
            LINES, self.first, self.gate.wait, rest)
        self.reader = Reader(far, "run", "box", "sh", "-c", script)
        self.reader.read(1)
        self.other = Reader(far, "attach", "box", self.numbers()["id"], home=self.near)

    def __enter__(self):
        with self.other.in_background(self.first):
            self.reader.read(self.first)
        self.far.relay.set_open(False)
        self.far.relay.cut_all()
        support.eventually(lambda: self.numbers()["watchers"] == 1, "the loss")
        return self

    def __exit__(self, *_):
        self.reader.__exit__()
        self.other.__exit__()

    def numbers(self):
        return json.loads(self.far.run("runs", "--json", "box", home=self.near).stdout.splitlines()[0])


@pytest.mark.parametrize("rest", [3 * SHORT, 3 * LONG // 2])
def test_one_who_was_cut_off(landline, text, rest):
    """He finds what he had not got, though another one has read on for longer than a short ring is; and that one goes no further
    than is kept."""
    with pair(landline, through_relay=True) as far, Two(far, rest) as two:
        two.gate.open()
        two.other.read(min(two.size, two.first + LONG - SHORT))
        assert two.numbers()["stdout_bytes"] <= two.first + LONG
        far.relay.set_open(True)
        with two.other.in_background():
            two.reader.check_rest(memoryview(text)[:two.size])
        assert two.other.digest.digest() == two.reader.digest.digest()


def test_one_who_does_not_come_back(landline, text):
    """The other one waits for half a minute, not for ever."""
    with pair(landline, through_relay=True) as far, Two(far, 3 * LONG // 2) as two:
        two.reader.popen.kill()
        two.gate.open()
        two.other.check_rest(memoryview(text)[:two.size])


def test_two_readers(box, text):
    with Reader(box, "run", "box", *SCRIPT) as reader:
        reader.read(100 << 20)
        with Reader(box, "attach", "box", numbers(box)["id"], "--from", "now") as other:
            support.eventually(lambda: numbers(box)["watchers"] == 2, "the other one")
            with other.in_background():
                reader.check_rest(text)
            assert other.popen.wait(support.PATIENCE) == 3
            assert text.endswith(other.tail) and other.size > 0
