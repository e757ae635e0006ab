"""What separates fields and rows of text: delimiters, quotes, headers, line ends, compression."""

from __future__ import annotations

import gzip
import warnings
from typing import TYPE_CHECKING

import pytest

import sasrec_fast as sf
from sasrec_fast.reading import ColumnNames, read_interactions, read_movies, read_sequences
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.text import read_text

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ["user_id", "item_id", "rating", "timestamp"]
ROWS = [["196", "242", "3", "881250949"], ["186", "302", "3", "891717742"]]
BY_NAME = Wanted.of(("user_id", "item_id"), ("timestamp",), only=True)
BY_PLACE = Wanted.of((0, 1), (3,), only=True)
BETWEEN = ["::", "\t", ",", ";", "|", " "]
SUFFIXES = [".csv", ".tsv", ".dat", ".data", ".txt", ".inter", ".log", "", ".txt.gz", ".data.gz"]


def write(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path, wanted: Wanted = BY_NAME) -> list[list[object]]:
    return [*map(list, zip(*read_text(path, wanted).to_pydict().values(), strict=True))]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("between", BETWEEN)
def test_the_delimiter_is_found_whatever_the_name(
    tmp_path: Path, between: str, suffix: str
) -> None:
    expected = [[196, 242, 881250949], [186, 302, 891717742]]
    rows = [between.join(row) + "\n" for row in ROWS]
    header = between.join(HEADER) + "\n"
    path = write(tmp_path / f"u{suffix}", "".join([header, *rows]))
    assert read(path) == expected
    path = write(tmp_path / f"v{suffix}", "".join(rows))
    assert read(path, BY_PLACE) == expected
    pairs = Wanted.of((0, 1), only=True)
    assert read(path, pairs) == [[196, 242], [186, 302]]
    assert read_text(path, BY_PLACE, between).to_pydict()["3"] == [881250949, 891717742]


CLOSE = {
    "decimal commas": ("1;2;4,5;97\n1;3;3,5;98\n", (0, 1), [[1, 2], [1, 3]]),
    "commas in tabs": ("1\t2\ta,b,c,d\n1\t3\te,f,g,h\n", (0, 1), [[1, 2], [1, 3]]),
    "genres in commas": ("1,2,A|B|C|D\n1,3,E|F|G|H\n", (0, 1), [[1, 2], [1, 3]]),
    "lists in commas": ('1,2,"a;b;c"\n1,3,"d;e;f"\n', (0, 1), [[1, 2], [1, 3]]),
    "times in commas": ("1,2,2001-01-01 10:00\n1,3,2001-01-01 11:00\n", (0, 1), [[1, 2], [1, 3]]),
    "ids with colons": ("a:1,b::2,3\na:1,b::3,4\n", (0, 1), [["a:1", "b::2"], ["a:1", "b::3"]]),
    "ids with semicolons": ("a;1,b;2,3\na;1,b;3,4\n", (0, 1), [["a;1", "b;2"], ["a;1", "b;3"]]),
    "text with blanks": ("1,2,a b\n1,3,c d\n", (0, 1), [[1, 2], [1, 3]]),
}


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
@pytest.mark.parametrize("case", CLOSE)
def test_other_delimiters_in_fields_are_letters(tmp_path: Path, case: str, suffix: str) -> None:
    text, places, expected = CLOSE[case]
    path = write(tmp_path / f"a{suffix}", text)
    if suffix == ".csv" or "ids with" not in case:
        assert read(path, Wanted.of(places, only=True)) == expected


@pytest.mark.parametrize("typed", [True, False])
def test_headers_with_types_are_read_by_either_name(tmp_path: Path, typed: bool) -> None:
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    path = write(tmp_path / "a.inter", header + "07\t2\t3.0\t5\n7\t3\t4.0\t6.5\n")
    names = (
        ("user_id:token", "item_id:token", "timestamp:float") if typed else HEADER[:2] + HEADER[3:]
    )
    wanted = Wanted.of(names[:2], names[2:], only=True)
    assert read_text(path, wanted).to_pydict() == dict(
        zip(names, (["07", "7"], [2, 3], [5.0, 6.5]), strict=True)
    )
    path = write(
        tmp_path / "b.inter", header.replace("m_id:token", "m_id:token_seq") + "1\t2 3\t3\t5\n"
    )
    with pytest.raises(sf.DataError, match="column 'item_id' holds lists"):
        read_text(path, Wanted.of(("user_id", "item_id"), ("timestamp",), only=True))


