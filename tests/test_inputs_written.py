"""Ids, numbers and times of text are what is written, from every file that is read."""

from __future__ import annotations

import gzip
import warnings
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import sasrec_fast as sf
from plain_reading import ids as plain_ids
from sasrec_fast.reading import ColumnNames, read_interactions, read_movies, read_sequences
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.text import read_text

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ColumnNames("user_id", "item_id", "timestamp", "rating")
TIMED = ColumnNames("user_id", "item_id", "timestamp", None)
ALL = {"min_user_interactions": 1, "holdout": 0}
KINDS = {
    "leading zeros": ["007", "07", "7", "8"],
    "leading zeros everywhere": ["0108775015", "0108775044", "0110065001"],
    "one zero among integers": ["1", "2", "03"],
    "a plus sign": ["+7", "7", "8"],
    "zero": ["0", "1", "2"],
    "zero and minus zero": ["0", "-0", "1"],
    "zeros": ["0", "00", "000"],
    "negative": ["-7", "7", "-70"],
    "negative with zeros": ["-7", "-07", "7"],
    "hexadecimal": ["0x1F", "31", "0X1f"],
    "hexadecimal of 64 bits": ["0xFFFFFFFFFFFFFFFF", "-1", "1"],
    "blanks": [" 7", "7", "7 "],
    "exponents": ["1e3", "1000", "1E3"],
    "fractions": ["7.0", "7", "7.00"],
    "fractions everywhere": ["7.0", "8.0", "9.5"],
    "int64": ["9223372036854775807", "-9223372036854775808", "1"],
    "uint64": ["9223372036854775808", "18446744073709551615", "1"],
    "20 digits": ["12345678901234567890", "12345678901234567891", "1"],
    "30 digits": ["123456789012345678901234567890", "123456789012345678901234567891"],
    "ISBN": ["0439023483", "043902348X", "439023483"],
    "underscores": ["1_000", "1000", "1"],
    "full-width digits": ["\uff17", "7", "8"],
    "words": ["nan", "inf", "true", "null", "NA", "None"],
    "dates": ["2001-12-31", "2002-01-01", "20011231"],
    "thousands": ["1.000", "1000", "1"],
}
FORMATS = [".csv", ".tsv", ".dat", ".csv.gz", "semicolon.csv", "bar.csv", "quoted.csv"]


def field_between(name: str) -> str:
    known = {".tsv": "\t", ".dat": "::", "semicolon.csv": ";", "bar.csv": "|"}
    return known.get(name, ",")


def write(path: Path, columns: dict[str, list[str]], name: str, *, header: bool = True) -> Path:
    """The columns in the format of the name."""
    between = field_between(name)
    rows = [list(row) for row in zip(*columns.values(), strict=True)]
    if header and name != ".dat":
        rows.insert(0, list(columns))
    if name == "quoted.csv":
        rows = [[f'"{field}"' for field in row] for row in rows]
    data = "".join(between.join(row) + "\n" for row in rows).encode()
    path = path / f"rows{name}"
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def table(users: list[str], items: list[str]) -> dict[str, list[str]]:
    places = [*map(str, range(len(users)))]
    return {"user_id": users, "item_id": items, "rating": ["3"] * len(users), "timestamp": places}


def ids_of(source: Any, names: ColumnNames = NAMES) -> list[list[Any]]:
    found = read_interactions(source, names)
    columns = (found.users, found.items)
    return [column.decode(column.codes.astype("int64")).tolist() for column in columns]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_ids_are_integers_only_where_each_is_written_as_its_integer(
    tmp_path: Path, kind: str, name: str
) -> None:
    texts = KINDS[kind]
    others = [str(n) for n in range(len(texts))]
    expected = [plain_ids(texts), plain_ids(others)]
    path = write(tmp_path, table(texts, others), name)
    assert ids_of(path) == expected
    assert ids_of(write(tmp_path, table(others, texts), name)) == expected[::-1]
    if name != ".dat":
        path = write(tmp_path, table(texts, others), name, header=False)
    else:
        path = write(tmp_path, table(texts, others), name)
    assert ids_of(path, ColumnNames(0, 1, 3, 2)) == expected


