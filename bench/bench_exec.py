"""Remote commands: latency, commands per second, output, round trips, memory; beside OpenSSH, dropbear and raw C."""

import os
import re
import shutil
import signal
import subprocess
import time

import common
import peers

REPEAT, WORKERS = "bench/bench-repeat", "bench/bench-exec-workers"
SERVER, CLIENT = "bench/bench-raw-exec-server", "bench/bench-raw-exec-client"
SSL, EVP = "bench/bench-limit-ssl", "bench/bench-limit-evp"
AT_ONCE = 16
WARM = "landline run, through the broker (open connection)"
CURVE = ["-o", "KexAlgorithms=curve25519-sha256"]
CIPHERS = ("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com")


class Field:
    """All servers, up, and the commands that reach them. `pinned`: servers on one CPU, clients on the other."""

    def __init__(self, bench, servers, pinned):
        self.bench, self.servers = bench, servers
        self.cpu = bench.client_cpu if pinned else None
        self.port = servers.landline()
        self.landline = [bench.path("landline"), "run", "--no-broker", "box", "--"]
        self.raw = str(servers.plain(SERVER, "1"))
        self.raw_many = str(servers.plain(SERVER, str(AT_ONCE)))
        self.ssh_port = servers.ssh()
        self.ssh = ["ssh", "-F", servers.ssh_config]
        self.master = [*self.ssh, *servers.control_master(), "box"]
        self.dropbear = servers.dropbear()

    def run(self, argv):
        pin = (lambda: os.sched_setaffinity(0, {self.cpu})) if self.cpu is not None else None
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True, env=self.servers.environment,
                              preexec_fn=pin, timeout=600).stdout

    def seconds(self, argv):
        return float(self.run(argv).split()[0])

    def repeated(self, argv, count=1, at_once=1):
        """Seconds of `count` processes."""
        return self.seconds([self.bench.path(REPEAT), str(count), str(at_once), *argv])


def many(bench, measure_one, budget):
    """How often it fits into the time of one run."""
    return max(3, min(2000, int(budget / max(measure_one(), 1e-5))))


# ---- latency ----

def cold_ways(field):
    ways = {"landline run --no-broker": [*field.landline, "true"],
            "OpenSSH as it comes": [*field.ssh, "box", "true"],
            "OpenSSH, curve25519": [*field.ssh, *CURVE, "box", "true"],
            "raw C, no security": [field.bench.path(CLIENT), field.raw, "true"],
            "local sh -c true": ["sh", "-c", "true"],
            "landline --version (start of the client)": [field.bench.path("landline"), "--version"],
            "OpenSSH, ControlMaster (open connection)": [*field.master, "true"]}
    if field.dropbear:
        ways["dropbear"] = [*field.dropbear, "true"]
    return ways


def warm_way(field):
    """A call that finds the broker of the one before, which is pinned as its clients are: it is one of theirs."""
    argv = [field.bench.path("landline"), "run", "box", "--", "true"]
    field.run(argv)
    shown = field.run([argv[0], "hosts"])
    if "by process" not in shown:
        raise RuntimeError("the first call left no broker: " + shown)
    return argv


def latency(field):
    bench, competitors = field.bench, {}
    for name, argv in [*cold_ways(field).items(), (WARM, warm_way(field))]:
        count = many(bench, lambda argv=argv: field.repeated(argv), bench.seconds * 0.5)
        competitors[name] = lambda argv=argv, count=count: 1e3 * field.repeated(argv, count) / count
    for name, argv in (("landline, library, open connection", [bench.path(WORKERS), "box", "%d", "1", "sh", "-c", "true"]),
                       ("raw C, open connection", [bench.path(CLIENT), field.raw, "true", "%d", "1"])):
        count = many(bench, lambda argv=argv: field.seconds([a % 20 if a == "%d" else a for a in argv]) / 20,
                     bench.seconds * 0.5)
        argv = [str(count) if a == "%d" else a for a in argv]
        competitors[name] = lambda argv=argv, count=count: 1e3 * field.seconds(argv) / count
    bench.say("latency")
    return bench.interleave(competitors)


