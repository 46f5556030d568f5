"""Fixtures of every end-to-end test; the tools behind them are in e2e/support.py."""

import os
import resource
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "e2e"))

import pytest  # noqa: E402

import support  # noqa: E402

# Crowds of clients need more descriptors than a user has to begin with.
DESCRIPTORS = 20000
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, DESCRIPTORS)), hard))


def pytest_sessionfinish():
    """Tests kill keepers: what is left of their control groups, empty and with nobody's lock, goes with the last test."""
    support.remove_dead_groups()


@pytest.fixture(scope="session")
def build():
    """The build folder: $LANDLINE_BUILD or build/ in the tree."""
    if not os.path.exists(support.LANDLINE):
        pytest.exit("no %s: build first, or set LANDLINE_BUILD" % support.LANDLINE, returncode=2)
    return support.BUILD


@pytest.fixture
def scratch():
    """A folder of the test's own with a short name (UNIX socket paths end at 107 bytes), removed after it."""
    with support.scratch_folder() as folder:
        yield folder


@pytest.fixture
def landline(build, scratch):
    """Runs build/landline. landline("--version") runs it to its end; landline.start("serve", …) leaves it running.

    LANDLINE_HOME is a folder in the test's scratch folder. After the test everything started here is ended, and a
    process that is still there then fails the test.
    """
    runner = support.Runner(scratch)
    yield runner
    runner.close()
