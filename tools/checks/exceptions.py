"""tools/exceptions.txt: what a rule overlooks, each with a reason. One line each:

    RULE PATH KEY -- REASON

KEY is the function of a size, the name of a call, the header of an include. An exception that nothing needs is a
violation, so the list cannot rot.
"""

import re

FILE = "tools/exceptions.txt"
LINE = re.compile(r"^(\w+) (\S+) (\S+) -- (\S.{9,})$")


def parse(tree):
    """({(rule, path, key): line}, violations)"""
    found, wrong = {}, []
    if FILE not in tree.files:
        return found, wrong
    for number, line in enumerate(tree.text(FILE).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.match(line)
        if match:
            found[match.group(1, 2, 3)] = number
        else:
            wrong.append((FILE, number, "exceptions", "not `RULE PATH KEY -- REASON`", "form"))
    return found, wrong


def apply(tree, violations, complete):
    """The violations that no exception covers, and the exceptions that cover none (if all rules ran)."""
    excepted, left = parse(tree)
    used = set()
    for violation in violations:
        path, _, rule, _, key = violation
        if (rule, path, key) in excepted:
            used.add((rule, path, key))
        else:
            left.append(violation)
    if complete:
        for entry in sorted(set(excepted) - used):
            if entry[0] != "exports" or tree.build is not None:
                left.append((FILE, excepted[entry], "exceptions", "nothing needs `%s %s %s` any more" % entry, "unused"))
    return left
