"""The gate may die or be replaced at any time: no run notices."""

import os
import signal
import socket

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(180)

COUNT = "for i in $(seq 1 60); do echo line $i; sleep 0.05; done; exit 9"
COUNTED = b"".join(b"line %d\n" % i for i in range(1, 61))


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    return server


@pytest.mark.parametrize("how", ["kill", "replace"])
def test_runs_survive_the_gate(server, landline, how):
    clients = [landline.start("run", "--no-broker", "box", "--", "sh", "-c", COUNT) for _ in range(5)]
    for client in clients:
        client.stdout.wait_for(rb"line 3\n")
    for _ in range(3):
        gate = server.gate()
        if how == "kill":
            os.kill(gate, signal.SIGKILL)
        else:
            server.process.signal(signal.SIGHUP)
        support.eventually(lambda: not support.exists(gate), "the old gate is gone")
    for client in clients:
        assert client.wait() == 9, client.stderr.text()
        assert client.stdout.data == COUNTED


def test_a_gate_that_died_leaves_nothing(server, landline):
    assert landline("run", "--no-broker", "box", "--", "true").returncode == 0
    before = support.descriptors(server.pid)
    for _ in range(5):
        gate = server.gate()
        os.kill(gate, signal.SIGKILL)
        support.eventually(lambda: not os.path.exists("/proc/%d" % gate), "it is collected")
        assert landline("run", "--no-broker", "box", "--", "true").returncode == 0
    support.no_new_descriptors(server.pid, before)


def test_the_gate_goes_with_the_keeper(server):
    gate = server.gate()
    os.kill(server.pid, signal.SIGKILL)
    support.eventually(lambda: not support.exists(gate), "the gate is gone")


def test_the_gate_is_locked_in(server):
    with open("/proc/%d/status" % server.gate()) as f:
        status = dict(line.split(":", 1) for line in f if ":" in line)
    assert status["Seccomp"].strip() == "2" and status["NoNewPrivs"].strip() == "1"
    if os.geteuid() == 0:
        assert status["Uid"].split()[1] != "0" and status["CapEff"].strip().strip("0") == ""


def test_silent_sockets_keep_nobody_out(server, landline):
    """1,000 of them from another address than the client's."""
    silent = []
    for _ in range(1000):
        s = socket.create_connection(server.address, source_address=("127.0.0.2", 0))
        silent.append(s)
    try:
        done = landline("run", "--no-broker", "box", "--", "echo", "in")
        assert done.stdout == b"in\n", done.stderr
        assert len(support.descriptors(server.gate())) < 300
    finally:
        for s in silent:
            s.close()


def test_silent_sockets_of_the_same_address(server, landline):
    silent = [socket.create_connection(server.address) for _ in range(400)]
    try:
        assert landline("run", "--no-broker", "box", "--", "echo", "in").stdout == b"in\n"
    finally:
        for s in silent:
            s.close()


def test_a_silent_socket_is_closed_in_time(server):
    with socket.create_connection(server.address) as s:
        s.settimeout(support.PATIENCE)
        assert s.recv(1) == b""


@pytest.mark.parametrize("hello", [b"GET / HTTP/1.0\r\n\r\n", bytes(2000), b"\x16\x03\x01\x02\x00" + bytes(512),
                                   b"\x16\x03\x01\xff\xff"])
def test_a_stranger_gets_no_byte(server, hello):
    with socket.create_connection(server.address) as s:
        s.settimeout(support.PATIENCE)
        s.sendall(hello)
        try:
            assert s.recv(1) == b""
        except ConnectionResetError:
            pass
