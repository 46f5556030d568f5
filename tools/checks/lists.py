"""Every C file is listed in a meson.build, with or without its .c: one that is not is never built or never run."""

import os

ROOTS = ("lib/", "landline/", "tests/", "examples/", "bench/", "fuzz/")


def listed(tree, path):
    folder, rest = os.path.dirname(path), os.path.basename(path)
    while True:
        build = os.path.join(folder, "meson.build")
        if build in tree.files:
            text = tree.text(build)
            if "'%s'" % rest in text or "'%s'" % rest[:-2] in text:
                return True
        if not folder:
            return False
        rest = os.path.join(os.path.basename(folder), rest)
        folder = os.path.dirname(folder)


def check(tree):
    for path in tree.files:
        if path.endswith(".c") and path.startswith(ROOTS) and not listed(tree, path):
            yield path, 1, "lists", "no meson.build lists it", "unlisted"
