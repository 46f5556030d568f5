"""The server against a peer that was written from docs/PROTOCOL.md alone, in another language."""

import os
import shutil
import ssl
import struct
import sys

import pytest

import server_support

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402


class Door:
    def __init__(self, landline):
        self.server = server_support.Server(landline)
        self.identity = lp.Identity(os.path.join(landline.scratch, "peer"))
        invite = self.invite = lp.Invite(self.server.invite())
        peer = lp.Peer.dial(invite.host, invite.port, invite.pin, self.identity)
        self.first = peer.enrol(invite, "python", self.identity.pin)
        peer.close()

    def dial(self, greet=True):
        peer = lp.Peer.dial(self.invite.host, self.invite.port, self.invite.pin, self.identity)
        if greet:
            peer.greet()
        return peer


@pytest.fixture
def door(landline):
    return Door(landline)


def test_xxh64_vectors():
    assert lp.xxh64(b"") == 0xEF46DB3751D8E999
    assert lp.xxh64(b"abc") == 0x44BC2CF5AD770999


def test_enrol_and_greet(door, landline):
    assert door.first["version"] == 1 and door.first["max_streams"] >= 1
    assert door.first["verbs"] & 1
    peer = door.dial()
    assert len(peer.welcome["instance"]) == 16
    again = door.dial(greet=False)  # its WELCOME might have been lost
    assert again.enrol(door.invite, "python", door.identity.pin)["version"] == 1
    other = lp.Identity(os.path.join(landline.scratch, "other"))
    peer = lp.Peer.dial(door.invite.host, door.invite.port, door.invite.pin, other)
    with pytest.raises(lp.Closed) as closed:
        peer.enrol(door.invite, "other", other.pin)
    assert closed.value.code == 6


def test_run(door):
    peer = door.dial()
    result, out, err = peer.run([b"sh", b"-c", b"echo out; echo err >&2; exit 7"])
    assert (result.kind, result.code, out, err) == (1, 7, b"out\n", b"err\n")
    data = os.urandom(300000)
    result, out, err = peer.run([b"cat"], data)
    assert (result.kind, result.code, out, err) == (1, 0, data, b"")
    result, out, err = peer.run([b"/no/such/program"])
    assert (result.kind, result.code, result.errno) == (4, 127, 2)
    awkward = [b"printf", b"%s.", b"a b", b"", b"\xff\n\"'$"]
    assert peer.run(awkward)[1] == b"a b..\xff\n\"'$."


def test_in_the_first_flight(door):
    peer = door.dial(greet=False)
    peer.hello()
    assert peer.run([b"echo", b"early"])[1] == b"early\n"
    assert peer.welcome


def test_upper(door):
    assert door.dial().upper(b"Hello, \xe9!" * 10000) == b"HELLO, \xe9!" * 10000


def test_come_back(door):
    """A run goes on without its connection; the same id attaches, another command under it is a conflict."""
    run_id = lp.new_id()
    peer = door.dial()
    command = [b"sh", b"-c", b"echo one; read x; echo $x"]
    stream = peer.open(b"run", lp.run_request(run_id, command, 0))
    peer.wait(lambda: stream.output[1] == b"one\n")
    peer.close()
    peer = door.dial()
    assert (run_id, 2) in peer.runs()
    with pytest.raises(lp.Refused) as refused:
        peer.run([b"true"], run_id=run_id, resume=True, age_ms=1)
    assert refused.value.code == 36
    with pytest.raises(lp.Refused) as refused:
        peer.result(run_id)
    assert refused.value.code == 37
    stream = peer.open(b"run", lp.run_request(run_id, command, 0, age_ms=1000, have=(4, 0)), True, (4, 0))
    peer.wait(lambda: stream.opened is not None)
    peer.give(stream, b"two\n")
    result, out, _ = peer.proved(stream)
    assert (result.kind, result.code, out, result.total1) == (1, 0, b"two\n", 8)
    assert result.digest1 == lp.xxh64(b"one\ntwo\n")
    peer = door.dial()
    assert peer.result(run_id).total1 == 8
    assert peer.proved(peer.attach(run_id))[1] == b"one\ntwo\n"


def test_when_a_request_was_first_sent(door, monkeypatch):
    """An id that is not known starts only if it was first sent after the server's memory began, as its clock tells that of the
    client: by HELLO's at first, and by PONG's as soon as the server has asked."""
    door.server.process.stop()
    shutil.rmtree(os.path.join(door.server.home, "server", "runs"))
    door.server.start("--listen", door.server.listen)
    peer, now = door.dial(), lp.clock_ms()
    assert peer.run([b"true"])[0].kind == 1
    for sent_ms in (0, 1, now - 3600000):
        with pytest.raises(lp.Refused) as refused:
            peer.run([b"true"], sent_ms=sent_ms)
        assert refused.value.code == 35
    with monkeypatch.context() as ahead:
        ahead.setattr(lp, "clock_ms", lambda: now + 3600000)
        peer = door.dial()
    with pytest.raises(lp.Refused) as refused:
        peer.run([b"true"])  # an hour before the connection, for all that the server knows
    assert refused.value.code == 35
    peer.wait(lambda: peer.asked)
    assert peer.run([b"true"])[0].kind == 1


