"""landline serve: what becomes of a command that a client asks for."""

import hashlib
import json
import os
import signal
import socket

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    return server


def test_titles_and_ready(server):
    with open("/proc/%d/cmdline" % server.pid, "rb") as f:
        assert f.read().startswith(b"landline: keeper")
    with open("/proc/%d/cmdline" % server.gate(), "rb") as f:
        assert f.read().rstrip(b"\0") == b"landline: gate"


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/etc/passwd"], 126),
    (["no-such-program"], 127)])
def test_exit_status(server, landline, command, status):
    assert landline("run", "box", "--", *command).returncode == status


def test_arguments_arrive_byte_for_byte(server, landline):
    words = ["", " ", "a b", "'", '"', "$HOME", "\n", "\\", "*", "-x", "ü", b"\xff\xfe\x01".decode("utf-8", "surrogateescape")]
    done = landline("run", "box", "--", "printf", "%s\\0", *words)
    assert done.stdout == b"".join(os.fsencode(w) + b"\0" for w in words)


def test_ten_thousand_arguments(server, landline):
    done = landline("run", "box", "--", "sh", "-c", "echo $#", "sh", *(str(i) for i in range(10000)))
    assert done.stdout == b"10000\n", done.stderr


def test_outputs_stay_apart_and_whole(server, landline):
    script = "head -c 3000000 /dev/urandom | tee out; head -c 2000000 /dev/urandom | tee err >&2; exit 5"
    done = landline("run", "--cwd", landline.scratch, "--shell", script, "box")
    assert done.returncode == 5
    for name, data in (("out", done.stdout), ("err", done.stderr)):
        with open(os.path.join(landline.scratch, name), "rb") as f:
            assert f.read() == data


def test_input_streams_and_ends(server, landline):
    data = os.urandom(20 << 20)
    done = landline("run", "box", "--", "sha256sum", input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


def test_a_child_that_reads_nothing(server, landline):
    done = landline("run", "box", "--", "sh", "-c", "exec <&-; echo done", input=os.urandom(8 << 20))
    assert (done.returncode, done.stdout) == (0, b"done\n")


def test_both_outputs_full_and_input_too(server, landline):
    data = os.urandom(4 << 20)
    done = landline("run", "--shell", "tee /dev/stderr", "box", input=data)
    assert done.stdout == data and done.stderr == data


def test_what_the_program_gets(server, landline):
    done = landline("run", "box", "--", "python3", "-c", """
import os, signal, json
print(json.dumps({
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)),
    "session": os.getsid(0) == os.getpid(), "group": os.getpgid(0) == os.getpid(),
    "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "env": dict(os.environ)}))
""")
    said = json.loads(done.stdout)
    # Python lists its folder through a descriptor that is closed by the time it looks again.
    assert said["fds"] == [0, 1, 2] and said["session"] and said["group"] and said["mask"] == []
    assert {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANDLINE_RUN"} <= set(said["env"])
    assert not {n for n in said["env"] if n.startswith("LANDLINE_")} - {"LANDLINE_RUN"}


def test_environment(server, landline):
    done = landline("run", "--env", "A=1 2", "--env", "PATH=/bin", "box", "--", "/usr/bin/env")
    assert b"A=1 2\n" in done.stdout and b"PATH=/bin\n" in done.stdout
    done = landline("run", "--env", "LD_PRELOAD=/x.so", "box", "--", "true")
    assert done.returncode == 125 and b"environment" in done.stderr


def test_timeout_ends_the_whole_tree(server, landline):
    pids = []

    def grown():
        """On a busy machine the time may be over before all of it is there."""
        done = landline("run", "--timeout", "1s", "--grace", "200ms", "box", "--", "sh", "-c",
                        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & "
                        "(sleep 1000 & echo $!); while :; do sleep 1; done")
        assert done.returncode == 124
        pids.extend(int(word) for word in done.stdout.split())
        return done.stdout.count(b"\n") == 2
    support.eventually(grown, "a tree")
    support.eventually(lambda: not any(support.exists(pid) for pid in pids), "the tree is gone")


def test_a_descendant_that_holds_the_output(server, landline):
    done = landline("run", "--json", "--grace", "300ms", "box", "--", "sh", "-c", "sleep 3 & echo $!; exit 3")
    assert done.returncode == 3
    assert b'"cut":true' in done.stdout.replace(b" ", b"") or b"cut" in done.stdout


def test_detached_and_attached(server, landline):
    done = landline("run", "--detach", "box", "--", "sh", "-c", "echo one; sleep 1; echo two; exit 4")
    assert done.returncode == 0
    run = done.stdout.decode().split()[-1]
    for _ in range(2):
        done = landline("attach", "box", run)
        assert (done.returncode, done.stdout) == (4, b"one\ntwo\n"), done.stderr
    assert run.encode() in landline("runs", "box").stdout
    assert landline("result", "box", run).returncode == 4


def test_killed(server, landline):
    done = landline("run", "--detach", "box", "--", "sleep", "1000")
    run = done.stdout.decode().split()[-1]
    assert landline("kill", "box", run, "TERM").returncode == 0
    assert landline("attach", "box", run).returncode == 128 + signal.SIGTERM


def test_a_lost_client_takes_its_run_along(server, landline):
    client = landline.start("run", "--no-broker", "--on-loss", "kill", "box", "--", "sh", "-c", "echo $$; sleep 1000 & wait")
    pid = int(client.stdout.wait_for(rb"(\d+)\n").group(1))
    os.kill(client.pid, signal.SIGKILL)
    support.eventually(lambda: not support.exists(pid), "the command is gone")
    support.eventually(lambda: any('"unwatched"' in line for line in server.audit()), "a line in the audit log")


def test_audit(server, landline):
    landline("run", "box", "--", "echo", 'a"b\n')
    line = json.loads(server.audit()[-1])
    assert line["argv"] == ["echo", 'a"b\n'] and line["result"] == "exited" and line["code"] == 0
    assert line["stdout"] == 5 and line["from"].startswith("127.0.0.1") and len(line["key"]) == 64
    assert line["start"] <= line["end"]


def test_ten_times_the_ring(server, landline):
    """More output than is ever kept, in constant memory, and complete."""
    done = landline("run", "box", "--", "sh", "-c", "yes 0123456789abcde | head -c 300000000", timeout=150)
    assert done.returncode == 0 and len(done.stdout) == 300000000
    assert hashlib.sha256(done.stdout).hexdigest() == hashlib.sha256(b"0123456789abcde\n" * 18750000).hexdigest()


def test_the_end_of_the_server_ends_its_runs(server, landline):
    """Each client has all the output and the status before it is sent away, and the port is free."""
    commands = ["sleep 1000", "trap 'echo bye; exit 7' TERM; while :; do sleep 0.05; done"]
    clients = [landline.start("run", "--no-broker", "--give-up", "1s", "box", "--", "sh", "-c", "echo $$; " + command)
               for command in commands]
    pids = [int(client.stdout.wait_for(rb"(\d+)\n").group(1)) for client in clients]
    server.process.signal(signal.SIGTERM)
    assert server.process.wait() == 0
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(server.address)
        s.listen()
    assert not any(map(support.exists, pids))
    assert [client.wait() for client in clients] == [128 + signal.SIGTERM, 7], [c.stderr.text() for c in clients]
    assert clients[1].stdout.data == b"%d\nbye\n" % pids[1]
    assert "ended with status" not in server.process.stderr.text()
