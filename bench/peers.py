"""The servers that bench/run exec and files compare with landline, each with its files in a scratch folder of its own,
on loopback, on a port that is free; and landline's own."""

import asyncio
import contextlib
import os
import pwd
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import common

ROUND_TRIP = 0.2  # seconds, through Peers.relay()
ME = pwd.getpwuid(os.geteuid()).pw_name
SSHD = """ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_ed25519
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin yes
MaxStartups 200
MaxSessions 200
Subsystem sftp /usr/lib/openssh/sftp-server
"""
SSH = """Host box
    HostName 127.0.0.1
    Port {port}
    User {me}
    IdentityFile {folder}/key
    IdentitiesOnly yes
    UserKnownHostsFile {folder}/known_hosts
    StrictHostKeyChecking accept-new
    LogLevel ERROR
"""
RSYNCD = """port = {port}
address = 127.0.0.1
use chroot = no
reverse lookup = no
uid = {uid}
gid = {gid}
[all]
path = /
read only = no
"""
NGINX = """daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {folder}/tls.pem;
        ssl_certificate_key {folder}/tls.key;
        ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        root /;
    }}
}}
{user}
"""


def has(*programs):
    return all(shutil.which(p) for p in programs)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, patience=20):
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("%s: not within %d s" % (what, patience))
        time.sleep(0.01)


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def quietly(*argv, **options):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


