"""A transfer over several connections (docs/PROTOCOL.md section 7.7): what arrives, what a lost one costs, and peers that lie."""

import contextlib
import hashlib
import json
import os
import signal
import struct
import subprocess
import threading

import pytest

import relay
import support
from door import door, lp, ls  # noqa: F401
from pair import pair
from test_files import digest, fill, leftovers, make_tree, picture
from test_files_hostile import LOST, close, data, file, folder, over, record
from test_files_large import SILENCE, Terminal, stood_still
from test_files_server import Liar

pytestmark = pytest.mark.timeout(180)

TURN, SPLIT = 14, 1
INTO, SPLITS = 8, 128
ABCDEF = 0xda87bd32d3c47db6  # the digest of these six bytes
UNKNOWN_RUN, MALFORMED, CONFLICT = 35, 34, 36
SLOW = {"lag": 0.02, "window": 128 << 10}  # 6.4 MB/s a connection, however many there are
SIZE = 40000000


@pytest.fixture
def room(landline):
    path = os.path.join(landline.scratch, "room")
    os.mkdir(path)
    return path


@pytest.fixture
def slow(landline):
    with pair(landline, through_relay=True, **SLOW) as both:
        yield both


def ends(verb, source, target):
    return ["box:" + source, target] if verb == "get" else [source, "box:" + target]


def connections(box, before):
    return box.relay.connections - before


@pytest.mark.parametrize("streams", ["1", "2", "4", "8", "auto"])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_tree(slow, room, verb, streams):
    """Small files, large ones, one with holes: over a line on which every connection gets its share."""
    source, target = os.path.join(room, "source"), os.path.join(room, "to")
    os.mkdir(target)
    make_tree(source)
    os.mkdir(os.path.join(source, "many"))
    for n in range(300):
        fill(os.path.join(source, "many", str(n)), 3000 + n, n)
    fill(os.path.join(source, "large"), 12000000)
    before, passed = slow.relay.connections, len(slow.relay.shares)
    done = slow.run(verb, "--json", "--streams", streams, *ends(verb, source, target + "/"))
    assert done.returncode == 0, done.stderr
    assert picture(source) == picture(os.path.join(target, "source")) and leftovers(room) == []
    if streams != "auto":
        assert connections(slow, before) == int(streams)
        support.eventually(lambda: len(slow.relay.shares) == passed + int(streams), "the ends of all connections")
        down = relay.DOWN if verb == "get" else relay.UP
        assert all(share[down] > 200000 for share in slow.relay.shares[passed:]), slow.relay.shares
    done = slow.run(verb, "--json", "--streams", streams, *ends(verb, source, target + "/"))
    assert done.returncode == 0 and json.loads(done.stdout.splitlines()[-1])["files"] == 0


@pytest.mark.parametrize("verb", ["get", "put"])
def test_standard_input_and_output(slow, room, verb):
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE // 4)
    before = slow.relay.connections
    if verb == "get":
        with open(target, "wb") as f:
            f.write(slow.run("get", "--streams", "3", "box:" + source, "-").stdout)
    else:
        with open(source, "rb") as f:
            assert slow.run("put", "--streams", "3", "-", "box:" + target, input=f.read()).returncode == 0
    assert digest(target) == want and connections(slow, before) == 3


@pytest.mark.parametrize("how", [relay.RST, relay.FIN, relay.FREEZE])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_one_is_lost(slow, room, verb, how):
    """Or stands still: the command goes on by itself, with what was proved."""
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE)
    direction = relay.DOWN if verb == "get" else relay.UP
    before = slow.relay.connections
    # More than one chunk and the 2 MiB that may have been on their way: however little came over the others, one was proved.
    slow.relay.cuts = [None, None, relay.Cut(how, direction, 7000000)]
    done = slow.run(verb, "--json", "--streams", "4", *ends(verb, source, target), env={"LANDLINE_SILENCE": "2s"})
    assert done.returncode == 0, done.stderr
    assert digest(target) == want and leftovers(room) == []
    assert connections(slow, before) > 4 and slow.relay.cuts == []
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 4 << 20


