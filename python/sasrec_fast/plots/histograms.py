"""Histograms of prepared data: history lengths and item popularity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.plots.canvas import colours, panels, set_title, whole_ticks
from sasrec_fast.preparing import Prepared, require_prepared

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEAD_SHARE = 0.1
"""Share of the items, the most popular ones, that is marked."""
MOST_BINS = 30
"""Of equal width; values over more than a decade get ten bins a decade instead."""
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
        TypeError: The data is of another kind.
    """
    require_prepared(data, "history_lengths")
    figure, (ax,) = panels(1, ax, _HEIGHT)
    lengths = np.diff(data.sequences.offsets)
    _draw(ax, lengths, "users", "interactions of a user, held-out ones included")
    shown, users = data.max_sequence_length + 1, len(lengths)
    longer = int(np.count_nonzero(lengths > shown))
    kept = "" if longer else f"all of them fit into a row of {shown:,} items"
    if longer:
        share = f"{longer:,} of {users:,} users ({_percent(longer / users)})"
        _mark_from(ax, shown + 1, f"longer than the {shown:,} items of a row: {share}")
    spread = f"median {np.median(lengths):,.0f}, longest {lengths.max():,} interactions"
    set_title(ax, "History lengths", data_name, f"{users:,} user{'s' * (users != 1)}", spread, kept)
    return figure


def item_popularity(data: Prepared, *, data_name: str = "", ax: Axes | None = None) -> Figure:
    """Items by the number of their training interactions, and the head of the most popular ones.

    Items that only held-out interactions show count as 0; ids without any interaction do not count.
    Arguments, result and errors are as in `history_lengths`.
    """
    require_prepared(data, "item_popularity")
    figure, (ax,) = panels(1, ax, _HEIGHT)
    counts = np.sort(data.train.item_counts[data.item_counts > 0])[::-1]
    _draw(ax, counts, "items", "training interactions of an item")
    items, total = len(counts), counts.sum()
    head = counts[: int(np.ceil(HEAD_SHARE * items))]
    if head[-1] > counts[-1]:
        share = f"{len(head):,} of {items:,} items ({_percent(len(head) / items)})"
        label = f"most popular {share}: {_percent(head.sum() / total)} of interactions"
        _mark_from(ax, int(head[-1]), label)
    untrained = int(np.count_nonzero(counts == 0))
    cold = f"{untrained:,} of them held out only" if untrained else ""
    interactions = f"{total:,} training interactions"
    set_title(ax, "Item popularity", data_name, f"{items:,} items", cold, interactions)
    return figure


def bin_edges(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of bins of whole numbers, from an edge on to below the next one; 0 is in none with 1."""
    lowest, highest = int(values.min()), int(values.max())
    if highest - lowest < MOST_BINS or highest < 10 * lowest:
        width = -(-(highest - lowest + 1) // MOST_BINS)
        return np.arange(lowest, highest + width + 1, width)
    decades = len(str(highest))
    powers = np.geomspace(1, 10**decades, 10 * decades + 1)  # rounded, the series R10 of ISO 3
    edges = np.unique(np.append(0, powers.round()).astype(np.int64))
    first, last = np.searchsorted(edges, [lowest, highest], side="right")
    return edges[first - 1 : last + 1]


def _draw(ax: Axes, values: NDArray[np.int64], unit: str, of_what: str) -> None:
    """Bars centred on whole numbers, with axes that show the small ones beside the large."""
    edges = bin_edges(values)
    counts = np.histogram(values, edges)[0]
    left, widths, blue = edges[:-1] - 0.5, np.diff(edges), colours(1)[0]
    ax.bar(left, counts, widths, align="edge", color=blue, edgecolor="white")
    if np.ptp(widths):  # linear up to the first half, which 0 is in
        ax.set_xscale("symlog", linthresh=0.5, linscale=0.2)
    tallest = int(counts.max())
    if tallest > 100 * counts[counts > 0].min():
        ax.set_yscale("log")
        ax.set_ylim(0.7, 2 * tallest)
    else:
        ax.set_ylim(0, 1.15 * tallest)
    ax.set_xlim(*ax.get_xlim())  # fixed, whatever is marked
    for axis, label in ((ax.xaxis, of_what), (ax.yaxis, unit)):
        whole_ticks(axis)
        axis.set_label_text(label)


def _mark_from(ax: Axes, value: int, label: str) -> None:
    """A line where values from this one on begin, a shade behind them, and what they are."""
    colour = colours(3)[2]
    ax.axvline(value - 0.5, color=colour, linestyle="--", label=label)
    ax.axvspan(value - 0.5, ax.get_xlim()[1], color=colour, alpha=0.1, zorder=0)
    ax.legend(fontsize="small")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