def latency_text(figures):
    ours = figures["landline run --no-broker"].median
    rows = sorted(([name, f.text("%.2f"), "%.3f" % (ours / f.median)] for name, f in figures.items()),
                  key=lambda row: figures[row[0]].median)
    aims = [("OpenSSH as it comes", 1 / 35), ("dropbear", 1 / 4), ("raw C, no security", 3.0)]
    warm = [("OpenSSH, ControlMaster (open connection)", 1 / 3), ("raw C, no security", 1.4)]
    return "One `true`, milliseconds, pinned: servers on one CPU, clients and the broker on the other.\n\n" + \
        common.table(["", "ms", "cold landline / this"], rows) + "\n" + \
        verdicts([("cold landline / " + name, ours / figures[name].median, "at most", aim)
                  for name, aim in aims if name in figures] +
                 [("warm landline / " + name, figures[WARM].median / figures[name].median, "at most", aim)
                  for name, aim in warm])


def verdicts(rows):
    rows = [[what, "%.3f" % is_, "%s %.3f" % (how, aim),
             "yes" if (is_ <= aim if how == "at most" else is_ >= aim) else "**no**"] for what, is_, how, aim in rows]
    return common.table(["aim", "measured", "wanted", "reached"], rows)


# ---- commands per second ----

def throughput(field):
    bench, command = field.bench, ["sh", "-c", "true"]
    ways = {"landline, one connection": ([bench.path(WORKERS), "box", "%d", str(AT_ONCE), *command], None),
            "raw C, one connection": ([bench.path(CLIENT), field.raw_many, "true", "%d", str(AT_ONCE)], None),
            "OpenSSH, ControlMaster": (None, [*field.master, "true"]),
            "OpenSSH, curve25519, cold": (None, [*field.ssh, *CURVE, "box", "true"]),
            "landline run --no-broker, cold": (None, [*field.landline, *command]),
            "local sh -c true": (None, command)}
    if field.dropbear:
        ways["dropbear, cold"] = (None, [*field.dropbear, "true"])

    def of(name, count):
        whole, one = ways[name]
        # More than four strangers at once are turned away by dropbear.
        return field.repeated(one, count, 4 if "dropbear" in name else AT_ONCE) if one else \
            field.seconds([str(count) if a == "%d" else a for a in whole])

    competitors = {}
    for name in ways:
        count = max(AT_ONCE, many(bench, lambda name=name: of(name, 32) / 32, bench.seconds))
        competitors[name] = lambda name=name, count=count: count / of(name, count)
    bench.say("commands per second")
    return bench.interleave(competitors)


def throughput_text(figures):
    ours = figures["landline, one connection"].median
    rows = sorted(([name, f.text(), "%.2f" % (ours / f.median)] for name, f in figures.items()),
                  key=lambda row: -figures[row[0]].median)
    raw, master = figures["raw C, one connection"].median, figures["OpenSSH, ControlMaster"].median
    return "`sh -c true` per second, %d at once (dropbear: 4), both CPUs for everyone.\n\n" % AT_ONCE + \
        common.table(["", "commands/s", "landline / this"], rows) + "\n" + \
        verdicts([("landline / raw C", ours / raw, "at least", 0.85),
                  ("landline / ControlMaster", ours / master, "at least", 7.0)])


# ---- a command's output ----

