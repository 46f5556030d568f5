"""Many who watch one run: LIMIT_RUN_WATCHERS (lib/base/limits.h) of them, for what each says is compared with all the others."""

import os
import signal

import pytest

import support
from door import door, lp  # noqa: F401

pytestmark = pytest.mark.timeout(180)

WATCHERS, FULL = 1024, 41


def opened(peer, streams):
    peer.wait(lambda: all(s.opened is not None or s.refused for s in streams))
    return [s for s in streams if s.refused is None]


def test_as_many_as_may(door, landline):
    """All of them get all of the output; one more is told, and has a place when another has left."""
    go = os.path.join(landline.scratch, "go")
    os.mkfifo(go)
    peer, run_id = door.dial(), lp.new_id()
    first = peer.open(b"run", lp.run_request(run_id, [b"sh", b"-c", b"read x < %s; seq 1 2000" % os.fsencode(go)]))
    watchers = [first] + [peer.attach(run_id) for _ in range(WATCHERS - 2)]
    assert len(opened(peer, watchers)) == WATCHERS - 1
    watchers.append(peer.attach(run_id))
    beyond = peer.attach(run_id)
    assert opened(peer, [watchers[-1], beyond]) == [watchers[-1]] and beyond.refused.code == FULL
    peer.send(lp.DONE, b"", 0, watchers.pop().number)
    watchers.append(peer.attach(run_id))
    assert len(opened(peer, watchers[-1:])) == 1
    with open(go, "w") as f:
        f.write("\n")
    want = b"".join(b"%d\n" % n for n in range(1, 2001))
    for watcher in watchers:
        peer.finish(watcher)
        assert watcher.output[1] == want
    support.eventually(lambda: support.children(door.box.server.pid) == [support.gate_of(door.box.server.pid)], "its end")


def test_more_output_than_fits_between_keeper_and_gate(door):
    """It waits where it is kept; it was put into one buffer, and where that was full the gate had to go, with all its clients."""
    gate, size, peers = support.gate_of(door.box.server.pid), 65000, [door.dial() for _ in range(3)]
    command = b"head -c %d /dev/zero; head -c %d /dev/zero >&2" % (size, size)
    for peer in peers:
        run_id = lp.new_id()
        peer.finish(peer.open(b"run", lp.run_request(run_id, [b"sh", b"-c", command])))
        peer.run_id = run_id
    os.kill(door.box.server.pid, signal.SIGSTOP)  # so that all of them come at once
    try:
        for peer in peers:
            peer.watchers = [peer.attach(peer.run_id) for _ in range(WATCHERS)]
            peer.send(lp.PING, bytes(8))
            while peer.receive()[0] != lp.PONG:
                pass
    finally:
        os.kill(door.box.server.pid, signal.SIGCONT)
    for watcher in peers[0].watchers:
        peers[0].finish(watcher)
        assert watcher.output == {1: bytes(size), 2: bytes(size)}
        watcher.output = {1: b"", 2: b""}
    assert support.gate_of(door.box.server.pid) == gate
