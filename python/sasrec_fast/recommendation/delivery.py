"""Recommendations as a table with titles: a DataFrame, or written to a file as they are made."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.ranking import Catalogue
from sasrec_fast.recommendation.audience import Audience
from sasrec_fast.recommendation.ranking import Ranking
from sasrec_fast.saving import replaced_file, require_writable

SUFFIXES = (".parquet", ".csv")
EMPTY = Ranking(0, np.zeros((0, 1)), np.zeros((0, 1), np.int64))
"""Whose table has no rows but tells names and types."""


@dataclass(frozen=True)
class Written:
    """What `recommend(..., output=path)` wrote.

    Attributes:
        path: The file.
        rows: Recommendations in it.
        histories: Users or histories served.
        popular: Those of them without a known item, who got the most popular items.
        short: Those who got fewer than k items, since no more were left.
    """

    path: Path
    rows: int
    histories: int
    popular: int
    short: int


@dataclass(frozen=True)
class Columns:
    """Makes the table of a ranking.

    Attributes:
        audience: Whose recommendations they are.
        catalogue: What the columns of a ranking stand for.
        titles: The title of each item index, or None.
    """

    audience: Audience
    catalogue: Catalogue
    titles: NDArray[np.object_] | None

    def table(self, ranking: Ranking) -> pa.Table:
        """One row for each recommendation: user_id or history, item_id, rank, score, title."""
        rows, places = np.nonzero(ranking.scores > -np.inf)
        items = self.catalogue.indices[ranking.columns[rows, places]]
        columns = {
            self.audience.label: self.audience.values[ranking.first + rows],
            "item_id": self.catalogue.items.lookup(items),
            "rank": places + 1,
            "score": ranking.scores[rows, places].astype(np.float32),
        }
        return with_titles(columns, None if self.titles is None else self.titles[items])


def with_titles(
    columns: Mapping[str, NDArray[Any]], titles: NDArray[np.object_] | None
) -> pa.Table:
    """The columns as a table, and the title of each row where titles are given."""
    arrays = {
        name: pa.array(values, pa.string() if values.dtype == object else None)
        for name, values in columns.items()
    }
    if titles is not None:
        arrays["title"] = pa.array(titles, pa.string())
    return pa.table(arrays)


def as_frame(columns: Columns, rankings: Iterable[Ranking]) -> pd.DataFrame:
    """All recommendations as one DataFrame."""
    tables = [columns.table(EMPTY), *map(columns.table, rankings)]
    frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
    return frame


def require_output(output: str | os.PathLike[str]) -> Path:
    """The path of a .parquet or .csv file that can be written; an error says why it cannot."""
    if not isinstance(output, str | os.PathLike):
        raise TypeError(f"output must be a path, received {checks.received(output)}")
    path = Path(output)
    require_writable("output", path, SUFFIXES)
    return path


def write(path: Path, columns: Columns, rankings: Iterable[Ranking]) -> Written:
    """Write each ranking, as a row group, before the next is made; the file appears in the end."""
    rows = short = 0
    with replaced_file(path) as temporary, _writer(temporary, columns.table(EMPTY)) as put:
        for ranking in rankings:
            table = columns.table(ranking)
            put(table)
            rows += len(table)
            short += int(np.count_nonzero((ranking.scores == -np.inf).any(axis=1)))
    histories = columns.audience.histories
    popular = int(np.count_nonzero(histories.starts == histories.ends))
    return Written(path, rows, len(histories), popular, short)


@contextmanager
def _writer(path: Path, empty: pa.Table) -> Iterator[Callable[[pa.Table], None]]:
    """What appends a table to a new file, which has the columns of `empty`."""
    if path.suffix == ".parquet":
        import pyarrow.parquet  # late, since it takes a while

        with pyarrow.parquet.ParquetWriter(path, empty.schema) as parquet:
            yield parquet.write_table
        return
    with path.open("w", encoding="utf-8", newline="") as csv:
        empty.to_pandas().to_csv(csv, index=False)
        yield lambda table: table.to_pandas().to_csv(csv, index=False, header=False)
