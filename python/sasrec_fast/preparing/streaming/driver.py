"""prepare() of what is larger than memory: two passes over the rows, then shard after shard.

The first pass looks at the rows (`scan`), the second moves them to a file for each range of users
(`route`). A shard is then sorted, filtered and appended to the files of the store, as one in memory
is; the result is the same for any number of shards and chunks.
"""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.preparing.accounting import COUNTED
from sasrec_fast.preparing.grouping import require_times, starts_of
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.outcome import nothing_left, warn_of_empty
from sasrec_fast.preparing.prepared import Prepared, load
from sasrec_fast.preparing.streaming.passes import First, first_pass, second_pass
from sasrec_fast.preparing.streaming.progress import Progress
from sasrec_fast.preparing.streaming.rows import Rows
from sasrec_fast.preparing.streaming.spill import Spill, most_shards
from sasrec_fast.preparing.streaming.store import Store
from sasrec_fast.preparing.timing import require_timestamps
from sasrec_fast.reading import Chunks, ColumnNames, Copies, Scratch
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.writing import write_into
from sasrec_fast.store import free_memory, shown_bytes

LEAST_BYTES = 1 << 26
"""Least memory for rows."""

_SHARE = 4
"""So much of the free memory is used, its fourth part."""
_ROW_BYTES = 72
"""Memory of a row of a shard while it is sorted and finished."""
_CHUNK_BYTES = 512
"""Memory of a row of a chunk while it is looked at or moved, and the next chunk is read."""
_COPIED_SHARE = 32
"""Text is read in blocks of so small a part of the memory."""
_LEAST_CHUNK, _LARGEST_CHUNK = 1 << 12, 1 << 20
_STORED_BYTES = 5
"""On the disk, of a row in the store."""


@dataclass(frozen=True)
class Target:
    """Where the data goes, and how much memory its rows may take on the way; see `prepare`.

    Attributes:
        folder: A new folder, an empty one, or one of saved data.
        max_bytes: Bytes; None for a quarter of the free memory.
    """

    folder: str | os.PathLike[str]
    max_bytes: float | None

    def limit(self) -> int:
        """The bytes."""
        if self.max_bytes is None:
            return max(free_memory() // _SHARE, LEAST_BYTES)
        limit = checks.fraction("max_bytes", self.max_bytes)
        if limit < LEAST_BYTES:
            raise ValueError(
                f"max_bytes is {checks.received(self.max_bytes)}; at least {LEAST_BYTES:,} "
                f"({shown_bytes(LEAST_BYTES)}) are needed"
            )
        return int(limit)


def stream(source: Any, target: Target, options: Options, names: ColumnNames) -> Prepared:
    """Prepare rows into a folder; see `prepare`.

    Raises:
        DataError: As `prepare`; or a file was changed meanwhile.
        OSError: The disk is full, or the folder cannot be written.
        MemoryError: One user has more rows than `max_bytes` holds.
    """
    limit = target.limit()
    require_times(names.timestamp is not None, options)
    require_timestamps(names, options)
    if names.timestamp is None:
        starts_of(None, options, names)
    chunk = max(_LEAST_CHUNK, min(limit // _CHUNK_BYTES, _LARGEST_CHUNK))
    rows = Rows(names, options)
    with (
        writable_folder(Path(target.folder)) as folder,
        (disk := _Disk(folder)).watched(),
        Scratch() as scratch,
        Progress() as progress,
        progress.stage("copying the rows", None) as copied,
        Copies(folder, limit // _COPIED_SHARE, copied) as copies,
    ):
        chunks = Chunks(source, names, copies, scratch, chunk)
        first = first_pass(chunks, rows, progress)
        if not first.span.rows:
            raise _no_rows(rows, options)
        shards = -(-2 * first.span.rows * _ROW_BYTES // limit)
        with Spill(folder, first.divide(min(shards, most_shards()))) as spill:
            disk.require(first)
            second_pass(chunks, rows, first, spill, progress)
            _require_shards(spill, limit)
            with Store(folder, first, rows) as store:
                store.fill(spill, progress)
                parts = store.parts({**vars(names), **vars(options)})
                write_into(folder, parts, store.files())
    warn_of_empty(parts.report, options)
    parts.report.warn(options.ties, stacklevel=4)
    return load(target.folder)


def _no_rows(rows: Rows, options: Options) -> DataError:
    if not rows.received:
        return DataError("the table has no rows")
    return nothing_left(rows.received, rows.unknown, dict.fromkeys(COUNTED, 0), options)


def _require_shards(spill: Spill, limit: int) -> None:
    largest = max(map(spill.rows, range(len(spill))))
    needed = largest * _ROW_BYTES
    if needed > limit:
        raise MemoryError(
            f"the largest of {len(spill)} shards has {largest:,} rows, which take about "
            f"{shown_bytes(needed)}, more than max_bytes, {shown_bytes(limit)}: the rows of one "
            "user are sorted together; raise max_bytes"
        )


@dataclass
class _Disk:
    """The disk of a folder, which may be too small.

    Attributes:
        folder: The folder.
        said: What is written to it, where that is known.
    """

    folder: Path
    said: str = "the rows are copied to it"

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Says of a full disk what it was to take, and how much is free."""
        try:
            yield
        except OSError as failure:
            if failure.errno != errno.ENOSPC or failure.filename is not None:
                raise
            raise self._full(_free(self.folder)) from failure

    def require(self, first: First) -> None:
        """Refuse before any row is moved what there is no room for."""
        needed = first.span.rows * (first.row_bytes + _STORED_BYTES)
        self.said = f"{first.span.rows:,} rows take about {shown_bytes(needed)} on the way"
        free = _free(self.folder)
        if needed > free:
            raise self._full(free)

    def _full(self, free: int) -> OSError:
        said = f"the disk is full: {self.said}, and {shown_bytes(free)} are free"
        return OSError(errno.ENOSPC, said, str(self.folder))


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free
