"""landline get against a server that lies, written from docs/PROTOCOL.md alone; and what is shown of a long transfer."""

import os
import re
import struct
import sys

import pytest

import support
from pair import pair
from test_files import fill
from test_files_hostile import (CHUNK, EMPTY, FAIL, FAILED, REFUSED, block, close, data, digest, file, folder, hard, over, picture,
                                record, symlink, when, whole)
from test_files_large import Terminal

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "peer"))
import landline_peer as lp  # noqa: E402
import landline_server_peer as ls  # noqa: E402

pytestmark = pytest.mark.timeout(180)


class Liar:
    """A server whose get says what the test wants, and a client that knows it."""
    kind = ls.Server

    def __init__(self, landline):
        self.landline, self.said, self.requests = landline, [], []
        self.server = self.kind(lp.Identity(os.path.join(landline.scratch, "server-peer")))
        self.server.services[b"get"] = self.on_get
        done = landline("add", "box", input=self.server.invite().encode())
        assert done.returncode == 0, done.stderr

    def on_get(self, session, number, request):
        self.requests.append(request)
        session.opened(number, b"")
        result = struct.pack(">BIBI", 1, 0, 0, 0) + struct.pack(">12Q", *[0] * 12) + lp.str16(b"")
        session.outputs(number, {1: b"".join(self.said), 2: b""}, result)

    def get(self, said, *words):
        self.said = said
        return self.landline("get", "--no-broker", *words)


@pytest.fixture
def liar(landline):
    server = Liar(landline)
    yield server
    server.server.close()


@pytest.fixture
def target(scratch):
    """What is there before, and what is beside it and none of the server's business."""
    path = os.path.join(scratch, "target")
    os.mkdir(path)
    os.mkdir(os.path.join(path, "sub"))
    for at in ("f", "sub/x"):
        with open(os.path.join(path, at), "wb") as out:
            out.write(b"before")
    os.mkfifo(os.path.join(path, "fifo"))
    os.symlink("..", os.path.join(path, "out"))
    with open(os.path.join(scratch, "beside"), "w") as out:
        out.write("beside")
    return path


def all_else(scratch):
    """The whole scratch folder, without the homes of the two programs."""
    return {path: what for path, what in picture(scratch).items() if b"/home" not in path and b"server-peer" not in path}


def said_well(stderr):
    """Lines for people: no control character, nothing that is not text."""
    assert stderr.endswith(b"\n")
    for line in stderr.splitlines():
        assert line.startswith(b"landline: ") and line.decode().isprintable(), line


def test_an_honest_server(liar, target):
    body = b"landline\n" * 500
    tree = [folder(b"new"), whole(b"a", body, digest=0xd507f88d27268dd6), symlink(b"l", b"a"), folder(b"empty"), record(13, bytes(16)),
            record(2), record(2), over]
    done = liar.get(tree, "box:new", target)
    assert done.returncode == 0, done.stderr
    with open(os.path.join(target, "new", "a"), "rb") as f:
        assert f.read() == body
    assert os.readlink(os.path.join(target, "new", "l")) == "a" and os.listdir(os.path.join(target, "new", "empty")) == []
    assert liar.requests[0][0] == 64 and not liar.server.failures


@pytest.mark.parametrize("part", range(4))
def test_a_server_that_breaks_the_rules(liar, target, scratch, part):
    """Every lie of the worker's test again, told by a server to landline get: an error, and nothing has changed."""
    before = all_else(scratch)
    for case in sorted(REFUSED)[part::4]:
        done = liar.get(REFUSED[case], "box:*", target)
        assert done.returncode == 1, (case, done.stderr)
        said_well(done.stderr)
        assert all_else(scratch) == before, case


MORE_LIES = {
    "deeper than folders may be": [folder(b"d")] * 4097,
    "up too often": [folder(b"sub"), record(2), record(2), over],
    "a name nobody asked for": [whole(b".bashrc", b"", digest=EMPTY), over],
    "a total that is cut": [record(13, bytes(15)), over],
    "a group that goes back": [file(b"f", 1, group=2), file(b"g", 1, group=1), over],
    "overlapping chunks": [file(b"f", 2 * CHUNK)] + [data(n << 18, bytes(1 << 18)) for n in range(16)] +
                          [digest(CHUNK, 1), data(CHUNK - 1, b"x")],
}


