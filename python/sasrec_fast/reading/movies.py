"""Reads files of movies."""

from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa

from sasrec_fast.errors import DataError
from sasrec_fast.reading.opening import shorten


def read_dat_movies(data: bytes, path: Path) -> pd.DataFrame:
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


def movies_of_table(table: pa.Table, path: Path, item: str, title: str) -> pd.DataFrame:
    """Columns item_id, title and genres; genres are empty where there are none."""
    for column in (item, title):
        if column not in table.column_names:
            have = ", ".join(map(repr, table.column_names))
            raise DataError(f"{path}, line 1: there is no column {column!r}, only {have}")
    none = pa.nulls(len(table), pa.string())
    genres = table["genres"] if "genres" in table.column_names else none
    try:
        texts = [column.cast(pa.string()).fill_null("") for column in (table[title], genres)]
    except pa.ArrowException as failure:
        raise DataError(f"{path}: titles and genres are text: {failure}") from None
    columns = {"item_id": table[item], "title": texts[0], "genres": texts[1]}
    movies: pd.DataFrame = pa.table(columns).to_pandas()
    return movies
