"""Streaming that does not end well leaves the old data, a message, and nothing else."""

import errno
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

import sasrec_fast as sf
from sasrec_fast.preparing.streaming import driver as streaming
from sasrec_fast.reading.chunks.opened import Held
from sasrec_fast.saving import growing

ROWS = np.arange(60)
TABLE = pd.DataFrame({"user_id": ROWS % 6, "item_id": (ROWS * 7) % 41, "timestamp": ROWS})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds data, where a few rows make a chunk and a few more a shard."""
    monkeypatch.setattr(streaming, "_LEAST_CHUNK", 20)
    monkeypatch.setattr(streaming, "_LARGEST_CHUNK", 20)
    monkeypatch.setattr(streaming, "_ROW_BYTES", streaming.LEAST_BYTES // 20)
    sf.prepare(TABLE, output=tmp_path / "data", holdout=1, max_bytes=streaming.LEAST_BYTES)
    return tmp_path / "data"


def stream(folder: Path, source: Any = TABLE, **options: Any) -> sf.Prepared:
    given = {"min_item_interactions": 2, "split_at": (30, 45), "max_bytes": streaming.LEAST_BYTES}
    return sf.prepare(source, output=folder, **{**given, **options})


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def failing(number: int, failure: BaseException, call: Callable[..., int]) -> Callable[..., int]:
    calls = iter(range(number))

    def wrapped(*arguments: Any) -> int:
        if next(calls, None) is None:
            raise failure
        return call(*arguments)

    return wrapped


@pytest.mark.parametrize("kind", ["full", "interrupted", "in parts"])
def test_failures_at_any_write_leave_the_old_data(kind, folder, monkeypatch):
    failure = {
        "full": OSError(errno.ENOSPC, "No space left on device"),
        "in parts": OSError(errno.ENOSPC, "No space left on device"),
        "interrupted": KeyboardInterrupt(),
    }[kind]
    before, fingerprint = names(folder), sf.load(folder).fingerprint
    write, said = growing._write, list[str]()
    full = "[Errno 28] the disk is full: 60 rows take about 1.0 kB on the way"
    expected = {"interrupted"} if kind == "interrupted" else {full}
    for number in range(0, 9999, 150 if kind == "in parts" else 9):
        part = (lambda file, letters: write(file, letters[:3])) if kind == "in parts" else write
        monkeypatch.setattr(growing, "_write", failing(number, failure, part))
        try:
            stream(folder)
            break
        except OSError as raised:
            said.append(str(raised))
        except KeyboardInterrupt:
            said.append("interrupted")
        assert names(folder) == before
        assert names(folder.parent) == {"data"}
        assert sf.load(folder, verify=True).fingerprint == fingerprint
    assert len(said) > 3
    assert {text[: len(full)] for text in said} == expected
    assert sf.load(folder, verify=True).fingerprint != fingerprint


def test_too_small_a_disk_is_refused_at_once(folder, monkeypatch):
    monkeypatch.setattr(streaming, "_free", lambda path: 100)
    with pytest.raises(OSError, match=r"60 rows take about 1.0 kB on the way, and 100 bytes are"):
        stream(folder)


def test_changed_input_is_told_of(folder, tmp_path, monkeypatch):
    path, second_pass = tmp_path / "a.parquet", streaming.second_pass
    TABLE.to_parquet(path)

    def after_a_change(*arguments: Any) -> None:
        TABLE[:-1].to_parquet(path)
        second_pass(*arguments)

    before = names(folder)
    monkeypatch.setattr(streaming, "second_pass", after_a_change)
    with pytest.raises(sf.DataError, match=r"a.parquet was changed while it was read"):
        stream(folder, path)
    assert names(folder) == before


@pytest.mark.parametrize("changed", ["item_id", "user_id", "rows"])
def test_other_rows_the_second_time_are_told_of(changed, folder, monkeypatch):
    batches, before, times = Held.batches, names(folder), iter(range(2))

    def other(held: Held, rows: int) -> Iterator[Any]:
        is_second = next(times)
        for number, batch in enumerate(batches(held, rows)):
            if not is_second:
                yield batch
            elif changed != "rows":
                place = batch.schema.get_field_index(changed)
                yield batch.set_column(place, changed, pc.add(batch[changed], 1000))
            elif number:
                yield batch

    monkeypatch.setattr(Held, "batches", other)
    with pytest.raises(sf.DataError, match=r"the input was changed while it was read"):
        stream(folder)
    assert names(folder) == before


def test_one_user_beyond_the_memory_is_refused(folder):
    with pytest.raises(MemoryError, match=r"the largest of 1 shards has 60 rows.*raise max_bytes"):
        stream(folder, TABLE.assign(user_id=7))


def test_limits_are_checked(tmp_path):
    for limit, said in ((1, "at least 67,108,864"), (-1, "must be in"), (float("nan"), "must be")):
        with pytest.raises(ValueError, match=said):
            sf.prepare(TABLE, output=tmp_path / "data", max_bytes=limit)
    with pytest.raises(ValueError, match="max_bytes is given without output"):
        sf.prepare(TABLE, max_bytes=1e9)
    with pytest.raises(ValueError, match="ties='hash' is given"):
        sf.prepare(TABLE, timestamp=None, ties="hash", output=tmp_path / "data")
    assert not [*tmp_path.iterdir()]


def test_progress_is_shown_on_a_terminal_alone(folder, capsys, monkeypatch):
    stream(folder)
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    stream(folder)
    said = capsys.readouterr().err
    for stage in ("looking at the rows", "moving the rows", "sorting the rows", "k-core, round 1"):
        assert stage in said


KILLED = """
import json, os, signal, sys
from pathlib import Path
import numpy as np
import sasrec_fast as sf
from sasrec_fast.preparing.streaming import driver as streaming
from sasrec_fast.saving import growing

streaming._LEAST_CHUNK = streaming._LARGEST_CHUNK = 20
streaming._ROW_BYTES = streaming.LEAST_BYTES // 20
folder, rows = Path(sys.argv[1], "data"), np.arange(60)
table = {"user_id": rows % 6, "item_id": (rows * 7) % 41, "timestamp": rows}
given = {"output": folder, "max_bytes": streaming.LEAST_BYTES}
os.fsync = lambda descriptor: None
WATCHED = ("open", "os.rename", "os.remove", "fcntl.flock")

def die_at(step):
    left = step
    def watch(event, *args):
        nonlocal left
        if event in WATCHED:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
    def write(*args, call=growing._write):
        watch("open")
        return call(*args)
    growing._write = write
    sys.addaudithook(watch)

old = sf.prepare(table, **given).fingerprint
found, step, status = [], 0, None
while status != 0:
    child = os.fork()
    if child == 0:
        die_at(step)
        sf.prepare(table, min_item_interactions=2, **given)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    is_old = sf.load(folder, verify=True).fingerprint == old
    beside = os.listdir(folder.parent)
    sf.prepare(table, **given)
    hidden = [name for name in os.listdir(folder) if name.startswith(".")]
    found.append([os.WTERMSIG(status), is_old, beside, hidden])
    step += 17
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills forked processes")
def test_streaming_killed_anywhere_leaves_good_data(tmp_path):
    """SIGKILL before a file operation, many times; the next one sweeps what is left."""
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    killed = [signal for signal, *_ in outcomes]
    assert killed == [9] * (len(killed) - 1) + [0]
    assert len(killed) > 6
    are_old = [is_old for _, is_old, *_ in outcomes]
    assert are_old == sorted(are_old, reverse=True)
    assert set(are_old) == {True, False}
    assert all(left == [["data"], []] for _, _, *left in outcomes)
