"""Raw values of a column, of any library -> checked codes of ids, and times as numbers."""

from sasrec_fast.columns.boundaries import boundaries
from sasrec_fast.columns.ids_and_times import (
    IdColumn,
    TimeColumn,
    large_strings,
    read_ids,
    read_ratings,
    read_timestamps,
    text_buffers,
)
from sasrec_fast.columns.lists import explode
from sasrec_fast.columns.pieces import join
from sasrec_fast.columns.values import is_string
from sasrec_fast.columns.zones import SEVERAL

__all__ = [
    "SEVERAL",
    "IdColumn",
    "TimeColumn",
    "boundaries",
    "explode",
    "is_string",
    "join",
    "large_strings",
    "read_ids",
    "read_ratings",
    "read_timestamps",
    "text_buffers",
]
