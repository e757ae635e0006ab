"""Prepared data in a folder: written once, loaded at once at any size.

The manifest, `manifest.json`, has the options, the report, versions, and what each file must be
like. The files are `offsets`, `items` and `user_keys` (the compact store) and the ids in `user_ids`
and `item_ids`, `.npy` for integers and `.arrow` for strings. Item ids that are their own indices
have no file. Data prepared with times has `times`, and how these came of the timestamps is in the
manifest. Where times decide what is held out, `train_users`, `train_ends` and so on list the
rows of each split.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import LONGEST, Clock
from sasrec_fast.errors import DataError, note
from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.content import (
    ITEMS_OPTION,
    VOCABULARIES,
    Parts,
    fingerprint_of,
    parts_of,
    splits_of,
)
from sasrec_fast.saving.edited import open_edited
from sasrec_fast.saving.first_use import (
    Column,
    StoredRows,
    StoredSequences,
    StoredTimedSequences,
    anything,
    ascending,
    require_length,
    rising,
    within,
)
from sasrec_fast.saving.log_files import StoredLog
from sasrec_fast.saving.schema import file_name
from sasrec_fast.store import (
    SPLITS,
    Lengths,
    Report,
    Rows,
    Sequences,
    Vocabulary,
    WindowOptions,
    make_splits,
)


def load(
    folder: str | os.PathLike[str], *, verify: bool = False
) -> tuple[Parts, Mapping[str, Any]]:
    """The parts of prepared data in a folder, and its manifest; see `sasrec_fast.load`."""
    path = Path(folder)
    content = manifest.read(path)
    while True:
        try:
            parts = opened(path, content)
            if verify:
                read_all(parts)
            return parts, content
        except DataError:
            again = manifest.read(path)
            if again == content:
                raise
            content = again  # replaced meanwhile, twice: its files are gone


def opened(folder: Path, content: Mapping[str, Any]) -> Parts:
    """The parts of prepared data in a folder that has this manifest."""
    return Folder(folder, content).parts()


def read_all(parts: Parts) -> None:
    """Use everything for the first time, which compares it with its digest."""
    parts_of(parts)
    for split in splits_of(parts):
        _ = split.sequence_rows.users, split.sequence_rows.ends
    for vocabulary in (parts.users, parts.items):
        _ = vocabulary.strings if vocabulary.are_strings else vocabulary.ids
    if parts.log is not None:
        _ = parts.log.opened


@dataclass(frozen=True)
class Folder:
    """A folder of files that is being loaded, and its manifest."""

    path: Path
    content: Mapping[str, Any]

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
        return self.path / file_name(name, entry), entry

    def column(self, name: str, check: Callable[[NDArray[Any]], str]) -> Column:
        """The array of a part, checked when it is first used; see `first_use.Column`."""
        path, entry = self.file(f"{name}.npy")
        return self._column(path, f"{name}.npy", entry, check)

    def _column(
        self,
        path: Path,
        name: str,
        entry: Mapping[str, Any],
        check: Callable[[NDArray[Any]], str],
    ) -> Column:
        make = open_edited(self.path, name, entry)
        return Column(path, entry["digest"], entry["shape"][0], make, check)

    def parts(self) -> Parts:
        """All of it."""
        self.require_fingerprint()
        users, items = map(self.vocabulary, VOCABULARIES)
        sequences = self.sequences(len(users), len(items))
        windows = {name: self._window(name, len(items)) for name in self.content["splits"]}
        if SPLITS[0] not in windows:
            raise DataError(f"{self.source} has no {SPLITS[0]} split")
        dated = {
            name: self.rows(name, sequences) for name, of in windows.items() if of.holdout is None
        }
        ordered = sorted(windows.values(), key=lambda window: window.split)
        splits = make_splits(sequences, (users, items), ordered, dated)
        options = self._options(items)
        log = self._log(sequences, {"user_ids": users, "item_ids": items})
        return Parts.of_splits(splits, (users, items), self._report(), options, log)

    def _log(
        self, sequences: Sequences, vocabularies: Mapping[str, Vocabulary]
    ) -> StoredLog | None:
        content = self.content.get("log")
        if content is None:
            return None
        columns, known = {}, dict(vocabularies)
        for name, entry in content["files"].items():
            path = self.path / file_name(name, entry)
            stem, _, suffix = name.removeprefix("log_").rpartition(".")
            if stem in known:
                known[stem] = _ids(path, entry, entry["shape"][0], suffix == "arrow")
            else:
                columns[stem] = self._column(path, name, entry, anything)
        return StoredLog(content, columns, known, sequences)

    def require_fingerprint(self) -> None:
        """Refuse a manifest whose fingerprint is not that of what it lists."""
        if self.content["fingerprint"] != fingerprint_of(self.content):
            raise DataError(f"{self.source} is damaged: its fingerprint is not that of its files")

    def _options(self, items: Vocabulary) -> dict[str, Any]:
        options = {
            name: items if value == ITEMS_OPTION else manifest.decode(value)
            for name, value in self.content["options"].items()
        }
        options.setdefault("times", False)
        for name in ("max_sequence_length", "seed"):
            expected = self.content["splits"][SPLITS[0]][name]
            if options.get(name) != expected:
                raise DataError(
                    f"{self.source}: option {name!r} is {checks.received(options.get(name))}, "
                    f"but the {SPLITS[0]} split has {expected}"
                )
        return options

    def sequences(self, users: int, items: int) -> Sequences:
        """The store; that lengths fit together is checked at once, in three pages of files."""
        columns = {
            "offsets": self.column("offsets", ascending),
            "items": self.column("items", partial(within, 1, items)),
            "user_keys": self.column("user_keys", anything),
        }
        offsets, total = columns["offsets"], columns["items"].length
        for name, expected in (("offsets", users + 1), ("user_keys", users)):
            require_length(columns[name], expected)
        first, last = offsets.values[0], offsets.values[-1]
        if first != 0 or last != total:
            raise DataError(
                f"{offsets.path} is damaged: it runs from {first} to {last}, expected 0 to "
                f"{total}, the length of items.npy"
            )
        if "clock" not in self.content:
            return StoredSequences(columns)
        columns["times"] = self.column("times", partial(within, 0, LONGEST))
        require_length(columns["times"], total)
        with stored.damage(self.path / manifest.FILE_NAME):
            clock = Clock.from_dict(self.content["clock"])
        return StoredTimedSequences(columns, clock)

    def vocabulary(self, name: str) -> Vocabulary:
        """The ids of "users" or "items"."""
        about, ids = self.content["vocabularies"][name], VOCABULARIES[name]
        if about["is_identity"]:
            return Vocabulary.identity(about["size"])
        are_strings = f"{ids}.arrow" in self.content["files"]
        path, entry = self.file(f"{ids}.arrow" if are_strings else f"{ids}.npy")
        return _ids(path, entry, about["size"], are_strings)

    def rows(self, split: str, sequences: Sequences) -> Rows:
        """The rows of a split where times decide what is held out."""
        columns = {
            "users": self.column(f"{split}_users", partial(rising, len(sequences))),
            "ends": self.column(f"{split}_ends", partial(within, 2, 2**31 - 1)),
        }
        require_length(columns["ends"], columns["users"].length)
        return StoredRows(columns, sequences)

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
            note(
                f"{source} has {', '.join(map(repr, unknown))}, which this version does not "
                "know; left out",
            )
        assert isinstance(report, Report)
        return report


def _ids(path: Path, entry: Mapping[str, Any], size: int, are_strings: bool) -> Vocabulary:
    """A vocabulary in a file, which is read when it is first used."""
    found = stored.open_strings(path, entry) if are_strings else stored.open_array(path, entry)
    if len(found) != size:
        raise DataError(f"{path} has {len(found):,} ids, expected {size:,}")
    check = partial(stored.require_distinct, path, found, entry["digest"])
    return Vocabulary.trusted(found, check=check)
