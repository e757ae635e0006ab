"""Opens files of text, compressed by gzip or not, and has pyarrow read their columns."""

import csv
import gzip
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.csv

from sasrec_fast.errors import DataError

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What reading a file may raise, a damaged compressed file included."""

DOUBLE_COLON = "::"
"""The delimiter of MovieLens; pyarrow takes one character and sees an empty field between two."""

_CHUNK = 1 << 18
_LINE_END = re.compile(r"\r\n|\r|\n")
_MALFORMED = (
    "a field that begins with a quote ends with the next one, and a quote within it is doubled"
)
_SAMPLED_BYTES = 1 << 16
_LONGEST_FIELD = 1 << 20


def is_compressed(path: Path) -> bool:
    """Whether the suffix says gzip."""
    return path.suffix.lower() == ".gz"


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed content."""
    return cast("IO[bytes]", gzip.open(path)) if is_compressed(path) else path.open("rb")


def chunks(path: Path) -> Iterator[bytes]:
    """The decompressed content, piece by piece."""
    with open_bytes(path) as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def first_lines(path: Path) -> list[str]:
    """Some of the first lines, with their ends; the last is whole where it is the only one."""
    with open_bytes(path) as file:
        start = file.read(_SAMPLED_BYTES)
        cut = bool(file.read(1))
    lines = io.StringIO(start.decode("utf-8-sig", "replace"), newline="").readlines()
    return lines[:-1] if cut and lines[1:] else lines


@contextmanager
def _long_fields() -> Iterator[None]:
    """Has `csv` take fields of the length that pyarrow takes."""
    before = csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
    try:
        yield
    finally:
        csv.field_size_limit(before)


@dataclass(frozen=True)
class TextFile:
    """A file of rows of fields; lines without a character are no rows.

    Attributes:
        path: A file that can be opened and is not empty.
        delimiter: What is between fields: one character, or `DOUBLE_COLON`.
        columns: Names of all columns.
        header: Whether the first row gives them.
        quoted: Whether fields may be in double quotes, as of RFC 4180.
        multiline: Whether fields in quotes may hold line ends.
        hexadecimal: Whether "0x" is anywhere, which pyarrow reads as an integer.
        renamed: Whether the header gives other names than `columns`.
    """

    path: Path
    delimiter: str
    columns: tuple[str, ...] = ()
    header: bool = True
    quoted: bool = True
    multiline: bool = True
    hexadecimal: bool = False
    renamed: bool = False

    def read(self, types: Mapping[str, pa.DataType], include: Collection[str] = ()) -> pa.Table:
        """Read the columns to include, or all; an empty field is null, other types are inferred."""
        options, between = self._options(types, include)
        with self._bytes() as stream:
            table = pyarrow.csv.read_csv(stream, *options)
        return table.drop_columns(between)

    def blocks(self, types: Mapping[str, pa.DataType], size: int) -> Iterator[pa.Table]:
        """The columns with a type as `read` has them, so many bytes of the file at a time."""
        (read, *options), between = self._options(types, types)
        read.block_size = size
        with self._bytes() as stream, pyarrow.csv.open_csv(stream, read, *options) as reader:
            for batch in reader:
                yield pa.table(batch).drop_columns(between)

    def _bytes(self) -> pa.NativeFile:
        return pa.input_stream(
            str(self.path), compression="gzip" if is_compressed(self.path) else None
        )

    def _options(
        self, types: Mapping[str, pa.DataType], include: Collection[str]
    ) -> tuple[list[Any], list[str]]:
        """Options of pyarrow's reader, and columns it sees between those there are."""
        names: list[str] | None = list(self.columns)
        types, between = dict(types), list[str]()
        if self.delimiter == DOUBLE_COLON:
            between = [f"between {n}" for n in range(1, len(self.columns))]
            pairs = zip(self.columns, [*between, ""], strict=True)
            names = [name for pair in pairs for name in pair][:-1]
            types |= dict.fromkeys(between, pa.null())
            include = [*include, *between] if include else ()
        elif self.header and not self.renamed:
            names = None
        skipped = self._header_lines() if self.header and names else 0
        read = pyarrow.csv.ReadOptions(column_names=names, skip_rows=skipped)
        parse = pyarrow.csv.ParseOptions(
            delimiter=self.delimiter[0],
            quote_char='"' if self.quoted else False,
            double_quote=self.quoted,
            newlines_in_values=self.quoted and self.multiline,
        )
        convert = pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            include_columns=list(include),
        )
        return [read, parse, convert], between

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Fields of every row, the header's too, each with the number of its first line from 1.

        Lines end in LF, CR LF or CR. Bytes that are not UTF-8 become surrogates.

        Raises:
            DataError: Quotes are malformed, or a field is longer than `csv` takes.
        """
        if self.quoted and self.delimiter != DOUBLE_COLON:
            yield from ((line, fields) for line, fields, _ in self.records())
            return
        with self._text(newline=None) as file:
            for line, text in enumerate(file, start=1):
                if text := text.removesuffix("\n"):
                    yield line, text.split(self.delimiter)

    def records(self) -> Iterator[tuple[int, list[str], list[str]]]:
        """As `rows`, of a file with quotes; each row with the lines that it is of."""
        line, lines = 1, []
        with _long_fields(), self._text(newline="") as file:
            taken = (lines.append(text) or text for text in file)  # type: ignore[func-returns-value]
            reader = csv.reader(taken, delimiter=self.delimiter, strict=True)
            try:
                for fields in reader:
                    if fields:
                        yield line, fields, lines
                    line += len(lines)
                    lines.clear()
            except csv.Error as failure:
                if "limit" in str(failure):
                    said = f"line {line}: too long a field ({failure})"
                else:
                    line += self._opening("".join(lines))
                    said = f"line {line}: malformed quotes ({failure}): {_MALFORMED}"
                raise DataError(f"{self.path}, {said}") from None

    def _header_lines(self) -> int:
        """The number of lines to the end of the header."""
        line, fields = next(self.rows())
        return line + sum(len(_LINE_END.findall(field)) for field in fields)

    def _text(self, newline: str | None) -> io.TextIOWrapper:
        return io.TextIOWrapper(open_bytes(self.path), "utf-8-sig", "surrogateescape", newline)

    def _opening(self, record: str) -> int:
        """The line, from 0, of the first quote that begins a field and is not closed rightly."""
        between = re.escape(self.delimiter)
        field = re.compile(rf'"(?:[^"]|"")*"(?=[{between}\r\n]|\Z)|(?!")[^{between}\r\n]*')
        place = 0
        while found := field.match(record, place):
            place = found.end() + 1
        return len(_LINE_END.findall(record[:place]))