@pytest.mark.parametrize("how", [relay.RST, relay.FREEZE])
@pytest.mark.parametrize("offset", [700, 730, 760])  # behind the handshake, before the end of OPENED
def test_one_is_lost_that_only_the_server_knows(slow, room, how, offset):
    """It has joined there, and has had its turn; its client never heard so."""
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE // 4)
    slow.relay.cuts = [None, relay.Cut(how, relay.DOWN, offset)]
    done = slow.run("get", "--streams", "2", "box:" + source, target, env={"LANDLINE_SILENCE": "1s"})
    assert done.returncode == 0, done.stderr
    assert digest(target) == want and leftovers(room) == [] and slow.relay.cuts == []


@pytest.mark.parametrize("verb", ["get", "put"])
def test_again_and_again(slow, room, verb):
    """Then it goes on with fewer, and in the end with one."""
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE // 2)
    direction = relay.DOWN if verb == "get" else relay.UP
    slow.relay.cuts = [None] + 40 * [relay.Cut(relay.RST, direction, 150000)]
    done = slow.run(verb, "--json", "--streams", "2", *ends(verb, source, target))
    assert done.returncode == 0, done.stderr
    assert digest(target) == want and leftovers(room) == []


@pytest.mark.parametrize("verb", ["get", "put"])
def test_all_are_lost(slow, room, verb):
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE)
    direction = relay.DOWN if verb == "get" else relay.UP
    begin = slow.relay.passed[direction]
    client = slow.start(verb, "--json", "--streams", "4", *ends(verb, source, target))
    support.eventually(lambda: slow.relay.passed[direction] > begin + SIZE // 2, "half of it")
    slow.relay.cut_all()
    assert client.wait() == 0, client.stderr.text()
    assert digest(target) == want and leftovers(room) == []
    assert json.loads(client.stdout.data.splitlines()[-1])["resumed"] >= 4 << 20


@pytest.mark.parametrize("victim", ["client", "gate", "keeper"])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_killed(slow, room, verb, victim):
    """With the old file where it was; the same command makes up for it."""
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want, old = fill(source, SIZE), fill(target, 1000, 2)
    direction = relay.DOWN if verb == "get" else relay.UP
    begin = slow.relay.passed[direction]
    client = slow.start(verb, "--json", "--streams", "4", *ends(verb, source, target))
    support.eventually(lambda: slow.relay.passed[direction] > begin + SIZE // 2, "half of it")
    if victim == "gate":
        os.kill(support.gate_of(slow.server.pid), signal.SIGKILL)
    else:
        (client if victim == "client" else slow.server).signal(signal.SIGKILL)
    if victim == "client":
        client.wait()
        assert digest(target) == old
    if victim == "keeper":
        slow.server.wait()
        slow.server = slow.serve()
        slow.relay.target = slow.server.listening()
    if victim != "client":
        assert client.wait() == 0, client.stderr.text()
    done = slow.run(verb, "--json", "--streams", "4", *ends(verb, source, target))
    assert done.returncode == 0, done.stderr
    assert digest(target) == want
    support.eventually(lambda: leftovers(room) == [], "nothing left over")


def test_a_reader_that_stands_still(landline, room):
    """All streams are full then. None of them seems dead for it, and they hold no more than their windows."""
    with pair(landline, through_relay=True) as far:
        source = os.path.join(room, "source")
        want = fill(source, 2 * SIZE)
        before = far.relay.connections
        terminal = Terminal(far, 80, "get", "--streams", "8", "box:" + source, "-", stdout=subprocess.PIPE,
                            env={"LANDLINE_SILENCE": SILENCE})
        try:
            stood_still(terminal)
            assert support.anonymous(terminal.process.pid) < 20 << 20
            got = hashlib.file_digest(terminal.process.stdout, "sha256").hexdigest()
            assert terminal.process.wait(support.PATIENCE) == 0, terminal.seen
        finally:
            terminal.process.stdout.close()
            terminal.close()
        assert got == want and connections(far, before) == 8


def marks(processes):
    """{name: KiB} of the largest resident sets so far; what has ended is left out."""
    found = {}
    for name, pid in processes.items():
        with contextlib.suppress(OSError, StopIteration):
            with open("/proc/%d/status" % pid) as f:
                found[name] = next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))
    return found


