"""Real data there and back, the memory it takes, a source that changes while it is read, and what a terminal shows.

LANDLINE_REAL=/usr takes that folder there and back, in LANDLINE_ROOM=FOLDER, instead of /usr/include; LANDLINE_MANY=100000 makes
so many files where many are wanted."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import unicodedata

import pytest

import support
from test_files import digest, fill, leftovers, picture, unfinished
from pair import pair
from test_files_faults import block, start

pytestmark = pytest.mark.timeout(500)

REAL = os.environ.get("LANDLINE_REAL", "/usr/include")
MANY = int(os.environ.get("LANDLINE_MANY", "20000"))
WAIT = 300 if REAL == "/usr/include" else 7200


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


def peak(process):
    """The most memory the process has held, in KiB; 0 when it has gone."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/status" % process.pid) as f:
            found = re.search(r"VmHWM:\s*(\d+)", f.read())
            return int(found.group(1)) if found else 0
    return 0


def copy(source, target):
    """Two workers joined: both statuses, and the most memory that each held."""
    ours, theirs = socket.socketpair()
    get = start(1, struct.pack(">BBQI", 0, 0, 0, 1) + block(os.fsencode(source)), ours)
    put = start(2, struct.pack(">BB", 8, 0) + block(os.fsencode(target)), theirs)
    ours.close()
    theirs.close()
    peaks = [0, 0]

    def over():
        peaks[:] = [max(p, peak(w)) for p, w in zip(peaks, (get, put))]
        return get.poll() is not None and put.poll() is not None
    support.eventually(over, "the end of the copy", 300 + MANY / 50)
    return (get.wait(), put.wait()), peaks


@pytest.fixture
def room(scratch):
    folder = tempfile.mkdtemp(prefix="ll-", dir=os.environ.get("LANDLINE_ROOM", scratch))
    yield folder
    subprocess.run(["rm", "-rf", folder])


@pytest.mark.timeout(2 * WAIT)
def test_real_data_there_and_back(box, room):
    scratch = room
    there, back = os.path.join(scratch, "there"), os.path.join(scratch, "back")
    done = box.run("put", REAL, "box:%s" % there, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    done = box.run("get", "box:%s" % there, back, timeout=WAIT)
    assert done.returncode == 0, done.stderr
    want = picture(REAL)
    assert len(want) > 1000 and picture(back) == want
    assert subprocess.run(["diff", "-r", "--no-dereference", REAL, back], stdout=subprocess.PIPE).stdout == b""
    assert leftovers(there) == leftovers(back) == []
    if shutil.which("rsync"):  # bits that give rights do not travel
        out = subprocess.run(["rsync", "-anci", "--delete", "--no-owner", "--no-group", "--chmod=ug-s,o-t", REAL + "/", back + "/"],
                             stdout=subprocess.PIPE, check=True).stdout
        assert out == b""
    done = box.run("put", "--json", "-q", REAL + "/.", "box:%s" % there, timeout=WAIT)
    assert done.returncode == 0, done.stderr


def make_many_and_deep(source):
    os.makedirs(os.path.join(source, "many"))
    for n in range(MANY):
        with open(os.path.join(source, "many", "file %d" % n), "w") as f:
            f.write(str(n))
    at = os.open(source, os.O_RDONLY)
    for _ in range(1000):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=at))
    os.close(at)


def same_many_and_deep(source, target):
    # Not os.walk() nor an expected name: no path here is short enough for open().
    assert subprocess.run(["diff", "-r", source, target], stdout=subprocess.PIPE).stdout == b""
    names = subprocess.run(["find", target, "-name", "bottom", "-perm", "640", "-printf", "%d"], stdout=subprocess.PIPE)
    assert names.stdout == b"1001"


