"""The files below a folder, each once, however many links lead to it."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sasrec_fast.errors import DataError, DataWarning, note
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
    links = [path for path in within if path != folder and path.is_symlink()]
    tree = _Tree(folder, keys, [path for path in within if path not in links])
    try:
        tree.take(links)
        while tree.waiting:
            tree.take([])
    except UNREADABLE as failure:
        raise DataError(f"{str(folder)!r} cannot be read: {failure}") from None
    if tree.repeated:
        note(
            f"{folder}: links lead a second time to {tree.repeated:,} files or folders, each of "
            "which is read once",
            DataWarning,
        )
    places = {path: at for at, path in tree.found.items()}
    return [(path, dict(places[path][1])) for path in in_order(places)]


@dataclass
class _Tree:
    """What was found below a folder so far.

    Attributes:
        folder: The folder.
        keys: As of `files_below`.
        waiting: Where to look next.
        found: The files.
        visited: Folders that links lead to.
        repeated: Number of files and folders that were found again.
    """

    folder: Path
    keys: Callable[[Sequence[str]], Keys]
    waiting: list[Path]
    found: dict[_Place, Path] = field(default_factory=dict)
    visited: set[_Place] = field(default_factory=set)
    repeated: int = 0

    def take(self, links: list[Path]) -> None:
        """Take files from where they wait, and then what links lead to, these and those found."""
        linked: list[Path] = []
        files = [file for path in self.waiting for file in _walk(path, linked)]
        self.waiting = []
        for path in files:
            self._take_file(path)
        for path in in_order([*links, *linked]):
            if path.is_dir():
                self._take_folder(path)
            else:
                self._take_file(path)

    def _take_file(self, path: Path) -> None:
        at = self._place(path, path.relative_to(self.folder).parts[:-1])
        self.repeated += at in self.found
        self.found.setdefault(at, path)

    def _take_folder(self, path: Path) -> None:
        at = self._place(path, path.relative_to(self.folder).parts)
        top = os.path.realpath(self.folder) + os.sep
        if at in self.visited or top.startswith(at[0] + os.sep):
            self.repeated += 1
        else:
            self.visited.add(at)
            self.waiting.append(path)

    def _place(self, path: Path, folders: Sequence[str]) -> _Place:
        return os.path.realpath(path), tuple(self.keys(folders).items())


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
