"""Timestamps of a column as whole seconds, which models and those who ask them count in."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns.boundaries import moment_in
from sasrec_fast.columns.ids_and_times import TimeColumn, read_timestamps
from sasrec_fast.columns.zones import Zone
from sasrec_fast.errors import DataError, cut

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
"""How many of a unit are a second."""

LONGEST = 2**31 - 1
"""Most seconds between two times of a store."""

_KINDS = {"M": "datetimes", "i": "numbers", "u": "numbers", "f": "numbers"}


@dataclass(frozen=True)
class Clock:
    """How the times of a column become seconds.

    Attributes:
        dtype: Of the timestamps, as of `TimeColumn`.
        zone: Of datetimes that have one.
        per_second: How many of the column's unit are a second, where it holds numbers.
        origin: The second that a store counts from.
    """

    dtype: np.dtype[Any]
    zone: Zone | None
    per_second: int = 1
    origin: int = 0

    @classmethod
    def of(cls, kind: TimeColumn, unit: bool | str, column: object) -> "Clock":
        """The clock of a column.

        Args:
            kind: The column; its values are not looked at.
            unit: True, or the unit of a column of numbers.
            column: Its name.

        Raises:
            ValueError: A unit for datetimes, which have their own.
        """
        if isinstance(unit, str) and kind.dtype.kind == "M":
            raise ValueError(
                f"times is {unit!r}, but column '{cut(column)}' holds datetimes, which know their "
                "unit: times=True"
            )
        return cls(kind.dtype, kind.zone, UNITS[unit] if isinstance(unit, str) else 1)

    def seconds(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Whole seconds, rounded down, of values of the column, as `TimeColumn.values` has them."""
        if self.dtype.kind == "M":
            return values.view(self.dtype).astype("datetime64[s]").view(np.int64)
        if values.dtype.kind == "f":
            return np.floor(values / self.per_second).astype(np.int64)
        if self.dtype == np.uint64:
            raise DataError("times beyond int64 are no seconds: times=False, or smaller numbers")
        return values if self.per_second == 1 else np.floor_divide(values, self.per_second)

    def starting_at(self, least: NDArray[Any], most: NDArray[Any], column: object) -> "Clock":
        """This clock, counting from the earliest of the times [1] of a store.

        Raises:
            DataError: They are further apart than a store can say.
        """
        first, last = (int(self.seconds(values)[0]) for values in (least, most))
        if last - first > LONGEST:
            raise DataError(
                f"column '{cut(column)}' runs over {last - first:,} seconds; times=True allows "
                f"{LONGEST:,} (68 years). If its numbers are no seconds, say what they are: "
                "times='ms', 'us' or 'ns'"
            )
        return replace(self, origin=first)

    def second_of(self, moment: Any, name: str = "at") -> int:
        """The second of a moment that a user names, as of `split_at`.

        Raises:
            TypeError: It is of another kind than the timestamps.
            ValueError: It names no one moment.
        """
        dtype = np.dtype("datetime64[s]") if self.dtype.kind == "M" else self.dtype
        plain = np.float64 if dtype.kind == "f" else np.int64
        value = moment_in(
            name, moment, TimeColumn(np.zeros(0, plain), dtype, self.zone), "timestamp"
        )
        return int(replace(self, dtype=dtype).seconds(np.array([value], plain))[0])

    def seconds_of(self, values: Any, name: str) -> NDArray[np.int64]:
        """Seconds of times that a user gives, in the form of a column or a list.

        Raises:
            DataError: They are of another kind than the timestamps, or missing.
        """
        given = read_timestamps(values, name)
        if _KINDS[given.dtype.kind] != _KINDS[self.dtype.kind]:
            raise DataError(
                f"{name} holds {_KINDS[given.dtype.kind]}, the model was made for "
                f"{_KINDS[self.dtype.kind]}: give them as the timestamps of its data were"
            )
        if (given.zone is None) != (self.zone is None) and self.dtype.kind == "M":
            zones = ["no zone" if zone is None else "a zone" for zone in (given.zone, self.zone)]
            raise DataError(f"{name} has {zones[0]}, the times of the data have {zones[1]}")
        return replace(self, dtype=given.dtype).seconds(given.values)

    def to_dict(self) -> dict[str, Any]:
        """What a file says of it."""
        zone = None if self.zone is None else str(self.zone)
        numbers = {"per_second": self.per_second, "origin": self.origin}
        return {"dtype": self.dtype.str, "zone": zone, **numbers}

    @classmethod
    def from_dict(cls, content: Any) -> "Clock":
        """The clock of what `to_dict` gave.

        Raises:
            ValueError: It is none.
            TypeError: Likewise.
        """
        if not isinstance(content, Mapping):
            raise TypeError(f"a clock is a mapping, received {checks.received(content)}")
        text, zone = content.get("dtype"), content.get("zone")
        dtype = np.dtype(text if isinstance(text, str) else "V1")
        if dtype.kind not in _KINDS or not isinstance(zone, str | None):
            raise ValueError(f"a clock has times of a type, received {checks.received(content)}")
        per_second = checks.integer("per_second", content.get("per_second"), 1)
        checks.one_of("per_second", str(per_second), [str(n) for n in UNITS.values()])
        origin = checks.integer("origin", content.get("origin"), -(2**63), 2**63 - 1)
        return cls(dtype, zone, per_second, origin)
