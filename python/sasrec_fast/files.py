"""Reads files of ratings and movies into tables, with errors that name the line.

pyarrow reads at full speed; a file it refuses, or that holds what cannot be right, is read again
line by line to say where (faults.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sasrec_fast import faults
from sasrec_fast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection

DELIMITERS = {".csv": ",", ".tsv": "\t"}

_DAT_FIELDS = ("user_id", "_1", "item_id", "_2", "rating", "_3", "timestamp")
_REFUSED = (pa.ArrowException, UnicodeDecodeError, OSError)


def read_table(
    path: str | Path, *, ids: Collection[str] = (), numbers: Collection[str] = ()
) -> pa.Table:
    """Read a file of interactions.

    `.dat` is the MovieLens layout, `user_id::item_id::rating::timestamp` a line without a header.
    `.csv` and `.tsv` have a header line. Text is UTF-8. Types are inferred from the whole file: ids
    are int64 where every one is an integer, else strings.

    Args:
        path: The file; its suffix tells the format.
        ids: Columns of a `.csv` or `.tsv` that hold ids: integers or strings, also where they look
            like dates, like true and false, or like integers beyond 64 bits.
        numbers: Columns of a `.csv` or `.tsv` that must hold numbers or times.

    Returns:
        A table with all columns of the file. An empty field of a `.csv` or `.tsv` is null.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: The file cannot be read, has another format, is empty, is not UTF-8 or has a
            malformed line; the message names the line, what it holds and what is expected.
    """
    path = _checked(Path(path))
    suffix = path.suffix.lower()
    if suffix == ".dat":
        return _read_dat(path)
    if suffix in DELIMITERS:
        return _read_delimited(path, DELIMITERS[suffix], ids, numbers)
    allowed = ", ".join((".dat", *DELIMITERS))
    raise DataError(f"{path}: unknown file type {suffix!r}, expected one of {allowed}")


def read_movies(path: str | Path, *, item: str = "item_id", title: str = "title") -> pd.DataFrame:
    """Read a file of movies.

    `.dat` is the MovieLens layout, `item_id::title::genres` a line without a header, in UTF-8 or
    else latin-1; a title may contain "::". `.csv` and `.tsv` have a header line.

    Args:
        path: The file; its suffix tells the format.
        item: Name of the item id column of a `.csv` or `.tsv`.
        title: Name of its title column.

    Returns:
        A DataFrame of columns item_id (int64, or strings where not all ids are integers), title and
        genres (strings; genres are empty where the file has none), in file order.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: As `read_table`; or an item id appears twice.
    """
    path = _checked(Path(path))
    if path.suffix.lower() == ".dat":
        movies = _read_dat_movies(path)
    else:
        movies = _read_delimited_movies(path, item, title)
    repeated = movies["item_id"][movies["item_id"].duplicated()].tolist()
    if repeated:
        raise DataError(f"{path}: item id {repeated[0]!r} appears twice, expected once")
    return movies


def _checked(path: Path) -> Path:
    """The path of a file that can be opened and is not empty."""
    try:
        with path.open("rb") as file:
            empty = not any(line.strip(b"\r\n") for line in file)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, expected a file") from None
    except (OSError, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    if empty:
        raise DataError(f"{path} is empty, expected a line for each row")
    return path


def _read_dat(path: Path) -> pa.Table:
    """Read "::" as ":" with an empty column between, which pyarrow parses in parallel."""
    read = pyarrow.csv.ReadOptions(column_names=list(_DAT_FIELDS))
    parse = pyarrow.csv.ParseOptions(delimiter=":", quote_char=False, double_quote=False)
    checks: dict[str, faults.Check] = {"rating": faults.number, "timestamp": faults.number}
    try:
        table = _read_inferred(path, read, parse, ("user_id", "item_id"))
    except _REFUSED as failure:
        raise _error(path, faults.dat_fault(path, checks), failure) from None
    separators = [table[name].type for name in _DAT_FIELDS[1::2]]
    table = table.select(list(faults.DAT_COLUMNS))
    fractional = [name for name in ("user_id", "item_id") if _is_float(table[name])]
    sound = set(separators) == {pa.null()}
    sound = sound and all(column.null_count == 0 for column in table.columns)
    sound = sound and all(c.type in (pa.int64(), pa.string()) for c in table.columns[:2])
    if not sound or not all(_is_finite(column) for column in table.columns[2:]):
        checks |= dict.fromkeys(fractional, faults.whole)
        raise _error(path, faults.dat_fault(path, checks), "a value does not fit its column")
    return table


def _read_delimited(
    path: Path, delimiter: str, ids: Collection[str], numbers: Collection[str]
) -> pa.Table:
    read = pyarrow.csv.ReadOptions()
    parse = pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        table = _read_inferred(path, read, parse, ids)
    except _REFUSED as failure:
        raise _error(path, faults.delimited_fault(path, delimiter, {}), failure) from None
    names = table.column_names
    if len(table) == 0:
        raise DataError(f"{path} has a header and no rows")
    checks: dict[str, faults.Check] = {
        name: faults.whole for name in ids if name in names and _is_float(table[name])
    }
    for name in numbers:
        if name in names and pa.types.is_string(table[name].type):
            first = table[name].drop_null()[0].as_py()
            checks[name] = faults.time if faults.number(first) else faults.number
    if checks or any(pa.types.is_binary(column.type) for column in table.columns):
        fault = faults.delimited_fault(path, delimiter, checks)
        raise _error(path, fault, f"columns {list(checks)} hold neither numbers nor times")
    return table


def _read_inferred(
    path: Path,
    read: pyarrow.csv.ReadOptions,
    parse: pyarrow.csv.ParseOptions,
    ids: Collection[str],
) -> pa.Table:
    """Read with inferred types; ids are int64, strings, null, or float64 with fractions."""

    def table(types: dict[str, pa.DataType]) -> pa.Table:
        convert = pyarrow.csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True
        )
        return pyarrow.csv.read_csv(path, read, parse, convert)

    inferred = table({})
    names = inferred.column_names
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise DataError(f"{path}, line 1: the header has two columns named {twice!r}")
    plain = (pa.int64(), pa.string(), pa.binary(), pa.null())
    others = [f.name for f in inferred.schema if f.name in ids and f.type not in plain]
    if not others:
        return inferred
    texts = table(dict.fromkeys(others, pa.string()))
    for name in others:
        integers = pc.match_substring_regex(texts[name], r"^[ \t]*-?[0-9]+[ \t]*$")
        if _is_float(inferred[name]) and not pc.all(integers).as_py():
            texts = texts.set_column(texts.column_names.index(name), name, inferred[name])
    return texts


def _read_dat_movies(path: Path) -> pd.DataFrame:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    rows = []
    for line, row in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        if row:
            item_id, _, rest = row.partition("::")
            title, separator, genres = rest.rpartition("::")
            if not (item_id and separator):
                got = faults.shorten(row)
                raise DataError(f"{path}, line {line}: expected item_id::title::genres, got {got}")
            rows.append((item_id, title, genres))
    movies = pd.DataFrame(rows, columns=["item_id", "title", "genres"])
    movies["item_id"] = _integers(movies["item_id"])
    return movies


def _read_delimited_movies(path: Path, item: str, title: str) -> pd.DataFrame:
    table = read_table(path, ids=(item,))
    for column in (item, title):
        if column not in table.column_names:
            have = ", ".join(map(repr, table.column_names))
            raise DataError(f"{path}, line 1: there is no column {column!r}, only {have}")
    none = pa.nulls(len(table), pa.string())
    genres = table["genres"] if "genres" in table.column_names else none
    texts = [column.cast(pa.string()).fill_null("") for column in (table[title], genres)]
    columns = {"item_id": table[item], "title": texts[0], "genres": texts[1]}
    movies: pd.DataFrame = pa.table(columns).to_pandas()
    return movies


def _integers(ids: pd.Series[str]) -> pd.Series[int] | pd.Series[str]:
    """The ids as int64 if all of them are integers."""
    try:
        integers: pd.Series[int] = pa.array(ids, pa.string()).cast(pa.int64()).to_pandas()
    except pa.ArrowInvalid:
        return ids
    return integers


def _is_float(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_floating(column.type))


def _is_finite(column: pa.ChunkedArray) -> bool:
    numeric = _is_float(column) or pa.types.is_integer(column.type)
    return bool(numeric and pc.all(pc.is_finite(column)).as_py())


def _error(path: Path, fault: str | None, otherwise: object) -> DataError:
    return DataError(f"{path}, {fault}" if fault else f"{path}: {faults.shorten(str(otherwise))}")