@pytest.mark.parametrize("lie", MORE_LIES)
def test_more_that_no_server_may_say(liar, target, scratch, lie):
    before = all_else(scratch)
    done = liar.get(MORE_LIES[lie], "box:*", target)
    # Not through Python, which gives up at such a depth.
    liar.landline.run(["sh", "-c", 'rm -rf "$1"/.landline-*', "sh", target])
    assert done.returncode == 1, done.stderr
    said_well(done.stderr)
    assert all_else(scratch) == before


@pytest.mark.parametrize("case", FAILED)
def test_one_entry_fails(liar, target, scratch, case):
    before = all_else(scratch)
    done = liar.get([*FAILED[case], over], "box:*", target)
    assert done.returncode == 1, done.stderr
    said_well(done.stderr)
    assert all_else(scratch) == before


def test_one_name_twice(liar, target):
    """The first one counts; the second is an error, not a mixture."""
    twice = [folder(b"new"), whole(b"x", b"", digest=EMPTY), file(b"x", 3), data(0, b"abc"), digest(3), close(3),
             record(2), over]
    done = liar.get(twice, "box:new", target)
    assert done.returncode == 1 and b"new/x: File exists" in done.stderr
    assert not os.path.exists(os.path.join(target, "new", "x")) or os.path.getsize(os.path.join(target, "new", "x")) == 0


def test_absurd_times_and_what_is_printed(liar, target):
    ugly = b"\x1b]0;owned\x07\xff\n"
    fail = record(FAIL, struct.pack(">I", 5) + block(ugly) + lp.str16(b"\x1b[2J"))
    said = [fail, file(b"old", 0, time=when(-(1 << 63), 999999999)), close(0), file(b"late", 0, time=when((1 << 63) - 1)), close(0),
            record(12, struct.pack(">Q", 1))]
    done = liar.get(said, "box:*", target)
    assert done.returncode == 1
    said_well(done.stderr)
    assert b"x1b" in done.stderr and b"xff" in done.stderr
    assert all(os.path.getsize(os.path.join(target, n)) == 0 for n in ("old", "late"))


def test_hard_links_only_to_what_came(liar, target):
    """A group that was never sent, and one whose file is outside what was sent."""
    for said in ([hard(7, b"h")], [folder(b"n"), hard(7, b"h"), record(2)]):
        done = liar.get([*said, over], "box:*", target)
        assert done.returncode == 1 and b"the file that it is another name of did not arrive" in done.stderr
    assert not os.path.exists(os.path.join(target, "h")) and os.listdir(os.path.join(target, "n")) == []


# ---- what is shown ----

def percents(seen):
    return [int(n) for n in re.findall(rb"\r *(\d+) %", seen)]


@pytest.mark.parametrize("verb", ["get", "put"])
def test_how_far_it_is(landline, verb):
    """On a terminal: from early on a percentage, which never falls, also across a cut and with more files than are announced at
    once. Elsewhere: a line every ten seconds."""
    with pair(landline, through_relay=True) as box:
        source, target, other = (os.path.join(landline.scratch, n) for n in ("source", "target", "other"))
        os.makedirs(os.path.join(source, "many"))
        for n in range(3000):
            fill(os.path.join(source, "many", str(n)), 4096, n)
        ends = (lambda to: ["box:" + source, to]) if verb == "get" else (lambda to: [source, "box:" + to])
        terminal = Terminal(box, 100, verb, "--limit", "1200K", *ends(target))
        try:
            quiet = box.start(verb, "--limit", "1M", *ends(other))
            support.eventually(lambda: percents(terminal.seen), "a percentage")
            box.relay.cut_all()
            assert terminal.process.wait(support.PATIENCE) == 0, terminal.seen
            assert quiet.wait() == 0
        finally:
            terminal.close()
    shown = percents(terminal.seen)
    assert shown == sorted(shown) and shown[0] < 50 and shown[-1] > 80
    lines = quiet.stderr.data.split(b"\n")
    assert b"\r" not in quiet.stderr.data
    assert re.match(rb"landline: box: \d+ %  [0-9.]+ [kMG]?i?B of ", next(line for line in lines if b"%" in line))
    assert re.search(rb" files, .* in [0-9.]+ s \(.*/s\); \d+ unchanged, .* resumed, .* wasted$", lines[-2])
