"""Arrays that are written piece by piece into a folder that is being replaced.

Until the end they have hidden names, which the next writer removes where a process was killed.
"""

import io
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class GrowingArray:
    """A `.npy` file of one axis.

    Args:
        folder: As `writable_folder` gives it.
        name: What the file will be called, but for its digest: "items.npy".
        dtype: Of the array.
    """

    def __init__(self, folder: Path, name: str, dtype: Any) -> None:
        self.path = folder / f".{name}.unfinished-{secrets.token_hex(4)}.npy"
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self._length = 0
        self._file = self.path.open("x+b", buffering=0)
        try:
            self._write_header()
        except BaseException:
            self.abandon()
            raise

    def __len__(self) -> int:
        return self._length

    def append(self, values: NDArray[Any]) -> None:
        """Write values behind those there are.

        Raises:
            OSError: The disk is full.
        """
        write_all(self._file, [np.ascontiguousarray(values, self.dtype)])
        self._length += len(values)

    def values(self) -> NDArray[Any]:
        """The array that lies in the file, which can be changed and takes no memory."""
        if not self._length:
            return np.zeros(0, self.dtype)
        return np.asarray(np.memmap(self.path, self.dtype, "r+", self._start, (self._length,)))

    def close(self) -> None:
        """Write how long it is, and have it on disk."""
        self._write_header()
        os.fsync(self._file.fileno())
        self._file.close()

    def abandon(self) -> None:
        """Remove the file, unless it has got its name."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _write_header(self) -> None:
        """Write the header, which takes as much room for any length."""
        self._file.seek(0)
        about = {"descr": self.dtype.str, "fortran_order": False, "shape": (self._length,)}
        np.lib.format.write_array_header_1_0(self._file, about)
        self._start = self._file.tell()
        self._file.seek(0, os.SEEK_END)


def write_all(file: io.FileIO, arrays: Sequence[NDArray[Any]]) -> None:
    """Write arrays, whose memory is in one piece each, one behind the other.

    Raises:
        OSError: The disk is full.
    """
    for array in arrays:
        letters = array.view(np.uint8).data
        while letters:
            letters = letters[_write(file, letters) :]


def _write(file: io.FileIO, letters: memoryview) -> int:
    """Write the first so many bytes, which the system decides; returns how many."""
    return file.write(letters)
