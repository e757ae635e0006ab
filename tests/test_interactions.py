"""Any supported table gives the same result; anything else gives an error that says why."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sasrec_fast as sf
from rows import ITEMS, RATINGS, TIMES, USERS, assert_same, prepared, table


def times(unit):
    return pd.to_datetime(pd.Series(TIMES), unit="D", origin="2001-01-01").astype(
        f"datetime64[{unit}]"
    )


KINDS = {
    "lists": table(),
    "arrays": {name: np.array(values) for name, values in table().items()},
    "strided arrays": {name: np.repeat(values, 2)[::2] for name, values in table().items()},
    "DataFrame": pd.DataFrame(table()),
    "DataFrame with an index": pd.DataFrame(table(), index=list("ihgfedcba")),
    "nullable DataFrame": pd.DataFrame(table()).convert_dtypes(),
    "Arrow DataFrame": pd.DataFrame(table()).convert_dtypes(dtype_backend="pyarrow"),
    "Arrow table": pa.table(table()),
    "Arrow table in chunks": pa.concat_tables([pa.table(table())[:4], pa.table(table())[4:]]),
    "record batch": pa.RecordBatch.from_pydict(table()),
    "int32": pd.DataFrame(table()).astype("int32"),
    "uint8": pd.DataFrame(table()).astype("uint8"),
    "uint64": pd.DataFrame(table()).astype("uint64"),
    "objects": pd.DataFrame(table()).astype(object),
    "categories": pd.DataFrame(table()).astype({"user_id": "category", "item_id": "category"}),
    "float timestamps": table(timestamp=np.array(TIMES) / 7),
    "float32 timestamps": table(timestamp=np.array(TIMES, np.float32)),
    "datetimes": table(timestamp=times("ns")),
    "datetimes in seconds": table(timestamp=times("s").to_numpy()),
    "datetimes with a zone": table(timestamp=times("us").dt.tz_localize("Asia/Tokyo")),
    "Arrow dates": table(timestamp=pa.array(times("s").to_numpy().astype("datetime64[D]"))),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_gives_the_same_arrays(kind):
    assert_same(prepared(KINDS[kind]), prepared(table()))


STRINGS = {
    "lists": lambda names: list(names),
    "objects": lambda names: np.array(names, object),
    "numpy strings": lambda names: np.array(names),
    "pandas strings": lambda names: pd.Series(names, dtype="str"),
    "categories": lambda names: pd.Series(names, dtype="category"),
    "unordered categories": lambda names: pd.Categorical(names, sorted(set(names), reverse=True)),
    "Arrow strings": lambda names: pa.array(names),
    "Arrow views": lambda names: pa.array(names, pa.string_view()),
    "Arrow dictionary": lambda names: pa.array(names).dictionary_encode(),
    "Arrow chunks": lambda names: pa.chunked_array([names[:5], names[5:]]),
    "dictionary chunks": lambda names: pa.chunked_array([names[:5], names[5:]]).dictionary_encode(),
}


@pytest.mark.parametrize("kind", STRINGS)
def test_every_kind_of_string_gives_the_same_arrays(kind):
    users = [f"user {user}" for user in USERS]
    items = [{10: "ä", 20: "Z", 30: "a", 40: "", 50: "日本", 60: "zz"}[item] for item in ITEMS]
    make = STRINGS[kind]
    found = prepared(table(user_id=make(users), item_id=make(items)))
    assert_same(found, prepared(table(user_id=users, item_id=items)))
    assert found.items.ids.tolist() == sorted(set(items))
    assert found.users.ids.tolist() == sorted(set(users))


def test_ids_beyond_the_signed_range_keep_their_order_and_value():
    huge = np.array(ITEMS, np.uint64) + np.uint64(2**63)
    found = prepared(table(item_id=huge))
    assert_same(found, prepared(table()))
    assert found.items.ids.tolist() == sorted(set(huge.tolist()))


def test_extreme_ids_and_timestamps():
    users = np.array([-(2**63), 2**63 - 1])[np.array(USERS) % 2]
    late = np.array(TIMES) + (2**63 - 10)
    found = prepared(table(user_id=users, timestamp=late))
    assert found.users.ids.tolist() == [-(2**63), 2**63 - 1]
    assert_same(found, prepared(table(user_id=users)))


def test_timestamps_beyond_float_precision_are_compared_exactly():
    close = 2**53 + np.array([1, 0, 3, 2])
    found = sf.prepare(
        {"user_id": [1] * 4, "item_id": [1, 2, 3, 4], "timestamp": close, "x": [0] * 4}
        | {"user_id": [1, 1, 1, 1, 2], "item_id": [1, 2, 3, 4, 5], "timestamp": [*close, 0]},
        min_user_interactions=1,
    )
    assert found.sequences.items.tolist() == [2, 1, 4, 3, 5]


def test_without_timestamps_rows_are_in_time_order():
    order = np.lexsort([np.arange(9), TIMES])
    sorted_rows = {name: np.array(values)[order] for name, values in table().items()}
    assert_same(prepared(sorted_rows, timestamp=None), prepared(table()))


def test_inputs_are_not_modified():
    frame = pd.DataFrame(table())
    before = frame.copy()
    prepared(frame, min_rating=2)
    pd.testing.assert_frame_equal(frame, before)


def test_other_column_names():
    frame = pd.DataFrame(table()).rename(columns={"user_id": "u", "item_id": "i", "timestamp": "t"})
    assert_same(prepared(frame, user="u", item="i", timestamp="t"), prepared(table()))


MISSING = "2 missing values, first at row 1"
BAD = {
    "missing column": (table(item_id=None), "column 'item_id' is missing; the columns are 'user_"),
    "no rows": (table(user_id=[], item_id=[], timestamp=[]), "the table has no rows"),
    "unequal lengths": (table(item_id=ITEMS[:-1]), "'user_id' has 9, 'item_id' has 8, 'timest"),
    "a scalar column": (table(item_id=5), "column 'item_id' is a int; a column is a 1-D array"),
    "a matrix": (table(item_id=np.ones((9, 2), int)), r"'item_id' has shape \(9, 2\)"),
    "float ids": (table(item_id=np.array(ITEMS, float)), "'item_id' has float ids .*first 10.0"),
    "missing ids": (table(user_id=[1, None, None, *USERS[3:]]), f"'user_id' has {MISSING}"),
    "missing strings": (table(user_id=["a", None, None, *"bcdefg"]), f"'user_id' has {MISSING}"),
    "pandas NA": (
        table(user_id=pd.array([1, pd.NA, pd.NA, *USERS[3:]])),
        f"'user_id' has {MISSING}",
    ),
    "ids of two kinds": (table(user_id=["a", 1, *USERS[2:]]), "'user_id' is not of one kind"),
    "bool ids": (table(user_id=[True] * 9), "column 'user_id' has values of type bool"),
    "bytes": (table(user_id=[b"a"] * 9), "column 'user_id' has values of type binary"),
    "NaN": (table(timestamp=[1.0, np.nan, *TIMES[2:]]), "1 missing"),
    "infinity": (
        table(timestamp=np.array([1.0, -np.inf, np.nan, *TIMES[3:]])),
        r"'timestamp' has 2 missing or non-finite values, first at row 1 \(-inf\)",
    ),
    "NaT": (
        table(timestamp=np.array(["NaT", "2001-01-01", *["2001-01-02"] * 7], "M8[s]")),
        "row 0",
    ),
    "text timestamps": (table(timestamp=["1"] * 9), "large_string timestamps, first '1'"),
    "bool timestamps": (table(timestamp=np.ones(9, bool)), "bool timestamps"),
    "huge Python ids": (table(user_id=[2**70, *USERS[1:]]), "'user_id'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_table_is_refused_with_the_reason(case):
    source, message = BAD[case]
    with pytest.raises(sf.DataError, match=message):
        prepared(source)


def test_missing_ratings_and_text_ratings_are_refused():
    with pytest.raises(sf.DataError, match="column 'rating' has 1 missing or non-finite values"):
        prepared(table(rating=np.array([np.nan, *RATINGS[1:]])), min_rating=2)
    with pytest.raises(sf.DataError, match="column 'rating' has large_string ratings"):
        prepared(table(rating=["5"] * 9), min_rating=2)
    with pytest.raises(sf.DataError, match="column 'rating' is missing"):
        prepared(table(rating=None), min_rating=2)


def test_a_column_that_occurs_twice_is_refused():
    frame = pd.DataFrame(table())
    frame.columns = ["user_id", "item_id", "timestamp", "item_id"]
    with pytest.raises(sf.DataError, match="column 'item_id' occurs more than once"):
        prepared(frame)


def test_another_kind_of_object_is_refused():
    with pytest.raises(TypeError, match=r"interactions are a builtins.list; allowed are"):
        prepared([USERS, ITEMS, TIMES])


@pytest.mark.parametrize("bad", [0, -3, 2**31 - 1])
def test_identity_takes_only_indices(bad):
    with pytest.raises(sf.DataError, match=f"column 'item_id' has id {bad} at row 2; items='iden"):
        prepared(table(item_id=[*ITEMS[:2], bad, *ITEMS[3:]]), items="identity")


def test_identity_takes_no_strings():
    with pytest.raises(sf.DataError, match="column 'item_id' has string ids; items='identity'"):
        prepared(table(item_id=[str(item) for item in ITEMS]), items="identity")


def test_paths_are_read(tmp_path):
    pd.DataFrame(table()).to_csv(tmp_path / "rows.csv", index=False)
    assert_same(prepared(tmp_path / "rows.csv"), prepared(table()))
    frame = pd.DataFrame(table())[["user_id", "item_id", "rating", "timestamp"]]
    lines = ["::".join(str(value) for value in row) for row in frame.itertuples(index=False)]
    (tmp_path / "rows.dat").write_text("\n".join(lines))
    assert_same(prepared(str(tmp_path / "rows.dat"), min_rating=2), prepared(table(), min_rating=2))
