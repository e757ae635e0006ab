"""Which files a path stands for, and the columns that the names of folders give."""

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError
from sasrec_fast.reading.opening import UNREADABLE, is_compressed

SUFFIXES = (".dat", ".csv", ".tsv", ".parquet", ".dat.gz", ".csv.gz", ".tsv.gz")

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Attributes:
        path: The file.
        keys: Values of the columns that folders named "column=value" give, as text.
    """

    path: Path
    keys: dict[str, str | None] = field(default_factory=dict)

    @property
    def suffix(self) -> str:
        """Tells the format: the suffix in lower case, or two of a compressed file."""
        last = self.path.suffix.lower()
        return self.path.with_suffix("").suffix.lower() + last if is_compressed(self.path) else last


def find_parts(path: Path) -> list[Part]:
    """The file itself, or the files below a folder in the order of their names.

    In a folder, names that begin with "." or "_" are no data.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It cannot be opened; the suffix is unknown; or a folder holds no data, or files
            of several formats.
    """
    if path.is_dir():
        return _known(_below(path))
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
            raise DataError(f"{path} is neither a file nor a folder, expected one of them")
        path.open("rb").close()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except DataError:
        raise
    except (OSError, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    return _known([Part(path)])


def _known(parts: list[Part]) -> list[Part]:
    for part in parts:
        if part.suffix not in SUFFIXES:
            allowed = f"expected one of {', '.join(SUFFIXES)}"
            raise DataError(f"{part.path}: unknown file type {part.suffix!r}, {allowed}")
    return parts


def _below(folder: Path) -> list[Part]:
    found: list[Path] = []
    try:
        for root, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
            folders[:] = [name for name in folders if not name.startswith((".", "_"))]
            found += [Path(root, name) for name in files if not name.startswith((".", "_"))]
    except UNREADABLE as failure:
        raise DataError(f"{str(folder)!r} cannot be read: {failure}") from None
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise DataError(f"{folder} is a folder, expected a file, or {kinds} files in the folder")
    parts = [Part(path, _keys(path.relative_to(folder).parts[:-1])) for path in sorted(found)]
    suffixes = {part.suffix.removesuffix(".gz"): part.path for part in parts}
    if len(suffixes) > 1:
        (one, first), (two, second) = list(suffixes.items())[:2]
        raise DataError(
            f"{folder} is a folder, expected a file, or files of one format in the folder, but "
            f"{first} is {one!r} and {second} is {two!r}; give the files to read as a list"
        )
    return parts


def _refuse(failure: OSError) -> None:
    raise failure


def _keys(folders: Sequence[str]) -> dict[str, str | None]:
    pairs = [name.partition("=") for name in folders if "=" in name]
    return {
        unquote(key): None if value == _NULL else unquote(value) for key, _, value in pairs if key
    }


def key_types(parts: Sequence[Part], numbers: Collection[str]) -> dict[str, pa.DataType]:
    """Types of the columns that folders give: int64 where every value is an integer, else strings.

    Those of `numbers` may be floats or ISO 8601 times as well.
    """
    names = dict.fromkeys(name for part in parts for name in part.keys)
    types = {}
    for name in names:
        values = {part.keys.get(name) for part in parts} - {None}
        if all(_INTEGER.fullmatch(value or "") for value in values):
            types[name] = pa.int64()
        else:
            choices = (pa.float64(), pa.timestamp("us")) if name in numbers else ()
            types[name] = next((kind for kind in choices if _casts(values, kind)), pa.string())
    return types


def _casts(values: Collection[str | None], kind: pa.DataType) -> bool:
    try:
        pc.cast(pa.array(list(values), pa.string()), kind)
    except pa.ArrowInvalid:
        return False
    return True
