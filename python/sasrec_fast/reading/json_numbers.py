"""Numbers and times of JSON, exactly as they are written or not at all."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.json_objects import as_written
from sasrec_fast.reading.written import zone_written

_EXACT = 2**53


def numbers_of(column: Any, name: str, path: Path) -> Any:
    """Numbers as they are, and ISO 8601 text as times.

    Raises:
        DataError: Integers are beyond what float64 holds, beside others that have a fraction.
    """
    if pa.types.is_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        ends = pa.array(np.concatenate([[0], np.cumsum(lengths)]), mask=_ends_of_nulls(column))
        values = numbers_of(pa.chunked_array(pc.list_flatten(column)), name, path)
        return pa.chunked_array([pa.LargeListArray.from_arrays(ends, values.combine_chunks())])
    if pa.types.is_floating(column.type):
        if (pc.max(pc.abs(column)).as_py() or 0) >= _EXACT:
            raise DataError(
                f"{path}: column {name!r} has numbers beyond 2**53 among those with a fraction or "
                "an exponent, which float64 does not tell apart; write them as integers"
            )
        return column
    if not pa.types.is_string(column.type):
        return column
    written = pc.replace_substring_regex(column, r" UTC$", "Z")
    for unit in ("s", "ns"):
        for zone in (None, "UTC"):
            try:
                times = pc.cast(written, pa.timestamp(unit, zone))
            except pa.ArrowInvalid:
                continue
            return pc.cast(times, pa.timestamp(unit, zone and zone_written(written)))
    return column


def _ends_of_nulls(column: Any) -> Any:
    """Where the offsets of lists say that there is none."""
    return np.append(pc.is_null(column).to_numpy(), False)


def require_exact(path: Path, name: str, column: Any) -> None:
    """Refuse different times that became the same float64; fractions are read again as text.

    Raises:
        DataError: Names two of them.
    """
    flat = pc.list_flatten(column) if pa.types.is_large_list(column.type) else column
    if not pa.types.is_floating(flat.type) or pc.all(pc.equal(pc.floor(flat), flat)).as_py():
        return
    texts: dict[float, str] = {}
    for row in as_written(path):
        value = row.get(name)
        for text in value if isinstance(value, list) else [value]:
            if text is None:
                continue
            other = texts.setdefault(float(text), text)
            if other != text and Decimal(other) != Decimal(text):
                raise DataError(
                    f"{path}: column {name!r} has {shorten(str(other))} and {shorten(str(text))}, "
                    "which no float64 tells apart; write them as integers of a smaller unit"
                )
