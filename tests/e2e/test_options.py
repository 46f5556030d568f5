"""Every option of every subcommand, as its help lists them: what is wrong with a value is said in one line and changes nothing,
and an option means the same before the operands and behind them, attached and apart. (That wrong command lines are refused at
all: test_bad_input.py.)"""

import collections
import json
import os
import re

import pytest

import support
from pair import pair

pytestmark = pytest.mark.timeout(200)

PASSING = {"run", "shell", "attach", "result"}  # whose landline's own status is 125
TAKING_ALL = {"run", "upper"}  # the words behind the host are not looked through
ID = "a" * 26

# Operands that are well said, for subcommands that take options.
OPERANDS = {
    "run": ["box", "true"], "shell": ["box"], "attach": ["box", ID], "runs": ["box"], "result": ["box", ID],
    "kill": ["box", ID], "upper": ["box", "x"], "get": ["box:x"], "put": ["/etc/passwd", "box:"], "ls": ["box:x"], "add": ["x"],
    "hosts": ["list"], "key": [], "serve": [], "invite": ["--as", "root", "--address", "h:1"], "grants": ["change", "x"],
    "classic": ["exec", "127.0.0.1:1"], "trace": ["127.0.0.1:1"], "ping": ["127.0.0.1"], "doctor": [],
}

DURATIONS = ["", "x", "10 parsecs", "-1s", "1.s.", "99999999999999h"]
NUMBERS = ["", "x", "-1", "1.5", "1k", "99999999999999999999"]

# What the help calls a value, or an option of one subcommand: values that are wrong. None: any text will do.
WRONG = {
    "DURATION": DURATIONS, "TIME": DURATIONS, "RATE": ["", "x", "-1", "2M/m", "99999999999999999999999999"], "BYTES": NUMBERS,
    "MASK": ["", "x", "8", "0999", "01000", "-1", "+7"],
    "NAME=SOFT[:HARD]": ["", "nofile", "nofile=", "nofile=x", "nofile=2:1", "nofile=1:", "nofiles=3", "=3", "nofile=-1"],
    "NAME=VALUE": ["", "X", "=x"], "kill|keep[=DURATION]": ["", "maybe", "keep=", "keep=0", "keep=x", "kill=1s"],
    "start|now": ["", "end"], "WHEN": ["", "sometimes"], "HOW": ["", "gzip"], "LANG": ["", "xx"], "VERBS": ["fly", "run,fly"],
    "ADDR:PORT": ["", "nonsense", "127.0.0.1:65536"], "HOST:PORT": ["a:b:c", "h:65536"],
    ("get", "streams"): NUMBERS + ["0", "9"], ("put", "streams"): NUMBERS + ["0", "9"],
    ("run", "nice"): ["", "x", "20", "-21", "--5", "1.5"], ("serve", "clients"): NUMBERS + ["0", "16385"],
    ("invite", "runs"): NUMBERS, ("trace", "count"): NUMBERS, ("trace", "columns"): NUMBERS + ["0", "59", "201"],
    ("ping", "count"): NUMBERS, ("invite", "root"): ["relative"], ("grants", "root"): ["relative"],
    # These do not go with the operands above; test_bad_input.py has them.
    ("invite", "as"): [], ("invite", "address"): [], ("classic", "listen"): [], ("trace", "watch"): [], ("shell", "name"): [""],
    "TEXT": None, "DIR": None, "FILE": None, "none|inherit|FILE": None, "USER": None, "PATTERN": None, "NAME": None,
}


class Option:
    def __init__(self, command, letter, name, value):
        self.command, self.letter, self.name, self.value = command, letter, name, value

    def wrong(self):
        own = WRONG.get((self.command, self.name))
        return own if own is not None else WRONG[self.value]  # a value that is not in the table is one to think about


def options_of(landline, command):
    """The options that `landline COMMAND --help` shows, but for --help."""
    text = landline(command, "--help").stdout.decode().partition("\noptions:\n")[2]
    found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?  ", text, re.M)
    return [Option(command, *row) for row in found if row[1] != "help"]


def contents(home):
    found = {}
    for folder, _, names in os.walk(home):
        for name in names:
            if name in ("lock", "hosts.lock"):  # they guard what is changed, and hold nothing
                continue
            with open(os.path.join(folder, name), "rb") as f:
                found[os.path.join(folder, name)] = f.read()
    return found


def refused(landline, command, words):
    """The line that says why; in every order of options and operands the same."""
    said = set()
    first = OPERANDS[command][:1] if command in TAKING_ALL else OPERANDS[command]
    for line in ([*words, *OPERANDS[command]], [*first, *words, *OPERANDS[command][len(first):]]):
        done = landline(command, *line)
        assert done.returncode == (125 if command in PASSING else 2), (line, done)
        assert done.stdout == b"" and done.stderr.count(b"\n") == 1 and done.stderr.startswith(b"landline: "), (line, done)
        said.add(done.stderr)
    assert len(said) == 1, said
    return said.pop().decode()


