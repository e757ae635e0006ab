"""Prepared data in parts in a folder, of this machine or elsewhere.

Beside the parts, in a folder `parts-1a2b3c4d`, `_items.parquet` has the item ids in index order.
The manifest, written last and at once, says which folder counts; there is no fingerprint in it,
since that takes all of the data one after the other.
"""

import io
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sasrec_fast.errors import DataError
from sasrec_fast.saving import manifest
from sasrec_fast.saving.artifact import Folder, read_all
from sasrec_fast.saving.content import Parts, described
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.part_files import PartFiles
from sasrec_fast.saving.places import Place, is_elsewhere
from sasrec_fast.saving.schema import PARTS
from sasrec_fast.store import Rows, Sequences, Vocabulary

ITEMS_FILE = "_items.parquet"


@dataclass(frozen=True)
class _Parted(Folder):
    """A folder of parts that is being loaded, and its manifest."""

    place: Place

    @property
    def source(self) -> str:
        return f"{self.place.url}/{manifest.FILE_NAME}"

    @cached_property
    def files(self) -> PartFiles:
        """The files of the parts."""
        parts = self.content["parts"]
        folder = self.place.below(parts["folder"])
        sizes = folder.sizes()
        for name, entry in parts["files"].items():
            if sizes.get(name) != entry["bytes"]:
                found = "is missing" if name not in sizes else f"has {sizes[name]:,} bytes"
                raise DataError(f"{folder.below(name).url} {found}, expected {entry['bytes']:,}")
        return PartFiles(folder, parts["files"])

    def require_fingerprint(self) -> None:
        """There is none, since it takes all of the data one after the other."""

    def vocabulary(self, name: str) -> Vocabulary:
        about = self.content["vocabularies"][name]
        if about["is_identity"]:
            return Vocabulary.identity(about["size"])
        found = self.files.vocabulary() if name == "users" else _items(self.files.place)
        if len(found) != about["size"]:
            raise DataError(f"{self.source} has {about['size']:,} {name}, not {len(found):,}")
        return found

    def sequences(self, users: int, items: int) -> Sequences:
        return self.files.sequences(items)

    def rows(self, split: str, sequences: Sequences) -> Rows:
        return self.files.dated(sequences)[split]


def _items(place: Place) -> Vocabulary:
    import pyarrow.parquet  # late, since it takes a while

    file = place.below(ITEMS_FILE)
    try:
        column = pyarrow.parquet.read_table(io.BytesIO(file.read())).column(0)
        return Vocabulary(np.asarray(column) if pa.types.is_integer(column.type) else column)
    except (OSError, pa.ArrowException, TypeError, ValueError) as failure:
        raise DataError(f"{file.url} is damaged: {failure}") from None


def _write_items(place: Place, items: Vocabulary) -> None:
    import pyarrow.parquet  # late, since it takes a while

    ids = items.strings if items.are_strings else pa.array(items.ids)
    with io.BytesIO() as file:
        pyarrow.parquet.write_table(pa.table({"item_id": ids}), file)
        place.below(ITEMS_FILE).write(file.getvalue())


def commit(parts: Parts, files: PartFiles) -> None:
    """Write the items and then the manifest, which makes the parts those of their folder."""
    if not parts.items.is_identity:
        _write_items(files.place, parts.items)
    name = files.place.url.rpartition("/")[2]
    content = {
        **described(parts),
        "format_version": manifest.OF_PARTS,
        "parts": {"folder": name, "files": dict(files.entries)},
    }
    parent = files.place.path.rpartition("/")[0]
    if files.place.is_local:
        manifest.write(Path(parent), content)
    else:
        url = files.place.url.rpartition("/")[0]
        place = Place(url, parent, files.place.filesystem)
        place.below(manifest.FILE_NAME).write(manifest.signed(content))


@contextmanager
def writable_parts(place: Place) -> Iterator[Place]:
    """The folder to write parts to; `commit` makes them those of the place.

    In the end, what is not committed goes; the parts replaced stay until the next time.

    Raises:
        FileExistsError: The place holds something else than prepared data.
    """
    name = f"parts-{secrets.token_hex(4)}"
    if place.is_local:
        with writable_folder(Path(place.path)) as target:
            yield Place.of(target).below(name)
        return
    replaced = _used(place)
    others = place.names() - replaced
    if any(not PARTS.fullmatch(other) for other in others):
        raise FileExistsError(f"{place.url} is not replaced: it holds {min(others)!r}")
    try:
        yield place.below(name)
    finally:
        with suppress(Exception):
            for other in place.names() - replaced - _used(place):
                place.below(other).remove()


def _used(place: Place) -> set[str]:
    return manifest.file_names(_content(place)) if manifest.FILE_NAME in place.names() else set()


def _content(place: Place) -> dict[str, Any]:
    path = place.below(manifest.FILE_NAME)
    return manifest.parsed(path.read, path.url)


def is_parted(folder: Any) -> bool:
    """Whether a folder is elsewhere, or one of parts."""
    if is_elsewhere(folder):
        return True
    try:
        return "parts" in manifest.read_unchecked(Path(folder))
    except (OSError, DataError):
        return False  # whoever reads it says why


def load(folder: Any, *, verify: bool = False) -> Parts:
    """The parts of a folder of parts; see `sasrec_fast.load`."""
    place = Place.of(folder)
    try:
        content = _content(place)
    except FileNotFoundError:
        raise DataError(f"{place.url} has no {manifest.FILE_NAME}") from None
    source = f"{place.url}/{manifest.FILE_NAME}"
    content = manifest.checked(content, source)
    if "parts" not in content:
        raise DataError(f"{source} lists files, which are opened in a folder of this machine")
    found = _Parted(Path(place.path), content, place).parts()
    if verify:
        read_all(found)
    return found
