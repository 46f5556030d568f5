"""Runs that outlive connections: every byte once, every command once, whatever the network does.

LANDLINE_SEED=N chooses the cuts of the random tests (their seed is printed), LANDLINE_CUTS=all cuts a recorded session at
every byte instead of at a sample."""

import os
import random
import signal

import pytest

import relay
import support
from pair import pair

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


@pytest.fixture
def far(landline):
    with pair(landline, through_relay=True) as both:
        yield both


def seed():
    chosen = int(os.environ.get("LANDLINE_SEED") or random.SystemRandom().randrange(1 << 32))
    print("LANDLINE_SEED=%d" % chosen)
    return chosen


def detach(box, *words):
    done = box.run("run", "--detach", "box", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


# --- detach, attach, runs, result, kill ---


def test_detach_and_come_back(box):
    marker = os.path.join(box.landline.scratch, "go")
    run = detach(box, "sh", "-c", "echo one; while ! [ -e %s ]; do sleep 0.05; done; echo two; exit 5" % marker)
    assert len(run) == 26
    still = box.run("result", "box", run)
    assert still.returncode == 125 and b"still running" in still.stderr
    watcher = box.start("attach", "box", run)
    watcher.stdout.wait_for(b"one\n")
    listed = box.run("runs", "box").stdout.decode()
    assert run in listed and "running" in listed and "1 watching" in listed
    second = box.start("attach", "box", run)
    second.stdout.wait_for(b"one\n")
    open(marker, "w").close()
    assert (watcher.wait(), second.wait()) == (5, 5)
    assert watcher.stdout.data == second.stdout.data == b"one\ntwo\n"
    again = box.run("attach", "box", run, "--from", "start")
    assert (again.returncode, again.stdout) == (5, b"one\ntwo\n")
    assert box.run("attach", "box", run, "--from", "now").stdout == b""
    result = box.run("result", "box", run)
    assert result.returncode == 5 and result.stdout.startswith(b"exited 5, after ")
    assert b"exited 5" in box.run("runs", "box").stdout


def test_a_watcher_leaves_and_the_run_goes_on(box):
    run = detach(box, "sh", "-c", "echo up; exec sleep 1000")
    watcher = box.start("attach", "box", run)
    watcher.stdout.wait_for(b"up")
    watcher.signal(signal.SIGINT)
    assert watcher.wait() == 130
    assert ("landline attach box %s" % run).encode() in watcher.stderr.data
    assert b"running" in box.run("runs", "box").stdout
    assert box.run("kill", "box", run, "KILL").returncode == 0
    assert box.run("attach", "box", run).returncode == 137


def test_kill_with_a_name_a_number_and_wrong_words(box):
    run = detach(box, "sleep", "1000")
    assert box.run("kill", "box", run, "15").returncode == 0
    assert box.run("attach", "box", run).returncode == 143
    assert box.run("kill", "box", run, "FOO").returncode == 2
    assert box.run("kill", "box", "short").returncode == 2
    unknown = box.run("kill", "box", "b" * 25 + "a")
    assert unknown.returncode == 1 and unknown.stderr.count(b"\n") == 1


@pytest.mark.parametrize("verb", ["attach", "result"])
def test_an_unknown_run_is_said_to_be_unknown(box, verb):
    done = box.run(verb, "box", "b" * 25 + "a")
    assert done.returncode in (122, 125) and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and b"no such run" in done.stderr


def test_the_clients_death_leaves_the_run_to_another(box):
    p = box.start("run", "--json", "box", "sh", "-c", "echo up; sleep 0.5; echo down; exit 6")
    run = p.stdout.wait_for(rb'"id":"([a-z2-7]{26})"').group(1).decode()
    p.stdout.wait_for(b"up")
    p.signal(signal.SIGKILL)
    p.wait()
    done = box.run("attach", "box", run)
    assert (done.returncode, done.stdout) == (6, b"up\ndown\n")


def test_on_loss_kill_leaves_no_process(box):
    p = box.start("run", "--on-loss=kill", "box", "sh", "-c", "sleep 1000 & echo $$ $!; wait")
    pids = [int(word) for word in p.stdout.wait_for(rb"(\d+ \d+)\n").group(1).split()]
    p.signal(signal.SIGKILL)
    p.wait()
    support.eventually(lambda: not any(support.exists(pid) for pid in pids), "the end of the run")


# --- the line drops ---


@pytest.mark.parametrize("how", [relay.RST, relay.FIN])
def test_output_through_cuts(far, how):
    chosen = random.Random(seed())
    far.relay.cuts[:] = [relay.Cut(how, relay.DOWN, chosen.randrange(1, 3_000_000)) for _ in range(10)]
    expected = b"".join(b"%d\n" % i for i in range(1, 2_000_001))
    done = far.run("run", "box", "seq", "1", "2000000")
    assert (done.returncode, done.stdout == expected, done.stderr) == (0, True, b"")
    assert far.relay.connections > 5


def test_both_directions_through_cuts(far):
    chosen = random.Random(seed())
    data = chosen.randbytes(12_000_000)
    far.relay.cuts[:] = [relay.Cut(chosen.choice((relay.RST, relay.FIN)), chosen.choice((relay.UP, relay.DOWN)),
                                   chosen.randrange(1, 3_000_000)) for _ in range(12)]
    done = far.run("run", "box", "cat", input=data, timeout=120)
    assert (done.returncode, done.stdout == data, done.stderr) == (0, True, b"")
    assert far.relay.connections > 5


def test_a_gate_that_is_replaced_is_not_noticed(box):
    p = box.start("run", "box", "sh", "-c", "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done; exit 3")
    p.stdout.wait_for(b"2\n")
    box.server.signal(signal.SIGHUP)
    assert p.wait() == 3
    assert p.stdout.data == b"".join(b"%d\n" % i for i in range(1, 9))


def test_nobody_there_any_more(far):
    p = far.start("run", "--give-up", "500ms", "box", "sh", "-c", "echo up; sleep 1000")
    p.stdout.wait_for(b"up")
    far.relay.set_open(False)
    far.relay.cut_all()
    assert p.wait() == 122
    line = p.stderr.data.decode()
    assert "landline attach box " in line and "not known" in line


def test_verbose_tells_since_when(far):
    gate = support.Gate(far.landline.scratch)
    p = far.start("run", "-v", "box", "sh", "-c", "echo up; %s; echo down" % gate.wait)
    p.stdout.wait_for(b"up")
    far.relay.cut_all()
    p.stderr.wait_for(b"the link is back")
    gate.open()
    assert p.wait() == 0
    assert p.stdout.data == b"up\ndown\n"
    assert "no link since" in p.stderr.text() and "the link is back after" in p.stderr.text()


# --- every byte of a session ---


def record(far):
    """How many bytes a session of the swept command has in each direction."""
    before = list(far.relay.passed)
    swept(far)
    return [after - b for after, b in zip(far.relay.passed, before)]


def swept(far):
    marks = os.path.join(far.landline.scratch, "marks")
    with open(marks, "w"):
        pass
    done = far.run("run", "box", "sh", "-c", "echo x >> %s; cat; echo err >&2; exit 9" % marks, input=b"some input\n")
    with open(marks) as f:
        return done, f.read().count("x")


def offsets(total, chosen):
    if os.environ.get("LANDLINE_CUTS") == "all":
        return range(total + 1)
    return sorted(chosen.sample(range(total + 1), 12))


@pytest.mark.parametrize("direction", [relay.UP, relay.DOWN])
@pytest.mark.timeout(3600)
def test_a_session_cut_at_a_byte(far, direction):
    chosen = random.Random(seed())
    totals = record(far)
    for offset in offsets(totals[direction], chosen):
        cut = relay.Cut(chosen.choice((relay.RST, relay.FIN)), direction, offset)
        far.relay.cuts[:] = [cut]
        done, times = swept(far)
        if done.returncode == 125:
            # Only a link that never came up may say so, and then nothing has run.
            assert times == 0, cut
            assert done.stdout == b"" and done.stderr.count(b"\n") == 1
            continue
        assert (done.returncode, done.stdout, done.stderr, times) == (9, b"some input\n", b"err\n", 1), (cut, done)
