"""Arrays and columns of strings that live in files: opened memory-mapped, read when used.

Arrays are `.npy` files in little-endian order, strings are one `large_string` column in an Arrow
IPC file. Digests are of the content, not of the file, so that they are the same for any version of
numpy and pyarrow.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast.errors import DataError

_SCHEMA = pa.schema([pa.field("id", pa.large_string(), nullable=False)])


def little_endian(array: NDArray[Any]) -> NDArray[Any]:
    """The array, contiguous and in the byte order of the files."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


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
    """Write an array or Arrow array of strings; what `open_array` and `open_strings` look at."""
    if not isinstance(content, np.ndarray):
        table = pa.record_batch([content], schema=_SCHEMA)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, _SCHEMA) as writer:
            writer.write_batch(table)
        dtype = "string"
    else:
        with path.open("wb") as file:
            np.lib.format.write_array(file, content, allow_pickle=False)
        dtype = content.dtype.str
    return {"shape": _shape(content), "dtype": dtype, "bytes": path.stat().st_size}


def open_array(path: Path, entry: Mapping[str, Any], *, verify: bool) -> NDArray[Any]:
    """A read-only array on a `.npy` file; only its header is read, unless `verify`.

    Raises:
        DataError: The file is missing, of another size, or has another header or content.
    """
    _require_size(path, entry)
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as failure:  # of the many that a damaged header leads to
        raise DataError(f"{path} is damaged: {failure}") from None
    whole = mapped.offset + mapped.nbytes == entry["bytes"]
    if mapped.dtype != dtype or mapped.shape != shape or not whole:
        raise DataError(f"{path} is damaged: its header is not that of {dtype} {shape}")
    array = np.asarray(mapped)  # a memmap prints, slices and pickles in its own ways
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


def _shape(content: Any) -> list[int]:
    return list(content.shape) if isinstance(content, np.ndarray) else [len(content)]


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