def test_codes_with_zeros_are_items_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "user_id,item_id,timestamp\na,007,1\na,7,2\na,8,3\nb,9,1\nb,07,2\nb,8,3\nc,11,1\n"
    )
    data = sf.prepare(path, **ALL)
    assert data.items.ids.tolist() == ["007", "07", "11", "7", "8", "9"]
    first = data.sequences.items[: data.sequences.offsets[1]]
    assert data.items.lookup(first).tolist() == ["007", "7", "8"]


def test_text_in_one_file_keeps_the_zeros_of_all(tmp_path: Path) -> None:
    header, parts = "user_id,item_id,timestamp\n", ["1,7,1\n2,8,2\n", "1,09,3\n", "3,7,4\n"]
    for number, rows in enumerate(parts):
        (tmp_path / f"part-{number}.csv").write_text(header + rows)
    names = TIMED
    expected = [[1, 2, 1, 3], ["7", "8", "09", "7"]]
    assert ids_of(tmp_path, names) == expected
    assert ids_of(sorted(tmp_path.iterdir()), names) == expected
    (tmp_path / "part-1.csv").write_text(header + "1,9223372036854775808,3\n")
    assert ids_of(tmp_path, names)[1] == ["7", "8", "9223372036854775808", "7"]


def test_a_million_rows_hide_one_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("user_id,item_id\n" + "5,6\n" * 300_000 + "5,06\n")
    found = read_text(path, Wanted.of(("user_id", "item_id"), only=True))
    assert found["user_id"].type == "int64"
    assert found["item_id"].unique().to_pylist() == ["6", "06"]


