"""Checks of arguments: TypeError for another kind of value, ValueError for one out of range.

Each error says what was received and what is allowed.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from sasrec_fast.errors import shorten

_LONGEST_SHOWN = 200


def integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as an int from `least` on, up to `most` where that is given."""
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, received {received(value)}")
    found = int(value)
    if found < least or (most is not None and found > most):
        limits = f"at least {least}" if most is None else f"in {least}..{most}"
        raise ValueError(f"{name} must be {limits}, received {received(value)}")
    return found


def number(name: str, value: Any) -> float:
    """The value as a float."""
    if not isinstance(value, numbers.Integral | float | np.floating) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, received {received(value)}")
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf if int(value) > 0 else -math.inf


def fraction(
    name: str, value: Any, below: float = float("inf"), most: float | None = None
) -> float:
    """The value as a float in [0, below), or in [0, most] where that is given."""
    found = number(name, value)
    inside = found < below if most is None else found <= most
    if not (found >= 0.0 and inside):
        limit = f"{below:g})" if most is None else f"{most:g}]"
        raise ValueError(f"{name} must be in [0, {limit}, received {received(value)}")
    return found


def flag(name: str, value: Any) -> bool:
    """The value, True or False; any other would count as one of them in silence."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, received {received(value)}")
    return bool(value)


def one_of(name: str, value: Any, allowed: Sequence[str | None], others: str = "") -> Any:
    """The value, one of the words allowed."""
    if not isinstance(value, str | None) or value not in allowed:
        words = f"one of {list(allowed)}{others}"
        raise ValueError(f"{name} must be {words}, received {received(value)}")
    return value


def received(value: Any) -> str:
    """What was received, on one line, cut where long; its kind where Python does not print it."""
    return " ".join(shorten(value, _LONGEST_SHOWN).split())
