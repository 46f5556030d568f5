"""A client of which a test reads as much as it wants."""

import contextlib
import hashlib
import subprocess
import threading

import support


class Reader:
    """A client whose output is read as the test says."""

    def __init__(self, box, *words, home=None):
        self.popen = subprocess.Popen([support.LANDLINE, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE,
                                      env=box.landline.environment(home or box.client_home, box.env))
        self.digest, self.size, self.tail = hashlib.sha256(), 0, b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.popen.kill()
        self.popen.wait()
        self.popen.stdout.close()
        self.popen.stderr.close()

    def read(self, until=None):
        while until is None or self.size < until:
            piece = self.popen.stdout.read1(1 << 20)
            if not piece:
                assert until is None, self.popen.stderr.read()
                return
            self.digest.update(piece)
            self.tail = (self.tail + piece)[-1000:]
            self.size += len(piece)

    @contextlib.contextmanager
    def in_background(self, until=None):
        """What comes is read meanwhile."""
        thread = threading.Thread(target=self.read, args=[until])
        thread.start()
        try:
            yield
        except BaseException:
            self.popen.kill()
            raise
        finally:
            thread.join(support.PATIENCE)
        assert not thread.is_alive()

    def check_rest(self, text, status=3, begin=0):
        self.read()
        said = self.popen.stderr.read()
        assert self.popen.wait(support.PATIENCE) == status, said
        assert self.size == len(text) - begin
        assert self.digest.digest() == hashlib.sha256(memoryview(text)[begin:]).digest()
        return said
