"""Who does not know the server's pin gets no byte and costs no operation with a key (PROTOCOL 1.1). The operations are
counted in keeper and gate of `landline serve`, in a build of it that takes OpenSSL from the system (tests/e2e/keyops.c)."""

import contextlib
import os
import socket
import ssl
import struct
import sys
import time

import pytest

import support
from server_support import Server

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402

pytestmark = pytest.mark.timeout(180)

HELLO_MOST = 4096
AGE = 26 * 3600  # that a knock may have
# What a handshake costs the server: its share, the secret, its signature, the client's.
HANDSHAKE = {"EVP_PKEY_keygen": 1, "EVP_PKEY_derive": 1, "EVP_DigestSign": 1, "EVP_DigestVerify": 1}


class Counts:
    """How often the server has asked libcrypto for what, since the last look."""

    RECORD = struct.Struct("=56sQ")

    def __init__(self, path):
        self.path, self.before = path, {}

    def read(self):
        with open(self.path, "rb") as f:
            return {name.rstrip(b"\0").decode(): times for name, times in self.RECORD.iter_unpack(f.read())}

    def fresh(self):
        now, before = self.read(), self.before
        self.before = now
        return {name: times - before.get(name, 0) for name, times in now.items() if times != before.get(name, 0)}


@pytest.fixture
def server(landline, build):
    path = os.path.join(landline.scratch, "keyops")
    env = {"LD_PRELOAD": "libkeyops.so", "LD_LIBRARY_PATH": os.path.join(build, "tests"), "KEYOPS": path}
    program = os.path.join(build, "tests", "landline-linked")
    if landline.run([program, "--version"], env=env).returncode != 0:
        pytest.skip("this build cannot be preloaded")
    server = Server(landline, program=program, **env)
    server.pin = lp.Invite(server.invite()).pin
    server.add()
    server.counts = Counts(path)
    assert server.counts.fresh() != {}
    return server


def hello(name):
    """The first flight of a TLS client that knows everything but, maybe, the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["landline/1"])
    sends = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sends, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sends.read()


def knocking(pin, seconds=0):
    return hello(lp.knock(pin, int(time.time()) + seconds) + ".landline")


def padded(flight, size):
    """The same ClientHello with one more extension that nobody knows (RFC 8701), `size` bytes with the record's header."""
    at = 5 + 4 + 2 + 32                                 # headers, version, random
    at += 1 + flight[at]                                # session id
    at += 2 + int.from_bytes(flight[at:at + 2], "big")  # suites
    at += 1 + flight[at]                                # compression
    body = flight[9:at] + (size - at - 2).to_bytes(2, "big") + flight[at + 2:]
    body += struct.pack(">HH", 0xFAFA, size - len(flight) - 4) + bytes(size - len(flight) - 4)
    return flight[:3] + (size - 5).to_bytes(2, "big") + b"\x01" + (size - 9).to_bytes(3, "big") + body


def wrong(pin):
    """A knock whose MAC is wrong in one bit."""
    name = lp.knock(pin)
    return hello(name[:-2] + ("a" if name[-2] != "a" else "b") + name[-1] + ".landline")


