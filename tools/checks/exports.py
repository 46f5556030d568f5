"""What the built library exports is what the public headers declare with LL_API, no more and no less."""

import os
import re
import subprocess

DECLARATION = re.compile(r"\bLL_API\b([^;{]*)[;{]", re.S)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*$", re.M)
NAME = re.compile(r"\b(ll_\w+)\s*(?:\(|\[|$)")


def declared(tree):
    """{symbol: header}"""
    found = {}
    for path in tree.c_files:
        if path.startswith("include/"):
            for match in DECLARATION.finditer(DIRECTIVE.sub("", tree.code(path))):
                name = NAME.search(match.group(1).strip())
                if name:
                    found[name.group(1)] = path
    return found


def check(tree):
    if tree.build is None:
        return
    library = os.path.join(tree.build, "liblandline.so")
    result = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True)
    if result.returncode != 0:
        yield "lib/liblandline.map", 1, "exports", "cannot read %s: build first" % library, "missing"
        return
    exported = {line.split()[-1].split("@")[0] for line in result.stdout.decode().splitlines()}
    exported = {name for name in exported if not name.startswith("LANDLINE_")}
    promised = declared(tree)
    for name in sorted(set(promised) - exported):
        yield promised[name], 1, "exports", "%s is declared and not in the library" % name, name
    for name in sorted(exported - set(promised)):
        yield "lib/liblandline.map", 1, "exports", "%s is in the library and in no public header" % name, name
