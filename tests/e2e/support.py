"""What the end-to-end tests share: processes that are started, waited for, and proved to be gone."""

import contextlib
import fcntl
import os
import random
import re
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import time
import uuid

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("LANDLINE_BUILD", os.path.join(ROOT, "build")))
LANDLINE = os.path.join(BUILD, "landline")

# Long enough for a slow, busy machine: it is only ever reached when something is wrong.
PATIENCE = 60.0


def eventually(condition, what="the condition", timeout=PATIENCE):
    """Calls condition() until it returns something true, which it returns; fails after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError("%s did not come true within %g s" % (what, timeout))
        time.sleep(0.01)


def lasting_address():
    """An address of loopback for a server that may end and begin anew there. The system gives such a port to nobody who does not
    name it: one that it had chosen itself would be any client's as soon as the server has gone."""
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        low, high = map(int, f.read().split())
    ports = [port for port in range(10000, 65536) if not low <= port <= high] or [0]
    while True:
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", random.choice(ports)))
            return "127.0.0.1:%d" % s.getsockname()[1]


class Gate:
    """What a command waits at until the test lets it through: `wait` is text for a shell."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "gate-%s" % uuid.uuid4().hex)
        self.wait = "until [ -e %s ]; do sleep 0.05; done" % shlex.quote(self.path)

    def open(self):
        open(self.path, "w").close()


@contextlib.contextmanager
def small_disk(path, options):
    """A file system of its own."""
    os.mkdir(path, 0o700)
    if os.geteuid() != 0 or subprocess.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path],
                                            stderr=subprocess.DEVNULL) != 0:
        pytest.skip("a small file system needs root")
    try:
        yield path
    finally:
        subprocess.call(["umount", "-l", path])


@contextlib.contextmanager
def scratch_folder():
    folder = tempfile.mkdtemp(prefix="ll-", dir="/tmp" if os.path.isdir("/tmp") else None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def descriptors(pid):
    """The open descriptors of a process: {number: what it is}."""
    found = {}
    folder = "/proc/%d/fd" % pid
    try:
        names = os.listdir(folder)
    except PermissionError:
        pytest.skip("needs root, to see the descriptors of a gate, which is not dumpable")
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            found[int(name)] = os.readlink(os.path.join(folder, name))
    return found


def anonymous(pid):
    """Bytes of memory that belong to the process alone and come from no file."""
    try:
        f = open("/proc/%d/smaps_rollup" % pid)
    except PermissionError:
        pytest.skip("needs root, to see the memory of a gate, which is not dumpable")
    with f:
        return next(int(line.split()[1]) << 10 for line in f if line.startswith("Anonymous:"))


def command_line(pid):
    """What `ps` shows of the process; nothing where it has ended."""
    with contextlib.suppress(OSError), open("/proc/%d/cmdline" % pid, "rb") as f:
        return f.read()
    return b""


def gate_of(keeper):
    """The process id of a server's gate, once there is one."""
    def find():
        return next((pid for pid in children(keeper) if command_line(pid).startswith(b"landline: gate")), 0)
    return eventually(find, "a gate")


def children(pid):
    """The process ids of the direct children, zombies included."""
    found = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                found += [int(word) for word in f.read().split()]
    return found


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def exists(pid):
    """True while the process runs; a zombie does not."""
    try:
        return state_of(pid) not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def state_of(pid):
    """The letter that the kernel has for what a process does."""
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0]


@contextlib.contextmanager
def stopped(pid):
    """The process stands still meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: state_of(pid) == "T", "the stop of %d" % pid)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def tool(*argv):
    """What a program prints, for a message; or why it does not."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as why:
        return "%s: %s" % (argv[0], why)
    return done.stdout.decode("utf-8", "replace")


def unread_of(pid):
    """What waits on the terminal that a process reads from, for a message: bytes that it was not woken for, it may be."""
    path = "/proc/%d/fd/0" % pid
    try:
        if not os.readlink(path).startswith("/dev/pts/"):
            return "no terminal"
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            return "%d bytes wait" % struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
        finally:
            os.close(fd)
    except OSError as why:
        return str(why)


