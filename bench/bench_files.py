"""Files: a large one, 10,000 small ones, a tree, again with nothing to change; beside scp, rsync, curl, tar and limits."""

import os
import shutil
import subprocess
import tempfile
import threading
import time

import common
import peers

REPEAT, SSL, EVP, TREE = "bench/bench-repeat", "bench/bench-limit-ssl", "bench/bench-limit-evp", "bench/bench-limit-tree"
AES = ["-c", "aes128-gcm@openssh.com"]
SLOW = 5.0  # seconds after which one run of a competitor is enough
MEMORY = "/dev/shm"
SCP_R, SFTP_R = "scp -r aes128-gcm (follows links)", "sftp get -r aes128-gcm (skips links)"
# To disk, which is slow for all alike, only these take part, next to landline.
ON_DISK = ("cp -a", "local tar to tar", "raw tree stream", "rsync daemon, plain", "EVP program, large sends",
           "OpenSSL program, SSL_write 16 KiB", "tar through ssh aes128-gcm")


def fill(folder, files, size):
    os.makedirs(folder)
    for i in range(files):
        if i % 100 == 0:
            os.makedirs("%s/d%03d" % (folder, i // 100))
        with open("%s/d%03d/f%05d" % (folder, i // 100, i), "wb") as f:
            f.write(os.urandom(size))


def big_file(path, size):
    piece = os.urandom(1 << 20)
    with open(path, "wb") as f:
        for i in range(size >> 20):
            f.write(i.to_bytes(8, "little") + piece[8:])


class Field:
    """The servers, the files to copy, and where to: both on tmpfs, and a folder on disk."""

    def __init__(self, bench, servers, source, places):
        self.bench, self.servers, self.source, self.places = bench, servers, source, places
        self.port = servers.landline()
        servers.ssh()
        self.ssh = ["-F", servers.ssh_config]
        self.rsync, self.nginx = servers.rsync(), servers.nginx()
        self.ssl = {way: str(servers.plain(SSL, "serve", way)) for way in ("plain", "gathered")}
        self.evp, self.tree = str(servers.plain(EVP, "serve")), str(servers.plain(TREE, "serve"))
        self.most = {}

    def timed(self, name, argv):
        """Seconds of a command on the client's CPU. Remembers the most memory that it took."""
        pin = {"preexec_fn": lambda: os.sched_setaffinity(0, {self.bench.client_cpu})}
        done = subprocess.run([self.bench.path(REPEAT), "1", "1", *argv], stdout=subprocess.PIPE, text=True, check=True,
                              env=self.servers.environment, timeout=600, **pin)
        seconds, memory = done.stdout.split()
        self.most[name] = max(self.most.get(name, 0), int(memory))
        return float(seconds)

    def landline(self, *words):
        return [self.bench.path("landline"), words[0], "-q", *words[1:]]

    def tar_pipe(self, source, target):
        parts = os.path.split(source)
        text = "mkdir -p '%s' && taskset -c %d tar -C '%s' -cf - '%s' | tar -C '%s' -xf -" % (
            target, self.bench.server_cpu, parts[0], parts[1], target)
        return ["sh", "-c", text]

    def tar_ssh(self, source, target):
        parts = os.path.split(source)
        text = "mkdir -p '%s' && ssh %s box tar -C '%s' -cf - '%s' | tar -C '%s' -xf -" % (
            target, " ".join([*self.ssh, *AES]), parts[0], parts[1], target)
        return ["sh", "-c", text]


def file_ways(field, source):
    """{name: target -> command}. What the name stands for gets the file to `target`, a path that is not there."""
    ways = {
        "landline get": lambda to: field.landline("get", "box:" + source, to),
        "landline put": lambda to: field.landline("put", source, "box:" + to),
        "scp as it comes": lambda to: ["scp", "-q", *field.ssh, "box:" + source, to],
        "scp aes128-gcm": lambda to: ["scp", "-q", *AES, *field.ssh, "box:" + source, to],
        "sftp get aes128-gcm": lambda to: ["sftp", "-q", *AES, *field.ssh, "box:" + source, to],
        "ssh cat aes128-gcm": lambda to: ["sh", "-c", "ssh %s box cat '%s' > '%s'" % (
            " ".join([*AES, *field.ssh]), source, to)],
        "tar through ssh aes128-gcm": lambda to: field.tar_ssh(source, to),
        "local tar to tar": lambda to: field.tar_pipe(source, to),
        "cp -a": lambda to: ["cp", "-a", source, to],
        "EVP program, large sends": lambda to: [field.bench.path(EVP), "get", field.evp, "f" + source, to]}
    for way, what in (("plain", "SSL_write 16 KiB"), ("gathered", "records gathered")):
        ways["OpenSSL program, " + what] = lambda to, way=way: [field.bench.path(SSL), "get", way, field.ssl[way],
                                                                "f" + source, to]
    if field.rsync:
        ways["rsync over ssh aes128-gcm"] = lambda to: [
            "rsync", "-a", "-W", "-e", " ".join(["ssh", *AES, *field.ssh]), "box:" + source, to]
        ways["rsync daemon, plain"] = lambda to: ["rsync", "-a", "-W", "rsync://127.0.0.1:%d/all%s" % (field.rsync, source),
                                                  to]
    if field.nginx:
        ways["nginx TLS 1.3, curl"] = lambda to: ["curl", "-s", "-k", "-f", "-o", to,
                                                  "https://127.0.0.1:%d%s" % (field.nginx, source)]
    return ways


def lenient(argv):
    """scp and sftp cannot copy every link of a tree, and fail at the end."""
    return ["sh", "-c", '"$@" 2>/dev/null || :', "sh", *argv]


def tree_ways(field, source):
    ways = {
        "landline get": lambda to: field.landline("get", "box:" + source, to),
        "landline put": lambda to: field.landline("put", source, "box:" + to),
        "tar through ssh aes128-gcm": lambda to: field.tar_ssh(source, to),
        "local tar to tar": lambda to: field.tar_pipe(source, to),
        "cp -a": lambda to: ["cp", "-a", source, to],
        "raw tree stream": lambda to: [field.bench.path(TREE), "get", field.tree, source, to]}
    if source.endswith("small"):  # a large tree takes them a minute or two
        ways[SCP_R] = lambda to: lenient(["scp", "-q", "-r", "-p", *AES, *field.ssh, "box:" + source, to])
        ways[SFTP_R] = lambda to: lenient(["sftp", "-q", "-r", "-p", *AES, *field.ssh, "box:" + source, to])
    if field.rsync:
        ways["rsync over ssh aes128-gcm"] = lambda to: [
            "rsync", "-a", "-e", " ".join(["ssh", *AES, *field.ssh]), "box:" + source, to]
        ways["rsync daemon, plain"] = lambda to: ["rsync", "-a", "rsync://127.0.0.1:%d/all%s" % (field.rsync, source), to]
    return ways


def again_ways(field, source):
    """Into a folder, so that the second time names the same files as the first: `to` would be the copy, and then hold one."""
    ways = {name: way for name, way in tree_ways(field, source).items() if name.startswith(("landline", "rsync"))}
    return {name: lambda to, way=way: way(to + "/") for name, way in ways.items()}


def clear(path):
    shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) else os.path.exists(path) and os.unlink(path)


class Contest:
    """Ways against each other, in seconds. One that takes long is run once, one that fails is left out. With `again`, the
    copy is there already, each way's own."""

    def __init__(self, field, ways, where, again=False):
        chosen = {n: w for n, w in ways.items() if where != "disk" or n in ON_DISK or n.startswith("landline")}
        self.field, self.ways, self.place, self.again = field, chosen, field.places[where], again
        self.seconds, self.failed = {name: [] for name in chosen}, set()

    def target(self, name):
        return os.path.join(self.place, "copy-" + "".join(filter(str.isalnum, name)) if self.again else "copy")

    def done_with(self, target):
        """Takes a copy away. A tree on disk is only put aside until the end: for minutes after its removal ext4 looks at each
        inode that it freed before it makes a new one, and a tree that takes 2 s to write takes 20."""
        if self.place == self.field.places.get("disk") and os.path.isdir(target):
            os.rename(target, tempfile.mkdtemp(prefix="spent-", dir=self.place) + "/copy")
        else:
            clear(target)

    def prepare(self, name):
        target = self.target(name)
        if not self.again:
            self.done_with(target)
            os.sync()
        elif not os.path.exists(target):
            self.field.timed(name, self.ways[name](target))

    def once(self, name):
        """One run, unless there is nothing more to learn."""
        if name in self.failed or (self.seconds[name] and min(self.seconds[name]) > SLOW):
            return 0
        try:
            self.prepare(name)
            self.seconds[name].append(self.field.timed(name, self.ways[name](self.target(name))))
        except subprocess.CalledProcessError:
            if name.startswith("landline"):
                raise
            self.field.bench.say(name + ": FAILED, left out")
            self.failed.add(name)
        if not self.again:
            self.done_with(self.target(name))
        return 0

    def run(self):
        self.field.bench.interleave({name: lambda name=name: self.once(name) for name in self.ways})
        for name in self.ways:
            self.done_with(self.target(name))
        return {name: common.Figure(values) for name, values in self.seconds.items() if name not in self.failed}


def scores(figures, show, head):
    """A table, the quickest first, with how many times as quick landline's get and put are."""
    get, put = figures["landline get"].median, figures["landline put"].median
    rows = [[name, show(f), "%.2f" % (f.median / get), "%.2f" % (f.median / put)] for name, f in
            sorted(figures.items(), key=lambda item: item[1].median)]
    return common.table(["", head, "get / this", "put / this"], rows)


def rate(size):
    """Megabytes per second of a figure in seconds."""
    return lambda f: common.Figure([size / 1e6 / v for v in f.values]).text()


def milliseconds(f):
    return f.text("%.0f", 1e3)


def verdicts(figures, aims):
    """Aims are (name, how many times as quick landline is to be)."""
    rows = []
    for name, aim in aims:
        if name in figures:
            both = [figures[name].median / figures[ours].median for ours in ("landline get", "landline put")]
            rows.append([name, "%.2f" % aim, *("%.2f%s" % (b, "" if b >= aim else " **missed**") for b in both)])
    return "\n" + common.table(["times as quick as", "wanted", "get", "put"], rows)


# ---- memory ----

def peak(pid):
    """(name, KiB) of a process, (None, 0) when it is gone."""
    try:
        status = dict(line.split(":\t", 1) for line in open("/proc/%d/status" % pid) if ":\t" in line)
        words = open("/proc/%d/cmdline" % pid).read().replace("\0", " ").split()
        name = words[1] if words[0] == "landline:" else "worker" if "landline" in words[0] else words[0]
        return name, int(status["VmHWM"].split()[0])
    except (OSError, KeyError, IndexError):
        return None, 0


def descendants(pid):
    try:
        own = open("/proc/%d/task/%d/children" % (pid, pid)).read().split()
    except OSError:
        return []
    return [pid] + [p for child in own for p in descendants(int(child))]


class Watch(threading.Thread):
    """Looks every few milliseconds how much memory the server's processes have taken at most."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.done = pid, {}, False

    def run(self):
        while not self.done:
            for process in descendants(self.pid):
                name, kib = peak(process)
                self.most[name] = max(self.most.get(name, 0), kib)
            time.sleep(0.005)


def memory(field, sources, place, *options):
    """Rows of: what, client, gate, keeper, worker; the largest resident sets in KiB, a gate's and keeper's since they began."""
    rows = []
    for what, source in sources.items():
        for verb, words in (("get", ["box:" + source, place + "/copy"]), ("put", [source, "box:" + place + "/copy"])):
            clear(place + "/copy")
            field.most.clear()
            watch = Watch(field.servers.keeper.pid)
            watch.start()
            field.timed("client", field.landline(verb, *options, *words))
            watch.done = True
            watch.join()
            clear(place + "/copy")
            rows.append(["%s, %s" % (verb, what), "%d" % field.most["client"]] +
                        ["%d" % watch.most.get(name, 0) for name in ("gate", "keeper", "files")])
    return rows


# ---- the whole ----

def large(field, source, size, where):
    ways = file_ways(field, source)
    field.bench.say("one file, " + where)
    figures = Contest(field, ways, where).run()
    text = "### One file of %d MiB, to %s\n\n" % (size >> 20, where) + scores(figures, rate(size), "MB/s")
    if where != "tmpfs":
        return text + "\nlandline flushes the file to disk before it gets its name; the others do not.\n"
    return text + verdicts(figures, [("OpenSSL program, SSL_write 16 KiB", 1.0), ("OpenSSL program, records gathered", 1.0),
                                     ("EVP program, large sends", 0.9), ("scp as it comes", 3.0), ("scp aes128-gcm", 2.0),
                                     ("nginx TLS 1.3, curl", 1.4)])


def trees(field, name, source, where, aims):
    field.bench.say("%s, %s" % (name, where))
    figures = Contest(field, tree_ways(field, source), where).run()
    return "### %s, to %s\n\n" % (name, where) + scores(figures, milliseconds, "ms") + \
        (verdicts(figures, aims) if where == "tmpfs" else "")


def again(field, name, source):
    field.bench.say("%s, nothing to change" % name)
    figures = Contest(field, again_ways(field, source), "tmpfs", again=True).run()
    return "### %s, nothing to change\n\n" % name + scores(figures, milliseconds, "ms") + \
        verdicts(figures, [("rsync daemon, plain", 1.0)])


SHARE, SHARED_TRIP = 20 * 1000 * 1000, 0.02  # bytes a second of a connection, and seconds, through the relay of several()


def several(field, source, size):
    """More connections, where each gets all that the processors give, and where each gets its share of a line."""
    field.servers.add("shared", "--address", "127.0.0.1:%d" % field.servers.relay(field.port, SHARED_TRIP, SHARE))
    text = "### Several connections, one file\n\nMB/s; the shared line gives each connection %d.\n\n" % (SHARE // 1000000)
    short = source + ".short"  # what one connection carries in a few seconds
    big_file(short, min(size, 96 << 20))
    for line, host, path, counts in (("loopback", "box", source, ("1", "2", "4")),
                                     ("shared line", "shared", short, ("1", "2", "4", "8", "auto"))):
        ways = {}
        for n in counts:
            ways["landline get --streams " + n] = lambda to, n=n: field.landline("get", "--streams", n, host + ":" + path, to)
            ways["landline put --streams " + n] = lambda to, n=n: field.landline("put", "--streams", n, path, host + ":" + to)
        field.bench.say("several connections, " + line)
        figures, show = Contest(field, ways, "tmpfs").run(), rate(os.path.getsize(path))
        rows = [[n] + [show(figures["landline %s --streams %s" % (verb, n)]) for verb in ("get", "put")] for n in counts]
        text += common.table([line, "get", "put"], rows) + "\n"
    os.unlink(short)
    rows = memory(field, {"8 connections on loopback": source}, field.places["tmpfs"], "--streams", "8")
    return text + "Peak memory (VmHWM), KiB, wanted: at most 16,384 on either side.\n\n" + memory_table(rows)


def sources(bench, folder):
    """(large file, its size, small files, tree), made or copied on tmpfs."""
    size = (64 if bench.quick else 2048) << 20
    big_file(folder + "/large", size)
    fill(folder + "/small", 500 if bench.quick else 10000, 4096)
    tree = "/usr/share/zoneinfo" if bench.quick and os.path.isdir("/usr/share/zoneinfo") else "/usr/share"
    subprocess.run(["cp", "-a", tree, folder + "/tree"], check=True)
    return folder + "/large", size, folder + "/small", folder + "/tree"


def count(tree):
    found = [os.path.join(at, f) for at, _, files in os.walk(tree) for f in files]
    size = sum(os.lstat(path).st_size for path in found)
    return "a tree of %s files and links, %d MiB" % (format(len(found), ","), size >> 20)


def chapters(bench, field, places):
    """The parts of the section, one after another."""
    file, size, small, tree = places
    many, whole = "%s files of 4 KiB" % format(500 if bench.quick else 10000, ","), count(tree)
    for where in field.places:
        yield large(field, file, size, where)
        yield trees(field, many, small, where, [("local tar to tar", 0.8), (SCP_R, 30.0), ("rsync over ssh aes128-gcm", 3.0)])
        yield trees(field, whole, tree, where, [("local tar to tar", 0.8), ("rsync daemon, plain", 1.0)])
    yield again(field, many, small)
    yield again(field, whole, tree)
    yield memory_text(memory(field, {"one file": file, many: small}, field.places["tmpfs"]))
    yield several(field, file, size)  # last: the gate keeps the mark of eight connections


def measure(bench):
    bench.build("landline", REPEAT, SSL, EVP, TREE)
    text = """From tmpfs, pinned: servers (and the writing tar of a pipe) on one CPU, clients on the other. "get / this" and "put / this":
how many times as quick landline's get and put are. What takes longer than %d s is run once.
""" % SLOW
    with tempfile.TemporaryDirectory(prefix="landline-bench-", dir=MEMORY) as fast, \
            tempfile.TemporaryDirectory(prefix="landline-bench-", dir="/var/tmp") as disk, \
            peers.Peers(bench, bench.server_cpu) as servers:
        os.mkdir(fast + "/to")
        places = sources(bench, fast)
        try:
            for chapter in chapters(bench, Field(bench, servers, fast, {"tmpfs": fast + "/to", "disk": disk}), places):
                bench.say("\n" + chapter)
                text += "\n" + chapter
        except KeyboardInterrupt:
            text += "\nInterrupted here.\n"
    return text


def memory_table(rows):
    return common.table(["", "client", "gate", "keeper", "worker"], rows)


def memory_text(rows):
    return "### Peak memory of landline (VmHWM)\n\nKiB, wanted: at most 16,384 on either side.\n\n" + memory_table(rows)
