"""What each question must not get, and the best of the rest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.ranking import CompiledRules, best
from sasrec_fast.serving.catalogue import Selection
from sasrec_fast.store import Histories

Ids = NDArray[np.int32]

Pairs = tuple[NDArray[np.int64], Ids]
"""Numbers of histories, each with an item index."""

Ruled = tuple[Selection, CompiledRules | None]
"""What is searched, and by which rules."""

NONE = np.zeros(0, np.int32)


def left_out(histories: Histories, exclude_seen: bool, never: Ids) -> Pairs:
    """The numbers of histories with what each must not get."""
    rows = len(histories)
    if exclude_seen and rows == 1 and not len(never):  # at once
        own = histories.items[histories.starts[0] : histories.ends[0]]
        return np.zeros(len(own), np.int64), own
    parts = [histories.pairs()] if exclude_seen else []
    if len(never):
        parts.append((np.repeat(np.arange(rows), len(never)), np.tile(never, rows)))
    if len(parts) == 1:
        return parts[0]
    numbers, items = zip((np.zeros(0, np.int64), NONE), *parts, strict=True)
    return np.concatenate(numbers), np.concatenate(items)


def search(
    states: NDArray[np.float32], among: Ruled, never: Pairs, k: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Scores and columns [n, k] of the best, best first; -1 where there are fewer."""
    selection, rules = among
    excluded = selection.excluded(*never, len(states))
    k = min(k, len(selection.indices))
    return best(states, selection.vectors, excluded, k, rules, selection.coarse)
