"""Opens files of text, compressed by gzip or not, and has pyarrow read their columns."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv

from sasrec_fast.errors import DataError

UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file may raise, a damaged gzip file included."""

_CHUNK = 1 << 18


def is_compressed(path: Path) -> bool:
    """Whether the suffix says gzip."""
    return path.suffix.lower() == ".gz"


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed content."""
    return cast("IO[bytes]", gzip.open(path)) if is_compressed(path) else path.open("rb")


def shorten(text: str) -> str:
    """The text in quotes, cut where it is long."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


@dataclass(frozen=True)
class TextFile:
    """A file of rows of fields; lines without a character are no rows.

    Attributes:
        path: A file that can be opened and is not empty.
        delimiter: The character between fields.
        columns: Names of all columns.
        header: Whether the first row gives them.
        quoted: Whether fields may be in double quotes. If not, every other field is empty, as
            there are two delimiters between values.
    """

    path: Path
    delimiter: str
    columns: tuple[str, ...] = ()
    header: bool = True
    quoted: bool = True

    def read(
        self,
        types: Mapping[str, pa.DataType],
        include: Collection[str] = (),
        *,
        use_threads: bool = True,
    ) -> pa.Table:
        """Read the columns to include, or all; an empty field is null, other types are inferred.

        Without threads pyarrow's errors name the row, from 1 and with the header.
        """
        names = None if self.header else list(self.columns)
        read = pyarrow.csv.ReadOptions(use_threads=use_threads, column_names=names)
        parse = pyarrow.csv.ParseOptions(
            delimiter=self.delimiter,
            quote_char='"' if self.quoted else False,
            double_quote=self.quoted,
            newlines_in_values=self.quoted,
        )
        convert = pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            include_columns=list(include),
        )
        compression = "gzip" if is_compressed(self.path) else None
        with pa.input_stream(str(self.path), compression=compression) as stream:
            return pyarrow.csv.read_csv(stream, read, parse, convert)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Fields of every row, the header's too, each with the number of its first line from 1.

        Lines end in LF, CR LF or CR. Bytes that are not UTF-8 become surrogates.

        Raises:
            DataError: Quotes are malformed, or a field is longer than `csv` takes.
        """
        newline = "" if self.quoted else None
        content = open_bytes(self.path)
        with io.TextIOWrapper(content, "utf-8-sig", "surrogateescape", newline) as file:
            if not self.quoted:
                lines = enumerate((text.removesuffix("\n") for text in file), start=1)
                yield from ((line, text.split(self.delimiter)) for line, text in lines if text)
                return
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            line = 1
            try:
                for fields in reader:
                    if fields:
                        yield line, fields
                    line = reader.line_num + 1
            except csv.Error as failure:
                what = "too long a field" if "limit" in str(failure) else "malformed quotes"
                raise DataError(f"{self.path}, line {line}: {what} ({failure})") from None

    @cached_property
    def marks(self) -> tuple[bool, int]:
        """Whether "0x" or "0X" is anywhere, and the number of double quotes."""
        hexadecimal, quotes, last = False, 0, b""
        with open_bytes(self.path) as file:
            while chunk := file.read(_CHUNK):
                if b"x" in chunk or b"X" in chunk:  # most files of numbers have none
                    letters = last + chunk
                    hexadecimal = hexadecimal or b"0x" in letters or b"0X" in letters
                quotes += chunk.count(b'"')
                last = chunk[-1:]
        return hexadecimal, quotes
