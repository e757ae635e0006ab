"""Writes a file as a whole: until the end, and after any failure, the previous one is there.

The content goes to a hidden file beside it, `.name.unfinished-*`, which is flushed to disk and then
renamed. What a killed process leaves is removed by the next writer of the same name; a lock, which
ends with its process, tells it from a file that is being written.
"""

import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sasrec_fast.saving.termination import tidy_termination

_unfinished: set[Path] = set()
"""Files that this process is writing."""


def require_writable(name: str, path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse, before any work is done, a file that cannot be written.

    Raises:
        ValueError: Another suffix, a folder, or a parent that is no folder one can write to;
            names the argument.
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

    After an error, an interrupt or a termination `path` is as it was, and nothing else is there.
    Symbolic links are followed.
    """
    target = Path(os.path.realpath(path))
    if target in _unfinished:  # what is written inside another one is replaced with it
        yield target
        return
    unfinished = f".{target.name}.unfinished-{secrets.token_hex(4)}{target.suffix}"
    temporary = target.with_name(unfinished)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent}")
    with tidy_termination():
        try:
            _remove_abandoned(target)
            temporary.touch()
            _unfinished.add(temporary)
            with locked(temporary):
                yield temporary
                with temporary.open("r+b") as file:
                    os.fsync(file.fileno())
                temporary.replace(target)
            flush_folder(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            _unfinished.discard(temporary)


def _remove_abandoned(target: Path) -> None:
    """Remove what killed processes left of a file that they were writing."""
    for leftover in target.parent.glob(f".{glob.escape(target.name)}.unfinished-*"):
        with locked(leftover, wait=False) as abandoned:
            if abandoned:
                leftover.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a file or folder, which ends with its process.

    Yields:
        Whether it is held: not where another process holds it, or where there are no such locks.
    """
    held, descriptor = False, -1
    try:
        with suppress(OSError, ImportError):
            import fcntl  # not on Windows

            descriptor = os.open(path, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        yield held
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Have a folder's list of files on disk, where folders can be flushed."""
    with suppress(PermissionError):  # Windows
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
