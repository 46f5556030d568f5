"""landline shell on a pseudo-terminal, as a person would use it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

import relay
import support
from pair import pair

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def far(landline):
    with pair(landline, through_relay=True) as both:
        yield both


class Terminal:
    """A process with a terminal of its own; what it shows is collected in `shown`."""

    def __init__(self, both, *words, rows=24, columns=80, program=(support.LANDLINE,)):
        self.master, slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.shown = b""
        if "shell" in words:  # what the user's own start files do is not to be waited for here
            at = words.index("shell") + 1
            words = (*words[:at], "--env", "HOME=%s" % both.client_home, *words[at:])
        env = both.landline.environment(both.client_home, {**both.env, "TERM": "xterm"})
        self.process = subprocess.Popen([*program, *words], stdin=slave, stdout=slave, stderr=slave, env=env,
                                        preexec_fn=self._own)

    @staticmethod
    def _own():
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys)

    def pump(self, timeout=0.05):
        if self.master < 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        elif select.select([self.master], [], [], timeout)[0]:
            with contextlib.suppress(OSError):
                self.shown += os.read(self.master, 65536)

    def expect(self, pattern, timeout=support.PATIENCE):
        deadline = time.monotonic() + timeout
        while not re.search(pattern, self.shown):
            assert time.monotonic() < deadline, "no %r in %r" % (pattern, self.shown[-2000:])
            self.pump()
        match = re.search(pattern, self.shown)
        self.shown = self.shown[match.end():]
        return match

    def wait(self, timeout=support.PATIENCE):
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, "still there; shown: %r" % self.shown[-2000:]
            self.pump()
        self.pump(0)
        return self.process.returncode

    def hang_up(self):
        """What closing its window does: whoever holds the other end finds it gone."""
        os.close(self.master)
        self.master = -1

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.master >= 0:
            os.close(self.master)
        os.close(self.slave)


@contextlib.contextmanager
def terminal(both, *words, **options):
    t = Terminal(both, *words, **options)
    try:
        yield t
    finally:
        t.close()


def at_prompt(t):
    """The shell answers; its prompt and echo are of no interest."""
    t.type(b"PS1=; stty -echo; printf 'rea''dy\\n'\r")
    t.expect(rb"ready\r\n")


def test_a_terminal_as_it_should_be(far):
    with terminal(far, "shell", "box", rows=31, columns=97) as t:
        at_prompt(t)
        t.type(b"stty size; echo $TERM; tty\r")
        t.expect(rb"31 97\r\nxterm\r\n/dev/pts/\d+")
        t.resize(40, 100)
        os.kill(t.process.pid, signal.SIGWINCH)
        t.type(b"stty size\r")
        t.expect(rb"40 100")
        t.type("echo grüße\r".encode())
        t.expect("grüße".encode())
        t.type(b"sh -c 'echo go; exec sleep 1000'\r")
        t.expect(rb"go\r\n")
        t.type(b"\x03")
        t.type(b"echo st=$?\r")
        t.expect(rb"st=130")
        t.type(b"exit 7\r")
        assert t.wait() == 7
        assert t.restored()


def test_job_control(far):
    with terminal(far, "shell", "box") as t:
        at_prompt(t)
        t.type(b"sh -c 'echo go; exec sleep 1000'\r")
        t.expect(rb"go\r\n")
        t.type(b"\x1a")
        t.expect(rb"Stopped")
        # Waiting for a job that is still called stopped is no waiting: ask until it is gone.
        t.type(b"kill -KILL %1; while kill -0 %1 2>/dev/null; do :; done; jobs\r")
        t.expect(rb"Killed")
        t.type(b"exit\r")
        t.wait()
        assert t.restored()


def test_escapes(far):
    with terminal(far, "shell", "box") as t:
        at_prompt(t)
        t.type(b"\r~?")
        t.expect(rb"leave, and end what runs there")
        t.type(b"~~\x15echo pid=$$\r")
        shell = int(t.expect(rb"pid=(\d+)").group(1))
        t.type(b"~.")
        assert t.wait() == 129
        assert t.restored()
        support.eventually(lambda: not support.exists(shell), "the end of the shell")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(far, number):
    with terminal(far, "shell", "box") as t:
        at_prompt(t)
        os.kill(t.process.pid, number)
        assert t.wait() == 128 + number
        assert t.restored()


def test_a_lost_link_comes_back_and_nothing_is_lost(far):
    with terminal(far, "shell", "box") as t:
        at_prompt(t)
        gate = support.Gate(far.landline.scratch)
        t.type(b"echo line 1; %s; for i in 2 3 4; do echo line $i; done; echo end=$i\r" % gate.wait.encode())
        t.expect(rb"line 1\r\n")
        far.relay.set_open(False)
        far.relay.cut_all(relay.RST)
        t.expect(rb"no link since")
        gate.open()
        far.relay.set_open(True)
        t.expect(rb"the link is back")
        t.expect(rb"line 2\r\nline 3\r\nline 4\r\nend=4")
        t.type(b"exit 3\r")
        assert t.wait() == 3
        assert t.restored()


@pytest.mark.parametrize("keys", [b"\r~.", b"\x03", b"half a line\x03"])
def test_leaving_without_a_link(far, keys):
    with terminal(far, "shell", "box") as t:
        at_prompt(t)
        far.relay.set_open(False)
        far.relay.cut_all(relay.RST)
        t.expect(rb"no link since")
        left = time.monotonic()
        t.type(keys)
        assert t.wait() == 122
        assert time.monotonic() - left < 10  # not when it gives up, after minutes
        t.expect(rb"landline attach box [a-z2-7]{26}")
        assert t.restored()


def test_a_shell_with_a_name_waits(far):
    with terminal(far, "shell", "box", "--name", "work") as t:
        at_prompt(t)
        t.type(b"kept=yes; echo before\r")
        t.expect(rb"before")
        t.type(b"\r~.")
        t.wait()
        assert t.restored()
    with terminal(far, "shell", "box", "--name", "work") as t:
        t.expect(rb"before")
        t.type(b"echo again=$kept\r")
        t.expect(rb"again=yes")
        t.type(b"exit\r")
        t.wait()


def resized(far, t, rows, columns):
    """Gives the terminal another size; returns when landline has sent it on."""
    before = far.relay.passed[relay.UP]
    t.resize(rows, columns)
    os.kill(t.process.pid, signal.SIGWINCH)
    support.eventually(lambda: t.pump(0) or far.relay.passed[relay.UP] > before, "the size on its way")


def test_the_size_is_that_of_whoever_types(far):
    """Others may watch through smaller and larger windows."""
    script = "stty -echo; while read -r x; do echo \"size=$(stty size)\"; done"
    with terminal(far, "run", "-t", "box", "sh", "-c", script, rows=31, columns=97) as first:
        first.type(b"\r")
        first.expect(rb"size=31 97\r\n")
        resized(far, first, 32, 98)
        first.type(b"\r")
        first.expect(rb"size=32 98\r\n")
        run = far.run("runs", "box").stdout.decode().split()[0]
        with terminal(far, "attach", "-i", "-t", "box", run, rows=20, columns=60) as second:
            second.type(b"\r")
            second.expect(rb"size=20 60\r\n")
            first.expect(rb"size=20 60\r\n")
            resized(far, first, 50, 150)
            second.type(b"\r")
            second.expect(rb"size=20 60\r\n")
            resized(far, second, 60, 160)
            second.type(b"\r")
            second.expect(rb"size=60 160\r\n")
            # A link that comes back does not change who types, nor the size.
            far.relay.cut_all(relay.RST)
            for t in (first, second):
                t.expect(rb"the link is back")
            second.type(b"\r")
            second.expect(rb"size=60 160\r\n")
            second.type(b"\x04")
            assert second.wait() == first.wait() == 0


# Tells the size at once when a byte comes; started by somebody who stops landline, takes its terminal, and gives that back.
TELLS = """import os, tty
tty.setraw(0)
while True:
    print("size=%d,%d." % (os.get_terminal_size().lines, os.get_terminal_size().columns), flush=True)
    if os.read(0, 1) == b"q":
        break
