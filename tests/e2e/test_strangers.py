"""What somebody costs who does not know the server's pin: no byte, and no operation with a key, which is what is dear in a
handshake. gdb counts the calls of the functions that do these, in a gate that runs."""

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys

import pytest

import support
from server_support import Server

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402

TRIES = 1000
# All that OpenSSL does with the keys of a handshake ends in one of these: shares, the secret, our signature, the client's.
OPERATIONS = ["ossl_x25519_public_from_private", "ossl_x25519", "ossl_ed25519_sign", "ossl_ed25519_verify"]

pytestmark = [pytest.mark.timeout(180),
              pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to trace a gate, which is not dumpable"),
              pytest.mark.skipif(shutil.which("gdb") is None, reason="gdb is not there")]


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    return server


def symbols(gate):
    """How gdb finds the functions in the module that holds OpenSSL: it is loaded by its descriptor, not by its name."""
    with open("/proc/%d/maps" % gate) as f:
        found = re.search(r"^([0-9a-f]+)-\S+ \S+ 0+ .* (/.*/landline-tls\.so)$", f.read(), re.M)
    return ["-ex", "add-symbol-file %s -o 0x%s" % (found.group(2), found.group(1))] if found else []


@contextlib.contextmanager
def counted(gate):
    """Counts what the gate calls while the block runs: {function: how often}."""
    words = ["gdb", "-nx", "-batch", "-p", str(gate), *symbols(gate)]
    for number, name in enumerate(OPERATIONS, 1):
        words += ["-ex", "break " + name, "-ex", "ignore %d 1000000" % number]
    counts = {}
    gdb = subprocess.Popen([*words, "-ex", "echo counting\\n", "-ex", "continue", "-ex", "info breakpoints", "-ex", "detach"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = support.Output(gdb.stdout)
    try:
        output.wait_for(rb"counting\n|not permitted")
        for cannot in ("not permitted", "not defined"):
            if cannot in output.text():
                pytest.skip("gdb cannot trace this build here: " + cannot)
        yield counts
        os.kill(gate, signal.SIGSTOP)
        output.wait_for(rb"Num  [^\0]*\n.*[Dd]etach|Inferior 1")
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            gdb.wait(20)
        if gdb.poll() is None:
            gdb.kill()
            gdb.wait()
        os.kill(gate, signal.SIGCONT)
    table = output.text().partition("Num  ")[2]
    for number, name in enumerate(OPERATIONS, 1):
        hits = re.search(r"^%d .*\n(?:\s+breakpoint already hit (\d+) times?)?" % number, table, re.M)
        assert hits and name in hits.group(), output.text()
        counts[name] = int(hits.group(1) or 0)


def hello(name):
    """The first flight of a TLS client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["landline/1"])
    sends = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), sends, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return sends.read()


STRANGERS = {
    "garbage": lambda: os.urandom(300),
    "another protocol": lambda: b"GET / HTTP/1.0\r\n\r\n",
    "no knock": lambda: hello("landline"),
    "a knock for another server": lambda: hello(lp.knock(os.urandom(32)) + ".landline"),
}


def answered(address, says):
    with socket.create_connection(address) as s:
        s.settimeout(support.PATIENCE)
        try:
            s.sendall(says)
            return s.recv(1)
        except (ConnectionResetError, BrokenPipeError):
            return b""


@pytest.mark.parametrize("who", STRANGERS)
def test_a_stranger_costs_no_byte_and_no_operation_with_a_key(server, landline, who):
    with counted(server.gate()) as counts:
        for _ in range(TRIES):
            assert answered(server.address, STRANGERS[who]()) == b""
    assert counts == dict.fromkeys(OPERATIONS, 0)


def test_a_client_costs_them_all(server, landline):
    """The count counts: somebody who knows the pin is answered, enrolled or not."""
    with counted(server.gate()) as counts:
        assert landline("run", "--no-broker", "box", "--", "true").returncode == 0
    assert all(counts.values()), counts
    # With the right knock the answer is a handshake, also for a key that nobody has let in: it must be shown first.
    pin = lp.Invite(server.invite()).pin
    with counted(server.gate()) as counts:
        assert answered(server.address, hello(lp.knock(pin) + ".landline")) != b""
    assert counts["ossl_ed25519_sign"] == 1 and counts["ossl_ed25519_verify"] == 0
