"""The time zone of a column of timestamps, in which moments without one are meant."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast.columns.of_pandas import is_dtype

if TYPE_CHECKING:
    import pandas as pd

Zone = str | datetime.tzinfo

SEVERAL = "several zones"
"""The zone of times that are in different ones."""


def zone_of(values: Any) -> Zone | None:
    """The zone of a column of any library or of a list; None for times without a zone."""
    dtype: Any = getattr(values, "dtype", object())
    if is_dtype(dtype, "CategoricalDtype"):
        dtype = dtype.categories.dtype
    if is_dtype(dtype, "DatetimeTZDtype"):
        zone: Zone = dtype.tz
        return zone
    if is_dtype(dtype, "ArrowDtype"):
        return _zone_of_type(dtype.pyarrow_dtype)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return _zone_of_type(values.type)
    if isinstance(dtype, np.dtype):
        return _zone_of_objects(values) if dtype == np.object_ else None
    if hasattr(values, "__arrow_c_stream__"):
        return _zone_of_type(pa.chunked_array(values).type)
    return _zone_of_objects(values) if isinstance(values, list | tuple) else None


def at_zone(moment: pd.Timestamp, zone: Zone, name: str) -> pd.Timestamp:
    """The moment at which the clocks of a zone show a time; where they skip it, the one they skip.

    Raises:
        ValueError: They show it twice.
    """
    first, second = (
        moment.tz_localize(zone, ambiguous=summer, nonexistent="shift_forward")
        for summer in (True, False)
    )
    if first != second:
        raise ValueError(
            f"{name} is {str(moment)!r}, which the clocks of {zone} show twice, when summer time "
            f"ends; give it with its offset: {str(first)!r} or {str(second)!r}"
        )
    return first


def shown_at(moment: np.datetime64, zone: Zone) -> pd.Timestamp:
    """A moment of UTC as the clocks of a zone show it."""
    import pandas as pd

    stamp = pd.Timestamp(moment).tz_localize("UTC")
    return stamp if zone == SEVERAL else stamp.tz_convert(zone)


def _zone_of_type(kind: pa.DataType) -> str | None:
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        kind = kind.value_type
    return kind.tz if pa.types.is_timestamp(kind) else None


def _zone_of_objects(values: Iterable[Any] | NDArray[Any]) -> Zone | None:
    zones = {_named(value.tzinfo) for value in values if isinstance(value, datetime.datetime)}
    zones.discard(None)  # NaT; times with and without a zone do not come together
    return SEVERAL if len(zones) > 1 else next(iter(zones), None)


def _named(zone: datetime.tzinfo | None) -> Zone | None:
    """The zone by its name, where it has one: some libraries make an object for each offset."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return name if isinstance(name, str) else zone
