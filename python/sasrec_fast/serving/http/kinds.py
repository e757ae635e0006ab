"""What ids and times may be, in the questions of a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.serving.http.refusals import wrong

if TYPE_CHECKING:
    from sasrec_fast.columns import Clock
    from sasrec_fast.serving import Recommender
    from sasrec_fast.store import Vocabulary

_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class IdKind:
    """What an id may be.

    Attributes:
        strings: Whether ids are strings, not integers.
        least: Of integers.
        most: Of integers.
    """

    strings: bool
    least: int = _INT64.min
    most: int = _INT64.max

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> IdKind:
        """The kind of a vocabulary's ids."""
        if vocabulary.are_strings:
            return cls(strings=True)
        bounds = np.iinfo(vocabulary.ids.dtype)
        return cls(strings=False, least=int(bounds.min), most=int(bounds.max))

    @property
    def allowed(self) -> str:
        """Said where an id is none."""
        if self.strings:
            return "a string, as the ids of this model are"
        return f"an integer in {self.least}..{self.most}, as the ids of this model are"

    def check(self, field: str, ids: list[Any]) -> None:
        """Refuse a list with something else in it; all at once, as it is nearly always right."""
        kinds = set(map(type, ids))
        if self.strings:
            if kinds <= {str} and is_text("".join(ids)):
                return
        elif kinds <= {int} and (not ids or (self.least <= min(ids) and max(ids) <= self.most)):
            return
        place = next(place for place, value in enumerate(ids) if not self._holds(value))
        raise wrong(f"{field}[{place}]", ids[place], self.allowed)

    def _holds(self, value: Any) -> bool:
        if self.strings:
            return type(value) is str and is_text(value)
        return type(value) is int and self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class TimeKind:
    """What a time may be, of a model that looks at times.

    Attributes:
        clock: How timestamps become seconds.
        asked: Whether the model is told when the next items are asked for.
    """

    clock: Clock
    asked: bool

    @property
    def dates(self) -> bool:
        """Whether times are datetimes, not numbers."""
        return self.clock.dtype.kind == "M"

    @property
    def zoned(self) -> bool:
        """Whether datetimes have a zone."""
        return self.clock.zone is not None

    @property
    def allowed(self) -> str:
        """Said where a time is none."""
        if not self.dates:
            return f"a number in {_INT64.min}..{_INT64.max}, as the timestamps of this model are"
        example = "'2024-06-01T18:00:00+02:00'" if self.zoned else "'2024-06-01T18:00:00'"
        offset = "with" if self.zoned else "without"
        return f"a text of ISO 8601 {offset} an offset, such as {example}"

    @property
    def example(self) -> Any:
        """Some time."""
        return datetime(2000, 1, 1, tzinfo=UTC if self.zoned else None) if self.dates else 0

    def about(self) -> dict[str, Any]:
        """What a client must know to write one, for `GET /health`."""
        if self.dates:
            return {"kind": "datetimes", "offset": self.zoned, "at": self.asked}
        return {"kind": "numbers", "per_second": self.clock.per_second, "at": self.asked}

    def read(self, field: str, value: Any) -> Any:
        """A time as the recommender takes it: a number, or a datetime."""
        found = self._parsed(value)
        if found is None:
            raise wrong(field, value, self.allowed)
        return found

    def read_all(self, field: str, values: list[Any]) -> list[Any]:
        """The times of a list, likewise."""
        found = list(map(self._parsed, values))
        if None in found:
            place = found.index(None)
            raise wrong(f"{field}[{place}]", values[place], self.allowed)
        return found

    def _parsed(self, value: Any) -> Any:
        return self._datetime(value) if self.dates else _number(value)

    def _datetime(self, value: Any) -> datetime | None:
        if type(value) is not str:
            return None
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            return None
        return found if (found.utcoffset() is not None) == self.zoned else None


def _number(value: Any) -> int | float | None:
    """A number that an integer of 64 bits holds, rounded; NaN is none."""
    is_number = type(value) is int or type(value) is float
    return value if is_number and _INT64.min <= value <= _INT64.max else None


@dataclass(frozen=True)
class Kinds:
    """What ids and times of a model may be.

    Attributes:
        items: Of item ids.
        times: Of times; None for a model that looks at none.
    """

    items: IdKind
    times: TimeKind | None = None

    @classmethod
    def of(cls, recommender: Recommender) -> Kinds:
        """Those of a recommender."""
        clock = recommender.clock
        times = None if clock is None else TimeKind(clock, recommender.knows_query_time)
        return cls(IdKind.of(recommender.items), times)


def is_text(value: str) -> bool:
    """Whether it has no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
