"""Files of prepared data in parts, that an engine wrote: one store, columns read when used.

Parts are Parquet files in the order of users. A row is a user: `user`, the id; `key`, that of its
random stream, as int64; `items`, item indices in time order; and `before_validation` and
`before_test`, interactions before these periods where times decide. The last row of a part has no
user, but `counts`, of what was counted.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.saving.first_use import Column, StoredRows, StoredSequences, anything, within
from sasrec_fast.saving.places import Place
from sasrec_fast.store import SPLITS, Rows, Sequences, Vocabulary, dated


@dataclass(frozen=True)
class PartFiles:
    """The files of a store in parts.

    Attributes:
        place: Their folder.
        entries: Bytes, users and interactions of each file by its name, in the order of users.
    """

    place: Place
    entries: Mapping[str, Mapping[str, int]]

    @staticmethod
    def counted(place: Place) -> Iterator[tuple[str, int, Any]]:
        """Name, bytes and counts of each file that an engine has just written.

        The counts are pickled, so that they are read of files of one's own alone, never by `load`.
        """
        import pyarrow.parquet  # late, since it takes a while

        sizes = {n: size for n, size in place.sizes().items() if n.endswith(".parquet")}
        for name in sorted(sizes):
            file = place.below(name)
            with file.filesystem.open_input_file(file.path) as source:
                counts = pyarrow.parquet.read_table(source, columns=["counts"]).column(0)
            yield name, sizes[name], counts[-1].as_buffer()

    @property
    def users(self) -> int:
        """Users in all files."""
        return sum(entry["users"] for entry in self.entries.values())

    @property
    def interactions(self) -> int:
        """Interactions in all files."""
        return sum(entry["interactions"] for entry in self.entries.values())

    def columns(self, *names: str) -> Iterator[tuple[Any, Place, Mapping[str, int]]]:
        """A table of the columns of each file, without its last row.

        Raises:
            DataError: A file is missing or damaged, or not what the manifest says.
        """
        import pyarrow.parquet  # late, since it takes a while

        for name, entry in self.entries.items():
            file = self.place.below(name)
            try:
                with file.filesystem.open_input_file(file.path) as source:
                    table = pyarrow.parquet.read_table(source, columns=list(names))
            except (OSError, pa.ArrowException) as failure:
                raise DataError(f"{file.url} cannot be read: {failure}") from None
            if len(table) != entry["users"] + 1:
                raise DataError(f"{file.url} has {len(table) - 1:,} users, not {entry['users']:,}")
            yield table.slice(0, len(table) - 1), file, entry

    @cached_property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """The offsets and items of the store."""
        offsets = np.zeros(self.users + 1, np.int64)
        items = np.empty(self.interactions, np.int32)
        user, first = 0, 0
        for table, file, entry in self.columns("items"):
            for chunk in table.column("items").chunks:
                found = _integers(chunk.flatten(), file)
                ends = offsets[user + 1 : user + 1 + len(chunk)]
                ends[:] = first + np.cumsum(pc.list_value_length(chunk).to_numpy())
                if first + len(found) > len(items):
                    break
                items[first : first + len(found)] = found
                user, first = user + len(chunk), first + len(found)
            if first != sum(e["interactions"] for e in self._until(entry)):
                raise DataError(f"{file.url} has not {entry['interactions']:,} interactions")
        return offsets, items

    def _until(self, last: Mapping[str, int]) -> Iterator[Mapping[str, int]]:
        for entry in self.entries.values():
            yield entry
            if entry is last:
                return

    def numbers(self, name: str) -> NDArray[Any]:
        """A column of integers of all files."""
        parts = [_integers(table.column(name), file) for table, file, _ in self.columns(name)]
        return np.concatenate(parts)

    @cached_property
    def user_ids(self) -> Any:
        """Of all files, an int64 array or an Arrow array of large strings."""
        found = [table.column("user") for table, _, _ in self.columns("user")]
        ids = pa.chunked_array([chunk for column in found for chunk in column.chunks])
        if pa.types.is_integer(ids.type):
            return _ascending(ids, self.place)
        ids = pa.concat_arrays([chunk.cast(pa.large_string()) for chunk in ids.chunks])
        if ids.null_count or pc.all(pc.less(ids[:-1], ids[1:])).as_py() not in (True, None):
            raise DataError(f"{self.place.url} is damaged: user ids do not ascend")
        return ids

    def vocabulary(self) -> Vocabulary:
        """The user ids."""
        return _Users(self)

    def sequences(self, num_items: int) -> StoredSequences:
        """The store, of so many items."""
        right = partial(within, 1, num_items)
        return StoredSequences(
            {
                "offsets": self._column(self.users + 1, anything, lambda: self.lists[0]),
                "items": self._column(self.interactions, right, lambda: self.lists[1]),
                "user_keys": self._column(
                    self.users, anything, lambda: self.numbers("key").view(np.uint64)
                ),
            }
        )

    def _column(self, size: int, check: Any, read: Callable[[], NDArray[Any]]) -> Column:
        return _Read(Path(self.place.path), "", size, read, check)

    def dated(self, sequences: Sequences) -> dict[str, Rows]:
        """The rows of each split where times decide."""
        return {name: self._dated(number, sequences) for number, name in enumerate(SPLITS)}

    def _dated(self, split: int, sequences: Sequences) -> Rows:
        def column(name: str) -> Column:
            return self._column(0, anything, lambda: getattr(self._rows(split), name))

        return StoredRows({name: column(name) for name in ("users", "ends")}, sequences)

    @cached_property
    def _before(self) -> NDArray[np.uint32]:
        names = "before_validation", "before_test"
        return np.stack([self.numbers(name) for name in names], axis=1).astype(np.uint32)

    def _rows(self, split: int) -> Rows:
        return dated(self.lists[0], self._before, split)


def _integers(column: Any, file: Place) -> NDArray[Any]:
    if column.null_count or not pa.types.is_integer(column.type):
        raise DataError(f"{file.url} is damaged: {column.type} with {column.null_count} missing")
    return np.asarray(column)


def _ascending(ids: Any, place: Place) -> NDArray[np.int64]:
    """Ids, each more than the one before."""
    found = _integers(ids, place).astype(np.int64)
    if (found[1:] <= found[:-1]).any():
        raise DataError(f"{place.url} is damaged: user ids do not ascend")
    return found


class _Users(Vocabulary):
    """User ids that are read when they are first used."""

    def __init__(self, files: PartFiles) -> None:
        self._files = files

    def __getattr__(self, name: str) -> Any:
        if name != "_source" or "_files" not in vars(self):
            raise AttributeError(f"a Vocabulary has no {name!r}")
        self._source = self._files.user_ids
        return self._source

    def __len__(self) -> int:
        return self._files.users


class _Read(Column):
    """A column that is read from parts, which have no digests."""

    def checked(self) -> NDArray[Any]:
        """All of it."""
        if wrong := self.check(self.values):
            raise DataError(f"{self.path} is damaged: {wrong}")
        return self.values
