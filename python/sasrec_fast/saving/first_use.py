"""Arrays of a folder that are checked when they are first used, so that opening reads nothing.

An attribute that was not used yet is missing, and Python asks `__getattr__` for it; later uses cost
what they cost anywhere.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns import Clock
from sasrec_fast.errors import DataError
from sasrec_fast.saving import stored
from sasrec_fast.store import Rows, Sequences, TimedSequences, stored_columns


@dataclass(frozen=True)
class Column:
    """An array that is mapped, not read.

    Attributes:
        path: Its file.
        digest: Of its content.
        length: How many values it has.
        make: Gives it, of files that are open.
        check: Says what is wrong with it, beyond that its content is that of the digest.
    """

    path: Path
    digest: str
    length: int
    make: Callable[[], NDArray[Any]]
    check: Callable[[NDArray[Any]], str]

    @cached_property
    def values(self) -> NDArray[Any]:
        """The array."""
        return self.make()

    def checked(self) -> NDArray[Any]:
        """The array, after all of it was read.

        Raises:
            DataError: It is not what was saved, or nothing that can have been.
        """
        stored.require_content(self.path, self.values, self.digest)
        if wrong := self.check(self.values):
            raise DataError(f"{self.path} is damaged: {wrong}")
        return self.values


class _FirstUse:
    """Attributes that are columns until they are used."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        vars(self)["_columns"] = columns

    def __getattr__(self, name: str) -> NDArray[Any]:
        columns = vars(self).get("_columns", {})
        if name not in columns:
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        found: NDArray[Any] = columns[name].checked()
        vars(self)[name] = found
        return found


class StoredSequences(_FirstUse, Sequences):
    """The compact store in a folder."""

    def __len__(self) -> int:
        return int(vars(self)["_columns"]["user_keys"].length)

    @property
    def num_interactions(self) -> int:  # noqa: D102  (as in the base class)
        return int(vars(self)["_columns"]["items"].length)

    def __reduce__(self) -> tuple[Any, ...]:
        return Sequences, tuple(stored_columns(self).values())


class StoredTimedSequences(StoredSequences, TimedSequences):
    """The compact store in a folder, with times."""

    def __init__(self, columns: Mapping[str, Column], clock: Clock) -> None:
        super().__init__(columns)
        vars(self)["clock"] = clock

    def __reduce__(self) -> tuple[Any, ...]:
        return TimedSequences, (*stored_columns(self).values(), self.clock)


class StoredRows(_FirstUse, Rows):
    """Rows of a split in a folder; they end within the sequences of their users."""

    def __init__(self, columns: Mapping[str, Column], sequences: Sequences) -> None:
        super().__init__(columns)
        vars(self)["windows"] = np.zeros(0, np.int32)
        vars(self)["_sequences"] = sequences

    def __getattr__(self, name: str) -> NDArray[Any]:
        found = super().__getattr__(name)
        if name == "ends":
            counts = np.diff(vars(self)["_sequences"].offsets)
            if (found > counts[self.users]).any():
                del vars(self)[name]
                path = vars(self)["_columns"][name].path
                raise DataError(f"{path} is damaged: a row ends after its user's interactions")
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self.users, self.ends, self.windows)


def anything(values: NDArray[Any]) -> str:
    """Any values are right."""
    return ""


def ascending(values: NDArray[Any]) -> str:
    """Each is at least the one before."""
    return "it does not ascend" if (values[1:] < values[:-1]).any() else ""


def rising(below: int, values: NDArray[Any]) -> str:
    """Each is more than the one before, from 0 on and below a number."""
    if (values[1:] <= values[:-1]).any():
        return "it does not ascend"
    return within(0, below - 1, values)


def within(least: int, most: int, values: NDArray[Any]) -> str:
    """All are in least..most."""
    if len(values) and not least <= values.min() <= values.max() <= most:
        return f"it holds {values.min()} to {values.max()}, expected {least} to {most}"
    return ""


def require_length(column: Column, expected: int) -> None:
    """Refuse an array of another length.

    Raises:
        DataError: It has another one.
    """
    if column.length != expected:
        raise DataError(f"{column.path} has length {column.length:,}, expected {expected:,}")
