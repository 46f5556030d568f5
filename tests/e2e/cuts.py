"""Sessions of the real program, cut at a byte, by the thousand, and what must be true of each whatever was cut.

One thread waits for all of it: relays, clients, terminals. A session is one command of landline through a relay of its own.
The history that is checked: output is a prefix of what was sent; a clean end is all of it; an id has one effect at most, also
long after; "done" and "not started" are never false; the exit status is right; a file is the old one or the new one."""

import collections
import fcntl
import os
import pty
import random
import re
import select
import shutil
import signal
import socket
import struct
import tempfile
import termios
import time

import support
from cut_link import DOWN, KINDS, RST, UP, Cut, Link  # noqa: F401: tests name them as parts of this one

# A frozen link is noticed by silence alone: sooner than anybody would want it, but not at once.
ENVIRONMENT = {"LANDLINE_BROKER": "off", "LANDLINE_SILENCE": "700ms"}

# A turn of the one thread that takes longer: the machine stood still, or had no time for us. What nobody relayed is nobody's fault.
STOOD_STILL = 5.0


def fast_folder():
    """Where a flush costs nothing, if there is such a place."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Slot:
    """A place for one session at a time: a relay's port, and a home that knows the server by it."""

    def __init__(self, sweep, number):
        self.sweep = sweep
        self.folder = os.path.join(sweep.folder, "slot-%d" % number)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.listener.setblocking(False)
        self.home = os.path.join(self.folder, "client")
        shutil.copytree(sweep.both.client_home, self.home)
        hosts = os.path.join(self.home, "hosts")
        with open(hosts) as f:
            text = f.read()
        with open(hosts, "w") as f:
            f.write(text.replace(sweep.both.address, "127.0.0.1:%d" % self.listener.getsockname()[1]))
        self.environment = sweep.both.landline.environment(self.home, ENVIRONMENT)
        self.output, self.complaint = (
            os.open(os.path.join(self.folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600) for name in ("out", "err"))
        self.links, self.cuts, self.pid, self.cut_at = [], [], 0, None
        sweep.watch(self.listener.fileno(), self.accept)

    def accept(self, events):
        try:
            client, _ = self.listener.accept()
        except BlockingIOError:
            return
        if not self.pid or self.links and self.sweep.session.once:  # what a client that has gone asked for is not the next one's
            client.close()
            return
        server = socket.create_connection(self.sweep.server, timeout=10)
        self.links.append(Link(self, client, server, self.cuts.pop(0) if self.cuts else None))

    def drain(self):
        """Takes what a client that has gone was still asking for."""
        try:
            while True:
                self.listener.accept()[0].close()
        except BlockingIOError:
            pass

    def begin(self, number, place, cuts):
        self.drain()
        self.number, self.place, self.cuts = number, place, list(cuts)
        self.shown, self.typed, self.master = b"", False, -1
        self.began = time.monotonic()
        self.deadline = self.began + self.sweep.session.patience
        for fd in (self.output, self.complaint):
            os.ftruncate(fd, 0)
            os.lseek(fd, 0, os.SEEK_SET)
        self.sweep.session.begin(self)

    def spawn(self, words, stdin, stdout=None):
        actions = [(os.POSIX_SPAWN_DUP2, fd, to)
                   for to, fd in enumerate((stdin, self.output if stdout is None else stdout, self.complaint))]
        self.pid = os.posix_spawn(support.LANDLINE, ["landline", *words], self.environment, file_actions=actions,
                                  setsid=True)
        self.pidfd = os.pidfd_open(self.pid)
        self.sweep.watch(self.pidfd, self.ended)

    def passed(self, line, direction):
        return self.links[line].passed[direction] if line < len(self.links) else 0

    def look_at_holds(self):
        for link in self.links:
            if not link.dead:
                link.interests()

    def ended(self, events):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.sweep.forget(self.pidfd)
        os.close(self.pidfd)
        self.pid = 0
        self.sweep.session.end(self)
        for link in self.links:
            link.close()
        self.sweep.over(self, status)
        self.links = []

    def text(self, fd):
        return os.pread(fd, 1 << 20, 0)

    def __str__(self):
        more = self.master >= 0 and bool(select.select([self.master], [], [], 0)[0])
        return "%.1f s since its start, typed %d, shown %d%s, links:%s" % (
            time.monotonic() - self.began, self.typed, len(self.shown), " and there is more" if more else "",
            "".join("\n    %s" % link for link in self.links))

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        for link in self.links:
            link.close()
        self.listener.close()


# --- the sessions ---


class Session:
    once = False  # whether there is no other link after the first
    lines = 1  # connections of an attempt
    patience = support.PATIENCE

    def holds(self, slot, link, direction):
        """Whether nothing is taken from this side of a link for now."""
        return False

    def end(self, slot):
        """The client has."""


class Run(Session):
    right = b"some input\nand more\n"

    def __init__(self, sweep):
        self.sweep = sweep

    def begin(self, slot):
        feed_r, feed_w = os.pipe()
        os.write(feed_w, b"some input\nand more\n")
        os.close(feed_w)
        script = "echo %d >> %s; while read -r line; do echo \"$line\"; done; echo err >&2; exit 9"
        slot.spawn(["run", "box", "sh", "-c", script % (slot.number, self.sweep.marks)], feed_r)
        os.close(feed_r)

    def output(self, slot):
        return slot.text(slot.output)

    def check(self, slot, status):
        """Whether the command ran to its end: else the client says truthfully that it did not start or cannot know."""
        output, complaint = self.output(slot), slot.text(slot.complaint)
        if status in (122, 125):
            assert complaint.count(b"\n") == 1 and self.excuse(status, output, complaint), (status, output, complaint)
            return False
        self.check_all(status, output, complaint)
        return True

    def excuse(self, status, output, complaint):
        return status == 125 and self.nothing(output)

    def nothing(self, output):
        return output == b""

    def check_all(self, status, output, complaint):
        assert (status, output, complaint) == (9, self.right, b"err\n"), (status, output, complaint)


class GivenUp(Run):
    """A command whose client finds no other link: what it had printed is a prefix, and all of it is there for who asks later."""

    once = True
    right = b"".join(b"line %d\n" % i for i in range(100))

    def begin(self, slot):
        script = "echo %d >> %s; i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done; echo err >&2; exit 9"
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        slot.spawn(["run", "--give-up", "300ms", "box", "sh", "-c", script % (slot.number, self.sweep.marks)], null)
        os.close(null)

    def check(self, slot, status):
        if status != 122:
            return super().check(slot, status)
        output, said = self.output(slot), slot.text(slot.complaint).splitlines(keepends=True)
        assert self.right.startswith(output) and b"err\n".startswith(b"".join(said[:-1])), (output, said)
        run = re.search(rb"landline attach box ([a-z2-7]{26})", said[-1]).group(1).decode()
        later = self.sweep.both.run("attach", "--from", "start", "box", run)
        if b"no such run" in later.stderr:
            assert output == b"" and later.stdout == b"" and later.returncode in (122, 125), (output, later)
            return False
        self.check_all(later.returncode, later.stdout, later.stderr)
        return True


class Shell(Run):
    """A terminal, in which a command is typed as soon as there is anything on it. What the user's own files would do to a shell
    is kept out of it."""

    words = ("shell", "--env", "HOME=FOLDER", "box")

    def begin(self, slot):
        slot.master, terminal = pty.openpty()
        own = {"NAME": "n%d" % slot.number, "HOME=FOLDER": "HOME=" + self.sweep.folder}
        slot.spawn([own.get(word, word) for word in self.words], terminal, terminal)
        os.close(terminal)
        self.sweep.watch(slot.master, lambda events: self.show(slot))

    def read(self, slot):
        """Takes what is shown. False: there will be no more."""
        try:
            slot.shown += os.read(slot.master, 65536)
            return True
        except OSError:
            return False

    def show(self, slot):
        if not self.read(slot):
            self.end(slot)
        elif not slot.typed:
            line = "echo %d >> %s; printf 'all go''od\\n'; exit 9\r" % (slot.number, self.sweep.marks)
            os.write(slot.master, line.encode())
            slot.typed = True

    def end(self, slot):
        while slot.master >= 0 and select.select([slot.master], [], [], 0)[0] and self.read(slot):
            pass
        if slot.master >= 0:
            self.sweep.forget(slot.master)
            os.close(slot.master)
        slot.master = -1

    def output(self, slot):
        return slot.shown

    def nothing(self, output):
        return b"all good" not in output

    def check_all(self, status, output, complaint):
        assert (status, output.count(b"all good\r\n"), complaint) == (9, 1, b""), (status, output, complaint)


class NamedShell(Shell):
    words = ("shell", "--env", "HOME=FOLDER", "--name", "NAME", "box")


class Text(Shell):
    """A terminal whose program sends back byte for byte what is typed: characters of one to four bytes, some wide, some of several
    parts. They are typed in pieces that end inside of them, each when what was typed before is shown, and before each the
    window changes its size."""

    text = "aß€😀 e\u0301 漢字 \U0001f468\u200d\U0001f469 ﷽ ẅ\u0323.".encode()
    script = "echo %d >> %s; stty raw -echo; printf ready; dd bs=1 count=%d status=none; stty size; exit 9"

    def begin(self, slot):
        slot.master, terminal = pty.openpty()
        self.resize(slot)
        script = self.script % (slot.number, self.sweep.marks, len(self.text))
        slot.spawn(["run", "-t", "box", "sh", "-c", script], terminal, terminal)
        os.close(terminal)
        self.sweep.watch(slot.master, lambda events: self.show(slot))

    def size(self, typed):
        return 20 + typed, 100 - typed

    def resize(self, slot):
        rows, columns = self.size(slot.typed)
        fcntl.ioctl(slot.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if slot.pid:
            os.kill(slot.pid, signal.SIGWINCH)

    def show(self, slot):
        if not self.read(slot):
            self.end(slot)
        elif slot.typed < len(self.text) and len(slot.shown) == len(b"ready") + slot.typed:
            self.resize(slot)
            slot.typed += os.write(slot.master, self.text[slot.typed:slot.typed + 1 + slot.typed % 3])

    def nothing(self, output):
        return output == b""

    def check_all(self, status, output, complaint):
        *_, last = self.stops()
        assert (status, complaint) == (9, b""), (status, output, complaint)
        assert output == b"ready" + self.text + b"%d %d\n" % self.size(last), output

    def stops(self):
        """Where the pieces begin."""
        at = 0
        while at < len(self.text):
            yield at
            at += 1 + at % 3


class Files(Session):
    """A tree of small files, fresh or over an older one in which some of it is there, other, and something else too. It arrives
    whatever was cut, for there is always another link."""

    options = ()
    put = over = False
    contents = {"empty": b"", "small": b"0123456789", "below/other": random.Random(7).randbytes(300)}
    old = {"small": b"older", "below/other": b"older too", "below/kept": b"not in the source"}

    def __init__(self, sweep):
        self.sweep = sweep
        self.source = os.path.join(sweep.folder, "tree")
        self.write(self.source, self.contents)
        self.null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)

    def write(self, top, contents):
        for name, data in contents.items():
            path = os.path.join(top, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                f.write(data)

    def begin(self, slot):
        slot.there = os.path.join(slot.folder, "there-%d" % slot.number)
        os.mkdir(slot.there)
        if self.over:
            self.write(os.path.join(slot.there, "tree"), self.old)
        ends = [self.source, "box:" + slot.there] if self.put else ["box:" + self.source, slot.there]
        slot.spawn(["put" if self.put else "get", "-q", *self.options, *ends], self.null)

    def output(self, slot):
        return b""

    def check(self, slot, status):
        assert status == 0, (status, slot.text(slot.complaint))
        assert not slot.text(slot.complaint) and os.listdir(slot.there) == ["tree"], slot.text(slot.complaint)
        found = {}
        for folder, _, names in os.walk(os.path.join(slot.there, "tree")):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    found[os.path.relpath(path, os.path.join(slot.there, "tree"))] = f.read()
        want = {**(self.old if self.over else {}), **self.contents}
        assert found.keys() == want.keys(), found.keys()
        assert not [name for name in want if found[name] != want[name]]
        shutil.rmtree(slot.there, ignore_errors=True)
        return False


class FilesOver(Files):
    over = True


class Put(Files):
    put = True


class PutOver(Files):
    put = over = True


class ToOutput(Files):
    def begin(self, slot):
        slot.spawn(["get", "-q", "box:%s/below/other" % self.source, "-"], self.null)

    def check(self, slot, status):
        assert (status, slot.text(slot.output)) == (0, self.contents["below/other"]), (status, slot.text(slot.complaint))


class Split(Files):
    """A large file over two connections: when one has taken its share, it takes no more before the other has come as far; but not so
    long that it would seem dead."""

    lines, options = 2, ("--streams", "2")
    patience = 30  # less than the silence after which a server gives a link up: it is not waited for
    contents = {"large": random.Random(8).randbytes(7 << 20), "small": b"0123456789"}

    def holds(self, slot, link, direction):
        if direction != (UP if self.put else DOWN) or link.passed[direction] < 1 << 20:
            return False
        return time.monotonic() < link.began + 0.4 and not any(
            other is not link and not other.dead and other.passed[direction] > 200000 for other in slot.links)


class PutSplit(Split):
    put = True


SESSIONS = {"run": Run, "given-up": GivenUp, "shell": Shell, "named-shell": NamedShell, "text": Text, "get": Files,
            "get-over": FilesOver, "put": Put, "put-over": PutOver, "get-to-output": ToOutput, "get-split": Split,
            "put-split": PutSplit}


# --- all of it ---


class Sweep:
    """Sessions of one kind against the server of `both`, `at_once` of them at a time."""

    def __init__(self, both, kind, at_once):
        self.both, self.server = both, both.server.listening()
        self.folder = tempfile.mkdtemp(prefix="ll-cuts-", dir=fast_folder())
        self.marks = os.path.join(self.folder, "marks")
        open(self.marks, "w").close()
        self.make_loop()
        self.made = self.number = self.sessions = 0
        self.claims = {}  # number: how many effects it has for certain
        self.problems = []
        self.ended = time.monotonic()  # the last session
        self.session = SESSIONS[kind](self)
        self.slots = [Slot(self, number) for number in range(at_once)]

    # What is waited for.

    def make_loop(self):
        self.epoll, self.waits = select.epoll(), {}
        self.turned, self.longest = time.monotonic(), 0.0  # the last turn of this thread, and the longest

    def turn(self):
        now = time.monotonic()
        took, self.turned = now - self.turned, now
        self.longest = max(self.longest, took)
        if took > STOOD_STILL:
            for slot in self.slots:
                if slot.pid:
                    slot.deadline += took

    def watch(self, fd, call):
        self.waits[fd] = call
        self.epoll.register(fd, select.EPOLLIN)

    def change(self, fd, events):
        self.epoll.modify(fd, events)

    def forget(self, fd):
        if self.waits.pop(fd, None):
            self.epoll.unregister(fd)

    def wait(self):
        for fd, events in self.epoll.poll(1 if self.session.lines == 1 else 0.1):
            call = self.waits.get(fd)
            if call:
                call(events)

    # Sessions.

    def begin(self, slot, place, cuts):
        self.number += 1
        slot.begin(self.number, place, cuts)

    def over(self, slot, status):
        """The session in this slot has ended: the verdict."""
        self.sessions += 1
        self.ended = time.monotonic()
        try:
            ran = self.session.check(slot, status)
        except AssertionError as problem:
            self.problems.append("%s: %s" % (slot.place, problem))
            return
        if ran or status == 125:
            self.claims[slot.number] = int(ran)
        self.finished.append(slot)

    def record(self):
        """The bytes of an uncut session on each line and in each direction, at most."""
        totals = [[0, 0] for _ in range(self.session.lines)]
        slot = self.slots[0]
        for _ in range(3):
            self.finished = []
            self.begin(slot, "no cut", [])
            while not self.finished and not self.problems:
                self.wait()
                self.look_at_the_clock()
                totals = [[max(total[d], slot.passed(line, d)) for d in (UP, DOWN)] for line, total in enumerate(totals)]
            assert not self.problems, self.problems
        return totals

    def cut(self, places, more, done):
        """A session for each place, with `more(place)` for the connections that follow; done(place) after each. Stops at the
        first that goes wrong."""
        places = iter(places)
        self.finished = list(self.slots)
        busy = 0
        while not self.problems:
            for slot in self.finished:
                if slot.cut_at:
                    busy -= 1
                    done(slot.cut_at)
            ready, self.finished = self.finished, []
            for slot in ready:
                slot.cut_at = next(places, None)
                if slot.cut_at:
                    busy += 1
                    cuts = [*[None] * slot.cut_at.line, slot.cut_at, *more(slot.cut_at)]
                    self.begin(slot, ", then ".join(map(str, cuts)), cuts)
            if not busy:
                break
            self.wait()
            self.look_at_the_clock()
        assert not self.problems, "\n".join(self.problems)

    def look_at_the_clock(self):
        self.turn()
        now = self.turned
        for slot in self.slots:
            if self.session.lines > 1:
                slot.look_at_holds()
            if slot.pid and now > slot.deadline:
                why = self.explain(slot) if not self.problems else ""  # the first is enough: this takes seconds
                self.problems.append("%s: no end; it said %r, %r\n%s" % (
                    slot.place, self.session.output(slot), slot.text(slot.complaint), why))

    def explain(self, slot):
        """All that tells why a session does not go on, before anything is ended: whether it is alone in that, what came to the relay,
        and where each process is."""
        others = [other for other in self.slots if other.pid and other is not slot]
        keeper = self.both.server.pid
        sockets = support.sockets_of(slot.listener.getsockname()[1], self.server[1])  # first: to look into a process stops it
        said = ["%d sessions ended, the last %.1f s ago; the longest turn of the relay took %.1f s; load %s" % (
            self.sessions, time.monotonic() - self.ended, self.longest, " ".join("%.1f" % n for n in os.getloadavg()))]
        said += ["this one: %s" % slot, *("another: %s" % other for other in others)]
        said += [support.look_into(pid, name) for name, pid in (
            ("client", slot.pid), ("keeper", keeper), *(("below the keeper", pid) for pid in support.descendants(keeper)))]
        return "\n".join([*said, sockets])

    def check_effects(self):
        """After the server's end, when nothing can start any more."""
        with open(self.marks) as f:
            effects = collections.Counter(map(int, f))
        assert all(n == 1 for n in effects.values()), "started twice: %s" % effects.most_common(3)
        wrong = [number for number, claimed in self.claims.items() if effects[number] != claimed]
        assert not wrong, "said to be %d times: %d" % (self.claims[wrong[0]], effects[wrong[0]])

    def close(self):
        for slot in self.slots:
            slot.close()
        shutil.rmtree(self.folder, ignore_errors=True)
