"""Prepared data in a folder: written once, loaded at once at any size.

The manifest, `manifest.json`, has the options, the report, versions, and what each file must be
like. The files are `offsets`, `items` and `user_keys` (the compact store) and the ids in `user_ids`
and `item_ids`, `.npy` for integers and `.arrow` for strings. Item ids that are their own indices
have no file. Where times decide what is held out, `train_users`, `train_ends` and so on list the
rows of each split.
"""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.replaced_file import replaced_file
from sasrec_fast.store import (
    SPLITS,
    Lengths,
    Report,
    Rows,
    Sequences,
    Split,
    Vocabulary,
    WindowOptions,
    make_splits,
)

_VOCABULARIES = {"users": "user_ids", "items": "item_ids"}
_ITEMS_OPTION = {"vocabulary": "items"}


@dataclass(frozen=True, eq=False, repr=False)
class Parts:
    """What prepared data consists of; see `Prepared`."""

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
    files = {}
    with writable_folder(Path(folder)) as target:
        for name, part in _parts(data).items():
            digest = stored.digest(part)
            path = target / name.replace(".", f"-{digest[:8]}.")
            with replaced_file(path) as temporary:
                about = stored.write(temporary, part)
            files[name] = {"file": path.name, **about, "digest": digest}
        digests = {name: entry["digest"] for name, entry in files.items()}
        identity = _fingerprint(content, digests)
        manifest.write(target, {**content, "files": files, "fingerprint": identity})


def load(folder: str | os.PathLike[str], *, verify: bool = False) -> tuple[Parts, str]:
    """The parts of prepared data in a folder, and its fingerprint; see `sasrec_fast.load`."""
    path = Path(folder)
    content = manifest.read(path)
    while True:
        try:
            return _Folder(path, content, verify).parts(), content["fingerprint"]
        except DataError:
            again = manifest.read(path)
            if again == content:
                raise
            content = again  # replaced meanwhile, twice: its files are gone


def fingerprint(data: Parts) -> str:
    """See `Prepared.fingerprint`."""
    digests = {name: stored.digest(part) for name, part in _parts(data).items()}
    return _fingerprint(_described(data), digests)


