"""The test tools themselves: a leftover, a leaked descriptor and a line that never comes are found."""

import os
import subprocess
import sys

import pytest

import support

PYTHON = "/usr/bin/python3"


def test_a_line_is_waited_for(landline):
    p = landline.spawn([PYTHON, "-c", "import sys; sys.stderr.write('landline: listening on [::1]:4711\\n')"])
    assert p.listening() == ("::1", 4711)
    assert p.wait() == 0


def test_a_line_that_never_comes_fails_at_the_end(landline):
    p = landline.spawn([PYTHON, "-c", "print('something else')"])
    with pytest.raises(AssertionError, match="closed it"):
        p.stdout.wait_for(b"listening")


def test_leftovers_are_found_and_ended(scratch):
    runner = support.Runner(scratch)
    runner.grace = 0.2
    # A process that leaves its session, as a careless daemon does.
    p = runner.spawn([PYTHON, "-c", "import subprocess; p = subprocess.Popen(['sleep', '1000'], start_new_session=True,"
                      " stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(p.pid)"])
    left = int(p.stdout.wait_for(rb"(\d+)\n").group(1))
    assert p.wait() == 0
    with pytest.raises(AssertionError, match="left behind"):
        runner.close()
    support.eventually(lambda: not support.exists(left), "the end of the leftover")


def test_descriptors_and_children_are_counted(landline):
    p = landline.spawn([PYTHON, "-c", "import sys, subprocess; c = subprocess.Popen(['cat'], stdin=subprocess.PIPE);"
                        "f = open('/dev/null'); print('up', flush=True); sys.stdin.read()"], stdin=subprocess.PIPE)
    p.stdout.wait_for(b"up")
    assert "/dev/null" in support.descriptors(p.pid).values()
    assert len(support.children(p.pid)) == 1
    with pytest.raises(AssertionError):
        support.eventually(lambda: len(support.descriptors(p.pid)) <= 3, timeout=0.1)


def test_python_is_debians(build):
    assert os.path.realpath(sys.executable).startswith("/usr/bin/python3")
    assert os.path.isdir(build)
