"""Which files a source stands for, and the columns that the names of folders give."""

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from sasrec_fast.errors import DataError, DataWarning, note
from sasrec_fast.reading import elsewhere
from sasrec_fast.reading.formats import PACKED_SUFFIXES, READ, SUFFIXES, head, packing
from sasrec_fast.reading.linked import files_below
from sasrec_fast.reading.order import in_order
from sasrec_fast.reading.scratch import Scratch
from sasrec_fast.reading.unpacking import members, unpack, unpack_member

_NULL = "__HIVE_DEFAULT_PARTITION__"
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/([^/].*)", re.DOTALL)
_DELTA = "_delta_log"


@dataclass(frozen=True)
class Part:
    """One file of a table.

    Attributes:
        path: The file; of another place, its name.
        keys: Values of the columns that folders named "column=value" give, as text.
        name: What messages call it.
        member: The file to read of an archive, or "".
        fetch: Copies a file of another place to a path; None for one that is here.
    """

    path: Path
    keys: dict[str, str | None] = field(default_factory=dict)
    name: str = ""
    member: str = ""
    fetch: Callable[[Path], None] | None = None

    @property
    def suffix(self) -> str:
        """The suffix in lower case, without that of a compression."""
        path = Path(self.member) if self.member else self.path
        if path.suffix.lower() in PACKED_SUFFIXES:
            path = path.with_suffix("")
        return path.suffix.lower()

    def unpacked(self, scratch: Scratch) -> tuple[Path, str]:
        """A file that readers open, a copy where need be, and what to call it.

        Raises:
            DataError: The file cannot be read.
        """
        path, name = self.path, self.name or str(self.path)
        if self.fetch is not None:
            path = scratch.folder() / (path.name or "file")
            self.fetch(path)
        if self.member:
            path, name = unpack_member(path, name, self.member, scratch)
        return unpack(path, name, scratch)


def find_parts(source: Any, scratch: Scratch) -> list[Part]:
    """The files of a path, a URL or an open file, in their order.

    A folder stands for the files below it, in the order of their names, a number in a name by its
    value; names that begin with "." or "_" are no data. So does a pattern with *, and a path
    below a zip archive for the files in it.

    Args:
        source: A path, which may begin with ~; a URL; an open file.
        scratch: Where open files are copied.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It cannot be opened, or a folder holds no data, or files of several formats.
    """
    if elsewhere.is_open_file(source):
        path, name = elsewhere.copy_open_file(source, scratch)
        return [Part(path, name=name)]
    if isinstance(source, str):
        source = elsewhere.local_path(source)
    if not elsewhere.is_remote(source):
        source = _url_of(Path(source)) or source
    if elsewhere.is_remote(source):
        return _remote_parts(source)
    path = Path(source)
    if not os.path.lexists(path) and str(path).startswith("~"):
        path = _expanded(path)
    if path.is_dir():
        return _below(path)
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for a writer
            raise DataError(f"{path} is neither a file nor a folder, expected one of them")
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return _found(path)
    except DataError:
        raise
    except (OSError, ValueError) as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None
    return [Part(path)]


def _url_of(path: Path) -> str | None:
    """The URL of a path that is none: "s3://bucket" is "s3:/bucket" as a Path."""
    parts = _URL.fullmatch(path.as_posix())
    if parts is None or path.exists():
        return None
    return elsewhere.local_path(f"{parts[1]}://{'/' if parts[1] == 'file' else ''}{parts[2]}")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as failure:
        raise DataError(f"{str(path)!r} cannot be read: {failure}") from None


def _found(path: Path) -> list[Part]:
    """The files of a path that is none itself: of a pattern, or in an archive."""
    archive = next((above for above in path.parents if above.is_file()), None)
    if archive is not None and packing(head(archive)) == "zip":
        inner = path.relative_to(archive).as_posix()
        return [Part(archive, member=member) for member in members(archive, inner)]
    if glob.has_magic(str(path)):
        # Not of pathlib, whose * matches hidden files.
        matched = in_order(glob.glob(str(path), recursive=True))  # noqa: PTH207
        if not path.name.startswith("_"):
            matched = [match for match in matched if not Path(match).name.startswith("_")]
        fixed = next(i for i, part in enumerate(path.parts) if glob.has_magic(part))
        if matched:
            return _below(Path(*path.parts[:fixed]), map(Path, matched), str(path))
    raise FileNotFoundError(f"{path}: there is no such file")


def _remote_parts(source: Any) -> list[Part]:
    found = elsewhere.remote_files(source)
    parts = [
        Part(
            Path(PurePosixPath(below).name), _keys(PurePosixPath(below).parts[:-1]), name, "", copy
        )
        for name, below, copy in found
        if len(found) == 1 or not any(p.startswith((".", "_")) for p in PurePosixPath(below).parts)
    ]
    if not parts:
        raise DataError(f"{source} is a folder, expected files that are data in it")
    return _of_one_format(parts, str(source))


def _below(folder: Path, within: Iterable[Path] = (), shown: str = "") -> list[Part]:
    """The files below a folder, or below (or at) some paths within it."""
    found = files_below(folder, [*within] or [folder], _keys)
    if (folder / _DELTA).is_dir():
        note(
            f"{folder} is a table of Delta Lake, whose log is not read: files that it has removed "
            "are read too; give deltalake.DeltaTable(folder).to_pyarrow_table()",
            DataWarning,
        )
    if not found:
        kinds = ", ".join(READ)
        raise DataError(
            f"{shown or folder} is a folder, expected a file, or {kinds} files in the folder"
        )
    return _of_one_format([Part(path, keys) for path, keys in found], str(shown or folder))


def _of_one_format(parts: list[Part], shown: str) -> list[Part]:
    """Refuse files of several formats, by their suffixes."""
    formats = {SUFFIXES.get(part.suffix, part.suffix): part for part in parts}
    if len(formats) > 1:
        first, second = list(formats.values())[:2]
        raise DataError(
            f"{shown} is a folder, expected a file, or files of one format in the folder, but "
            f"{first.name or first.path} is {first.suffix!r} and {second.name or second.path} is "
            f"{second.suffix!r}; give the files to read as a list"
        )
    return parts


def warn_of_files_given_twice(parts: Sequence[Part]) -> None:
    """Warn of files that are given twice, which are read twice."""
    here = [part for part in parts if part.fetch is None]
    counts = Counter((os.path.realpath(part.path), part.member) for part in here)
    repeated = [path for (path, _), count in counts.items() if count > 1]
    if repeated:
        note(
            f"{len(repeated):,} files are given more than once, and so are their rows, first "
            f"{repeated[0]}",
            DataWarning,
        )


def warn_of_order(parts: Sequence[Part]) -> None:
    """Warn where files of numbered names are not in the order of their numbers."""
    names = [part.name or str(part.path) for part in parts]
    shapes = Counter(re.sub(r"[0-9]+", "0", name) for name in names)
    numbered = [name for name in names if shapes[re.sub(r"[0-9]+", "0", name)] > 1]
    later = [(a, b) for a, b in zip(numbered, in_order(numbered), strict=True) if a != b]
    if later:
        before, expected = later[0]
        note(
            f"without timestamps the order of files is the order of time, and {before} is given "
            f"before {expected}; give them sorted by number, or the folder",
            DataWarning,
        )


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
