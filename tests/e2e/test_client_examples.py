"""The example programs of landline/client.h, on the shared library alone."""

import os

import pytest

import support
from pair import pair

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


def example(box, name, *words):
    return box.landline.run([os.path.join(support.BUILD, "examples", name), *words], home=box.client_home)


def test_run_and_collect(box):
    done = example(box, "client_run", "box", "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\nexited, code 3, 4 bytes, verified\n", b"err\n")
    done = example(box, "client_run", "nobody", "true")
    assert done.returncode == 1 and b"no host 'nobody' is known" in done.stderr and b"(LL_EHOST)" in done.stderr


def test_token_of_a_run(box):
    done = example(box, "client_attach", "box", "sh", "-c", "echo one; sleep 0.3; echo two; exit 4")
    assert done.returncode == 0, done
    lines = done.stdout.decode().split("\n")
    assert lines[0].startswith("started ") and len(lines[0]) == 34
    # Output that had come before the token was made belongs to the first half.
    assert lines[-3:] == ["two", "status 4", ""]
