"""The manifest of saved data: JSON with a digest over itself, and how values are written in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from sasrec_fast.errors import DataError

FILE_NAME = "manifest.json"
FORMAT = "sasrec_fast.Prepared"
FORMAT_VERSION = 1

_KIND = "$"
_TIMES: dict[str, Callable[[str], Any]] = {
    "Timestamp": pd.Timestamp,
    "datetime": datetime.fromisoformat,
    "date": date.fromisoformat,
}


def digest_of(content: Any) -> str:
    """SHA-256 of JSON content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def write(folder: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest, with a digest of it."""
    signed = {**content, "digest": digest_of(dict(content))}
    (folder / FILE_NAME).write_text(json.dumps(signed, indent=1), encoding="ascii")


def read(folder: Path) -> dict[str, Any]:
    """The checked manifest of a folder.

    Raises:
        FileNotFoundError: There is no such folder.
        DataError: It is no folder of saved data, of a newer format, or damaged.
    """
    from sasrec_fast import __version__

    content = read_unchecked(folder)
    path = folder / FILE_NAME
    version = content.get("format_version")
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {version}, written by sasrec_fast "
            f"{content.get('package_version')}; this is sasrec_fast {__version__}, which reads "
            f"versions up to {FORMAT_VERSION}: upgrade it"
        )
    found = content.pop("digest", None)
    if found != digest_of(content):
        raise DataError(f"{path} is damaged: its content does not match its digest")
    return content


def read_unchecked(folder: Path) -> dict[str, Any]:
    """The manifest of a folder of saved data of any version."""
    path = folder / FILE_NAME
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    if not folder.is_dir():
        raise DataError(f"{folder} is a file, expected a folder written by Prepared.save")
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {FILE_NAME}: it is no folder written by Prepared.save"
        ) from None
    except OSError as failure:
        raise DataError(f"{path} cannot be read: {failure}") from None
    except (ValueError, RecursionError) as failure:
        raise DataError(f"{path} is damaged: it is no JSON ({failure})") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(f"{path} has format {found!r}, expected {FORMAT!r}")
    return dict(content)


def encode(value: Any, name: str) -> Any:
    """A value as JSON content that `decode` turns into an equal value.

    Args:
        value: None, a bool, number, string, time, or a tuple, list or mapping of these.
        name: What it is, for the message.

    Raises:
        TypeError: A value of another kind.
    """
    if isinstance(value, np.datetime64):
        unit, step = np.datetime_data(value.dtype)
        return {_KIND: "datetime64", "value": [value.astype(np.int64).item(), unit, step]}
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value).__name__ in _TIMES and isinstance(value, date):
        return {_KIND: type(value).__name__, "value": value.isoformat()}
    if isinstance(value, list):
        return [encode(part, name) for part in value]
    if isinstance(value, tuple):
        return {_KIND: "tuple", "value": [encode(part, name) for part in value]}
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key != _KIND for key in value):
            return {key: encode(part, f"{name}[{key!r}]") for key, part in value.items()}
        pairs = [[encode(key, name), encode(part, name)] for key, part in value.items()]
        return {_KIND: "dict", "value": pairs}
    raise TypeError(f"{name} is a {type(value).__name__}, {value!r}, which cannot be saved")


def decode(content: Any) -> Any:
    """The value that `encode` was given."""
    if isinstance(content, list):
        return [decode(part) for part in content]
    if not isinstance(content, dict):
        return content
    if _KIND not in content:
        return {key: decode(part) for key, part in content.items()}
    kind, value = content[_KIND], content["value"]
    if kind == "datetime64":
        number, unit, step = value
        return np.datetime64(number, (unit, step))
    if kind == "tuple":
        return tuple(decode(part) for part in value)
    if kind == "dict":
        return {decode(key): decode(part) for key, part in value}
    if kind in _TIMES:
        return _TIMES[kind](value)
    raise DataError(f"the manifest holds a value of an unknown kind {kind!r}")


def rebuild(kind: type[Any], values: Mapping[str, Any], source: str) -> tuple[Any, list[str]]:
    """A dataclass object of its fields' values, dataclasses among them rebuilt likewise.

    Args:
        kind: The dataclass.
        values: Value of each field; a field with a default may be left out.
        source: Where the values are from, for the message.

    Returns:
        The object, and the names in `values` that are neither fields nor properties of it.

    Raises:
        DataError: A field has no value.
    """
    hints = get_type_hints(kind)
    arguments: dict[str, Any] = {}
    unknown = [name for name in values if not hasattr(kind, name) and name not in hints]
    for field in fields(kind):
        if field.name in values:
            hint, inside = hints[field.name], f"{source}, {field.name!r}"
            arguments[field.name], more = _rebuild_value(hint, values[field.name], inside)
            unknown += [f"{field.name}.{name}" for name in more]
        elif field.default is MISSING and field.default_factory is MISSING:
            raise DataError(f"{source} has no {field.name!r}, which {kind.__name__} needs")
    return kind(**arguments), unknown


def _rebuild_value(hint: Any, value: Any, source: str) -> tuple[Any, list[str]]:
    """A field's value; `hint` may be a dataclass, one or None, or a dict of them."""
    inner = next((part for part in (hint, *get_args(hint)) if is_dataclass(part)), None)
    if not isinstance(inner, type) or not isinstance(value, Mapping):
        return value, []
    if get_origin(hint) is not dict:
        return rebuild(inner, value, source)
    parts = {key: rebuild(inner, part, f"{source}, {key!r}") for key, part in value.items()}
    return (
        {key: part for key, (part, _) in parts.items()},
        [f"{key}.{name}" for key, (_, more) in parts.items() for name in more],
    )
