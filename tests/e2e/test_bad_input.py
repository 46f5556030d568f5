"""Bad input to every subcommand: one line that says what is wrong, the right exit status, nothing changed."""

import os
import re

import pytest

import support

pytestmark = pytest.mark.timeout(120)

# Where the command's own status passes through, landline's failures are 125; elsewhere a wrong command line is 2 and what
# cannot be done is 1.
PASSING = {"run", "shell", "attach", "result"}
RUN = "a" * 26

# subcommand: command lines that are wrong in themselves, each with a word of its sentence
WRONG = {
    "run": [([], "missing"), (["--timeout", "x", "box", "true"], "duration"), (["box"], "which command")],
    "shell": [([], "missing"), (["a", "b"], "one word too many"), (["--give-up", "x", "a"], "duration")],
    "attach": [([], "missing"), (["box"], "missing"), (["box", "a", "b"], "too many"),
               (["--from", "maybe", "box", RUN], "start or now")],
    "runs": [([], "missing"), (["a", "b"], "too many")],
    "result": [([], "missing"), (["box", "x"], "not the id of a run")],
    "kill": [([], "missing"), (["box"], "missing"), (["box", "x"], "not the id of a run"),
             (["box", RUN, "NOPE"], "NOPE"), (["box", RUN, "65"], "65")],
    "upper": [([], "missing")],
    "get": [([], "missing"), (["x"], "HOST:PATH"), (["--overwrite", "x", "box:a"], "different"),
            (["--compress", "x", "box:a"], "zstd")],
    "put": [([], "missing"), (["x"], "missing"), (["/etc/passwd", "box"], "HOST:"),
            (["--overwrite", "x", "/etc/passwd", "box:"], "different")],
    "ls": [([], "missing"), (["box"], "HOST:PATH"), (["box:a", "b"], "too many")],
    "add": [([], "missing"), (["a b"], "not a name"), ([""], "not a name"), (["x" * 65], "not a name"),
            (["a", "b"], "too many")],
    "hosts": [(["nonsense"], "list, rename"), (["rename", "a"], "takes 2 words, not 1"),
              (["remove"], "takes 1 word, not 0")],
    "key": [(["extra"], "too many")],
    "serve": [(["extra"], "too many"), (["--listen", "nonsense"], "not an address"),
              (["--listen", "127.0.0.1:65536"], "not an address"), (["--clients", "0"], "1 to 16384")],
    "invite": [(["extra"], "too many"), (["--for", "never"], "duration"), (["--for", "31d"], "30d"),
               (["--as", "root", "--address", "a:b:c"], "write HOST:PORT, or [ADDRESS]:PORT for IPv6"),
               (["--as", "no-such-user"], "no such user"), (["--as", "root", "--grant", "fly"], "name some of"),
               (["--as", "root", "--root", "relative"], "absolute")],
    "grants": [(["nonsense"], "list, change or revoke"), (["revoke"], "needs the name"), (["change"], "needs the name")],
    "classic": [([], "missing"), (["serve", "nonsense"], "nonsense"),
                (["serve", "upper", "--listen", "192.0.2.1:5"], "not a loopback address")],
    "trace": [([], "HOST")],
    "ping": [([], "missing"), (["a", "b"], "too many"), (["--count", "x", "h"], "not a number")],
    "doctor": [(["a", "b"], "too many")],
}

# What is well said and cannot be done.
IMPOSSIBLE = {
    "run": [(["nobody", "true"], "no host 'nobody'")],
    "shell": [(["nobody"], "no host 'nobody'")],
    "attach": [(["nobody", RUN], "no host 'nobody'")],
    "runs": [(["nobody"], "no host 'nobody'")],
    "result": [(["nobody", RUN], "no host 'nobody'")],
    "kill": [(["nobody", RUN], "no host 'nobody'")],
    "upper": [(["nobody", "x"], "no host 'nobody'")],
    "get": [(["nobody:x"], "no host 'nobody'")],
    "put": [(["/nonexistent", "nobody:x"], "/nonexistent"), (["/etc/passwd", "nobody:x"], "no host 'nobody'")],
    "ls": [(["nobody:x"], "no host 'nobody'")],
    "add": [(["box"], "no invite came")],
    "hosts": [(["remove", "nobody"], "no host 'nobody'"), (["rename", "nobody", "b"], "no host 'nobody'")],
    "serve": [(["--listen", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0")],
    "grants": [(["revoke", "nobody"], "no key is called 'nobody'"), (["change", "nobody"], "no key is called 'nobody'")],
}


def subcommands(landline):
    return re.findall(r"^  ([a-z]+) ", landline("--help").stdout.decode(), re.M)


def made(home):
    """The files that landline made, without the locks that guard them."""
    return [os.path.join(folder, name) for folder, _, names in os.walk(home) for name in names
            if name not in ("lock", "hosts.lock", "running")]


def refused(landline, status, words, what):
    done = landline(*words)
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (status, b""), (words, done)
    assert text.startswith("landline: ") and text.count("\n") == 1 and what in text, (words, text)


def test_every_subcommand_is_tried(landline):
    assert sorted(subcommands(landline)) == sorted(WRONG)


@pytest.mark.parametrize("command", sorted(WRONG))
def test_wrong_command_lines(landline, command):
    for words, what in [*WRONG[command], (["--no-such-option"], "unknown option '--no-such-option'")]:
        refused(landline, 125 if command in PASSING else 2, [command, *words], what)
    assert made(landline.home) == []


@pytest.mark.parametrize("command", sorted(IMPOSSIBLE))
def test_what_cannot_be_done(landline, command):
    for words, what in IMPOSSIBLE[command]:
        refused(landline, 125 if command in PASSING else 1, [command, *words], what)
    assert [path for path in made(landline.home) if not path.endswith("server/key")] == []


@pytest.mark.parametrize("words", [["nonsense"], [""], ["-x"], ["\x1b[2J"]])
def test_no_subcommand(landline, words):
    done = landline(*words)
    assert done.returncode == 2 and done.stdout == b"" and done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
