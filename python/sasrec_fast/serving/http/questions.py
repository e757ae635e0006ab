"""The body of a request -> a checked question, within the limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.serving.http.refusals import RefusedError, wrong, wrong_length

if TYPE_CHECKING:
    from sasrec_fast.serving.http.limits import Limits
    from sasrec_fast.store import Vocabulary

RECOMMEND = ("histories", "users", "k", "exclude_seen", "candidates", "exclude")
SIMILAR = ("item_ids", "k")
DEFAULT_K = 10
_EXACT = 2.0**53
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Question:
    """Rows to answer, and how.

    Attributes:
        asked: "histories", "users" or "item_ids".
        rows: A list of item ids each, or an id.
        options: What must be equal in a batch: k, exclude_seen, candidates and exclude.
    """

    asked: str
    rows: list[Any]
    options: tuple[int, bool, tuple[Any, ...] | None, tuple[Any, ...] | None]


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
            if kinds <= {str} and _is_text("".join(ids)):
                return
        elif kinds <= {int} and (not ids or (self.least <= min(ids) and max(ids) <= self.most)):
            return
        place = next(place for place, value in enumerate(ids) if not self._holds(value))
        raise wrong(f"{field}[{place}]", ids[place], self.allowed)

    def _holds(self, value: Any) -> bool:
        if self.strings:
            return type(value) is str and _is_text(value)
        return type(value) is int and self.least <= value <= self.most


def recommend_question(body: bytes, limits: Limits, items: IdKind) -> Question:
    """What `POST /recommend` asks.

    Raises:
        RefusedError: 400 where the body is no JSON, 422 where a field is wrong.
    """
    fields = _fields(body, RECOMMEND)
    given = [name for name in ("histories", "users") if name in fields]
    if len(given) != 1:
        raise wrong("the body", fields, "an object with either histories or users")
    (asked,) = given
    rows = _array(asked, fields[asked], limits.histories, least=1)
    if asked == "histories":
        for place, history in enumerate(rows):
            field = f"histories[{place}]"
            items.check(field, _array(field, history, limits.history))
    else:
        _check_users(rows)
    exclude_seen = fields.get("exclude_seen", True)
    if type(exclude_seen) is not bool:
        raise wrong("exclude_seen", exclude_seen, "true or false")
    candidates = _ids("candidates", fields, limits, items)
    return Question(
        asked,
        rows,
        (_k(fields, limits), exclude_seen, candidates, _ids("exclude", fields, limits, items)),
    )


def similar_question(body: bytes, limits: Limits, items: IdKind) -> Question:
    """What `POST /similar` asks.

    Raises:
        RefusedError: 400 where the body is no JSON, 422 where a field is wrong.
    """
    fields = _fields(body, SIMILAR)
    if "item_ids" not in fields:
        raise wrong("the body", fields, "an object with item_ids")
    ids = _array("item_ids", fields["item_ids"], limits.histories, least=1)
    items.check("item_ids", ids)
    return Question("item_ids", ids, (_k(fields, limits), True, None, None))


def _fields(body: bytes, known: tuple[str, ...]) -> dict[str, Any]:
    """The body's object. A field that is unknown is refused, not skipped: it may be misspelt."""
    try:
        fields = _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as failure:  # UnicodeDecodeError is a ValueError
        raise RefusedError(400, f"the body is no JSON: {failure}") from None
    if not isinstance(fields, dict):
        raise wrong("the body", fields, "an object")
    for name in fields:
        if name not in known:
            raise wrong("the body", name, f"of the fields {', '.join(known)}")
    return fields


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _number(text: str) -> int | float:
    """What is written with a point or an exponent; `8.0` is an integer, as JSON Schema has it."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


_DECODER = json.JSONDecoder(parse_constant=_no_number, parse_float=_number)


def _array(field: str, value: Any, most: int, least: int = 0) -> list[Any]:
    if type(value) is not list:
        raise wrong(field, value, "an array")
    if not least <= len(value) <= most:
        raise wrong_length(field, len(value), least, most)
    return value


def _ids(
    field: str, fields: dict[str, Any], limits: Limits, items: IdKind
) -> tuple[Any, ...] | None:
    """Items to choose among, or to leave out; None where they are not given, or null."""
    if fields.get(field) is None:
        return None
    ids = _array(field, fields[field], limits.candidates, least=field == "candidates")
    items.check(field, ids)
    return tuple(ids)


def _check_users(ids: list[Any]) -> None:
    """Ids of users are of any kind; those that nobody has are found out later."""
    for place, value in enumerate(ids):
        if type(value) is not int and not (type(value) is str and _is_text(value)):
            raise wrong(f"users[{place}]", value, "an integer or a string")


def _k(fields: dict[str, Any], limits: Limits) -> int:
    k = fields.get("k", min(DEFAULT_K, limits.k))
    if type(k) is not int or not 1 <= k <= limits.k:
        raise wrong("k", k, f"an integer in 1..{limits.k}")
    return k


def _is_text(value: str) -> bool:
    """Whether it has no half of a surrogate pair, which JSON can write and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