@pytest.mark.parametrize("verb", ["get", "put"])
def test_memory(landline, room, verb):
    """At most 16 MiB each, with eight connections that carry all that the processors give."""
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    with pair(landline) as both:
        want = fill(source, 5 * SIZE)
        client = both.start(verb, "--streams", "8", *ends(verb, source, target))
        gate, most = support.gate_of(both.server.pid), {}
        while client.popen.poll() is None:
            workers = [pid for pid in support.children(both.server.pid) if pid != gate]
            for name, size in marks({"client": client.pid, "gate": gate, **{"worker": pid for pid in workers}}).items():
                most[name] = max(size, most.get(name, 0))
        assert client.wait() == 0, client.stderr.text()
        assert digest(target) == want
        assert set(most) == {"client", "gate", "worker"} and max(most.values()) < 16 << 10, most


# ---- how many ----


def test_auto_where_windows_limit(slow, room):
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, 3 * SIZE)
    most = 0

    def tried():
        nonlocal most
        before = slow.relay.connections
        done = slow.run("get", "--overwrite=always", "--streams", "auto", "box:" + source, target)
        assert done.returncode == 0 and digest(target) == want
        most = max(most, connections(slow, before))
        return most >= 3
    # A busy machine may take from the line what a second connection brings.
    support.eventually(tried, "a third connection")


