"""Reads files and folders of interactions, and files of movies, into tables."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.columns import is_string
from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Name, Wanted, require_columns
from sasrec_fast.reading.columnar import read_columnar
from sasrec_fast.reading.folders import (
    Part,
    find_parts,
    key_types,
    warn_of_files_given_twice,
    warn_of_order,
)
from sasrec_fast.reading.formats import JSON, TEXT, format_of
from sasrec_fast.reading.json_lines import read_json
from sasrec_fast.reading.opening import UNREADABLE, open_bytes
from sasrec_fast.reading.scratch import Scratch
from sasrec_fast.reading.text import check_text, read_text
from sasrec_fast.reading.written import ids_as_written, in_one_zone


def read_table(
    path: Any, *, ids: Collection[Name] = (), numbers: Collection[Name] = ()
) -> pa.Table:
    """Read a file of interactions, or a folder of them.

    The first bytes of a file tell its format, and its name where these do not: Parquet, Feather
    and Arrow, ORC, JSON (an object a line, or an array of objects), else text. `.dat` is the
    MovieLens layout, `user_id::item_id::rating::timestamp` a line without a header. `.csv` and
    `.tsv` have a header line, unless columns are given by position. Text is UTF-8; its types are
    inferred from the whole file: ids are int64 where every one is written as its integer is, else
    strings as written. Any of them may be compressed by gzip, bz2, xz, zstd or lz4, or lie in a
    zip archive.

    Args:
        path: The file. Or a folder, whose files of one format are read one below the other in the
            order of their names and of the numbers in them; a folder named "column=value" below it
            gives a column of that name. Or a pattern with *, a path into a zip archive
            ("ml-1m.zip/ml-1m/ratings.dat"), a URL that fsspec reads, or an open file.
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
    with Scratch() as scratch:
        return read_parts(find_parts(path, scratch), Wanted.of(ids, numbers))


def read_columns(
    sources: Sequence[Any],
    ids: Collection[Name],
    numbers: Collection[Name],
    times: Collection[Name] = (),
    *,
    in_time_order: bool = False,
) -> pa.Table:
    """Read only the columns of `Wanted.of` of several files or folders, as `read_table`.

    Ids of text may be dictionaries. Where rows are in time order, files of numbered names that are
    not are warned of.

    Raises:
        FileNotFoundError: As `read_table`.
        DataError: As `read_table`; or a file lacks a column, or files disagree on its type; or a
            field of text is empty, or times of text are different but equal as float64.
    """
    wanted = Wanted.of(ids, numbers, times, only=True)
    with Scratch() as scratch:
        parts = [part for source in sources for part in find_parts(source, scratch)]
        warn_of_files_given_twice(parts)
        if in_time_order:
            warn_of_order(parts)
        return read_parts(parts, wanted)


def read_movies(path: str | Path, *, item: str = "item_id", title: str = "title") -> pd.DataFrame:
    """Read a file of movies.

    `.dat` is the MovieLens layout, `item_id::title::genres` a line without a header, in UTF-8 or
    else latin-1; a title may contain "::". Other formats have named columns.

    Args:
        path: The file; its suffix tells the format.
        item: Name of the item id column, unless the file is a `.dat`.
        title: Name of its title column.

    Returns:
        A DataFrame of columns item_id (int64, or strings where not every id is written as its
        integer is), title and genres (strings; genres are empty where the file has none), in file
        order.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: As `read_table`; or an item id appears twice.
    """
    path = Path(path)
    parts = find_parts(path, Scratch())
    if parts[0].suffix == ".dat":
        with Scratch() as scratch:
            held, _ = parts[0].unpacked(scratch)
            check_text(held)
            try:
                with open_bytes(held) as file:
                    movies = _dat_movies(file.read(), path)
            except UNREADABLE as failure:
                raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    else:
        table = read_parts(parts, Wanted.of((item,), texts=(title, "genres")))
        movies = _movies_of_table(table, path, str(item), str(title))
    repeated = movies["item_id"][movies["item_id"].duplicated()].tolist()
    if repeated:
        raise DataError(f"{path}: item id {shorten(repeated[0])} appears twice, expected once")
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
    movies["item_id"] = ids_as_written(pa.array(movies["item_id"], pa.string())).to_pandas()
    return movies


