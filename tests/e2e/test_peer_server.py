"""The client against a server that was written from docs/PROTOCOL.md alone, in another language; and against one that lies."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402
import landline_server_peer as ls  # noqa: E402


@pytest.fixture
def serve(landline):
    servers = []

    def make(hook=None):
        server = ls.Server(lp.Identity(os.path.join(landline.scratch, "server-peer")), hook)
        servers.append(server)
        done = landline("add", "box", input=server.invite().encode())
        assert done.returncode == 0, done.stderr
        return server
    yield make
    for server in servers:
        server.close()


def test_run(serve, landline):
    server = serve()
    done = landline("run", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7", input=b"")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")
    data = os.urandom(200000)
    done = landline("run", "box", "--", "cat", input=data)
    assert (done.returncode, done.stdout) == (0, data)
    done = landline("run", "box", "--", "seq", "1", "100000", input=b"")
    assert done.stdout == b"".join(b"%d\n" % i for i in range(1, 100001))
    assert landline("run", "box", "--", "/no/such/program", input=b"").returncode == 127
    assert landline("run", "box", "--", "sh", "-c", "kill -9 $$", input=b"").returncode == 128 + 9
    assert not server.failures


def test_upper(serve, landline):
    server = serve()
    done = landline("upper", "box", "hello")
    assert (done.returncode, done.stdout.strip()) == (0, b"HELLO")
    assert not server.failures


def lie_in(kind, change):
    return lambda session, sent, payload, channel, stream: change(payload) if sent == kind else payload


LIES = {
    "a false digest": lie_in(lp.RESULT, lambda p: p[:57] + bytes([p[57] ^ 1]) + p[58:]),
    "a result that is cut": lie_in(lp.RESULT, lambda p: p[:-1]),
    "a false offset": lie_in(lp.DATA, lambda p: b"\0\0\0\0\0\0\0\1" + p[8:]),
    "a false total": lie_in(lp.END, lambda p: b"\0\0\0\0\0\0\0\xff"),
    "credit taken back": lie_in(lp.OPENED, lambda p: p[:8] + bytes(8) + p[16:]),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies(serve, landline, lie):
    """A server that breaks the contract is never believed: the run does not seem to have ended well."""
    serve(LIES[lie])
    done = landline("run", "box", "--give-up", "1s", "--", "echo", "abc", input=b"")
    assert done.returncode in (122, 125), (done.returncode, done.stdout, done.stderr)
    assert done.stderr.startswith(b"landline: ")