READS = [b"sh", b"-c", b"stty -echo; echo up; for i in 1 2 3; do cat; echo end$i; done"]


@pytest.mark.parametrize("typed, shown, counts", [(b"", b"", 1), (b"line\n", b"line\r\n", 6), (b"part", b"part", 6)])
def test_the_end_of_a_terminals_input_is_typed(door, typed, shown, counts):
    """END is the end-of-file character, once, also for a client that comes back; behind an unfinished line it takes two. The
    input goes on for the next stream that feeds it, which may end it again."""
    run_id = lp.new_id()
    first = door.dial()
    stream = first.open(b"run", lp.run_request(run_id, READS, lp.TTY))
    first.wait(lambda: stream.output[1] == b"up\r\n")
    first.give(stream, typed)
    first.wait(lambda: stream.output[1] == b"up\r\n" + shown + b"end1\r\n")
    first.close()
    second = door.dial()
    stream = second.open(b"run", lp.run_request(run_id, READS, lp.TTY, age_ms=1000), True)
    second.wait(lambda: stream.opened)
    assert stream.start0 == counts and not stream.stopped
    other = second.attach(run_id, flags=2)
    second.wait(lambda: other.opened)
    assert other.start0 == counts and not other.stopped
    second.give(other, b"more\n")
    second.wait(lambda: other.output[1].endswith(b"more\r\nend2\r\n"))
    last = second.attach(run_id, flags=2)
    second.wait(lambda: last.opened)
    second.give(last, b"")
    result = lp.Result(second.finish(last))
    assert (result.kind, result.code, result.total0) == (1, 0, counts + 6 + 1)
    assert bytes(last.output[1]) == b"up\r\n" + shown + b"end1\r\nmore\r\nend2\r\nend3\r\n"


@pytest.mark.parametrize("late", ["request", "attach"])
@pytest.mark.parametrize("first", ["attached", "left"])
def test_what_comes_late_does_not_take_the_input(door, late, first):
    """Two connections of one attach, of which the older arrives after the younger: it may look on. So may one that is late after
    the younger has gone; an attach of its own takes the input."""
    run_id, call = lp.new_id(), lp.new_id()
    runner = door.dial()
    started = runner.open(b"run", lp.run_request(run_id, [b"cat"], 0))
    runner.wait(lambda: started.opened)
    young, old = door.dial(), door.dial()
    feeds = young.attach(run_id, flags=2, call=call, age_ms=2000)
    young.wait(lambda: feeds.opened)
    runner.wait(lambda: started.stopped)
    if first == "left":
        young.send(lp.DONE, b"", 0, feeds.number)
        again = young.attach(run_id)  # the server has heard of it
        young.wait(lambda: again.opened)
    if late == "attach":
        looks_on = old.attach(run_id, flags=2, call=call, age_ms=1000)
    else:
        looks_on = old.open(b"run", lp.run_request(run_id, [b"cat"], 0, age_ms=5000), True)
    old.wait(lambda: looks_on.opened and looks_on.stopped)
    other = door.dial()
    if first == "attached":
        young.give(feeds, b"mine\n", end=False)
        young.wait(lambda: feeds.output[1] == b"mine\n")
        assert not feeds.stopped
    last = other.attach(run_id, flags=2)
    other.give(last, b"", end=False)
    other.wait(lambda: last.opened)
    last.sent = last.start0
    other.give(last, b"its own\n")
    result = lp.Result(other.finish(last))
    assert (result.kind, result.code) == (1, 0)
    assert bytes(last.output[1]) == (b"mine\n" if first == "attached" else b"") + b"its own\n"


def test_the_terminal_says_what_ends_its_input(door):
    peer = door.dial()
    stream = peer.open(b"run", lp.run_request(lp.new_id(), [b"sh", b"-c", b"stty -echo eof ^G; echo up; cat; echo end"],
                                              lp.TTY))
    peer.wait(lambda: stream.output[1] == b"up\r\n")
    peer.give(stream, b"\x04\n")
    peer.finish(stream)
    assert bytes(stream.output[1]) == b"up\r\n\x04\r\nend\r\n"


RING = 64 << 20  # what the server keeps


