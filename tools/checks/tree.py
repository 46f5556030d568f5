"""The files of the tree, their text, and C text without comments and strings."""

import hashlib
import json
import os
import re
import subprocess

SKIPPED = {".git", ".cache", "__pycache__", ".pytest_cache"}

# A comment, a string or a character constant.
TOKEN = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])+'", re.S)


class Cache:
    """Remembers which inputs of slow checks were found good, in .cache/check-tree.json."""

    def __init__(self, root):
        self.path = os.path.join(root, ".cache", "check-tree.json")
        self.used = []
        try:
            with open(self.path) as f:
                self.good = set(json.load(f))
        except (OSError, ValueError):
            self.good = set()

    def key(self, *parts):
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part.encode() if isinstance(part, str) else part)
            digest.update(b"\0")
        return digest.hexdigest()

    def knows(self, key):
        if key in self.good:
            self.used.append(key)
            return True
        return False

    def learn(self, key):
        self.used.append(key)

    def save(self):
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path + ".new", "w") as f:
                json.dump(sorted(set(self.used) | self.good)[-5000:], f)
            os.replace(self.path + ".new", self.path)
        except OSError:
            pass  # a tree that cannot be written is only checked more slowly


class Tree:
    def __init__(self, root, build=None):
        self.root = os.path.abspath(root)
        self.build = build
        self.files = self._list()
        self.c_files = [p for p in self.files if p.endswith((".c", ".h"))]
        self.cache = Cache(self.root)
        self._text = {}
        self._code = {}

    def _list(self):
        """What git knows or would add; without git, all files but build folders."""
        try:
            out = subprocess.run(["git", "-C", self.root, "ls-files", "-z", "--cached", "--others",
                                  "--exclude-standard"], capture_output=True, check=True).stdout
            names = [n for n in out.decode().split("\0") if n]
        except (OSError, subprocess.CalledProcessError):
            names = []
            for folder, folders, files in os.walk(self.root):
                folders[:] = [d for d in folders if d not in SKIPPED and not d.startswith("build")]
                names += [os.path.relpath(os.path.join(folder, f), self.root) for f in files]
        return sorted({n for n in names if os.path.isfile(os.path.join(self.root, n))})

    def path(self, name):
        return os.path.join(self.root, name)

    def exists(self, name):
        return os.path.isfile(self.path(name))

    def bytes(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def text(self, name):
        """The text of a file; '' where it is not text."""
        if name not in self._text:
            data = self.bytes(name)
            self._text[name] = "" if b"\0" in data else data.decode("utf-8", "replace")
        return self._text[name]

    def code(self, name):
        """C text with comments and the insides of strings blanked out; lines keep their numbers."""
        if name not in self._code:
            def blank(match):
                token = match.group()
                kept = "".join("\n" if c == "\n" else " " for c in token)
                return kept if token[0] == "/" else token[0] + kept[1:-1] + token[0]
            self._code[name] = TOKEN.sub(blank, self.text(name))
        return self._code[name]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def room_of(path):
    """lib/base/buf.c -> lib/base; landline/cli/main.c -> landline/cli; include/…; else the first folder."""
    parts = path.split("/")
    if len(parts) > 2 and parts[0] in ("lib", "landline"):
        return "/".join(parts[:2])
    return parts[0] if len(parts) > 1 else ""
