"""Tables as they come, against dense int64 columns of the same rows: `prepare()` of both, in turn.

Each kind of table is measured in fresh processes, a call of `prepare` on it after one on the dense
columns that it was made of. Where only the form differs, both must give the same arrays. Datetimes,
sparse ids and names keep the order of the integers they are made of.

`python real_tables.py measure NAME FOLDER ROWS USERS ITEMS SEED REPEATS` prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import synthetic_columns
from large_columns import LEAST_SHARE, drawn
from measurement import Size, in_turn, worker
from requirements import Requirement, verdict
from string_ids import NAMES, UUIDS, frame
from synthetic_columns import FIRST_SECOND, SECONDS, Column, Columns

MANY = (200_000, 60_000)  # users and items
MOST = (900_000, 60_000)
FEW = (5_000, 3_000)


def _dense(columns: Columns, _: Path) -> Columns:
    return columns


@dataclass(frozen=True)
class Kind:
    """A form of table.

    Attributes:
        made: The table of dense columns, given a folder for files.
        limit: Most times the dense columns may take.
        counts: Users and items, where they are not those asked for.
        options: Of `prepare`, on this table alone.
        plain: What it is compared with, where that is not the dense columns.
        same: Whether both give the same arrays.
    """

    made: Callable[[Columns, Path], Any]
    limit: float | None
    counts: tuple[int, int] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    plain: Callable[[Columns, Path], Any] = _dense
    same: bool = True


def _times(made: Callable[[Column], Any]) -> Callable[[Columns, Path], Any]:
    return lambda columns, _: columns | {"timestamp": made(columns["timestamp"])}


def _ids(
    users: Callable[[Column], Column] | None, items: Callable[[Column], Column] | None
) -> Callable[[Columns, Path], Any]:
    def made(columns: Columns, _: Path) -> Columns:
        table = dict(columns)
        for name, change in (("user_id", users), ("item_id", items)):
            if change is not None:
                table[name] = change(columns[name])
        return table

    return made


def _datetimes(unit: str, of_second: int) -> Callable[[Column], Any]:
    return lambda seconds: (seconds * of_second).astype(f"M8[{unit}]")


def _fraction(seconds: Column, parts: int) -> Column:
    """So many parts of a second, a function of the second, so that equal times stay equal."""
    mixed: Column = (seconds * 0x9E3779B1 >> 7) % parts
    return mixed


def _fractional(unit: str, parts: int) -> Callable[[Column], Any]:
    return lambda seconds: (seconds * parts + _fraction(seconds, parts)).astype(f"M8[{unit}]")


def _sparse(ids: Column) -> Column:
    """Random ids of 64 bits in the order of the dense ones."""
    wide = np.random.default_rng(1).integers(-(1 << 63), 1 << 63, int(ids.max()) + 1)
    wide.sort()
    return wide[ids]


def _with_outlier(ids: Column, outlier: int) -> Column:
    """The largest id farther from the others."""
    largest = ids.max()
    return np.where(ids == largest, max(outlier, 2 * largest), ids)


def _in_order(columns: Columns, _: Path) -> Columns:
    order = np.argsort(columns["timestamp"], kind="stable")
    return {name: column[order] for name, column in columns.items()}


def _pandas(columns: Columns, _: Path) -> Any:
    return frame(columns, NAMES)


def _pyarrow(columns: Columns, _: Path, kind: str = NAMES) -> Any:
    import pyarrow as pa

    table = pa.Table.from_pandas(frame(columns, kind), preserve_index=False)
    for name in ("user_id", "item_id"):
        place = table.column_names.index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table


def _parquet(columns: Columns, folder: Path) -> Path:
    import pyarrow.parquet as pq

    file = folder / "text.parquet"
    if not file.exists():
        pq.write_table(_pyarrow(columns, folder), file)
    return file


def _plainly_read(columns: Columns, folder: Path) -> Callable[[], Any]:
    import pyarrow.parquet as pq

    return partial(pq.read_table, _parquet(columns, folder))


_TEXT = {
    "pandas text": _pandas,
    "pyarrow text": _pyarrow,
    "pyarrow UUIDs": partial(_pyarrow, kind=UUIDS),
}
_TEXT_LIMITS = {FEW: 1.5, MANY: 3.0, MOST: 4.0}

KINDS: dict[str, Kind] = {
    "datetimes, s": Kind(_times(_datetimes("s", 1)), 1.15),
    "datetimes, ms": Kind(_times(_datetimes("ms", 10**3)), 1.15),
    "datetimes, us": Kind(_times(_datetimes("us", 10**6)), 1.15),
    "datetimes, ns": Kind(_times(_datetimes("ns", 10**9)), 1.15),
    "datetimes, us, all digits": Kind(_times(_fractional("us", 10**6)), 1.15),
    "datetimes, ns, all digits": Kind(_times(_fractional("ns", 10**9)), 1.15),
    "floats, whole": Kind(_times(lambda seconds: seconds.astype(np.float64)), 1.15),
    "floats, fractions": Kind(_times(lambda t: t + _fraction(t, 10**6) / 10**6), None),
    "int32 times": Kind(_times(lambda seconds: seconds.astype(np.int32)), 1.15),
    "sparse ids": Kind(_ids(_sparse, _sparse), 2.0),
    f"sparse ids, {MANY[0]:,} users": Kind(_ids(_sparse, _sparse), 2.0, MANY),
    "outlier user, 2e6": Kind(_ids(lambda ids: _with_outlier(ids, 2_000_000), None), 1.1),
    "outlier user, 2^62": Kind(_ids(lambda ids: _with_outlier(ids, 1 << 62), None), 1.1),
    "outlier item, 2^62": Kind(_ids(None, lambda ids: _with_outlier(ids, 1 << 62)), 1.1),
    "rows in time order": Kind(_in_order, 0.85),
    **{
        f"{name}, {counts[0]:,} users": Kind(made, limit, counts)
        for counts, limit in _TEXT_LIMITS.items()
        for name, made in _TEXT.items()
    },
    **{
        f"Parquet text, {counts[0]:,} users": Kind(
            _parquet, 1.0, counts, plain=_plainly_read, same=True
        )
        for counts in _TEXT_LIMITS
    },
    **{
        f"k-core 5/5{name}": Kind(
            _dense,
            1.5,
            counts,
            {"min_user_interactions": 5, "min_item_interactions": 5},
            same=False,
        )
        for name, counts in {"": None, f", {MANY[0]:,} users": MANY}.items()
    },
    "duplicates='last'": Kind(_dense, 1.2, options={"duplicates": "last"}, same=False),
    "reused vocabulary": Kind(_dense, None, options={"items": "of the dense"}),
}


def measured(size: Size) -> dict[str, Any]:
    """Seconds of each kind and of what it is compared with."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {}
        for name, kind in KINDS.items():
            users, items = kind.counts or (size.users, size.items)
            counts = (size.rows, min(users, size.rows), min(items, size.rows))
            place = Path(folder, "-".join(map(str, counts)))
            if not place.exists():
                place.mkdir()
                worker("real_tables.py", "save", place, *counts, size.seed)
            runs[name] = partial(worker, "real_tables.py", "measure", name, place, size.repeats)
        return in_turn(size, runs)


