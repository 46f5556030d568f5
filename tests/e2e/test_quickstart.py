"""The first of the two commands of the README works where everything is built already, and cleans up."""

import os

import pytest

import support


@pytest.mark.skipif(support.BUILD != os.path.join(support.ROOT, "build"), reason="quickstart builds into build/")
def test_quickstart_does_its_job_and_leaves_nothing(landline, build):
    result = landline.run([os.path.join(support.ROOT, "quickstart")], timeout=100)
    output = result.stdout.decode()
    assert (result.returncode, result.stderr) == (0, b""), output
    assert "listens on" in output and "== done; between two machines" in output
    assert landline.leftovers() == []
