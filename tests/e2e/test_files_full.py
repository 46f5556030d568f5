"""As many transfers as a key may have under way (LIMIT_TRANSFERS_KEY in lib/base/limits.h): the next one is refused and told so; one
that its client had begun waits for a place."""

import os
import struct

import pytest

import support
from door import door, lp  # noqa: F401
from test_files_again import INTO, Attempt, workers
from test_files_hostile import EMPTY, over, whole
from test_files_server import Liar

pytestmark = pytest.mark.timeout(180)

SHARE, FULL = 256, 41


@pytest.fixture
def full(landline, door):
    """A key that lacks one of its share, and the folder to which it puts."""
    target = os.path.join(landline.scratch, "to")
    os.mkdir(target)
    peer = door.dial()
    request = struct.pack(">BB", INTO, 0) + lp.str32(os.fsencode(target))
    puts = [peer.open(b"put", request) for _ in range(SHARE - 1)]
    peer.wait(lambda: all(put.opened is not None or put.refused for put in puts))
    assert not any(put.refused for put in puts)
    return door, peer, puts, target


def ask(peer, service, request):
    stream = peer.open(service, request)
    peer.wait(lambda: stream.opened is not None or stream.refused)
    return stream


def test_a_keys_share(full):
    door, peer, puts, target = full
    name = os.urandom(16)
    last = Attempt(door, target, 1, name).hold()
    folder = struct.pack(">BBQI", 16, 0, 0, 1) + lp.str32(os.fsencode(target))
    for service, request in ((b"get", folder), (b"ls", folder), (b"put", struct.pack(">BB", INTO, 0) + lp.str32(b"x"))):
        refused = ask(peer, service, request).refused
        assert refused is not None and refused.code == FULL, service
    assert len(workers(door)) == SHARE
    # What takes the place of one of them needs no other, and another key has its own.
    again = Attempt(door, target, 2, name).opened()
    assert last.code() != 0
    assert door.box.run("ls", "box:" + target).returncode == 0
    peer.send(lp.DONE, b"", 0, puts[0].number)
    support.eventually(lambda: ask(peer, b"ls", folder).refused is None, "the end of one")
    assert again.all().code() == 0


class Crowded(Liar):
    """Cuts the first attempt, refuses the next ones as full, and serves then."""
    def on_get(self, session, number, request):
        self.requests.append(request)
        if len(self.requests) == 1:
            session.opened(number, b"")
            raise lp.Closed(0)
        if len(self.requests) < 5:
            session.send(lp.REFUSED, struct.pack(">HI", FULL, 0) + lp.str16(b"there is no room"), 0, number)
            return
        self.requests.pop()
        super().on_get(session, number, request)


def test_one_that_was_under_way_waits(landline):
    server = Crowded(landline)
    try:
        target = os.path.join(landline.scratch, "target")
        done = server.get([whole(b"f", b"", digest=EMPTY), over], "box:f", target)
        assert done.returncode == 0, done.stderr
        assert len(server.requests) == 5 and os.path.getsize(target) == 0
    finally:
        server.server.close()


def test_one_that_was_not_is_told(landline):
    server = Crowded(landline)
    server.requests.append(b"")
    try:
        for words in (("get", "box:f", landline.scratch), ("ls", "box:f"), ("put", "/etc/hostname", "box:f")):
            server.server.services[words[0].encode()] = server.on_get
            done = landline(words[0], "--no-broker", *words[1:])
            assert done.returncode == 1, done.stderr
            assert done.stderr == b"landline: box: nothing was started: there is no room; try again when one of them has ended\n"
    finally:
        server.server.close()
