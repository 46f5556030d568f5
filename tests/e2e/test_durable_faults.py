"""What a run survives, with real processes: gates that die, links cut at random, frozen and renumbered, clients that are
killed; and what it does to those who come back.

LANDLINE_CUTS=all does it at full size: 200 cuts through 20,000,000 lines and through a GiB both ways, 100 gates killed under
50 commands. LANDLINE_SEED=N chooses the places; the seed is printed."""

import hashlib
import json
import os
import random
import re
import signal
import subprocess
import threading

import pytest

import relay
import support
from pair import pair

pytestmark = pytest.mark.timeout(240)

FULL = os.environ.get("LANDLINE_CUTS") == "all"
SILENT = {"LANDLINE_SILENCE": "1s"}


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


@pytest.fixture
def far(landline):
    with pair(landline, through_relay=True) as both:
        yield both


def seeded():
    chosen = int(os.environ.get("LANDLINE_SEED") or random.SystemRandom().randrange(1 << 32))
    print("LANDLINE_SEED=%d" % chosen)
    return random.Random(chosen)


def detach(box, *words):
    done = box.run("run", "--detach", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


# --- random cuts ---


def random_cuts(chance, count, most):
    return [relay.Cut(chance.choice((relay.RST, relay.FIN, relay.HALF)), chance.choice((relay.UP, relay.DOWN)),
                      chance.randrange(1, most)) for _ in range(count)]


def digest_of_lines(count):
    digest = hashlib.sha256()
    for first in range(1, count + 1, 100_000):
        digest.update(b"".join(b"%d\n" % i for i in range(first, min(first + 100_000, count + 1))))
    return digest.hexdigest()


@pytest.mark.timeout(3600)
def test_lines_through_random_cuts(far):
    chance = seeded()
    lines, cuts, most = (20_000_000, 200, 1_400_000) if FULL else (500_000, 10, 300_000)
    far.relay.cuts[:] = [relay.Cut(chance.choice((relay.RST, relay.FIN, relay.HALF)), relay.DOWN,
                                   chance.randrange(1, most)) for _ in range(cuts)]
    p = subprocess.Popen([support.LANDLINE, "run", "box", "seq", "1", str(lines)], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, env=far.landline.environment(far.client_home, {**far.env, **SILENT}))
    came = hashlib.sha256()
    for piece in iter(lambda: p.stdout.read1(1 << 20), b""):
        came.update(piece)
    assert p.wait(support.PATIENCE) == 0 and came.hexdigest() == digest_of_lines(lines)
    assert not far.relay.cuts and far.relay.connections > cuts


@pytest.mark.timeout(3600)
def test_both_ways_through_random_cuts(far):
    """What goes in comes back, and its digest is counted there too."""
    chance = seeded()
    mib, cuts, most = (1024, 200, 8_000_000) if FULL else (32, 10, 4_000_000)
    block = chance.randbytes(1 << 20)
    sent, came = hashlib.sha256(), hashlib.sha256()
    far.relay.cuts[:] = random_cuts(chance, cuts, most)
    p = subprocess.Popen([support.LANDLINE, "run", "box", "sh", "-c", "{ tee /dev/fd/3 | sha256sum >&2; } 3>&1"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=far.landline.environment(far.client_home, {**far.env, **SILENT}))

    def feed():
        for _ in range(mib):
            p.stdin.write(block)
            sent.update(block)
        p.stdin.close()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    for piece in iter(lambda: p.stdout.read1(1 << 20), b""):
        came.update(piece)
    complaint = p.stderr.read()
    feeder.join(support.PATIENCE)
    assert p.wait(support.PATIENCE) == 0, complaint
    assert came.hexdigest() == sent.hexdigest() and complaint.split()[0].decode() == sent.hexdigest()
    assert not far.relay.cuts and far.relay.connections > cuts


# --- the gate ---


@pytest.mark.timeout(1800)
def test_gates_killed_under_many_runs(box):
    chance = seeded()
    kills, commands = (100, 50) if FULL else (6, 10)
    marks = os.path.join(box.landline.scratch, "marks")
    enough = os.path.join(box.landline.scratch, "enough")
    script = "echo x >> %s; i=0; while ! [ -e %s ]; do echo $i; echo e$i >&2; i=$((i+1)); sleep 0.05; done; exit 7"
    clients = [box.start("run", "box", "sh", "-c", script % (marks, enough)) for _ in range(commands)]
    for client in clients:
        client.stdout.wait_for(rb"0\n")
    for _ in range(kills):
        gate = support.gate_of(box.server.pid)
        some = chance.choice(clients)
        before = len(some.stdout.data)
        os.kill(gate, signal.SIGKILL)
        support.eventually(lambda: not support.exists(gate), "the end of the gate")
        if chance.random() < 0.7:  # else the next one dies while they still come back
            support.eventually(lambda: len(some.stdout.data) > before, "a client is back")
    open(enough, "w").close()
    for client in clients:
        assert client.wait() == 7, client.stderr.text()
        lines = client.stdout.data.split()
        assert lines == [b"%d" % i for i in range(len(lines))]
        assert client.stderr.data.split() == [b"e%d" % i for i in range(len(lines))]
    with open(marks) as f:
        assert f.read() == "x\n" * commands


# --- links ---


def test_a_frozen_link_is_noticed(far):
    """No end, no reset, no answer: only silence tells. And for longer than the client waits, a few times over."""
    gate = support.Gate(far.landline.scratch)
    p = far.start("run", "-v", "box", "sh", "-c", "echo up; %s; echo down; exit 4" % gate.wait, env=SILENT)
    p.stdout.wait_for(b"up")
    for times in (1, 2):
        far.relay.cut_all(relay.FREEZE)
        support.eventually(lambda: p.stderr.text().count("the link is back after") >= times, "the silence is noticed")
    gate.open()
    assert p.wait() == 4
    assert p.stdout.data == b"up\ndown\n"


def test_down_for_longer_than_every_timeout(far):
    gate = support.Gate(far.landline.scratch)
    script = "echo up; %s; echo down; exit 4" % gate.wait
    p = far.start("run", "-v", "box", "sh", "-c", script, env={"LANDLINE_SILENCE": "300ms"})
    p.stdout.wait_for(b"up")
    far.relay.set_open(False)
    far.relay.cut_all(relay.FREEZE)
    # Each attempt that is refused is told; between them the pauses grow.
    support.eventually(lambda: p.stderr.text().count("\n") >= 6, "attempts that fail")
    far.relay.set_open(True)
    gate.open()
    assert p.wait() == 4 and p.stdout.data == b"up\ndown\n"


def test_a_terminal_whose_link_froze_does_not_wait_for_the_dead_connection(far):
    """On a terminal the program is held to what the network has taken; what its client has left takes nothing."""
    p = far.start("run", "-t", "box", "sh", "-c", "echo up; sleep 1; seq 1 100000; echo down", env=SILENT)
    p.stdout.wait_for(b"up")
    far.relay.cut_all(relay.FREEZE)
    assert p.wait(30) == 0  # the server itself would wait 45 s
    assert p.stdout.data.replace(b"\r", b"") == b"up\n" + b"".join(b"%d\n" % i for i in range(1, 100001)) + b"down\n"


def test_unwanted_output_ends_the_program_after_a_cut(far):
    """The reader has gone, and the connection that had not heard of it is dead: the program still gets EPIPE."""
    told = os.path.join(far.landline.scratch, "told")
    run = subprocess.Popen([support.LANDLINE, "run", "box", "sh", "-c", "echo up; sleep 1.5; yes; echo $? > %s" % told],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                           env=far.landline.environment(far.client_home, {**far.env, **SILENT}))
    assert run.stdout.readline() == b"up\n"
    far.relay.cut_all(relay.HALF)
    run.stdout.close()
    support.eventually(lambda: os.path.exists(told), "EPIPE", 30)  # the server itself would wait 45 s
    assert run.wait(support.PATIENCE) == 0


# --- who feeds, who watches ---


def test_input_is_taken_over(box):
    """The one that fed it is told, and what the new one says arrives."""
    first = box.start("run", "--json", "box", "sh", "-c", "while read line; do echo got $line; done; exit 3",
                      stdin=subprocess.PIPE)
    run = first.stdout.wait_for(rb'"id":"([a-z2-7]{26})"').group(1).decode()
    first.stdin.write(b"one\n")
    first.stdin.flush()
    first.stdout.wait_for(b"got one")
    second = box.start("attach", "--input", "box", run, stdin=subprocess.PIPE)
    second.stdout.wait_for(b"got one\n")
    second.stdin.write(b"two\n")
    second.stdin.close()
    assert second.wait() == 3 and second.stdout.data == b"got one\ngot two\n"
    assert first.wait() == 3 and b"got two" in first.stdout.data


def test_another_key_needs_the_grant_for_it(box):
    run = detach(box, "box", "sh", "-c", "echo mine; exit 6")
    assert box.run("attach", "box", run).returncode == 6
    for grant, status in (("run", None), ("run,others", 6)):
        home = os.path.join(box.landline.scratch, "other-%s" % grant)
        assert box.add(box.invite(grant), home=home).returncode == 0
        done = box.run("attach", "box", run, home=home)
        listed = box.run("runs", "box", home=home)
        if status is None:
            assert done.returncode in (122, 125) and done.stdout == b"" and run.encode() not in listed.stdout
        else:
            assert (done.returncode, done.stdout) == (status, b"mine\n") and run.encode() in listed.stdout


# --- output that nobody takes ---

RING = 64 << 20


def numbers(box, run):
    done = box.run("runs", "--json", "box")
    return next(r for r in map(json.loads, done.stdout.splitlines()) if r["id"] == run)


def test_a_full_store_makes_the_program_wait(box):
    run = detach(box, "box", "sh", "-c", "head -c 80000000 /dev/zero; exit 8")
    support.eventually(lambda: numbers(box, run)["kept_bytes"] == RING, "the store is full")
    assert numbers(box, run)["state"] == "running"
    done = box.run("attach", "box", run)
    assert (done.returncode, len(done.stdout)) == (8, 80_000_000)
    entry = numbers(box, run)
    assert entry["kept_bytes"] <= RING and entry["expires_ms"] > 0 and entry["watchers"] == 0


def test_the_oldest_is_dropped_and_it_is_said(box):
    script = "head -c 80000000 /dev/zero; echo the end; exit 8"
    run = detach(box, "--drop-oldest", "box", "sh", "-c", script)
    support.eventually(lambda: numbers(box, run)["state"].startswith("exited"), "it does not wait")
    status = os.path.join(box.landline.scratch, "status")
    done = box.run("attach", "--status", status, "box", run)
    with open(status) as f:
        said = json.load(f)
    assert done.returncode == 8 and done.stdout.endswith(b"the end\n")
    assert len(done.stdout) + said["stdout_dropped"] == 80_000_008
    assert re.search(rb"of standard output were dropped", done.stderr)


def test_who_falls_behind_is_no_loss(box):
    """The slow reader is sent away for what is kept, and comes back for it: `--on-loss=kill` does not mean that."""
    marker = os.path.join(box.landline.scratch, "written")
    p = subprocess.Popen([support.LANDLINE, "run", "--drop-oldest", "--on-loss=kill", "box", "sh", "-c",
                          "head -c 200000000 /dev/zero; touch %s; sleep 1.5; exit 3" % marker],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=box.landline.environment(box.client_home, box.env))
    support.eventually(lambda: os.path.exists(marker), "it does not wait for its reader")
    came, complaint = p.communicate(timeout=support.PATIENCE)
    assert p.returncode == 3 and len(came) < 200_000_000, complaint


def test_a_terminal_that_nobody_reads_goes_on(box):
    """No EPIPE can tell its program; more than the store holds must not stop it."""
    told = os.path.join(box.landline.scratch, "told")
    run = subprocess.Popen([support.LANDLINE, "run", "-t", "box", "sh", "-c",
                            "echo up; sleep 0.5; head -c 70000000 /dev/zero; touch %s; sleep 1000" % told],
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                           env=box.landline.environment(box.client_home, box.env))
    assert run.stdout.readline().strip() == b"up"
    run.stdout.close()
    support.eventually(lambda: os.path.exists(told), "it goes on", 60)
    run.terminate()
    run.wait(support.PATIENCE)


# --- programs that are killed ---


def test_a_token_goes_on_where_a_killed_program_was(box):
    chance = seeded()
    folder, marks = (os.path.join(box.landline.scratch, name) for name in ("task", "marks"))
    os.mkdir(folder)
    words = [os.path.join(support.BUILD, "tests", "token"), "box", folder, "sh", "-c",
             "echo x >> %s; for i in $(seq 1 120); do echo line $i; sleep 0.02; done; exit 7" % marks]
    for _ in range(12):
        p = box.landline.spawn(words, env={"LANDLINE_HOME": box.client_home})
        try:
            p.popen.wait(chance.random() * 0.3)  # a point in time is what this is about
        except subprocess.TimeoutExpired:
            p.signal(signal.SIGKILL)
        p.wait()
    done = box.landline.run(words, home=box.client_home)
    assert done.returncode == 7, done.stderr
    with open(os.path.join(folder, "output"), "rb") as f:
        assert f.read() == b"".join(b"line %d\n" % i for i in range(1, 121))
    with open(marks) as f:
        assert f.read() == "x\n"
