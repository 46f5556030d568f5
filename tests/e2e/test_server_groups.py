"""A control group for each run: what it has started is ended with it, whatever that did to get away."""

import contextlib
import os
import shutil
import signal

import pytest

import support
from server_support import Server

pytestmark = pytest.mark.timeout(180)

# Two forks, a session of its own, no environment, no descriptor of the run: nothing but its group says whose it is.
DAEMON = """setsid sh -c 'setsid env -i sh -c "echo \\$\\$ >%s.new; mv %s.new %s; exec sleep 1000" \
</dev/null >/dev/null 2>&1 &' & wait; until [ -e %s ]; do sleep 0.02; done; """


def daemon(landline, name="daemon"):
    """Text for a shell that starts it, and a function that waits for it and gives its process id."""
    path = os.path.join(landline.scratch, name)

    def pid():
        support.eventually(lambda: os.path.exists(path), "the daemon")
        with open(path) as f:
            return int(f.read())
    return DAEMON % ((path,) * 4), pid


@pytest.fixture
def server(landline):
    server = Server(landline)
    server.add()
    where = landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout
    if b"/landline-" not in where:
        pytest.skip("no control group can be made here: %s" % landline("doctor").stdout.decode())
    yield server


@pytest.fixture
def group(server, landline):
    """The folder of the server's groups."""
    return os.path.dirname(group_of(landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout))


def group_of(text):
    path = next(line[3:] for line in text.decode().splitlines() if line.startswith("0::"))
    own = support.own_group()
    with open("/proc/self/cgroup") as f:
        mine = next(line[3:].rstrip("\n") for line in f if line.startswith("0::")).rstrip("/")
    assert path.startswith(mine)
    return own + path[len(mine):]


def gone(pid):
    support.eventually(lambda: not support.exists(pid), "the end of %d" % pid)


def test_a_killed_client_takes_all_of_its_run_along(server, landline):
    text, pid = daemon(landline)
    client = landline.start("run", "--on-loss", "kill", "box", "--", "sh", "-c", text + "echo up; exec sleep 1000")
    client.stdout.wait_for(b"up")
    assert support.exists(pid())
    client.signal(signal.SIGKILL)
    gone(pid())


def test_it_is_terminated_first(server, landline):
    """TERM reaches it as well, so that it can end in order."""
    marker = os.path.join(landline.scratch, "terminated")
    text = ("setsid sh -c 'setsid env -i sh -c \"trap \\\"echo >%s; exit\\\" TERM; echo >%s.up; "
            "while :; do sleep 0.05; done\" </dev/null >/dev/null 2>&1 &' & wait; "
            "until [ -e %s.up ]; do sleep 0.02; done; echo up; exec sleep 1000" % ((marker,) * 3))
    client = landline.start("run", "--on-loss", "kill", "box", "--", "sh", "-c", text)
    client.stdout.wait_for(b"up")
    client.signal(signal.SIGKILL)
    support.eventually(lambda: os.path.exists(marker), "TERM for the daemon")


def test_a_time_out_ends_all(server, landline):
    text, pid = daemon(landline)
    done = landline("run", "--timeout", "4s", "--grace", "100ms", "box", "--", "sh", "-c", text + "exec sleep 1000")
    assert done.returncode == 124, done
    gone(pid())


def test_landline_kill_ends_all(server, landline):
    text, pid = daemon(landline)
    done = landline("run", "--detach", "box", "--", "sh", "-c", text + "exec sleep 1000")
    run = done.stdout.decode().split()[-1]
    daemon_pid = pid()
    assert landline("kill", "box", run, "KILL").returncode == 0
    gone(daemon_pid)
    assert landline("attach", "box", run).returncode == 137


def test_a_run_after_one_that_was_killed(server, landline):
    """It is in another group: Linux may kill whatever is born in a killed one."""
    run = landline("run", "--detach", "box", "--", "sleep", "1000").stdout.decode().split()[-1]
    assert landline("kill", "box", run, "KILL").returncode == 0
    assert landline("attach", "box", run).returncode == 137
    for _ in range(5):
        assert landline("run", "box", "--", "true").returncode == 0


