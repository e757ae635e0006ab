"""What is of pandas, asked without importing it: where nobody has, nothing is.

Pandas takes a third of a second and 60 MB to import, which whoever only serves does without.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import pandas as pd


def is_series(values: Any) -> TypeGuard[pd.Series[Any]]:
    """Whether it is a Series."""
    return _is(values, "Series")


def is_column(values: Any) -> bool:
    """Whether it is a Series or an Index."""
    return _is(values, "Series", "Index")


def is_frame(values: Any) -> bool:
    """Whether it is a DataFrame."""
    return _is(values, "DataFrame")


def is_grouped(values: Any, *names: str) -> bool:
    """Whether it is a "SeriesGroupBy" or a "DataFrameGroupBy", as named."""
    pandas: Any = sys.modules.get("pandas")
    if pandas is None:
        return False
    return isinstance(values, tuple(getattr(pandas.api.typing, name) for name in names))


def is_dtype(dtype: Any, name: str) -> bool:
    """Whether it is a dtype of such a name, as "ArrowDtype"."""
    return _is(dtype, name)


def is_extension(values: Any) -> bool:
    """Whether it is an array of pandas' own."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and isinstance(values, pandas.api.extensions.ExtensionArray)


def is_kind(kind: type, *names: str) -> bool:
    """Whether it is a class of pandas of one of these names, as "Timestamp"."""
    return kind.__name__ in names and kind.__module__.partition(".")[0] == "pandas"


def is_absent(value: Any) -> bool:
    """Whether it is pandas' NA or NaT."""
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and (value is pandas.NA or value is pandas.NaT)


def is_hashable(value: Any) -> bool:
    """Whether it can be looked up; what says that it is hashable may hold what is not."""
    try:
        hash(value)
    except TypeError:
        return False
    return isinstance(value, Hashable)


def _is(value: Any, *names: str) -> bool:
    pandas: Any = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, tuple(getattr(pandas, name) for name in names))