def look_into(pid, name):
    """Where a process is that does not go on, for a message: what the kernel says, and its stack where there is gdb."""
    said = ["%s, %d:" % (name, pid)]
    for file in ("cmdline", "stat", "wchan", "syscall", "stack"):
        try:
            with open("/proc/%d/%s" % (pid, file), "rb") as f:
                said.append("  %s: %s" % (file, f.read().replace(b"\0", b" ").decode("utf-8", "replace").rstrip()))
        except OSError as why:
            said.append("  %s: %s" % (file, why))
    said.append("  input: %s" % unread_of(pid))
    if shutil.which("gdb"):
        said.append(tool("gdb", "-p", str(pid), "-batch", "-nx", "-ex", "thread apply all bt"))
    return "\n".join(said)


def sockets_of(*ports):
    """The TCP sockets at these ports, with their states, queues and timers."""
    wanted = " or ".join("sport = :%d or dport = :%d" % (port, port) for port in ports)
    return tool("ss", "-tanop", wanted)


def own_group():
    """The folder of this process's control group (version 2), or None where that hierarchy is not mounted."""
    with open("/proc/self/cgroup") as f:
        path = next((line[3:].rstrip("\n") for line in f if line.startswith("0::")), None)
    with open("/proc/self/mountinfo") as f:
        mounts = [line.split()[4] for line in f if " - cgroup2 " in line]
    folder = mounts[0] + path.rstrip("/") if path is not None and mounts else None
    return folder if folder is not None and os.path.isdir(folder) else None


def remove_dead_groups():
    """Removes the groups of keepers that were killed; one that lives has a lock on its folder."""
    above = own_group()
    for name in os.listdir(above) if above is not None else ():
        if not name.startswith("landline-"):
            continue
        folder = os.path.join(above, name)
        with contextlib.suppress(OSError):
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for path, folders, _ in os.walk(folder, topdown=False):
                    for below in folders:
                        os.rmdir(os.path.join(path, below))
                os.rmdir(folder)
            finally:
                os.close(fd)


class Output:
    """Collects what a process writes to one pipe; other threads wait for lines in it."""

    def __init__(self, pipe):
        self.data = b""
        self.ended = False
        self.changed = threading.Condition()
        self.pipe = pipe
        self.thread = threading.Thread(target=self._collect, daemon=True)
        self.thread.start()

    def _collect(self):
        while True:
            try:
                piece = os.read(self.pipe.fileno(), 65536)
            except (OSError, ValueError):
                piece = b""
            with self.changed:
                self.data += piece
                self.ended = not piece
                self.changed.notify_all()
            if not piece:
                return

    def wait_for(self, pattern, timeout=PATIENCE):
        """The match of a regular expression (bytes) in what has been written so far or will be."""
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                match = re.search(pattern, self.data)
                if match:
                    return match
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    why = "the process closed it" if self.ended else "within %g s" % timeout
                    raise AssertionError("no %r (%s) in:\n%s" % (pattern, why, self.data.decode("utf-8", "replace")))
                self.changed.wait(left)

    def text(self):
        with self.changed:
            return self.data.decode("utf-8", "replace")


