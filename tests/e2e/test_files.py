"""landline get, put and ls: what arrives, and what does not when something goes wrong."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import stat
import subprocess

import pytest

import relay
import support
from pair import pair

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def box(landline):
    with pair(landline) as both:
        yield both


@pytest.fixture
def there(box):
    """A folder that the test fetches from or sends to."""
    path = os.path.join(box.landline.scratch, "there")
    os.mkdir(path)
    return path


@pytest.fixture
def here(box):
    path = os.path.join(box.landline.scratch, "here")
    os.mkdir(path)
    return path


def fill(path, size, seed=1):
    with open(path, "wb") as f:
        f.write(random.Random(seed).randbytes(size))
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def digest(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()


def make_tree(top):
    os.makedirs(os.path.join(os.fsencode(top), b"a", b"b c"))
    os.mkdir(os.path.join(top, "empty"), 0o700)
    for i, size in enumerate([0, 1, 1023, 1024, 1025, 65536, 65537, 5000000]):
        fill(os.path.join(top, "f%d" % i), size, i)
    for name in (b"b c/\xff\xfe\n", b"b c/-rf", "b c/grüße 你好".encode(), b"b c/" + b"n" * 255):
        with open(os.path.join(os.fsencode(top), b"a", name), "wb") as f:
            f.write(name)
    os.symlink("../nowhere/at all", os.path.join(top, "link"))
    os.link(os.path.join(top, "f5"), os.path.join(top, "a", "same as f5"))
    os.chmod(os.path.join(top, "f1"), 0o400)
    os.chmod(os.path.join(top, "f2"), 0o4755)
    with open(os.path.join(top, "sparse"), "wb") as f:
        f.seek(30000000)
        f.write(b"end")
    os.utime(os.path.join(top, "f3"), ns=(0, 1234567890123456789))


def picture(top):
    """Everything that must be the same: {path: (kind, mode, mtime, contents)}. Of a file's names those count that are in the tree:
    others may be outside of it."""
    found, names = {}, {}
    top = os.fsencode(top)
    for folder, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            mode = stat.S_IMODE(st.st_mode) & 0o777
            if stat.S_ISLNK(st.st_mode):
                found[path[len(top):]] = ("link", st.st_mtime_ns, os.readlink(path))
            elif stat.S_ISDIR(st.st_mode):
                found[path[len(top):]] = ("folder", mode, st.st_mtime_ns)
            else:
                same = names.setdefault((st.st_dev, st.st_ino), [])
                same.append(path[len(top):])
                found[path[len(top):]] = ("file", mode, st.st_mtime_ns, same, digest(path))
    for same in names.values():
        same.sort()
    return found


def leftovers(top):
    return [name for folder, folders, files in os.walk(top) for name in folders + files if name.startswith(".landline-")]


def unfinished(folder):
    """How much there is of what has no name yet."""
    return sum(os.path.getsize(os.path.join(folder, name)) for name in leftovers(folder))


def test_tree_there_and_back(box, here, there):
    make_tree(os.path.join(here, "t"))
    done = box.run("put", os.path.join(here, "t"), "box:%s/" % there)
    assert (done.returncode, done.stdout) == (0, b"")
    assert picture(os.path.join(here, "t")) == picture(os.path.join(there, "t"))
    assert not os.stat(os.path.join(there, "t", "f2")).st_mode & stat.S_ISUID
    assert os.stat(os.path.join(there, "t", "sparse")).st_blocks * 512 < 1000000
    done = box.run("get", "box:%s/t" % there, os.path.join(here, "back"))
    assert done.returncode == 0, done.stderr
    assert picture(os.path.join(here, "t")) == picture(os.path.join(here, "back"))
    assert leftovers(here) == leftovers(there) == []
    # Again: nothing to do.
    done = box.run("get", "--json", "box:%s/t" % there, here)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[-1]["event"] == "result" and told[-1]["files"] == 0 and told[-1]["bytes"] == 0
    assert all(line["skipped"] for line in told if line["event"] == "file")


@pytest.mark.parametrize("size", [0, 1, 1023, 1024, 1025, 16364, 65536, 4194304, 4194305, 20000000])
def test_one_file_of_every_size(box, here, there, size):
    want = fill(os.path.join(there, "f"), size)
    done = box.run("get", "box:%s/f" % there, os.path.join(here, "g"))
    assert done.returncode == 0, done.stderr
    assert digest(os.path.join(here, "g")) == want
    done = box.run("put", os.path.join(here, "g"), "box:%s/h" % there)
    assert done.returncode == 0, done.stderr
    assert digest(os.path.join(there, "h")) == want


def test_standard_input_and_output(box, there):
    data = random.Random(3).randbytes(700000)
    assert box.run("put", "-", "box:%s/piped" % there, input=data).returncode == 0
    assert open(os.path.join(there, "piped"), "rb").read() == data
    assert box.run("get", "box:%s/piped" % there, "-").stdout == data


def test_names_as_cp_has_them(box, here, there):
    fill(os.path.join(there, "one"), 10)
    fill(os.path.join(there, "two"), 20)
    assert box.run("get", "box:%s/one" % there, cwd=here).returncode == 0
    assert box.run("get", "box:%s/one" % there, "new name", cwd=here).returncode == 0
    assert box.run("get", "box:%s/one" % there, "box:%s/two" % there, "folder/", cwd=here).returncode == 0
    assert box.run("get", "box:%s/t*" % there, "folder", cwd=here).returncode == 0
    assert sorted(os.listdir(here)) == ["folder", "new name", "one"]
    assert sorted(os.listdir(os.path.join(here, "folder"))) == ["one", "two"]


def test_failures_are_named_and_the_rest_arrives(box, here, there):
    fill(os.path.join(there, "good"), 100)
    done = box.run("get", "box:%s/good" % there, "box:%s/missing" % there, here)
    assert done.returncode == 1
    assert b"missing: No such file or directory" in done.stderr
    assert os.listdir(here) == ["good"]
    os.mkfifo(os.path.join(there, "fifo"))
    done = box.run("get", "box:%s/fifo" % there, here)
    assert done.returncode == 1 and b"neither file, folder nor link" in done.stderr
    os.mkdir(os.path.join(there, "target"))
    fill(os.path.join(here, "target"), 5)
    done = box.run("put", os.path.join(here, "target"), "box:%s/x/y/z" % there)
    assert done.returncode == 1 and b"No such file or directory" in done.stderr
    done = box.run("put", os.path.join(here, "nothing"), "box:")
    assert done.returncode == 1 and b"No such file or directory" in done.stderr


def test_overwrite_and_dry_run(box, here, there):
    fill(os.path.join(there, "f"), 1000, 1)
    fill(os.path.join(here, "f"), 1000, 2)
    old = digest(os.path.join(here, "f"))
    done = box.run("get", "-n", "box:%s/f" % there, here)
    assert done.stdout == b"f\n" and digest(os.path.join(here, "f")) == old
    box.run("get", "--overwrite=never", "box:%s/f" % there, here)
    assert digest(os.path.join(here, "f")) == old
    box.run("get", "--overwrite=always", "box:%s/f" % there, here)
    assert digest(os.path.join(here, "f")) == digest(os.path.join(there, "f"))
    # The same size and time, other contents: only --checksum sees it.
    st = os.stat(os.path.join(there, "f"))
    fill(os.path.join(there, "f"), 1000, 3)
    os.utime(os.path.join(there, "f"), ns=(st.st_atime_ns, st.st_mtime_ns))
    box.run("get", "box:%s/f" % there, here)
    assert digest(os.path.join(here, "f")) != digest(os.path.join(there, "f"))
    box.run("get", "--checksum", "box:%s/f" % there, here)
    assert digest(os.path.join(here, "f")) == digest(os.path.join(there, "f"))


def test_two_sources_of_one_name(box, here, there):
    """Only one could have it. What is sent says so before anything moves; what is fetched has the first, and a failure."""
    for folder in ("a", "b"):
        os.mkdir(os.path.join(here, folder))
        fill(os.path.join(here, folder, "x"), 1000, folder == "b")
        os.mkdir(os.path.join(here, folder, "t"))
    fill(os.path.join(here, "other"), 10)
    a, b, other = (os.path.join(here, name) for name in ("a/x", "b/x", "other"))
    for one, two in ((a, b), (a, a), (os.path.join(here, "a/t"), os.path.join(here, "b/t"))):
        name = os.path.basename(one).encode()
        done = box.run("put", one, other, two, "box:" + there)
        assert done.returncode == 1 and os.listdir(there) == []
        assert done.stderr == b"landline: %s: two sources have this name, and can only have it once there\n" % name
        to = os.path.join(here, "to")
        os.mkdir(to)
        done = box.run("get", "box:" + one, "box:" + other, "box:" + two, to)
        assert done.returncode == 1
        assert b"landline: box: %s: two sources have this name: only the first is sent\n" % name in done.stderr
        assert sorted(os.listdir(to)) == sorted([name.decode(), "other"])
        if one == a:
            assert digest(os.path.join(to, "x")) == digest(a)
        shutil.rmtree(to)


@pytest.mark.parametrize("verb", ["get", "put"])
def test_the_receipt_of_a_file_that_was_resumed(landline, verb):
    """It has the digest of the whole, though neither side has sent or seen all of it this time."""
    with pair(landline, through_relay=True) as box:
        source, first, second = (os.path.join(landline.scratch, name) for name in ("source", "first", "second"))
        fill(source, 20000000)

        def receipt(target):
            words = ["box:" + source, target] if verb == "get" else [source, "box:" + target]
            done = box.run(verb, "--json", *words)
            assert done.returncode == 0, done.stderr
            said = [json.loads(line) for line in done.stdout.splitlines()]
            (file,) = [s for s in said if s["event"] == "file"]
            return file, said[-1]
        whole, _ = receipt(first)
        box.relay.cuts = [relay.Cut(relay.RST, relay.DOWN if verb == "get" else relay.UP, 12000000)]
        again, result = receipt(second)
        assert result["resumed"] >= 4 << 20 and digest(first) == digest(second)
        assert (again["bytes"], again["digest"]) == (whole["bytes"], whole["digest"])


@pytest.mark.parametrize("how", ["off", "zstd", "auto"])
def test_compression(box, here, there, how):
    with open(os.path.join(there, "text"), "wb") as f:
        f.write(b"the same line again and again\n" * 300000)
    assert box.run("get", "--compress", how, "box:%s/text" % there, here).returncode == 0
    assert digest(os.path.join(here, "text")) == digest(os.path.join(there, "text"))


def test_list(box, there):
    fill(os.path.join(there, "file"), 42)
    os.mkdir(os.path.join(there, "folder"))
    os.symlink("file", os.path.join(there, "link"))
    open(os.path.join(os.fsencode(there), b"\x1b[31m"), "w").close()
    done = box.run("ls", "box:%s" % there)
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "\x1b" not in text and "\\x1b[31m" in text
    assert "42" in text and "folder/" in text and "link -> file" in text
    told = {line["name"]: line for line in map(json.loads, box.run("ls", "--json", "box:%s" % there).stdout.splitlines())}
    assert told["file"]["bytes"] == 42 and told["folder"]["type"] == "folder" and told["link"]["target"] == "file"
    assert box.run("ls", "box:%s/none" % there).returncode == 1


def test_a_root_is_not_left(box, here, there):
    invite = box.invite("get,put", "--root", there)
    assert box.add(invite, "jail", home=box.client_home + "2").returncode == 0
    run = lambda *args: box.run(*args, home=box.client_home + "2")
    fill(os.path.join(there, "inside"), 10)
    fill(os.path.join(os.path.dirname(there), "outside"), 10)
    os.symlink("/etc/passwd", os.path.join(there, "way out"))
    os.symlink("..", os.path.join(there, "up"))
    assert run("get", "jail:/inside", here).returncode == 0
    for path in ("../outside", "/../outside", "up/outside", "way out", "/etc/passwd"):
        assert run("get", "jail:" + path, here).returncode == 1, path
    assert run("put", os.path.join(here, "inside"), "jail:../escaped").returncode in (0, 1)
    assert not os.path.exists(os.path.join(os.path.dirname(there), "escaped"))
    assert run("run", "jail", "true").returncode == 125


def cut_transfer(landline, verb, size, how, cuts):
    """A file over connections that are cut there, one after another: how many of its bytes did not have to be sent again."""
    with pair(landline, through_relay=True) as box:
        folder = os.path.join(landline.scratch, "x")
        os.mkdir(folder)
        want = fill(os.path.join(folder, "from"), size)
        direction = relay.DOWN if verb == "get" else relay.UP
        box.relay.cuts = [relay.Cut(how, direction, n) for n in cuts]
        names = [os.path.join(folder, "from"), os.path.join(folder, "to")]
        names[0 if verb == "get" else 1] = "box:" + names[0 if verb == "get" else 1]
        done = box.run(verb, "--json", *names)
        assert done.returncode == 0, done.stderr
        assert digest(os.path.join(folder, "to")) == want
        assert leftovers(folder) == []
        return json.loads(done.stdout.splitlines()[-1])["resumed"]


@pytest.mark.parametrize("how", [relay.RST, relay.FIN])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_cuts_cost_nothing(landline, verb, how):
    assert cut_transfer(landline, verb, 30000000, how, (3000, 9000000, 6000000, 70000)) >= 8 << 20


@pytest.mark.parametrize("size", [3900000, 12000000], ids=["small", "large"])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_cuts_that_are_all_less_than_a_chunk_apart(landline, verb, size):
    """Whatever came counts: no chunk gets through whole before the last connection."""
    apart, record = 1200000, 262400
    cuts = (size - apart) // apart
    assert cut_transfer(landline, verb, size, relay.FIN, [apart] * cuts) >= cuts * (apart - 2 * record)


@pytest.mark.parametrize("verb", ["get", "put"])
def test_what_was_there_is_not_what_an_earlier_attempt_left(landline, verb):
    with pair(landline, through_relay=True) as box:
        source, target = (os.path.join(landline.scratch, name) for name in ("tree", "to"))
        os.mkdir(source)
        os.mkdir(target)
        for name in ("a", "b"):
            fill(os.path.join(source, name), 12 << 20)
        words = [verb, "box:" + source, target] if verb == "get" else [verb, source, "box:" + target]
        box.relay.cuts = [relay.Cut(relay.RST, relay.DOWN if verb == "get" else relay.UP, 16000000)]

        def told(*options):
            done = box.run(words[0], *options, *words[1:])
            assert done.returncode == 0, done.stderr
            return done
        *files, result = map(json.loads, told("--json").stdout.splitlines())
        counts = [result[name] for name in ("files", "folders", "skipped")]
        assert counts == [2, 1, 0] and not any(line["skipped"] for line in files), (result, files)
        assert result["resumed"] >= 12 << 20 and result["bytes"] + result["resumed"] == 24 << 20
        assert sorted(os.listdir(os.path.join(target, "tree"))) == ["a", "b"]
        *files, result = map(json.loads, told("--json").stdout.splitlines())
        counts = [result[name] for name in ("files", "skipped", "bytes", "resumed", "wasted")]
        assert counts == [0, 2, 0, 0, 0] and all(line["skipped"] and line["resumed"] == 0 for line in files), (result, files)
        assert b"; 2 unchanged, 0 B resumed, 0 B wasted\n" in told().stderr


def test_killed_and_given_again(landline):
    with pair(landline, through_relay=True) as box:
        folder = os.path.join(landline.scratch, "x")
        os.mkdir(folder)
        want = fill(os.path.join(folder, "from"), 40000000)
        fill(os.path.join(folder, "to"), 100)
        old = digest(os.path.join(folder, "to"))
        box.relay.cuts = [relay.Cut(relay.FREEZE, relay.DOWN, 25000000)]
        client = box.start("get", "box:%s/from" % folder, os.path.join(folder, "to"))
        support.eventually(lambda: unfinished(folder) > 21 << 20, "most of the file")
        client.signal(9)
        client.wait()
        assert digest(os.path.join(folder, "to")) == old
        box.relay.cut_all()
        done = box.run("get", "--json", "box:%s/from" % folder, os.path.join(folder, "to"))
        assert done.returncode == 0, done.stderr
        assert digest(os.path.join(folder, "to")) == want
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 16 << 20
        assert leftovers(folder) == []


@pytest.mark.parametrize("verb", ["get", "put"])
def test_the_servers_worker_is_killed(box, here, there, verb):
    """It is said, nothing is changed, and the same command goes on."""
    want = fill(os.path.join(here, "f"), 30000000)
    fill(os.path.join(there, "g"), 10)
    names = ["box:" + os.path.join(here, "f"), os.path.join(there, "g")]
    if verb == "put":
        names = [os.path.join(here, "f"), "box:" + os.path.join(there, "g")]
    client = box.start(verb, "--limit", "8M", *names)
    support.eventually(lambda: leftovers(there), "the beginning")

    def worker():
        return [pid for pid in support.children(box.server.pid) if b"landline: files" in support.command_line(pid)]
    os.kill(support.eventually(worker, "the worker")[0], 9)
    assert client.wait() == 1
    assert client.stderr.text().count("landline: ") == 1, client.stderr.text()
    assert os.path.getsize(os.path.join(there, "g")) == 10
    assert box.run(verb, *names).returncode == 0
    assert digest(os.path.join(there, "g")) == want and leftovers(there) == []


def test_receipts_in_the_audit_log(box, here, there):
    fill(os.path.join(there, "f"), 12345)
    done = box.run("get", "--json", "box:%s/f" % there, here)
    receipt = next(r for r in map(json.loads, done.stdout.splitlines()) if r["event"] == "file")
    lines = [json.loads(line) for line in open(os.path.join(box.server_home, "server", "audit.log"))]
    line = next(line for line in lines if line.get("verb") == "get")
    assert (line["path"], line["bytes"], line["digest"]) == ("f", 12345, receipt["digest"])


@pytest.mark.parametrize("words", [
    ["get"], ["get", "nohost"], ["get", "a:x", "b:y", "."], ["put", "x"], ["put", "x", "y"], ["ls"], ["ls", "x"],
    ["get", "--overwrite=sometimes", "box:x"], ["get", "--compress=gzip", "box:x"], ["get", "--limit=fast", "box:x"],
    ["get", "--frobnicate", "box:x"],
])
def test_wrong_command_lines(landline, words):
    done = landline(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(b"landline: ") and done.stdout == b""


@pytest.mark.parametrize("verb", ["get", "put"])
@pytest.mark.parametrize("options, change, why", [
    ("size=8m", "size=40m", b"No space left on device"),
    ("nr_inodes=20", "nr_inodes=2000", b"No space left on device"),
    ("ro", "rw", b"Read-only file system"),
], ids=["full", "no inodes", "read-only"])
def test_a_disk_that_takes_no_more(box, here, verb, options, change, why):
    """The file and the kernel's reason are named, what was there stays; once there is room the same command completes."""
    with support.small_disk(os.path.join(box.landline.scratch, "small"), "size=40m") as small:
        fill(os.path.join(small, "0"), 1000, 9)
        before = picture(small)
        os.mkdir(os.path.join(here, "t"))
        for n in range(30):
            fill(os.path.join(here, "t", str(n)), 400000, n)
        fill(os.path.join(here, "0"), 10000000)
        assert subprocess.call(["mount", "-o", "remount," + options, small]) == 0
        names = [os.path.join(here, n) for n in ("0", "t")]
        words = ["get", *("box:" + n for n in names), small] if verb == "get" else ["put", *names, "box:" + small]
        done = box.run(*words)
        assert done.returncode == 1, done.stderr
        assert any(line.startswith(b"landline: box: ") and line.endswith(b": " + why) for line in done.stderr.splitlines())
        now = {path: what for path, what in picture(small).items() if b".landline-" not in path}
        assert (now[b"/0"] == before[b"/0"]) or now[b"/0"][4] == digest(os.path.join(here, "0"))
        assert subprocess.call(["mount", "-o", "remount," + change, small]) == 0
        assert box.run(*words).returncode == 0
        now, want = picture(small), picture(here)
        assert now.pop(b"/t")[0] == want.pop(b"/t")[0]  # a folder that was there keeps its time
        assert now == want and leftovers(small) == []


