"""What a file is: its first bytes decide, its name where these do not."""

import json
import re
from pathlib import Path

from sasrec_fast.errors import DataError
from sasrec_fast.reading.opening import UNREADABLE

PARQUET = "Parquet"
ARROW = "Arrow"
ORC = "ORC"
JSON = "JSON"
TEXT = "text"

PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"]\0\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
}
"""First bytes of what is unpacked before it is read."""

PACKED_SUFFIXES = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bz2",
    ".xz": "xz",
    ".lzma": "xz",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".lz4": "lz4",
    ".zip": "zip",
}

_FORMATS = {
    b"PAR1": PARQUET,
    b"PARE": PARQUET,
    b"ARROW1": ARROW,
    b"\xff\xff\xff\xff": ARROW,
    b"ORC": ORC,
}
SUFFIXES = {
    ".parquet": PARQUET,
    ".parq": PARQUET,
    ".pq": PARQUET,
    ".feather": ARROW,
    ".arrow": ARROW,
    ".arrows": ARROW,
    ".ipc": ARROW,
    ".orc": ORC,
    ".json": JSON,
    ".jsonl": JSON,
    ".ndjson": JSON,
}
TEXTS = (".dat", ".csv", ".tsv", ".data", ".inter", ".txt", ".log", ".tab", ".psv")
READ = (*TEXTS[:3], *SUFFIXES, *TEXTS[3:])
"""Suffixes of what is read, for messages and for choosing files of an archive."""

_EXCEL = "an Excel workbook; read it with pandas.read_excel and give the frame"
_PICKLE = (
    "a pickle, which may run any program when it is opened; where you trust it, read it with "
    "pandas.read_pickle and give the frame"
)
_HDF = "an HDF5 file; read it with pandas.read_hdf and give the frame"
_SQLITE = "an SQLite database; read it with pandas.read_sql and give the frame"
_FEATHER = (
    "a Feather file of the first version, which pyarrow gives up; read it with "
    "pyarrow.feather.read_table and give the table"
)
_NUMPY = "a NumPy file; read it with numpy.load and give a mapping of its arrays"
_AVRO = "an Avro file; read it with polars.read_avro and give the frame"
_TAR = "a tar archive; unpack it (tar -xf) and give the file or the folder"
_ARCHIVE = "an archive that is not opened here; unpack it and give the file or the folder"
_STATISTICS = "a file of a statistics program; read it with pandas ({}) and give the frame"
_REFUSED = (
    (0, b"SQLite format 3\0", _SQLITE),
    (0, b"\x89HDF\r\n\x1a\n", _HDF),
    (0, b"\x93NUMPY", _NUMPY),
    (0, b"FEA1", _FEATHER),
    (0, b"\xd0\xcf\x11\xe0", _EXCEL),
    (0, b"Obj\x01", _AVRO),
    (8, b"DUCK", "a DuckDB database; open it with duckdb.connect and give a relation"),
    (257, b"ustar", _TAR),
    (0, b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (0, b"Rar!\x1a\x07", _ARCHIVE),
    (0, b"\x1f\x9d", _ARCHIVE),
    (0, b"<stata_dta>", _STATISTICS.format("read_stata")),
    (0, b"$FL2", _STATISTICS.format("read_spss")),
    (0, b"%PDF", "a PDF document, not a table"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the data; run `git lfs pull`"),
)
_REFUSED_SUFFIXES = {
    ".pkl": _PICKLE,
    ".pickle": _PICKLE,
    ".xlsx": _EXCEL,
    ".xls": _EXCEL,
    ".h5": _HDF,
    ".hdf5": _HDF,
    ".hdf": _HDF,
    ".npy": _NUMPY,
    ".npz": _NUMPY,
    ".db": _SQLITE,
    ".sqlite": _SQLITE,
    ".tar": _TAR,
    ".tgz": _TAR,
    ".7z": _ARCHIVE,
    ".rar": _ARCHIVE,
    ".br": _ARCHIVE,
    ".avro": _AVRO,
}
_HTML = re.compile(rb"\s*<(!doctype html|html|\?xml)", re.IGNORECASE)
_OBJECT = re.compile(rb'(\xef\xbb\xbf)?\s*(\{\s*("|\})|\[\s*(\{|\]))')
_PICKLED = re.compile(rb"\x80[\x02-\x05]")
_HEAD = 1024


def head(path: Path) -> bytes:
    """The first bytes.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(_HEAD)
    except (*UNREADABLE, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None


def packing(start: bytes) -> str | None:
    """How a file of these first bytes is compressed or archived, if it is."""
    return next((kind for magic, kind in PACKED.items() if start.startswith(magic)), None)


def format_of(path: Path) -> str:
    """The format of a file that is not packed, or is text that its reader unpacks.

    Raises:
        DataError: It is none that is read; says what it is and what reads it.
    """
    start, suffix = head(path), path.suffix.lower()
    if packing(start) == "gzip":
        return TEXT
    for magic, name in _FORMATS.items():
        if start.startswith(magic):
            return name
    refuse(path, start, suffix)
    named = SUFFIXES.get(suffix)
    if _OBJECT.match(start) and (suffix not in TEXTS[:3] or _is_object(start)):
        return JSON
    if named is not None and (named == JSON or not is_text(start)):
        return named
    if suffix in TEXTS[:3] or not start or is_text(start):
        return TEXT
    raise DataError(
        f"{path}: unknown file type {suffix!r}, expected one of {', '.join(READ)}, plain or "
        f"compressed ({', '.join(PACKED_SUFFIXES)})"
    )


def _is_object(start: bytes) -> bool:
    """Whether the first line is an object of JSON, whole."""
    try:
        return isinstance(json.loads(start.splitlines()[0]), dict)
    except (ValueError, RecursionError):
        return False


def refuse(path: Path, start: bytes, suffix: str) -> None:
    """Refuse what is known and not read."""
    for offset, magic, what in _REFUSED:
        if start[offset:].startswith(magic):
            raise DataError(f"{path} is {what}")
    if _PICKLED.match(start):
        raise DataError(f"{path} is {_PICKLE}")
    if _HTML.match(start):
        raise DataError(f"{path} is a page of HTML or XML, as of a refused download; not a table")
    if suffix in _REFUSED_SUFFIXES:
        raise DataError(
            f"{path}: unknown file type {suffix!r}, expected one of {', '.join(READ)}; by its "
            f"name it is {_REFUSED_SUFFIXES[suffix]}"
        )


def is_text(start: bytes) -> bool:
    """Whether the first bytes of a file are text, in UTF-8, UTF-16 or a one-byte encoding."""
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    control = sum(byte < 32 and byte not in b"\t\n\v\f\r" for byte in start)
    return bool(start) and control == 0