@pytest.mark.parametrize("left", ["silent", "closed"])
def test_coming_back_acknowledges(door, monkeypatch, left):
    """The connection that brought all there is never acknowledged it; what its client says when it comes back does, at once:
    it has nothing more to acknowledge until the program, which waits for that, goes on."""
    monkeypatch.setattr(lp, "WINDOW", 4 * RING)  # CREDIT goes out for half of it
    run_id, total = lp.new_id(), RING + 3000000
    command = [b"head", b"-c", b"%d" % total, b"/dev/zero"]
    first = door.dial()
    stream = first.open(b"run", lp.run_request(run_id, command))
    first.wait(lambda: stream.reached(1) == RING)
    if left == "closed":
        first.close()
    second = door.dial()
    second.socket.settimeout(10)  # less than the server waits before it asks whether somebody is there
    have = RING, 0
    stream = second.open(b"run", lp.run_request(run_id, command, age_ms=10000, have=have), True, have)
    result = lp.Result(second.finish(stream))
    assert (result.kind, result.code, result.total1, result.dropped1) == (1, 0, total, 0)
    assert bytes(stream.output[1]) == bytes(total - RING)


@pytest.mark.parametrize("timeout_ms", [1 << 60, (1 << 64) - 1])
def test_a_timeout_of_ages(door, timeout_ms):
    result, out, _ = door.dial().run([b"sh", b"-c", b"sleep 0.1; echo ages"], timeout_ms=timeout_ms)
    assert (result.kind, result.code, out) == (1, 0, b"ages\n")


def test_kill(door):
    run_id = lp.new_id()
    peer = door.dial()
    stream = peer.open(b"run", lp.run_request(run_id, [b"sleep", b"1000"]))
    peer.wait(lambda: stream.opened is not None)
    peer.kill(run_id, 15)
    result, _, _ = peer.proved(stream)
    assert (result.kind, result.code) == (2, 15)
    with pytest.raises(lp.Refused) as refused:
        peer.proved(peer.attach(lp.new_id()))
    assert refused.value.code == 35


def test_wrong_knock(door):
    """Who does not know the pin, or whose clock is days off, gets no byte."""
    with pytest.raises((ssl.SSLError, OSError)):
        lp.Peer.dial(door.invite.host, door.invite.port, bytes(32), door.identity)
    with pytest.raises((ssl.SSLError, OSError)):
        lp.Peer.dial(door.invite.host, door.invite.port, door.invite.pin, door.identity, seconds=1000000)


def test_stranger(door, landline):
    stranger = lp.Identity(os.path.join(landline.scratch, "stranger"))
    peer = lp.Peer.dial(door.invite.host, door.invite.port, door.invite.pin, stranger)
    with pytest.raises(lp.Closed) as closed:
        peer.greet()
    assert closed.value.code == 2


# What a peer may say that the document forbids, after the greeting: type, payload, channel, stream, flags, length.
FORBIDDEN = {
    "a second HELLO": (lp.HELLO, struct.pack(">BHHQ", 0, 1, 1, 0) + b"\0"),
    "WELCOME to a server": (lp.WELCOME, bytes(40)),
    "an unknown critical type": (0x40, b""),
    "flags": (lp.PING, bytes(8), 0, 0, 1),
    "a short PING": (lp.PING, bytes(7)),
    "PING on a stream": (lp.PING, bytes(8), 0, 1),
    "DATA for no stream": (lp.DATA, bytes(9), 0, 99),
    "DATA on stream 0": (lp.DATA, bytes(9), 0, 0),
    "DATA of the other side": (lp.DATA, bytes(9), 1, 1),
    "a length beyond the limit": (lp.OPEN, b"", 0, 1, 0, 4194305),
    "DATA beyond a record": (lp.DATA, b"", 0, 1, 0, 16373),
    "OPEN with unknown flags": (lp.OPEN, b"\xff" + bytes(8) + b"\0", 0, 1),
    "RESULT to a server": (lp.RESULT, b"", 0, 1),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_forbidden(door, what):
    peer, bystander = door.dial(), door.dial()
    kind, payload, channel, stream, flags, length = (FORBIDDEN[what] + (0, 0, 0, None)[len(FORBIDDEN[what]) - 2:])[:6]
    peer.send(kind, payload, channel, stream, flags, length)
    with pytest.raises(lp.Closed) as closed:
        peer.wait(lambda: False)
    assert closed.value.code == (8 if length else 1)
    assert bystander.run([b"echo", b"still here"])[1] == b"still here\n"


def test_optional_and_gone(door):
    """Unknown optional messages are skipped; frames for a stream that has gone are ignored."""
    peer = door.dial()
    peer.send(0xE0, b"something new" * 100, 9, 77)
    assert peer.run([b"true"])[0].code == 0
    peer.send(lp.DATA, bytes(8) + b"late", 0, 1)
    peer.send(lp.DONE, b"", 0, 1)
    assert peer.run([b"true"])[0].code == 0