# What each says first, given the pin, which some of them could know.
STRANGERS = {
    "noise": lambda pin: os.urandom(300),
    "zeros": lambda pin: bytes(2000),
    "http": lambda pin: b"GET / HTTP/1.1\r\nHost: box\r\n\r\n",
    "ssh": lambda pin: b"SSH-2.0-OpenSSH_9.2\r\n",
    "landline without TLS": lambda pin: struct.pack(">IBBHI", 18, lp.HELLO, 0, 0, 0) + bytes(18),
    "an alert": lambda pin: b"\x15\x03\x03\x00\x02\x02\x28",
    "data": lambda pin: b"\x17\x03\x03\x00\x01\x01",
    "a ServerHello": lambda pin: b"\x16\x03\x03\x00\x04\x02\x00\x00\x00",
    "a record of another version": lambda pin: b"\x16\x02" + knocking(pin)[2:],
    "a record that is too long": lambda pin: b"\x16\x03\x01\xff\xff\x01",
    "a message that is too long": lambda pin: b"\x16\x03\x01\x02\x00\x01\x01\x86\xa0" + bytes(512),
    "no name": lambda pin: hello(None),
    "no knock": lambda pin: hello("landline"),
    "a knock for another server": lambda pin: knocking(os.urandom(32)),
    "a wrong knock": wrong,
    "an old knock": lambda pin: knocking(pin, -AGE - 60),
    "a knock of the future": lambda pin: knocking(pin, AGE + 60),
    "half a knock": lambda pin: hello(lp.knock(pin)[:20] + ".landline"),
    "a knock in the second place": lambda pin: hello("landline." + lp.knock(pin)),
    "half a ClientHello": lambda pin: knocking(pin)[:100],
    "a ClientHello without its last byte": lambda pin: knocking(pin)[:-1],
    "a ClientHello that is too large by one byte": lambda pin: padded(knocking(pin), HELLO_MOST + 1),
    "a ClientHello of two records": lambda pin: b"\x16\x03\x01\x00\x64" + knocking(pin)[5:105] + b"\x16\x03\x01",
    "nothing": lambda pin: b"",
}


def call(address, says):
    s = socket.create_connection(address, timeout=support.PATIENCE)
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        s.sendall(says)
    return s


def answer(s, end=True):
    """All that comes until the server closes. The end of what we say makes it give up a flight that is cut."""
    got = b""
    with contextlib.suppress(OSError) if end else contextlib.nullcontext():
        if end:
            s.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            got += piece
    s.close()
    return got


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_gets_no_byte_and_costs_no_operation(server, who):
    for _ in range(3):
        assert answer(call(server.address, STRANGERS[who](server.pin))) == b""
    assert server.counts.fresh() == {}


@pytest.mark.parametrize("says", [
    lambda pin: knocking(pin), lambda pin: knocking(pin, -AGE + 60), lambda pin: knocking(pin, AGE - 60),
    lambda pin: padded(knocking(pin), HELLO_MOST)], ids=["knock", "old", "of the future", "large"])
def test_what_is_just_no_stranger_is_answered(server, says):
    """The right knock, up to the edges of what it may be: all the cost of a handshake but the client's signature."""
    assert answer(call(server.address, says(server.pin))) != b""
    assert server.counts.fresh() == {name: 1 for name in HANDSHAKE if name != "EVP_DigestVerify"}


def test_a_stranger_that_stays_silent(server):
    """Half a ClientHello, and the connection stays open: it is closed when its time is over."""
    assert answer(call(server.address, knocking(server.pin)[:-1]), end=False) == b""
    assert server.counts.fresh() == {}


def test_a_crowd_of_strangers(server, landline):
    """200 at once, of all kinds, and a friend among them: he pays for himself and for nobody else."""
    kinds = list(STRANGERS.values())
    crowd = [call(server.address, kinds[i % len(kinds)](server.pin)) for i in range(200)]
    done = landline("run", "--no-broker", "box", "--", "echo", "in")
    assert done.stdout == b"in\n", done.stderr
    assert [answer(s) for s in crowd] == [b""] * 200
    assert server.counts.fresh() == HANDSHAKE


def test_a_friend_costs_four(server, landline):
    for _ in range(3):
        assert landline("run", "--no-broker", "box", "--", "true").returncode == 0
        assert server.counts.fresh() == HANDSHAKE


def test_a_key_that_is_not_let_in_costs_four(server, landline):
    """Who knows the pin is shown the server's signature and shows a key, before it is told that this key has no grant."""
    nobody = lp.Identity(os.path.join(landline.scratch, "nobody"))
    with contextlib.closing(lp.Peer.dial(*server.address, server.pin, nobody)) as peer:
        with pytest.raises(lp.Closed) as closed:
            peer.greet()
    assert closed.value.code == 2 and server.counts.fresh() == HANDSHAKE


def test_a_revoked_key_costs_four(server, landline):
    name = server.admin("grants").stdout.split()[0].decode()
    assert server.admin("grants", "revoke", name).returncode == 0
    done = landline("run", "--no-broker", "box", "--", "true")
    assert done.returncode == 125 and b"revoked" in done.stderr
    assert server.counts.fresh() == HANDSHAKE
