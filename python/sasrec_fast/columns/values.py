"""One column of anything table-like -> numbers or times in numpy, or Arrow strings.

Memory is shared with the caller wherever the layout allows it.
"""

import sys
import uuid
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sasrec_fast.columns.mixtures import refuse_mixtures
from sasrec_fast.columns.of_pandas import is_column, is_dtype, is_extension, is_kind
from sasrec_fast.errors import DataError, cut

_HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
_NOT_A_TIME = np.iinfo(np.int64).min
_NO_COLUMNS = (str, bytes, bytearray, Mapping, Set)


def read_values(values: Any, column: object) -> Any:
    """The values of a column, a 1-D array of any library or a list, without missing ones.

    Returns:
        A 1-D numpy array in native byte order (integers, finite floats, datetime64, or a kind that
        the caller refuses); or a pyarrow Array or ChunkedArray of strings or of a dictionary of
        strings, without nulls.

    Raises:
        DataError: Missing or non-finite values, more than one axis, or values of a wrong kind.
    """
    with readable(column):
        array = numpy_or_arrow(values, column)
        if not isinstance(array, np.ndarray):
            array = _from_arrow(array, column)
    return _without_gaps(array, column) if isinstance(array, np.ndarray) else array


@contextmanager
def readable(column: object, where: str = "") -> Iterator[None]:
    """Raises what a library says of values as a DataError that names the column."""
    try:
        yield
    except MemoryError:  # Arrow's is an ArrowException too
        raise
    except DataError as error:
        raise DataError(f"{where}{error}") from None
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        reason = cut(str(error).splitlines()[0], 200) if str(error) else type(error).__name__
        raise DataError(f"{where}column '{column}' is not of one kind of value: {reason}") from None


def numpy_or_arrow(values: Any, column: object) -> Any:
    """The array as its library holds it, in numpy or in Arrow, missing values included."""
    if is_column(values) and isinstance(values.dtype, np.dtype):
        values = values.to_numpy()
    elif is_column(values) or is_extension(values):
        sparse = is_dtype(values.dtype, "SparseDtype")
        values = np.asarray(values) if sparse else pa.array(values, from_pandas=True)
    elif isinstance(values, _NO_COLUMNS):
        kind = type(values).__name__
        raise DataError(f"column '{column}' is a {kind}; a column is a 1-D array")
    elif hasattr(values, "__arrow_c_stream__") and not isinstance(values, pa.ChunkedArray):
        values = pa.chunked_array(_narrowed(values))
    elif hasattr(values, "__array__") and not isinstance(values, pa.Array | pa.ChunkedArray):
        values = np.asanyarray(values)
    elif not isinstance(values, pa.Array | pa.ChunkedArray):
        values = _from_objects(values, column)
    return _from_numpy(values, column) if isinstance(values, np.ndarray) else values


def _narrowed(values: Any) -> Any:
    """Integers of 128 bits, which polars alone has, as 64 bits or else text; others as is."""
    if str(getattr(values, "dtype", "")) not in ("Int128", "UInt128"):
        return values
    polars = sys.modules[type(values).__module__.partition(".")[0]]
    for kind in (polars.Int64, polars.UInt64):
        try:
            return values.cast(kind)
        except polars.exceptions.PolarsError:  # beyond it
            pass
    return values.cast(polars.String)


