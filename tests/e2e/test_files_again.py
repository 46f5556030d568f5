"""A put that begins again while the server does not know that its connection is lost (docs/PROTOCOL.md section 7.6): the later
attempt ends the earlier, waits until that has let go of the files, and goes on with what it left."""

import hashlib
import json
import os
import signal
import struct

import pytest

import relay
import support
from door import door, lp  # noqa: F401
from pair import pair
from test_files import digest, fill, leftovers
from test_files_hostile import LOST, close, data, file, over, record
from test_files_streams import ABCDEF, CONFLICT, SIZE

pytestmark = pytest.mark.timeout(180)

INTO, NAMED = 8, 64


@pytest.fixture
def target(landline):
    path = os.path.join(landline.scratch, "to")
    os.mkdir(path)
    return path


class Attempt:
    """A put into the folder, over a connection of its own."""

    def __init__(self, door, target, number, name, peer=None):
        self.peer = peer or door.dial()
        request = struct.pack(">BB", INTO | NAMED, 0) + lp.str32(os.fsencode(target)) + name + struct.pack(">I", number)
        self.stream = self.peer.open(b"put", request)

    def opened(self):
        self.peer.wait(lambda: self.stream.opened is not None or self.stream.refused)
        assert self.stream.refused is None, self.stream.refused
        return self

    def code(self):
        kind, code = struct.unpack(">BI", self.peer.finish(self.stream)[:5])
        assert kind == 1
        return code

    def refused(self):
        self.peer.wait(lambda: self.stream.opened is not None or self.stream.refused)
        assert self.stream.refused is not None and self.stream.refused.code == CONFLICT
        return True

    def waits(self):
        """The server has looked at it: it answers what came later."""
        self.peer.finish(self.peer.open(b"runs", b""))
        return self.stream.opened is None and self.stream.refused is None

    def say(self, *said):
        self.peer.give(self.stream, b"".join(said), end=False)
        return self

    def hold(self):
        """Has the lock on the name that it writes to."""
        self.opened().say(file(b"f", 6), data(0, b"abc"))
        self.peer.wait(lambda: b"\x21" in self.stream.output[1])  # ANSWER
        return self

    def all(self):
        return self.opened().say(file(b"f", 6), data(0, b"abcdef"), record(9, struct.pack(">QQ", 6, ABCDEF)), close(6), over)


def contents(target):
    with open(os.path.join(target, "f"), "rb") as f:
        return f.read()


def workers(door):
    return [pid for pid in support.children(door.box.server.pid) if b"landline: files" in support.command_line(pid)]


def test_a_later_attempt_ends_the_earlier(door, target):
    name = os.urandom(16)
    first = Attempt(door, target, 1, name).hold()
    assert Attempt(door, target, 2, name).all().code() == 0
    assert first.code() == LOST
    assert contents(target) == b"abcdef" and leftovers(target) == []


def test_an_earlier_one_that_was_held_up_is_refused(door, target):
    name = os.urandom(16)
    second = Attempt(door, target, 2, name).hold()
    assert Attempt(door, target, 1, name).refused() and Attempt(door, target, 2, name).refused()
    second.say(data(3, b"def"), record(9, struct.pack(">QQ", 6, ABCDEF)), close(6), over)
    assert second.code() == 0 and contents(target) == b"abcdef"
    with open(os.path.join(target, "f"), "wb") as f:
        f.write(b"newer")
    first = Attempt(door, target, 1, name).say(file(b"f", 6), data(0, b"abcdef"))  # as it may come without an answer
    assert first.refused() and contents(target) == b"newer"


@pytest.mark.parametrize("other", ["name", "key"])
def test_what_is_not_the_same_put_is_left_alone(door, target, other):
    name, peer = os.urandom(16), None
    first = Attempt(door, target, 1, name).hold()
    if other == "key":
        identity = lp.Identity(os.path.join(door.box.landline.scratch, "other"))
        invite = lp.Invite(door.box.invite())
        peer = lp.Peer.dial(invite.host, invite.port, invite.pin, identity)
        peer.enrol(invite, "other", identity.pin)
        door.peers.append(peer)
    second = Attempt(door, target, 2, os.urandom(16) if other == "name" else name, peer).all()
    assert second.code() == 0 and b"another transfer" in bytes(second.stream.output[1])
    first.say(data(3, b"def"), record(9, struct.pack(">QQ", 6, ABCDEF)), close(6), over)
    assert first.code() == 0 and contents(target) == b"abcdef"


