"""Histograms of prepared data: history lengths and item popularity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.plots.bins import Histogram
from sasrec_fast.plots.canvas import colours, counted_share, figure_of, panels, percent, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sasrec_fast.preparing import Prepared

HEAD_SHARE = 0.1
"""Share of the items, the most popular ones, that is marked."""
_HEIGHT = 4.2


def history_lengths(data: Prepared, *, data_name: str = "", ax: Axes | None = None) -> Figure:
    """Users by the number of their kept interactions, and those longer than one row.

    A row shows L + 1 items: L inputs and the target of the last one.

    Args:
        data: Prepared interactions.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure. Its axis of lengths is logarithmic where they span more than a decade.

    Raises:
        ImportError: matplotlib is missing.
    """
    (ax,) = panels(1, ax, _HEIGHT)
    lengths = np.diff(data.sequences.offsets)
    histogram = Histogram.of(lengths)
    histogram.draw(ax, "users")
    ax.set_xlabel("interactions of a user, held-out ones included")
    shown = data.max_sequence_length + 1
    longer = int(np.count_nonzero(lengths > shown))
    kept = f"all of them fit into a row of {shown:,} items"
    if longer:
        share = counted_share(longer, len(lengths), "users")
        _mark_from(ax, histogram, shown + 1, f"longer than the {shown:,} items of a row: {share}")
        kept = ""
    spread = f"median {np.median(lengths):,.0f}, longest {lengths.max():,} interactions"
    users = f"{len(lengths):,} user{'s' * (len(lengths) != 1)}"
    set_title(ax, "History lengths", data_name, users, spread, kept)
    return figure_of(ax)


def item_popularity(data: Prepared, *, data_name: str = "", ax: Axes | None = None) -> Figure:
    """Items by the number of their training interactions, and the head of the most popular ones.

    Items that only held-out interactions show count as 0; ids without any interaction do not count.

    Args:
        data: Prepared interactions.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure. Its axis of interactions is logarithmic where they span more than a decade.

    Raises:
        ImportError: matplotlib is missing.
    """
    (ax,) = panels(1, ax, _HEIGHT)
    counts = data.train.item_counts[data.item_counts > 0]
    histogram = Histogram.of(counts)
    histogram.draw(ax, "items")
    ax.set_xlabel("training interactions of an item")
    head = np.sort(counts)[::-1][: _head_size(counts)]
    if head[-1] > counts.min():
        items = counted_share(len(head), len(counts), "items")
        label = f"most popular {items}: {percent(head.sum() / counts.sum())} of interactions"
        _mark_from(ax, histogram, int(head[-1]), label)
    untrained = int(np.count_nonzero(counts == 0))
    cold = f"{untrained:,} of them held out only" if untrained else ""
    total = f"{counts.sum():,} training interactions"
    set_title(ax, "Item popularity", data_name, f"{len(counts):,} items", cold, total)
    return figure_of(ax)


def _head_size(counts: NDArray[np.int64]) -> int:
    return int(np.ceil(HEAD_SHARE * len(counts)))


def _mark_from(ax: Axes, histogram: Histogram, value: int, label: str) -> None:
    """A line where values from this one on begin, a shade behind them, and what they are."""
    place, colour = histogram.place(value), colours(3)[2]
    ax.axvline(place, color=colour, linestyle="--", label=label)
    ax.axvspan(place, ax.get_xlim()[1], color=colour, alpha=0.1, zorder=0)
    ax.legend(fontsize="small")
