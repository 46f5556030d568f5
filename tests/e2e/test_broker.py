"""The broker: the first call leaves its connection, and the next ones use it; whatever is wrong with it, they do not need it."""

import concurrent.futures
import contextlib
import hashlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

import support
from pair import Pair, gone

pytestmark = pytest.mark.timeout(120)

NOBODY = 65534


class Warm(Pair):
    """A pair whose client may leave a broker. Its connections go through a relay, which counts them."""

    def __init__(self, landline, idle="60s", **options):
        super().__init__(landline, through_relay=True, env={"LANDLINE_BROKER": idle}, **options)

    def broker(self, name="box"):
        """The process id of the host's broker, 0 for none: what `landline hosts` says."""
        shown = re.search(r"^%s\t.* by process (\d+)$" % name, self.run("hosts").stdout.decode(), re.M)
        return int(shown.group(1)) if shown else 0

    def leave(self):
        """A first call; returns the broker's process id."""
        done = self.run("run", "box", "--", "true")
        assert (done.returncode, done.stderr) == (0, b"")
        return self.settled()

    def settled(self):
        """The broker's process id, once it is in its cell: its parent does not wait for that."""
        pid = support.eventually(self.broker, "a broker")
        support.eventually(lambda: status(pid)["Seccomp"] == "2", "the cell of %d" % pid)
        return pid

    def file(self, ending):
        folder = os.path.join(self.client_home, "brokers")
        return next(os.path.join(folder, name) for name in os.listdir(folder) if name.endswith(ending))

    def connections(self, *words, **options):
        """How many connections to the server a call makes. The call succeeds."""
        before = self.relay.connections
        done = self.run(*words, **options)
        assert done.returncode == 0, done.stderr
        return self.relay.connections - before

    def close(self):
        pid = self.broker()
        if pid:
            os.kill(pid, signal.SIGKILL)
            gone(pid)
        super().close()


@contextlib.contextmanager
def closing(both):
    try:
        yield both
    finally:
        both.close()


@pytest.fixture
def warm(landline):
    with closing(Warm(landline)) as both:
        yield both


def status(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


def lines(path):
    try:
        with open(path) as file:
            return len(file.readlines())
    except FileNotFoundError:
        return 0


# ---- what it is for ----

def test_one_connection_for_many_calls(warm):
    before = warm.relay.connections
    pid = warm.leave()
    for i in range(5):
        done = warm.run("run", "box", "--", "sh", "-c", "cat; echo err >&2; exit %d" % i, input=b"in %d" % i)
        assert (done.returncode, done.stdout, done.stderr) == (i, b"in %d" % i, b"err\n")
    assert warm.run("run", "box", "--", "sh", "-c", "kill -9 $$").returncode == 137
    assert warm.run("run", "box", "--", "no-such-program").returncode == 127
    assert b"no-such-program" in warm.run("runs", "box").stdout
    assert warm.run("upper", "box", "abc").stdout == b"ABC\n"
    assert warm.run("ls", "box:/etc/passwd").returncode == 0
    assert warm.relay.connections == before + 1
    assert warm.broker() == pid


def test_what_kind_of_process_it_is(warm):
    pid = warm.leave()
    assert support.command_line(pid).rstrip(b"\0") == b"landline: broker box"
    assert [status(pid)[what] for what in ("Seccomp", "NoNewPrivs", "Umask", "Threads")] == ["2", "1", "0077", "1"]
    assert os.getsid(pid) == pid
    folder = os.path.join(warm.client_home, "brokers")
    assert os.stat(folder).st_mode & 0o777 == 0o700
    if os.geteuid() == 0:  # it cannot be looked into by anybody else
        assert os.readlink("/proc/%d/cwd" % pid) == "/"
        kinds = sorted(re.sub(r"[:\[].*", "", what) for what in support.descriptors(pid).values())
        # The loop, its bell and that of the third socket: who calls, the server, and what becomes of this machine's addresses.
        assert kinds == ["/dev/null"] * 3 + [warm.file(".lock")] + ["anon_inode"] * 3 + ["socket"] * 3


def test_nobody_waits_for_it(warm):
    """A caller that reads to the end of the output, also through descriptors that the call never knew."""
    reader, writer = os.pipe()
    started = time.monotonic()
    process = warm.start("run", "box", "--", "echo", "out", pass_fds=[writer])
    os.close(writer)
    assert process.wait() == 0
    assert os.read(reader, 1) == b""  # the broker has no copy
    os.close(reader)
    assert process.stdout.ended and process.stderr.ended
    assert time.monotonic() - started < 20 and warm.broker()


def test_fifty_at_once(warm):
    pid = warm.leave()

    def one(i):
        return warm.run("run", "box", "--", "sh", "-c", "echo %d; cat; exit %d" % (i, i % 7), input=b"%d" % i)

    def all_over_it():
        """On a busy machine one may have to wait for the broker longer than it does, and connects by itself."""
        before = warm.relay.connections
        with concurrent.futures.ThreadPoolExecutor(50) as pool:
            for i, done in enumerate(pool.map(one, range(50))):
                assert (done.returncode, done.stdout) == (i % 7, b"%d\n%d" % (i, i)), done.stderr
        return warm.relay.connections == before
    support.eventually(all_over_it, "fifty over one connection")
    assert warm.broker() == pid


def test_first_calls_at_once_leave_one(warm):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda i: warm.run("run", "box", "--", "echo", str(i)), range(8)))
    assert [d.stdout for d in done] == [b"%d\n" % i for i in range(8)]
    pid = warm.settled()
    found = [p for p, words in warm.landline.leftovers() if words.startswith("landline: broker")]
    assert found == [pid] or os.geteuid() != 0  # only root sees whose it is


