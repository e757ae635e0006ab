"""Targets that their user had before, which nobody is served who is served no seen items."""

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.store.rows import Rows
from sasrec_fast.store.sequences import Sequences

_ROWS_AT_ONCE = 1 << 14


def repeated_targets(sequences: Sequences, rows: Rows) -> NDArray[np.bool_]:
    """Whether the last item of each row's sequence is in it before, too, bool [n]."""
    starts = sequences.offsets[rows.users]
    last = starts + rows.ends - 1
    targets = sequences.last_items(rows)
    found = np.zeros(len(rows), np.bool_)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(first, first + _ROWS_AT_ONCE)
        # From one row's start to the next; what is after its target is left out below.
        edges = np.append(starts[part], last[part][-1])
        wanted = np.repeat(targets[part], np.diff(edges))
        places = np.flatnonzero(sequences.items[edges[0] : edges[-1]] == wanted) + edges[0]
        row = np.searchsorted(edges[:-1], places, side="right") - 1
        found[first + row[places < last[part][row]]] = True
    return found
