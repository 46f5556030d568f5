"""Sessions of run, shell, get and put, cut at a byte in either direction: what they say is true, whatever was cut.

LANDLINE_CUTS=all cuts at every byte in every way (for hours; LANDLINE_CUTS=N at N places of each kind of session). With
LANDLINE_CUTS_DONE=FILE what is done is noted there, and a later call goes on behind it. LANDLINE_SEED=N chooses the places of
a sample; the seed is printed."""

import concurrent.futures
import os
import queue
import random

import pytest

import relay
import sweep
from pair import pair

AT_ONCE = 8
SAMPLE = 24


def seed():
    chosen = int(os.environ.get("LANDLINE_SEED") or random.SystemRandom().randrange(1 << 32))
    print("LANDLINE_SEED=%d" % chosen)
    return chosen


def places(totals, chosen):
    """(kind, direction, offset) of each cut to be made."""
    wanted = os.environ.get("LANDLINE_CUTS", str(SAMPLE))
    every = [(kind, direction, offset) for direction in (relay.UP, relay.DOWN) for kind in sweep.KINDS
             for offset in range(totals[direction] + 1)]
    return every if wanted == "all" else chosen.sample(every, min(int(wanted), len(every)))


class Done:
    """What was cut already, by an earlier call too."""

    def __init__(self, name):
        self.path = os.environ.get("LANDLINE_CUTS_DONE")
        self.name = name
        self.lines = set()
        if self.path and os.path.exists(self.path):
            with open(self.path) as f:
                self.lines = set(f.read().splitlines())

    def line(self, place):
        return "%s %s %d %d" % (self.name, *place)

    def __contains__(self, place):
        return self.line(place) in self.lines

    def add(self, place):
        if self.path:
            with open(self.path, "a") as f:
                f.write(self.line(place) + "\n")


def cut(sessions, place):
    session = sessions.get()
    try:
        session.cut([relay.Cut(*place)])
    except Exception as problem:
        raise AssertionError("%s: %s" % (relay.Cut(*place), problem)) from problem
    finally:
        sessions.put(session)
    return place


@pytest.mark.parametrize("name", sweep.SESSIONS)
@pytest.mark.timeout(8 * 3600)
def test_a_session_cut_at_a_byte(landline, name):
    chosen = random.Random(seed())
    done = Done(name)
    with pair(landline, env=sweep.ENVIRONMENT) as both:
        sessions = queue.Queue()
        for number in range(AT_ONCE):
            sessions.put(sweep.SESSIONS[name](both, number))
        first = sessions.get()
        todo = [place for place in places(first.record(), chosen) if place not in done]
        sessions.put(first)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for place in pool.map(lambda place: cut(sessions, place), todo):
                done.add(place)
        print("%s: %d cuts, all well" % (name, len(todo)))
        while not sessions.empty():
            sessions.get().close()
