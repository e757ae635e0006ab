"""Checks of arguments; each error says what was received and what is allowed."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any


def integer(name: str, value: Any, least: int) -> int:
    """The value as an int.

    Raises:
        TypeError: Not an integer.
        ValueError: Less than `least`.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, received {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, received {value}")
    return int(value)


def fraction(
    name: str, value: Any, below: float = float("inf"), most: float | None = None
) -> float:
    """The value as a float in [0, below), or in [0, most] where that is given.

    Raises:
        TypeError: Not a number.
        ValueError: Outside the range, or not finite.
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, received {value!r}")
    number = float(value)
    inside = number < below if most is None else number <= most
    if not (number >= 0.0 and inside):
        limit = f"{below:g})" if most is None else f"{most:g}]"
        raise ValueError(f"{name} must be in [0, {limit}, received {value}")
    return number


def one_of(name: str, value: Any, allowed: Sequence[str]) -> str:
    """The value, one of the words allowed.

    Raises:
        ValueError: Another value.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, received {value!r}")
    return value
