"""The body of a request -> a checked question, within the limits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from sasrec_fast.serving.http.kinds import is_text
from sasrec_fast.serving.http.refusals import RefusedError, wrong, wrong_length

if TYPE_CHECKING:
    from sasrec_fast.serving.http.kinds import IdKind, Kinds, TimeKind
    from sasrec_fast.serving.http.limits import Limits

RECOMMEND = ("histories", "users", "k", "exclude_seen", "candidates", "exclude")
TIMED = ("times", "at")
"""Fields of a model that looks at times, and of one that knows when it is asked."""
SIMILAR = ("item_ids", "k")
DEFAULT_K = 10
_EXACT = 2.0**53


@dataclass(frozen=True, slots=True)
class Question:
    """Rows to answer, and how.

    Attributes:
        asked: "histories", "users" or "item_ids".
        rows: A list of item ids each, or an id.
        options: What must be equal in a batch: k, exclude_seen, candidates and exclude.
        times: A list of times for each history, of a model that looks at times.
        at: When the next items are asked for, for each row; None: at the time of its last item.
    """

    asked: str
    rows: list[Any]
    options: tuple[int, bool, tuple[Any, ...] | None, tuple[Any, ...] | None]
    times: list[Any] | None = None
    at: list[Any] | None = None


def recommend_question(body: bytes, limits: Limits, kinds: Kinds) -> Question:
    """What `POST /recommend` asks.

    Raises:
        RefusedError: 400 where the body is no JSON, 422 where a field is wrong.
    """
    items, timed = kinds.items, kinds.times
    known = () if timed is None else TIMED if timed.asked else TIMED[:1]
    fields = _fields(body, RECOMMEND + known)
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
    times = at = None
    if timed is not None:
        times = _times(fields, rows if asked == "histories" else None, timed)
        at = _at(fields, len(rows), timed)
    exclude_seen = fields.get("exclude_seen", True)
    if type(exclude_seen) is not bool:
        raise wrong("exclude_seen", exclude_seen, "true or false")
    candidates = _ids("candidates", fields, limits, items)
    return Question(
        asked,
        rows,
        (_k(fields, limits), exclude_seen, candidates, _ids("exclude", fields, limits, items)),
        times,
        at,
    )


def similar_question(body: bytes, limits: Limits, kinds: Kinds) -> Question:
    """What `POST /similar` asks.

    Raises:
        RefusedError: 400 where the body is no JSON, 422 where a field is wrong.
    """
    fields = _fields(body, SIMILAR)
    if "item_ids" not in fields:
        raise wrong("the body", fields, "an object with item_ids")
    ids = _array("item_ids", fields["item_ids"], limits.histories, least=1)
    kinds.items.check("item_ids", ids)
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


def _times(fields: dict[str, Any], histories: list[Any] | None, kind: TimeKind) -> Any:
    """When the items of histories were; None for users, whose times are known."""
    if histories is None:
        if "times" in fields:
            raise wrong("times", fields["times"], "given with histories, not with users")
        return None
    if "times" not in fields:
        raise wrong("times", None, "given: for each history a list of when each item was")
    rows = _array("times", fields["times"], len(histories), least=len(histories))
    found = []
    for place, (row, history) in enumerate(zip(rows, histories, strict=True)):
        field = f"times[{place}]"
        row = _array(field, row, len(history), least=len(history))
        times = kind.read_all(field, row)
        for of, (earlier, later) in enumerate(pairwise(times), start=1):
            if later < earlier:
                raise wrong(f"{field}[{of}]", row[of], "no earlier than the one before it")
        found.append(times)
    return found


def _at(fields: dict[str, Any], rows: int, kind: TimeKind) -> list[Any] | None:
    """When the next items of each row are asked for."""
    given = fields.get("at")
    if given is None:
        return None
    if type(given) is not list:
        return [kind.read("at", given)] * rows
    return kind.read_all("at", _array("at", given, rows, least=rows))


def _check_users(ids: list[Any]) -> None:
    """Ids of users are of any kind; those that nobody has are found out later."""
    for place, value in enumerate(ids):
        if type(value) is not int and not (type(value) is str and is_text(value)):
            raise wrong(f"users[{place}]", value, "an integer or a string")


def _k(fields: dict[str, Any], limits: Limits) -> int:
    k = fields.get("k", min(DEFAULT_K, limits.k))
    if type(k) is not int or not 1 <= k <= limits.k:
        raise wrong("k", k, f"an integer in 1..{limits.k}")
    return k
