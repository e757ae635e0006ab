"""Preparing Parquet larger than memory, under an enforced limit, beside preparing in memory.

    python benchmarks/out_of_core.py make FOLDER --rows 300_000_000
    python benchmarks/out_of_core.py stream FOLDER OUTPUT --limit 3_000_000_000
    python benchmarks/out_of_core.py memory FOLDER

`make` writes a file of Parquet for each 16 M rows, with row groups of 1 M rows, chunk by chunk.
`stream` prepares a folder into another one; the kernel refuses the process more private memory than
the limit (RLIMIT_DATA), whatever it is asked for. `memory` prepares the same in memory. Both print
seconds, nanoseconds a row, and the peak of resident memory, in which pages of the files that are
written count too; `--fingerprint` tells whether they are equal.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

import large_columns
import sasrec_fast as sf
from sasrec_fast import _core
from synthetic_columns import NAMES

FILE_ROWS = 16 << 20
BASE_BYTES = 700_000_000
"""Of the limit, what the interpreter, its libraries and threads take, before any row."""
STATUS = Path("/proc/self/status")


def make(folder: Path, rows: int, users: int, items: int) -> None:
    """Write a table, without having it in memory."""
    folder.mkdir(parents=True)
    schema = pa.schema([(name, pa.int64()) for name in NAMES])
    writer, written = None, 0
    for columns in large_columns.chunks(rows, users, items):
        if writer is None or written % FILE_ROWS == 0:
            if writer is not None:
                writer.close()
            path = folder / f"part-{written // FILE_ROWS}.parquet"
            writer = pa.parquet.ParquetWriter(path, schema, use_dictionary=False)
        batch = pa.table(dict(zip(NAMES, columns, strict=True)))
        writer.write_table(batch, row_group_size=len(batch))
        written += len(batch)
    if writer is not None:
        writer.close()


def timed(folder: Path, **options: Any) -> sf.Prepared:
    """Prepare, and print what it took."""
    wall, cpu = time.perf_counter(), time.process_time()
    data = sf.prepare(folder, **options)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = data.report.rows_in
    print(
        f"{rows:,} rows, {data.report.users:,} users, {data.report.items:,} items: "
        f"{wall:.1f} s, {wall / rows * 1e9:.0f} ns a row; CPU {cpu:.1f} s, {cpu / rows * 1e9:.0f} "
        f"ns a row; peak resident {peak('VmHWM'):.2f} GB, of which private at the end "
        f"{peak('RssAnon'):.2f} GB, data segment {peak('VmData'):.2f} GB"
    )
    return data


def peak(name: str) -> float:
    """A size that the kernel knows of this process, in GB."""
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[name].split()[0]) * 1024 / 1e9


def main() -> None:
    if _core.DEBUG_BUILD:
        raise SystemExit("this is a debug build: pip install . makes a release one")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["make", "stream", "memory"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("output", type=Path, nargs="?")
    parser.add_argument("--rows", type=int, default=300_000_000)
    parser.add_argument("--users", type=int, default=3_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=3_000_000_000)
    parser.add_argument("--fingerprint", action="store_true")
    given = parser.parse_args()
    if given.part == "make":
        make(given.folder, given.rows, given.users, given.items)
        return
    threads = os.environ.get("RAYON_NUM_THREADS", os.cpu_count())
    print(f"{given.part}: {platform.machine()}, {threads} threads, pyarrow {pa.__version__}")
    if given.part == "memory":
        data = timed(given.folder)
    else:
        resource.setrlimit(resource.RLIMIT_DATA, (given.limit, given.limit))
        print(f"RLIMIT_DATA {given.limit:,} bytes, max_bytes {given.limit - BASE_BYTES:,}")
        data = timed(given.folder, output=given.output, max_bytes=given.limit - BASE_BYTES)
    if given.fingerprint:
        print(f"fingerprint {data.fingerprint}")


if __name__ == "__main__":
    main()
