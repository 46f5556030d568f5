"""A landline server of a test's own, and a client that it lets in."""

import os
import pwd
import re

import support

ME = pwd.getpwuid(os.geteuid()).pw_name


class Server:
    def __init__(self, landline, *options, program=None, **environment):
        self.landline = landline
        self.program = program  # None: the one that is tested
        self.home = os.path.join(landline.scratch, "server")
        os.makedirs(self.home, mode=0o700, exist_ok=True)
        self.options = options
        self.environment = environment
        self.start()

    def start(self, *options):
        options = options or ("--listen", support.lasting_address())
        self.process = self.landline.spawn([self.program or support.LANDLINE, "serve", *options, *self.options],
                                           home=self.home, env=self.environment)
        self.address = self.process.listening()
        return self

    @property
    def listen(self):
        return "%s:%d" % self.address

    @property
    def pid(self):
        return self.process.pid

    def gate(self):
        """The process id of the gate, once there is one."""
        return support.gate_of(self.pid)

    def admin(self, *args, **more):
        return self.landline(*args, home=self.home, **more)

    def invite(self, *options):
        done = self.admin("invite", *(("--as", ME) if os.geteuid() == 0 else ()), *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add(self, *options, name="box", home=None):
        """Lets a client in; its folder is `home`."""
        done = self.landline("add", name, input=self.invite(*options), home=home)
        assert done.returncode == 0, done.stderr
        return done

    def audit(self):
        with open(os.path.join(self.home, "server", "audit.log"), "rb") as f:
            return f.read().decode().splitlines()


def ids(output):
    """Run ids in some text."""
    return re.findall(rb"\b[a-z2-7]{26}\b", output)
