"""A folder here or elsewhere, by one interface: of this machine, or what fsspec reaches."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.fs

from sasrec_fast.errors import DataError


@dataclass(frozen=True)
class Place:
    """A folder.

    Attributes:
        url: What engines call it.
        path: What its file system does.
        filesystem: Its file system, one of pyarrow.
    """

    url: str
    path: str
    filesystem: Any

    @classmethod
    def of(cls, folder: Any) -> "Place":
        """The place of a path of this machine, or of a URL.

        Raises:
            DataError: fsspec, or what it needs for this kind of URL, is missing.
        """
        if not is_elsewhere(folder):
            path = str(Path(str(folder).removeprefix("file://")).absolute())
            return cls(Path(path).as_uri(), path, pyarrow.fs.LocalFileSystem())
        try:
            import fsspec

            filesystem, path = fsspec.core.url_to_fs(folder)
        except ImportError as failure:
            raise DataError(
                f"{folder} is a URL, and these need fsspec and a package for its kind "
                f'({failure}): pip install "sasrec-fast[remote]" and that package'
            ) from None
        handler = pyarrow.fs.FSSpecHandler(filesystem)
        return cls(str(folder).rstrip("/"), str(path), pyarrow.fs.PyFileSystem(handler))

    @property
    def is_local(self) -> bool:
        """Whether it is of this machine."""
        return isinstance(self.filesystem, pyarrow.fs.LocalFileSystem)

    def below(self, name: str) -> "Place":
        """A file or folder in it."""
        return Place(f"{self.url}/{name}", f"{self.path}/{name}", self.filesystem)

    def sizes(self) -> dict[str, int]:
        """The bytes of each file in it by name; none where there is no such folder."""
        selector = pyarrow.fs.FileSelector(self.path, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return {entry.base_name: entry.size for entry in found if entry.is_file}

    def names(self) -> set[str]:
        """The names of files and folders in it."""
        selector = pyarrow.fs.FileSelector(self.path, allow_not_found=True)
        return {entry.base_name for entry in self.filesystem.get_file_info(selector)}

    def read(self) -> bytes:
        """The content of a file."""
        with self.filesystem.open_input_file(self.path) as file:
            return bytes(file.read())

    def write(self, content: bytes) -> None:
        """Write a file; object stores show it whole or not at all."""
        with self.filesystem.open_output_stream(self.path) as file:
            file.write(content)

    def remove(self) -> None:
        """Remove a folder and what is in it, where there is one."""
        if self.filesystem.get_file_info(self.path).type != pyarrow.fs.FileType.NotFound:
            self.filesystem.delete_dir(self.path)


def is_elsewhere(folder: Any) -> bool:
    """Whether a folder is named by a URL of another kind than `file:`."""
    return isinstance(folder, str) and "://" in folder and not folder.startswith("file://")
