"""The content of a folder is replaced as a whole, or not at all."""

import itertools
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import sasrec_fast as sf
from sasrec_fast.saving import manifest, replaced_file, stored
from sasrec_fast.saving.content import fingerprint
from sasrec_fast.saving.folder import writable_folder
from saved_data import assert_same_data, prepared, rewrite


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    prepared("strings").save(folder)
    return folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def in_use(folder: Path) -> set[str]:
    return manifest.file_names(manifest.read(folder))


def test_other_contents_are_not_replaced(saved, tmp_path):
    data = prepared()
    (tmp_path / "file").write_text("mine")
    (saved / "notes.txt").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "manifest.json").write_text("{}")
    (tmp_path / "arrays").mkdir()
    (tmp_path / "arrays" / "items.npy").write_text("mine")
    refused = {"file": "is a file", "data": "'notes.txt'", "foreign": "format", "arrays": "'items"}
    for name, reason in refused.items():
        with pytest.raises(FileExistsError, match=reason):
            data.save(tmp_path / name)
    assert (saved / "notes.txt").read_text() == "mine"
    assert names(tmp_path) == set(refused)
    assert names(tmp_path / "arrays") == {"items.npy"}
    assert_same_data(sf.load(saved), prepared("strings"))


def test_empty_folders_links_and_newer_formats_are_replaced(saved, tmp_path):
    rewrite(saved, lambda content: content.update(format_version=5))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("data")
    for name in ("empty", "link"):
        prepared().save(tmp_path / name)
        assert_same_data(sf.load(tmp_path / name), prepared())
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path) == {"data", "empty", "link"}


def test_what_was_replaced_stays_until_the_next_save(saved):
    used = [in_use(saved)]
    for kind in ("integers", "identity", "without time"):
        prepared(kind).save(saved)
        used.append(in_use(saved))
        assert names(saved) == used[-1] | used[-2]
    assert used[0] & used[-1] == {manifest.FILE_NAME}


@pytest.mark.parametrize("folder", ["data", "new"])
def test_a_failed_save_leaves_old_or_new_content(folder, saved, tmp_path, monkeypatch):
    """The disk is full at the first, second, third ... file that is to be on it."""

    def full(descriptor: int) -> None:
        if next(calls) == failing:
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    fsync, before, failing, done = os.fsync, names(saved), -1, False
    monkeypatch.setattr(os, "fsync", full)
    while not done:
        failing, calls = failing + 1, itertools.count()
        try:
            prepared().save(tmp_path / folder)
            done = True
        except OSError:
            if names(saved) == before:
                assert_same_data(sf.load(saved), prepared("strings"))
                assert names(tmp_path) <= {"data", "new"}
    assert failing > 10
    assert_same_data(sf.load(tmp_path / folder), prepared())
    assert names(tmp_path / folder) - before == in_use(tmp_path / folder) - before


def test_a_failed_save_leaves_no_files(saved, tmp_path, monkeypatch):
    def full(path: Path, _: Any) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    before = names(saved)
    monkeypatch.setattr(stored, "write", full)
    for folder in (saved, tmp_path / "new"):
        with pytest.raises(OSError, match="No space left"):
            prepared().save(folder)
    assert names(tmp_path) == {"data"}
    assert names(saved) == before
    assert_same_data(sf.load(saved), prepared("strings"))


KILLED = """
import json, os, signal, shutil, sys
from contextlib import suppress
from pathlib import Path
import numpy as np
import sasrec_fast as sf
from sasrec_fast.saving import manifest

folder = Path(sys.argv[1], "data")
rows = np.arange(60)
table = {"user_id": rows % 6, "item_id": (rows * 7) % 41, "timestamp": rows}
old, new = (sf.prepare(table, min_item_interactions=n, max_sequence_length=4) for n in (1, 2))
names = {old.fingerprint: "old", new.fingerprint: "new"}
WATCHED = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "fcntl.flock", "os.scandir")

def die_at(step):
    left = step
    def watch(event, args):
        nonlocal left
        if event in WATCHED:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
    sys.addaudithook(watch)

def state():
    if not (folder / "manifest.json").exists():
        return "none"
    return names[sf.load(folder, verify=True).fingerprint]

def save_and_die(step):
    child = os.fork()
    if child == 0:
        die_at(step)
        new.save(folder)
        os._exit(0)
    return os.waitpid(child, 0)[1]

def outcomes(before):
    found, step, status = [], 0, None
    while status != 0:
        shutil.rmtree(folder, ignore_errors=True)
        before()
        status = save_and_die(step)
        found.append((os.WTERMSIG(status), state()))
        kept = set()
        if found[-1][1] != "none":
            kept = manifest.file_names(manifest.read(folder))
        new.save(folder)
        left = {path.name for path in folder.iterdir()}
        others = left - kept - manifest.file_names(manifest.read(folder))
        found.append([sorted(others), os.listdir(folder.parent), state()])
        step += 1
    return found

print(json.dumps([outcomes(lambda: old.save(folder)), outcomes(lambda: None)]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills forked processes")
def test_a_save_killed_anywhere_leaves_good_data(tmp_path):
    """SIGKILL before every file operation of a save, first over old data, then over none."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for outcomes, before in zip(json.loads(done.stdout), ("old", "none"), strict=True):
        killed, afterwards = outcomes[::2], outcomes[1::2]
        assert afterwards == [[[], ["data"], "new"]] * len(afterwards)
        assert len(killed) > 20
        assert [signal for signal, _ in killed] == [9] * (len(killed) - 1) + [0]
        states = [state for _, state in killed]
        assert states == sorted(states, key=[before, "new"].index)
        assert set(states) == {before, "new"}


