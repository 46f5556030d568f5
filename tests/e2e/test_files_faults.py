"""The file worker killed at a system call, or a call made to fail: the target is old or new, never mixed, and the same
transfer completes afterwards. strace does the harm; two workers, a source and a sink, are joined by a socket pair.

LANDLINE_FAULTS=all tries every call; otherwise a sample, whose seed is printed."""

import os
import random
import shutil
import socket
import struct
import subprocess

import pytest

import support

pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")]

SEED = int(os.environ.get("LANDLINE_SEED", random.SystemRandom().randrange(1 << 32)))


def block(data):
    return struct.pack(">I", len(data)) + data


def job(kind, request):
    """A job of landline/service/files.h on a descriptor."""
    fd = os.memfd_create("job")
    os.write(fd, bytes([kind]) + block(b"") + block(b"") + block(request))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def start(kind, request, end, harm=()):
    fd = job(kind, request)
    try:
        return subprocess.Popen([*harm, support.LANDLINE, "file_worker"], stdin=end, stdout=end, stderr=subprocess.DEVNULL,
                                pass_fds=(3, fd), preexec_fn=lambda: os.dup2(fd, 3, inheritable=True))
    finally:
        os.close(fd)


def transfer(source, target, harm=(), side="sink"):
    """Copies `source` into the folder `target`; one side suffers `harm`. Returns both statuses."""
    ours, theirs = socket.socketpair()
    paths = os.fsencode(source)
    get = start(1, struct.pack(">BBQI", 0, 0, 0, 1) + block(paths), ours, harm if side == "source" else ())
    put = start(2, struct.pack(">BB", 8, 0) + block(os.fsencode(target)), theirs, harm if side == "sink" else ())
    ours.close()
    theirs.close()
    return get.wait(120), put.wait(120)


def contents(top):
    found = {}
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            if "/.landline-" not in path and not os.path.islink(path):
                with open(path, "rb") as f:
                    found[os.path.relpath(path, top)] = f.read()
    return found


@pytest.fixture
def trees(scratch):
    """A source, and a function that makes a target in which some of it is there already, other."""
    rng = random.Random(5)
    source = os.path.join(scratch, "t")
    for name, size in (("old", 3000), ("new/a", 100), ("new/b/c", 70000), ("large", 9000000), ("same", 500)):
        path = os.path.join(source, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(rng.randbytes(size))
    os.link(os.path.join(source, "old"), os.path.join(source, "old too"))
    os.symlink("old", os.path.join(source, "link"))

    def target():
        path = os.path.join(scratch, "target")
        shutil.rmtree(path, ignore_errors=True)
        os.makedirs(os.path.join(path, "t"))
        with open(os.path.join(path, "t", "old"), "wb") as f:
            f.write(b"before")
        with open(os.path.join(path, "t", "large"), "wb") as f:
            f.write(b"before " * 1000)
        shutil.copy2(os.path.join(source, "same"), os.path.join(path, "t", "same"))
        return path
    return source, target


def check_old_or_new(before, now, after):
    assert set(now) <= set(after)
    for name, data in now.items():
        assert data in (before.get(name), after.get(name)), name


def sweep(trees, scratch, side, flags, cases):
    source, target = trees
    after = contents(source)
    for case in cases:
        folder = target()
        before = contents(os.path.join(folder, "t"))
        transfer(source, folder, ["strace", "-f", "-qq", "-o", os.path.join(scratch, "trace"), "-e", flags % case], side)
        check_old_or_new(before, contents(os.path.join(folder, "t")), after)
        assert transfer(source, folder) == (0, 0), case
        assert contents(os.path.join(folder, "t")) == after, case
        assert os.readlink(os.path.join(folder, "t", "link")) == "old"
        assert left_in(folder) == [], case


def calls_of(trees, scratch, side):
    """The system calls of an undisturbed side, by name."""
    source, target = trees
    trace = os.path.join(scratch, "calls")
    assert transfer(source, target(), ["strace", "-f", "-qq", "-o", trace], side) == (0, 0)
    counts = {}
    with open(trace) as f:
        for line in f:
            name = line.split(None, 1)[1].split("(")[0]
            counts[name] = counts.get(name, 0) + 1
    return counts


def some(cases, number):
    cases = list(cases)
    if os.environ.get("LANDLINE_FAULTS") == "all" or len(cases) <= number:
        return cases
    print("seed", SEED)
    return random.Random(SEED).sample(cases, number)


def left_in(folder):
    return [name for _, folders, files in os.walk(folder) for name in folders + files if name.startswith(".landline-")]


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
@pytest.mark.parametrize("call, name", [("syncfs", ""), ("fsync", "large")])
def test_what_could_not_be_flushed_is_not_trusted(trees, scratch, call, name, error):
    """After a flush that failed, what was written may be lost though it can be read: no later attempt goes on with it."""
    source, target = trees
    folder = target()
    into = folder if name == "" else os.path.join(folder, "t")
    before = contents(folder)
    transfer(os.path.join(source, name) if name else source, into,
             ["strace", "-f", "-qq", "-o", os.path.join(scratch, "trace"), "-e", "inject=%s:error=%s:when=1" % (call, error)])
    assert contents(folder) == before
    assert left_in(folder) == []


def test_leftovers_are_found_in_every_folder(trees, scratch):
    """What an attempt left and nobody came back for goes after a week, wherever another transfer comes by."""
    source, target = trees
    folder = target()
    left = [os.path.join(folder, "t", ".landline-0123456789abcdef." + kind) for kind in ("part", "journal")]
    for path in left:
        with open(path, "wb") as f:
            f.write(b"begun")
    clock = ["env", "LD_PRELOAD=libclock.so", "LD_LIBRARY_PATH=" + os.path.join(support.BUILD, "tests")]
    for days, stays in ((6, True), (8, False)):
        assert transfer(source, folder, clock + ["CLOCK_SHIFT=%d" % (days * 86400)]) == (0, 0)
        assert [os.path.exists(path) for path in left] == [stays, stays]


@pytest.mark.parametrize("side", ["sink", "source"])
def test_killed_at_a_system_call(trees, scratch, side):
    total = sum(calls_of(trees, scratch, side).values())
    sweep(trees, scratch, side, "inject=all:signal=KILL:when=%d", some(range(30, total), 12 if side == "sink" else 6))


def test_a_call_of_the_source_fails_once(trees, scratch):
    counts = calls_of(trees, scratch, "source")
    cases = [(name, error, n) for name in ("pread64", "openat", "newfstatat", "getdents64", "readlinkat", "read", "writev")
             for error in ("EIO", "ENOMEM") for n in range(1, counts.get(name, 0) + 1)]
    assert {"pread64", "openat", "newfstatat"} <= set(counts)
    sweep(trees, scratch, "source", "inject=%s:error=%s:when=%d", some(cases, 8))


def test_a_call_fails_once(trees, scratch):
    counts = calls_of(trees, scratch, "sink")
    names = ["write", "pwrite64", "openat2", "renameat2", "syncfs", "fsync", "unlinkat", "mkdirat", "symlinkat", "linkat", "fchmod",
             "utimensat", "flock", "ftruncate", "newfstatat"]
    cases = [(name, error, n) for name in names for error in ("EIO", "ENOSPC", "EDQUOT", "EROFS")
             for n in range(1, counts.get(name, 0) + 1)]
    assert {"pwrite64", "renameat2", "syncfs", "openat2"} <= set(counts)
    sweep(trees, scratch, "sink", "inject=%s:error=%s:when=%d", some(cases, 14))
