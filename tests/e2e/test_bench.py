"""The benchmarks run, and the library's share of a call stays small: counted in instructions, not in seconds."""

import os
import re
import shutil
import subprocess

import pytest

import support

RUN = os.path.join(support.ROOT, "bench", "run")
# One send and one receive of the library, beyond the bare system calls: user-space instructions.
ALLOWANCE = 200


def pingpong(build):
    return os.path.join(build, "bench", "bench-pingpong")


def test_the_list_names_every_benchmark(landline):
    result = landline.run([RUN])
    assert result.returncode == 0, result.stderr
    assert {"exec", "files", "socket", "upper"} <= {line.split()[0] for line in result.stdout.decode().splitlines()}


@pytest.mark.parametrize("way", ["raw", "lib"])
@pytest.mark.parametrize("arguments", [["tcp", "one", "64", "50"], ["unix", "two", "1", "50"], ["connect", "50"]])
def test_pingpong_runs(build, landline, way, arguments):
    result = landline.run([pingpong(build), way, *arguments])
    assert result.returncode == 0 and float(result.stdout) > 0, result.stderr


@pytest.mark.parametrize("size", [64, 4096])
def test_the_load_holds_the_answers_against_the_questions(build, landline, size):
    server = landline.start("classic", "serve", "upper", "--listen", "127.0.0.1:0")
    _, port = server.listening()
    result = landline.run([os.path.join(build, "bench", "bench-load"), str(port), "20", str(size)], input=b"0.1\n0\n")
    assert result.returncode == 0, result.stderr
    ready, *turns = result.stdout.decode().splitlines()
    assert ready == "ready" and len(turns) == 2
    assert all(float(turn.split()[0]) > 0 for turn in turns)


def instructions(build, way, count, scratch):
    out = os.path.join(scratch, "callgrind")
    subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, pingpong(build), way, "unix", "one",
                    "1", str(count)], check=True, capture_output=True)
    with open(out) as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_the_library_costs_few_instructions(build, scratch):
    per = {way: (instructions(build, way, 300, scratch) - instructions(build, way, 100, scratch)) / 400
           for way in ("raw", "lib")}
    assert 20 < per["raw"] < per["lib"] < per["raw"] + ALLOWANCE, per
