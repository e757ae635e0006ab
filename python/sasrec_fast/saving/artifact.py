"""Prepared data in a folder: written once, loaded at once at any size.

The folder holds `offsets.npy`, `items.npy` and `user_keys.npy` (the compact store), the ids in
`user_ids` and `item_ids`, `.npy` for integers and `.arrow` for strings, and `manifest.json`: the
options, the report, versions, and what each file must be like. Item ids that are their own indices
have no file. Where times decide what is held out, `train_users.npy`, `train_ends.npy` and so on
list the rows of each split.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from sasrec_fast.errors import DataError
from sasrec_fast.saving import manifest, replacement, stored
from sasrec_fast.store import (
    SPLITS,
    Report,
    Rows,
    Sequences,
    Split,
    Vocabulary,
    WindowOptions,
    make_splits,
)

_VOCABULARIES = {"users": "user_ids", "items": "item_ids"}
_ROW_COLUMNS = ("users", "ends")
_ITEMS_OPTION = {"vocabulary": "items"}


@dataclass(frozen=True, eq=False, repr=False)
class Parts:
    """What prepared data consists of.

    Attributes:
        train: Training rows.
        validation: Validation rows; None for holdout 0.
        test: Test rows; None for holdout 0 and 1.
        users: User ids; row u of the store is index u + 1.
        items: Item ids.
        sequences: The compact store.
        report: What was kept, dropped, cut and ambiguous.
        options: The options of `prepare` this was made with.
    """

    train: Split
    validation: Split | None
    test: Split | None
    users: Vocabulary
    items: Vocabulary
    sequences: Sequences
    report: Report
    options: Mapping[str, Any]


def save(data: Parts, folder: str | os.PathLike[str]) -> None:
    """Write prepared data into a folder; see `Prepared.save`."""
    content = _described(data)
    parts = _parts(data)
    with replacement.replacement(Path(folder), _require_replaceable) as temporary:
        files = {name: stored.write(temporary / name, part) for name, part in parts.items()}
        digests = {name: entry["digest"] for name, entry in files.items()}
        identity = _fingerprint(content, digests)
        manifest.write(temporary, {**content, "files": files, "fingerprint": identity})


def load(folder: str | os.PathLike[str], *, verify: bool = False) -> tuple[Parts, str]:
    """The parts of prepared data in a folder, and its fingerprint; see `sasrec_fast.load`."""
    path = replacement.current(Path(folder))
    content = manifest.read(path)
    while True:
        failure: DataError | None = None
        try:
            data = _open(path, content, verify)
        except DataError as error:
            failure = error
        # Replaced meanwhile, the files opened may be of two saves.
        path = replacement.current(Path(folder), warn=False)
        again = manifest.read(path)
        if again != content:
            content = again
        elif failure is not None:
            raise failure
        else:
            return data, content["fingerprint"]


def fingerprint(data: Parts) -> str:
    """See `Prepared.fingerprint`."""
    digests = {name: stored.digest(part) for name, part in _parts(data).items()}
    return _fingerprint(_described(data), digests)


def _parts(data: Parts) -> dict[str, Any]:
    """The content of each file."""
    store = data.sequences
    parts = {
        f"{field.name}.npy": stored.little_endian(getattr(store, field.name))
        for field in fields(Sequences)
    }
    for split in _splits(data):
        if split._options.holdout is None:
            for column in _ROW_COLUMNS:
                rows = getattr(split.sequence_rows, column)
                parts[_row_file(split.name, column)] = stored.little_endian(rows)
    for attribute, name in _VOCABULARIES.items():
        vocabulary: Vocabulary = getattr(data, attribute)
        if vocabulary.is_identity:
            continue
        if vocabulary.ids.dtype == object:
            parts[f"{name}.arrow"] = stored.strings(vocabulary.ids)
        else:
            parts[f"{name}.npy"] = stored.little_endian(vocabulary.ids)
    return parts


def _splits(data: Parts) -> list[Split]:
    return [split for split in (data.train, data.validation, data.test) if split is not None]


def _row_file(split: str, column: str) -> str:
    return f"{split}_{column}.npy"


def _described(data: Parts) -> dict[str, Any]:
    """All of the manifest but for the files."""
    from sasrec_fast import __version__

    return {
        "format": manifest.FORMAT,
        "format_version": manifest.FORMAT_VERSION,
        "package_version": __version__,
        "options": {name: _option(name, value, data) for name, value in data.options.items()},
        "splits": {split.name: _window(split.name, split._options) for split in _splits(data)},
        "vocabularies": {
            name: {"size": len(vocabulary), "is_identity": vocabulary.is_identity}
            for name, vocabulary in (("users", data.users), ("items", data.items))
        },
        "report": manifest.encode(data.report.to_dict(), "report"),
    }


def _option(name: str, value: Any, data: Parts) -> Any:
    if isinstance(value, Vocabulary) and (value is data.items or value == data.items):
        return _ITEMS_OPTION
    return manifest.encode(value, f"option {name!r}")


def _window(split: str, options: WindowOptions) -> dict[str, Any]:
    return {
        field.name: manifest.encode(getattr(options, field.name), f"{split}.{field.name}")
        for field in fields(WindowOptions)
    }


def _fingerprint(content: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    said = {name: content[name] for name in ("format_version", "splits", "vocabularies")}
    return manifest.digest_of({**said, "digests": dict(digests)})[:32]


def _open(path: Path, content: Mapping[str, Any], verify: bool) -> Parts:
    files = content["files"]
    source = f"{path / manifest.FILE_NAME} (sasrec_fast {content['package_version']})"
    lacking = [f.name for f in fields(Sequences) if f"{f.name}.npy" not in files]
    if lacking:
        raise DataError(f"{source} lists no {lacking[0]}.npy, which this version needs")
    arrays = {
        field.name: stored.open_array(
            path / f"{field.name}.npy", files[f"{field.name}.npy"], verify=verify
        )
        for field in fields(Sequences)
    }
    sequences = Sequences(**arrays)
    users, items = (_vocabulary(path, name, content, verify) for name in _VOCABULARIES)
    _require_consistent(path, sequences, len(users))
    windows = [
        _window_options(values, len(items), f"{source}, {name!r}")
        for name, values in content["splits"].items()
    ]
    windows.sort(key=lambda window: window.split)
    rows = {
        SPLITS[window.split]: _rows(path, SPLITS[window.split], files, source, verify)
        for window in windows
        if window.holdout is None
    }
    made = make_splits(sequences, (users, items), windows, rows)
    splits = {split.name: split for split in made}
    options = {
        name: items if value == _ITEMS_OPTION else manifest.decode(value)
        for name, value in content["options"].items()
    }
    report = _report(content["report"], source)
    train, validation, test = (splits.get(name) for name in SPLITS)
    if train is None:
        raise DataError(f"{source} has no train split")
    return Parts(train, validation, test, users, items, sequences, report, options)


def _vocabulary(path: Path, name: str, content: Mapping[str, Any], verify: bool) -> Vocabulary:
    files, about = content["files"], content["vocabularies"][name]
    if about["is_identity"]:
        return stored.StoredVocabulary.identity(about["size"])
    strings = path / f"{_VOCABULARIES[name]}.arrow"
    if strings.name in files:
        array = stored.open_strings(strings, files[strings.name], verify=verify)
        return stored.StoredVocabulary.of_strings(array, strings)
    numbers = path / f"{_VOCABULARIES[name]}.npy"
    return Vocabulary(stored.open_array(numbers, files[numbers.name], verify=verify))


def _rows(path: Path, split: str, files: Mapping[str, Any], source: str, verify: bool) -> Rows:
    columns = []
    for column in _ROW_COLUMNS:
        name = _row_file(split, column)
        if name not in files:
            raise DataError(f"{source} lists no {name}, which the split needs")
        columns.append(stored.open_array(path / name, files[name], verify=verify))
    users, ends = columns
    if users.shape != ends.shape:
        raise DataError(
            f"{path / _row_file(split, 'ends')} has shape {ends.shape}, expected {users.shape}"
        )
    return Rows(users, ends)


def _window_options(values: Mapping[str, Any], num_items: int, source: str) -> WindowOptions:
    window, unknown = manifest.rebuild(WindowOptions, manifest.decode(values), source)
    if unknown:
        raise DataError(f"{source} has {unknown[0]!r}, which this version does not know")
    if window.num_items != num_items:
        raise DataError(f"{source} is of {window.num_items:,} items, the ids of {num_items:,}")
    assert isinstance(window, WindowOptions)
    return window


def _report(values: Any, source: str) -> Report:
    report, unknown = manifest.rebuild(Report, manifest.decode(values), f"{source}, 'report'")
    if unknown:
        warnings.warn(
            f"{source}: the report has {', '.join(map(repr, unknown))}, which this version does "
            "not know; left out",
            stacklevel=4,
        )
    assert isinstance(report, Report)
    return report


def _require_consistent(path: Path, sequences: Sequences, users: int) -> None:
    offsets, items = sequences.offsets, sequences.items
    expected = {"offsets": (users + 1,), "items": (len(items),), "user_keys": (users,)}
    for name, shape in expected.items():
        found = getattr(sequences, name).shape
        if found != shape:
            raise DataError(f"{path / name}.npy has shape {found}, expected {shape}")
    if offsets[0] != 0 or offsets[-1] != len(items):
        raise DataError(
            f"{path / 'offsets.npy'} is damaged: it runs from {offsets[0]} to {offsets[-1]}, "
            f"expected 0 to {len(items)}, the length of items.npy"
        )


def _require_replaceable(folder: Path) -> None:
    """Refuse to replace a folder that holds anything but saved data."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a new folder or saved data can be written to")
    names = {path.name for path in folder.iterdir()}
    if not names:
        return
    try:
        listed = manifest.read_unchecked(folder).get("files")
    except DataError as failure:
        raise FileExistsError(f"{folder} is not replaced: {failure}") from None
    own = {manifest.FILE_NAME, *(listed if isinstance(listed, dict) else ())}
    others = sorted(names - own)
    if others:
        raise FileExistsError(
            f"{folder} is not replaced: it holds {others[0]!r}, which is no part of saved data"
        )