@pytest.mark.parametrize("options", [[], ["--streams", "auto", "--limit", "8M"], ["--streams", "1"]])
def test_one_is_enough(slow, room, options):
    source, target = (os.path.join(room, n) for n in ("source", "target"))
    want = fill(source, SIZE // 2)
    before = slow.relay.connections
    done = slow.run("get", *options, "box:" + source, target)
    assert done.returncode == 0 and digest(target) == want
    assert connections(slow, before) == 1


def test_auto_where_the_line_is_full(landline, room):
    """As long, but one connection fills it: others are tried, and not more and more of them."""
    with pair(landline, through_relay=True, total=4 << 20, **SLOW) as full:
        source, target = (os.path.join(room, n) for n in ("source", "target"))
        want = fill(source, SIZE)
        before = full.relay.connections
        done = full.run("put", "--streams", "auto", source, "box:" + target)
        assert done.returncode == 0 and digest(target) == want
        assert 2 <= connections(full, before) <= 4  # 2, where the machine has time


def test_a_wrong_number(landline):
    for wrong in ("0", "9", "-1", "many", ""):
        done = landline("get", "--streams", wrong, "box:x", ".")
        assert done.returncode == 2 and b"is neither auto nor a number from 1 to 8" in done.stderr


class AtOnce(ls.Server):
    """Serves many connections at a time. `left` is set when one has gone that was refused something."""

    def __init__(self, identity):
        self.refused, self.left = False, threading.Event()
        super().__init__(identity, self.watch)

    def watch(self, session, kind, payload, channel, stream):
        self.refused = self.refused or kind == lp.REFUSED
        return payload

    def one(self, raw):
        def serve():
            super(AtOnce, self).one(raw)
            if self.refused:
                self.left.set()
        threading.Thread(target=serve, daemon=True).start()


class Older(Liar):
    """A server of a time before join. It sends nothing until somebody has asked for it in vain."""
    kind = AtOnce

    def on_get(self, session, number, request):
        session.opened(number, b"")
        assert self.server.left.wait(support.PATIENCE)
        result = struct.pack(">BIBI", 1, 0, 0, 0) + struct.pack(">12Q", *[0] * 12) + lp.str16(b"")
        session.outputs(number, {1: b"".join(self.said), 2: b""}, result)


@pytest.mark.parametrize("verbose", [True, False])
def test_a_server_that_knows_no_join(landline, room, verbose):
    """It goes on with one connection, and says so when asked."""
    older = Older(landline)
    try:
        done = older.get([folder(b"x"), record(2), over], "--streams", "4", *(["-v"] if verbose else []), "box:x", room)
        assert done.returncode == 0, done.stderr
        assert os.path.isdir(os.path.join(room, "x"))
        assert (b"fewer connections than asked for" in done.stderr) == verbose
        assert (b"no such service" in done.stderr) == verbose
        assert older.server.failures == []
    finally:
        older.server.close()


# ---- peers that lie ----


class Put:
    """A put into the folder, and streams that have joined it."""

    def __init__(self, door, target, split=True, splits=True):
        self.door, self.peer, self.id = door, door.dial(), os.urandom(16)
        self.stream = self.peer.open(b"put", struct.pack(">BB", INTO | (SPLITS if splits else 0), 0) +
                                     lp.str32(os.fsencode(target)))
        if split:
            self.peer.send(lp.CONTROL, bytes([SPLIT]) + self.id, 0, self.stream.number)
        self.peer.wait(lambda: self.stream.opened is not None)

    def join(self, number, peer=None, name=None):
        """A stream with its peer; it is refused, or opened."""
        peer = peer or self.door.dial()
        request = name if isinstance(name, bytes) and len(name) != 16 else (name or self.id) + bytes([number])
        stream = peer.open(b"join", request)
        peer.wait(lambda: stream.opened is not None or stream.refused)
        return peer, stream

    def say(self, *said):
        self.peer.give(self.stream, b"".join(said), end=False)

    def code(self):
        """The worker's exit status."""
        kind, code = struct.unpack(">BI", self.peer.finish(self.stream)[:5])
        assert kind == 1
        return code


def turn(number):
    return record(TURN, bytes([number]))


@pytest.fixture
def target(room):
    with open(os.path.join(room, "f"), "wb") as f:
        f.write(b"before")
    return room


def unchanged(target):
    with open(os.path.join(target, "f"), "rb") as f:
        assert f.read() == b"before"
    return True


def refused(joined, code):
    _, stream = joined
    assert stream.refused is not None and stream.refused.code == code, stream.refused
    return True


def test_joins_that_are_refused(door, target):
    put = Put(door, target)
    assert refused(put.join(1, name=os.urandom(16)), UNKNOWN_RUN)
    for request in (put.id, put.id + b"\0", put.id + b"\x08", put.id + b"\xff", put.id + b"\1\0", b""):
        assert refused(put.join(0, name=request + b"" if len(request) != 16 else request + b"\0\0"), MALFORMED)
    other = lp.Identity(os.path.join(door.box.landline.scratch, "other"))
    invite = lp.Invite(door.box.invite())
    stranger = lp.Peer.dial(invite.host, invite.port, invite.pin, other)
    stranger.enrol(invite, "other", other.pin)
    assert refused(put.join(1, stranger), UNKNOWN_RUN)
    stranger.close()
    peer, stream = put.join(1)
    assert stream.refused is None
    assert refused(put.join(1), CONFLICT) and refused(put.join(1, peer), CONFLICT)
    peer.send(lp.DONE, b"", 0, stream.number)
    for n in range(2, 8):
        assert put.join(n)[1].refused is None
    assert all(refused(put.join(n), CONFLICT) for n in range(2, 8))
    put.say(over)
    assert put.code() == 0 and unchanged(target)
    assert refused(put.join(1), UNKNOWN_RUN)  # it is over
    without = Put(door, target, split=False)
    assert refused(without.join(1), UNKNOWN_RUN)
    read_only = lp.Identity(os.path.join(door.box.landline.scratch, "read only"))
    invite = lp.Invite(door.box.invite("upper"))
    peer = lp.Peer.dial(invite.host, invite.port, invite.pin, read_only)
    peer.enrol(invite, "read only", read_only.pin)
    assert refused(put.join(1, peer), 32)
    peer.close()


def test_an_honest_put(door, target):
    """Written from the document alone: streams take turns at any record, also within a file."""
    put = Put(door, target)
    one, two = put.join(1), put.join(5)
    put.say(file(b"f", 6), turn(1))
    one[0].give(one[1], data(0, b"ab") + turn(5), end=False)
    two[0].give(two[1], data(2, b"c") + turn(0), end=False)
    put.say(data(3, b"d"), turn(5))
    two[0].give(two[1], turn(0), end=False)
    put.say(turn(0), turn(1))
    one[0].give(one[1], data(4, b"ef"), end=False)
    one[0].give(one[1], record(9, struct.pack(">QQ", 6, ABCDEF)) + close(6) + turn(0), end=False)
    put.say(over)
    assert put.code() == 0
    with open(os.path.join(target, "f"), "rb") as f:
        assert f.read() == b"abcdef"


LIES = {
    "to one that never joined": ([turn(2)], None, 1),
    "to one beyond the most": ([turn(8)], None, 1),
    "to one far beyond": ([turn(255)], None, 1),
    "to none": ([record(TURN)], None, 1),
    "to two": ([record(TURN, b"\1\1")], None, 1),
    "no such file": ([turn(1)], [data(0, b"x")], 1),
    "a part twice": ([file(b"f", 6), turn(1)], [data(0, b"abc"), data(0, b"abc")], 1),
    "parts that overlap": ([file(b"f", 6), data(0, b"abcd"), turn(1)], [data(2, b"cdef")], 1),
    "beyond the end": ([file(b"f", 6), turn(1)], [data(6, b"x")], 1),
    "far beyond the end": ([file(b"f", 6), turn(1)], [data(1 << 62, b"x")], 1),
    "no record": ([turn(1)], [b"\xff" * 64], 1),
    "unknown": ([turn(1)], [record(77)], 1),
    "a record cut by the turn's end": ([turn(1)], [file(b"f", 6)[:7], "end"], LOST),
    "a part that is not sent": ([file(b"f", 6), turn(1)], ["gone"], LOST),
    "the end without its file": ([file(b"f", 6), turn(1)], [over], 1),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(door, target, lie):
    """An error, and the file is what it was. Then the same name is sent, in truth."""
    said, joined, code = LIES[lie]
    put = Put(door, target)
    peer, stream = put.join(1)
    put.say(*said)
    for what in joined or []:
        if what == "gone":
            peer.close()
        elif what == "end":
            peer.send(lp.END, struct.pack(">Q", stream.sent), 0, stream.number)
        else:
            peer.give(stream, what, end=False)
    assert put.code() == code
    assert unchanged(target)
    source = os.path.join(door.box.landline.scratch, "f")
    want = fill(source, 100)
    assert door.box.run("put", "--streams", "2", source, "box:%s" % target).returncode == 0
    assert digest(os.path.join(target, "f")) == want and leftovers(target) == []


def test_who_has_no_turn_is_not_heard(door, target):
    put = Put(door, target)
    peer, stream = put.join(1)
    peer.give(stream, b"\xff" * 5000, end=False)
    put.say(file(b"g", 0), close(0), over)
    peer.close()
    assert put.code() in (0, 1) and unchanged(target)


def test_only_sources_give_turns(door, target):
    """A sink that says TURN breaks the rules."""
    peer = door.dial()
    stream = peer.open(b"get", struct.pack(">BBQI", 0, 0, 0, 1) + lp.str32(os.fsencode(target)))
    peer.send(lp.CONTROL, bytes([SPLIT]) + bytes(16), 0, stream.number)
    peer.wait(lambda: stream.opened is not None)
    peer.give(stream, turn(0), end=False)
    assert struct.unpack(">BI", peer.finish(stream)[:5]) == (1, 1)


def test_a_revoked_key(door, target):
    """Its joined streams end like all others."""
    put = Put(door, target)
    joined = [put.join(n) for n in (1, 2)]
    put.say(file(b"f", 6), turn(1))
    grants = door.box.landline("grants", home=door.box.server_home).stdout.decode().splitlines()
    pin = next(line for line in grants if "python" in line).split()[0]
    assert door.box.landline("grants", "revoke", pin, home=door.box.server_home).returncode == 0
    for peer in [put.peer] + [peer for peer, _ in joined]:
        with pytest.raises(lp.Closed) as closed:
            peer.wait(lambda: False)
        assert closed.value.code == 3
    assert unchanged(target)


@pytest.mark.parametrize("lie", [turn(3), turn(0) + record(TURN), turn(9), turn(7) + over])
def test_a_server_that_lies(landline, room, lie):
    liar = Liar(landline)
    try:
        done = liar.get([lie], "--streams", "2", "box:*", room)
        assert done.returncode == 1 and done.stderr.startswith(b"landline: ")
        assert os.listdir(room) == []
        done = liar.get([lie], "box:*", room)
        assert done.returncode == 1 and os.listdir(room) == []
    finally:
        liar.server.close()
