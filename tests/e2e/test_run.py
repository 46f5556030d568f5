"""landline run, upper and -i: what arrives, what comes back, with which status."""

import hashlib
import json
import os
import signal
import subprocess
import time

import pytest

import support
from pair import pair

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


SHOW = "import sys, os; sys.stdout.buffer.write(b'\\0'.join(os.fsencode(a) for a in sys.argv[1:]))"


def test_arguments_arrive_byte_for_byte(box):
    words = [b"a  b", b"c'd\"e", b"", b"$HOME `id` \\", b"new\nline\ttab", b"--", b"-x", b"*", bytes(range(1, 256)),
             "grüße 你好".encode(), b"", b"x" * 100000]
    done = box.run("run", "box", "--", "/usr/bin/python3", "-c", SHOW, *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.split(b"\0") == words


def test_ten_thousand_arguments(box):
    words = [str(i) for i in range(10000)]
    done = box.run("run", "box", "/usr/bin/python3", "-c", "import sys; print(len(sys.argv) - 1, sys.argv[-1])", *words)
    assert done.stdout == b"10000 9999\n"


def test_shell_text_and_upper(box):
    assert box.run("run", "--shell", "echo a | tr a b; exit 4", "box").stdout == b"b\n"
    assert box.run("run", "box", "--shell", "exit 4").returncode == 4
    assert box.run("upper", "box", "hello", "wOrld ä").stdout == "HELLO WORLD ä\n".encode()


@pytest.mark.parametrize("script, status", [
    ("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("exit 122", 122), ("exit 125", 125),
    ("kill -9 $$", 137), ("kill -TERM $$", 143),
])
def test_status_passes_through(box, script, status):
    path = os.path.join(box.landline.scratch, "status")
    done = box.run("run", "--status", path, "box", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (status, b"", b"")
    told = json.load(open(path))
    assert told["status"] == status
    assert told["ending"] == ("signalled" if "kill" in script else "exited")
    assert told.get("code", told.get("signal")) == (status - 128 if "kill" in script else status)


def test_not_found_and_not_executable(box):
    done = box.run("run", "box", "no-such-program")
    assert done.returncode == 127
    assert b"landline: box: 'no-such-program' was not found there" in done.stderr
    done = box.run("run", "box", "/etc/passwd")
    assert done.returncode == 126
    assert done.stderr.startswith(b"landline: box: '/etc/passwd' cannot be executed there")
    assert done.stderr.count(b"\n") == 1


def test_outputs_stay_apart_and_whole(box):
    script = "import sys, os\nfor i in range(2000):\n os.write(1, bytes([i % 256]) * 500)\n os.write(2, bytes([255 - i % 256]) * 500)"
    done = box.run("run", "box", "/usr/bin/python3", "-c", script)
    assert done.stdout == b"".join(bytes([i % 256]) * 500 for i in range(2000))
    assert done.stderr == b"".join(bytes([255 - i % 256]) * 500 for i in range(2000))


def test_input_streams_and_ends(box):
    data = os.urandom(5_000_000)
    done = box.run("run", "box", "sha256sum", input=data)
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()
    assert box.run("run", "box", "cat", input=data).stdout == data
    assert box.run("run", "--stdin", "none", "box", "cat", input=b"not this").stdout == b""
    path = os.path.join(box.landline.scratch, "input")
    with open(path, "wb") as f:
        f.write(b"from a file")
    assert box.run("run", "--stdin", path, "box", "cat", input=b"not this").stdout == b"from a file"


def test_an_input_that_ends_late_ends_there_at_once(box):
    """Nothing else happens on the connection that could carry the news."""
    process = box.start("run", "box", "--", "sh", "-c", "cat; echo end", stdin=subprocess.PIPE)
    process.stdin.write(b"x\n")
    process.stdin.flush()
    process.stdout.wait_for(rb"x\n")
    quiet = time.monotonic() + 0.5  # acknowledgements have gone their way by then
    support.eventually(lambda: time.monotonic() > quiet, "half a second")
    since = time.monotonic()
    process.stdin.close()
    process.stdout.wait_for(rb"end\n")
    assert time.monotonic() - since < 10  # a keepalive comes after 15 s
    assert process.wait() == 0


def test_a_child_that_reads_nothing_does_not_hang(box):
    done = box.run("run", "box", "sh", "-c", "head -c 3000000 /dev/zero", input=b"x" * 3_000_000)
    assert len(done.stdout) == 3_000_000


def test_no_signal_is_ignored_there(box):
    """Commands start with standard signals, whatever the server and we ourselves ignore or catch."""
    done = box.run("run", "box", "grep", "-E", "Sig(Blk|Ign|Cgt)", "/proc/self/status")
    values = dict(line.split(b":") for line in done.stdout.splitlines())
    assert int(values[b"SigBlk"], 16) == int(values[b"SigIgn"], 16) == 0


def test_a_reader_that_leaves_ends_the_writer(box):
    script = "\"%s\" run box yes | head -1; echo ${PIPESTATUS[0]}" % support.LANDLINE
    done = box.landline.run(["/bin/bash", "-c", script], home=box.client_home, env=box.env)
    assert (done.stdout, done.stderr) == (b"y\n141\n", b"")
    # Not we but the writer there had the signal: nothing of it is left.
    assert b"running" not in box.run("runs", "box").stdout


def test_time_out_and_grace(box):
    done = box.run("run", "--timeout", "200ms", "box", "sleep", "100")
    assert done.returncode == 124
    assert b"ran longer than it may" in done.stderr
    done = box.run("run", "--timeout", "200ms", "--grace", "200ms", "--json", "box", "sh", "-c",
                   "trap '' TERM; echo up; while :; do sleep 1; done")
    assert done.returncode == 124
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["ending"], last["signal"]) == ("timed out", 9)


def test_a_grandchild_that_keeps_the_output_does_not_hang(box):
    done = box.run("run", "--grace", "300ms", "box", "sh", "-c", "sleep 1000 & echo $!")
    assert done.returncode == 0
    pid = int(done.stdout)
    assert b"still held its output open" in done.stderr
    if support.exists(pid):
        os.kill(pid, signal.SIGKILL)


def test_environment_folder_umask_nice_limits(box):
    nicer = min(19, os.nice(0) + 5)  # who is no root may not go below what he has
    done = box.run("run", "--cwd", "/tmp", "--env", "A=1 2", "--env=B=", "--umask", "027", "--nice", str(nicer),
                   "--limit", "nofile=77", "box", "sh", "-c", "pwd; echo \"[$A][$B]\"; umask; nice; ulimit -n")
    assert done.stdout.decode().split("\n") == ["/tmp", "[1 2][]", "0027", str(nicer), "77", ""]


def test_the_child_gets_clean_descriptors_signals_and_a_session(box):
    script = "import os, signal; print(sorted(map(int, os.listdir('/proc/self/fd')))[:-1], os.getsid(0) == os.getpid()," \
        "signal.pthread_sigmask(signal.SIG_BLOCK, []), signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = box.run("run", "box", "/usr/bin/python3", "-c", script)
    assert done.stdout == b"[0, 1, 2] True set() True\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_signals_reach_the_command(box, number):
    p = box.start("run", "box", "sh", "-c", "trap 'echo got; exit 9' %d; echo up; while :; do sleep 0.05; done" % number)
    p.stdout.wait_for(b"up")
    p.signal(number)
    assert p.wait() == 9
    assert p.stdout.data == b"up\ngot\n"


def test_a_second_interrupt_leaves_at_once_and_ends_the_run(box):
    p = box.start("run", "box", "sh", "-c", "trap '' INT; echo up $$; while :; do sleep 0.05; done")
    pid = int(p.stdout.wait_for(rb"up (\d+)\n").group(1))
    # Several that come together count as one, as signals do: so again until it is gone.
    support.eventually(lambda: p.popen.poll() is not None or p.signal(signal.SIGINT), "the end of landline")
    assert p.wait() == 130
    support.eventually(lambda: not support.exists(pid), "the end of the run")


def test_json_tells_all(box):
    done = box.run("run", "--json", "box", "sh", "-c", "printf 'a\\377'; echo b >&2; exit 3")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["event"] == "opened" and len(lines[0]["id"]) == 26
    outputs = {line["stream"]: line for line in lines if line["event"] == "output"}
    assert outputs["stdout"]["data_base64"] == "Yf8=" and outputs["stderr"]["data"] == "b\n"
    last = lines[-1]
    assert (last["event"], last["ending"], last["code"], last["status"]) == ("result", "exited", 3, 3)
    assert (last["stdout_bytes"], last["stderr_bytes"], last["verified"]) == (2, 2, True)
    assert done.returncode == 3 and done.stderr == b""


def test_interactive_lines(box):
    done = box.run("run", "box", "-i", input=b"echo hi\n\n   \nexit 3\nls /nonexistent\n")
    assert done.stdout == b"hi\n"
    assert b"[echo hi: 3 bytes, status 0]" in done.stderr and b"[exit 3: 0 bytes, status 3]" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("words, what", [
    (["run"], "something is missing"),
    (["run", "box"], "which command?"),
    (["run", "--shel", "x", "box"], "did you mean '--shell'?"),
    (["run", "--timeout", "abc", "box", "x"], "is not a duration"),
    (["run", "--limit", "nofiles=3", "box", "x"], "names no limit"),
    (["run", "--umask", "99", "box", "x"], "octal"),
    (["run", "--nice", "40", "box", "x"], "-20 to 19"),
    (["run", "--env", "X", "box", "x"], "is not NAME=VALUE"),
    (["run", "--on-loss", "maybe", "box", "x"], "is not kill, keep"),
    (["run", "--shell", "a", "box", "b"], "one too many"),
    (["run", "-t", "--json", "box", "b"], "do not go together"),
    (["run", "--stdin", "/nonexistent", "box", "b"], "cannot read /nonexistent"),
    (["run", "nobody", "x"], "no host 'nobody' is known"),
])
def test_wrong_command_lines(landline, words, what):
    done = landline(*words)
    assert done.returncode == 125
    assert done.stdout == b"" and done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"landline: ") and what in done.stderr.decode()