def test_every_subcommand_is_tried(landline):
    assert sorted(re.findall(r"^  ([a-z]+) ", landline("--help").stdout.decode(), re.M)) == sorted(OPERANDS)


GRANT = "grant SHA256:%s\n  label x\n  created 1\n  verbs run\n" % ("A" * 43)


@pytest.mark.parametrize("command", OPERANDS)
def test_wrong_values(landline, command):
    os.makedirs(os.path.join(landline.home, "server"), mode=0o700)
    with open(os.path.join(landline.home, "server", "grants"), "w") as f:
        f.write(GRANT)
    before = contents(landline.home)
    for option in options_of(landline, command):
        long = "--" + option.name
        if not option.value:
            assert long + " takes no value" in refused(landline, command, [long + "=x"])
            continue
        for value in option.wrong() or ():
            said = refused(landline, command, [long + "=" + value])
            if not value.startswith("-"):
                assert refused(landline, command, [long, value]) == said
            assert long in said and (value[:20] in said), said
            if option.letter:
                short = refused(landline, command, ["-" + option.letter, value])
                assert value[:20] in short and ("-" + option.letter in short or long in short)
    for words in (["--no-such-option"], ["-Z"], ["--no-such-option=x"]):
        assert "unknown option '%s'" % words[0].partition("=")[0] in refused(landline, command, words)
    assert contents(landline.home) == before


@pytest.mark.parametrize("command", OPERANDS)
def test_missing_values(landline, command):
    for option in options_of(landline, command):
        if not option.value:
            continue
        for word in ["--" + option.name] + (["-" + option.letter] if option.letter else []):
            operands = OPERANDS[command][:1] if command in TAKING_ALL else OPERANDS[command]
            done = landline(command, *operands, word)
            assert done.returncode == (125 if command in PASSING else 2)
            assert done.stderr.decode() == "landline: %s needs a value: %s (see: landline %s --help)\n" % (
                word, option.value, command)


# --- what they do, before the host and behind it ---

SHOWS = ["sh", "-c", "pwd; echo \"$A\"; umask; nice; ulimit -n; cat; tty; echo err >&2; exit 3"]

# (subcommand, option): the value, and the command where another shows more.
MEANT = {
    ("run", "cwd"): ("/tmp",), ("run", "env"): ("A=b c",), ("run", "timeout"): ("300ms", ["sleep", "1000"]),
    ("run", "grace"): ("300ms", ["sh", "-c", "sleep 30 & exit 4"]), ("run", "stdin"): ("none",), ("run", "umask"): ("027",),
    ("run", "nice"): ("19",), ("run", "limit"): ("nofile=77",), ("run", "tty"): (None,), ("run", "detach"): (None, ["true"]),
    ("run", "on-loss"): ("kill",), ("run", "drop-oldest"): (None,), ("run", "give-up"): ("1m",), ("run", "no-broker"): (None,),
    ("run", "json"): (None,), ("run", "status"): ("STATUS",), ("run", "quiet"): (None, ["no-such-program"]),
    ("run", "verbose"): (None,), ("run", "shell"): ("echo $((6*7)); exit 5", []), ("run", "interactive"): (None, []),
    ("shell", "name"): ("x",), ("shell", "cwd"): ("/tmp",), ("shell", "env"): ("A=b c",), ("shell", "on-loss"): ("kill",),
    ("shell", "give-up"): ("1m",), ("shell", "no-broker"): (None,), ("shell", "quiet"): (None,), ("shell", "verbose"): (None,),
    ("attach", "from"): ("now",), ("attach", "input"): (None,), ("attach", "tty"): (None,), ("attach", "give-up"): ("1m",),
    ("attach", "no-broker"): (None,), ("attach", "json"): (None,), ("attach", "status"): ("STATUS",),
    ("attach", "quiet"): (None,), ("attach", "verbose"): (None,), ("runs", "json"): (None,), ("runs", "no-broker"): (None,),
    ("result", "json"): (None,), ("result", "no-broker"): (None,), ("kill", "no-broker"): (None,), ("upper", "no-broker"): (None,),
    ("get", "quiet"): (None,), ("get", "json"): (None,), ("get", "dry-run"): (None,), ("get", "checksum"): (None,),
    ("get", "overwrite"): ("never",), ("get", "no-resume"): (None,), ("get", "limit"): ("9M",), ("get", "compress"): ("zstd",),
    ("get", "verbose"): (None,), ("get", "streams"): ("2",), ("put", "verbose"): (None,), ("put", "streams"): ("2",),
    ("put", "quiet"): (None,), ("put", "json"): (None,), ("put", "dry-run"): (None,), ("put", "checksum"): (None,),
    ("put", "overwrite"): ("never",), ("put", "no-resume"): (None,), ("put", "limit"): ("9M",), ("put", "compress"): ("zstd",),
    ("ls", "json"): (None,), ("ls", "no-broker"): (None,),
}
REMOTE = sorted({command for command, _ in MEANT})


