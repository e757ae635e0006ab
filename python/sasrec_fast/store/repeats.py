"""Targets that their user had before, which nobody is served who is served no seen items."""

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import _core
from sasrec_fast.store.rows import Rows
from sasrec_fast.store.sequences import Sequences


def repeated_targets(sequences: Sequences, rows: Rows) -> NDArray[np.bool_]:
    """Whether the last item of each row's sequence is in it before, too, bool [n]."""
    return _core.repeated_targets(sequences, rows)
