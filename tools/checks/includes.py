"""Who may include whom. The table is the architecture; docs/ARCHITECTURE.md explains it."""

import fnmatch
import re

from .tree import line_of, room_of

# room: what its files may include besides the room itself. "public" is any landline/….h under include/.
ROOMS = {
    "include": {"public"},
    "lib/base": {"landline/error.h"},
    "lib/os": {"landline/error.h", "lib/base"},
    "lib/net": {"public", "lib/base", "lib/os"},
    "lib/frame": {"landline/error.h", "landline/frame.h", "lib/base"},
    "lib/tls": {"landline/error.h", "landline/events.h", "landline/stream.h", "landline/tls.h", "lib/base"},
    "lib/border": {"landline/error.h", "lib/base", "lib/os", "lib/tls"},
    "lib/seal": {"landline/error.h", "lib/base", "lib/os", "lib/tls"},
    "lib/loop": {"landline/error.h", "landline/events.h", "landline/loop.h", "lib/base", "lib/os"},
    "landline/proto": {"landline/error.h", "landline/frame.h", "lib/base", "lib/frame"},
    "landline/transfer": {"landline/error.h", "lib/base", "lib/os", "landline/proto"},
    "landline/service": {"public", "lib/base", "lib/os", "landline/proto", "landline/transfer"},
    "landline/server": {"public", "lib/base", "lib/os", "lib/tls", "lib/seal", "landline/proto", "landline/service"},
    "landline/client": {"public", "lib/base", "lib/os", "lib/tls", "lib/seal", "landline/proto", "landline/transfer"},
    "landline/classic": {"public", "lib/base", "lib/os"},
    "landline/observe": {"public", "lib/base", "lib/os"},
    "landline/cli": {"public", "lib/base", "lib/os", "lib/tls", "landline/proto", "landline/transfer", "landline/service",
                     "landline/server", "landline/client", "landline/classic", "landline/observe"},
}
ANYTHING = {"tests", "fuzz", "bench"}
# Examples see what a user of the installed library sees.
ROOMS["examples"] = {"public"}

# net and loop do not know each other, though net may include public headers.
NEVER = {"lib/net": {"landline/loop.h"}}

# System headers that only some rooms may include, besides tests, fuzz and bench.
RESERVED = {
    "openssl/*": {"lib/tls"},
    "intel-ipsec-mb.h": {"lib/tls"},
    "pcap*": {"landline/observe"},
    "sys/epoll.h": {"lib/os"},
    "sys/eventfd.h": {"lib/os"},
    "sys/signalfd.h": {"lib/os"},
    "sys/inotify.h": {"lib/os"},
    "sys/timerfd.h": {"lib/os"},
    "sys/syscall.h": {"lib/os"},
    "sys/prctl.h": {"lib/os"},
    "linux/*": {"lib/os"},
    "windows.h": {"lib/os"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
PLATFORM = re.compile(r"^[ \t]*#[ \t]*(?:el)?if.*\b(__linux__|_WIN32|__APPLE__|__FreeBSD__|__unix__)\b", re.M)
SYSCALL = re.compile(r"(?<![\w.>])syscall\s*\(")


def includes_of(tree, path):
    """[(line, is_system, name)]. Comments are blanked in code(), but so is the name in quotes: take it from text()."""
    code = tree.code(path).splitlines()
    found = []
    for match in INCLUDE.finditer(tree.text(path)):
        line = line_of(tree.text(path), match.start() + len(match.group()) - len(match.group().lstrip()))
        if "#" in code[line - 1]:
            found.append((line, match.group(1) == "<", match.group(2)))
    return found


def target_of(tree, name):
    """The path in the tree that an include names, or None."""
    for path in ("include/" + name, name):
        if tree.exists(path):
            return path
    return None


def allowed(room, name, target):
    if name in NEVER.get(room, ()):
        return False
    if room_of(target) == room or name in ROOMS[room]:
        return True
    if target.startswith("include/"):
        return "public" in ROOMS[room]
    return room_of(target) in ROOMS[room]


def check_file(tree, path):
    room = room_of(path)
    free = room in ANYTHING
    if not free and room not in ROOMS:
        yield path, 1, "includes", "%s is no room of tools/checks/includes.py" % (room or "the top folder"), room
        return
    for line, system, name in includes_of(tree, path):
        if system:
            for pattern, rooms in RESERVED.items():
                if fnmatch.fnmatch(name, pattern) and room not in rooms and not free:
                    yield path, line, "includes", "<%s> belongs to %s" % (name, ", ".join(sorted(rooms))), name
            continue
        target = target_of(tree, name)
        if target is None:
            if not free:
                yield path, line, "includes", '"%s" is not a full path from the root' % name, name
        elif not free and not allowed(room, name, target):
            yield path, line, "includes", '%s may not include "%s"' % (room, name), name
    if room != "lib/os" and not free:
        for match in PLATFORM.finditer(tree.code(path)):
            yield path, line_of(tree.code(path), match.start()), "includes", \
                "platform conditionals belong to lib/os", match.group(1)
        for match in SYSCALL.finditer(tree.code(path)):
            yield path, line_of(tree.code(path), match.start()), "includes", "raw system calls belong to lib/os", \
                "syscall"


def own_header(tree, path):
    """The header that a .c file implements: lib/net/socket.c -> lib/net/socket.h or landline/socket.h; or None."""
    stem = path[:-2]
    for name in (stem + ".h", "landline/" + stem.rpartition("/")[2] + ".h"):
        if target_of(tree, name):
            return name
    return None


def check_order(tree, path):
    """Own header first (or another of the project's, where a file has none), then system headers, then the project's."""
    found = includes_of(tree, path)
    if not found:
        return
    own = own_header(tree, path)
    names = [name for _, _, name in found]
    # A file may also stand behind a public header and share an internal one with its neighbours.
    if own in names and names[0] != own and not names[0].startswith("landline/"):
        yield path, found[names.index(own)][0], "includes", 'the own header "%s" comes first' % own, "order"
    project = False
    for line, system, name in found[1:]:
        if system and project:
            yield path, line, "includes", "<%s> stands behind a header of the project" % name, "order"
        project = project or not system


def find_cycle(tree):
    graph = {p: [target_of(tree, n) for _, system, n in includes_of(tree, p) if not system] for p in tree.c_files}
    state = {}

    def visit(path, trail):
        state[path] = "open"
        for target in graph.get(path, ()):
            if target is None or state.get(target) == "done":
                continue
            if state.get(target) == "open":
                return trail[trail.index(target):] + [target] if target in trail else [target]
            cycle = visit(target, trail + [target])
            if cycle:
                return cycle
        state[path] = "done"
        return None

    for path in tree.c_files:
        if path not in state:
            cycle = visit(path, [path])
            if cycle:
                return cycle
    return None


def check(tree):
    for path in tree.c_files:
        yield from check_file(tree, path)
        if path.startswith(("lib/", "landline/")) and path.endswith(".c"):
            yield from check_order(tree, path)
    cycle = find_cycle(tree)
    if cycle:
        yield cycle[0], 1, "includes", "a cycle: " + " -> ".join(cycle), "cycle"