def output(field, size):
    bench, servers, command = field.bench, field.servers, "head -c %d /dev/zero" % size
    ways = {"landline": [*field.landline, "head", "-c", str(size), "/dev/zero"],
            "raw C, plain TCP": [bench.path(CLIENT), field.raw, command, "stream"],
            "EVP AES-128-GCM, no handshake": [bench.path(EVP), "get", str(servers.plain(EVP, "serve")), "r" + command,
                                              "/dev/null"]}
    for way in ("plain", "gathered"):
        port = str(servers.plain(SSL, "serve", way))
        ways["OpenSSL program, " + way] = [bench.path(SSL), "get", way, port, "r" + command, "/dev/null"]
    for cipher in CIPHERS:
        ways["OpenSSH " + cipher.split("@")[0]] = [*field.ssh, "-c", cipher, "box", command]
    if field.dropbear:
        ways["dropbear (a sixteenth as much)"] = [*field.dropbear, "head -c %d /dev/zero" % (size // 16)]
    bench.say("output")
    return bench.interleave({name: lambda name=name, argv=argv: size / (16 if "sixteenth" in name else 1) / 1e6 /
                             field.repeated(argv) for name, argv in ways.items()})


def output_text(figures, size):
    ours = figures["landline"].median
    rows = sorted(([name, f.text(), "%.2f" % (ours / f.median)] for name, f in figures.items()),
                  key=lambda row: -figures[row[0]].median)
    return "%d MiB of a command's output to /dev/null, MB/s, pinned.\n\n" % (size >> 20) + \
        common.table(["", "MB/s", "landline / this"], rows) + "\n" + \
        verdicts([("landline / OpenSSL program", ours / figures["OpenSSL program, plain"].median, "at least", 0.9)])


# ---- round trips ----

def shell(argv, text):
    """A shell's command line, as landline (words) or the others (text) want it."""
    return [*argv, "sh", "-c", text] if "landline" in argv[0] else [*argv, text]



LINE = re.compile(r"^(\d+\.\d+) IP6? \S+?\.(\d+) > \S+?\.(\d+): Flags \[(\S+)\],.* length (\d+)")


def first_byte(field, argv):
    """When the first byte of output is there. Standard input stays open and silent: its end would be one more message."""
    with subprocess.Popen(shell(argv, "printf x; exec sleep 1"), stdout=subprocess.PIPE, stdin=subprocess.PIPE,
                          env=field.servers.environment) as client:
        if client.stdout.read(1) != b"x":
            raise RuntimeError("%s: no output" % argv[0])
        seen = time.time()
    return seen


def waits(field, argv, far_argv):
    """Round trips, measured: how much later the first byte comes through a relay that makes a round trip last long, in
    such round trips; and one more for the handshake of TCP, which the relay answers at once."""
    times = []
    for way in (argv, far_argv):
        start = time.time()
        times.append(first_byte(field, way) - start)
    return 1 + (times[1] - times[0]) / peers.ROUND_TRIP


def flights(field, port, argv):
    """Round trips from SYN to the first byte of output, counted in a capture of the loopback: how often the client's
    side has spoken (its SYN included) before the packet of the server's that brought the byte. The command writes and
    then waits, so that this packet is the last of the server's before the byte is seen. What the client says without
    being waited for can only make it more: the fewest of several captures is the number of waits."""
    capture = os.path.join(field.servers.folder, "capture")
    dump = subprocess.Popen(["tcpdump", "-i", "lo", "-U", "-w", capture, "tcp port %d" % port], stderr=subprocess.PIPE,
                            text=True)
    try:
        dump.stderr.readline()
        seen = first_byte(field, argv)
    finally:
        dump.send_signal(signal.SIGINT)
        dump.wait()
        dump.stderr.close()
    shown = subprocess.run(["tcpdump", "-r", capture, "-n", "-tt"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True, check=True).stdout
    spoken = [(float(t), int(to) == port) for t, _, to, flags, length in map(match_groups, shown.splitlines())
              if "S" in flags or int(length) > 0]
    last = max(t for t, of_client in spoken if not of_client and t <= seen)
    sides = [of_client for t, of_client in spoken if t <= last]
    return sum(1 for before, side in zip([False] + sides, sides) if side and not before)


def match_groups(line):
    match = LINE.match(line)
    return match.groups() if match else ("0", "0", "0", "", "0")


def round_trips(field):
    if os.geteuid() != 0 or not shutil.which("tcpdump"):
        return "\nRound trips: not counted; that needs tcpdump and root.\n"
    field.bench.say("round trips")
    servers, name = field.servers, "landline run --no-broker"
    ways = {name: (field.port, field.landline), "OpenSSH as it comes": (field.ssh_port, [*field.ssh, "box"])}
    far = {"OpenSSH as it comes": [*field.ssh, "-o", "Port=%d" % servers.relay(field.ssh_port), "-o",
                                   "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "box"]}
    servers.add("far", "--address", "127.0.0.1:%d" % servers.relay(field.port))
    far[name] = [word if word != "box" else "far" for word in field.landline]
    if field.dropbear:
        port = int(field.dropbear[-1].split("/")[1])
        ways["dropbear"] = (port, field.dropbear)
        far["dropbear"] = [*field.dropbear[:-1], "127.0.0.1/%d" % servers.relay(port)]
    rows = []
    for name, way in ways.items():
        counts = [flights(field, *way) for _ in range(2 if field.bench.quick else 5)]
        rows.append([name, "%.1f" % min(waits(field, way[1], far[name]) for _ in range(2)), "%d" % min(counts),
                     " ".join(map(str, counts))])
    return """
Round trips from SYN to the first byte of output (wanted: 3). Waited for: by a relay that makes a round trip last %d ms.
In a capture: how often the client spoke before the byte came; it counts also what nobody waited for.

""" % (1e3 * peers.ROUND_TRIP) + common.table(["", "waited for", "in a capture, fewest", "each capture"], rows)


# ---- memory ----

def pss(pids):
    """Proportional set size of processes, and how much of it is their own data, in KiB."""
    whole = own = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                kib = dict(re.findall(r"^(\w+):\s+(\d+)", f.read(), re.M))
        except OSError:
            continue  # it is gone
        whole, own = whole + int(kib["Pss"]), own + int(kib["Pss_Anon"])
    return whole, own


def family(pid):
    """A process and its descendants but for the commands that were run."""
    try:
        name = open("/proc/%d/comm" % pid).read().strip()
        children = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    except OSError:
        return []
    return ([] if name in ("sleep", "sh", "bash") else [pid]) + [p for c in children for p in family(int(c))]


def memory_of(field, server, argv, connections):
    """KiB for one connection more: of the server, of that its own data, and the same of the client."""
    before = pss(family(server.pid))
    clients = []
    try:
        for _ in range(connections):  # one after another: dropbear turns away a crowd of strangers
            clients.append(subprocess.Popen(shell(argv, "echo up; exec sleep 60"), stdin=subprocess.DEVNULL,
                                            stdout=subprocess.PIPE, env=field.servers.environment))
            if clients[-1].stdout.readline() != b"up\n":
                raise RuntimeError("%s: no output" % argv[0])
        after = pss(family(server.pid))
        ours = pss(c.pid for c in clients)
        return [(a - b) / connections for a, b in zip(after, before)] + [o / connections for o in ours]
    finally:
        for client in clients:
            client.terminate()
            client.wait()
            client.stdout.close()


def memory(field, connections):
    field.bench.say("memory")
    ways = {"landline": (field.servers.keeper, field.landline),
            "OpenSSH": (field.servers.sshd, [*field.ssh, "box"])}
    if field.dropbear:
        ways["dropbear"] = (field.servers.dropbear_process, field.dropbear)
    rows = [[name, *("%.0f" % kib for kib in memory_of(field, *way, connections))] for name, way in ways.items()]
    return """
Memory of one connection more with a command that waits, KiB, mean of %d. PSS divides a page by the processes that map it:
where client and server are the same program on the same machine, as landline is here, a client takes from the server's
share, so that own data (anonymous pages) says more.

""" % connections + common.table(["", "server, PSS", "server, own data", "client, PSS", "client, own data"], rows)


def measure(bench):
    bench.build("landline", REPEAT, WORKERS, SERVER, CLIENT, SSL, EVP)
    size = (64 if bench.quick else 1024) << 20
    with peers.Peers(bench, bench.server_cpu) as servers:
        field = Field(bench, servers, pinned=True)
        text = latency_text(latency(field)) + "\n" + output_text(output(field, size), size)
        text += round_trips(field) + memory(field, 5 if bench.quick else 20)
    with peers.Peers(bench, None) as servers:
        text += "\n" + throughput_text(throughput(Field(bench, servers, pinned=False)))
    return text