class Process:
    """A started program in a session of its own. stdout and stderr are collected as they come."""

    def __init__(self, argv, env=None, stdin=None, cwd=None, **options):
        self.argv = argv
        self.popen = subprocess.Popen(
            argv, env=env, cwd=cwd, stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options)
        self.pid = self.popen.pid
        self.stdout = Output(self.popen.stdout)
        self.stderr = Output(self.popen.stderr)

    @property
    def stdin(self):
        return self.popen.stdin

    def wait(self, timeout=PATIENCE):
        """Its exit status, as subprocess has it (negative: a signal), once both outputs have ended or 5 s later."""
        try:
            status = self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError("%r did not end within %g s; stderr:\n%s" % (self.argv, timeout, self.stderr.text()))
        self.stdout.thread.join(5)
        self.stderr.thread.join(5)
        return status

    def listening(self, timeout=PATIENCE):
        """(host, port) from its line `landline: listening on ADDRESS:PORT`, as a server prints it when it is ready."""
        match = self.stderr.wait_for(rb"listening on (\[[^\]\n]*\]|[^:\s]+):(\d+)", timeout)
        return match.group(1).decode().strip("[]"), int(match.group(2))

    def signal(self, number):
        self.popen.send_signal(number)

    def _until_ended(self, timeout):
        """Waits without collecting its status, so that its number stays its own."""
        end = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(end, select.POLLIN)
            poll.poll(timeout * 1000)
        finally:
            os.close(end)

    def stop(self, timeout=10.0):
        """Ends it: TERM, then KILL for it and all it started that is still of its session. Returns its status. The number of
        one that was waited for before may be another's by now: what such a one left, Runner.close() finds."""
        if self.popen.poll() is None:
            self.popen.terminate()
            self._until_ended(timeout)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
        status = self.popen.wait(PATIENCE)
        for output in (self.stdout, self.stderr):
            output.thread.join(5)
            if not output.thread.is_alive():
                output.pipe.close()
        if self.popen.stdin:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()
        return status


class Runner:
    """Starts landline (or any other program) with a home of its own, and leaves nothing behind."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.home = os.path.join(scratch, "home")
        self.mark = "LANDLINE_TEST_MARK=%s" % uuid.uuid4().hex
        self.processes = []
        self.grace = 30.0  # seconds that what was started may take to go after its end was asked for

    def environment(self, home=None, env=None):
        """The environment of what is started: the caller's, LANDLINE_HOME, and a mark to recognise leftovers by. No
        broker, but where a test is about it."""
        key, _, value = self.mark.partition("=")
        return {**os.environ, "LC_ALL": "C.UTF-8", "LANDLINE_BROKER": "off", "LANDLINE_HOME": home or self.home,
                key: value, **(env or {})}

    def __call__(self, *args, input=b"", home=None, env=None, timeout=PATIENCE, cwd=None):
        """Runs landline to its end: a CompletedProcess with bytes in stdout and stderr."""
        return self.run([LANDLINE, *args], input=input, home=home, env=env, timeout=timeout, cwd=cwd)

    def run(self, argv, input=b"", home=None, env=None, timeout=PATIENCE, cwd=None):
        return subprocess.run([os.fspath(a) for a in argv], input=input, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, env=self.environment(home, env), timeout=timeout, cwd=cwd,
                              start_new_session=True)

    def start(self, *args, home=None, env=None, stdin=None, cwd=None, **options):
        """Starts landline and leaves it running: a Process."""
        return self.spawn([LANDLINE, *args], home=home, env=env, stdin=stdin, cwd=cwd, **options)

    def spawn(self, argv, home=None, env=None, stdin=None, cwd=None, **options):
        process = Process([os.fspath(a) for a in argv], env=self.environment(home, env), stdin=stdin, cwd=cwd,
                          **options)
        self.processes.append(process)
        return process

    def leftovers(self):
        """Processes that carry this test's mark in their environment: [(pid, command line)]."""
        found = []
        mark = self.mark.encode()
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                with open("/proc/%s/environ" % name, "rb") as f:
                    if mark not in f.read().split(b"\0"):
                        continue
                with open("/proc/%s/cmdline" % name, "rb") as f:
                    if exists(int(name)):
                        found.append((int(name), f.read().replace(b"\0", b" ").decode("utf-8", "replace")))
        return found

    def close(self):
        for process in reversed(self.processes):
            process.stop()
        left = []

        def gone():
            left[:] = self.leftovers()
            return not left

        try:
            eventually(gone, timeout=self.grace)
        except AssertionError:
            for pid, _ in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            raise AssertionError("left behind: %s" % left) from None


def no_new_descriptors(pid, before):
    """Waits until the process has no more descriptors than in `before` (from descriptors())."""
    eventually(lambda: len(descriptors(pid)) <= len(before), "descriptors of %d back to %d" % (pid, len(before)))
