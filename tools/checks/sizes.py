"""No function above 70 lines, no file above 600."""

import re

FUNCTION = 70
FILE = 600
FILES = (".c", ".h", ".py", ".sh", ".build")


def functions(code):
    """[(name, first line, last line)] of C text without comments, formatted by clang-format: a function's body opens
    with `) {` outside everything and closes with `}` in the first column."""
    found = []
    start = name = None
    first = None  # where the declaration under way began
    continued = False
    for number, line in enumerate(code.splitlines(), 1):
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.rstrip().endswith("\\")
        if directive:
            continue
        if start is not None:
            if line.startswith("}"):
                found.append((name, start, number))
                start = first = None
            continue
        if not line.strip() or line.startswith(("}", 'extern "C"')):
            first = None
            continue
        if not line.startswith((" ", "\t")) and first is None:
            first = (number, line)
        stripped = line.rstrip()
        if stripped.endswith(") {") and first is not None:
            match = re.search(r"([A-Za-z_]\w*)\s*\(", first[1])
            start, name = first[0], match.group(1) if match else "?"
        elif stripped.endswith((";", "}")):
            first = None
    return found


def check(tree):
    for path in tree.files:
        if path.endswith(FILES) or path.startswith("tools/"):
            lines = tree.text(path).count("\n")
            if lines > FILE:
                yield path, FILE + 1, "sizes", "the file has %d lines, %d are allowed" % (lines, FILE), "file"
    for path in tree.c_files:
        for name, first, last in functions(tree.code(path)):
            if last - first + 1 > FUNCTION:
                yield path, first, "sizes", "%s() has %d lines, %d are allowed" % (name, last - first + 1, FUNCTION), name