def test_a_flood_holds_nobody_up(warm):
    """One call writes 200 MB to somebody who does not read yet; the others do not notice."""
    warm.leave()
    before = warm.relay.connections
    flood = subprocess.Popen(
        [support.LANDLINE, "run", "box", "--", "sh", "-c", "seq 1 25000000 | head -c 200000000"], stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL, env=warm.landline.environment(warm.client_home, warm.env))
    try:
        assert flood.stdout.read(1) == b"1"
        for _ in range(10):
            assert warm.run("run", "box", "--", "true").returncode == 0
        digest, size = hashlib.sha256(b"1"), 1
        while piece := flood.stdout.read(1 << 20):
            digest.update(piece)
            size += len(piece)
            if size < 20 << 20:
                assert warm.run("run", "box", "--", "true").returncode == 0
        assert flood.wait() == 0
    finally:
        flood.kill()
        flood.wait()
        flood.stdout.close()
    there = warm.run("run", "box", "--", "sh", "-c", "seq 1 25000000 | head -c 200000000 | sha256sum")
    assert (size, digest.hexdigest()) == (200000000, there.stdout.split()[0].decode())
    assert warm.relay.connections == before


def test_much_input(warm):
    warm.leave()
    data = os.urandom(20 << 20)
    assert warm.connections("run", "box", "--", "true") == 0
    done = warm.run("run", "box", "--", "sh", "-c", "tee /dev/stderr | sha256sum", input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert done.stderr == data


def test_signals_and_a_terminal(warm):
    warm.leave()
    before = warm.relay.connections
    process = warm.start("run", "box", "--", "sh", "-c", "trap 'echo got; exit 5' INT; echo up; while :; do sleep 0.05; done")
    process.stdout.wait_for(rb"up\n")
    process.signal(signal.SIGINT)
    assert process.wait() == 5 and process.stdout.text() == "up\ngot\n"
    master, slave = pty.openpty()
    process = warm.start("run", "-t", "box", "--", "sh", "-c", "tty; stty size", stdin=slave)
    os.close(slave)
    assert process.wait() == 0 and "/dev/pts/" in process.stdout.text()
    os.close(master)
    assert warm.relay.connections == before


def test_detached_and_back(warm):
    warm.leave()
    before = warm.relay.connections
    done = warm.run("run", "--detach", "box", "--", "sh", "-c", "echo one; sleep 0.3; echo two; exit 3")
    run = done.stdout.decode().strip()
    assert warm.run("attach", "box", run).stdout == b"one\ntwo\n"
    assert warm.run("result", "box", run).returncode == 3
    run = warm.run("run", "--detach", "box", "--", "sleep", "1000").stdout.decode().strip()
    assert warm.run("kill", "box", run).returncode == 0
    assert warm.run("attach", "box", run).returncode == 143
    assert warm.relay.connections == before


def test_files_take_their_own_way(warm):
    """Bulk needs no further pair of hands between."""
    path, copy = (os.path.join(warm.landline.scratch, name) for name in ("file", "copy"))
    with open(path, "wb") as file:
        file.write(os.urandom(5 << 20))
    assert warm.connections("get", "box:" + path, copy) == 1
    assert not warm.broker() and open(copy, "rb").read() == open(path, "rb").read()
    warm.leave()
    assert warm.connections("put", path, "box:" + copy) == 1
    assert warm.connections("ls", "box:" + path) == 0


# ---- what a caller chose ----

def test_not_where_it_is_not_wanted(warm):
    assert warm.connections("run", "--no-broker", "box", "--", "true") == 1
    assert warm.connections("run", "box", "--", "true", env={"LANDLINE_BROKER": "off"}) == 1
    assert not warm.broker() and not os.path.exists(os.path.join(warm.client_home, "brokers"))
    warm.leave()
    assert warm.connections("run", "--no-broker", "box", "--", "true") == 1
    assert warm.connections("run", "box", "--", "true", env={"LANDLINE_BROKER": "off"}) == 1
    assert warm.connections("run", "box", "--", "true") == 0


def test_it_ends_by_itself(landline):
    with closing(Warm(landline, idle="4s")) as warm:
        pid = warm.leave()
        before = warm.relay.connections
        process = warm.start("run", "box", "--", "sh", "-c", "echo up; sleep 5; echo down")
        assert process.wait() == 0 and process.stdout.text() == "up\ndown\n"
        assert warm.relay.connections == before  # a stream is work
        gone(pid)
        assert not warm.broker()
        assert warm.connections("run", "box", "--", "true") == 1


@pytest.mark.parametrize("words", [["remove", "box"], ["rename", "box", "crate"]])
@pytest.mark.parametrize("stopped", [False, True])
def test_a_host_that_changes_ends_it(warm, words, stopped):
    pid = warm.leave()
    if stopped:
        os.kill(pid, signal.SIGSTOP)
    assert warm.run("hosts", *words).returncode == 0
    gone(pid)
    assert os.listdir(os.path.join(warm.client_home, "brokers")) == []
    if words[0] == "rename":
        assert warm.connections("run", "crate", "--", "true") == 1
        assert warm.run("hosts", "rename", "crate", "box").returncode == 0


def test_another_key_never_meets_it(warm):
    """The key file is replaced: who has no grant gets nowhere, whoever's connection is still open."""
    warm.leave()
    other = os.path.join(warm.landline.scratch, "other")
    assert warm.run("key", home=other).returncode == 0
    os.replace(os.path.join(other, "key"), os.path.join(warm.client_home, "key"))
    done = warm.run("run", "box", "--", "true")
    assert done.returncode == 125 and b"not" in done.stderr


def test_a_long_path(landline):
    landline.scratch = os.path.join(landline.scratch, *["folder-with-a-long-name"] * 6)
    os.makedirs(landline.scratch)
    with closing(Warm(landline)) as warm:
        warm.leave()
        assert len(warm.file(".socket")) > 108
        assert warm.connections("run", "box", "--", "true") == 0


# ---- what may be wrong with it ----

def test_a_dead_one_is_no_trouble(warm):
    pid = warm.leave()
    os.kill(pid, signal.SIGKILL)
    gone(pid)
    assert os.path.exists(warm.file(".socket")) and not warm.broker()
    assert warm.connections("run", "box", "--", "true") == 1
    assert support.eventually(warm.broker, "another") != pid
    assert warm.connections("run", "box", "--", "true") == 0


def test_a_frozen_one_is_no_trouble(warm):
    """It starts nothing twice either, when it thaws with what it was told."""
    count = os.path.join(warm.landline.scratch, "count")
    pid = warm.leave()
    os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    done = warm.run("run", "box", "--", "sh", "-c", "echo x >>%s; echo done" % count)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"done\n", b"")
    assert 0.9 < time.monotonic() - started < 20
    os.kill(pid, signal.SIGCONT)
    assert support.eventually(lambda: warm.connections("run", "box", "--", "true") == 0, "the thaw")
    assert lines(count) == 1


