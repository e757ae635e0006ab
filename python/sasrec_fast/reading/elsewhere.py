"""Sources that are no local files, copied to one: open files, and what fsspec reaches."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from sasrec_fast.errors import DataError
from sasrec_fast.reading.formats import PACKED_SUFFIXES, head, packing
from sasrec_fast.reading.order import in_order
from sasrec_fast.reading.scratch import Scratch

_MAGIC = frozenset("*?[")
_CHUNK = 1 << 20
_USED_UP = "is empty or used up"


def is_open_file(source: Any) -> bool:
    """Whether the source is an open file, of text or bytes."""
    return callable(getattr(source, "read", None)) and hasattr(source, "readline")


def is_remote(source: Any) -> bool:
    """Whether the source is a URL, an OpenFile of fsspec or a path of universal_pathlib."""
    if isinstance(source, str):
        return "://" in source
    return hasattr(source, "fs") and hasattr(source, "path")


def local_path(url: str) -> str:
    """The path of a `file:` URL; another string as it is."""
    if not url.lower().startswith("file://"):
        return url
    parts = urlsplit(url)
    return url2pathname(parts.path)


def copy_open_file(file: Any, scratch: Scratch) -> tuple[Path, str]:
    """What is left to read of an open file, copied, and what messages call it.

    Raises:
        DataError: Nothing is left, or reading fails.
    """
    given = getattr(file, "name", None)
    named = isinstance(given, str) and bool(given)
    label = str(given) if named else f"the {type(file).__name__}"
    # What has no name is text of a table where its content does not say something else.
    target = scratch.folder() / (
        PurePosixPath(label.replace("\\", "/")).name if named else "stream.csv"
    )
    try:
        with target.open("wb") as copy:
            while chunk := file.read(_CHUNK):
                copy.write(chunk.encode() if isinstance(chunk, str) else chunk)
            empty = not copy.tell()
    except Exception as failure:
        raise _unreadable(label, failure) from failure
    if empty:
        raise DataError(f"{label} {_USED_UP}: nothing is left to read from where it stands")
    # A file that gzip opened has the name of what is compressed, and gives what is in it.
    if target.suffix.lower() in PACKED_SUFFIXES and packing(head(target)) is None:
        target = target.rename(target.with_suffix(""))
    return target, label


def remote_files(source: Any) -> list[tuple[str, str, Callable[[Path], None]]]:
    """The files that a URL stands for: itself, those below a folder, or those of a pattern.

    Returns:
        For each its name for messages, its path below the folder, and what copies it to a path.

    Raises:
        DataError: fsspec, or what it needs for this kind of URL, is missing; or it fails.
        FileNotFoundError: There is no such file.
    """
    url = source if isinstance(source, str) else f"{_protocol(source.fs)}://{source.path}"
    try:
        fs, path = _opened(source)
        web = _protocol(fs).startswith("http")
        if not web and _MAGIC & set(path) and not fs.exists(path):
            base = path[: min(path.index(sign) for sign in _MAGIC & set(path))].rpartition("/")[0]
            paths = [file for file in fs.glob(path) if not fs.isdir(file)]
        elif not web and fs.isdir(path):
            base, paths = path, fs.find(path)
        else:
            base, paths = path.rpartition("/")[0], [path]
            if not fs.exists(path):
                raise FileNotFoundError(url)
    except FileNotFoundError:
        raise FileNotFoundError(f"{url}: there is no such file") from None
    except Exception as failure:
        raise _unreadable(url, failure) from failure
    kind = url.partition("://")[0] if isinstance(source, str) else _protocol(fs)
    found = []
    for file in in_order(paths):
        name = url if file == path else f"{kind}://{str(file).lstrip('/')}"
        below = str(file)[len(base) :].strip("/")
        found.append((name, below.partition("?")[0], _copier(fs, file, name)))
    if not found:
        raise FileNotFoundError(f"{url}: there is no such file, or a folder without files")
    return found


def _opened(source: Any) -> tuple[Any, str]:
    """A file system and a path in it."""
    if not isinstance(source, str):
        return source.fs, str(source.path)
    try:
        import fsspec
    except ImportError:
        raise DataError(
            f"{source} is a URL, and reading these needs fsspec: pip install "
            '"sasrec-fast[remote]" and what it asks for; or download the file and give its path'
        ) from None
    fs, path = fsspec.core.url_to_fs(source)
    return fs, str(path)


def _protocol(fs: Any) -> str:
    protocol = getattr(fs, "protocol", "remote")
    return protocol if isinstance(protocol, str) else protocol[0]


def _copier(fs: Any, file: str, name: str) -> Callable[[Path], None]:
    def copy(target: Path) -> None:
        try:
            with fs.open(file, "rb") as content, target.open("wb") as local:
                shutil.copyfileobj(content, local, io.DEFAULT_BUFFER_SIZE * 32)
        except Exception as failure:
            raise _unreadable(name, failure) from failure

    return copy


def _unreadable(name: str, failure: Exception) -> Exception:
    """The error to raise for one of another library; running out of memory stays what it is."""
    if isinstance(failure, DataError | MemoryError):
        return failure
    lines = str(failure).strip().splitlines()
    reason = f"{type(failure).__name__}: {lines[0][:200]}" if lines else type(failure).__name__
    how = ""
    if isinstance(failure, ImportError):
        how = '; pip install "sasrec-fast[remote]" and the package that is named'
    return DataError(f"{name} cannot be read: {reason}{how}")
