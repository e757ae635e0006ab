"""Refuses columns of Python objects of several kinds, where Arrow would convert one to another."""

import datetime
import decimal
from collections.abc import Sequence, Set
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns.of_pandas import is_absent, is_kind
from sasrec_fast.errors import DataError

_APART: tuple[type, ...] = (
    bool,
    np.bool_,
    datetime.datetime,
    datetime.date,
    np.datetime64,
    np.float16,
    np.longdouble,
)
"""Kinds that stand in a column alone: among others Arrow cuts or reinterprets them."""


def refuse_mixtures(values: Sequence[Any] | NDArray[Any], kinds: Set[type], column: object) -> None:
    """Refuse objects that are not of one kind; None, NaN, NaT and pandas' NA are of any.

    Raises:
        DataError: Names the kinds, such as dates and datetimes, or datetimes with and without zone.
    """
    kinds = {kind for kind in kinds if not _is_missing(kind)}
    if {*map(_family, kinds)} <= {object}:
        if decimal.Decimal in kinds:
            _refuse_infinite_decimals(values, column)
        return
    if float in kinds and all(value != value for value in values if type(value) is float):
        kinds.discard(float)
    families = {_family(kind): kind for kind in kinds}
    if len(families) > 1:
        others = [families.pop(object)] if object in families else []
        one, other = [*sorted(map(_name, families.values())), *map(_name, others)][:2]
        raise DataError(
            f"column '{column}' has values of {one} and {other}; expected one kind of them"
        )
    zoned = {value.tzinfo is not None for value in values if _is_time(value)}
    if len(zoned) > 1:
        raise DataError(
            f"column '{column}' has datetimes with and without a time zone; expected one kind"
        )


def _is_time(value: object) -> TypeGuard[datetime.datetime]:
    return isinstance(value, datetime.datetime) and not is_absent(value)


def _is_missing(kind: type) -> bool:
    return kind is type(None) or is_kind(kind, "NAType", "NaTType")


def _family(kind: type) -> type:
    return next((apart for apart in _APART if issubclass(kind, apart)), object)


def _name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _refuse_infinite_decimals(values: Sequence[Any] | NDArray[Any], column: object) -> None:
    for row, value in enumerate(values):
        if isinstance(value, decimal.Decimal) and value.is_infinite():
            raise DataError(f"column '{column}' has the non-finite value {value} at row {row}")
