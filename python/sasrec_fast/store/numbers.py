"""Row numbers and item indices of any integer kind -> an array of them."""

import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks


def integers(name: str, values: Any, whole_floats: bool = False) -> NDArray[Any]:
    """An array of integers of any width, or of Python's own where some are huge.

    Args:
        name: What the numbers are, such as "rows", for messages.
        values: An array of integers, or a list.
        whole_floats: Whether floats that are exactly an integer count.

    Raises:
        TypeError: Something else, or bools among them: a mask is no list of numbers.
    """
    array = values if isinstance(values, np.ndarray) else _of_list(values)
    if array.dtype.kind in "iu":
        return array
    if not array.size and array.dtype.kind != "b":
        return array.astype(np.int64)
    if array.dtype == object and all(_is_integer(value) for value in array.flat):
        plain = np.empty(array.size, object)
        plain[:] = [int(value) for value in array.flat]
        return plain.reshape(array.shape)
    if whole_floats and _are_whole(array):
        return array.astype(np.int64)
    if array.dtype.kind == "b" or any(isinstance(value, bool | np.bool_) for value in array.flat):
        raise TypeError(
            f"{name} must be integers, received bools; np.flatnonzero(mask) gives the numbers "
            "that a mask selects"
        )
    raise TypeError(f"{name} must be integers, received {checks.received(values)}")


def _of_list(values: Any) -> NDArray[Any]:
    """As objects, so that bools stay bools and large integers exact."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal length
        return np.array(None)
    if isinstance(values, list | tuple) and array.dtype.kind not in "SU":
        return np.asarray(values, object)
    return array


def _are_whole(array: NDArray[Any]) -> bool:
    try:
        floats = array.astype(np.float64) if array.dtype.kind in "fO" else np.array(np.nan)
    except (TypeError, ValueError, OverflowError):
        return False
    numeric = all(
        isinstance(value, float | np.floating) or _is_integer(value) for value in array.flat
    )
    return numeric and bool(((np.trunc(floats) == floats) & (abs(floats) < 2.0**53)).all())


def _is_integer(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