def test_a_frozen_one_passes_nothing_on(warm):
    """Who had no answer from it did without it: what it was asked must not be done a second time when it thaws."""
    count = os.path.join(warm.landline.scratch, "count")
    pid = warm.leave()
    script = 'trap "echo x >>%s" USR1; echo x >>%s.up; while :; do sleep 0.1; done' % (count, count)
    run = warm.run("run", "--detach", "box", "--", "sh", "-c", script).stdout.decode().strip()
    support.eventually(lambda: lines(count + ".up") == 1, "the trap")
    os.kill(pid, signal.SIGSTOP)
    assert warm.run("kill", "box", run, "USR1").returncode == 0
    support.eventually(lambda: lines(count) == 1, "the signal")
    os.kill(pid, signal.SIGCONT)
    assert support.eventually(lambda: warm.connections("run", "box", "--", "true") == 0, "the thaw")
    assert warm.run("kill", "box", run, "KILL").returncode == 0
    assert warm.run("attach", "box", run).returncode == 137
    assert lines(count) == 1


def impostor(path, answer):
    """Listens where a broker was, and does to each client what `answer` does."""
    os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def serve():
        with contextlib.suppress(OSError):
            while True:
                client = listener.accept()[0]
                with client, contextlib.suppress(OSError):
                    answer(client)
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.submit(serve)
    return listener, pool


