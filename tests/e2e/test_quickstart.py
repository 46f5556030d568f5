"""The first of the two commands of the README works where everything is built already, and cleans up."""

import os

import pytest

import support


@pytest.mark.skipif(support.BUILD != os.path.join(support.ROOT, "build"), reason="quickstart builds into build/")
def test_quickstart_does_its_job_and_leaves_nothing(landline, build):
    result = landline.run([os.path.join(support.ROOT, "quickstart")], timeout=100)
    output = result.stdout.decode()
    assert result.returncode == 0, output + result.stderr.decode()
    for said in ("listens on", "two words, $HOME, *", "exit status 3", "the copy is equal", "== done; between two machines"):
        assert said in output
    assert landline.leftovers() == []
