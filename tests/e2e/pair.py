"""A server and a client that know each other, for tests of what goes on between them."""

import contextlib
import os
import pwd
import shutil
import subprocess

import relay
import support


class Pair:
    """`run(...)` is landline with the client's home; the host is called `box`, and stands behind a relay if asked."""

    def __init__(self, landline, through_relay=False, grant=None, env=None, **line):
        self.landline = landline
        self.server_home = os.path.join(landline.scratch, "server")
        self.client_home = os.path.join(landline.scratch, "client")
        self.env = {"LANDLINE_BROKER": "off", **(env or {})}
        self.relay = None
        self.server = self.serve()
        self.address = "%s:%d" % self.server.listening()
        if through_relay:
            self.relay = relay.Relay(self.server.listening(), **line)
            self.address = "127.0.0.1:%d" % self.relay.port
        added = self.add(self.invite(grant))
        assert added.returncode == 0, added.stderr

    def serve(self, *options):
        return self.landline.start("serve", "--listen", support.lasting_address(), *options, home=self.server_home)

    def invite(self, grant=None, *options):
        """The line, as bytes."""
        options = list(options) + (["--grant", grant] if grant else [])
        if os.geteuid() == 0:
            options += ["--as", pwd.getpwuid(0).pw_name]
        done = self.landline("invite", "--address", self.address, *options, home=self.server_home)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, invite, name="box", home=None):
        return self.landline("add", name, input=invite, home=home or self.client_home, env=self.env)

    def run(self, *args, **options):
        """`landline ARGS…` to its end."""
        return self.landline(*args, home=options.pop("home", self.client_home),
                             env={**self.env, **options.pop("env", {})}, **options)

    def start(self, *args, **options):
        return self.landline.start(*args, home=options.pop("home", self.client_home),
                                   env={**self.env, **options.pop("env", {})}, **options)

    def another_way(self):
        """A home of the same client whose way to the server is not through the relay."""
        near = os.path.join(self.landline.scratch, "near")
        shutil.copytree(self.client_home, near)
        hosts = os.path.join(near, "hosts")
        with open(hosts) as file:
            text = file.read()
        with open(hosts, "w") as file:
            file.write(text.replace(self.address, "%s:%d" % self.server.listening()))
        return near

    def put_a_machine_in_the_middle(self):
        """From now on the host's address is that of a TLS server that answers any knock, with a key of its own."""
        key, certificate = (os.path.join(self.landline.scratch, name) for name in ("k.pem", "c.pem"))
        made = self.landline.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out",
                                  certificate, "-subj", "/CN=x", "-days", "2"])
        assert made.returncode == 0, made.stderr
        middle = self.landline.spawn(["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_3", "-cert", certificate,
                                      "-key", key, "-alpn", "landline/1"], stdin=subprocess.PIPE)
        port = middle.stdout.wait_for(rb"ACCEPT 127\.0\.0\.1:(\d+)").group(1).decode()
        path = os.path.join(self.client_home, "hosts")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace(self.address, "127.0.0.1:" + port))

    def close(self):
        if self.relay:
            self.relay.close()


@contextlib.contextmanager
def pair(landline, **options):
    both = Pair(landline, **options)
    try:
        yield both
    finally:
        both.close()


def wait_for_line(process, line):
    return process.stdout.wait_for(line)


def gone(pid):
    support.eventually(lambda: not support.exists(pid), "the end of %d" % pid)