class Peers(contextlib.ExitStack):
    """Servers that live as long as the with statement, pinned to one CPU (None: not pinned)."""

    def __init__(self, bench, cpu):
        super().__init__()
        self.bench, self.cpu = bench, cpu
        self.folder = self.enter_context(tempfile.TemporaryDirectory(prefix="landline-bench-"))
        self.environment = dict(os.environ, LANDLINE_HOME=self.sub("home"), XDG_RUNTIME_DIR=self.sub("runtime"),
                                HOME=self.sub("user"))

    def sub(self, name):
        folder = os.path.join(self.folder, name)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        return folder

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def start(self, argv, **options):
        pin = (lambda: os.sched_setaffinity(0, {self.cpu})) if self.cpu is not None else None
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, preexec_fn=pin, env=self.environment, text=True,
                                   **options)
        self.callback(self.end, process)
        return process

    @staticmethod
    def end(process):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def daemon(self, argv, port, what):
        """A server that listens on a port given to it. Its words go to a file."""
        log = open(os.path.join(self.folder, what + ".log"), "w")
        with log:
            process = self.start(argv, stdout=log, stderr=log)

        def up():
            if process.poll() is not None:
                raise RuntimeError("%s ended: %s" % (what, open(log.name).read()))
            return answers(port)
        wait_for(up, what)
        return process

    def plain(self, target, *arguments):
        """One of our limit programs, which prints its port."""
        process = self.start([self.bench.path(target), *arguments], stdout=subprocess.PIPE)
        return int(process.stdout.readline())

    def landline(self):
        """Serves, and lets this user in as `box`. Returns the port; self.keeper is the server's process."""
        program = self.bench.path("landline")
        log = open(os.path.join(self.folder, "landline.log"), "w+")
        with log:
            self.keeper = self.start([program, "serve", "--listen", "127.0.0.1:0"], stderr=log)
            wait_for(lambda: "listening on" in open(log.name).read(), "landline serve")
            port = int(re.search(r"listening on \S+:(\d+)", open(log.name).read()).group(1))
        self.add("box")
        return port

    def add(self, name, *options):
        """Lets this user in under one more name."""
        program, as_me = self.bench.path("landline"), ["--as", ME] if os.geteuid() == 0 else []
        invite = quietly(program, "invite", *as_me, *options, env=self.environment).stdout
        quietly(program, "add", name, input=invite, env=self.environment)

    def relay(self, port, round_trip=ROUND_TRIP, share=None):
        """The port of a relay to `port` with that round trip, in seconds, on which each connection carries at most `share` bytes a
        second each way."""
        loop, ready = asyncio.new_event_loop(), queue.Queue()

        async def pump(reader, writer):
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    loop.call_later(round_trip / 2, writer.write, data)
                    if share is not None:
                        await asyncio.sleep(len(data) / share)
            loop.call_later(round_trip / 2, writer.close)

        async def accept(reader, writer):
            there = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(pump(reader, there[1]), pump(there[0], writer))

        async def listen():
            server = await asyncio.start_server(accept, "127.0.0.1", 0)
            ready.put(server.sockets[0].getsockname()[1])

        def serve():
            loop.run_until_complete(listen())
            loop.run_forever()
        threading.Thread(target=serve, daemon=True).start()
        self.callback(loop.call_soon_threadsafe, loop.stop)
        return ready.get(timeout=20)

    def at_home(self, *argv):
        """The command with an empty home folder for its users, in a mount namespace: what a shell's start-up files do
        there is no server's doing. Only root can; the command as it is otherwise."""
        if os.geteuid() != 0 or not has("unshare"):
            return argv
        mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        return ["unshare", "-m", "sh", "-c", mount, "sh", self.sub("user"), pwd.getpwuid(0).pw_dir, *argv]

    def ssh(self):
        """OpenSSH's server; returns the port; `ssh -F self.ssh_config box` reaches it."""
        folder, port = self.sub("ssh"), free_port()
        for name in ("host_ed25519", "key"):
            quietly("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(folder, name))
        os.makedirs("/run/sshd", exist_ok=True) if os.geteuid() == 0 else None
        config = self.file("sshd_config", SSHD.format(port=port, folder=folder))
        self.ssh_config = self.file("ssh_config", SSH.format(port=port, folder=folder, me=ME))
        self.sshd = self.daemon(self.at_home("/usr/sbin/sshd", "-D", "-e", "-f", config), port, "sshd")
        quietly("ssh", "-F", self.ssh_config, "box", "true", env=self.environment)
        return port

    def control_master(self):
        """An open connection of OpenSSH; returns the options that use it."""
        path = os.path.join(self.folder, "master")
        self.start(["ssh", "-F", self.ssh_config, "-M", "-N", "-S", path, "box"])
        wait_for(lambda: os.path.exists(path), "the master connection of ssh")
        return ["-S", path]

    def dropbear(self):
        """dropbear reads the keys it admits from the home folder only, so that it needs at_home(), and that root. Returns the
        command that reaches it, or None."""
        if os.geteuid() != 0 or not has("dropbear", "dbclient", "dropbearkey", "unshare"):
            return None
        folder, port = self.sub("dropbear"), free_port()
        for name in ("host", "key"):
            quietly("dropbearkey", "-t", "ed25519", "-f", os.path.join(folder, name))
        shown = quietly("dropbearkey", "-y", "-f", os.path.join(folder, "key"), text=True).stdout
        dot_ssh = self.sub("user/.ssh")
        key = next(line for line in shown.splitlines() if line.startswith("ssh-ed25519"))
        self.file("user/.ssh/authorized_keys", key + "\n")
        os.chmod(os.path.join(dot_ssh, "authorized_keys"), 0o600)
        self.dropbear_process = self.daemon(self.at_home("dropbear", "-F", "-E", "-r", os.path.join(folder, "host"), "-p",
                                                         "127.0.0.1:%d" % port), port, "dropbear")
        return ["dbclient", "-y", "-y", "-i", os.path.join(folder, "key"), "127.0.0.1/%d" % port]

    def rsync(self):
        """A daemon whose module `all` is the root folder; returns its port, or None."""
        if not has("rsync"):
            return None
        port = free_port()
        config = self.file("rsyncd.conf", RSYNCD.format(port=port, uid=os.geteuid(), gid=os.getegid()))
        self.daemon(["rsync", "--daemon", "--no-detach", "--config=" + config], port, "rsync")
        return port

    def nginx(self):
        """TLS 1.3 in front of the root folder; returns its port, or None."""
        if not has("nginx", "openssl", "curl"):
            return None
        folder, port = self.sub("nginx"), free_port()
        quietly("openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", "/CN=box", "-keyout",
                folder + "/tls.key", "-out", folder + "/tls.pem")
        user = "user %s;" % ME if os.geteuid() == 0 else ""
        config = self.file("nginx.conf", NGINX.format(folder=folder, port=port, user=user))
        self.daemon(["nginx", "-e", folder + "/error.log", "-c", config], port, "nginx")
        return port