@pytest.mark.parametrize("second_goes", [True, False])
def test_it_waits_for_the_files(door, target, second_goes):
    """The first cannot end for a while. The second gives way to a third, or its connection goes meanwhile."""
    name = os.urandom(16)
    first = Attempt(door, target, 1, name).hold()
    [worker] = workers(door)
    os.kill(worker, signal.SIGSTOP)
    try:
        second = Attempt(door, target, 2, name)
        assert second.waits()
        if second_goes:
            second.peer.close()
        third = Attempt(door, target, 3, name)
        assert second_goes or second.refused()
        assert third.waits() and workers(door) == [worker]
    finally:
        os.kill(worker, signal.SIGCONT)
    assert third.all().code() == 0 and first.code() == LOST
    assert contents(target) == b"abcdef" and leftovers(target) == []


@pytest.mark.parametrize("how", [relay.FREEZE, relay.RST])
def test_the_program(landline, target, how):
    """Its link is dead, and only it knows: it goes on with what was proved, and nobody is in its way."""
    with pair(landline, through_relay=True) as far:
        source = os.path.join(landline.scratch, "source")
        want = fill(source, SIZE)
        far.relay.cuts = [relay.Cut(how, relay.UP, offset) for offset in (9000000, 12000000)]
        done = far.run("put", "--json", source, "box:%s/f" % target, env={"LANDLINE_SILENCE": "1s"})
        assert done.returncode == 0, done.stderr
        assert digest(os.path.join(target, "f")) == want and leftovers(target) == [] and far.relay.cuts == []
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 8 << 20


@pytest.mark.parametrize("streams", ["1", "2"])
@pytest.mark.parametrize("how", [relay.FREEZE, relay.RST])
def test_to_standard_output(landline, how, streams):
    """What is written there cannot be taken back: each byte comes once."""
    with pair(landline, through_relay=True) as far:
        source = os.path.join(landline.scratch, "source")
        want = fill(source, SIZE)
        far.relay.cuts = [relay.Cut(how, relay.DOWN, offset) for offset in (9000000, 3000000, 12000001)]
        done = far.run("get", "--streams", streams, "box:" + source, "-", env={"LANDLINE_SILENCE": "1s"})
        assert done.returncode == 0, done.stderr
        assert len(done.stdout) == SIZE and hashlib.sha256(done.stdout).hexdigest() == want and far.relay.cuts == []


@pytest.mark.parametrize("then", ["other", "shorter", "gone"])
def test_to_standard_output_when_it_is_another_file(landline, then):
    """What is there is its beginning, and nothing else; and that is said."""
    with pair(landline, through_relay=True) as far:
        source = os.path.join(landline.scratch, "source")
        fill(source, SIZE)
        with open(source, "rb") as f:
            before = f.read()
        client = far.start("get", "--limit", "20M", "box:" + source, "-")
        support.eventually(lambda: len(client.stdout.data) > 5000000, "a part")
        far.relay.set_open(False)
        far.relay.cut_all()
        if then == "gone":
            os.unlink(source)
        else:
            fill(source, SIZE if then == "other" else 1000000, 2 if then == "other" else 1)
        far.relay.set_open(True)
        assert client.wait() == 1
        assert before.startswith(client.stdout.data) and client.stderr.text().count("landline: ") >= 1


def put_input(far, size, *options, cuts):
    """Puts standard input, a pipe, over connections that are cut there; what was said, and whether it is the same."""
    source, target = (os.path.join(far.landline.scratch, name) for name in ("x", "to/f"))
    want = fill(source, size)
    far.relay.cuts = [relay.Cut(how, relay.UP, n) for how, n in cuts]
    with open(source, "rb") as f:
        done = far.run("put", "--json", *options, "-", "box:" + target, input=f.read(), env={"LANDLINE_SILENCE": "1s"})
    return done, os.path.exists(target) and digest(target) == want


@pytest.mark.parametrize("options", [(), ("--streams", "3"), ("--compress", "zstd")], ids=["plain", "streams", "packed"])
@pytest.mark.parametrize("how", [relay.FREEZE, relay.RST])
def test_of_standard_input(landline, target, how, options):
    with pair(landline, through_relay=True) as far:
        done, same = put_input(far, 24 << 20, *options, cuts=[(how, n) for n in (9000000, 3000, 1500000, 6000000)])
        assert done.returncode == 0 and same, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] > 0
        assert leftovers(target) == []


def test_of_standard_input_from_the_beginning(landline, target):
    """What is short is all kept: also where nothing of it has come there before the link is lost."""
    with pair(landline, through_relay=True) as far:
        done, same = put_input(far, 3 << 20, "--no-resume", cuts=[(relay.RST, n) for n in (2000000, 3000, 1000000)])
        assert done.returncode == 0 and same, done.stderr
        assert leftovers(target) == []


def test_of_standard_input_that_is_not_kept_any_more(landline, target):
    with pair(landline, through_relay=True) as far:
        done, _ = put_input(far, 24 << 20, "--no-resume", cuts=[(relay.RST, 16000000)])
        assert done.returncode == 1
        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line.get("text") for line in said].count("what came before the link was lost cannot be read again") == 1, said
        assert os.listdir(target) == []
