"""Bulk through each direction in constant memory. LANDLINE_BULK=10G for as much as is promised."""

import os
import re
import subprocess

import pytest

import support
from server_support import Server

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
NUMBER, UNIT = re.fullmatch(r"(\d+)([KMG]?)", os.environ.get("LANDLINE_BULK", "400M")).groups()
BYTES = int(NUMBER) * UNITS[UNIT]
MOST = 20 << 20  # that a process may grow by, whatever passes through: LIMIT_WINDOW, and what a client has anyway

pytestmark = pytest.mark.timeout(120 + BYTES // (10 << 20))


def watch(pids, ended):
    """The most that each of the processes had, looked at again and again until `ended`."""
    most = {pid: support.anonymous(pid) for pid in pids}

    def look():
        for pid in pids:
            try:
                most[pid] = max(most[pid], support.anonymous(pid))
            except (FileNotFoundError, ProcessLookupError, StopIteration):
                pass
        return ended()

    support.eventually(look, "the end", 100 + BYTES / (10 << 20))
    return most


@pytest.mark.parametrize("direction", ["input", "output"])
def test_constant_memory(landline, direction):
    server = Server(landline)
    server.add()
    far = "wc -c" if direction == "input" else "head -c %d /dev/zero" % BYTES
    near = '"%s" run --no-broker box -- sh -c "%s"' % (support.LANDLINE, far)
    line = "head -c %d /dev/zero | %s" % (BYTES, near) if direction == "input" else near + " </dev/null | wc -c"
    pids = [server.pid, server.gate()]
    before = [support.anonymous(pid) for pid in pids]
    process = landline.spawn(["sh", "-c", line], stdin=subprocess.DEVNULL)

    def client():
        return next((pid for pid in support.descendants(process.pid)
                     if support.command_line(pid).startswith(os.fsencode(support.LANDLINE))), 0)

    pids.append(support.eventually(client, "the client"))
    before.append(0)
    most = watch(pids, lambda: process.popen.poll() is not None)
    assert process.wait() == 0, process.stderr.text()
    assert process.stdout.data.split() == [b"%d" % BYTES]
    grown = [most[pid] - was for pid, was in zip(pids, before)]
    print("%d bytes of %s: keeper, gate and client grew by %s" % (BYTES, direction, grown))
    assert max(grown) < MOST, grown