def test_what_a_finished_run_leaves_goes_on(server, landline, group):
    """A daemon is started this way on purpose; its group is not given to another run, and goes when it ends."""
    text, pid = daemon(landline)
    try:
        assert landline("run", "box", "--", "sh", "-c", text).returncode == 0
        with open("/proc/%d/cgroup" % pid(), "rb") as f:
            its = group_of(f.read())
        for _ in range(3):
            other = landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout
            assert group_of(other) != its
        assert support.exists(pid())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid(), signal.SIGKILL)
    support.eventually(lambda: not os.path.exists(its), "the group's end")
    assert os.path.exists(group)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_new_keeper_finds_what_is_left(server, landline, group, how):
    """It ends what ran when the old one was lost, leaves what a finished run had left, and removes the groups."""
    listen = server.listen
    text, left = daemon(landline, "left")
    try:
        assert landline("run", "box", "--", "sh", "-c", text).returncode == 0
        text, lost = daemon(landline, "lost")
        landline("run", "--detach", "box", "--", "sh", "-c", text + "exec sleep 1000")
        hidden = lost()
        server.process.signal(how)
        server.process.wait()
        server.start("--listen", listen)
        gone(hidden)
        assert support.exists(left())
        # The old place is used again: one folder, in it the group of the daemon and that of this run.
        assert os.path.dirname(group_of(landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout)) == group
        support.eventually(lambda: len([d for d in os.scandir(group) if d.is_dir()]) <= 2, "two groups")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(left(), signal.SIGKILL)
    # Its group goes with the next sweep; a keeper that ends before that leaves it to the next one.
    support.eventually(lambda: len([d for d in os.scandir(group) if d.is_dir()]) <= 1, "one group")
    server.process.stop()
    support.eventually(lambda: not os.path.exists(group), "the folder's end")


def test_an_end_in_order_leaves_no_group(server, landline, group):
    text, pid = daemon(landline)
    landline("run", "--detach", "box", "--", "sh", "-c", text + "trap '' TERM; while :; do sleep 1; done")
    hidden = pid()
    assert os.path.isdir(group)
    server.process.signal(signal.SIGTERM)
    server.process.wait()
    assert not support.exists(hidden)
    assert not os.path.exists(group)


def test_many_runs_use_few_groups(server, landline, group):
    clients = [landline.start("run", "box", "--", "sh", "-c", "cat /proc/self/cgroup; read x", stdin=-1)
               for _ in range(10)]
    for client in clients:
        client.stdout.wait_for(rb"(?m)^0::.*\n")
    assert len({group_of(client.stdout.data) for client in clients}) == 10
    for client in clients:
        client.stdin.close()
        client.wait()
    for _ in range(15):
        landline("run", "box", "--", "true")
    assert len([d for d in os.scandir(group) if d.is_dir()]) <= 11


def test_a_group_that_takes_no_process(server, landline, group):
    """One that was made threaded makes those beside it invalid: the system refuses, and the command starts without a group."""
    only, = (d.path for d in os.scandir(group) if d.is_dir())
    with open(os.path.join(only, "cgroup.type"), "w") as f:
        f.write("threaded")
    first = landline.start("run", "box", "--", "sh", "-c", "cat /proc/self/cgroup; read x", stdin=-1)
    first.stdout.wait_for(rb"(?m)^0::.*\n")
    assert group_of(first.stdout.data) == only
    for _ in range(2):
        shown = landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout
        assert shown and b"/landline-" not in shown
    first.stdin.close()
    assert first.wait() == 1  # of read, at the end
    assert len([d for d in os.scandir(group) if d.is_dir()]) <= 2


def test_doctor_says_whether_there_is_one(server, landline):
    assert "one for each run" in landline("doctor", "box").stdout.decode()
    assert "a server ends a run with all that it has started" in landline("doctor").stdout.decode()


def test_without_control_groups(landline):
    """Read-only, as in most containers: runs start, are ended as well as may be, and the doctor says so."""
    above = support.own_group()
    if os.geteuid() != 0 or above is None or shutil.which("unshare") is None:
        pytest.skip("needs root, cgroup v2 and unshare(1), to make the hierarchy read-only")
    with open("/proc/self/mountinfo") as f:
        mount = next(line.split()[4] for line in f if " - cgroup2 " in line)
    prefix = ["unshare", "-m", "sh", "-c", 'mount -o remount,ro,bind "$1" && shift && exec "$@"', "sh", mount]
    if landline.run(prefix + ["true"]).returncode != 0:
        pytest.skip("a mount namespace of its own is not allowed here")
    server = Server.__new__(Server)
    server.landline, server.options, server.environment = landline, (), {}
    server.home = os.path.join(landline.scratch, "server")
    os.makedirs(server.home, mode=0o700)
    server.process = landline.spawn(prefix + [support.LANDLINE, "serve", "--listen", "127.0.0.1:0"], home=server.home)
    server.address = server.process.listening()
    server.add()
    assert b"/landline-" not in landline("run", "box", "--", "cat", "/proc/self/cgroup").stdout
    client = landline.start("run", "--on-loss", "kill", "box", "--", "sh", "-c",
                            "setsid sleep 1000 & echo $!; exec sleep 1000")
    pid = int(client.stdout.wait_for(rb"(\d+)\n").group(1))
    client.signal(signal.SIGKILL)
    gone(pid)
    assert "none: runs are ended by session" in landline("doctor", "box").stdout.decode()
    done = landline.run(prefix + [support.LANDLINE, "doctor"])
    assert "cgroup v2 is read-only here" in done.stdout.decode()
