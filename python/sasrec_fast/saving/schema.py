"""What a manifest may say: closed lists of files, types of their values, and ranges of numbers.

A folder may be from anywhere. Nothing that is not checked here decides how memory is read, how much
of it is asked for, or which file is opened.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.store import MAX_ITEMS, SPLITS, Lengths, Report

STRINGS = "string"
_IDS = ("<i8", "<u8")
DTYPES: Mapping[str, tuple[str, ...]] = {
    "offsets.npy": ("<i8",),
    "items.npy": ("<i4",),
    "user_keys.npy": ("<u8",),
    "times.npy": ("<u4",),
    **{f"{split}_{column}.npy": ("<i4",) for split in SPLITS for column in ("users", "ends")},
    **{f"{whose}_ids.npy": _IDS for whose in ("user", "item")},
    **{f"{whose}_ids.arrow": (STRINGS,) for whose in ("user", "item")},
}
"""Every file there can be, and what its values can be."""

LOG_DTYPES: Mapping[str, tuple[str, ...]] = {
    "log_offsets.npy": ("<i8",),
    "log_items.npy": ("<i4",),
    "log_times.npy": ("<u4", "<u8"),
    **{f"log_{whose}_ids.npy": _IDS for whose in ("user", "item")},
    **{f"log_{whose}_ids.arrow": (STRINGS,) for whose in ("user", "item")},
}
"""The same, of the log."""

_EDITED = ("items.npy", "times.npy", "log_items.npy", "log_times.npy")
_EDIT_PARTS = {"places": "<i8", "removed": "<i8", "codes": "<i4"}
_EDIT_NEEDS = ("places", "values")

PARTS = re.compile(r"parts-[0-9a-f]{8}")
"""What a folder of parts is called."""
_PART = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*\.parquet")

_LONGEST = 2**31 - 1
_LARGEST = 2**62
_DEEPEST = 32
_HEX = {digits: re.compile(f"[0-9a-f]{{{digits}}}") for digits in (32, 64)}


def part_name(name: str, part: str) -> str:
    """What a part of an edit of an array is called: "items_places.npy"."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}_{part}.{suffix}"


def require_sound(content: Mapping[str, Any], source: str) -> None:
    """Refuse a manifest that says what none does that `Prepared.save` writes.

    Raises:
        DataError: Names the place, what was found and what is allowed; `source` is the file.
    """
    try:
        _require_shallow(content)
        checks.integer("format_version", content.get("format_version"), 1)
        _text("package_version", content.get("package_version"))
        for name in ("options", "report", "splits", "vocabularies"):
            _mapping(name, content.get(name))
        if "parts" in content:
            _require_parts(_mapping("parts", content["parts"]))
        else:
            _digest("fingerprint", content.get("fingerprint"), 32)
            _require_files("files", _mapping("files", content.get("files")), DTYPES)
        if content.get("log") is not None:
            _require_log(_mapping("log", content["log"]))
        _require_vocabularies(content["vocabularies"])
        for name, window in content["splits"].items():
            _require_window(name, window)
        _require_report(content["report"])
    except (TypeError, ValueError) as failure:
        raise DataError(f"{source}: {failure}") from None


def file_name(name: str, entry: Mapping[str, Any]) -> str:
    """What the file of an entry is called, in the folder itself; in version 1, as the entry.

    Raises:
        ValueError: It is no name that `Prepared.save` gives.
    """
    found = entry.get("file", name)
    stem, _, suffix = name.rpartition(".")
    if not isinstance(found, str) or not re.fullmatch(rf"{stem}(-[0-9a-f]{{8}})?\.{suffix}", found):
        raise ValueError(
            f"the file of {name!r} is called {checks.received(found)}, "
            f"expected {stem}-, 8 hexadecimal digits and .{suffix}"
        )
    return found


def _require_files(
    where: str, files: Mapping[str, Any], allowed: Mapping[str, tuple[str, ...]]
) -> None:
    for name, entry in files.items():
        dtypes = checks.one_of("a file", name, tuple(allowed)) and allowed[name]
        _mapping(f"{where}, {name!r}", entry)
        _require_file(name, entry, dtypes)
        if "edits" in entry:
            checks.one_of("a file with edits", name, _EDITED)
            _length(f"whole length of {name!r}", entry.get("whole"))
            _require_edits(name, entry)


def _require_file(name: str, entry: Mapping[str, Any], dtypes: tuple[str, ...]) -> None:
    file_name(name, entry)
    checks.one_of(f"dtype of {name!r}", entry.get("dtype"), dtypes)
    _length(f"length of {name!r}", entry.get("shape"))
    checks.integer(f"bytes of {name!r}", entry.get("bytes"), 0, _LARGEST)
    _digest(f"digest of {name!r}", entry.get("digest"), 64)


