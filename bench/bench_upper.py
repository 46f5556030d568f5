"""Requests per second of the upper service: landline classic, raw epoll, libuv, libevent, the tutorial's Python."""

import os

import common

LOAD = "bench/bench-load"
PEERS = {"raw epoll": "bench/bench-upper-epoll", "libuv": "bench/bench-upper-libuv",
         "libevent": "bench/bench-upper-libevent"}
PYTHON = "Python (tutorial)"
ROUNDS, SECONDS = 7, 0.6
SIZES = (64, 4096)
CONNECTIONS = (1, 64, 1000, 10000)
HEADING = """Requests per second ±, (p99 in µs), and processor time of the server in µs per request, kernel included,
accepting not. One thread each, the load on another core, closed loop. The time per request suffers least from what else
runs. The last line compares with the peer of the highest rate, and with the one of the least time: medians of the rounds'
ratios. The aim is a rate of at least 1.
"""
LAP = 50e-6  # seconds a connection: the warm-up is at least one round of all of them
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


def one_run(bench, server, connections, size):
    def measure():
        command, pattern = server
        with bench.serving(command, pattern, bench.server_cpu) as (pid, port):
            out = bench.run([bench.path(LOAD), str(port), str(connections), str(size),
                             "%g" % (bench.seconds * 0.3 + connections * LAP),
                             "%g" % bench.seconds, str(pid)], bench.client_cpu, timeout=120)
        rate, _, p99, _, time = map(float, out.split())
        return rate, p99, time
    return measure


def against_the_best(figures):
    """landline's rate and time to those of the peer that is best at each, as text."""
    ours = figures["landline"]
    peers = {n: f for n, f in figures.items() if n != "landline"}
    if not peers:
        return "no peer"
    fast = max(peers, key=lambda n: peers[n][0].median)
    thrifty = min(peers, key=lambda n: peers[n][2].median)
    return "%s (%s); %s (%s)" % (common.ratio(ours[0], peers[fast][0]).text("%.3f"), fast,
                                 common.ratio(ours[2], peers[thrifty][2]).text("%.3f"), thrifty)


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
            figures = bench.interleave({n: one_run(bench, s, connections, size) for n, s in competing.items()})
            for name in everyone:
                rows[name].append("%s (%.0f) %.2f" % (figures[name][0].text(), figures[name][1].median,
                                                      figures[name][2].median) if name in figures else "one at a time")
            best.append(against_the_best(figures))
        head = ["%d B" % size] + ["%s connections" % format(c, ",") if c > 1 else "1 connection" for c in CONNECTIONS]
        text += "\n" + common.table(head, [*rows.values(), best])
    return text