WELCOME = bytes([0, 0, 0, 40, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1] + [0] * 24 + [0, 0, 0, 63, 0, 0, 16, 0, 0, 0, 0, 9, 0, 0])
CLOSE = bytes([0, 0, 0, 12, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 8]) + b"sentence"


@pytest.mark.parametrize("answer", [
    lambda client: None,                                               # closes at once
    lambda client: client.recv(65536),                                 # … when it has heard
    lambda client: client.recv(65536) and client.recv(1),              # hears, and says nothing
    lambda client: client.sendall(os.urandom(4096)),                   # nonsense
    lambda client: client.sendall(WELCOME[:20]) or client.recv(65536) and client.recv(1),
    lambda client: client.recv(65536) and client.sendall(CLOSE),       # turns it away
], ids=["closes", "hears", "silent", "nonsense", "half", "turns away"])
def test_a_wrong_one_is_no_trouble(warm, answer):
    """One that has not greeted has passed nothing on: the command is simply asked for directly."""
    assert asked(warm, answer) == (0, b"in", b"", 1)


@pytest.mark.parametrize("answer", [
    lambda client: client.recv(65536) and client.sendall(WELCOME),          # goes after it
    lambda client: client.recv(65536) and client.sendall(WELCOME * 2),      # says it twice
    lambda client: client.recv(65536) and client.sendall(WELCOME + CLOSE),
], ids=["goes", "twice", "closes"])
def test_one_that_greeted_may_have_passed_it_on(warm, answer):
    """Then only the server can tell, and one whose memory began with its key can: it starts it, once."""
    assert asked(warm, answer) == (0, b"in", b"", 1)


def test_one_that_greeted_and_a_server_that_cannot_tell(warm):
    """Its memory begins after the command was sent: it is not started, and nobody says that it ran."""
    def answer(client):
        client.sendall(WELCOME if client.recv(65536) else b"")
        restart(warm, forget=True)
    exit_status, output, errors, ran = asked(warm, answer)
    assert (exit_status, output, ran) == (122, b"", 0) and b"it may have run" in errors


def test_one_that_greeted_and_a_server_that_remembers(warm):
    """Its memory is on disk, and reaches back beyond the moment when the command was sent."""
    def answer(client):
        client.sendall(WELCOME if client.recv(65536) else b"")
        restart(warm)
    assert asked(warm, answer) == (0, b"in", b"", 1)


