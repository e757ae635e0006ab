"""One row a user with lists of items is the table of these items, in the order of the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest

import sasrec_fast as sf
from rows import FRAME, NAMES, assert_same, prepared, table
from sasrec_fast.reading import ColumnNames, read_interactions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pl = pytest.importorskip("polars")

LISTS = FRAME.drop(columns="title").groupby("user_id").agg(list).reset_index()
TIMELESS = ColumnNames("user_id", "item_id", None, None)
COLUMNS = ["item_id", "timestamp", "rating"]


def ids(source: Any, names: ColumnNames = NAMES) -> tuple[list[Any], list[Any]]:
    """Users and items of all rows."""
    found = read_interactions(source, names)
    users, items = (c.decode(c.codes.astype(np.int64)) for c in (found.users, found.items))
    return users.tolist(), items.tolist()


def arrow(kind: Callable[[pa.DataType], pa.DataType]) -> pa.Table:
    lists = pa.Table.from_pandas(LISTS)
    for place, name in enumerate(lists.column_names[1:], start=1):
        lists = lists.set_column(place, name, lists[name].cast(kind(pa.int64())))
    return lists


def cells(change: Callable[[list[int]], Any]) -> pd.DataFrame:
    return LISTS.assign(**{name: LISTS[name].map(change) for name in COLUMNS})


HELD: dict[str, Callable[[], Any]] = {
    "pandas": lambda: LISTS,
    "arrays in cells": lambda: cells(np.array),
    "arrays of different widths in cells": lambda: cells(
        lambda v: np.array(v, np.int8 if v[0] == 5 else np.int32)
    ),
    "tuples in cells": lambda: cells(tuple),
    "Series in cells": lambda: cells(pd.Series),
    "Arrow arrays in cells": lambda: cells(pa.array),
    "pandas, in Arrow": lambda: LISTS.convert_dtypes(dtype_backend="pyarrow").astype(
        dict.fromkeys(COLUMNS, pd.ArrowDtype(pa.list_(pa.int64())))
    ),
    "lists of lists": lambda: LISTS.to_dict("list"),
    "arrays of lists": lambda: {name: LISTS[name].to_numpy() for name in LISTS},
    "Arrow": lambda: pa.Table.from_pandas(LISTS),
    "Arrow, large": lambda: arrow(pa.large_list),
    "Arrow, views": lambda: pa.table(
        {
            name: pa.array(LISTS[name], pa.list_view(pa.int64()) if name in COLUMNS else None)
            for name in LISTS
        }
    ),
    "Arrow in chunks": lambda: pa.concat_tables(
        [pa.Table.from_pandas(LISTS)[:1], pa.Table.from_pandas(LISTS)[1:]]
    ),
    "a slice": lambda: pa.concat_tables([pa.Table.from_pandas(LISTS)] * 2).combine_chunks()[3:],
    "polars": lambda: pl.from_pandas(LISTS),
    "polars, lazy": lambda: pl.from_pandas(LISTS).lazy(),
    "users in the index": lambda: LISTS.set_index("user_id"),
    "a list of frames": lambda: [LISTS[:2], LISTS[2:]],
    "records": lambda: LISTS.to_records(index=False),
}


@pytest.mark.parametrize("held", HELD)
def test_lists_are_the_table_of_their_elements(held: str) -> None:
    assert_same(prepared(HELD[held](), min_rating=2), prepared(table(), min_rating=2))


def test_lists_of_one_length() -> None:
    rows = {"user_id": [1, 2], "item_id": [[3, 1], [2, 3]], "timestamp": [[2, 1], [1, 2]]}
    fixed = pa.table(rows).cast(
        pa.schema(
            [("user_id", pa.int64())]
            + [(name, pa.list_(pa.int64(), 2)) for name in ("item_id", "timestamp")]
        )
    )
    array = pl.DataFrame(
        rows,
        schema={"user_id": pl.Int64}
        | dict.fromkeys(("item_id", "timestamp"), pl.Array(pl.Int64, 2)),
    )
    for source in (fixed, fixed[1:], array):
        assert ids(source)[1][-2:] == [2, 3]


@pytest.mark.parametrize("name", ["lists.parquet", "lists.feather", "lists.jsonl", "lists.orc"])
def test_lists_in_files(tmp_path: Path, name: str) -> None:
    lists, path = pa.Table.from_pandas(LISTS), tmp_path / name
    if name.endswith("parquet"):
        pa.parquet.write_table(lists, path)
    elif name.endswith("feather"):
        pa.feather.write_feather(lists, path)
    elif name.endswith("orc"):
        pa.orc.write_table(lists, path)
    else:
        LISTS.to_json(path, orient="records", lines=True)
    assert_same(prepared(path), prepared(table()))
    assert_same(prepared([path, LISTS[:0]]), prepared(table()))


def test_texts_times_and_large_integers_in_lists() -> None:
    rows = {
        "user_id": ["a", "b"],
        "item_id": [["x", "y"], ["y"]],
        "timestamp": [[pd.Timestamp(2), pd.Timestamp(1)], [pd.Timestamp(0)]],
    }
    assert ids(rows) == (["a", "a", "b"], ["x", "y", "y"])
    times = read_interactions(rows, NAMES).timestamps
    assert times is not None
    assert times.values.tolist() == [2, 1, 0]
    huge = [2**63 + 5, 2**63 + 2]
    assert ids({"user_id": [1], "item_id": [huge]}, TIMELESS)[1] == huge


def test_the_order_of_a_list_is_that_of_time_where_there_are_no_times() -> None:
    frame = pd.DataFrame({"user_id": [7, 5], "item_id": [[11, 10, 12], [10, 12, 13]]})
    assert ids(frame, TIMELESS) == ([7] * 3 + [5] * 3, [11, 10, 12, 10, 12, 13])


def test_one_time_for_all_items_of_a_row() -> None:
    baskets = {"user_id": [1, 1], "item_id": [[3, 4], [2]], "timestamp": [9, 5]}
    assert ids(baskets)[1] == [3, 4, 2]
    times = read_interactions(baskets, NAMES).timestamps
    assert times is not None
    assert times.values.tolist() == [9, 9, 5]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "lengths": (
        {"item_id": [[1, 2], [3, 4]], "timestamp": [[1, 2], [1]]},
        r"row 1, user '8': the list of column 'item_id' has 2 values and that of 'timestamp' 1",
    ),
    "no list": (
        {"item_id": [[1], None], "timestamp": [[1], [1]]},
        "column 'item_id' has 1 missing value, first at row 1; expected a list",
    ),
    "no list of times": (
        {"item_id": [[1], [2]], "timestamp": [[1], None]},
        "column 'timestamp' has 1 missing value, first at row 1; expected a list",
    ),
    "an element": ({"item_id": [[1], [2, None]], "timestamp": [[1], [2, 3]]}, "1 missing value"),
    "a time": ({"item_id": [[1], [2]], "timestamp": [[1], [None]]}, "1 missing value"),
    "users": ({"user_id": [[1], [2]], "item_id": [[1], [2]]}, "'user_id' holds lists; expected"),
    "times alone": ({"item_id": [1, 2], "timestamp": [[1], [2]]}, "'timestamp' holds lists; ex"),
    "nested": ({"item_id": [[[1]], [[2]]], "timestamp": [[1], [1]]}, "'item_id'.* list"),
    "structs": (
        {"item_id": [[{"a": 1}], [{"a": 2}]], "timestamp": [[1], [1]]},
        "'item_id'.*struct",
    ),
    "other kinds": (
        {"item_id": [[1], ["a"]], "timestamp": [[1], [1]]},
        "column 'item_id' is not of one kind",
    ),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_lists_that_do_not_fit_are_refused(case: str, library: str) -> None:
    changes, said = WRONG[case]
    rows = {"user_id": [7, 8], "timestamp": [1, 2]} | changes
    if library == "pandas":
        source: Any = pd.DataFrame(rows)
    elif case == "other kinds":
        return
    else:
        source = pa.table(rows)
    with pytest.raises(sf.DataError, match=said):
        prepared(source)


def test_lists_whose_offsets_lie_outside_are_refused() -> None:
    for offsets in ([0, 5000, 2], [0, 3, 1]):
        broken = pa.ListArray.from_buffers(
            pa.list_(pa.int64()),
            2,
            [None, pa.array(offsets, pa.int32()).buffers()[1]],
            children=[pa.array([1, 2, 3])],
        )
        with pytest.raises(sf.DataError, match="column 'item_id' cannot be read: "):
            ids({"user_id": [1, 2], "item_id": broken}, TIMELESS)


def test_a_value_among_lists_is_refused() -> None:
    for cell, said in ((3, "holds lists, but a int at row 1"), (np.ones((1, 1)), "shape")):
        rows = {"user_id": [7, 8], "item_id": [[1], cell]}
        with pytest.raises(sf.DataError, match=said):
            prepared(rows, timestamp=None)


def test_empty_lists_are_counted() -> None:
    rows = {"user_id": [1, 2, 3], "item_id": [[4, 5], [], np.array([], int)]}
    with pytest.warns(sf.DataWarning, match="2 of 3 lists of column 'item_id' are empty"):
        assert ids(rows, TIMELESS) == ([1, 1], [4, 5])
    with (
        pytest.warns(sf.DataWarning, match="1 of 1 lists"),
        pytest.raises(sf.DataError, match="has no rows"),
    ):
        prepared({"user_id": [1], "item_id": [[]]}, timestamp=None)


def test_lists_that_are_written_as_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv"
    path.write_text('user_id,item_id\n1,"[1, 2]"\n2,"[3]"\n')
    frame = pd.read_csv(path)
    for source in (path, frame, frame.astype({"item_id": "category"}), pa.Table.from_pandas(frame)):
        with pytest.raises(
            sf.DataError, match=r"'item_id' holds text that is a list, .*'\[1, 2\]'"
        ):
            prepared(source, timestamp=None)
    with pytest.warns(sf.DataWarning, match="text like '1 2 3', and each is taken for one id"):
        ids({"user_id": [1, 2], "item_id": ["1 2 3", "4 5"]}, TIMELESS)


def test_a_warning_points_at_the_line_that_gave_the_data() -> None:
    table = {"user_id": [1, 2, 3], "item_id": [[1, 2], [3], []], "timestamp": [[1, 2], [1], []]}
    with pytest.warns(sf.DataWarning, match="are empty") as caught:
        sf.prepare(table, min_user_interactions=1, holdout=0)
    assert {warning.filename for warning in caught} == {__file__}
