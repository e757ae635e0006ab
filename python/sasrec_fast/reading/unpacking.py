"""Copies what is compressed or archived in a file to one that readers open."""

import bz2
import gzip
import io
import lzma
import re
import shutil
import zipfile
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.formats import PACKED_SUFFIXES, READ, TEXTS, head, is_text, packing, refuse
from sasrec_fast.reading.opening import UNREADABLE
from sasrec_fast.reading.order import in_order
from sasrec_fast.reading.scratch import Scratch

_DEEPEST = 3
_TAR = b"ustar"
_TAR_END = 262
_LISTED = 12
_OPEN: dict[str, Callable[[Path], Any]] = {
    "gzip": gzip.open,
    "bz2": bz2.open,
    "xz": lzma.open,
    "zstd": lambda path: pa.input_stream(str(path), compression="zstd"),
    "lz4": lambda path: pa.input_stream(str(path), compression="lz4"),
}
_DAMAGED = (*UNREADABLE, NotImplementedError, RuntimeError)
_PROSE = re.compile(r"(?i)(readme|licen[cs]e|changelog|notice|citation)")
_INTERACTIONS = re.compile(r"(?i)rating|interact|event|review|click|u\.data|train|log")
_AMBIGUOUS = (".txt", ".log", ".json", ".data")


def unpack(path: Path, name: str, scratch: Scratch) -> tuple[Path, str]:
    """The file itself where it is not packed, or a copy of what is in it, and what to call it.

    Text that is compressed by gzip, and named so, stays as it is: its reader opens it.

    Args:
        path: A file.
        name: What messages call it.
        scratch: Where copies go.

    Raises:
        DataError: The file is damaged or encrypted, holds several tables or none, or is packed
            too often.
    """
    for depth in range(_DEEPEST + 1):
        start = head(path)
        kind = packing(start)
        if kind is None:
            _require_packed(path, name, start)
            return path, name
        if kind == "gzip" and path.suffix.lower() == ".gz" and _holds_text(path):
            return path, name
        if depth == _DEEPEST:
            break
        if kind == "zip":
            path, name = unpack_member(path, name, _only_member(path, name), scratch)
        else:
            path = _copied(
                _OPEN[kind], path, scratch.folder() / _unpacked_name(path), f"{name} ({kind})"
            )
    raise DataError(f"{name} is packed more than {_DEEPEST} times; unpack it and give the file")


def members(path: Path, pattern: str) -> list[str]:
    """Files of an archive below a name, or that a pattern with * matches, in their order."""
    with _archive(path, str(path)) as archive:
        files = [info.filename for info in archive.infolist() if not info.is_dir()]
    plain = pattern.rstrip("/")
    found = [file for file in files if file == plain or fnmatchcase(file, plain)]
    found = found or [file for file in files if file.startswith(f"{plain}/") and _is_data(file)]
    if not found:
        raise FileNotFoundError(
            f"{path}/{pattern}: there is no such file in the archive; it holds {_listed(files)}"
        )
    return in_order(found)


def unpack_member(path: Path, name: str, member: str, scratch: Scratch) -> tuple[Path, str]:
    """A copy of a file of an archive, and what to call it."""
    name = f"{name}/{member}"
    with _archive(path, name) as archive:
        if archive.getinfo(member).flag_bits & 1:
            raise DataError(f"{name} is encrypted; unpack it with its password and give the file")
        base = PurePosixPath(member.replace("\\", "/")).name
        return _copied(archive.open, member, scratch.folder() / (base or "member"), name), name


def _archive(path: Path, name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (*_DAMAGED, ValueError) as failure:
        raise DataError(f"{name} cannot be read as a zip archive: {failure}") from None


def _only_member(path: Path, name: str) -> str:
    """The one table of an archive."""
    with _archive(path, name) as archive:
        files = [info.filename for info in archive.infolist() if not info.is_dir()]
    _refuse_documents(path, name, files)
    data = [file for file in files if _is_data(file)]
    sure = [file for file in data if _suffix(file) in READ and _suffix(file) not in _AMBIGUOUS]
    likely = [file for file in data if _suffix(file) in READ and not _PROSE.match(_base(file))]
    chosen = sure or likely or [file for file in data if not _PROSE.match(_base(file))]
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise DataError(f"{name} holds no table; it holds {_listed(files) or 'nothing'}")
    like = next((file for file in chosen if _INTERACTIONS.search(_base(file))), chosen[0])
    raise DataError(
        f"{name} holds {len(chosen)} files, {_listed(chosen)}; name the one to read, such as "
        f"'{name}/{like}', or several with '{name}/*{_suffix(like)}'"
    )


def _refuse_documents(path: Path, name: str, files: list[str]) -> None:
    """Refuse what is a zip archive and meant as something else."""
    if "[Content_Types].xml" in files or "mimetype" in files:
        refuse(Path(name), b"\xd0\xcf\x11\xe0", "")
    if files and all(file.endswith(".npy") for file in files):
        refuse(Path(name), b"\x93NUMPY", "")
    if any(file.endswith("data.pkl") for file in files):
        raise DataError(f"{name} is a file of PyTorch, which is a pickle; give its arrays")


def _is_data(file: str) -> bool:
    parts = PurePosixPath(file.replace("\\", "/")).parts
    return not any(part.startswith((".", "__MACOSX", "_SUCCESS", "_temporary")) for part in parts)


def _base(file: str) -> str:
    return PurePosixPath(file.replace("\\", "/")).name


def _suffix(file: str) -> str:
    """The suffix in lower case, below that of a compression."""
    path = PurePosixPath(file)
    if path.suffix.lower() in PACKED_SUFFIXES:
        path = path.with_suffix("")
    return path.suffix.lower()


def _listed(files: list[str]) -> str:
    more = f" and {len(files) - _LISTED} more" if len(files) > _LISTED else ""
    return ", ".join(shorten(file, 120) for file in files[:_LISTED]) + more


def _require_packed(path: Path, name: str, start: bytes) -> None:
    """Refuse a name of a compressed file whose content is not; `.gz` is its reader's to refuse."""
    expected = PACKED_SUFFIXES.get(path.suffix.lower())
    if expected and is_text(start) and path.suffix.lower() not in (".gz", ".gzip"):
        raise DataError(
            f"{name} cannot be read as {expected}: by its first bytes, {start[:8]!r}, it is not; "
            "name it for what it holds"
        )


def _holds_text(path: Path) -> bool:
    """Whether a gzip file is one of text, by its name too."""
    try:
        with gzip.open(path) as file:
            start = file.read(_TAR_END)
    except UNREADABLE:
        start = b""
    if packing(start) is not None or start.endswith(_TAR):
        return False
    return Path(path.stem).suffix.lower() in TEXTS


def _unpacked_name(path: Path) -> str:
    packed = path.suffix.lower() in PACKED_SUFFIXES
    return (path.stem if packed else path.name) or "unpacked"


def _copied(opened: Callable[[Any], Any], source: Any, target: Path, name: str) -> Path:
    """The decompressed content in a file of its own."""
    try:
        with opened(source) as content, target.open("wb") as file:
            shutil.copyfileobj(content, cast("IO[bytes]", file), io.DEFAULT_BUFFER_SIZE * 32)
    except (*_DAMAGED, ValueError) as failure:
        reason = str(failure) or type(failure).__name__
        raise DataError(f"{name} cannot be read: {reason}") from None
    return target
