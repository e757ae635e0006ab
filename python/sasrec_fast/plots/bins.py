"""Bins of whole numbers, and their bars on a linear or a log axis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.plots.canvas import colours, log_ticks, whole_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import ColorType as Colour

MOST_BINS = 30
"""Of equal width; values over more than a decade get ten bins a decade instead."""


@dataclass(frozen=True)
class Histogram:
    """Counts of whole numbers from 0 on.

    Attributes:
        edges: int64 [b + 1]; bin i holds the values edges[i] <= value < edges[i + 1].
        counts: int64 [b].
        zeros: Values of 0 that are in no bin, as a log axis has no place for them.
        log: Whether the axis is to be logarithmic.
    """

    edges: NDArray[np.int64]
    counts: NDArray[np.int64]
    zeros: int
    log: bool

    @classmethod
    def of(cls, values: NDArray[np.int64]) -> Histogram:
        """A histogram of at least one value."""
        lowest, highest = int(values.min()), int(values.max())
        positive = values[values > 0]
        if highest - lowest < MOST_BINS or highest < 10 * int(positive.min()):
            return cls._linear(values, lowest, highest)
        edges = _preferred_numbers(int(positive.min()), highest)
        counts = np.histogram(positive, edges)[0].astype(np.int64)
        return cls(edges, counts, len(values) - len(positive), log=True)

    @classmethod
    def _linear(cls, values: NDArray[np.int64], lowest: int, highest: int) -> Histogram:
        width = -(-(highest - lowest + 1) // MOST_BINS)
        edges = np.arange(lowest, highest + width + 1, width)
        return cls(edges, np.histogram(values, edges)[0].astype(np.int64), 0, log=False)

    @property
    def drawn_edges(self) -> NDArray[np.float64]:
        """Where the bars begin and end: whole numbers are centred on a linear axis."""
        return self.edges.astype(np.float64) - (0.0 if self.log else 0.5)

    def place(self, value: int) -> float:
        """Where on the axis values from this one on begin."""
        return value - (0.0 if self.log else 0.5)

    def draw(self, ax: Axes, unit: str) -> None:
        """Bars, with readable ticks on both axes."""
        edges, counts, colour = self.drawn_edges, self.counts, colours(1)[0]
        ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colour, edgecolor="white")
        if self.log:
            self._log_axis(ax, colour)
        else:
            whole_ticks(ax.xaxis)
            margin = 0.4 * (edges[1] - edges[0])
            ax.set_xlim(edges[0] - margin, edges[-1] + margin)
        tallest = max(int(counts.max()), self.zeros)
        if tallest > 100 * int(counts[counts > 0].min()):
            ax.set_yscale("log")
            places, labels = log_ticks(1, 2 * tallest)
            ax.set_yticks(places, labels)
            ax.set_ylim(0.7, 2 * tallest)
        else:
            whole_ticks(ax.yaxis)
            ax.set_ylim(0, 1.15 * tallest)
        ax.set_ylabel(unit)

    def _log_axis(self, ax: Axes, colour: Colour) -> None:
        ax.set_xscale("log")
        first = float(self.edges[0])
        places, labels = log_ticks(first, float(self.edges[-1]))
        if self.zeros:
            left, right = first / 1.8, first / 1.3
            ax.bar(left, self.zeros, right - left, align="edge", color=colour, hatch="///")
            places, labels = [np.sqrt(left * right), *places], ["0", *labels]
            first = left
        ax.set_xticks(places, labels)
        ax.minorticks_off()
        ax.set_xlim(first / 1.1, float(self.edges[-1]) * 1.1)


def _preferred_numbers(lowest: int, highest: int) -> NDArray[np.int64]:
    """Edges at whole powers of the tenth root of 10, rounded (the series R10 of ISO 3)."""
    powers = np.arange(np.floor(10 * np.log10(lowest)), np.ceil(10 * np.log10(highest + 1)) + 2)
    edges = np.unique(np.round(10 ** (powers / 10)).astype(np.int64))
    first = int(np.searchsorted(edges, lowest, side="right")) - 1
    last = int(np.searchsorted(edges, highest, side="right"))
    return edges[first : last + 1]