def test_one_that_greeted_and_a_server_whose_memory_is_young(warm):
    """It begins with this start, and the command was sent after that: it is started, once."""
    restart(warm, forget=True)
    assert asked(warm, lambda client: client.sendall(WELCOME if client.recv(65536) else b"")) == (0, b"in", b"", 1)


def restart(warm, forget=False):
    """At the same port; its memory of ids may be lost."""
    port = warm.server.listening()[1]
    warm.server.stop()
    if forget:
        shutil.rmtree(os.path.join(warm.server_home, "server", "runs"))
    warm.server = warm.landline.start("serve", "--listen", "127.0.0.1:%d" % port, home=warm.server_home)
    warm.server.listening()


def asked(warm, answer):
    """What comes of a command that such a broker is asked for first: status, outputs, and how often it ran."""
    count = os.path.join(warm.landline.scratch, "count")
    pid = warm.leave()
    path = warm.file(".socket")
    listener, pool = impostor(path, answer)
    try:
        done = warm.run("run", "box", "--", "sh", "-c", "echo x >>%s; cat" % count, input=b"in")
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        pool.shutdown()
        os.kill(pid, signal.SIGKILL)
    gone(pid)
    return done.returncode, done.stdout, done.stderr, lines(count)


@pytest.mark.skipif(os.geteuid() != 0, reason="two users are needed")
def test_another_user_is_neither_believed_nor_served(warm):
    warm.leave()
    path = warm.file(".socket")
    folder = os.path.dirname(path)

    def as_nobody(program, *arguments, **options):
        """A process of that user, whose credentials are what the other end sees."""
        return subprocess.Popen([sys.executable, "-c", program, *arguments], user=NOBODY, group=NOBODY, extra_groups=[],
                                cwd="/", **options)

    ask = ("import contextlib, socket, sys\n"
           "client = socket.socket(socket.AF_UNIX)\n"
           "client.connect(sys.argv[1])\n"
           "with contextlib.suppress(ConnectionError):\n"
           "    sys.exit(0 if client.recv(1) == b'' else 1)\n")
    for place in (warm.landline.scratch, warm.client_home, folder):
        os.chmod(place, 0o711)
    os.chmod(path, 0o777)
    assert as_nobody(ask, path).wait(support.PATIENCE) == 0  # hung up on, with no byte
    assert warm.connections("run", "box", "--", "true") == 1  # a folder that is open to others is not used either
    os.chmod(folder, 0o700)
    assert warm.connections("run", "box", "--", "true") == 0

    listener = socket.socket(socket.AF_UNIX)
    os.unlink(path)
    listener.bind(path)

    stand_in = ("import socket, sys\n"
                "listener = socket.socket(fileno=int(sys.argv[1]))\n"
                "listener.listen()\n"  # whose it is is who did this
                "client = listener.accept()[0]\n"
                "sys.exit(0 if client.recv(65536) == b'' else 1)\n")
    child = as_nobody(stand_in, str(listener.fileno()), pass_fds=(listener.fileno(),))
    try:
        # By its inode: the broker's own socket had the same path.
        inode = str(os.fstat(listener.fileno()).st_ino)
        support.eventually(lambda: any(row.split()[6] == inode and int(row.split()[3], 16) for row in
                                       open("/proc/net/unix").read().splitlines()[1:]), "the stand-in")
        assert warm.connections("run", "box", "--", "true") == 1
        assert child.wait(support.PATIENCE) == 0  # it was told nothing
    finally:
        listener.close()
        child.kill()
        child.wait()


# ---- what may happen while it works ----

SLOW = "echo x >>%s; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do seq 1 2000; sleep 0.05; done; exit 4"


def slowly(warm, then):
    """A run through the broker, to which something happens in the middle: its output is exact, it ran once."""
    count = os.path.join(warm.landline.scratch, "count")
    pid = warm.leave()
    process = warm.start("run", "box", "--", "sh", "-c", SLOW % count)
    process.stdout.wait_for(rb"\n2000\n")
    then(pid)
    assert process.wait() == 4, process.stderr.text()
    assert process.stdout.data == b"".join(b"%d\n" % i for i in range(1, 2001)) * 20
    assert lines(count) == 1
    return pid


