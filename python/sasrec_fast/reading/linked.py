"""The files below a folder, each once, however many links lead to it."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from sasrec_fast.errors import DataError, DataWarning
from sasrec_fast.reading.opening import UNREADABLE
from sasrec_fast.reading.order import in_order

Keys = dict[str, str | None]
_Place = tuple[str, tuple[tuple[str, str | None], ...]]
_NO_DATA = (".", "_")


def files_below(
    folder: Path, within: Sequence[Path], keys: Callable[[Sequence[str]], Keys]
) -> list[tuple[Path, Keys]]:
    """Files in the order of their names, with the values that folders on the way to them give.

    A file that links lead to as well counts where it lies; links that give it other values stay
    apart. Links to the folder itself or above it are not followed.

    Args:
        folder: Names of the folders below it give values.
        within: Files and folders to look for files in, the folder itself or what is below it.
        keys: The values that names of folders give.

    Raises:
        DataError: A folder cannot be read.
    """
    top = os.path.realpath(folder) + os.sep
    found: dict[_Place, Path] = {}
    visited: set[_Place] = set()
    links = [path for path in within if path != folder and path.is_symlink()]
    waiting = [path for path in within if path not in links]
    repeated = 0

    def place(path: Path, folders: Sequence[str]) -> _Place:
        return os.path.realpath(path), tuple(keys(folders).items())

    try:
        while waiting or links:
            files = [file for path in waiting for file in _walk(path, links)]
            waiting = []
            linked, links = in_order(links), []
            for path in [*files, *linked]:
                folders = path.relative_to(folder).parts
                if path.is_dir():
                    at = place(path, folders)
                    if at in visited or top.startswith(at[0] + os.sep):
                        repeated += 1
                    else:
                        visited.add(at)
                        waiting.append(path)
                else:
                    at = place(path, folders[:-1])
                    repeated += at in found
                    found.setdefault(at, path)
    except UNREADABLE as failure:
        raise DataError(f"{str(folder)!r} cannot be read: {failure}") from None
    if repeated:
        warnings.warn(
            f"{folder}: links lead a second time to {repeated:,} files or folders, each of which "
            "is read once",
            DataWarning,
            stacklevel=2,
        )
    places = {path: at for at, path in found.items()}
    return [(path, dict(places[path][1])) for path in in_order(places)]


def _walk(path: Path, links: list[Path]) -> Iterator[Path]:
    """Files at or below a path; links among what is below it are put into the list instead."""
    if not path.is_dir():
        yield path
        return
    for root, folders, files in os.walk(path, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(_NO_DATA)]
        names = [*folders, *(name for name in files if not name.startswith(_NO_DATA))]
        linked = {name for name in names if Path(root, name).is_symlink()}
        links += [Path(root, name) for name in linked]
        yield from (Path(root, name) for name in names if name not in {*folders, *linked})


def _refuse(failure: OSError) -> None:
    raise failure
