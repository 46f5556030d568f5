"""The file worker against a peer that lies: an error, the target unchanged, nothing outside the destination. And against a
tree that somebody changes under its feet."""

import contextlib
import ctypes
import os
import socket
import stat
import struct
import subprocess
import threading

import pytest

import support

pytestmark = pytest.mark.timeout(180)

DIR, UP, FILE, WHOLE, SYMLINK, HARD, DATA, PACKED, DIGEST, CLOSE, FAIL, OVER = range(1, 13)
MODE, ANSWER, PROBLEM, SUMMARY, PROVED = range(32, 37)
CHUNK, UNKNOWN = 4 << 20, (1 << 64) - 1
EMPTY = 0xc77b3abb6f87acd9  # the digest of a file without contents
LOST = 75  # the worker's exit status when the other side has gone
OURS = b".landline-0123456789abcdef.part"


def block(data):
    return struct.pack(">I", len(data)) + data


def record(kind, payload=b""):
    return struct.pack(">IB", len(payload), kind) + payload


def name(text):
    return struct.pack(">H", len(text)) + text


def when(seconds=1, ns=2):
    return struct.pack(">qI", seconds, ns)


def folder(text, mode=0o755, time=when()):
    return record(DIR, struct.pack(">H", mode) + time + name(text))


def file(text, size, mode=0o644, group=0, time=when(), version=0):
    return record(FILE, struct.pack(">H", mode) + time + struct.pack(">QQQQ", size, group, 0, version) + name(text))


def whole(text, data, digest=0, size=None, group=0, mode=0o644):
    head = struct.pack(">H", mode) + when() + struct.pack(">QQQ", len(data) if size is None else size, group, digest)
    return record(WHOLE, head + name(text) + data)


def symlink(text, target):
    return record(SYMLINK, when() + name(text) + name(target))


def hard(group, text):
    return record(HARD, struct.pack(">Q", group) + name(text))


def data(offset, bytes_):
    return record(DATA, struct.pack(">Q", offset) + bytes_)


def digest(end, value=0):
    return record(DIGEST, struct.pack(">QQ", end, value))


def close(size, state=0, error=0):
    return record(CLOSE, struct.pack(">BIQ", state, error, size))


over = record(OVER, struct.pack(">Q", 0))


@contextlib.contextmanager
def worker(kind, request):
    """A file worker and the socket to it."""
    fd = os.memfd_create("job")
    os.write(fd, bytes([kind]) + block(b"") + block(b"") + block(request))
    os.lseek(fd, 0, os.SEEK_SET)
    ours, theirs = socket.socketpair()
    process = subprocess.Popen([support.LANDLINE, "file_worker"], stdin=theirs, stdout=theirs, stderr=subprocess.PIPE,
                               pass_fds=(3, fd), preexec_fn=lambda: os.dup2(fd, 3, inheritable=True))
    os.close(fd)
    theirs.close()
    ours.settimeout(support.PATIENCE)
    try:
        yield process, ours
    finally:
        ours.close()
        process.kill()
        process.wait()
        process.stderr.close()


def sink(target):
    return worker(2, struct.pack(">BB", 8, 0) + block(os.fsencode(target)))


def source(path):
    return worker(1, struct.pack(">BBQI", 0, 0, 0, 1) + block(os.fsencode(path)))


def tell(process, ours, said):
    """Says it all while what comes is read: the status and what came."""
    def send():
        with contextlib.suppress(OSError):
            for piece in said:
                ours.sendall(piece)
            ours.shutdown(socket.SHUT_WR)
    thread = threading.Thread(target=send)
    thread.start()
    came = b""
    with contextlib.suppress(ConnectionError):
        while piece := ours.recv(65536):
            came += piece
    thread.join()
    return process.wait(support.PATIENCE), came


def records(came):
    found = []
    while len(came) >= 5:
        length, kind = struct.unpack(">IB", came[:5])
        found.append((kind, came[5:5 + length]))
        came = came[5 + length:]
    return found


@pytest.fixture
def target(scratch):
    path = os.path.join(scratch, "target")
    os.mkdir(path)
    with open(os.path.join(path, "f"), "wb") as f:
        f.write(b"before")
    os.mkfifo(os.path.join(path, "fifo"))
    os.symlink("..", os.path.join(path, "out"))
    return path


def picture(top):
    found = {}
    for at, folders, files in os.walk(os.fsencode(top)):
        folders[:] = [entry for entry in folders if not entry.startswith(b".landline-")]
        for entry in folders + files:
            path = os.path.join(at, entry)
            st = os.lstat(path)
            body = open(path, "rb").read() if stat.S_ISREG(st.st_mode) else b""
            if not entry.startswith(b".landline-"):
                found[path] = (st.st_mode, st.st_mtime_ns if stat.S_ISREG(st.st_mode) else 0, body)
    return found


