"""The face of the data half: interactions and options in, `Prepared` out."""

from sasrec_fast.preparing.arguments import require_prepared, require_split
from sasrec_fast.preparing.engines.partitions import VALUE, value_of, values
from sasrec_fast.preparing.grouping import group
from sasrec_fast.preparing.options import Options
from sasrec_fast.preparing.preparation import KERAS_EXAMPLE, prepare
from sasrec_fast.preparing.prepared import Prepared, load

__all__ = [
    "KERAS_EXAMPLE",
    "VALUE",
    "Options",
    "Prepared",
    "group",
    "load",
    "prepare",
    "require_prepared",
    "require_split",
    "value_of",
    "values",
]
