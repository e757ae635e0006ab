"""Files of ratings and movies: right tables, and errors that name the line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sasrec_fast.errors import DataError
from sasrec_fast.reading import read_movies, read_table
from sasrec_fast.reading.files import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable

DAT_LAYOUT = "expected user_id::item_id::rating::timestamp without another ':'"
LINE_END = re.compile(rb"\r\n|\r|\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def write(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def attempt(read: Callable[..., Any], path: Path, **options: Any) -> tuple[Any, str]:
    """What was read, or None and the message of our error."""
    try:
        return read(path, **options), ""
    except DataError as failure:
        return None, str(failure)


def test_dat_is_read_with_integer_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "ratings.dat", "1::1193::5::978300760\r\n\r\n2::661::3::978302109\n")
    table = read_table(path)
    assert table.schema == pa.schema(
        [(name, pa.int64()) for name in ("user_id", "item_id", "rating", "timestamp")]
    )
    assert table.to_pylist()[1] == {
        "user_id": 2,
        "item_id": 661,
        "rating": 3,
        "timestamp": 978302109,
    }


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("a::2::3::4\n", ["string", "int64", "int64", "int64"]),
        ("1::2::3.5::4\n1::2::4::5\n", ["int64", "int64", "double", "int64"]),
        ("1::2::3::4\n1::2::4::5.5\n", ["int64", "int64", "int64", "double"]),
        ("true::2001-12-31::3::4\n", ["string", "string", "int64", "int64"]),
        ("18446744073709551615::2::3::4\n", ["string", "int64", "int64", "int64"]),
        ("1::2::3::4\n" * 200_000 + "x::2::3::4\n", ["string", "int64", "int64", "int64"]),
        ("\ufeff1::2::3::4\r5::6::7::8\r", ["int64"] * 4),
    ],
)
def test_dat_types(tmp_path: Path, text: str, types: list[str]) -> None:
    table = read_table(write(tmp_path, "ratings.dat", text))
    assert [str(kind) for kind in table.schema.types] == types
    assert table["user_id"].to_pylist()[0] in {1, text.split("::")[0]} | {"1"}


@pytest.mark.parametrize(
    ("data", "line", "said"),
    [
        (b"1::2::3\n", 1, f"{DAT_LAYOUT}, got '1::2::3'"),
        (b"1::2::3::4\n\r\n1::2::3\n", 3, f"{DAT_LAYOUT}, got '1::2::3'"),
        (b"1::2::3::4\n1::2::3::4::5\n", 2, f"{DAT_LAYOUT}, got '1::2::3::4::5'"),
        (b"196\t242\t3\t881250949\n", 1, f"{DAT_LAYOUT}, got '196\\t242\\t3\\t881250949'"),
        (b"1::2::3::4\n1:2::3::4:\n", 2, f"{DAT_LAYOUT}, got '1:2::3::4:'"),
        (b"1::2::3::4\n1:x:2::3::4\n", 2, f"{DAT_LAYOUT}, got '1:x:2::3::4'"),
        (b"1::2::3::4\n1:2:3::4::5\n", 2, f"{DAT_LAYOUT}, got '1:2:3::4::5'"),
        (b"1::2::3::4\na:b::2::3::4\n", 2, f"{DAT_LAYOUT}, got 'a:b::2::3::4'"),
        (b"1::2::3::4\n\n2::::3::4\n", 3, "column 'item_id' is empty, expected a value"),
        (b"a::2::3::4\n::2::3::4\n", 2, "column 'user_id' is empty, expected a value"),
        (b"1::2::3::4\n2::3::four::4\n", 2, "column 'rating' is 'four', expected a finite number"),
        (b"1::2::3::4\n2::3::nan::4\n", 2, "column 'rating' is 'nan'"),
        (b"1::2::3::4\n2::3::4::1e999\n", 2, "column 'timestamp' is '1e999'"),
        (b"1::2::3::2001-12-31\n", 1, "column 'timestamp' is '2001-12-31'"),
        (b"UserID::MovieID::Rating::Timestamp\n1::2::3::4\n", 1, "column 'rating' is 'Rating'"),
        (b"1::2::3::4\n\xe9::2::3::4\n", 2, "byte 0xe9 at character 1 is not UTF-8"),
        (b"\xff\xfe1\x00:\x00:\x00", 1, "byte 0xff"),
        (b"1::2::3::4\na::" + b"x" * 3_000_000 + b"::3::4\n", 2, "3,000,009 characters"),
    ],
)
def test_dat_error_names_the_line(tmp_path: Path, data: bytes, line: int, said: str) -> None:
    path = write(tmp_path, "ratings.dat", data)
    with pytest.raises(DataError) as failure:
        read_table(path)
    message = str(failure.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert said in message
    assert len(message) < 400


def test_dat_error_in_a_long_file_is_exact(tmp_path: Path) -> None:
    path = write(tmp_path, "ratings.dat", "1::2::3::4\n" * 300_000 + "1::2::3\n" + "1::2::3::4\n")
    with pytest.raises(DataError, match="line 300001: "):
        read_table(path)


field = st.one_of(
    st.sampled_from(["1", "23", "-4", " 5", "2.5", "", "x", "é", "nan", "true", "0x1F", ":", '"']),
    st.text(max_size=3),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
separator = st.sampled_from([b"::", b"::", b"::", b"::", b":", b":::", b"\t"])
row = st.one_of(
    st.just(b"1::2::3::4"),
    st.tuples(field, separator, field, separator, field, separator, field).map(b"".join),
    st.binary(max_size=12),
)
dat_bytes = st.lists(st.tuples(row, st.sampled_from([b"\n", b"\r\n", b"\r"]))).map(
    lambda rows: b"".join(line + end for line, end in rows)
)


def is_malformed(line: bytes) -> bool:
    """The rules that do not depend on other lines, as obvious as can be."""
    try:
        fields = line.decode().split("::")
    except UnicodeDecodeError:
        return True
    return len(fields) != 4 or any(not text or ":" in text for text in fields)


@given(data=dat_bytes)
def test_dat_of_any_bytes_is_a_right_table_or_our_error(folder: Path, data: bytes) -> None:
    path = write(folder, "any.dat", data)
    lines = LINE_END.split(data.removeprefix(b"\xef\xbb\xbf"))
    malformed = next((n for n, line in enumerate(lines, 1) if line and is_malformed(line)), None)
    table, refusal = attempt(read_table, path)
    if table is None:
        found = re.match(rf"{re.escape(str(path))}, line (\d+): ", refusal)
        assert found or not any(lines), refusal
        assert found is None or malformed is None or int(found[1]) <= malformed
        return
    assert malformed is None
    rows = [line.decode().split("::") for line in lines if line]
    assert len(table) == len(rows)
    for column, texts in zip(table.columns, zip(*rows, strict=True), strict=True):
        kind = str(column.type)
        assert kind in {"int64", "double", "string"}
        read = {"int64": lambda text: int(text, 0 if "x" in text.lower() else 10), "double": float}
        assert column.to_pylist() == [read.get(kind, str)(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("user,item,time\n1,2,3\n", ["int64", "int64", "int64"]),
        ("user,item,time\ntrue,2001-12-31,2001-12-31\n", ["string", "string", "date32[day]"]),
        ("user,item,time\nNA,2,2001-12-31 01:02:03\n", ["string", "int64", "timestamp[s]"]),
        ('user,item,time\n"a\nb",2,2.5\n', ["string", "int64", "double"]),
        ("user,item,time\n18446744073709551615,2,3\n", ["string", "int64", "int64"]),
    ],
)
def test_csv_types(tmp_path: Path, text: str, types: list[str]) -> None:
    path = write(tmp_path, "r.csv", text)
    table = read_table(path, ids=("user", "item"), numbers=("time",))
    assert [str(kind) for kind in table.schema.types] == types
    tabs = write(tmp_path, "r.TSV", text.replace(",", "\t"))
    assert read_table(tabs, ids=("user", "item"), numbers=("time",)) == table


def test_csv_with_line_ends_in_quotes_is_read_in_blocks(tmp_path: Path) -> None:
    path = write(tmp_path, "r.csv", "user,note\n" + '1,"a\nb,c"\n' * 200_000)
    table = read_table(path)
    assert len(table) == 200_000
    assert table["note"].unique().to_pylist() == ["a\nb,c"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"user,item,time\n1,2,3\n\n1,2\n", ", line 4: expected 3 fields like the header, got 2"),
        (b'user,item,time\n"a\nb",2,3\n1,2\n', ", line 4: expected 3 fields"),
        (b"user,item,time\n1,2,3\n1,2,x\n", ", line 3: column 'time' is 'x', expected a finite"),
        (
            b"user,item,time\n1,2,2001-12-31\n1,2,3\n",
            ", line 3: column 'time' is '3', expected a t",
        ),
        (b"user,item,time\n1,2,3\n\xe9,2,3\n", ", line 3: byte 0xe9 at character 1 is not UTF-8"),
        (b"us\xe9r,item,time\n1,2,3\n", ", line 1: byte 0xe9 at character 3 is not UTF-8"),
        (b'user,item,time\n1,2,3\n"1,2,3\n', ", line 3: malformed quotes"),
        (b"user,user,time\n1,2,3\n", ", line 1: the header has two columns named 'user'"),
        (b"user,item,time\n", " has a header and no rows"),
        (b"", " is empty"),
        (b"\r\n\n", " is empty"),
    ],
)
def test_csv_errors(tmp_path: Path, data: bytes, said: str) -> None:
    path = write(tmp_path, "r.csv", data)
    with pytest.raises(DataError) as failure:
        read_table(path, ids=("user", "item"), numbers=("time",))
    assert str(failure.value).startswith(f"{path}{said}")


TIME = "a time like 2001-12-31 23:59:59"


@pytest.mark.parametrize(
    ("times", "line", "said"),
    [
        (["true", "false"], 2, "'true', expected a finite number"),
        (["12:30:00"], 2, "'12:30:00', expected a finite number"),
        (["1", "0x10"], 3, "'0x10', expected a finite number"),
        (["1.5", "inf"], 3, "'inf', expected a finite number"),
        (["", "1", "2001-12-31"], 4, "'2001-12-31', expected a finite number"),
        (["2001-12-31", "2001-02-30"], 3, f"'2001-02-30', expected {TIME}, without a zone"),
        (["2001-12-31", "2001-12-31 10Z"], 3, f"'2001-12-31 10Z', expected {TIME}, without"),
        (["2001-12-31 10Z", "2001-12-31 10"], 3, f"'2001-12-31 10', expected {TIME}Z, with a"),
        (["2001-12-31 10:11:12.5", "3000-01-01"], 3, f"'3000-01-01', expected {TIME}, without a"),
        (["2001-12-31 10:11:12.5", "3000-01-01"], 3, "fractions of a second, after 1677-09-21"),
        (["3000-01-01", "x", "2001-12-31 10:11:12.5"], 3, f"'x', expected {TIME}, without"),
    ],
)
def test_times_are_all_numbers_or_all_like_the_first(
    tmp_path: Path, times: list[str], line: int, said: str
) -> None:
    path = write(tmp_path, "r.csv", "user,time\n" + "".join(f"a,{time}\n" for time in times))
    with pytest.raises(DataError) as failure:
        read_table(path, ids=("user",), numbers=("time",))
    assert str(failure.value).startswith(f"{path}, line {line}: column 'time' is ")
    assert said in str(failure.value)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["x,1", "\xe9,2", "y,x", "z"], "byte 0xe9 at character 1 is not UTF-8"),
        (["x,1", "y,", "z", "\xe9,2"], "column 'time' is empty, expected a value"),
        (["x,1", "y,z", ",2", "x,inf"], "column 'time' is 'z', expected a finite number"),
        (["1,1", "1,z", "1.5,w"], "column 'time' is 'z', expected a finite number"),
    ],
)
def test_the_first_row_that_is_wrong_is_named(tmp_path: Path, rows: list[str], said: str) -> None:
    path = write(tmp_path, "r.csv", "\n".join(["user,time", *rows]).encode("latin-1"))
    with pytest.raises(DataError) as failure:
        read_columns([path], ["user"], ["time"])
    assert str(failure.value).startswith(f"{path}, line 3: {said}")


@given(data=st.one_of(st.binary(max_size=60), dat_bytes.map(lambda d: d.replace(b"::", b","))))
def test_csv_of_any_bytes_is_a_table_or_our_error(folder: Path, data: bytes) -> None:
    path = write(folder, "any.csv", b"user,item\n" + data)
    table, refusal = attempt(read_table, path, ids=("user", "item"), numbers=("item",))
    if table is None:
        assert refusal.startswith(str(path))
        return
    assert table.column_names == ["user", "item"]
    assert len(table) > 0


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.dat: there is no such file"):
        read_table(tmp_path / "none.dat")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="cannot be read: embedded null byte"):
        read_table("a\0b.dat")
    with pytest.raises(DataError, match=r"unknown file type '.xls', expected one of .dat, .csv"):
        read_table(write(tmp_path, "r.xls", "1"))


def test_a_file_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path, "r.dat", "1::2::3::4\n")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"r\.dat' cannot be read: .*Permission denied"):
        read_table(path)


def test_movies_are_latin_1_with_colons_in_titles(tmp_path: Path) -> None:
    text = "1::Trek: First Contact (1996)::Sci-Fi|Action\r\n73::Misérables, Les::Drama\n9::A::B::\n"
    for encoding in ("latin-1", "utf-8"):
        movies = read_movies(write(tmp_path, "movies.dat", text.encode(encoding)))
        assert movies["item_id"].tolist() == [1, 73, 9]
        assert movies["title"].tolist() == [
            "Trek: First Contact (1996)",
            "Misérables, Les",
            "A::B",
        ]
        assert movies["genres"].tolist() == ["Sci-Fi|Action", "Drama", ""]
        assert movies["item_id"].dtype == "int64"
    every_byte = bytes(range(0x80, 0x100))
    movies = read_movies(write(tmp_path, "movies.dat", b"1::" + every_byte + b"::x\n"))
    assert movies["title"].tolist() == [every_byte.decode("latin-1")]


def test_movies_from_csv(tmp_path: Path) -> None:
    path = write(tmp_path, "m.csv", 'movieId,title,year\nx1,"A, B",1990\n7,1984,\n')
    movies = read_movies(path, item="movieId")
    assert movies.to_numpy().tolist() == [["x1", "A, B", ""], ["7", "1984", ""]]
    missing = r"column 'item_id' of .*m\.csv is missing; the columns are 'movieId', 'title', 'year'"
    with pytest.raises(DataError, match=missing):
        read_movies(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1::A::x\n2::B\n", ", line 2: expected item_id::title::genres, got '2::B'"),
        ("1::A::x\n::B::x\n", ", line 2: expected"),
        ("1::A::x\n2::B::x\n1::C::x\n", ": item id 1 appears twice"),
    ],
)
def test_movie_errors(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, "movies.dat", text)
    with pytest.raises(DataError) as failure:
        read_movies(path)
    assert str(failure.value).startswith(f"{path}{said}")


@given(data=st.binary(max_size=40))
def test_movies_of_any_bytes_are_a_table_or_our_error(folder: Path, data: bytes) -> None:
    path = write(folder, "any_movies.dat", b"1::a::b\n" + data)
    movies, refusal = attempt(read_movies, path)
    if movies is None:
        assert refusal.startswith(str(path))
        return
    assert movies.columns.tolist() == ["item_id", "title", "genres"]
    assert len(movies) == sum(map(bool, LINE_END.split(path.read_bytes())))