@pytest.mark.timeout(500 + MANY / 20)
def test_many_and_deep_in_little_memory(scratch):
    source, target = os.path.join(scratch, "s"), os.path.join(scratch, "t")
    os.mkdir(target)
    make_many_and_deep(source)
    fill(os.path.join(source, "large"), 40000000)
    try:
        statuses, peaks = copy(source, target)
        assert statuses == (0, 0)
        assert 0 < max(peaks) <= 16 << 10, peaks
        same_many_and_deep(source, os.path.join(target, "s"))
        statuses, peaks = copy(source, target)  # again, with nothing to do
        assert statuses == (0, 0) and 0 < max(peaks) <= 16 << 10, peaks
    finally:
        subprocess.run(["rm", "-rf", source, target])


def peaks_of(client, server):
    """Waits for the client's end: the most memory of it, and of each process of the server, in KiB."""
    peaks = {}

    def over():
        for pid in [client.pid, server, *support.children(server)]:
            with contextlib.suppress(OSError), open("/proc/%d/status" % pid) as f:
                found = re.search(r"VmHWM:\s*(\d+)", f.read())
                if found:
                    peaks[pid] = int(found.group(1))
        return client.popen.poll() is not None
    support.eventually(over, "the end of the transfer", 300 + MANY / 50)
    return list(peaks.values())


@pytest.mark.timeout(500 + MANY / 20)
def test_many_and_deep_there_and_back(box, room):
    source, there, back = (os.path.join(room, n) for n in ("s", "there", "back"))
    make_many_and_deep(source)
    try:
        for names, target in (((source, "box:" + there), there), (("box:" + there, back), back)):
            client = box.start("put" if target == there else "get", *names)
            peaks = peaks_of(client, box.server.pid)
            assert client.wait() == 0, client.stderr.text()
            same_many_and_deep(source, target)
            assert len(peaks) >= 4 and max(peaks) <= 16 << 10, peaks
    finally:
        subprocess.run(["rm", "-rf", room])  # deeper than Python can go


def grow(path):
    with open(path, "ab") as f:
        f.write(b"more")


def rewrite(path):
    with open(path, "r+b") as f:
        f.write(b"other")


@pytest.mark.parametrize("change", [grow, lambda path: os.truncate(path, 1000), rewrite], ids=["grown", "shrunk", "rewritten"])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_source_that_changes_is_noticed(box, verb, change):
    source, target = (os.path.join(box.landline.scratch, n) for n in ("source", "target"))
    fill(source, 12000000)
    fill(target, 100)
    old = digest(target)
    names = ["box:" + source, target] if verb == "get" else [source, "box:" + target]
    client = box.start(verb, "--limit", "4M", *names)
    support.eventually(lambda: leftovers(box.landline.scratch), "the beginning")
    change(source)
    assert client.wait() == 1
    assert ": it changed while it was read" in client.stderr.text()
    assert digest(target) == old
    assert leftovers(box.landline.scratch) == []


class Terminal:
    """landline with its standard error on a terminal of so many columns."""

    def __init__(self, box, columns, *args, stdout=subprocess.DEVNULL, env=None):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = box.landline.environment(box.client_home, {**box.env, **(env or {})})
        self.process = subprocess.Popen([support.LANDLINE, *args], stdin=subprocess.DEVNULL, stdout=stdout,
                                        stderr=slave, env=env, start_new_session=True)
        os.close(slave)
        self.seen = b""
        self.thread = threading.Thread(target=self._collect)
        self.thread.start()

    def _collect(self):
        with contextlib.suppress(OSError):
            while piece := os.read(self.master, 4096):
                self.seen += piece

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.thread.join(support.PATIENCE)
        os.close(self.master)