def test_killed_in_the_middle(warm):
    gone(slowly(warm, lambda pid: os.kill(pid, signal.SIGKILL)))


def test_cut_off_in_the_middle(warm):
    gone(slowly(warm, lambda pid: warm.relay.cut_all()))


def test_the_gate_killed_in_the_middle(warm):
    def kill_gate(pid):
        for child in support.children(warm.server.pid):
            if support.command_line(child).startswith(b"landline: gate"):
                os.kill(child, signal.SIGKILL)
    gone(slowly(warm, kill_gate))
    assert warm.connections("run", "box", "--", "true") in (0, 1)


def test_a_new_gate_in_the_middle(warm):
    gone(slowly(warm, lambda pid: warm.server.signal(signal.SIGHUP)))


def test_a_revoked_key(warm):
    pid = warm.leave()
    shown = warm.landline("grants", home=warm.server_home).stdout.decode()
    pin = re.search(r"SHA256:\S+", shown).group()
    assert warm.landline("grants", "revoke", pin, home=warm.server_home).returncode == 0
    gone(pid)
    assert warm.run("run", "box", "--", "true").returncode == 125
    assert not warm.broker()


def test_a_call_that_is_killed_has_left(warm):
    """For the server it has detached: on_loss holds."""
    pid = warm.leave()
    alive = os.path.join(warm.landline.scratch, "alive")
    script = "echo $$; while :; do echo x >>%s; sleep 0.02; done" % alive
    kept = warm.start("run", "--on-loss", "keep", "box", "--", "sh", "-c", script)
    ended = warm.start("run", "--on-loss", "kill", "box", "--", "sh", "-c", "echo $$; sleep 1000 & wait")
    pids = [int(process.stdout.wait_for(rb"^(\d+)\n").group(1)) for process in (kept, ended)]
    for process in (kept, ended):
        process.popen.kill()
    since = time.monotonic()
    gone(pids[1])
    assert time.monotonic() - since < 20  # TERM at once, KILL 400 ms later; and a busy machine
    before = lines(alive)
    support.eventually(lambda: lines(alive) > before + 5, "the kept one to go on")
    shown = warm.run("runs", "box").stdout.decode()
    run = re.search(r"\b([a-z2-7]{26})\b.*running", shown).group(1)
    assert warm.run("kill", "box", run).returncode == 0
    gone(pids[0])
    assert warm.broker() == pid


@pytest.mark.parametrize("way", ["broker", "directly"])
def test_a_signal_whose_answer_is_lost_is_not_sent_again(landline, way):
    """It was done; that cannot be known here, and is not said either way."""
    with closing(Warm(landline)) as warm:
        marks, ready = (os.path.join(landline.scratch, name) for name in ("marks", "ready"))
        script = "trap 'echo one >> %s' USR1; echo > %s; while :; do sleep 0.02; done" % (marks, ready)
        run = warm.run("run", "--detach", "box", "--", "sh", "-c", script).stdout.decode().strip()
        pid = warm.settled()
        support.eventually(lambda: os.path.exists(ready), "the trap")
        warm.relay.answers = 1  # the server's part of a handshake
        killer = warm.start("kill", *(["--no-broker"] if way == "directly" else []), "box", run, "USR1")
        support.eventually(lambda: os.path.exists(marks), "the signal")
        warm.relay.cut_all()
        assert killer.wait() == 1 and b"it may be done" in killer.stderr.data, killer.stderr.text()
        warm.relay.answers = None
        gone(pid)  # its connection was cut as well
        assert warm.run("kill", "box", run, "KILL").returncode == 0
        assert lines(marks) == 1


def test_a_question_whose_answer_is_lost_is_asked_again(landline):
    """Whole: what was sent of it, and what had come of the answer, counts no more."""
    with closing(Warm(landline, lag=0.1, window=1 << 16)) as slow:
        slow.leave()
        text = "abc" * 30000
        before = slow.relay.passed[1]
        asker = slow.start("upper", "box", text)
        support.eventually(lambda: slow.relay.passed[1] > before + 20000, "a part of the answer")
        slow.relay.cut_all()
        assert asker.wait() == 0 and asker.stdout.data.decode() == text.upper() + "\n", asker.stderr.text()