def test_what_is_missing_says_what_to_give(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "196^242^3^881250949\n")
    with pytest.raises(
        sf.DataError, match=r"column 'user_id' .*; between columns is a comma, a tab"
    ):
        read(path)
    path = write(tmp_path / "b.tsv", "196\t242\t3\t881250949\n")
    with pytest.raises(
        sf.DataError, match=r"the first line looks like data: .* by position, such as"
    ):
        read(path)
    path = write(tmp_path / "c.csv", "Benutzer;Artikel;Zeit\n1;2;3\n")
    with pytest.raises(sf.DataError, match=r"the columns are 'Benutzer', 'Artikel', 'Zeit'$"):
        read(path)


HEADED = {
    "text ids": ("user_id,item_id\nu1,i1\nu1,i2\nu2,i3\n", True),
    "integer ids": ("user_id,item_id\n1,5\n2,6\n", True),
    "other words": ("wer,was\n1,5\n2,6\n", True),
    "one of integers": ("kunde,artikel\nu1,5\nu2,6\n", True),
    "spelt otherwise": ("userId,movieId\nu1,i1\nu1,i2\n", True),
    "types": ("user_id:token,item_id:token\nu1,i1\nu1,i2\n", True),
    "a comment": ("# user,item\nu1,i1\nu1,i2\n", True),
    "numbers of columns": ("0,1,2\n7,5,1\n8,6,2\n", True),
    "no header of zeros": ("0,1\n2,6\n", False),
    "no header": ("u1,i1\nu1,i2\nu2,i3\n", False),
    "no header of integers": ("1,5\n2,6\n", False),
    "names": ("david,android\nastrid,void\n", False),
    "mixed ids": ("a,x\n1,y\nb,2\n", False),
}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt"])
@pytest.mark.parametrize("case", HEADED)
def test_a_header_that_is_read_as_a_row_is_warned_of(
    tmp_path: Path, case: str, suffix: str
) -> None:
    text, warned = HEADED[case]
    path = write(tmp_path / f"a{suffix}", text.replace(",", "\t") if suffix == ".tsv" else text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(read(path, Wanted.of((0, 1), only=True))) == text.count("\n")
    assert [issubclass(w.category, sf.DataWarning) for w in caught] == [True] * warned
    assert all("the first line looks like a header" in str(w.message) for w in caught)
    if warned and case != "numbers of columns":
        timed = write(tmp_path / f"b{suffix}", text.replace("\n", ",3\n").replace(",3", ",when", 1))
        with pytest.raises(
            sf.DataError, match=r"line 1: column '2' is 'when'.*if that line is a header"
        ):
            read(timed, Wanted.of((0, 1), (2,), only=True))


LONE = {
    "an odd one": ['u1,i1,3,"Weird Al', "u1,i2,2,X", "u2,i3,1,Y"],
    "two": ['u1,i1,3,"Weird Al', "u1,i2,2,X", 'u2,i3,1,"Heroes', "u2,i4,4,Y"],
    "closed elsewhere": ['u1,i1,3,"Weird Al', "u1,i2,2,X", 'u2,i3,1,Heroes"', "u2,i4,4,Y"],
    "in the middle": ['u1,i1,3,27" monitor', "u1,i2,2,X", 'u2,i3,1,5" disc', "u2,i4,4,Y"],
    "one in the middle": ['u1,i1,3,27" monitor', "u1,i2,2,X"],
    "text after it": ['u1,i1,3,"Heroes" live', "u1,i2,2,X"],
    "doubled": ['u1,i1,3,""Heroes""', "u1,i2,2,X"],
    "four": ['u1,i1,3,"a', 'u1,i2,2,"b', 'u2,i3,1,"c', 'u2,i4,4,"d'],
    "last field": ['u1,i1,3,"', "u1,i2,2,X", 'u2,i3,1,"', "u2,i4,4,Y"],
}


@pytest.mark.parametrize("between", [",", "\t", ";", "|"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("case", LONE)
def test_no_row_is_lost_between_lone_quotes(
    tmp_path: Path, case: str, first: bool, between: str
) -> None:
    header = ["user_id", "item_id", "timestamp", "title"]
    fields = [row.split(",") for row in LONE[case]]
    order = [3, 0, 1, 2] if first else [0, 1, 2, 3]
    lines = [[row[place] for place in order] for row in [header, *fields]]
    path = write(tmp_path / "a.csv", "".join(between.join(line) + "\n" for line in lines))
    assert read(path) == [[user, item, int(time)] for user, item, time, _ in fields]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = read(path, Wanted.of(("user_id", "item_id"), only=True))
    # Without times nothing tells a text of several lines from rows, which is said.
    assert len(found) == len(fields) or [w.category for w in caught] == [sf.DataWarning]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (['"u1,i1,3', "u1,i2,2", 'u2,"i3,1'], 2),
        (["u1,i1,3", 'u1,"i2,2', "u2,i3,1"], 3),
        (["u1,i1,3", 'u1,"i2"x,2', "u2,i3,1"], 3),
        (["u1,i1,3", 'u1,"i,2",2', "u2,i3,1", '"u"2,i3,1'], 5),
        (['"a\nb",i1,3', "u1,i1,3", '"c\nd","i"2,2'], 6),
        (['u1,i1,"3', 'u1,i2,2"'], 2),
    ],
)
def test_quotes_of_wanted_columns_that_are_not_closed_are_refused_with_their_line(
    tmp_path: Path, lines: list[str], line: int, suffix: str
) -> None:
    between = "\t" if suffix == ".tsv" else ","
    text = "\n".join(["user_id,item_id,timestamp", *lines]) + "\n"
    if suffix == ".tsv":
        text = text.replace("i,2", "i\0 2").replace(",", between).replace("\0", "\t")
    path = write(tmp_path / f"a{suffix}", text)
    with pytest.raises(sf.DataError, match=rf"a{suffix}, line {line}: malformed quotes"):
        read(path)


def test_quotes_as_of_rfc_4180_are_read(tmp_path: Path) -> None:
    lines = [
        '"user_id","item_id","timestamp","no\nte"',
        '"u""1","i,1",3,"a ""b"", c\r\nand"',
        'u2,"",4,x',
        '"u\n3","i3","5",""',
        'u4,i4,6,""""',
    ]
    text = "\r\n".join(lines)
    path = write(tmp_path / "a.csv", text.replace('u2,"",4', 'u2,"i2",4'))
    expected = [['u"1', "i,1", 3], ["u2", "i2", 4], ["u\n3", "i3", 5], ["u4", "i4", 6]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(path) == expected
    with pytest.raises(sf.DataError, match="line 5: column 'item_id' is empty"):
        read(write(tmp_path / "b.csv", text))


def test_fields_whose_lines_look_like_rows_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'user_id,item_id,note\nu1,i1,"a\nb,c,d"\nu2,i2,"e\nf"\n')
    with pytest.warns(
        sf.DataWarning, match=r"has 1 fields in quotes whose lines look like rows, first"
    ):
        found = read(path, Wanted.of(("user_id", "item_id"), only=True))
    assert found == [["u1", "i1"], ["u2", "i2"]]


def test_quotes_far_apart_are_seen(tmp_path: Path) -> None:
    rows = 'u,i,3,"a, b"\n' * 60_000
    path = write(tmp_path / "a.csv", "user_id,item_id,timestamp,title\n" + rows)
    assert len(read(path)) == 60_000
    path = write(tmp_path / "b.csv", path.read_text() + 'u,i,3,"a" b\n' + rows)
    with pytest.raises(sf.DataError, match="line 60002: malformed quotes"):
        read(path)
    inside = 'u,i,3,"' + "x" * 100_000 + '"\n'
    assert len(read(write(tmp_path / "c.csv", "user_id,item_id,timestamp,t\n" + inside * 9))) == 9


def test_long_texts_of_several_lines_are_read(tmp_path: Path) -> None:
    long = "x" * 150_000 + "\n" + "y" * 150_000
    text = f'user_id,item_id,timestamp,review\n1,2,3,"{long}"\n1,3,4,"a ""b"""\n'
    assert read(write(tmp_path / "a.csv", text)) == [[1, 2, 3], [1, 3, 4]]


@pytest.mark.parametrize("between", [";", "\t", "|", ","])
def test_movies_are_read_whatever_is_between_their_columns(tmp_path: Path, between: str) -> None:
    rows = [["item_id", "title", "year"], ["007", '"a; b| c, d\te"', "1984"], ["7", "B", "1"]]
    path = write(tmp_path / "a.csv", "".join(between.join(row) + "\n" for row in rows))
    assert read_movies(path).to_numpy().tolist() == [["007", "a; b| c, d\te", ""], ["7", "B", ""]]


ENDS = {"LF": "\n", "CR LF": "\r\n", "CR": "\r", "empty lines": "\n\n", "blank": "\n\r\n"}


@pytest.mark.parametrize("final", [True, False])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("end", ENDS)
def test_line_ends_and_byte_order_marks(
    tmp_path: Path, end: str, quoted: bool, mark: str, final: bool
) -> None:
    rows = [["user_id", "item_id", "timestamp"], ["a", "07", "1"], ["b", "7", "2"]]
    lines = [",".join(f'"{f}"' if quoted else f for f in row) for row in rows]
    path = write(tmp_path / "a.csv", mark + ENDS[end].join(lines) + ENDS[end] * final)
    assert read(path) == [["a", "07", 1], ["b", "7", 2]]


ENCODED = {
    "utf-16": (1, "byte 0xff at character 1 is not UTF-8 .UTF-16"),
    "utf-16-be": (1, ""),
    "latin-1": (3, "byte 0xe9 at character 1 is not UTF-8"),
    "cp1252": (3, "byte 0xe9 at character 1 is not UTF-8"),
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    line, said = ENCODED[encoding]
    text = "user_id,item_id,timestamp\na,1,2\n\xe9,2,3\n"
    path = write(tmp_path / "a.csv", text.encode(encoding))
    with pytest.raises(sf.DataError, match=rf"(line {line}: .*{said}|is missing)"):
        read(path)


@pytest.mark.parametrize("suffix", [".csv.gz", ".tsv.gz", ".dat.gz"])
@pytest.mark.parametrize(
    "damage", ["cut", "no end", "header", "bits", "empty", "text", "tail", "sum"]
)
def test_damaged_gzip_is_refused_by_name(tmp_path: Path, damage: str, suffix: str) -> None:
    between = {".csv.gz": ",", ".tsv.gz": "\t", ".dat.gz": "::"}[suffix]
    rows = [[str(n), str(n * 7 % 1000), "5", str(n)] for n in range(20_000)]
    header = [] if suffix == ".dat.gz" else [HEADER]
    text = "".join(between.join(row) + "\n" for row in header + rows).encode()
    good = gzip.compress(text, mtime=0)
    middle = len(good) // 2
    damaged = {
        "cut": good[:middle],
        "no end": good[:-5],
        "header": good[:5],
        "bits": good[:middle] + bytes(50) + good[middle + 50 :],
        "empty": b"",
        "text": text[:100],
        "tail": good + b"more",
        "sum": good[:-8] + bytes(4) + good[-4:],
    }
    path = tmp_path / f"a{suffix}"
    path.write_bytes(damaged[damage])
    names = ColumnNames("user_id", "item_id", "timestamp", None)
    for attempt in (
        lambda: read_interactions(path, names),
        lambda: read_movies(path),
        lambda: read_interactions([path, path], names),
        lambda: read_sequences(path),
    ):
        if damage == "empty" and attempt.__code__.co_names == ("read_sequences",):
            continue
        with pytest.raises(sf.DataError, match=rf"a{suffix}"):
            attempt()


def test_joined_gzip_files_are_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    parts = [b"user_id,item_id,timestamp\n1,2,3\n", b"1,3,4\n", b"", b"2,07,5\n"]
    path.write_bytes(b"".join(map(gzip.compress, parts)))
    assert read(path) == [[1, "2", 3], [1, "3", 4], [2, "07", 5]]
