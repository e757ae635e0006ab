"""Arrays that are stored as those of an earlier save, and what became of them.

Where rows were appended, the large arrays, one value a row, are the earlier ones with further
values in between: `items_places-1a2b3c4d.npy` and `items_values-...` say where and which. Values of
users who lost a row are written anew, and `items_removed` says which are gone; where items have new
indices, `items_codes` has them by the earlier ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.saving import stored
from sasrec_fast.saving.schema import file_name, part_name
from sasrec_fast.store import Vocabulary, union

_MOST_EDITS = 16
"""Of one array, before it is written whole again."""
_WORTH = 4
"""An edit takes at most one part in so many of what the whole array takes."""


@dataclass(frozen=True)
class RowsOfUsers:
    """An array with a value for each row.

    Attributes:
        users: The users, ascending.
        offsets: int64 [U + 1], as of the compact store.
        values: The array.
        items: What the values are indices or codes of, ascending or extended; None where they are
            anything else, or codes that stay.
    """

    users: Vocabulary
    offsets: NDArray[np.int64]
    values: NDArray[Any]
    items: Vocabulary | None


def edit(old: RowsOfUsers, new: RowsOfUsers) -> dict[str, NDArray[Any]] | None:
    """What makes the old array the new one, by part; None where that is much, or cannot be said."""
    users = union(new.users, old.users, "")
    if len(users.ids) != len(new.users):
        return None
    values = old.values
    parts: dict[str, NDArray[Any]] = {}
    codes = _codes(old.items, new.items)
    if codes is not None:
        if not codes[1:].all():
            return None
        values, parts["codes"] = codes[values], codes
    removed, places = _core.find_edit((old.offsets, values), (new.offsets, new.values), users.new)
    parts |= {"places": places, "values": new.values[places]}
    if len(removed):
        parts["removed"] = removed
    large = sum(part.nbytes for part in parts.values()) * _WORTH > new.values.nbytes
    return None if large else parts


def _codes(old: Vocabulary | None, new: Vocabulary | None) -> NDArray[np.int32] | None:
    """The new index of each old one; None where they are the same."""
    if old is None or new is None or old is new:
        return None
    places = new.index(old.strings if old.are_strings else old.ids)
    if np.array_equal(places, np.arange(1, len(old) + 1)):
        return None
    return np.concatenate([np.zeros(1, np.int32), places])


def edited_entry(
    entry: Mapping[str, Any],
    parts: Mapping[str, NDArray[Any]],
    about: Mapping[str, Any],
    write: Callable[[str, Any], Mapping[str, Any]],
    name: str,
) -> dict[str, Any] | None:
    """The entry of an array that is one edit more than an entry; None after too many of them.

    Args:
        entry: Of the array as it was.
        parts: See `edit`.
        about: Shape and digest of the array as it is.
        write: Writes a part of a name into a file, and returns its entry.
        name: Of the array.
    """
    edits = entry.get("edits", [])
    if len(edits) >= _MOST_EDITS:
        return None
    written = {part: write(part_name(name, part), array) for part, array in parts.items()}
    whole = entry.get("whole", entry["shape"])
    return {**entry, **about, "whole": whole, "edits": [*edits, written]}


def open_edited(folder: Path, name: str, entry: Mapping[str, Any]) -> Callable[[], NDArray[Any]]:
    """Open the files of an array; what is returned makes it of them, after all of its edits.

    Raises:
        DataError: A file is missing, or has another header; later, files that do not fit together.
    """
    path = folder / file_name(name, entry)
    whole = stored.open_array(path, {**entry, "shape": entry.get("whole", entry["shape"])})
    edits = [
        {part: _opened(folder, part_name(name, part), about) for part, about in parts.items()}
        for parts in entry.get("edits", [])
    ]
    return partial(_edited, path, whole, edits)


@dataclass(frozen=True)
class _Part:
    """A part of an edit, mapped but not read."""

    path: Path
    array: NDArray[Any]
    digest: str

    def checked(self) -> NDArray[Any]:
        stored.require_content(self.path, self.array, self.digest)
        return self.array


def _opened(folder: Path, name: str, entry: Mapping[str, Any]) -> _Part:
    path = folder / file_name(name, entry)
    return _Part(path, stored.open_array(path, entry), entry["digest"])


def _edited(path: Path, whole: NDArray[Any], edits: list[dict[str, _Part]]) -> NDArray[Any]:
    found = whole
    for parts in edits:
        checked = {name: part.checked() for name, part in parts.items()}
        with stored.damage(path):
            if "codes" in checked:
                found = checked["codes"][found]
            removed = checked.get("removed", np.zeros(0, np.int64))
            found = _core.apply_edit(found, (removed, checked["places"]), checked["values"])
    found.flags.writeable = False
    return found
