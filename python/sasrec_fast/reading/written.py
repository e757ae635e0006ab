"""What is written in fields of text -> ids, numbers and times, none of which says anything else.

Ids are integers only where each is written as that integer is: "007", "+7", "7.0" and "0x7" are
texts, and so is every id beside them. Numbers and times are what they say, or refused.
"""

import math
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.columns import SEVERAL
from sasrec_fast.errors import shorten

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ZONE = re.compile(r"([Zz]|UTC|GMT|\d[ \t]*[+-]\d\d(:?\d\d)?)$", re.ASCII)
_UTC_NAMED = r"[ \t]*(\+00:?00[ \t]+)?(UTC|GMT|Z|z)$"
_NO_OFFSET = r"(Z|z|[+-]00(:?00)?)$"
_OFFSET = r"([+-]\d\d):?(\d\d)?$"
_ISO_ZONE = r"\d(Z|[+-]\d\d(:?\d\d)?)$"
_BLANK_OFFSET = r"[ \t]+([+-]\d\d(:?\d\d)?)$"
_DECIMAL_COMMA = r"^[+-]?[0-9]*,[0-9]+$"
_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+$"
_EXACT_DIGITS = 15
"""Decimal numbers of no more digits are different float64 where they are different."""

_PANDAS = "convert others, for example with pandas.to_datetime, and give the table"
_TIME = "2001-12-31 23:59:59"
_NEAR = " and, as there are fractions of a second, after 1677-09-21 and before 2262-04-11"


class UnreadError(ValueError):
    """A field that is neither a number nor a time.

    Attributes:
        row: Its row, from 0; None where it is right but not beside another one.
    """

    def __init__(self, row: int | None, said: str) -> None:
        super().__init__(said)
        self.row = row


def ids_as_written(texts: Any) -> Any:
    """Ids of text as int64, where each is written as its integer is; else the texts themselves.

    Args:
        texts: An Arrow array of strings, chunked or not; nulls stay nulls.
    """
    chunked = isinstance(texts, pa.ChunkedArray)
    integers = []
    for chunk in texts.chunks if chunked else [texts]:
        if not _are_integers(chunk):
            return texts
        try:
            integers.append(chunk.cast(pa.int64()))
        except pa.ArrowInvalid:  # beyond 64 bits, or no integer
            return texts
    return pa.chunked_array(integers, pa.int64()) if chunked else integers[0]


def _are_integers(texts: Any) -> bool:
    """Whether texts that read as integers are written as these are."""
    starts, letters = _letters(texts)
    lengths = np.diff(starts)
    if not len(letters):
        return bool(texts.null_count == len(texts))
    if letters.min() < ord("-") or letters.max() > ord("9"):
        return False
    firsts = starts[:-1][lengths > 1]
    if (letters[firsts] == ord("0")).any():
        return False
    if letters.min() != ord("-"):
        return True
    signed = firsts[letters[firsts] == ord("-")]
    return not (letters[signed + 1] == ord("0")).any()


def are_fractions(texts: Any) -> bool:
    """Whether all texts are numbers, some with a point or an exponent."""
    try:
        for some in (texts[:1], texts):  # most texts are told by the first
            some.cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return bool(pc.any(pc.match_substring_regex(texts, "[.eE]")).as_py())


