"""The clock of one of the two machines is wrong: by hours nobody notices, by years a sentence says so."""

import json
import os

import pytest

import support
from pair import Pair

pytestmark = pytest.mark.timeout(120)

YEAR = 365 * 86400


def shifted(seconds):
    # By its name alone: a space in a path would end it.
    return {"LD_PRELOAD": "libclock.so", "LD_LIBRARY_PATH": os.path.join(support.BUILD, "tests"),
            "CLOCK_SHIFT": str(seconds)} if seconds else {}


@pytest.fixture
def box(landline):
    if landline("--version", env=shifted(1)).returncode != 0:
        pytest.skip("this build cannot be preloaded")
    both = Pair(landline)
    yield both
    both.close()


def serve(box, seconds):
    """The same server again, at the same port, with that clock."""
    port = box.server.listening()[1]
    box.server.stop()
    box.server = box.landline.start("serve", "--listen", "127.0.0.1:%d" % port, home=box.server_home,
                                    env=shifted(seconds))
    box.server.listening()


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("hours", [-25, 25])
def test_hours_do_not_matter(box, who, hours):
    if who == "server":
        serve(box, hours * 3600)
    done = box.run("run", "box", "echo", "in", env=shifted(hours * 3600 if who == "client" else 0))
    assert (done.returncode, done.stdout) == (0, b"in\n"), done.stderr


@pytest.mark.parametrize("who", ["client", "server"])
@pytest.mark.parametrize("years", [-20, 5])
def test_years_are_said(box, who, years):
    if who == "server":
        serve(box, years * YEAR)
    env = shifted(years * YEAR if who == "client" else 0)
    status, marker = (os.path.join(box.landline.scratch, name) for name in ("status", "marker"))
    done = box.run("run", "--status", status, "box", "touch", marker, env=env)
    assert (done.returncode, done.stdout) == (125, b"") and done.stderr.count(b"\n") == 1, done
    sentence = done.stderr.decode()
    for words in ("box: the server at " + box.address, "the clocks of the two machines differ by more than a day",
                  "check 'date' on both", "landline doctor box"):
        assert words in sentence, sentence
    with open(status) as f:
        told = json.load(f)
    assert (told["error"], told["status"], told["ending"]) == ("LL_ESILENT", 125, "failed")
    done = box.run("run", "--json", "box", "touch", marker, env=env)
    assert done.returncode == 125
    assert json.loads(done.stdout.splitlines()[-1])["error"] == "LL_ESILENT"
    assert not os.path.exists(marker)
    doctor = box.run("doctor", "box", env=env)
    assert doctor.returncode != 0 and b"clock" in doctor.stdout, doctor


@pytest.mark.parametrize("years", [-20, 5])
def test_pairing_says_it_too(box, years):
    done = box.landline("add", "other", input=box.invite(), home=os.path.join(box.landline.scratch, "other"),
                        env=shifted(years * YEAR))
    assert done.returncode == 1 and done.stderr.count(b"\n") == 1
    assert b"clock" in done.stderr or b"expired" in done.stderr, done.stderr


def test_a_right_clock_again_is_all_it_takes(box):
    assert box.run("run", "box", "true", env=shifted(5 * YEAR)).returncode == 125
    assert box.run("run", "box", "echo", "in").stdout == b"in\n"