BAD_NAMES = [b"", b".", b"..", b"/", b"../x", b"a/b", b"/etc/x", b"a\0b", b"x" * 256, OURS]

REFUSED = {
    **{"folder called %r" % n[:12]: [folder(n)] for n in BAD_NAMES},
    **{"file called %r" % n[:12]: [file(n, 5)] for n in BAD_NAMES},
    **{"whole called %r" % n[:12]: [whole(n, b"")] for n in BAD_NAMES},
    **{"link called %r" % n[:12]: [symlink(n, b"x")] for n in BAD_NAMES},
    **{"hard called %r" % n[:12]: [hard(1, n)] for n in BAD_NAMES},
    "setid": [file(b"f", 6, mode=0o4755)],
    "setgid folder": [folder(b"d", mode=0o2755)],
    "nanoseconds": [file(b"f", 6, time=when(0, 10**9))],
    "too large": [file(b"f", (1 << 50) + 1)],
    "whole too large": [whole(b"f", bytes(65537))],
    "whole shorter than it says": [whole(b"f", b"abc", size=4)],
    "link to nothing": [symlink(b"l", b"")],
    "link with NUL": [symlink(b"l", b"a\0")],
    "group 0": [hard(0, b"h")],
    "unasked data": [data(0, b"x")],
    "unasked digest": [digest(0)],
    "unasked close": [close(0)],
    "empty data": [file(b"f", 5), data(0, b"")],
    "more than it said": [file(b"f", 5), data(0, b"123456")],
    "endless": [file(b"f", 5), data(0, b"12345")] + [data(5, b"6" * 1000)] * 1000,
    "overlap": [file(b"f", 50), data(0, b"12345"), data(4, b"67")],
    "backwards": [file(b"f", 50), data(5, b"12345"), data(0, b"67")],
    "across a chunk": [file(b"f", 9 << 20), data(CHUNK - 1, b"12")],
    "beyond the chunk": [file(b"f", 9 << 20), data(CHUNK + 1, b"12")],
    "far away": [file(b"f", 9 << 20), data(UNKNOWN, b"12")],
    "digest far away": [file(b"f", UNKNOWN), digest(UNKNOWN)],
    "digest backwards": [file(b"f", 9), data(0, b"123"), digest(2)],
    "digest too early": [file(b"f", 9), data(0, b"123"), digest(3)],
    "closed too early": [file(b"f", 9), data(0, b"123"), close(3)],
    "closed without digest": [file(b"f", 3), data(0, b"123"), close(3)],
    "another size at the end": [file(b"f", 3), data(0, b"123"), digest(3), close(4)],
    "no such state": [file(b"f", 3), close(0, state=3)],
    "packed, not so": [file(b"f", 9), record(PACKED, struct.pack(">QI", 0, 9) + b"nothing")],
    "packed, larger": [file(b"f", 1 << 30), record(PACKED, struct.pack(">QI", 0, (256 << 10) + 1) + b"x")],
    "up from the top": [record(UP)],
    "up with something": [folder(b"d"), record(UP, b"x")],
    "over in a folder": [folder(b"d"), over],
    "over with a file open": [file(b"f", 6), over],
    "no such kind": [record(200)],
    "a sink's record": [record(ANSWER, struct.pack(">BQ", 0, 0))],
    "an endless record": [struct.pack(">IB", 0xffffffff, DATA)],
    "half a record": [b"\0\0"],
    "nothing at all": [],
    "too many files": [file(b"n%d" % n, 5) for n in range(1025)],
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_source_that_breaks_the_rules(target, scratch, case):
    before = picture(scratch)
    with sink(target) as (process, ours):
        status, came = tell(process, ours, REFUSED[case])
    assert status == (LOST if case in ("half a record", "nothing at all") else 1), status
    assert SUMMARY not in [kind for kind, _ in records(came)]
    assert picture(scratch) == before


def test_deeper_than_folders_may_be(target, scratch):
    before = picture(scratch)
    with sink(target) as (process, ours):
        status, came = tell(process, ours, [folder(b"d")] * 4097)
    same = picture(scratch) == before
    subprocess.run(["rm", "-rf", *[e.path for e in os.scandir(target) if e.name.startswith(".landline-")]], check=True)
    assert status == 1 and same and SUMMARY not in [kind for kind, _ in records(came)]


FAILED = {
    "lying digest": [file(b"f", 3), data(0, b"123"), digest(3, 77), close(3)],
    "lying digest of a whole": [whole(b"f", b"123", digest=77)],
    "changed": [file(b"f", 3), data(0, b"12"), close(2, state=1)],
    "unreadable": [file(b"f", 3), close(0, state=2, error=5)],
    "hard to nothing": [hard(9, b"f")],
    "hard to what failed": [file(b"f", 3, group=4), hard(4, b"g"), data(0, b"123"), digest(3, 77), close(3)],
    "a FIFO stands there": [file(b"fifo", 3)],
    "a folder through a link": [folder(b"out"), whole(b"escaped", b"", digest=EMPTY), record(UP)],
    "a folder through a FIFO": [folder(b"fifo"), file(b"x", 4), record(UP)],
}


@pytest.mark.parametrize("case", FAILED)
def test_one_entry_fails_and_nothing_changes(target, scratch, case):
    before = picture(scratch)
    with sink(target) as (process, ours):
        status, came = tell(process, ours, [*FAILED[case], over])
    told = records(came)
    assert status == 0 and told[-1][0] == SUMMARY, (status, told)
    assert PROBLEM in [kind for kind, _ in told] or case in ("changed", "unreadable")
    assert picture(scratch) == before


@pytest.mark.parametrize("seconds", [-(1 << 63), (1 << 63) - 1, -1, 1 << 40])
def test_times_of_any_age(target, seconds):
    with sink(target) as (process, ours):
        status, came = tell(process, ours, [file(b"new", 0, time=when(seconds)), close(0), over])
    assert status == 0 and os.path.getsize(os.path.join(target, "new")) == 0


LIES = {
    "not asked": [record(ANSWER, struct.pack(">BQ", 1, 0))] * 2,
    "beyond the end": [record(ANSWER, struct.pack(">BQ", 1, CHUNK * 9))],
    "neither yes nor no": [record(ANSWER, struct.pack(">BQ", 2, 0))],
    "over before the end": [record(SUMMARY, bytes(56))],
    "a source's record": [over],
    "no such mode": [record(MODE, b"\2")],
    "no such errno": [record(PROBLEM, struct.pack(">I", 9999) + block(b"x") + name(b""))],
    "an endless record": [struct.pack(">IB", 0xffffffff, PROBLEM)],
}


@pytest.mark.parametrize("case", LIES)
def test_a_sink_that_breaks_the_rules(target, scratch, case):
    before = picture(scratch)
    with source(os.path.join(target, "f")) as (process, ours):
        assert tell(process, ours, LIES[case])[0] == 1
    assert picture(scratch) == before


def test_special_files_are_not_opened_at_the_source(target):
    """A FIFO without a writer would hold a reader up for ever."""
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(os.path.join(target, "socket"))
        with source(target) as (process, ours):
            said = [record(ANSWER, struct.pack(">BQ", 0, 0)), record(SUMMARY, bytes(56))]
            status, came = tell(process, ours, [])
        fails = [payload for kind, payload in records(came) if kind == FAIL]
    assert len(fails) == 2 and any(b"fifo" in f for f in fails) and any(b"socket" in f for f in fails)
    assert status == LOST and said


def exchange(a, b):
    """Swaps two names at one blow: renameat2(RENAME_EXCHANGE)."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, os.fsencode(a), -100, os.fsencode(b), 2) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def test_the_destination_is_swapped_under_our_feet(scratch):
    """A folder of the destination is now a folder, now a link to outside, while transfers go on: LANDLINE_SWAPS times in all."""
    top, outside = os.path.join(scratch, "top"), os.path.join(scratch, "outside")
    os.makedirs(os.path.join(top, "d", "e"))
    os.makedirs(os.path.join(outside, "e"))
    os.symlink(outside, os.path.join(scratch, "link"))
    stop, swaps = threading.Event(), [0]

    def swap():
        while not stop.is_set():
            exchange(os.path.join(top, "d"), os.path.join(scratch, "link"))
            swaps[0] += 1
    thread = threading.Thread(target=swap)
    thread.start()
    done = 0
    enough = int(os.environ.get("LANDLINE_SWAPS", "20000"))
    try:
        while swaps[0] < enough or done < 3:
            tree = []
            for n in range(100):
                tree += [folder(b"d"), folder(b"e"), whole(b"f%d" % n, b"", digest=EMPTY),
                         symlink(b"l%d" % n, b"x"), record(UP), folder(b"new%d" % n), record(UP), record(UP)]
            with sink(top) as (process, ours):
                tell(process, ours, [*tree, over])
            done += 1
    finally:
        stop.set()
        thread.join()
    print("swaps", swaps[0], "transfers", done)
    assert swaps[0] >= enough
    real = next(p for p in (os.path.join(top, "d"), os.path.join(scratch, "link")) if not os.path.islink(p))
    assert os.path.exists(os.path.join(real, "e", "f0"))
    assert sorted(os.listdir(outside)) == ["e"] and os.listdir(os.path.join(outside, "e")) == []