@pytest.mark.parametrize("columns", [20, 80, 300])
def test_interrupted_on_a_terminal(box, columns):
    source, target = (os.path.join(box.landline.scratch, n) for n in ("source", "target"))
    want = fill(source, 60000000)
    terminal = Terminal(box, columns, "get", "--limit", "6M", "box:" + source, target)
    try:
        def proved():
            names = [n for n in os.listdir(box.landline.scratch) if n.endswith(".journal")]
            return names and os.path.getsize(os.path.join(box.landline.scratch, names[0])) >= 80
        support.eventually(lambda: proved() and b"\r" in terminal.seen, "some of the file")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.process.wait(support.PATIENCE) == 130
    finally:
        terminal.close()
    lines = re.findall(rb"\r([^\r\n\x1b]+)\x1b\[K", terminal.seen)
    assert lines and all(len(line.decode()) < columns for line in lines)
    # The line was taken away, and whatever was said after it ends a line of its own.
    assert terminal.seen.rpartition(b"\r\x1b[K")[2].rstrip(b"\r\n").count(b"\r") == 0
    assert terminal.seen.endswith((b"\n", b"\r\x1b[K"))
    assert not os.path.exists(target)
    done = box.run("get", "--json", "box:" + source, target)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 4 << 20
    assert digest(target) == want and leftovers(box.landline.scratch) == []


def cells(character):
    """How many columns it takes."""
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


class Screen:
    """What a terminal of so many columns makes of bytes: `lines`, each as it was before it was wrapped."""

    def __init__(self, columns, written):
        self.columns, self.lines, self.row, self.at = columns, [""], "", 0
        for part in re.findall(r"\x1b\[K|.", written.decode(), re.S):  # which fails where something is no UTF-8
            self.take(part)

    def take(self, part):
        if part == "\r":
            self.at, self.begin = 0, True
        elif part == "\n":
            self.lines.append("")
            self.at, self.row = 0, ""
        elif part == "\x1b[K":
            # All of the row goes that is behind the cursor: progress begins each time at the first column.
            self.lines[-1] = self.lines[-1][:len(self.lines[-1]) - len(self.row)] + self.row[:self.shown()]
            self.row = self.row[:self.shown()]
        else:
            self.show(part)

    def shown(self):
        """How many characters of the row are before the cursor."""
        width = 0
        for n, character in enumerate(self.row):
            width += cells(character)
            if width > self.at:
                return n
        return len(self.row)

    def show(self, character):
        assert unicodedata.category(character) != "Cc", "%r goes to the terminal" % character
        if self.at + cells(character) > self.columns:
            self.at, self.row = 0, ""
        kept = self.lines[-1][:len(self.lines[-1]) - len(self.row)]
        n = self.shown()
        self.row = self.row[:n] + character + self.row[n + 1:]
        self.lines[-1] = kept + self.row
        self.at += cells(character)


HARD = ["漢字かな交じり文" * 9, "e\u0301" * 60, "👩\u200d👧🏽" * 12, "ｗｉｄｅ" * 15, "plain", b"\xff\xfe not \xc3", b"\x1b[31m\x07\r\n\t\x9b2J",
        "\u202eright to left\u2066", "한글" * 40]


@pytest.mark.parametrize("columns", [20, 21, 22, 39, 40, 79, 80, 81, 132, 299, 300])
def test_hard_names_on_a_terminal(box, columns):
    """Whatever a name is made of and however wide the terminal is: the progress line never wraps, and nothing of it remains; each
    failure is a line of its own, in which nothing drives the terminal."""
    source, target = (os.path.join(box.landline.scratch, n) for n in ("source", "target"))
    os.mkdir(source)
    fill(os.path.join(source, "a"), 1500000)
    for name in HARD:
        os.mkfifo(os.path.join(os.fsencode(source), os.fsencode(name)))
    terminal = Terminal(box, columns, "get", "--limit", "2M", "box:" + source, target)
    try:
        assert terminal.process.wait(support.PATIENCE) == 1
    finally:
        terminal.close()
    shown = re.findall(rb"\r([^\r\n\x1b]+)\x1b\[K", terminal.seen)
    assert shown and all(0 < sum(map(cells, line.decode())) < columns for line in shown)
    lines = Screen(columns, terminal.seen.replace(b"\r\n", b"\n")).lines
    assert lines.pop() == "" and lines.pop().startswith("landline: box: 1 file, "), lines
    assert len(lines) == len(HARD), lines
    assert all(re.fullmatch(r"landline: box: source/.+: .+", line) for line in lines), lines
    assert sum("漢字" in line for line in lines) == sum("👩" in line for line in lines) == 1
    assert sum("\\xff\\xfe not \\xc3" in line for line in lines) == 1


