"""The log of prepared data <-> files; what it shares with the compact store has none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.columns import TimeColumn
from sasrec_fast.errors import DataError
from sasrec_fast.saving import stored
from sasrec_fast.saving.first_use import Column, require_length
from sasrec_fast.store import Log, Sequences, TimedSequences, Vocabulary


def log_parts(log: Log, store: Sequences, users: Vocabulary, items: Vocabulary) -> dict[str, Any]:
    """The content of each file that the log has of its own."""
    parts: dict[str, Any] = {}
    for name, own, other in (("user_ids", log.users, users), ("item_ids", log.items, items)):
        if own is None or own is other or own == other:
            continue
        if own.are_strings:
            parts[f"log_{name}.arrow"] = own.strings
        else:
            parts[f"log_{name}.npy"] = stored.little_endian(own.ids)
    shard = log.shard
    for name in ("offsets", "items"):
        if getattr(shard, name) is not getattr(store, name):
            parts[f"log_{name}.npy"] = stored.little_endian(getattr(shard, name))
    if len(shard.times) and shard.times is not getattr(store, "times", None):
        parts["log_times.npy"] = stored.little_endian(shard.times)
    return parts


def described_log(log: Log) -> dict[str, Any]:
    """What the manifest says of the log, but for its files."""
    times = log.times
    return {
        "has_items": log.items is not None,
        "time_min": log.shard.time_min,
        "time_unit": log.shard.time_unit,
        "times": times
        and {
            "dtype": times.dtype.str,
            "zone": None if times.zone is None else str(times.zone),
        },
    }


@dataclass(frozen=True, eq=False)
class StoredLog:
    """The log in a folder, which is read when it is first used.

    Attributes:
        content: What the manifest says of it.
        columns: Its arrays.
        vocabularies: Ids of users and items, by "user_ids" and "item_ids".
        store: The compact store.
    """

    content: Mapping[str, Any]
    columns: Mapping[str, Column]
    vocabularies: Mapping[str, Vocabulary]
    store: Sequences

    @cached_property
    def opened(self) -> Log:
        """The log.

        Raises:
            DataError: A file is damaged.
        """
        users = self.vocabularies["user_ids"]
        offsets, items = self._array("offsets", len(users) + 1), self._array("items", None)
        times = np.zeros(0, np.uint32)
        if "times" in self.columns or isinstance(self.store, TimedSequences):
            times = self._array("times", len(items))
        shard = _core.Shard(
            np.arange(len(users)),
            offsets,
            items,
            times,
            self.content["time_min"],
            self.content["time_unit"],
            np.zeros(0, np.bool_),
        )
        known = self.vocabularies["item_ids"] if self.content["has_items"] else None
        return Log(shard, users, known, self._times())

    def _array(self, name: str, length: int | None) -> NDArray[Any]:
        if name not in self.columns:
            found: NDArray[Any] = getattr(self.store, name)
            return found
        column = self.columns[name]
        if length is not None:
            require_length(column, length)
        return column.checked()

    def _times(self) -> TimeColumn | None:
        about = self.content["times"]
        if about is None:
            return None
        try:
            dtype = np.dtype(about["dtype"])
        except TypeError:
            raise DataError(f"the manifest holds no type of times: {about['dtype']!r}") from None
        plain = np.float64 if dtype.kind == "f" else np.int64
        return TimeColumn(np.zeros(0, plain), dtype, about["zone"])

    def __reduce__(self) -> tuple[Callable[[Log], Log], tuple[Log]]:
        return _itself, (self.opened,)


def _itself(log: Log) -> Log:
    return log