def test_ids_with_fractions_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path, table(["1", "2"], ["7.0", "8.0"]), ".csv")
    with pytest.warns(
        sf.DataWarning, match=r"column 'item_id' has ids such as '7.0'; they are text"
    ):
        assert ids_of(path) == [[1, 2], ["7.0", "8.0"]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ids_of(write(tmp_path, table(["1", "2"], ["007", "nan"]), ".csv"))


@pytest.mark.parametrize("name", ["movies.csv", "movies.tsv", "movies.dat", "movies.dat.gz"])
def test_movies_keep_ids_and_titles_as_they_are_written(tmp_path: Path, name: str) -> None:
    between = {"movies.csv": ",", "movies.tsv": "\t"}.get(name, "::")
    rows = [["007", "1984", "007"], ["7", "2001-01-01", "1e3"], ["+7", "true", "0x10"]]
    header = [] if ".dat" in name else [["item_id", "title", "genres"]]
    data = "".join(between.join(row) + "\n" for row in header + rows).encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert read_movies(path).to_numpy().tolist() == rows
    path.write_bytes(gzip.compress(b"1::A::x\n") if ".gz" in name else data.replace(b"007", b"00"))
    assert read_movies(path)["item_id"].tolist()[0] in (1, "00")


@pytest.mark.parametrize("word", ["007", "+7", "7_0", "-0", "0x7", "1e3"])
@pytest.mark.parametrize("line", ["{} 5", "5 {}"])
def test_sequences_of_integers_refuse_what_is_written_otherwise(
    tmp_path: Path, line: str, word: str
) -> None:
    path = tmp_path / "a.txt"
    path.write_text(f"1 2\n{line.format(word)}\n")
    with pytest.raises(
        sf.DataError, match=r"line 2 is .*, expected a user and its items, all 64-bit"
    ):
        read_sequences(path)


@pytest.mark.parametrize("text", ["1 2\n1 3\n2 2\n", "u1 2 3\nu2 2 5 7\nu3 2\n"])
def test_lines_of_a_user_and_its_items_are_read_by_position(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text(text)
    found = read_text(path, Wanted.of((0, 1), only=True)).to_pydict()
    expected = {
        "1 2\n1 3\n2 2\n": {"0": [1, 1, 2], "1": [2, 3, 2]},
        "u1 2 3\nu2 2 5 7\nu3 2\n": {
            "0": ["u1"] * 2 + ["u2"] * 3 + ["u3"],
            "1": [2, 3, 2, 5, 7, 2],
        },
    }
    assert found == expected[text]


TIMES = {
    "2014-04-07 10:51:09 UTC": "2014-04-07T10:51:09Z",
    "2014-04-07 10:51:09.123456 UTC": "2014-04-07T10:51:09.123456Z",
    "2014-04-07 10:51:09 GMT": "2014-04-07T10:51:09Z",
    "2014-04-07T10:51:09Z": "2014-04-07T10:51:09Z",
    "2014-04-07T10:51:09z": "2014-04-07T10:51:09Z",
    "2014-04-07 10:51:09 Z": "2014-04-07T10:51:09Z",
    "2014-04-07T10:51:09+02:00": "2014-04-07T08:51:09Z",
    "2014-04-07 10:51:09 +0200": "2014-04-07T08:51:09Z",
    "2014-04-07 10:51:09+02": "2014-04-07T08:51:09Z",
    "2014-04-07 10:51:09.5-05:30": "2014-04-07T16:21:09.5Z",
    "2014-04-07 10:51:09 +0000 UTC": "2014-04-07T10:51:09Z",
    "2014-04-07": "2014-04-07",
    "2014-04-07 10:51": "2014-04-07T10:51",
    "2014-04-07T10:51:09.123456789": "2014-04-07T10:51:09.123456789",
    " 2014-04-07 10:51:09 ": "2014-04-07T10:51:09",
}


@pytest.mark.parametrize("name", [".csv", ".tsv", "semicolon.csv", "quoted.csv"])
@pytest.mark.parametrize("text", TIMES)
def test_times_are_the_moments_that_are_written(tmp_path: Path, text: str, name: str) -> None:
    columns = table(["1", "1"], ["10", "11"]) | {
        "timestamp": [text, text.replace("04-07", "04-06")]
    }
    found = read_interactions(write(tmp_path, columns, name), NAMES)
    moment = pd.Timestamp(TIMES[text])
    moment = moment if moment.tz is None else moment.tz_convert(None)
    assert found.timestamps is not None
    values = found.timestamps.values.view(found.timestamps.dtype)
    assert values.tolist() == [
        pd.Timestamp(moment - pd.Timedelta(days=day)).to_datetime64().astype(values.dtype).item()
        for day in (0, 1)
    ]


def test_zones_decide_the_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [
        "1,a,2014-04-07 10:51:09 UTC",
        "1,b,2014-04-07 09:51:09 UTC",
        "1,c,2014-04-07 12:00:00+03:00",
        "2,d,2014-04-07T00:00:00Z",
    ]
    path.write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
    data = sf.prepare(path, **ALL)
    assert data.items.lookup(data.sequences.items).tolist() == ["c", "b", "a", "d"]


UNREAD = [
    "31/12/2020",
    "12/31/20 4:05 PM",
    "Apr 7, 2014",
    "7 Apr 2014 10:51",
    "2020-1-5",
    "2014-04-07 10:51:09 CET",
    "2014-04-07 10:51:09 Europe/Berlin",
    "2014-04-07 10:51 PM",
    "20140407T105109",
    "10:51:09",
    "true",
    "12%",
    "$12",
    "1 234",
    "0x10",
]


@pytest.mark.parametrize("text", UNREAD)
@pytest.mark.parametrize("column", ["timestamp", "rating"])
def test_other_times_are_shown_and_pandas_is_named(tmp_path: Path, column: str, text: str) -> None:
    columns = table(["1", "1"], ["10", "11"]) | {column: [text, text]}
    said = rf"line 2: column '{column}' is {text!r}, expected a .*pandas.to_datetime".replace(
        "$", r"\$"
    )
    with pytest.raises(sf.DataError, match=said):
        read_interactions(write(tmp_path, columns, "quoted.csv"), NAMES)


@pytest.mark.parametrize("naive", ["2014-04-07 10:51:09", "2014-04-07"])
@pytest.mark.parametrize(
    "zoned", ["2014-04-07 10:51:09Z", "2014-04-07 10:51:09 UTC", "2014-04-07 10:51:09+01:00"]
)
def test_times_with_and_without_zones_are_refused(tmp_path: Path, naive: str, zoned: str) -> None:
    for pair in ([naive, zoned], [zoned, naive]):
        columns = table(["1", "1"], ["10", "11"]) | {"timestamp": pair}
        with pytest.raises(
            sf.DataError, match=r"line 3: column 'timestamp' is .* zone like the first"
        ):
            read_interactions(write(tmp_path, columns, ".csv"), NAMES)
    for place, text in enumerate([naive, zoned]):
        (tmp_path / f"{place}.csv").write_text(f"user_id,item_id,timestamp\n1,2,{text}\n")
    with pytest.raises(
        sf.DataError, match=r"column 'timestamp' is .* in .*0.csv and .* in .*1.csv"
    ):
        ids_of(
            [tmp_path / "0.csv", tmp_path / "1.csv"],
            ColumnNames("user_id", "item_id", "timestamp", None),
        )


@pytest.mark.parametrize("name", ["semicolon.csv", "bar.csv", ".tsv", ".dat"])
def test_decimal_commas_are_read_where_they_can_be_nothing_else(tmp_path: Path, name: str) -> None:
    columns = table(["1", "1", "1"], ["10", "11", "12"]) | {"rating": ["4,5", "3", "1,125"]}
    found = read_interactions(write(tmp_path, columns, name), NAMES)
    assert found.ratings is not None
    assert found.ratings.tolist() == [4.5, 3, 1.125]
    columns |= {"rating": ["4", "3,125", "1,234"]}
    with pytest.raises(
        sf.DataError, match=r"'3,125', whose comma may be a decimal one or between thou"
    ):
        read_interactions(write(tmp_path, columns, name), NAMES)
    columns |= {"rating": ["4.5", "3,5", "1"]}
    with pytest.raises(
        sf.DataError, match=r"column 'rating' is '3,5', expected a finite number like"
    ):
        read_interactions(write(tmp_path, columns, name), NAMES)


@pytest.mark.parametrize("place", ["id", "time", "column", "line"])
def test_long_values_are_cut_in_messages(tmp_path: Path, place: str) -> None:
    long, names = "x" * 100_000, {"user": "user_id", "timestamp": "timestamp"}
    text = {
        "id": f"user_id,item_id,timestamp\n{long},1,2\n{long},1,x\n",
        "time": f"user_id,item_id,timestamp\n1,1,{long}\n",
        "column": f"{long},item_id,timestamp\n1,1,2\n1,2,x\n",
        "line": f"user_id,item_id,timestamp\n{long}\n",
    }
    path = tmp_path / "a.csv"
    path.write_text(text[place])
    with pytest.raises(sf.DataError) as failure:
        sf.prepare(path, **names | ({"user": long} if place == "column" else {}))
    assert len(str(failure.value)) < 600
    with pytest.raises(sf.DataError) as failure:
        sf.prepare({"user_id": [1], "item_id": [1], "timestamp": [long]})
    assert len(str(failure.value)) < 600
    with pytest.raises(sf.DataError) as failure:
        sf.prepare({long: [1.5], "item_id": [1], "timestamp": [1]}, user=long)
    assert len(str(failure.value)) < 600
    with pytest.raises(ValueError, match="ids are distinct") as repeated:
        sf.Vocabulary([long, long])
    assert len(str(repeated.value)) < 600
