"""Types of the columns of a text file: those that pyarrow infers, where they keep what is written.

A column that may have lost something is read a second time as text and compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sasrec_fast.errors import DataError
from sasrec_fast.reading.faults import shorten
from sasrec_fast.reading.opening import is_compressed, open_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_CHUNK = 1 << 18
_INTEGER = r"^[ \t]*-?[0-9]+[ \t]*$"
_HEXADECIMAL = r"^[ \t]*-?0[xX]"
_EXACT_DIGITS = 15
"""Decimal numbers of no more digits are different float64 where they are different."""


@dataclass(frozen=True)
class Roles:
    """What columns are for, by name in the file.

    Attributes:
        ids: int64, strings, null, or float64 with fractions, which are no ids.
        numbers: Numbers or times.
        times: Those of `numbers` that are compared with one another.
        texts: Those of `ids` to read as strings though all are integers.
    """

    ids: Collection[str] = ()
    numbers: Collection[str] = ()
    times: Collection[str] = ()
    texts: Collection[str] = ()


@dataclass(frozen=True)
class Marks:
    """Letters of a file.

    Attributes:
        hexadecimals: Whether "0x" or "0X" is anywhere.
        quotes: Number of double quotes.
    """

    hexadecimals: bool
    quotes: int


@dataclass
class Reader:
    """One file that pyarrow reads, once or twice."""

    path: Path
    read: pyarrow.csv.ReadOptions
    parse: pyarrow.csv.ParseOptions
    include: list[str] = field(default_factory=list)

    @cached_property
    def marks(self) -> Marks:
        """What the file has of suspicious letters."""
        hexadecimals, quotes, last = False, 0, b""
        with open_bytes(self.path) as file:
            while chunk := file.read(_CHUNK):
                if b"x" in chunk or b"X" in chunk:  # most files of numbers have none
                    letters = np.frombuffer(last + chunk, np.uint8)
                    found = ((letters[1:] | 32) == ord("x")) & (letters[:-1] == ord("0"))
                    hexadecimals = hexadecimals or bool(found.any())
                quotes += chunk.count(b'"')
                last = chunk[-1:]
        return Marks(hexadecimals, quotes)

    def inferred(self, roles: Roles) -> pa.Table:
        """Read; hexadecimal numbers, which pyarrow takes for integers, stay text.

        Raises:
            DataError: Different times are written that no float64 tells apart.
        """
        table = self._typed(dict.fromkeys(roles.texts, pa.string()), self.include)
        doubtful = self._doubtful(table, roles)
        if not doubtful:
            return table
        texts = self._typed(dict.fromkeys(doubtful, pa.string()), doubtful)
        for name in doubtful:
            if _is_kept(table[name], texts[name], is_id=name in roles.ids):
                if name in roles.times:
                    self._require_exact(name, table[name], texts[name])
            else:
                table = table.set_column(table.column_names.index(name), name, texts[name])
        return table

    def _typed(self, types: dict[str, pa.DataType], include: list[str]) -> pa.Table:
        """Read; the types of other columns are inferred."""
        convert = pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            include_columns=include,
        )
        compression = "gzip" if is_compressed(self.path) else None
        with pa.input_stream(str(self.path), compression=compression) as stream:
            return pyarrow.csv.read_csv(stream, self.read, self.parse, convert)

    def _doubtful(self, table: pa.Table, roles: Roles) -> list[str]:
        """Names of columns of a type that may not keep what is written."""
        plain = (pa.int64(), pa.string(), pa.binary(), pa.null())
        kinds = {f.name: f.type for f in table.schema if f.name in (*roles.ids, *roles.numbers)}
        names = [name for name in roles.ids if kinds.get(name, pa.null()) not in plain]
        names += [name for name in roles.times if kinds.get(name) == pa.float64()]
        if pa.int64() in kinds.values() and self.marks.hexadecimals:
            names += [name for name, kind in kinds.items() if kind == pa.int64()]
        return list(dict.fromkeys(names))

    def _require_exact(self, name: str, numbers: pa.ChunkedArray, texts: pa.ChunkedArray) -> None:
        """Refuse different texts that became the same number."""
        short = pc.fill_null(pc.less_equal(pc.binary_length(texts), _EXACT_DIGITS + 1), True)
        plain = pc.invert(pc.match_substring_regex(texts, "[eE]"))
        if numbers.type != pa.float64() or pc.all(pc.and_(short, plain)).as_py():
            return
        found: dict[float, str] = {}
        for number, text in _repeated(numbers, texts):
            first = found.setdefault(number, text)
            if np.isfinite(number) and Decimal(first.strip()) != Decimal(text.strip()):
                raise DataError(
                    f"{self.path}: column {name!r} has {shorten(first)} and {shorten(text)}, which "
                    f"no float64 tells apart; expected numbers of at most {_EXACT_DIGITS} digits, "
                    "64-bit integers, or times like 2001-12-31 23:59:59"
                )


def _is_kept(column: pa.ChunkedArray, texts: pa.ChunkedArray, *, is_id: bool) -> bool:
    """Whether the type that was inferred is right, so that the column is not text."""
    if column.type == pa.int64():
        return not pc.any(pc.match_substring_regex(texts, _HEXADECIMAL)).as_py()
    if pa.types.is_floating(column.type):
        return not (is_id and pc.all(pc.match_substring_regex(texts, _INTEGER)).as_py())
    return not is_id


def _repeated(numbers: pa.ChunkedArray, texts: pa.ChunkedArray) -> Iterator[tuple[float, str]]:
    """Numbers that are written in several ways, with each of them."""
    table = pa.table({"number": numbers, "text": texts})
    pairs = table.group_by(["number", "text"]).aggregate([])
    counts = pc.value_counts(pairs["number"])
    often = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    pairs = pairs.filter(pc.is_in(pairs["number"], often))
    return zip(pairs["number"].to_pylist(), pairs["text"].to_pylist(), strict=True)