def _from_numpy(array: NDArray[Any], column: object) -> Any:
    if array.ndim != 1:
        raise DataError(f"column '{column}' has shape {array.shape}; a column has one axis")
    if isinstance(array, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(array)
        if mask.any():
            raise _missing(column, int(mask.sum()), int(mask.argmax()))
        array = array.data
    if array.dtype.kind in "OT":
        return _from_objects(array.astype(object, copy=False), column)
    if array.dtype.kind in "US":
        return pa.array(array.astype(object) if _has_inner_nul(array) else array)
    return np.asarray(array, array.dtype.newbyteorder("="))


def _has_inner_nul(array: NDArray[Any]) -> bool:
    """Whether Arrow, which ends fixed-width text at the first NUL, would cut any."""
    if array.dtype.kind != "U" or not array.size or not array.dtype.itemsize:
        return False
    letters = np.ascontiguousarray(array).view(np.uint32).reshape(len(array), -1)
    return bool(((letters[:, :-1] == 0) & (letters[:, 1:] != 0)).any())


def _from_objects(values: Any, column: object) -> Any:
    """An Arrow array of Python objects, which must be of one kind; times keep every digit."""
    if hasattr(values, "__arrow_c_array__") or hasattr(values, "__arrow_array__"):
        return pa.array(values)
    values = values if isinstance(values, list | tuple | np.ndarray) else list(values)
    kinds = {*map(type, values)}
    refuse_mixtures(values, kinds, column)
    if uuid.UUID in kinds and kinds <= {uuid.UUID, type(None)}:
        values = [None if value is None else str(value) for value in values]
    try:
        array = pa.array(values, from_pandas=True)
    except OverflowError:
        return pa.array(values, pa.uint64(), from_pandas=True)
    of_pandas = any(is_kind(kind, "Timestamp") for kind in kinds)
    if not of_pandas or not pa.types.is_timestamp(array.type):
        return array
    try:  # a pandas Timestamp has nanoseconds, which Arrow cuts unless they are asked for
        return pa.array(values, pa.timestamp("ns", array.type.tz), from_pandas=True)
    except (ValueError, OverflowError):
        if any(getattr(value, "nanosecond", 0) for value in values):
            raise
        return array


def _from_arrow(array: Any, column: object) -> Any:
    """Numbers and datetimes as numpy; strings stay in Arrow."""
    kind = array.type
    _require_sound(array, column)
    if pa.types.is_run_end_encoded(kind):
        return _from_arrow(pc.run_end_decode(array), column)
    _require_no_nulls(array, column)
    if pa.types.is_dictionary(kind):
        if is_string(kind.value_type):
            return array
        return _from_arrow(pc.cast(array, kind.value_type), column)
    if is_string(kind):
        return array
    if str(kind) == "extension<arrow.uuid>":
        return _uuid_texts(array)
    if pa.types.is_timestamp(kind):
        return pc.cast(array, pa.int64()).to_numpy().view(f"M8[{kind.unit}]")
    if pa.types.is_date32(kind):
        return pc.cast(pc.cast(array, pa.int32()), pa.int64()).to_numpy().view("M8[D]")
    if pa.types.is_date64(kind):
        return pc.cast(array, pa.int64()).to_numpy().view("M8[ms]")
    if pa.types.is_decimal(kind):
        return _from_decimals(array, column)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return array.to_numpy(zero_copy_only=False)
    raise DataError(
        f"column '{column}' has values of type {kind}; "
        "a column holds integers, strings, floats or datetimes"
    )


def is_string(kind: Any) -> bool:
    """Whether an Arrow type is one of text."""
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _from_decimals(array: Any, column: object) -> NDArray[Any]:
    """Decimals as integers, or as floats where that loses nothing."""
    kind = array.type
    wide = pc.cast(array, pa.decimal256(76, max(kind.scale, 0)))
    for target in (pa.int64(), pa.uint64()):
        try:
            integers: NDArray[Any] = pc.cast(wide, target).to_numpy()
        except pa.ArrowInvalid:
            continue
        return integers
    floats = pc.cast(wide, pa.float64())
    inexact = pc.not_equal(pc.cast(floats, wide.type, safe=False), wide)
    row = pc.index(inexact, True).as_py()
    if row >= 0:
        raise DataError(
            f"column '{column}' has {kind} values that no float64 holds exactly, first "
            f"{array[row].as_py()} at row {row}; convert it to integers of a smaller unit"
        )
    numbers: NDArray[Any] = floats.to_numpy()
    return numbers


def _uuid_texts(array: Any) -> Any:
    """UUIDs as text in the usual form, in lower case; it sorts as the UUIDs do."""
    if isinstance(array, pa.ChunkedArray):
        chunks = [_uuid_texts(chunk) for chunk in array.chunks]
        return pa.chunked_array(chunks, pa.large_string())
    start = 16 * array.offset
    data = np.frombuffer(array.storage.buffers()[1], np.uint8)[start : start + 16 * len(array)]
    digits = np.stack([_HEX[data >> 4], _HEX[data & 15]], axis=1).reshape(-1, 32)
    texts = np.insert(digits, [8, 12, 16, 20], ord("-"), axis=1)
    offsets = np.arange(0, texts.size + 1, 36, dtype=np.int64)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(texts))]
    return pa.Array.from_buffers(pa.large_string(), len(array), buffers)


def _require_sound(array: Any, column: object) -> None:
    """Refuse buffers that do not fit together, before anything reads beyond them."""
    try:
        # A date64 that is no midnight is not in order, but can be read. Of text whether it is UTF-8
        # is seen later, of each distinct string once.
        text = pa.types.is_string(array.type) or pa.types.is_large_string(array.type)
        array.validate(full=not text and not pa.types.is_date64(array.type))
        if text:
            _require_ascending_offsets(array)
    except (pa.ArrowInvalid, pa.ArrowIndexError) as failure:
        way = " as text" if is_string(array.type) else ""
        raise DataError(f"column '{column}' cannot be read{way}: {failure}") from None


def _require_ascending_offsets(strings: Any) -> None:
    for chunk in strings.chunks if isinstance(strings, pa.ChunkedArray) else [strings]:
        if len(chunk):
            wide: Any = np.int64 if pa.types.is_large_string(chunk.type) else np.int32
            last = chunk.offset + len(chunk) + 1
            ends = np.frombuffer(chunk.buffers()[1], wide, last)[chunk.offset :]
            if ends[0] < 0 or (ends[1:] < ends[:-1]).any():
                raise pa.ArrowInvalid("offsets of strings do not ascend")


def _require_no_nulls(array: Any, column: object) -> None:
    if pa.types.is_dictionary(array.type):
        chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
        if any(chunk.dictionary.null_count for chunk in chunks):
            array = pc.cast(array, array.type.value_type)
    if not array.null_count:
        return
    missing = pc.is_null(array)
    raise _missing(column, array.null_count, pc.index(missing, True).as_py())


def _without_gaps(array: NDArray[Any], column: object) -> NDArray[Any]:
    if array.dtype.kind == "M" and len(array):
        # NaT is the smallest integer; to look for it that way is many times as fast.
        if array.view(np.int64).min() == _NOT_A_TIME:
            missing = np.isnat(array)
            raise _missing(column, int(missing.sum()), int(missing.argmax()))
    elif array.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            total = array.sum()  # finite only where every value is
        if not np.isfinite(total) and not (finite := np.isfinite(array)).all():
            first = int(finite.argmin())
            raise DataError(
                f"column '{column}' has {int((~finite).sum())} missing or non-finite values, "
                f"first at row {first} ({array[first]})"
            )
    return array


def _missing(column: object, count: int, first: int) -> DataError:
    values = "value" if count == 1 else "values"
    return DataError(f"column '{column}' has {count} missing {values}, first at row {first}")
