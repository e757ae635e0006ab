"""Arrays and columns of strings that live in files: opened memory-mapped, read when used.

Arrays are `.npy` files in little-endian order, strings are one `large_string` column in an Arrow
IPC file. Digests are of the content, not of the file, so that they are the same for any version of
numpy and pyarrow. They are compared when a part is first used, whole: at 1.4 GB/s that is half of
what counting the items takes, and it leaves no way round.
"""

import hashlib
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.errors import DataError

_SCHEMA = pa.schema([pa.field("id", pa.large_string(), nullable=False)])

_MAGIC_SIZE = 8
_HEADER, _COMPRESSION = 2, 3
"""Numbers of fields, of Arrow's Message and RecordBatch."""


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
    else:
        with path.open("wb") as file:
            np.lib.format.write_array(file, content, allow_pickle=False)
    return about(path, content)


def about(path: Path, content: Any) -> dict[str, Any]:
    """What is to be known of a file that holds an array or strings."""
    dtype = content.dtype.str if isinstance(content, np.ndarray) else "string"
    return {"shape": _shape(content), "dtype": dtype, "bytes": path.stat().st_size}


def open_array(path: Path, entry: Mapping[str, Any]) -> NDArray[Any]:
    """A read-only array on a `.npy` file, of which only the header is read.

    How the file is read is decided by the entry, which is checked; the header must say the same.

    Raises:
        DataError: The file is missing, of another size, or has another header.
    """
    _require_file(path, entry)
    dtype, shape = np.dtype(entry["dtype"]), tuple(entry["shape"])
    try:
        with path.open("rb") as file:
            found = _header(file)
            start = file.tell()
        if found != (shape, False, dtype) or start + shape[0] * dtype.itemsize != entry["bytes"]:
            raise ValueError(f"its header is not that of {dtype} {shape}")
        mapped = np.memmap(path, dtype, "r", start, shape)
    except Exception as failure:  # of the many that a damaged header leads to
        raise DataError(f"{path} is damaged: {failure}") from None
    return np.asarray(mapped)  # a memmap prints, slices and pickles in its own ways


def _header(file: Any) -> tuple[Any, ...]:
    """Shape, whether Fortran's order, and dtype."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"its header is of version {version}, expected 1 or 2")


def open_strings(path: Path, entry: Mapping[str, Any]) -> Any:
    """An Arrow array of strings on a file, of which only the schema is read.

    Raises:
        DataError: The file is missing, of another size, or has another schema.
    """
    _require_file(path, entry)
    try:
        source = pa.memory_map(str(path))
        reader = pa.ipc.open_file(source)
        if not reader.schema.equals(_SCHEMA) or reader.num_record_batches != 1:
            raise ValueError("its schema is not that of one column of strings")
        column = _only_batch(source).column(0)
        column.validate()
        if column.null_count or column.offset or [len(column)] != entry["shape"]:
            raise ValueError(f"it is no column of {entry['shape'][0]:,} strings")
    except Exception as failure:  # as above
        raise DataError(f"{path} is damaged: {failure}") from None
    return column


def _only_batch(source: Any) -> Any:
    """The first record batch of an Arrow file, which must not be compressed.

    One that is would be decompressed here, whatever size that takes, and Arrow does not say so
    beforehand; its description does, a FlatBuffers table. A field that a table lacks has offset 0
    in the list of 16-bit offsets that its first word points back to.
    """
    source.seek(_MAGIC_SIZE)
    messages = pa.ipc.MessageReader.open_stream(source)
    messages.read_next_message()  # the schema
    message = messages.read_next_message()
    about = message.metadata.to_pybytes()

    def field(table: int, number: int) -> int:
        offsets = table - struct.unpack_from("<i", about, table)[0]
        size = struct.unpack_from("<H", about, offsets)[0]
        place = 4 + 2 * number
        found = struct.unpack_from("<H", about, offsets + place)[0] if place < size else 0
        return table + found if found else 0

    header = field(struct.unpack_from("<I", about)[0], _HEADER)
    batch = header + struct.unpack_from("<I", about, header)[0]
    if not header or field(batch, _COMPRESSION):
        raise ValueError("it is compressed, expected plain strings")
    return pa.ipc.read_record_batch(message, _SCHEMA)


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """What goes wrong with the content of a file is an error that names it."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError) as failure:
        raise DataError(f"{path} is damaged: {failure}") from None


def require_content(path: Path, content: Any, expected: str) -> None:
    """Read all of what was opened, and compare it with the digest it was saved with.

    Raises:
        DataError: It is other content, or strings that are none.
    """
    try:
        if not isinstance(content, np.ndarray):
            content.validate(full=True)
        same = digest(content) == expected
    except (pa.ArrowException, ValueError) as failure:
        raise DataError(f"{path} is damaged: {failure}") from None
    if not same:
        raise DataError(f"{path} is damaged: its content does not match its digest")


def require_distinct(path: Path, ids: Any, expected: str) -> None:
    """As `require_content`, of ids, each of which must occur once.

    Raises:
        DataError: They are others, or one occurs twice.
    """
    require_content(path, ids, expected)
    if isinstance(ids, np.ndarray):
        distinct = bool((ids[1:] > ids[:-1]).all()) or len(np.unique(ids)) == len(ids)
    else:
        distinct = len(ids) == pc.count_distinct(ids).as_py()
    if not distinct:
        raise DataError(f"{path} is damaged: an id occurs twice")


def _shape(content: Any) -> list[int]:
    return list(content.shape) if isinstance(content, np.ndarray) else [len(content)]


def _require_file(path: Path, entry: Mapping[str, Any]) -> None:
    """Refuse what is no file of the folder itself, and a file of another size."""
    try:
        found, real = path.stat(), path.resolve(strict=True)
    except OSError:
        raise DataError(f"{path} is missing; the folder is incomplete") from None
    if not stat.S_ISREG(found.st_mode) or real.parent != path.parent.resolve():
        raise DataError(f"{path} is no file of this folder; copy what it links to into its place")
    if found.st_size != entry["bytes"]:
        raise DataError(
            f"{path} has {found.st_size:,} bytes, expected {entry['bytes']:,}; it is truncated, or "
            "from other data"
        )
