"""Sessions of run, shell, get and put, cut at a byte in either direction: what they say is true, whatever was cut.

LANDLINE_CUTS=all cuts at every byte in every way (where a session has bulk, at some of its bytes), LANDLINE_CUTS=N at N places of
each kind of session. With
LANDLINE_CUTS_DONE=FILE what is done is noted there, and a later call takes what is left. LANDLINE_SEED=N chooses the places
of a sample; the seed is printed."""

import os
import random

import pytest

import cuts
from pair import pair

SAMPLE = 40
AT_ONCE = 32  # divided by the connections that each has
EDGE = 5000


def seed():
    chosen = int(os.environ.get("LANDLINE_SEED") or random.SystemRandom().randrange(1 << 32))
    print("LANDLINE_SEED=%d" % chosen)
    return chosen


def offsets(total):
    """Every byte; of a session with bulk in it every one of its beginning and its end, and some between."""
    if total < 4 * EDGE:
        return range(total + 1)
    return [*range(EDGE), *range(EDGE, total - EDGE, 40009), *range(total - EDGE, total + 1)]


def places(totals, chosen, done):
    """The first cut of each session."""
    wanted = os.environ.get("LANDLINE_CUTS", str(SAMPLE))
    every = (cuts.Cut(how, direction, offset, line) for line, total in enumerate(totals) for direction in (cuts.UP, cuts.DOWN)
             for how in cuts.KINDS for offset in offsets(total[direction]))
    left = [place for place in every if place not in done]
    return chosen.sample(left, len(left) if wanted == "all" else min(int(wanted), len(left)))


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
        return "%s: %s, %d, %d, %d" % (self.name, *place)

    def __contains__(self, place):
        return self.line(place) in self.lines

    def add(self, place):
        if self.path:
            with open(self.path, "a") as f:
                f.write(self.line(place) + "\n")


@pytest.mark.parametrize("name", cuts.SESSIONS)
@pytest.mark.timeout(8 * 3600)
def test_a_session_cut_at_a_byte(landline, name):
    chosen = random.Random(seed())
    done = Done(name)
    with pair(landline, env=cuts.ENVIRONMENT) as both:
        sweep = cuts.Sweep(both, name, AT_ONCE // cuts.SESSIONS[name].lines)
        try:
            totals = sweep.record()
            todo = places(totals, chosen, done)

            def more(place):
                """Connections that follow may be cut as well."""
                return [cuts.Cut(chosen.choice(cuts.KINDS), direction, chosen.choice(offsets(total[direction])), line)
                        for line, total in enumerate(totals) for direction in (cuts.UP, cuts.DOWN) if chosen.random() < 0.3]

            sweep.cut(todo, more, done.add)
            both.server.stop()
            sweep.check_effects()
        finally:
            sweep.close()
        bytes_ = " and ".join("%d bytes up, %d down" % tuple(total) for total in totals)
        print("%s: %s: %d cuts in %d sessions, all well" % (name, bytes_, sweep.made, sweep.sessions))
