"""Arrays, id columns and splits that live in files: opened memory-mapped, read when used.

Arrays are `.npy` files in little-endian order, strings are one `large_string` column in an Arrow
IPC file. Digests are of the content, not of the file, so that they are the same for any version of
numpy and pyarrow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast.errors import DataError
from sasrec_fast.store import Vocabulary

_SCHEMA = pa.schema([pa.field("id", pa.large_string(), nullable=False)])
_HEADER_LIMIT = 1 << 16


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The array, contiguous and in the byte order of the files."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


def strings(ids: NDArray[Any]) -> Any:
    """An object array of str as an Arrow array."""
    return pa.array(ids, pa.large_string())


def digest(content: Any) -> str:
    """SHA-256 of an array's dtype, shape and values, or of an Arrow array of strings."""
    if isinstance(content, np.ndarray):
        kind, buffers = content.dtype.str, [content]
    else:
        _, offsets, text = content.buffers()
        ends = np.frombuffer(offsets, np.int64, len(content) + 1)
        kind, buffers = "string", [ends]
        if ends[-1]:
            buffers.append(np.frombuffer(text, np.uint8, int(ends[-1])))
    total = hashlib.sha256(f"{kind} {_shape(content)}\n".encode("ascii"))
    for buffer in buffers:
        total.update(buffer.data)
    return total.hexdigest()


def write(path: Path, content: Any) -> dict[str, Any]:
    """Write an array or an Arrow array of strings; what `open_array` and `open_strings` check."""
    entry = {"shape": _shape(content), "digest": digest(content)}
    if not isinstance(content, np.ndarray):
        table = pa.record_batch([content], schema=_SCHEMA)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_batch(table)
        return {**entry, "dtype": "string", "bytes": path.stat().st_size}
    with path.open("xb") as file:
        np.lib.format.write_array(file, content, allow_pickle=False)
    size = path.stat().st_size
    start = size - content.nbytes
    return {
        **entry,
        "dtype": content.dtype.str,
        "bytes": size,
        "start": start,
        "header": _header_digest(path, start),
    }


def open_array(path: Path, entry: Mapping[str, Any], *, verify: bool) -> NDArray[Any]:
    """A read-only array on a `.npy` file; only its header is read, unless `verify`.

    Raises:
        DataError: The file is missing, of another size, or has another header or content.
    """
    _require_size(path, entry)
    start, shape = entry["start"], tuple(entry["shape"])
    try:
        matches = _header_digest(path, start) == entry["header"]
        # A plain array: a memmap prints, slices and pickles in its own ways.
        array = np.asarray(np.memmap(path, np.dtype(entry["dtype"]), "r", start, shape))
    except (OSError, ValueError) as failure:
        raise DataError(f"{path} cannot be opened: {failure}") from None
    if not matches:
        raise DataError(f"{path} is damaged: its header is not that of {entry['dtype']} {shape}")
    _require_content(path, array, entry, verify=verify)
    return array


def open_strings(path: Path, entry: Mapping[str, Any], *, verify: bool) -> Any:
    """An Arrow array of strings on a file; only its schema is read, unless `verify`.

    Raises:
        DataError: The file is missing, of another size, or has another schema or content.
    """
    _require_size(path, entry)
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        columns = [reader.get_batch(i).column(0) for i in range(reader.num_record_batches)]
        for column in columns:
            column.validate(full=verify)
    except (pa.ArrowException, OSError, ValueError, IndexError) as failure:
        raise DataError(f"{path} is damaged: {failure}") from None
    lengths = [len(column) for column in columns if not column.null_count]
    if not reader.schema.equals(_SCHEMA) or lengths != entry["shape"]:
        raise DataError(f"{path} is damaged: it is no column of {entry['shape'][0]:,} strings")
    _require_content(path, columns[0], entry, verify=verify)
    return columns[0]


class StoredVocabulary(Vocabulary):
    """A vocabulary whose `ids` are made when first asked for."""

    def __init__(self, size: int, make: Callable[[], NDArray[Any]], *, is_identity: bool) -> None:
        self._size = size
        self._make = make
        self.is_identity = is_identity

    @classmethod
    def of_strings(cls, array: Any, path: Path) -> StoredVocabulary:
        """String ids of an Arrow array."""
        return cls(len(array), partial(_texts, array, path), is_identity=False)

    @classmethod
    def identity(cls, size: int) -> StoredVocabulary:
        """The vocabulary in which index i is id i, for 1..size."""
        return cls(size, partial(np.arange, 1, size + 1, dtype=np.int64), is_identity=True)

    def __len__(self) -> int:
        return self._size

    def __getattr__(self, name: str) -> Any:
        if name != "ids":
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        Vocabulary.__init__(self, self._make(), is_identity=self.is_identity)
        return self.ids


def _texts(array: Any, path: Path) -> NDArray[Any]:
    try:
        array.validate(full=True)
    except (pa.ArrowException, ValueError) as failure:
        raise DataError(f"{path} is damaged: {failure}") from None
    texts: NDArray[Any] = array.to_numpy(zero_copy_only=False).astype(object)
    return texts


def _shape(content: Any) -> list[int]:
    return list(content.shape) if isinstance(content, np.ndarray) else [len(content)]


def _header_digest(path: Path, size: int) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(min(size, _HEADER_LIMIT))).hexdigest()


def _require_size(path: Path, entry: Mapping[str, Any]) -> None:
    try:
        size = path.stat().st_size
    except OSError:
        raise DataError(f"{path} is missing; the folder is incomplete") from None
    if size != entry["bytes"]:
        raise DataError(
            f"{path} has {size:,} bytes, expected {entry['bytes']:,}; it is truncated, or from "
            "other data"
        )


def _require_content(path: Path, content: Any, entry: Mapping[str, Any], *, verify: bool) -> None:
    if verify and digest(content) != entry["digest"]:
        raise DataError(f"{path} is damaged: its content does not match its digest")