class Place:
    """A host, a run on it that has ended, and files."""

    def __init__(self, box):
        self.box = box
        self.run = box.run("run", "--detach", "box", *SHOWS).stdout.decode().strip()
        box.run("attach", "box", self.run)
        self.folder = os.path.join(box.landline.scratch, "files")
        os.mkdir(self.folder)
        with open(os.path.join(self.folder, "one"), "w") as f:
            f.write("contents\n")
        self.target = os.path.join(self.folder, "two")
        self.status = os.path.join(box.landline.scratch, "status")

    def operands(self, command, instead):
        return {"run": ["box", *(SHOWS if instead is None else instead)], "attach": ["box", self.run],
                "result": ["box", self.run], "kill": ["box", self.run], "upper": ["box", "some text"],
                "get": ["box:%s/one" % self.folder, self.target], "put": [self.folder + "/one", "box:" + self.target],
                "ls": ["box:" + self.folder]}.get(command, ["box"])

    def does(self, command, words):
        """What a command line comes to, without what differs each time."""
        given = {"run": b"echo in\n", "shell": b"echo \"$A\"; pwd; exit 6\r"}.get(command)
        if command == "shell":  # what the user's own start files do is not to be waited for here
            words = ["--env", "HOME=" + self.folder, *words]
        done = self.box.run(command, *words, input=given, env={"TERM": "dumb"})
        files = []
        for path in (self.target, self.status):
            if os.path.exists(path):
                with open(path, "rb") as f:
                    files.append(plain(f.read()))
                os.remove(path)
        said = joined(done.stdout)
        if command == "shell":  # whether what is typed shows once or twice depends on whether the shell was there already
            said = b"".join(line for line in said.splitlines(True) if b"echo" not in line)
        elif b"\r\n" in said:  # a terminal shows what is typed when it comes, before or behind what the program says first
            said = said.replace(b"echo in\r\n", b"", 1)
        return done.returncode, plain(said), plain(done.stderr), files


def joined(text):
    """Pieces of output in JSON put together: where they were cut is chance."""
    whole = collections.Counter()
    if not text.startswith(b'{"event":"opened"'):
        return text
    for line in text.splitlines():
        event = json.loads(line)
        key = event.get("stream") or json.dumps(event)
        whole[key] = (whole[key] or "") + event.get("data", "")
    return repr(sorted(whole.items())).encode()


def plain(text):
    text = re.sub(rb"\b[a-z2-7]{26}\b", b"ID", text)
    text = re.sub(rb"\d+(\.\d+)?", b"N", re.sub(rb"/pts/\d+", b"/pts/N", text))
    return re.sub(rb"in N ?\S+|N \w+/s", b"T", text)


@pytest.mark.parametrize("command", REMOTE)
def test_before_the_host_and_behind_it(landline, command):
    with pair(landline) as box:
        place = Place(box)
        for option in options_of(landline, command):
            value, *instead = MEANT[command, option.name]
            operands = place.operands(command, instead[0] if instead else None)
            value = place.status if value == "STATUS" else value
            spelled = [["--" + option.name] if value is None else ["--%s=%s" % (option.name, value)]]
            if value is not None:
                spelled.append(["--" + option.name, value])
            if option.letter:
                spelled.append(["-" + option.letter])
            came = []
            for words in spelled:
                came.append(place.does(command, [*words, *operands]))
                came.append(place.does(command, [operands[0], *words, *operands[1:]]))
                if command not in TAKING_ALL:
                    came.append(place.does(command, [*operands, *words]))
            assert all(one == came[0] for one in came), (option.name, came)


@pytest.mark.parametrize("command", REMOTE)
def test_two_dashes_end_the_options(landline, command):
    with pair(landline) as box:
        place = Place(box)
        operands = place.operands(command, None)
        came = place.does(command, operands)
        assert place.does(command, ["--", *operands]) == came
        assert place.does(command, [operands[0], "--", *operands[1:]]) == came
        done = box.run(command, *operands[:1], "--", "--json", *(["more"] * 3))
        assert b"unknown option" not in done.stderr and (command == "run") == (done.returncode == 127)