# What a busy machine does not need to hand on a byte; and a standstill is longer.
SILENCE = "8s"


def stood_still(terminal):
    support.eventually(lambda: re.search(rb"nothing moves since 1\d", terminal.seen), "the standstill")


def test_a_reader_that_stands_still(landline):
    """What nobody takes fills the ring, and then a client receives only now and then: enough to know that the server lives."""
    with pair(landline, through_relay=True) as far:
        source = os.path.join(landline.scratch, "source")
        want = fill(source, 40000000)
        before = far.relay.connections
        terminal = Terminal(far, 80, "get", "box:" + source, "-", stdout=subprocess.PIPE,
                            env={"LANDLINE_SILENCE": SILENCE})
        try:
            stood_still(terminal)
            got = hashlib.file_digest(terminal.process.stdout, "sha256").hexdigest()
            assert terminal.process.wait(support.PATIENCE) == 0, terminal.seen
        finally:
            terminal.process.stdout.close()
            terminal.close()
        assert got == want and far.relay.connections == before + 1


def anonymous_memory(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"RssAnon:\s*(\d+)", f.read()).group(1))


def worker_of(keeper, gate):
    return next((pid for pid in support.children(keeper) if pid != gate), 0)


def test_a_disk_that_stands_still(landline):
    """A writer that does not go on holds up the gate, which then receives only now and then: enough to say that it lives, and
    without piling up what comes."""
    with pair(landline, through_relay=True) as far:
        source, target = (os.path.join(landline.scratch, n) for n in ("source", "target"))
        want = fill(source, 40000000)
        connections, gate = far.relay.connections, support.gate_of(far.server.pid)
        before = anonymous_memory(gate)
        terminal = Terminal(far, 80, "put", "--limit", "8M", source, "box:" + target, env={"LANDLINE_SILENCE": SILENCE})
        worker = 0
        try:
            support.eventually(lambda: unfinished(landline.scratch) > 1 << 20, "some of the file")
            worker = worker_of(far.server.pid, gate)
            os.kill(worker, signal.SIGSTOP)
            stood_still(terminal)
            assert anonymous_memory(gate) - before < 4 << 10
            os.kill(worker, signal.SIGCONT)
            assert terminal.process.wait(support.PATIENCE) == 0, terminal.seen
        finally:
            if worker and support.exists(worker):
                os.kill(worker, signal.SIGCONT)
            terminal.close()
        assert digest(target) == want and far.relay.connections == connections + 1


def test_nobody_works_while_nothing_comes(box):
    """A source that says nothing costs no time: neither end of a ring wakes the other while both wait."""
    target = os.path.join(box.landline.scratch, "target")
    client = box.start("put", "-", "box:" + target, stdin=subprocess.PIPE)
    gate = support.gate_of(box.server.pid)
    worker = support.eventually(lambda: worker_of(box.server.pid, gate), "a writer")

    def sleeps():
        with open("/proc/%d/status" % worker) as f:
            return int(re.search(r"\nvoluntary_ctxt_switches:\s*(\d+)", f.read()).group(1))
    client.stdin.write(b"x" * 300000)
    client.stdin.flush()
    support.eventually(lambda: unfinished(box.landline.scratch) > 0, "the first piece")
    before = sleeps()
    # Time goes by in which others are served.
    for _ in range(20):
        assert box.run("ls", "box:" + box.landline.scratch).returncode == 0
    assert sleeps() - before < 20
    client.stdin.close()
    assert client.wait() == 0, client.stderr.text()
    assert os.path.getsize(target) == 300000