@contextlib.contextmanager
def disk_with_quota(folder, limit):
    """btrfs, whose quota holds for root, too. Gives the place, and a function that sets another limit."""
    image, place = os.path.join(folder, "image"), os.path.join(folder, "quota")
    if os.geteuid() != 0 or not shutil.which("mkfs.btrfs") or not shutil.which("btrfs"):
        pytest.skip("a quota needs root and btrfs-progs")
    os.mkdir(place)
    with open(image, "wb") as f:
        f.truncate(160 << 20)
    subprocess.run(["mkfs.btrfs", "-q", image], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if subprocess.call(["mount", "-o", "loop", image, place]) != 0:
        pytest.skip("this kernel has no btrfs")

    def limited(most):
        subprocess.run(["btrfs", "qgroup", "limit", most, place], check=True, stdout=subprocess.DEVNULL)
    try:
        subprocess.run(["btrfs", "quota", "enable", place], check=True)
        limited(limit)
        yield place, limited
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.parametrize("there_already", [True, False], ids=["old", "new"])
@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_quota(box, here, verb, there_already):
    """The kernel says no in the middle of a file: its reason is told, and the same command completes once it says yes."""
    with disk_with_quota(box.landline.scratch, "7m") as (disk, limited):
        source, target = os.path.join(here, "f"), os.path.join(disk, "f")
        want, old = fill(source, 15000000), fill(target, 1000, 9) if there_already else None
        words = ["get", "box:" + source, target] if verb == "get" else ["put", source, "box:" + target]
        done = box.run(*words)
        assert done.returncode == 1 and b"f: Disk quota exceeded" in done.stderr, done.stderr
        assert os.path.exists(target) == there_already and (not there_already or digest(target) == old)
        limited("none")
        done = box.run(words[0], "--json", *words[1:])
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 4 << 20
        assert digest(target) == want and leftovers(disk) == []


def test_a_full_disk_is_said_and_nothing_is_broken(box, here):
    with support.small_disk(os.path.join(box.landline.scratch, "small"), "size=8m") as small:
        fill(os.path.join(small, "f"), 1000, 9)
        old = digest(os.path.join(small, "f"))
        fill(os.path.join(here, "f"), 12000000)
        done = box.run("put", os.path.join(here, "f"), "box:%s/f" % small)
        assert done.returncode == 1
        assert b"f: No space left on device" in done.stderr
        assert digest(os.path.join(small, "f")) == old
        assert subprocess.call(["mount", "-o", "remount,size=40m", small]) == 0
        done = box.run("put", "--json", os.path.join(here, "f"), "box:%s/f" % small)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["resumed"] >= 4 << 20
        assert digest(os.path.join(small, "f")) == digest(os.path.join(here, "f"))
        assert leftovers(small) == []