def table(size: Size, result: dict[str, Any]) -> str:
    """Each kind against dense columns."""
    lines = [
        f"prepare() of real tables, {size} where nothing else is said",
        "the ratio is to dense int64 columns of the same rows, prepared in turn; of Parquet, to "
        "reading it plainly",
        "",
        f"{'':32}{'best s':>9}{'dense s':>9}{'ratio':>8}{'CPU':>8}  required",
    ]
    for name, figures in result.items():
        best, dense = min(figures["seconds"]), min(figures["plain_seconds"])
        cpu = min(figures["cpu_seconds"]) / min(figures["plain_cpu_seconds"])
        limit = KINDS[name].limit
        required = Requirement(limit) if limit is not None and size.standard else None
        lines.append(
            f"{name:32}{best:9.4f}{dense:9.4f}{best / dense:7.2f}x{cpu:7.2f}x  "
            f"{verdict(required, best / dense)}".rstrip()
        )
    return "\n".join(lines)


def columns(rows: int, users: int, items: int, seed: int) -> Columns:
    """Dense columns, shuffled; every user occurs, twice as many ids of items as items."""
    if rows >= 20 * users:
        return synthetic_columns.columns(rows, users, items, seed)
    rng = np.random.default_rng(seed)
    share = rng.lognormal(0.0, 1.1, users)
    activity = np.cumsum(LEAST_SHARE / users + (1 - LEAST_SHARE) * share / share.sum())
    popularity = np.cumsum(rng.permutation(1.0 / (np.arange(items) + 60.0) ** 1.1))
    user = np.concatenate([np.arange(users), drawn(activity, rows - users, rng)])
    item_ids = np.sort(rng.choice(2 * items, items, replace=False)) + 1
    return {
        "user_id": rng.permutation(user) + 1,
        "item_id": item_ids[drawn(popularity, rows, rng)],
        "timestamp": FIRST_SECOND + rng.integers(0, SECONDS, rows),
    }


def _measure(name: str, folder: Path, repeats: int) -> dict[str, Any]:
    """Wall and CPU seconds of each call on a kind of table, and on what it is compared with."""
    import sasrec_fast as sf

    warnings.simplefilter("ignore", sf.DataWarning)
    kind, dense = KINDS[name], synthetic_columns.load(folder)
    small = synthetic_columns.columns(400, 20, 50)
    options = {"max_sequence_length": 50, "min_user_interactions": 1}
    sf.prepare(small, **options)
    tables = {"plain_": kind.plain(dense, folder), "": kind.made(dense, folder)}
    own = dict(kind.options)
    if "items" in own:
        own["items"] = sf.prepare(dense, **options).items
    rules = {"plain_": options, "": options | own}
    figures: dict[str, Any] = {}
    checksums = {}
    for _ in range(repeats):
        for which, source in tables.items():
            wall, cpu = time.perf_counter(), time.process_time()
            data = sf.prepare(source() if callable(source) else source, **rules[which])
            figures.setdefault(f"{which}seconds", []).append(time.perf_counter() - wall)
            figures.setdefault(f"{which}cpu_seconds", []).append(time.process_time() - cpu)
            checksums[which] = zlib.crc32(data.train.sequences.items)
            del data
    if kind.same and len(set(checksums.values())) > 1:
        raise ValueError(f"{name} gives other sequences than dense columns: {checksums}")
    return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["save", folder, *sizes]:
            synthetic_columns.save(Path(folder), columns(*map(int, sizes)))
            print("{}")
        case ["measure", name, folder, repeats]:
            print(json.dumps(_measure(name, Path(folder), int(repeats))))
        case received:
            raise SystemExit(f"expected save or measure with arguments, got {received}")