def _movies_of_table(table: pa.Table, path: Path, item: str, title: str) -> pd.DataFrame:
    """Columns item_id, title and genres; genres are empty where there are none."""
    require_columns(table.column_names, (item, title), f" of {path}")
    none = pa.nulls(len(table), pa.string())
    genres = table["genres"] if "genres" in table.column_names else none
    try:
        texts = [column.cast(pa.string()).fill_null("") for column in (table[title], genres)]
    except pa.ArrowException as failure:
        raise DataError(f"{path}: titles and genres are text: {shorten(str(failure))}") from None
    columns = {"item_id": table[item], "title": texts[0], "genres": texts[1]}
    movies: pd.DataFrame = pa.table(columns).to_pandas()
    return movies


def read_parts(parts: Sequence[Part], wanted: Wanted) -> pa.Table:
    """One table of all files, as `read_columns`."""
    types = key_types(parts, wanted.numbers)
    read = [_read_part(part, wanted, types) for part in parts]
    tables = [table for table, _ in read]
    # What looks like an integer in one file is text beside the text of another.
    mixed = tuple(name for name in wanted.ids if _is_mixed(tables, name))
    if mixed and all(kind == TEXT for _, kind in read):
        again = replace(wanted, texts=mixed)
        tables = [_read_part(part, again, types)[0] for part in parts]
    table = unified(parts, tables)
    if len(table) == 0:
        only = "has a header and no rows" if read[0][1] == TEXT else "has no rows"
        name = parts[0].name or parts[0].path
        raise DataError(f"{name} {only}" + (", nor the others" if parts[1:] else ""))
    return table


def _read_part(part: Part, wanted: Wanted, types: dict[str, pa.DataType]) -> tuple[pa.Table, str]:
    """Read a file and add the columns that its folders give; and its format."""
    with Scratch() as scratch:
        path, name = part.unpacked(scratch)
        try:
            kind = format_of(path)
            table = read_file(path, kind, wanted.without(part.keys))
        except DataError as failure:  # of a copy, whose path nobody knows
            raise DataError(str(failure).replace(str(path), name)) from None
    for key, value in part.keys.items():
        if key in table.column_names:
            table = table.drop_columns([key])
        if key in wanted.names or not wanted.only:
            scalar = pa.scalar(value, pa.string()).cast(types[key])
            table = table.append_column(key, pa.repeat(scalar, len(table)))
    return table, kind


def read_file(path: Path, kind: str, wanted: Wanted) -> pa.Table:
    """The table of one file of a format."""
    if kind == TEXT:
        return read_text(path, wanted)
    if wanted.positional:
        raise DataError(
            f"{path}: columns are given by position ({', '.join(wanted.names)}), but a {kind} "
            "file has names; positions are for text without a header"
        )
    return read_json(path, wanted) if kind == JSON else read_columnar(path, kind, wanted)


def unified(parts: Sequence[Part], tables: Sequence[pa.Table]) -> pa.Table:
    """One table of all; numbers and times take the widest type, where that loses nothing.

    Raises:
        DataError: A column is missing, or of types that do not go together.
    """
    if len(tables) == 1:
        return tables[0]
    names = tables[0].column_names
    for part, table in zip(parts, tables, strict=True):
        require_columns(table.column_names, names, f" of {part.name or part.path}")
    for name in names:
        types = {table.schema.field(name).type for table in tables}
        if len(types) > 1 and all(map(_is_text, types)):
            tables = [_as_text(table, name) for table in tables]
        elif len(types) > 1 and (kind := in_one_zone(types)):
            tables = [_with(table, name, table[name].cast(kind)) for table in tables]
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
                one, other = (p.name or p.path for p in (parts[0], part))
                return DataError(
                    f"column {first.name!r} is {first.type} in {one} and {kind} in {other}: "
                    f"{shorten(str(failure))}"
                )
    return DataError(f"{parts[0].path} and others do not fit together: {shorten(str(failure))}")


def _is_mixed(tables: Sequence[pa.Table], name: str) -> bool:
    """Whether a column is integers in one file and text in another."""
    types = [t.schema.field(name).type for t in tables if name in t.column_names]
    return any(map(_is_text, types)) and any(map(pa.types.is_integer, types))


def _is_text(kind: pa.DataType) -> bool:
    return is_string(kind.value_type if pa.types.is_dictionary(kind) else kind)


def _as_text(table: pa.Table, name: str) -> pa.Table:
    return _with(table, name, pc.cast(table[name], pa.large_string()))


def _with(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)
