"""Requests per second of the upper service: landline classic, raw epoll, libuv, libevent, the tutorial's Python."""

import contextlib
import os

import common

LOAD = "bench/bench-load"
PEERS = {"raw epoll": "bench/bench-upper-epoll", "libuv": "bench/bench-upper-libuv",
         "libevent": "bench/bench-upper-libevent"}
PYTHON = "Python (tutorial)"
# Many short turns instead of a few long ones: the servers take what disturbs the machine alike.
ROUNDS, SECONDS = 60, 0.06
SIZES = (64, 4096)
CONNECTIONS = (1, 64, 1000, 10000)
HEADING = """Requests per second ±, (p99 in µs), and processor time of the server in µs per request, kernel included,
accepting not. One thread each, the load on another core, closed loop. All servers hold their connections throughout and
take short turns, so that what disturbs the machine disturbs all of them. The time per request suffers least from what
else runs. The last line compares with the peer of the highest rate, and with the one of the least time: medians of the
rounds' ratios, ± their standard error. The aim is a rate of at least 1.
"""
SPARE = 100  # descriptors that a server needs besides its connections


def servers(bench):
    """{name: (command, pattern of its port)}"""
    missing = bench.build("landline", LOAD, *PEERS.values())
    found = {"landline": ([bench.path("landline"), "classic", "serve", "upper", "--listen", "127.0.0.1:0"],
                          r"listening on \S*:(\d+)")}
    for name, target in PEERS.items():
        if target not in missing:
            found[name] = ([bench.path(target)], r"^(\d+)$")
    script = os.path.join(common.ROOT, "tests", "peer", "seed_upper.py")
    found[PYTHON] = ([common.PYTHON, script, "serve", "0"], r"listening (\d+)")
    return found


@contextlib.contextmanager
def loaded(bench, server, connections, size):
    """A server that holds its connections, as a function that gives it work for a turn and returns what was measured."""
    command, pattern = server
    with bench.serving(command, pattern, bench.server_cpu) as (pid, port):
        argv = [bench.path(LOAD), str(port), str(connections), str(size), str(pid)]
        with bench.talking(argv, bench.client_cpu) as ask:
            ask()

            def turn():
                rate, _, p99, time = map(float, ask("%g" % bench.seconds).split())
                return rate, p99, time
            yield turn


def against_the_best(figures):
    """landline's rate and time to those of the peer that is best at each, as text."""
    ours = figures["landline"]
    peers = {n: f for n, f in figures.items() if n != "landline"}
    if not peers:
        return "no peer"
    fast = max(peers, key=lambda n: peers[n][0].median)
    thrifty = min(peers, key=lambda n: peers[n][2].median)
    return "%s (%s); %s (%s)" % (common.ratio(ours[0], peers[fast][0]).certain("%.3f"), fast,
                                 common.ratio(ours[2], peers[thrifty][2]).certain("%.3f"), thrifty)


def measure(bench):
    everyone = servers(bench)
    text = HEADING
    for size in SIZES:
        rows = {name: [name] for name in everyone}
        best = ["landline / best peer: rate; time"]
        for connections in CONNECTIONS:
            bench.say("%d B, %d connections" % (size, connections))
            if connections + SPARE > bench.descriptors:
                for row in [*rows.values(), best]:
                    row.append("no descriptors")
                continue
            # The tutorial's server takes one client after another, and 1024 bytes at a time.
            competing = {n: s for n, s in everyone.items() if n != PYTHON or connections == 1}
            with contextlib.ExitStack() as stack:
                figures = bench.interleave({n: stack.enter_context(loaded(bench, s, connections, size))
                                            for n, s in competing.items()})
            for name in everyone:
                rows[name].append("%s (%.0f) %.2f" % (figures[name][0].text(), figures[name][1].median,
                                                      figures[name][2].median) if name in figures else "one at a time")
            best.append(against_the_best(figures))
        head = ["%d B" % size] + ["%s connections" % format(c, ",") if c > 1 else "1 connection" for c in CONNECTIONS]
        text += "\n" + common.table(head, [*rows.values(), best])
    return text
