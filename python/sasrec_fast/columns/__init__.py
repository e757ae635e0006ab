"""Raw values of a column, of any library -> checked codes of ids, and times as numbers."""

from sasrec_fast.columns.boundaries import boundaries
from sasrec_fast.columns.clock import LONGEST, UNITS, Clock
from sasrec_fast.columns.ids_and_times import (
    IdColumn,
    TimeColumn,
    large_strings,
    read_ids,
    read_ratings,
    read_timestamps,
    text_buffers,
)
from sasrec_fast.columns.lists import explode, refuse_written_lists
from sasrec_fast.columns.of_pandas import (
    is_column,
    is_dtype,
    is_frame,
    is_grouped,
    is_hashable,
    is_series,
)
from sasrec_fast.columns.pieces import as_arrow, join
from sasrec_fast.columns.values import is_string, read_values
from sasrec_fast.columns.zones import SEVERAL

__all__ = [
    "LONGEST",
    "SEVERAL",
    "UNITS",
    "Clock",
    "IdColumn",
    "TimeColumn",
    "as_arrow",
    "boundaries",
    "explode",
    "is_column",
    "is_dtype",
    "is_frame",
    "is_grouped",
    "is_hashable",
    "is_series",
    "is_string",
    "join",
    "large_strings",
    "read_ids",
    "read_ratings",
    "read_timestamps",
    "read_values",
    "refuse_written_lists",
    "text_buffers",
]