def _fingerprint(content: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    said = {name: content[name] for name in ("splits", "vocabularies")}
    return manifest.digest_of({**said, "format_version": 1, "digests": dict(digests)})[:32]


def _parts(data: Parts) -> dict[str, Any]:
    """The content of each file, by its name in the manifest."""
    columns = {f"{name}.npy": array for name, array in vars(data.sequences).items()}
    for split in _splits(data):
        if split._options.holdout is None:
            rows = split.sequence_rows
            columns |= {f"{split.name}_users.npy": rows.users, f"{split.name}_ends.npy": rows.ends}
    parts = {name: stored.little_endian(array) for name, array in columns.items()}
    for attribute, name in _VOCABULARIES.items():
        vocabulary: Vocabulary = getattr(data, attribute)
        if vocabulary.are_strings:
            parts[f"{name}.arrow"] = vocabulary.strings
        elif not vocabulary.is_identity:
            parts[f"{name}.npy"] = stored.little_endian(vocabulary.ids)
    return parts


def _splits(data: Parts) -> list[Split]:
    return [split for split in (data.train, data.validation, data.test) if split is not None]


def _described(data: Parts) -> dict[str, Any]:
    """All of the manifest but for the files."""
    from sasrec_fast import __version__

    return {
        "format": manifest.FORMAT,
        "format_version": manifest.FORMAT_VERSION,
        "package_version": __version__,
        "options": {name: _option(name, value, data) for name, value in data.options.items()},
        "splits": {
            split.name: {
                name: manifest.encode(value, f"{split.name}.{name}")
                for name, value in vars(split._options).items()
            }
            for split in _splits(data)
        },
        "vocabularies": {
            name: {"size": len(ids), "is_identity": ids.is_identity}
            for name, ids in (("users", data.users), ("items", data.items))
        },
        "report": data.report.to_dict(),
    }


def _option(name: str, value: Any, data: Parts) -> Any:
    if isinstance(value, Vocabulary) and value == data.items:
        return _ITEMS_OPTION
    return manifest.encode(value, f"option {name!r}")


@dataclass(frozen=True)
class _Folder:
    """A folder that is being loaded, and its manifest."""

    path: Path
    content: Mapping[str, Any]
    verify: bool

    @property
    def source(self) -> str:
        """What messages call the manifest."""
        version = self.content["package_version"]
        return f"{self.path / manifest.FILE_NAME} (sasrec_fast {version})"

    def file(self, name: str) -> tuple[Path, Mapping[str, Any]]:
        """The file of a part, and what it must be like."""
        entry = self.content["files"].get(name)
        if entry is None:
            raise DataError(f"{self.source} lists no {name}, which this version needs")
        return self.path / manifest.file_name(name, entry), entry

    def array(self, name: str) -> NDArray[Any]:
        """The array of a part."""
        return stored.open_array(*self.file(f"{name}.npy"), verify=self.verify)

    def parts(self) -> Parts:
        """All of it."""
        sequences = Sequences(*(self.array(field.name) for field in fields(Sequences)))
        users, items = map(self._vocabulary, _VOCABULARIES)
        self._require_consistent(sequences, len(users))
        windows = {name: self._window(name, len(items)) for name in self.content["splits"]}
        if SPLITS[0] not in windows:
            raise DataError(f"{self.source} has no {SPLITS[0]} split")
        dated = {name: self._rows(name) for name, of in windows.items() if of.holdout is None}
        ordered = sorted(windows.values(), key=lambda window: window.split)
        splits = make_splits(sequences, (users, items), ordered, dated)
        options = {
            name: items if value == _ITEMS_OPTION else manifest.decode(value)
            for name, value in self.content["options"].items()
        }
        validation, test = [*splits[1:], None, None][:2]
        report = self._report()
        return Parts(splits[0], validation, test, users, items, sequences, report, options)

    def _vocabulary(self, name: str) -> Vocabulary:
        about, ids = self.content["vocabularies"][name], _VOCABULARIES[name]
        if about["is_identity"]:
            return Vocabulary.identity(about["size"])
        if f"{ids}.arrow" in self.content["files"]:
            path, entry = self.file(f"{ids}.arrow")
            strings = stored.open_strings(path, entry, verify=self.verify)
            return Vocabulary.trusted(strings, source=str(path))
        return Vocabulary.trusted(self.array(ids))

    def _rows(self, split: str) -> Rows:
        users, ends = (self.array(f"{split}_{column}") for column in ("users", "ends"))
        if users.shape != ends.shape:
            path = self.file(f"{split}_ends.npy")[0]
            raise DataError(f"{path} has shape {ends.shape}, expected {users.shape}")
        return Rows(users, ends)

    def _window(self, split: str, num_items: int) -> WindowOptions:
        source = f"{self.source}, {split!r}"
        window, unknown = manifest.rebuild(WindowOptions, self.content["splits"][split], source)
        if unknown:
            raise DataError(f"{source} has {unknown[0]!r}, which this version does not know")
        if window.num_items != num_items:
            raise DataError(f"{source} is of {window.num_items:,} items, the ids of {num_items:,}")
        assert isinstance(window, WindowOptions)
        return window

    def _report(self) -> Report:
        source, values = f"{self.source}, 'report'", dict(self.content["report"])
        inner = values.get("sequence_lengths", {})
        values["sequence_lengths"], unknown = manifest.rebuild(Lengths, inner, source)
        report, more = manifest.rebuild(Report, values, source)
        if unknown := [*more, *(f"sequence_lengths.{name}" for name in unknown)]:
            warnings.warn(
                f"{source} has {', '.join(map(repr, unknown))}, which this version does not "
                "know; left out",
                stacklevel=5,
            )
        assert isinstance(report, Report)
        return report

    def _require_consistent(self, sequences: Sequences, users: int) -> None:
        offsets, items = sequences.offsets, sequences.items
        expected = {"offsets": (users + 1,), "items": (len(items),), "user_keys": (users,)}
        for name, shape in expected.items():
            found = getattr(sequences, name).shape
            if found != shape:
                path = self.file(f"{name}.npy")[0]
                raise DataError(f"{path} has shape {found}, expected {shape}")
        if offsets[0] != 0 or offsets[-1] != len(items):
            raise DataError(
                f"{self.file('offsets.npy')[0]} is damaged: it runs from {offsets[0]} to "
                f"{offsets[-1]}, expected 0 to {len(items)}, the length of items.npy"
            )