def test_two_writers_and_a_reader_find_whole_data(saved):
    """The last writer wins, and what is read is of one save at any moment."""
    made = {kind: prepared(kind) for kind in ("integers", "identity", "strings")}
    known = {data.fingerprint for data in made.values()}

    def write(kind: str) -> None:
        for _ in range(8):
            made[kind].save(saved)

    with ThreadPoolExecutor() as pool:
        writers = [pool.submit(write, kind) for kind in ("integers", "identity")]
        while not all(writer.done() for writer in writers):
            assert sf.load(saved, verify=True).fingerprint in known
        for writer in writers:
            writer.result()
    assert fingerprint(sf.load(saved)) in known


def test_a_save_waits_for_another_and_what_is_written_is_not_removed(saved):
    with ThreadPoolExecutor() as pool, writable_folder(saved) as first:
        (first / ".x.unfinished-1").write_text("")
        second = pool.submit(prepared().save, saved)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        assert ".x.unfinished-1" in names(saved)
    second.result()
    assert ".x.unfinished-1" not in names(saved)


def test_without_locks_what_is_new_is_not_removed(saved, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def no_locks(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    new, old = (saved / f"items-0123456{digit}.npy" for digit in (7, 8))
    for path in (new, old):
        path.write_text("")
    os.utime(old, (0, 0))
    prepared().save(saved)
    assert new.exists()
    assert not old.exists()
    assert_same_data(sf.load(saved), prepared())


@pytest.mark.parametrize("failure", [OSError, KeyboardInterrupt])
def test_a_file_is_replaced_as_a_whole(failure, tmp_path):
    (tmp_path / "link.csv").symlink_to("file.csv")
    for text in ("old", "new"):
        with replaced_file(tmp_path / "link.csv") as temporary:
            assert temporary.suffix == ".csv"
            temporary.write_text(text)
    with suppress(failure), replaced_file(tmp_path / "file.csv") as temporary:
        temporary.write_text("half")
        raise failure
    assert (tmp_path / "file.csv").read_text() == "new"
    assert (tmp_path / "link.csv").is_symlink()
    assert names(tmp_path) == {"file.csv", "link.csv"}


TERMINATED = """
import json, os, signal, sys, threading
from pathlib import Path
import numpy as np
import sasrec_fast as sf
from sasrec_fast.saving import replaced_file, stored

folder = Path(sys.argv[1])
rows = np.arange(60)
data = sf.prepare({"user_id": rows % 6, "item_id": (rows * 7) % 41, "timestamp": rows})
write = stored.write

def file(send):
    with replaced_file(folder / "r.csv") as path:
        path.write_text("half")
        send()

def nested(send):
    with replaced_file(folder / "r.csv") as path, replaced_file(path) as same:
        assert path == same
        path.write_text("half")
        send()

def swallowed(send):
    with replaced_file(folder / "r.csv") as path:
        path.write_text("whole")
        try:
            send()
        except BaseException:
            pass

def save(send):
    def sending(path, part):
        send()
        return write(path, part)
    stored.write = sending
    data.save(folder / "data")

def own(send):
    signal.signal(number, lambda *_: None)
    with replaced_file(folder / "r.csv") as path:
        path.write_text("whole")
        send()

def thread(send):
    worker = threading.Thread(target=file, args=(lambda: None,))
    worker.start()
    worker.join()
    assert signal.getsignal(number) == signal.SIG_DFL

for name in ("SIGTERM", "SIGHUP"):
    number = getattr(signal, name)
    for case in (file, nested, swallowed, save, own, thread):
        child = os.fork()
        if child == 0:
            signal.signal(number, signal.SIG_DFL)
            case(lambda: os.kill(os.getpid(), number))
            os._exit(7)
        status = os.waitpid(child, 0)[1]
        left = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
        print(json.dumps([name, case.__name__, os.waitstatus_to_exitcode(status), left]))
        assert not (folder / "data").exists()
        for path in folder.iterdir():
            path.unlink()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends signals to forked processes")
def test_a_signal_that_ends_the_process_leaves_no_temporary_files(tmp_path):
    """As Ctrl-C does; the process ends by the signal, and handlers of the user's own stay."""
    command = [sys.executable, "-W", "ignore", "-c", TERMINATED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    expected = {
        "file": (None, {}),
        "nested": (None, {}),
        "swallowed": (None, {"r.csv": "whole"}),
        "save": (None, {}),
        "own": (7, {"r.csv": "whole"}),
        "thread": (7, {"r.csv": "half"}),
    }
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [case for _, case, _, _ in lines] == [*expected] * 2
    for name, case, code, left in lines:
        number = -getattr(signal, name)
        assert (code, left) == ((expected[case][0] or number), expected[case][1]), (name, case)
    assert os.listdir(tmp_path) == []  # noqa: PTH208
