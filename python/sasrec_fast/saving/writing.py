"""Prepared data -> a folder: new files beside those there are, and a manifest that decides."""

import os
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sasrec_fast.errors import DataError
from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.artifact import opened
from sasrec_fast.saving.content import Parts, described, fingerprint_of, parts_of
from sasrec_fast.saving.edited import RowsOfUsers, edit, edited_entry
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.log_files import described_log, log_parts
from sasrec_fast.saving.replaced_file import replaced_file
from sasrec_fast.store import TimedSequences


@dataclass(frozen=True)
class Origin:
    """Where data was loaded from or saved to, it or what it was appended to.

    Attributes:
        folder: The folder.
        content: Its manifest then.
        known: Gives the data that was there, where it is still in memory.
    """

    folder: Path
    content: Mapping[str, Any]
    known: Callable[[], Parts | None] = lambda: None

    def __reduce__(self) -> tuple[Any, ...]:
        return Origin, (self.folder, self.content)

    def is_in(self, target: Path) -> bool:
        """Whether the folder to write to still holds that."""
        if os.path.realpath(self.folder) != os.path.realpath(target):
            return False
        try:
            return manifest.read(target) == self.content
        except (OSError, DataError):
            return False

    @cached_property
    def parts(self) -> Parts:
        """The data that was there."""
        return self.known() or opened(self.folder, self.content)


def save(
    data: Parts,
    folder: str | os.PathLike[str],
    origin: Origin | None = None,
    *,
    compact: bool = False,
) -> Origin:
    """Write prepared data into a folder; see `Prepared.save`.

    Where the folder holds what the data was appended to, files that stay are not written again,
    and large arrays as what became of them, unless they are to be compact.
    """
    _ = described(data)  # or TypeError, before anything is written
    with writable_folder(Path(folder)) as target:
        there = None if compact or origin is None or not origin.is_in(target) else origin
        return Origin(target, write_into(target, data, {}, there), weakref.ref(data))


def write_into(
    target: Path, data: Parts, written: Mapping[str, Path], there: Origin | None = None
) -> dict[str, Any]:
    """Write files and then the manifest, which is returned.

    Args:
        target: As `writable_folder` gives it.
        data: What to write.
        written: Parts that lie in hidden files of the folder.
        there: What the folder holds, to be gone on from.
    """
    writer = _Writer(target, data, written, there)
    files = {name: writer.entry("files", name, part) for name, part in parts_of(data).items()}
    content = {**described(data), "files": files}
    if data.log is not None:
        log = data.log.opened
        parts = log_parts(log, data.sequences, data.users, data.items)
        entries = {name: writer.entry("log", name, part) for name, part in parts.items()}
        content["log"] = {**described_log(log), "files": entries}
    of_log = content.get("log", {"files": {}})["files"]
    edited = any("edits" in entry for entry in (*files.values(), *of_log.values()))
    if not edited and "clock" not in content:
        content["format_version"] = manifest.WITHOUT_EDITS  # which earlier versions read, too
    content["fingerprint"] = fingerprint_of(content)
    manifest.write(target, content)
    return manifest.read(target)


@dataclass(frozen=True)
class _Writer:
    """Writes the parts of data into a folder."""

    target: Path
    data: Parts
    written: Mapping[str, Path]
    there: Origin | None

    def entry(self, section: str, name: str, part: Any) -> Mapping[str, Any]:
        """The entry of a part in the manifest, once its content is in the folder."""
        digest = stored.digest(part)
        before = self._before(section, name)
        if before is not None and before["digest"] == digest:
            return before
        if before is not None:
            rows = self._rows(name)
            parts = None if rows is None else edit(*rows)
            about = {"shape": [len(part)], "digest": digest}
            made = parts and edited_entry(before, parts, about, self._write, name)
            if made:
                return made
        return self._write(name, part, digest)

    def _before(self, section: str, name: str) -> Mapping[str, Any] | None:
        if self.there is None:
            return None
        content = self.there.content
        files = content["files"] if section == "files" else content.get("log", {}).get("files", {})
        entry: Mapping[str, Any] | None = files.get(name)
        return entry if entry and "file" in entry else None  # plain names are those of version 1

    def _rows(self, name: str) -> tuple[RowsOfUsers, RowsOfUsers] | None:
        """The array of a part there was and now; None where it is not edited."""
        assert self.there is not None
        old, new = (_rows_of(data, name) for data in (self.there.parts, self.data))
        if old is None or new is None or old.values.dtype != new.values.dtype:
            return None
        return old, new

    def _write(self, name: str, part: Any, digest: str = "") -> dict[str, Any]:
        digest = digest or stored.digest(part)
        path = self.target / name.replace(".", f"-{digest[:8]}.")
        if name in self.written:
            self.written[name].replace(path)
            about = stored.about(path, part)
        else:
            with replaced_file(path) as temporary:
                about = stored.write(temporary, part)
        return {"file": path.name, **about, "digest": digest}


def _rows_of(data: Parts, name: str) -> RowsOfUsers | None:
    if name == "items.npy":
        store = data.sequences
        return RowsOfUsers(data.users, store.offsets, store.items, data.items)
    if name == "times.npy":
        timed = data.sequences
        assert isinstance(timed, TimedSequences)
        return RowsOfUsers(data.users, timed.offsets, timed.times, None)
    if data.log is None or name not in ("log_items.npy", "log_times.npy"):
        return None
    log = data.log.opened
    if name == "log_items.npy":
        return RowsOfUsers(log.users, log.shard.offsets, log.shard.items, log.items)
    return RowsOfUsers(log.users, log.shard.offsets, log.shard.times, None)