def _require_edits(name: str, entry: Mapping[str, Any]) -> None:
    edits = entry["edits"]
    if not isinstance(edits, list):
        raise TypeError(f"edits of {name!r} must be a list, received {checks.received(edits)}")
    for edit in edits:
        _mapping(f"an edit of {name!r}", edit)
        for needed in _EDIT_NEEDS:
            _mapping(f"{needed} of an edit of {name!r}", edit.get(needed))
        for part, about in edit.items():
            checks.one_of(f"a part of an edit of {name!r}", part, (*_EDIT_PARTS, "values"))
            _mapping(f"{part} of an edit of {name!r}", about)
            _require_file(part_name(name, part), about, (_EDIT_PARTS.get(part, entry["dtype"]),))


def _length(name: str, shape: Any) -> None:
    if not isinstance(shape, list) or len(shape) != 1:
        raise ValueError(
            f"{name.replace('length', 'shape')} is {checks.received(shape)}, expected one length"
        )
    checks.integer(name, shape[0], 0, _LARGEST)


def _require_log(log: Mapping[str, Any]) -> None:
    _require_files("log, files", _mapping("log, files", log.get("files")), LOG_DTYPES)
    for name in ("time_min", "time_unit"):
        checks.integer(f"{name} of the log", log.get(name), 0, 2**64 - 1)
    _truth("has_items of the log", log.get("has_items"))
    if log.get("times") is not None:
        times = _mapping("times of the log", log["times"])
        _text("dtype of times of the log", times.get("dtype"))
        if times.get("zone") is not None:
            _text("zone of times of the log", times["zone"])


def _require_parts(parts: Mapping[str, Any]) -> None:
    folder = parts.get("folder")
    if not isinstance(folder, str) or not PARTS.fullmatch(folder):
        received = checks.received(folder)
        raise ValueError(f"folder of parts must be parts- and 8 digits, received {received}")
    for name, entry in _mapping("files of parts", parts.get("files")).items():
        if not _PART.fullmatch(name):
            raise ValueError(f"a part is called {checks.received(name)}, expected *.parquet")
        _mapping(f"parts, {name!r}", entry)
        for figure in ("bytes", "users", "interactions"):
            checks.integer(f"{figure} of {name!r}", entry.get(figure), 0, _LARGEST)


def _require_vocabularies(vocabularies: Mapping[str, Any]) -> None:
    for name in ("users", "items"):
        about = _mapping(f"vocabularies, {name!r}", vocabularies.get(name))
        checks.integer(f"size of {name}", about.get("size"), 0, MAX_ITEMS)
        _truth(f"is_identity of {name}", about.get("is_identity"))


def _require_window(name: str, window: Any) -> None:
    """What the native code is told of a split."""
    checks.one_of("a split", name, SPLITS)
    _mapping(f"split {name!r}", window)
    limits = {
        "split": (SPLITS.index(name), SPLITS.index(name)),
        "holdout": (0, 2),
        "max_sequence_length": (1, _LONGEST - 1),
        "stride": (0, window.get("max_sequence_length")),
        "num_negatives": (0, _LONGEST),
        "num_items": (0, MAX_ITEMS),
        "seed": (0, 2**64 - 1),
    }
    for key, (least, most) in limits.items():
        if key != "holdout" or window.get(key) is not None:
            checks.integer(f"{key} of {name}", window.get(key), least, most)
    for key in ("oldest", "reject_all", *(["prefixes"] if "prefixes" in window else [])):
        _truth(f"{key} of {name}", window.get(key))
    if window.get("prefixes") and (window["stride"] != 1 or window["oldest"] or window["split"]):
        raise ValueError(f"prefixes of {name}: they are of training, recent, and have stride 1")
    if window.get("exponent") is not None:
        checks.fraction(f"exponent of {name}", window["exponent"])


def _require_report(report: Mapping[str, Any]) -> None:
    """Figures that can be printed; what this version does not know is left out anyway."""
    _require_figures("report", report, Report)
    _require_figures("sequence_lengths", report.get("sequence_lengths", {}), Lengths)


def _require_figures(where: str, values: Any, kind: Any) -> None:
    _mapping(where, values)
    for field in fields(kind):
        value, label = values.get(field.name, 0), f"{where}, {field.name!r}"
        if field.type == "int":
            checks.integer(label, value, 0)
        elif field.type == "float" and not math.isfinite(checks.number(label, value)):
            raise ValueError(f"{label} is {value}, expected a finite number")
        elif field.type == "dict[str, int]":
            for name, count in _mapping(label, values.get(field.name, {})).items():
                checks.integer(f"{label}, {name!r}", count, 0)


def _require_shallow(content: Any) -> None:
    """Refuse nesting that would exhaust the stack of whoever walks down it."""
    level: list[Any] = [content]
    for _ in range(_DEEPEST):
        level = [part for holder in level for part in _parts(holder)]
    if level:
        raise ValueError(f"its values are nested more than {_DEEPEST} deep")


def _parts(holder: Any) -> Iterable[Any]:
    if isinstance(holder, dict):
        return holder.values()
    return holder if isinstance(holder, list) else ()


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a mapping, received {checks.received(value)}")
    return value


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be text, received {checks.received(value)}")


def _truth(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, received {checks.received(value)}")


def _digest(name: str, value: Any, digits: int) -> None:
    if not isinstance(value, str) or not _HEX[digits].fullmatch(value):
        received = checks.received(value)
        raise ValueError(f"{name} must be {digits} hexadecimal digits, received {received}")
