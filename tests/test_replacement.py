"""A folder is replaced as a whole, or not at all."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sasrec_fast as sf
from sasrec_fast.saving import manifest, replacement
from saved_data import assert_same_data, prepared, rewrite


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    prepared("strings").save(folder)
    return folder


def test_other_contents_are_not_replaced(saved, tmp_path):
    data = prepared()
    (tmp_path / "file").write_text("mine")
    (saved / "notes.txt").write_text("mine")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "manifest.json").write_text("{}")
    for name, reason in (("file", "is a file"), ("data", "'notes.txt'"), ("foreign", "format")):
        with pytest.raises(FileExistsError, match=reason):
            data.save(tmp_path / name)
    assert (saved / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "file", "foreign"]
    assert_same_data(sf.load(saved), prepared("strings"))


def test_empty_folders_links_and_newer_formats_are_replaced(saved, tmp_path):
    rewrite(saved, lambda content: content.update(format_version=2))
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("data")
    for name in ("empty", "link"):
        prepared().save(tmp_path / name)
        assert_same_data(sf.load(tmp_path / name), prepared())
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "empty", "link"]


def test_a_failed_save_leaves_what_was_there(saved, tmp_path, monkeypatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(manifest, "write", full)
        with pytest.raises(OSError, match="No space left"):
            prepared().save(saved)
    rename = Path.rename

    def rename_old_only(path: Path, target: Path) -> Path:
        return full() if "unfinished" in path.name else rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", rename_old_only)
        with pytest.raises(OSError, match="No space left"):
            prepared().save(saved)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert_same_data(sf.load(saved), prepared("strings"))


KILLED = """
import json, os, signal, sys, warnings
from pathlib import Path
import numpy as np
import sasrec_fast as sf

warnings.simplefilter("always")
folder = Path(sys.argv[1], "data")
rows = np.arange(60)
table = {"user_id": rows % 6, "item_id": (rows * 7) % 41, "timestamp": rows}
old, new = (sf.prepare(table, seed=seed, max_sequence_length=4) for seed in (1, 2))
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
    for aside in folder.parent.glob(".data.replaced-*"):
        sf.load(aside, verify=True)
    with warnings.catch_warnings(record=True) as caught:
        try:
            found = names[sf.load(folder, verify=True).fingerprint]
        except FileNotFoundError:
            return "none"
    return found + " aside" * len(caught)

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
        before()
        status = save_and_die(step)
        found.append((os.WTERMSIG(status), state()))
        new.save(folder)
        found.append(sorted(path.name for path in folder.parent.iterdir()) + [state()])
        step += 1
    return found

def remove():
    old.save(folder)
    folder.rename(folder.with_name("gone"))
    for path in [*folder.with_name("gone").iterdir()]:
        path.unlink()
    folder.with_name("gone").rmdir()

print(json.dumps([outcomes(lambda: old.save(folder)), outcomes(remove)]))
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
        assert afterwards == [["data", "new"]] * len(afterwards)
        assert len(killed) > 20
        assert [signal for signal, _ in killed] == [9] * (len(killed) - 1) + [0]
        states = [state for _, state in killed]
        order = sorted(states, key=[before, f"{before} aside", "new"].index)
        assert states == order
        assert set(states) >= {before, "new"}
        assert ("old aside" in states) == (before == "old")


def test_a_save_in_progress_is_not_cleaned_away(saved, tmp_path):
    leftovers = [".data.unfinished-1", ".data.discarded-2", ".data.replaced-3"]
    for name in leftovers:
        (tmp_path / name).mkdir()
    others = [tmp_path / "x.unfinished-1", tmp_path / ".data2.unfinished-1"]
    for path in others:
        path.mkdir()
    with replacement.replacement(saved, lambda _: None) as alive:
        prepared().save(saved)
        assert alive.is_dir()
        assert sorted(tmp_path.iterdir()) == sorted([saved, alive, *others])
        (alive / "mine").write_text("")
    assert sorted(tmp_path.iterdir()) == sorted([saved, *others])
    assert [path.name for path in saved.iterdir()] == ["mine"]
