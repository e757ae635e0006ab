"""Reads files and folders of interactions, and files of movies, into tables."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.columns import is_string
from sasrec_fast.errors import DataError
from sasrec_fast.reading.column_names import Name, Wanted, require_columns
from sasrec_fast.reading.folders import Part, find_parts, key_types
from sasrec_fast.reading.opening import open_bytes, shorten
from sasrec_fast.reading.parquet import SUFFIX as PARQUET
from sasrec_fast.reading.parquet import read_parquet
from sasrec_fast.reading.text import check_text, read_text


def read_table(
    path: str | Path, *, ids: Collection[Name] = (), numbers: Collection[Name] = ()
) -> pa.Table:
    """Read a file of interactions, or a folder of them.

    `.dat` is the MovieLens layout, `user_id::item_id::rating::timestamp` a line without a header.
    `.csv` and `.tsv` have a header line, unless columns are given by position. Text is UTF-8, and
    may be compressed (`.csv.gz`). Types are inferred from the whole file: ids are int64 where every
    one is an integer, else strings. `.parquet` has its own types.

    Args:
        path: The file; its suffix tells the format. Or a folder, whose files of one format are read
            one below the other in the order of their names; a folder named "column=value" below it
            gives a column of that name.
        ids: Columns of text that hold ids: integers or strings, also where they look like dates,
            like true and false, or like integers beyond 64 bits. Integers are positions, from 0, in
            a file without a header.
        numbers: Columns of text that must hold numbers or times.

    Returns:
        A table with all columns of the file. An empty field of a `.csv` or `.tsv` is null. Columns
        of a file without a header are named "0", "1" and so on.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: The file cannot be read, has another format, is empty, is not UTF-8 or has a
            malformed line; the message names the line, what it holds and what is expected.
    """
    return _read(find_parts(Path(path)), Wanted.of(ids, numbers))


def read_columns(
    paths: Sequence[str | os.PathLike[str]],
    ids: Collection[Name],
    numbers: Collection[Name],
    times: Collection[Name] = (),
) -> pa.Table:
    """Read only the columns of `Wanted.of` of several files or folders, as `read_table`.

    Ids of text may be dictionaries.

    Raises:
        FileNotFoundError: As `read_table`.
        DataError: As `read_table`; or a file lacks a column, or files disagree on its type; or a
            field of text is empty, or times of text are different but equal as float64.
    """
    parts = [part for path in paths for part in find_parts(Path(path))]
    return _read(parts, Wanted.of(ids, numbers, times, only=True))


def read_movies(path: str | Path, *, item: str = "item_id", title: str = "title") -> pd.DataFrame:
    """Read a file of movies.

    `.dat` is the MovieLens layout, `item_id::title::genres` a line without a header, in UTF-8 or
    else latin-1; a title may contain "::". Other formats have named columns.

    Args:
        path: The file; its suffix tells the format.
        item: Name of the item id column, unless the file is a `.dat`.
        title: Name of its title column.

    Returns:
        A DataFrame of columns item_id (int64, or strings where not all ids are integers), title and
        genres (strings; genres are empty where the file has none), in file order.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: As `read_table`; or an item id appears twice.
    """
    path = Path(path)
    parts = find_parts(path)
    if parts[0].suffix.removesuffix(".gz") == ".dat":
        check_text(parts[0].path)
        with open_bytes(parts[0].path) as file:
            movies = _dat_movies(file.read(), path)
    else:
        table = _read(parts, Wanted.of((item,)))
        movies = _movies_of_table(table, path, str(item), str(title))
    repeated = movies["item_id"][movies["item_id"].duplicated()].tolist()
    if repeated:
        raise DataError(f"{path}: item id {repeated[0]!r} appears twice, expected once")
    return movies


def _dat_movies(data: bytes, path: Path) -> pd.DataFrame:
    """Read item_id::title::genres lines, in UTF-8 or else latin-1; titles may contain "::"."""
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
                got = shorten(row)
                raise DataError(f"{path}, line {line}: expected item_id::title::genres, got {got}")
            rows.append((item_id, title, genres))
    movies = pd.DataFrame(rows, columns=["item_id", "title", "genres"])
    with suppress(pa.ArrowInvalid):  # ids that are not all integers stay strings
        movies["item_id"] = pa.array(movies["item_id"], pa.string()).cast(pa.int64()).to_pandas()
    return movies


def _movies_of_table(table: pa.Table, path: Path, item: str, title: str) -> pd.DataFrame:
    """Columns item_id, title and genres; genres are empty where there are none."""
    require_columns(table.column_names, (item, title), f" of {path}")
    none = pa.nulls(len(table), pa.string())
    genres = table["genres"] if "genres" in table.column_names else none
    try:
        texts = [column.cast(pa.string()).fill_null("") for column in (table[title], genres)]
    except pa.ArrowException as failure:
        raise DataError(f"{path}: titles and genres are text: {failure}") from None
    columns = {"item_id": table[item], "title": texts[0], "genres": texts[1]}
    movies: pd.DataFrame = pa.table(columns).to_pandas()
    return movies


def _read(parts: Sequence[Part], wanted: Wanted) -> pa.Table:
    types = key_types(parts, wanted.numbers)
    tables = [_read_part(part, wanted, types) for part in parts]
    # What looks like an integer in one file is text beside the text of another.
    mixed = tuple(name for name in wanted.ids if _is_mixed(tables, name))
    if mixed and all(part.suffix != PARQUET for part in parts):
        tables = [_read_part(part, replace(wanted, texts=mixed), types) for part in parts]
    table = _joined(parts, tables)
    if len(table) == 0:
        only = "has a header and no rows" if parts[0].suffix != PARQUET else "has no rows"
        raise DataError(f"{parts[0].path} {only}" + (", nor the others" if parts[1:] else ""))
    return table


def _read_part(part: Part, wanted: Wanted, types: dict[str, pa.DataType]) -> pa.Table:
    """Read a file and add the columns that its folders give."""
    read = read_parquet if part.suffix == PARQUET else read_text
    table = read(part.path, wanted.without(part.keys))
    for name, value in part.keys.items():
        if name in table.column_names:
            table = table.drop_columns([name])
        if name in wanted.names or not wanted.only:
            scalar = pa.scalar(value, pa.string()).cast(types[name])
            table = table.append_column(name, pa.repeat(scalar, len(table)))
    return table


def _joined(parts: Sequence[Part], tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all; numbers and times take the widest type, where that loses nothing."""
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    for part, table in zip(parts, tables, strict=True):
        require_columns(table.column_names, names, f" of {part.path}")
    for name in names:
        types = {table.schema.field(name).type for table in tables}
        if len(types) > 1 and all(map(_is_text, types)):
            tables = [_as_text(table, name) for table in tables]
    try:
        return pa.concat_tables([t.select(names) for t in tables], promote_options="permissive")
    except pa.ArrowException as failure:
        raise _disagreement(parts, tables, failure) from None


def _disagreement(
    parts: Sequence[Part], tables: Sequence[pa.Table], failure: Exception
) -> DataError:
    for first in tables[0].schema:
        for part, table in zip(parts, tables, strict=True):
            kind = table.schema.field(first.name).type
            if kind != first.type:
                return DataError(
                    f"column {first.name!r} is {first.type} in {parts[0].path} and {kind} in "
                    f"{part.path}: {shorten(str(failure))}"
                )
    return DataError(f"{parts[0].path} and others do not fit together: {shorten(str(failure))}")


def _is_mixed(tables: Sequence[pa.Table], name: str) -> bool:
    """Whether a column is integers in one file and text in another."""
    types = [t.schema.field(name).type for t in tables if name in t.column_names]
    return any(map(_is_text, types)) and any(map(pa.types.is_integer, types))


def _is_text(kind: pa.DataType) -> bool:
    return is_string(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _as_text(table: pa.Table, name: str) -> pa.Table:
    texts = pc.cast(table[name], pa.large_string())
    return table.set_column(table.column_names.index(name), name, texts)
