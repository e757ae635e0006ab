"""Types of the columns of a text file: those that pyarrow infers, where they keep what is written.

A column that may have lost something is read a second time as text and compared.
"""

import math
from collections.abc import Collection
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.opening import TextFile, shorten

_INTEGER = r"^[ \t]*-?[0-9]+[ \t]*$"
_HEXADECIMAL = r"^[ \t]*-?0[xX]"
_EXACT_DIGITS = 15
"""Decimal numbers of no more digits are different float64 where they are different."""


def read_inferred(file: TextFile, wanted: Wanted, include: Collection[str] = ()) -> pa.Table:
    """Read; ids are int64, strings, null, or float64 with fractions, which are no ids.

    Hexadecimal numbers, which pyarrow takes for integers, stay text.

    Args:
        file: The file.
        wanted: What its columns are for.
        include: Names of the columns to read; all where there are none.

    Raises:
        DataError: Different times are written that no float64 tells apart.
    """
    table = file.read(dict.fromkeys(wanted.texts, pa.string()), include)
    doubtful = _doubtful(file, table, wanted)
    if not doubtful:
        return table
    texts = file.read(dict.fromkeys(doubtful, pa.string()), doubtful)
    for name in doubtful:
        if not _is_kept(table[name], texts[name], is_id=name in wanted.ids):
            table = table.set_column(table.column_names.index(name), name, texts[name])
        elif name in wanted.times and table[name].type == pa.float64():
            _require_exact(file, name, table[name], texts[name])
    return table


def _doubtful(file: TextFile, table: pa.Table, wanted: Wanted) -> list[str]:
    """Names of columns of a type that may not keep what is written."""
    plain = (pa.int64(), pa.string(), pa.binary(), pa.null())
    kinds = {f.name: f.type for f in table.schema if f.name in wanted.names}
    names = [name for name in wanted.ids if kinds.get(name, pa.null()) not in plain]
    names += [name for name in wanted.times if kinds.get(name) == pa.float64()]
    if pa.int64() in kinds.values() and file.marks[0]:
        names += [name for name, kind in kinds.items() if kind == pa.int64()]
    return list(dict.fromkeys(names))


def _is_kept(column: pa.ChunkedArray, texts: pa.ChunkedArray, *, is_id: bool) -> bool:
    """Whether the type that was inferred is right, so that the column is not text."""
    if column.type == pa.int64():
        return not pc.any(pc.match_substring_regex(texts, _HEXADECIMAL)).as_py()
    if pa.types.is_floating(column.type):
        return not (is_id and pc.all(pc.match_substring_regex(texts, _INTEGER)).as_py())
    return not is_id


def _require_exact(
    file: TextFile, name: str, numbers: pa.ChunkedArray, texts: pa.ChunkedArray
) -> None:
    """Refuse different texts that became the same number."""
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
        values = {Decimal(text.strip()): text for text in written} if math.isfinite(number) else {}
        if len(values) > 1:
            first, other = map(shorten, [*values.values()][:2])
            raise DataError(
                f"{file.path}: column {name!r} has {first} and {other}, which no float64 tells "
                f"apart; expected numbers of at most {_EXACT_DIGITS} digits, 64-bit integers, or "
                "times like 2001-12-31 23:59:59"
            )
