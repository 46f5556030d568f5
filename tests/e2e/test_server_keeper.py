"""The keeper itself dies: what is known afterwards is true, and nothing starts a second time."""

import contextlib
import hashlib
import os
import signal

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    return server


def restart(server, how):
    listen = server.listen
    server.process.signal(how)
    server.process.wait()
    server.start("--listen", listen)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_finished_runs_are_there_after_a_restart(server, landline, how):
    runs = {}
    for size in (0, 5, 65536, 65537, 3000000):
        done = landline("run", "--no-broker", "--detach", "box", "--", "sh", "-c",
                        "head -c %d /dev/urandom | tee %s/%d; exit 3" % (size, landline.scratch, size))
        runs[size] = done.stdout.decode().split()[-1]
    for run in runs.values():
        assert landline("attach", "--no-broker", "box", run).returncode == 3
    restart(server, how)
    listed = landline("runs", "box").stdout.decode()
    for size, run in runs.items():
        assert run in listed
        for _ in range(2):
            done = landline("attach", "--no-broker", "box", run)
            with open(os.path.join(landline.scratch, str(size)), "rb") as f:
                assert (done.returncode, hashlib.sha256(done.stdout).hexdigest()) == \
                    (3, hashlib.sha256(f.read()).hexdigest())
        assert landline("result", "box", run).returncode == 3


def test_a_run_that_ran_is_lost(server, landline):
    done = landline("run", "--no-broker", "--detach", "box", "--", "sh", "-c", "echo $$; exec sleep 1000")
    run = done.stdout.decode().split()[-1]
    support.eventually(lambda: b"running" in landline("runs", "box").stdout, "it runs")
    pids = [pid for pid in support.children(server.pid) if pid != server.gate()]
    restart(server, signal.SIGKILL)
    try:
        for command in ("attach", "result"):
            done = landline(command, "box", run)
            assert done.returncode in (122, 125), done
            assert b"lost" in done.stdout or b"stopped while" in done.stderr, done
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # with control groups the new keeper has ended it
                os.kill(pid, signal.SIGKILL)


def test_nothing_starts_twice(server, landline):
    """A client whose server dies under it asks again, and is told; the command has run once."""
    count, gate = os.path.join(landline.scratch, "count"), support.Gate(landline.scratch)
    client = landline.start("run", "--no-broker", "--give-up", "20s", "box", "--", "sh", "-c",
                            "echo x >> %s; echo started; %s" % (count, gate.wait))
    client.stdout.wait_for(b"started")
    restart(server, signal.SIGKILL)
    assert client.wait() == 122
    gate.open()
    with open(count) as f:
        assert f.read() == "x\n"


def test_a_torn_log_is_mended(server, landline):
    done = landline("run", "--no-broker", "--detach", "box", "--", "echo", "kept")
    run = done.stdout.decode().split()[-1]
    assert landline("attach", "box", run).stdout == b"kept\n"
    listen = server.listen
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()
    folder = os.path.join(server.home, "server", "runs")
    for name in os.listdir(folder):
        if name.startswith(("results.", "ledger")):
            with open(os.path.join(folder, name), "ab") as f:
                f.write(b"LLR1\0\0")
    server.start("--listen", listen)
    assert landline("attach", "box", run).stdout == b"kept\n"
    assert landline("run", "box", "--", "echo", "new").stdout == b"new\n"


def test_memory_and_descriptors_stay(server, landline):
    def resident(pid):
        with open("/proc/%d/status" % pid) as f:
            return int(next(line.split()[1] for line in f if line.startswith("VmRSS")))

    def many(n):
        done = landline("run", "-q", "box", "--", "true")
        for _ in range(n):
            done = landline("run", "-q", "box", "--", "true")
            assert done.returncode == 0
    many(50)
    pids = [server.pid, server.gate()]
    before = [(resident(pid), support.descriptors(pid)) for pid in pids]
    many(300)
    for pid, (memory, fds) in zip(pids, before):
        support.no_new_descriptors(pid, fds)
        assert resident(pid) < memory + 2000