"""
STOPS = """import os, signal, subprocess, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
def in_front():
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
child = subprocess.Popen(sys.argv[2:], preexec_fn=in_front)
def stop(signo, frame):
    os.kill(child.pid, signal.SIGSTOP)
    os.waitpid(child.pid, os.WUNTRACED)
    if sys.argv[1] == "behind":
        os.tcsetpgrp(0, os.getpid())
    print("stopped.", flush=True)
def go_on(signo, frame):
    os.tcsetpgrp(0, child.pid)
    os.kill(child.pid, signal.SIGCONT)
signal.signal(signal.SIGUSR1, stop)
signal.signal(signal.SIGUSR2, go_on)
sys.exit(child.wait())
"""


@pytest.mark.parametrize("where", ["in front", "behind"])
def test_the_size_after_a_stop_comes_before_what_is_typed(far, where):
    """SIGCONT comes before SIGWINCH; and none comes to who was not in front of the terminal when it changed."""
    leader = (sys.executable, "-c", STOPS, where, support.LANDLINE)
    with terminal(far, "run", "-t", "box", "--", sys.executable, "-c", TELLS, rows=31, columns=97, program=leader) as t:
        t.expect(rb"size=31,97\.")
        os.kill(t.process.pid, signal.SIGUSR1)
        t.expect(rb"stopped\.")
        t.resize(32, 98)
        if where == "in front":
            t.type(b".")
        os.kill(t.process.pid, signal.SIGUSR2)
        if where == "behind":
            t.type(b".")
        assert t.expect(rb"size=(\S+)\.").group(1) == b"32,98"
        t.type(b"q")
        assert t.wait() == 0


@pytest.mark.skipif(not shutil.which("tmux"), reason="tmux is not there")
def test_inside_tmux(far):
    socket = os.path.join(far.landline.scratch, "tmux")
    env = far.landline.environment(far.client_home, {**far.env, "TERM": "xterm"})

    def tmux(*words):
        return subprocess.run(["tmux", "-S", socket, "-f", "/dev/null", *words], env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=support.PATIENCE).stdout

    own = [support.LANDLINE, "shell", "--env", "HOME=%s" % far.client_home, "box"]
    tmux("new-session", "-d", "-x", "90", "-y", "20", shlex.join(own))
    try:
        tmux("send-keys", "PS1=; clear; stty size; echo 'do''ne'", "Enter")
        support.eventually(lambda: b"done" in tmux("capture-pane", "-p").split(b"\n"), "the size")
        assert b"20 90" in tmux("capture-pane", "-p")
        tmux("send-keys", "exit", "Enter")
        support.eventually(lambda: not tmux("list-sessions"), "the end of the session")
    finally:
        tmux("kill-server")
