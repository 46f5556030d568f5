"""landline get and put: what cp's users expect of the words on the command line."""

import os
import random
import re
import time

import pytest

from test_files import box, digest, fill, here, there  # noqa: F401: fixtures

pytestmark = pytest.mark.timeout(180)


def test_home_and_relative_paths(box, here):
    """~ is the home folder on the other side, and so is a path without a slash in front."""
    home = os.path.join(here, "home")
    os.mkdir(home)
    want = fill(os.path.join(here, "f"), 1000)
    invite = box.invite("get,put", "--root", home)
    assert box.add(invite, "own", home=box.client_home + "2").returncode == 0

    def run(*words):
        done = box.run(*words, cwd=here, home=box.client_home + "2")
        assert done.returncode == 0, (words, done.stderr)
    for n, path in enumerate(("~/a", "b", "~", "")):
        run("put", "f", "own:" + path)
        run("get", "own:" + (path if n < 2 else path + "/f" if path else "f"), "g%d" % n)
        assert digest(os.path.join(here, "g%d" % n)) == want
    assert sorted(os.listdir(home)) == ["a", "b", "f"]
    # The tilde of a name is only a letter.
    run("put", "f", "own:~x")
    assert "~x" in os.listdir(home)


@pytest.mark.parametrize("verb", ["get", "put"])
def test_several_sources(box, here, there, verb):
    names = ["one", "two", "folder"]
    for name in names[:2]:
        fill(os.path.join(here, name), 100, len(name))
    os.mkdir(os.path.join(here, "folder"))
    fill(os.path.join(here, "folder", "three"), 30)
    paths = [os.path.join(here, name) for name in names]
    target = os.path.join(there, "new")
    words = ["get", *("box:" + p for p in paths), target] if verb == "get" else ["put", *paths, "box:" + target]
    done = box.run(*words)
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(target)) == sorted(names) and os.listdir(os.path.join(target, "folder")) == ["three"]


@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_folder_or_a_new_name(box, here, there, verb):
    """DEST/ is a folder, made where it is missing; DEST is a new name, or a folder that is there."""
    want = fill(os.path.join(here, "f"), 500)
    for destination, arrives in (("new/", "new/f"), ("name", "name"), ("new", "new/f"), ("new/name", "new/name")):
        target = os.path.join(there, destination)
        words = ["get", "box:" + os.path.join(here, "f"), target] if verb == "get" else \
            ["put", os.path.join(here, "f"), "box:" + target]
        done = box.run(*words)
        assert done.returncode == 0, (destination, done.stderr)
        assert digest(os.path.join(there, arrives)) == want
    assert sorted(os.listdir(there)) == ["name", "new"] and sorted(os.listdir(os.path.join(there, "new"))) == ["f", "name"]


@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_limited_rate(box, here, there, verb):
    """It takes as long as the rate says, less what goes at once."""
    want = fill(os.path.join(here, "f"), 3 << 20)
    names = [os.path.join(here, "f"), os.path.join(there, "f")]
    names[0 if verb == "get" else 1] = "box:" + names[0 if verb == "get" else 1]
    began = time.monotonic()
    assert box.run(verb, "--limit", "2M", *names).returncode == 0
    assert time.monotonic() - began > 1.2
    assert digest(os.path.join(there, "f")) == want


def test_a_pipe_is_a_pipe(box, here, there):
    """- alone stands for standard input and output; ./- is a file."""
    data = random.Random(4).randbytes(5 << 20)
    assert box.run("put", "-", "box:%s/-" % there, input=data).returncode == 0
    assert box.run("get", "box:%s/-" % there, "-").stdout == data
    assert box.run("put", "-", "box:%s/empty" % there, input=b"").returncode == 0
    assert os.path.getsize(os.path.join(there, "empty")) == 0
    assert box.run("get", "box:%s/-" % there, "./-", cwd=here).returncode == 0
    assert box.run("put", "./-", "box:%s/again" % there, cwd=here).returncode == 0
    assert open(os.path.join(there, "again"), "rb").read() == data


NASTY = "a\nb\x1b[31m\\c"
SHOWN = rb"a\nb\x1b[31m\\c"


def test_a_name_is_escaped_once_wherever_it_is_said(box, here, there):
    """By the server's file worker that fails as a whole, in a problem of one file, and of a name on this side."""
    fill(os.path.join(here, "f"), 10)
    open(os.path.join(there, NASTY), "wb").close()
    os.symlink("nowhere", os.path.join(here, NASTY))
    os.mkdir(os.path.join(here, "tree"))
    os.mkfifo(os.path.join(here, "tree", NASTY))
    for words in (("put", "f", "box:%s/%s/x" % (there, NASTY)), ("put", "tree", "box:" + there),
                  ("get", "box:%s/%s" % (there, NASTY + "no"), "."), ("get", "box:%s/f" % here, "%s/x" % NASTY),
                  ("put", NASTY + "no", "box:" + there), ("run", "box", "--", NASTY)):
        done = box.run(*words, cwd=here)
        names = re.findall(rb"a\\+nb\S*?c", done.stderr)
        assert done.returncode != 0
        assert all(line.startswith(b"landline: ") for line in done.stderr.splitlines()), done.stderr
        assert names and set(names) == {SHOWN}, done.stderr