def _letters(texts: Any) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Where each text starts and where the last ends, in the bytes of all."""
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    _, offsets, data = texts.buffers()
    if not len(texts) or offsets is None or data is None:
        return np.zeros(len(texts) + 1, np.int64), np.zeros(0, np.uint8)
    ends = np.frombuffer(offsets, kind)[texts.offset : texts.offset + len(texts) + 1]
    return ends - ends[0], np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]


def numbers_as_written(
    texts: Any, *, dates: bool = True, exact: bool = False, decimal_comma: bool = False
) -> Any:
    """Numbers as int64 or float64; or times as timestamps, with or without a zone as the first is.

    Args:
        texts: A chunked Arrow array of strings; nulls stay nulls.
        dates: Whether times are allowed.
        exact: Whether to refuse different numbers that are equal as float64.
        decimal_comma: Whether a comma may stand before decimals.

    Raises:
        UnreadError: Names the first field that is something else.
    """
    texts = _trimmed(texts)
    filled = texts.drop_null() if texts.null_count else texts
    first = filled[0].as_py() if len(filled) else ""
    if dates and _DATE.match(first):
        zone = _ZONE.search(first[10:])
        plain = zone is None or pc.all(pc.match_substring_regex(texts, _ISO_ZONE)).as_py()
        return _times(texts if plain else _as_in_iso(texts), first, zoned=zone is not None)
    return _numbers(_with_points(texts) if decimal_comma else texts, first, exact)


def _trimmed(texts: Any) -> Any:
    """The texts without blanks around them."""
    for chunk in texts.chunks:
        starts, letters = _letters(chunk)
        filled = np.diff(starts) > 0
        edges = letters[starts[:-1][filled]], letters[starts[1:][filled] - 1]
        if any((edge == ord(blank)).any() for edge in edges for blank in " \t"):
            return pc.ascii_trim(texts, " \t")
    return texts


def _with_points(texts: Any) -> Any:
    """Decimal points for decimal commas, unless there are points too.

    Raises:
        UnreadError: All commas may as well be between thousands.
    """
    with_comma = pc.match_substring(texts, ",")
    if not pc.any(with_comma).as_py() or pc.any(pc.match_substring(texts, ".")).as_py():
        return texts
    among = texts.filter(with_comma)
    if pc.all(pc.match_substring_regex(among, _THOUSANDS)).as_py():
        value = shorten(among[0].as_py())
        said = f"is {value}, whose comma may be a decimal one or between thousands; {_PANDAS}"
        raise UnreadError(pc.index(with_comma, True).as_py(), said)
    decimal = pc.match_substring_regex(texts, _DECIMAL_COMMA)
    return pc.if_else(decimal, pc.replace_substring(texts, ",", "."), texts)


def _numbers(texts: Any, first: str, exact: bool) -> Any:
    if all(map(_may_be_integers, texts.chunks)):
        try:
            return texts.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    try:
        row, numbers = len(texts), texts.cast(pa.float64())
    except pa.ArrowInvalid:
        row = _first_refused(texts, pa.float64())
        numbers = texts[:row].cast(pa.float64())
    infinite = pc.index(pc.is_finite(numbers), False).as_py()
    row = infinite if infinite >= 0 else row
    if row < len(texts):
        value = texts[row].as_py()
        expected = "like the first" if value != first else f"or a time like {_TIME}"
        raise UnreadError(
            row, f"is {shorten(value)}, expected a finite number {expected}; {_PANDAS}"
        )
    if exact:
        _require_exact(numbers, texts)
    return numbers


def _may_be_integers(texts: Any) -> bool:
    """Whether there are but digits and minus signs; Arrow reads hexadecimal integers as well."""
    _, letters = _letters(texts)
    return not len(letters) or (letters.min() >= ord("-") and letters.max() <= ord("9"))


def _times(texts: Any, first: str, *, zoned: bool) -> Any:
    zone = zone_written(texts) if zoned else None
    seconds, fractions = pa.timestamp("s", zone), pa.timestamp("ns", zone)
    kinds = (seconds, fractions) if zoned else (pa.date32(), seconds, fractions)
    for kind in kinds:
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            pass
    rows = {_first_refused(texts, fractions): _NEAR, _first_refused(texts, seconds): ""}
    row = max(rows)
    value = texts[row].as_py()
    like = f"{_TIME}Z, with a zone" if zoned else f"{_TIME}, without a zone"
    first = " like the first" if value != first else ", or ending in Z, UTC or such as +01:00"
    said = f"is {shorten(value)}, expected a time like {like}{first}{rows[row]}; {_PANDAS}"
    raise UnreadError(row, said)


def zone_written(texts: Any) -> str:
    """The zone of ISO times: UTC, the offset that all have, or `SEVERAL` where they differ."""
    if pc.all(pc.match_substring_regex(texts, _NO_OFFSET)).as_py():
        return "UTC"
    offset = re.search(_OFFSET, texts.drop_null()[0].as_py())
    if offset is None or not pc.all(pc.ends_with(texts, offset[0])).as_py():
        return SEVERAL
    return f"{offset[1]}:{offset[2] or '00'}"


def in_one_zone(types: set[pa.DataType]) -> pa.DataType | None:
    """The type of times of several files, where each has its own offset; None for others."""
    types = {kind for kind in types if not pa.types.is_null(kind)}
    if len(types) < 2 or not all(pa.types.is_timestamp(kind) and kind.tz for kind in types):
        return None
    if not all(kind.tz in ("UTC", SEVERAL) or kind.tz[0] in "+-" for kind in types):
        return None
    if len({kind.tz for kind in types}) == 1:
        return None
    finest = max(types, key=lambda kind: ("s", "ms", "us", "ns").index(kind.unit))
    return pa.timestamp(finest.unit, SEVERAL)


def _as_in_iso(texts: Any) -> Any:
    """Times with "Z" for " UTC", as BigQuery writes them, and "+01:00" for " +01:00"."""
    named = pc.replace_substring_regex(texts, _UTC_NAMED, "Z")
    return pc.replace_substring_regex(named, _BLANK_OFFSET, r"\1")


def _first_refused(texts: Any, kind: pa.DataType) -> int:
    """The first row whose text is not of a type; their number where all are."""
    least, most = 0, len(texts) + 1
    while most - least > 1:  # the rows before `least` are of the type, those before `most` not all
        middle = (least + most) // 2
        try:
            texts.slice(least, middle - least).cast(kind)
        except pa.ArrowInvalid:
            most = middle
        else:
            least = middle
    return least


def _require_exact(numbers: Any, texts: Any) -> None:
    """Refuse different numbers that became the same one."""
    numbers, texts = numbers.drop_null(), texts.drop_null()
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    exponents = pc.any(pc.match_substring(texts, "e", ignore_case=True)).as_py()
    if longest <= _EXACT_DIGITS + 1 and not exponents:
        return
    if len(numbers.unique()) == len(texts.unique()):
        return
    ways = pa.table({"number": numbers, "text": texts}).group_by("number")
    ways = ways.aggregate([("text", "distinct")])
    ways = ways.filter(pc.greater(pc.list_value_length(ways["text_distinct"]), 1))
    for number, written in zip(*(column.to_pylist() for column in ways.columns), strict=True):
        values = {Decimal(text): text for text in written} if math.isfinite(number) else {}
        if len(values) > 1:
            first, other = map(shorten, [*values.values()][:2])
            raise UnreadError(
                None,
                f"has {first} and {other}, which no float64 tells apart; expected numbers of at "
                f"most {_EXACT_DIGITS} digits, 64-bit integers, or times like {_TIME}",
            )
