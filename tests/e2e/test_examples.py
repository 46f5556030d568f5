"""The example programs do what their first lines say."""

import os


def example(build, name):
    return os.path.join(build, "examples", name)


def test_sticky_shows_the_disease_and_the_cure(build, landline):
    result = landline.run([example(build, "sticky")])
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode().splitlines() == [
        'sent 3 messages; one receive gave: "firstthe second messagethird"',
        'message 1: "first"',
        'message 2: "the second message"',
        'message 3: "third"',
    ]
