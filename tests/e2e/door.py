"""A server and a client that know each other, and peers of the server that are written in Python (tests/peer)."""

import os
import sys

import pytest

from pair import pair

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402
import landline_server_peer as ls  # noqa: E402, F401


class Door:
    """Peers of the server in `box`, all of one key."""

    def __init__(self, box):
        self.box = box
        self.identity = lp.Identity(os.path.join(box.landline.scratch, "peer"))
        self.invite = lp.Invite(box.invite())
        peer = lp.Peer.dial(self.invite.host, self.invite.port, self.invite.pin, self.identity)
        peer.enrol(self.invite, "python", self.identity.pin)
        self.peers = [peer]

    def dial(self, identity=None):
        peer = lp.Peer.dial(self.invite.host, self.invite.port, self.invite.pin, identity or self.identity)
        peer.greet()
        self.peers.append(peer)
        return peer

    def close(self):
        for peer in self.peers:
            peer.close()


@pytest.fixture
def door(landline):
    with pair(landline) as both:
        it = Door(both)
        yield it
        it.close()
