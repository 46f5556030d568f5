"""Clients that are in and say nothing cost little. LANDLINE_IDLE=10000 holds as many as are promised."""

import os
import subprocess

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(400)

CROWD = os.path.join(support.BUILD, "tests", "crowd")
CLIENTS = int(os.environ.get("LANDLINE_IDLE", "500"))
PROMISED = 24 << 10  # bytes of heap of an idle client


def crowd(landline, clients):
    """Processes that hold so many connections. Each client has a library context of OpenSSL's, of which a process can have
    about 500."""
    held = []
    for at in range(0, clients, 400):
        held.append(landline.spawn([CROWD, "box", str(min(400, clients - at))], stdin=subprocess.PIPE))
        if len(held) % 2 == 0:
            held[-2].stdout.wait_for(b"in\n", 300)
    for process in held:
        process.stdout.wait_for(b"in\n", 300)
    return held


def leave(held):
    for process in held:
        process.stdin.close()
    for process in held:
        assert process.wait() == 0, process.stderr.text()
        assert b"all heard" in process.stdout.data


def test_idle_clients_are_small(landline):
    server = Server(landline)
    gate, keeper = server.gate(), server.pid
    fds = support.descriptors(gate)  # before the first client: one that has just left may still be among them
    server.add()
    leave(crowd(landline, 50))  # what the first ones take for all stays out of the sum
    before = [support.anonymous(pid) for pid in (gate, keeper)]
    held = crowd(landline, CLIENTS)
    grown = [(support.anonymous(pid) - was) / CLIENTS for pid, was in zip((gate, keeper), before)]
    print("%d idle clients: %.0f bytes each in the gate, %.0f in the keeper" % (CLIENTS, *grown))
    assert server.gate() == gate and len(support.descriptors(gate)) >= len(fds) + CLIENTS
    leave(held)
    support.no_new_descriptors(gate, fds)
    assert sum(grown) < PROMISED, grown
