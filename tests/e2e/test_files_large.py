"""Many files and deep folders in little memory, and a source that changes while it is read."""

import contextlib
import os
import re
import socket
import struct
import subprocess

import pytest

import support
from test_files import digest, fill, leftovers
from pair import pair
from test_files_faults import block, start

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


def peak(process):
    """The most memory the process has held, in KiB; 0 when it has gone."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/status" % process.pid) as f:
            found = re.search(r"VmHWM:\s*(\d+)", f.read())
            return int(found.group(1)) if found else 0
    return 0


def copy(source, target):
    """Two workers joined: both statuses, and the most memory that each held."""
    ours, theirs = socket.socketpair()
    get = start(1, struct.pack(">BBQI", 0, 0, 0, 1) + block(os.fsencode(source)), ours)
    put = start(2, struct.pack(">BB", 8, 0) + block(os.fsencode(target)), theirs)
    ours.close()
    theirs.close()
    peaks = [0, 0]

    def over():
        peaks[:] = [max(p, peak(w)) for p, w in zip(peaks, (get, put))]
        return get.poll() is not None and put.poll() is not None
    support.eventually(over, "the end of the copy", 300)
    return (get.wait(), put.wait()), peaks


def test_many_and_deep_in_little_memory(scratch):
    source, target = os.path.join(scratch, "s"), os.path.join(scratch, "t")
    os.makedirs(os.path.join(source, "many"))
    os.mkdir(target)
    for n in range(20000):
        with open(os.path.join(source, "many", "file %d" % n), "w") as f:
            f.write(str(n))
    fill(os.path.join(source, "large"), 40000000)
    at = os.open(source, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=at))
    os.close(at)
    try:
        statuses, peaks = copy(source, target)
        assert statuses == (0, 0)
        assert 0 < max(peaks) <= 16 << 10, peaks
        assert subprocess.run(["diff", "-r", source, os.path.join(target, "s")]).returncode == 0
        names = subprocess.run(["find", target, "-name", "bottom", "-perm", "640", "-printf", "%d"], stdout=subprocess.PIPE)
        assert names.stdout == b"1002"
        statuses, peaks = copy(source, target)  # again, with nothing to do
        assert statuses == (0, 0) and 0 < max(peaks) <= 16 << 10, peaks
    finally:
        subprocess.run(["rm", "-rf", source, target])


def grow(path):
    with open(path, "ab") as f:
        f.write(b"more")


def rewrite(path):
    with open(path, "r+b") as f:
        f.write(b"other")


@pytest.mark.parametrize("change", [grow, lambda path: os.truncate(path, 1000), rewrite], ids=["grown", "shrunk", "rewritten"])
def test_a_source_that_changes_is_noticed(box, change):
    source, target = (os.path.join(box.landline.scratch, n) for n in ("source", "target"))
    fill(source, 12000000)
    fill(target, 100)
    old = digest(target)
    client = box.start("put", "--limit", "4M", source, "box:" + target)
    support.eventually(lambda: leftovers(box.landline.scratch), "the beginning")
    change(source)
    assert client.wait() == 1
    assert "source: it changed while it was read" in client.stderr.text()
    assert digest(target) == old
    assert leftovers(box.landline.scratch) == []
