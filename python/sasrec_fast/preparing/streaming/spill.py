"""Rows by shard in files without a name, which are gone when they are closed, however that is."""

import io
import os
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.reading import PREFIX
from sasrec_fast.saving.growing import write_all

MOST_SHARDS = 512
"""As many files are open at once, where that is allowed."""


class Spill:
    """The rows of shards, as columns.

    Args:
        folder: Where the files are made.
        shards: How many.
    """

    def __init__(self, folder: Path, shards: int) -> None:
        self._files = [_nameless(folder) for _ in range(shards)]
        self._parts: list[list[int]] = [[] for _ in range(shards)]
        self._dtypes: list[np.dtype[Any]] = []

    def __len__(self) -> int:
        return len(self._files)

    def __enter__(self) -> "Spill":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def rows(self, shard: int) -> int:
        """How many rows a shard has."""
        return sum(self._parts[shard])

    def write(self, columns: Sequence[NDArray[Any]], starts: NDArray[np.int64]) -> None:
        """Append rows to their shards: shard s has those of `starts[s]:starts[s + 1]`.

        Raises:
            OSError: The disk is full.
        """
        self._dtypes = [column.dtype for column in columns]
        for shard, (first, end) in enumerate(pairwise(starts)):
            if first < end:
                write_all(self._files[shard], [column[first:end] for column in columns])
                self._parts[shard].append(int(end - first))

    def read(self, shard: int) -> list[NDArray[Any]]:
        """The columns of a shard, whose file goes with that."""
        columns = [np.empty(self.rows(shard), dtype) for dtype in self._dtypes]
        file, first = self._files[shard], 0
        file.seek(0)
        for rows in self._parts[shard]:
            for column in columns:
                _read_all(file, column[first : first + rows])
            first += rows
        file.close()
        return columns


class Kept:
    """Arrays of shards, written once and read as often as need be.

    Args:
        folder: Where the files are made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[io.FileIO] = []
        self._forms: list[list[tuple[np.dtype[Any], int]]] = []

    def __enter__(self) -> "Kept":
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()

    def add(self, arrays: Sequence[NDArray[Any]]) -> None:
        """Write the arrays of the next shard.

        Raises:
            OSError: The disk is full.
        """
        self._files.append(_nameless(self._folder))
        self._forms.append([(array.dtype, len(array)) for array in arrays])
        write_all(self._files[-1], arrays)

    def read(self, shard: int, leave: int | None = None) -> list[NDArray[Any]]:
        """The arrays of a shard; that of number `leave` stays unread and empty."""
        file, found = self._files[shard], list[NDArray[Any]]()
        file.seek(0)
        for number, (dtype, length) in enumerate(self._forms[shard]):
            array: NDArray[Any] = np.empty(0 if number == leave else length, dtype)
            if number == leave:
                file.seek(length * dtype.itemsize, os.SEEK_CUR)
            _read_all(file, array)
            found.append(array)
        return found


def most_shards() -> int:
    """As many shards as there can be open files for, of which some are needed elsewhere."""
    try:
        import resource  # not on Windows
    except ImportError:
        return MOST_SHARDS
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return min(MOST_SHARDS, allowed // 2) if allowed > 0 else MOST_SHARDS


def _nameless(folder: Path) -> io.FileIO:
    # The name, where there is one for a moment, is that of what the next writer removes.
    return tempfile.TemporaryFile(prefix=PREFIX, dir=folder, buffering=0)


def _read_all(file: io.FileIO, array: NDArray[Any]) -> None:
    """Fill an array with what comes next in a file."""
    letters = array.view(np.uint8).data
    while letters:
        letters = letters[file.readinto(letters) :]
