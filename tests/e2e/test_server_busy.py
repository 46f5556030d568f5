"""A server that has no room says BUSY and when to come back; clients wait for a place, and say so when they give up."""

import json
import os
import sys

import pytest

import support
from server_support import Server

sys.path.insert(0, os.path.join(support.ROOT, "tests", "peer"))
import landline_peer as lp  # noqa: E402

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def server(landline):
    server = Server(landline, "--clients", "1")
    server.add()
    return server


@pytest.fixture
def holder(server, landline):
    """A client that takes the only place until its input ends."""
    client = landline.start("run", "--no-broker", "box", "--", "sh", "-c", "echo in; cat", stdin=-1)
    client.stdout.wait_for(b"in\n")
    return client


def test_who_comes_too_many_waits_and_gets_in(server, landline, holder):
    second = landline.start("run", "--no-broker", "-v", "box", "--", "echo", "second")
    second.stderr.wait_for(rb"box: the server at [0-9.:]+ is busy \(it has no room for another client\); "
                           rb"try again in [12] s")
    assert second.stdout.data == b""
    holder.stdin.close()
    assert (second.wait(), second.stdout.data) == (0, b"second\n")
    assert holder.wait() == 0


def test_giving_up_says_that_nothing_was_started(server, landline, holder):
    status, marker = (os.path.join(landline.scratch, name) for name in ("status", "marker"))
    done = landline("run", "--no-broker", "--give-up", "1s", "--status", status, "box", "--", "touch", marker)
    assert (done.returncode, done.stdout) == (125, b"")
    assert done.stderr.startswith(b"landline: box: the server at ") and b" is busy (" in done.stderr
    assert done.stderr.count(b"\n") == 1
    with open(status) as f:
        told = json.load(f)
    assert (told["error"], told["status"], told["ending"]) == ("LL_EBUSY", 125, "failed")
    assert not os.path.exists(marker)
    assert holder.stdout.data == b"in\n", "who is in stays in"


def test_an_invite_is_not_lost_on_a_busy_server(server, landline, holder):
    home, invite = os.path.join(landline.scratch, "other"), server.invite()
    done = landline("add", "box", input=invite, home=home)
    assert done.returncode == 1 and b" is busy (" in done.stderr and done.stderr.count(b"\n") == 1, done
    holder.stdin.close()
    assert holder.wait() == 0
    support.eventually(lambda: landline("add", "box", input=invite, home=home).returncode == 0, "a place")


def test_busy_comes_in_the_place_of_welcome(server, landline, holder):
    """As the document has it, and the connection ends after it; also for one that only wants to enrol again."""
    home = os.path.join(landline.scratch, "peer")
    os.makedirs(home)
    identity = lp.Identity(home)
    invite = lp.Invite(server.invite(*(("--address", server.listen))).decode().strip())
    holder.stdin.close()
    assert holder.wait() == 0

    def enrol():
        peer = lp.Peer.dial(*server.address, invite.pin, identity)
        try:
            peer.enrol(invite, "peer", identity.pin)
            return peer
        except lp.Closed as closed:
            assert closed.code == "busy"
            peer.close()
            return None

    first = support.eventually(enrol, "a place")
    times = []
    for _ in range(5):
        peer = lp.Peer.dial(*server.address, invite.pin, identity)
        peer.hello()
        kind, channel, stream, payload = peer.receive()
        assert (kind, channel, stream) == (0x07, 0, 0)
        reader = lp.Reader(payload)
        times.append(reader.number(4))
        assert reader.string(2) == b"it has no room for another client"
        with pytest.raises((lp.Closed, ConnectionError, EOFError, OSError)):
            peer.receive()
        peer.close()
    assert all(1000 <= t <= 60000 for t in times), times
    first.close()


@pytest.mark.parametrize("number", ["0", "16385", "many", ""])
def test_the_number_of_clients(landline, number):
    done = landline("serve", "--clients", number)
    assert done.returncode == 2 and done.stderr.count(b"\n") <= 2 and b"1 to 16384" in done.stderr, done.stderr
