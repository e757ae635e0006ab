"""The manifest of saved data: JSON with a digest over itself, and how values are written in it."""

import hashlib
import json
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.saving.replaced_file import replaced_file
from sasrec_fast.saving.schema import require_sound

FILE_NAME = "manifest.json"
FORMAT = "sasrec_fast.Prepared"
WITHOUT_EDITS, WITH_EDITS, OF_PARTS, WITH_TIMES = 2, 3, 4, 5
FORMAT_VERSION = WITH_TIMES
"""The newest. 1 had files of plain names, which were replaced together with their folder; each
folder says the least version that reads it."""

_LARGEST = 1 << 24
_KIND = "$"
_KINDS: dict[str, Callable[[Any], Any]] = {
    "tuple": lambda parts: tuple(map(decode, parts)),
    "Timestamp": lambda text: import_module("pandas").Timestamp(text),
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
    "datetime64": lambda value: np.datetime64(value[0], tuple(value[1:])),
}
"""What JSON has not, by name: how it is made of what is written of it."""


def digest_of(content: Any) -> str:
    """SHA-256 of JSON content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Put a manifest, with a digest of it, in the place of the one there is."""
    with replaced_file(folder / FILE_NAME) as temporary:
        temporary.write_bytes(signed(content))


def signed(content: Mapping[str, Any]) -> bytes:
    """The text of a manifest, with a digest of it."""
    text = json.dumps({**content, "digest": digest_of(dict(content))}, indent=1)
    return text.encode("ascii")


def read(folder: Path) -> dict[str, Any]:
    """The checked manifest of a folder.

    Raises:
        FileNotFoundError: There is no such folder.
        DataError: It is no folder of saved data, of a newer format, or damaged.
    """
    return checked(read_unchecked(folder), folder / FILE_NAME)


def checked(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    """The content of a manifest at a path, without its digest, or an error as of `read`."""
    from sasrec_fast import __version__

    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {version}, written by sasrec_fast "
            f"{content.get('package_version')}; this is sasrec_fast {__version__}, which reads "
            f"versions up to {FORMAT_VERSION}: upgrade it"
        )
    found = content.pop("digest", None)
    try:
        expected = digest_of(content)
    except RecursionError:
        raise DataError(f"{path} is damaged: its values are nested too deep") from None
    if found != expected:
        raise DataError(f"{path} is damaged: its content does not match its digest")
    require_sound(content, str(path))
    return content


def read_unchecked(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of saved data of any version."""
    path = folder / FILE_NAME
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file, expected a folder written by Prepared.save")
    try:
        return parsed(lambda: _text(path), path)
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {FILE_NAME}: it is no folder written by Prepared.save"
        ) from None


def parsed(read_text: Callable[[], str | bytes], path: Path | str) -> dict[str, Any]:
    """The content of a manifest whose text is read from a path."""
    try:
        content = json.loads(read_text())
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as failure:
        raise DataError(f"{path} is damaged, it cannot be read as JSON: {failure}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} has format {found!r}, expected {FORMAT!r}")
    return dict(content)


def _text(path: Path) -> str:
    """The content of a manifest, which is ASCII and small at any size of the data."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is no file")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST:,} bytes")
    return path.read_text(encoding="ascii")


def file_names(content: Mapping[str, Any]) -> set[str]:
    """The names of the manifest and of what it lists, in a manifest of any version."""
    log, parts = content.get("log"), content.get("parts")
    listed = [content.get("files"), log.get("files") if isinstance(log, dict) else None]
    named = {name for entries in listed for name in _named(entries)}
    if isinstance(parts, dict) and isinstance(parts.get("folder"), str):
        named.add(parts["folder"])
    return {FILE_NAME, *named}


def _named(entries: Any) -> Iterator[str]:
    """The files of entries, and of their edits."""
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        if not isinstance(entry, dict):
            continue
        file = entry.get("file", name)
        if isinstance(file, str):
            yield file
        edits = entry.get("edits")
        for parts in edits if isinstance(edits, list) else ():
            yield from _named(parts)


def encode(value: Any, name: str) -> Any:
    """A value as JSON content that `decode` turns into an equal value.

    Raises:
        TypeError: It is no bool, number, string, time, None, or tuple or list of these.
    """
    if isinstance(value, np.datetime64):
        count = value.astype(np.int64).item()
        return {_KIND: "datetime64", "value": [count, *np.datetime_data(value.dtype)]}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, date) and type(value).__name__ in _KINDS:
        return {_KIND: type(value).__name__, "value": value.isoformat()}
    if isinstance(value, tuple | list):
        parts = [encode(part, name) for part in value]
        return parts if isinstance(value, list) else {_KIND: "tuple", "value": parts}
    raise TypeError(f"{name} is a {type(value).__name__}, {value!r}, which cannot be saved")


def decode(content: Any) -> Any:
    """The value that `encode` was given."""
    if isinstance(content, list):
        return [decode(part) for part in content]
    if not isinstance(content, dict):
        return content
    kind = content.get(_KIND)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise DataError(
            f"the manifest holds a value of an unknown kind: {checks.received(content)}"
        )
    try:
        return _KINDS[kind](content["value"])
    except (TypeError, ValueError, LookupError, ArithmeticError) as failure:
        raise DataError(f"the manifest holds no {kind}: {failure}") from None


def rebuild(kind: type[Any], values: Mapping[str, Any], source: str) -> tuple[Any, list[str]]:
    """An object of a dataclass of its fields' values, and names that are none of its attributes.

    Raises:
        DataError: A field without a default has no value; `source` is where they are from.
    """
    names = {field.name for field in fields(kind)}
    unknown = [name for name in values if name not in names and not hasattr(kind, name)]
    try:
        return kind(**{name: values[name] for name in values if name in names}), unknown
    except TypeError as failure:
        raise DataError(f"{source}: {failure}") from None
