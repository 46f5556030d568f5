"""What the benchmarks share: building, pinning, interleaving, medians with their spread, the file of results."""

import contextlib
import datetime
import os
import platform
import random
import re
import resource
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build-bench")
RESULTS = os.path.join(ROOT, "bench", "RESULTS.md")
PYTHON = "/usr/bin/python3"
TITLE = """# Results

Each section was written by the command it names. Figures of one section were measured in one run, the competitors taking
turns, and are comparable with each other; not with other sections, machines or days. `±` is half the distance between
the quartiles, in percent of the median.
"""


class Figure:
    """The runs of one competitor."""

    def __init__(self, values):
        self.rounds = list(values)  # in the order in which they were taken
        self.values = sorted(values)
        self.median = statistics.median(self.values)

    def spread(self):
        if len(self.values) < 3:
            return 0.0
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return 100 * (high - low) / 2 / self.median if self.median else 0.0

    def text(self, form="%.0f", scale=1.0):
        number = re.sub(r"(?<=\d)(?=(\d{3})+(?!\d))", ",", form % (self.median * scale)) if form == "%.0f" \
            else form % (self.median * scale)
        return "%s ±%.0f" % (number, self.spread())


    def certain(self, form="%.3f"):
        """The median with its standard error, for many short rounds, a few of which went astray: reckoned from the
        median of the deviations (1.4826 of which are a standard deviation; a median errs 1.2533 times as far as a mean)."""
        deviation = 1.4826 * statistics.median(abs(value - self.median) for value in self.values)
        return (form + " ±" + form) % (self.median, 1.2533 * deviation / len(self.values) ** 0.5)


def ratio(one, other):
    """One competitor to another, round by round: what disturbed a round disturbed both, and the ratio is spared."""
    return Figure([a / b for a, b in zip(one.rounds, other.rounds) if b > 0] or [0.0])


class Bench:
    def __init__(self, options):
        self.quick = options.quick
        self.rounds, self.seconds = (1, 0.1) if options.quick else (options.rounds, options.seconds)
        cpus = sorted(os.sched_getaffinity(0))
        self.server_cpu, self.client_cpu = cpus[0], cpus[-1]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.descriptors = hard
        self.load_before = os.getloadavg()[0]

    def say(self, text):
        print("  " + text, file=sys.stderr, flush=True)

    def build(self, *targets):
        """Builds targets in release mode; returns those that could not be (a library is missing)."""
        if not os.path.exists(os.path.join(BUILD, "build.ninja")):
            subprocess.run(["/usr/bin/meson", "setup", "--buildtype=release", BUILD, ROOT], check=True,
                           stdout=subprocess.DEVNULL)
        subprocess.run(["/usr/bin/meson", "setup", "--reconfigure", BUILD, ROOT], check=True, stdout=subprocess.DEVNULL)
        known = subprocess.run(["ninja", "-C", BUILD, "-t", "targets", "all"], check=True, capture_output=True,
                               text=True).stdout
        there = [t for t in targets if re.search("^%s: " % re.escape(t), known, re.M)]
        subprocess.run(["ninja", "-C", BUILD, *there], check=True, stdout=subprocess.DEVNULL)
        return [t for t in targets if t not in there]

    def path(self, target):
        return os.path.join(BUILD, target)

    def run(self, argv, cpu=None, timeout=600):
        """Standard output of a command, pinned to a CPU."""
        before = (lambda: os.sched_setaffinity(0, {cpu})) if cpu is not None else None
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, preexec_fn=before,
                              timeout=timeout).stdout

    @contextlib.contextmanager
    def serving(self, argv, pattern, cpu):
        """A server on a CPU, with the port that it prints in a line like `pattern`."""
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        try:
            for line in process.stdout:
                match = re.search(pattern, line)
                if match:
                    yield process.pid, int(match.group(1))
                    break
            else:
                raise RuntimeError("%s did not start" % argv[0])
        finally:
            process.kill()
            process.wait()
            process.stdout.close()

    @contextlib.contextmanager
    def talking(self, argv, cpu):
        """A command on a CPU that answers a line with a line, as a function: ask(line), or ask() for the first word."""
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
                                   preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))

        def ask(line=None):
            if line is not None:
                process.stdin.write(line + "\n")
            answer = process.stdout.readline()
            if not answer:
                raise RuntimeError("%s stopped" % argv[0])
            return answer
        try:
            yield ask
        finally:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def interleave(self, competitors):
        """{name: measure()} -> {name: Figure}, or a tuple of figures where measure() returns a tuple. The competitors
        take turns, each round in another order, so that what disturbs the machine disturbs all of them alike, and nobody
        always finds the caches as the same other one left them."""
        names, values = list(competitors), {name: [] for name in competitors}
        order = random.Random(1)
        for _ in range(self.rounds):
            for name in order.sample(names, len(names)):
                values[name].append(competitors[name]())
        return {name: tuple(map(Figure, zip(*v))) if isinstance(v[0], tuple) else Figure(v)
                for name, v in values.items()}

    def section(self, name, text, command):
        cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
        where = "%s, %d cores, Linux %s; load %.1f before, %.1f after" % (
            cpu, os.cpu_count(), platform.release(), self.load_before, os.getloadavg()[0])
        day = datetime.date.today().isoformat()
        return "## %s\n\n`%s` on %s: %s. %d rounds.\n\n%s\n" % (name, command, day, where, self.rounds, text.strip())


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def write_section(name, section):
    text = open(RESULTS).read() if os.path.exists(RESULTS) else TITLE
    parts = re.split(r"(?m)^(?=## )", text)
    kept = [p.rstrip() + "\n" for p in parts[1:] if p.splitlines()[0] != "## " + name] + [section.rstrip() + "\n"]
    with open(RESULTS, "w") as f:
        f.write("\n".join([parts[0].rstrip() + "\n", *sorted(kept)]))
