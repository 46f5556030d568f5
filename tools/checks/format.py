"""C files are formatted as .clang-format says."""

import re
import shutil
import subprocess

COMPLAINT = re.compile(r"^(.*?):(\d+):\d+: (?:error|warning): ", re.M)


def check(tree):
    if ".clang-format" not in tree.files:
        return
    style = tree.text(".clang-format")
    todo = []
    for path in tree.c_files:
        key = tree.cache.key("format", style, tree.bytes(path))
        if not tree.cache.knows(key):
            todo.append((path, key))
    if not todo:
        return
    if shutil.which("clang-format") is None:
        yield ".clang-format", 1, "format", "clang-format is not installed", "missing"
        return
    out = subprocess.run(["clang-format", "--dry-run", "--Werror", *(p for p, _ in todo)], cwd=tree.root,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout.decode("utf-8", "replace")
    first = {}
    for match in COMPLAINT.finditer(out):
        first.setdefault(match.group(1), int(match.group(2)))
    for path, key in todo:
        if path in first:
            yield path, first[path], "format", "not formatted: clang-format -i %s" % path, "format"
        else:
            tree.cache.learn(key)
