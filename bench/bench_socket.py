"""Round trips and connections per second: the library, raw system calls, Python's socket."""

import os
import re
import shutil
import subprocess
import tempfile

import common

PINGPONG = "bench/bench-pingpong"
ROUNDS, SECONDS = 25, 0.3  # many short turns: neighbours in time are disturbed alike
AIM = 0.97
SCRIPT = os.path.join(common.ROOT, "bench", "pingpong.py")


HEADING = """Per second, more is better. landline / raw is the median of the rounds' ratios; the aim is at least %.2f.

"""


def ways(bench, arguments):
    """{name: command} of the three competitors."""
    return {"raw": [bench.path(PINGPONG), "raw", *arguments], "landline": [bench.path(PINGPONG), "lib", *arguments],
            "Python": [common.PYTHON, SCRIPT, *arguments]}


def calibrate(bench, arguments):
    """How often raw system calls do it in the time of one run."""
    tried = 1000
    seconds = float(bench.run([bench.path(PINGPONG), "raw", *arguments, str(tried)], bench.client_cpu))
    return max(1000, int(tried * bench.seconds / max(seconds, 1e-6)))


def rate(bench, command, count, cpu):
    return lambda: count / float(bench.run([*command, str(count)], cpu))


def rates(bench, arguments, two=False):
    count = calibrate(bench, arguments)
    cpu = None if two else bench.client_cpu  # two processes pin themselves
    return bench.interleave({name: rate(bench, command, count if name != "Python" else max(500, count // 4), cpu)
                             for name, command in ways(bench, arguments).items()})


def row(name, figures):
    ratio = common.ratio(figures["landline"], figures["raw"])
    return [name, *(figures[n].text() for n in ("raw", "landline", "Python")), ratio.text("%.3f"),
            "yes" if ratio.median >= AIM else "no"]


def instructions(command, count):
    """User-space instructions of a whole run, counted by callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "out")
        subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, *command, str(count)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return int(re.search(r"^(?:summary|totals): (\d+)", open(out).read(), re.M).group(1))


def instructions_per(bench, arguments, few, many):
    return {name: (instructions(command, many) - instructions(command, few)) / (many - few)
            for name, command in ways(bench, arguments).items()}


def measure(bench):
    bench.build(PINGPONG)
    rows = []
    for kind in ("tcp", "unix"):
        for size in (1, 64):
            for processes, label in (("one", "one process"), ("two", "two processes, two cores")):
                bench.say("round trips, %s, %d B, %s" % (kind, size, label))
                figures = rates(bench, [kind, processes, str(size)], two=processes == "two")
                rows.append(row("%s, %d B, %s" % (kind, size, label), figures))
    bench.say("connections")
    rows.append(row("connect + accept + close, TCP", rates(bench, ["connect"])))
    text = HEADING % AIM + common.table(["", "raw system calls", "landline", "Python", "landline / raw", "reached"], rows)
    if shutil.which("valgrind") is None:
        return text + "\nInstructions: not counted, valgrind is missing.\n"
    rows = []
    for size in (1, 64):
        bench.say("instructions, %d B" % size)
        per = instructions_per(bench, ["unix", "one", str(size)], 200, 1200)
        # Each round trip has a send and a receive on either side: one side has half of them.
        rows.append(["%d B" % size] + ["%.0f" % (per[n] / 2) for n in ("raw", "landline", "Python")])
    return text + "\nUser-space instructions per round trip, one side (callgrind), fewer is better.\n\n" + \
        common.table(["", "raw system calls", "landline", "Python"], rows)
