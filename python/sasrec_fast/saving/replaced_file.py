"""Writes a file as a whole: until the end, and after any failure, the previous one is there.

The content goes to a hidden file beside it, `.name.unfinished-*`, which is flushed to disk and then
renamed. What a killed process leaves is removed by the next writer of the same name; a lock, which
ends with its process, tells it from a file that is being written.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sasrec_fast.saving.replacement import flush_folder, lock, locked, resolved, sibling, siblings

if TYPE_CHECKING:
    from collections.abc import Iterator


def require_writable(name: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse, before any work is done, a file that cannot be written.

    Args:
        name: Of the argument, for messages.
        path: The file.
        suffixes: Those allowed.

    Raises:
        ValueError: Another suffix, a folder, or a parent that is no folder one can write to.
    """
    parent = path.absolute().parent
    if path.suffix not in suffixes:
        raise ValueError(f"{name} {path}: expected a name that ends in {' or '.join(suffixes)}")
    if path.is_dir():
        raise ValueError(f"{name} {path} is a folder, expected a file")
    if not parent.is_dir():
        raise ValueError(f"{name} {path}: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"{name} {path}: the folder {parent} cannot be written to")


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path to write to, with the suffix of `path`; it becomes `path` in the end.

    After an error or an interrupt `path` is as it was. Symbolic links are followed.
    """
    target = resolved(path)
    with locked(target.parent):
        _clear_leftovers(target)
        unfinished = sibling(target, "unfinished")
        temporary = unfinished.with_name(unfinished.name + target.suffix)
        temporary.touch()
        descriptor = lock(temporary, wait=False)
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
        flush_folder(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _clear_leftovers(target: Path) -> None:
    """Remove what killed writers left; the parent is locked."""
    for leftover in siblings(target, "unfinished"):
        descriptor = lock(leftover, wait=False)
        if descriptor is not None and leftover.is_file():
            leftover.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)
