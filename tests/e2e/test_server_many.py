"""Many commands at once, and many after one another. LANDLINE_RUNS=10000 for as many as is promised."""

import os
import re

import pytest

import support
from server_support import Server

MANY = os.path.join(support.BUILD, "tests", "many")
RUNS = int(os.environ.get("LANDLINE_RUNS", "3000"))  # in sequence
PATIENCE = 350 + RUNS // 10

pytestmark = pytest.mark.timeout(PATIENCE + 50)


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    return server


def many(landline, *args):
    done = landline.run([MANY, "box", *map(str, args)], timeout=PATIENCE)
    assert done.returncode == 0, done.stderr.decode()[:2000]
    assert re.match(rb"%d runs, 0 wrong" % args[0], done.stdout)


@pytest.mark.parametrize("clients, at_once", [(1, 1000), (100, 10)])
def test_a_thousand_at_once(server, landline, clients, at_once):
    many(landline, 16, 1, 16)
    before = {pid: support.descriptors(pid) for pid in (server.pid, server.gate())}
    many(landline, 1000, clients, at_once)
    for pid, fds in before.items():
        support.no_new_descriptors(pid, fds)
    support.eventually(lambda: support.children(server.pid) == [server.gate()], "no zombie, no process left")


def test_thousands_in_sequence(server, landline):
    def resident(pid):
        with open("/proc/%d/status" % pid) as f:
            return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))
    many(landline, 500, 1, 1, "quiet")
    pids = (server.pid, server.gate())
    before = [(resident(pid), support.descriptors(pid)) for pid in pids]
    many(landline, RUNS, 1, 1, "quiet")
    for pid, (memory, fds) in zip(pids, before):
        support.no_new_descriptors(pid, fds)
        # The ids of all runs are remembered: about 250 bytes each.
        assert resident(pid) < memory + 1024 + RUNS * 250 // 1024, pid
