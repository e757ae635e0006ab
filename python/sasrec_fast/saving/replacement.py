"""Replaces a folder as a whole: whatever happens, either its old or its new content is there.

The new content is written to a hidden folder beside the old one, `.name.unfinished-*`, and flushed
to disk. Then the old folder is renamed to `.name.replaced-*`, the new one gets its name, and the
old one is removed. A process killed between the two renames leaves the old content complete in
`.name.replaced-*`: it is read from there, and the next replacement puts it back first. That one
also removes what killed processes left; a lock, which ends with its process, tells these from
folders that are being written.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


@contextmanager
def replacement(folder: Path, require_replaceable: Callable[[Path], None]) -> Iterator[Path]:
    """Write into the folder that is yielded; it takes the place of `folder` in the end.

    Args:
        folder: Folder to make or replace; missing parents are made, symbolic links followed.
        require_replaceable: Raises where the present content of a folder must not be lost.
    """
    target = resolved(folder)
    require_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with locked(target.parent):
        _clear_leftovers(target)
        temporary = sibling(target, "unfinished")
        temporary.mkdir()
        descriptor = lock(temporary, wait=False)
    try:
        yield temporary
        _flush(temporary)
        with locked(target.parent):
            require_replaceable(target)
            _swap(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    finally:
        if descriptor is not None:
            os.close(descriptor)


def current(folder: Path, *, warn: bool = True) -> Path:
    """Where the content of a folder is: there, or set aside by a killed replacement.

    Warns:
        UserWarning: It had been set aside, unless `warn` is False.
    """
    target = resolved(folder)
    if target.exists() or not siblings(target, "replaced"):
        return target
    with locked(target.parent):  # a replacement that is alive ends first
        aside = siblings(target, "replaced")
        if target.exists() or not aside:
            return target
    if warn:
        warnings.warn(
            f"{target} was being replaced when its process ended; its previous content is used, "
            f"from {aside[0]}. Saving again, or renaming that folder, puts it back",
            stacklevel=3,
        )
    return aside[0]


def _swap(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        flush_folder(target.parent)
        return
    aside = sibling(target, "replaced")
    target.rename(aside)
    try:
        temporary.rename(target)
    except BaseException:
        aside.rename(target)
        raise
    flush_folder(target.parent)
    _remove(aside, target)


def _clear_leftovers(target: Path) -> None:
    """Undo or finish what killed replacements left; the parent is locked."""
    for aside in siblings(target, "replaced"):
        if target.exists():
            _remove(aside, target)
        else:
            aside.rename(target)
    for leftover in siblings(target, "discarded"):
        shutil.rmtree(leftover, ignore_errors=True)
    for leftover in siblings(target, "unfinished"):
        descriptor = lock(leftover, wait=False)
        if descriptor is not None:
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(descriptor)


def _remove(aside: Path, target: Path) -> None:
    """Remove a folder; half removed, it must not pass for the previous content."""
    discarded = sibling(target, "discarded")
    with suppress(OSError):  # the new content is in place; the next replacement tries again
        aside.rename(discarded)
        shutil.rmtree(discarded, ignore_errors=True)


def resolved(path: Path) -> Path:
    """What a path names in the end, symbolic links followed."""
    return Path(os.path.realpath(path))


def sibling(target: Path, role: str) -> Path:
    """A hidden path beside the target that nothing has."""
    return target.with_name(f".{target.name}.{role}-{secrets.token_hex(4)}")


def siblings(target: Path, role: str) -> list[Path]:
    """The hidden paths of this role beside the target, see `sibling`."""
    prefix = f".{target.name}.{role}-"
    try:
        return sorted(path for path in target.parent.iterdir() if path.name.startswith(prefix))
    except OSError:
        return []


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock; go on without where the file system has none."""
    descriptor = lock(folder, wait=True)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def lock(path: Path, *, wait: bool) -> int | None:
    """A descriptor that holds the lock of a folder or file until it is closed or the process ends.

    None where another process holds it, or where there are no such locks.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _flush(folder: Path) -> None:
    """Have the files of a folder, and it, on disk."""
    for path in folder.iterdir():
        with path.open("r+b") as file:
            os.fsync(file.fileno())
    flush_folder(folder)


def flush_folder(folder: Path) -> None:
    """Have a folder's list of files on disk."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
