"""Learning curves: losses and validation metrics over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.plots.canvas import colours, figure_of, panels, set_title, whole_ticks
from sasrec_fast.plots.runs import Run, read_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType as Colour

USUAL = ("val_ndcg@10", "val_hit_rate@10")
"""Metrics shown where none are named."""
LOSSES = {"loss": ("training", "-"), "val_loss": ("validation", "--")}
_MOST_MARKED = 30  # epochs
_MOST_INSIDE = 5  # lines of a legend; a longer one would cover the curves
_PANEL_HEIGHT = 2.6


def learning_curves(
    history: Any,
    *,
    metrics: Sequence[str] | None = None,
    data_name: str = "",
    ax: Axes | Sequence[Axes] | None = None,
) -> Figure:
    """Losses and validation metrics over epochs, with the best epoch of each run marked.

    The best epoch is that of the greatest first metric; of the least validation loss (or loss)
    where no metric was logged.

    Args:
        history: What `fit` returns, its `.history`, or the path of the comma-separated file of a
            `keras.callbacks.CSVLogger`; or a mapping of names to these, to compare runs. Epochs
            that a file has twice, as after resuming, count as they were logged last.
        metrics: Names in the logs, a panel for each below that of the losses. Where None,
            val_ndcg@10 and val_hit_rate@10, or else the first validation metric that there is.
        data_name: Of the data, for the title.
        ax: Axes to draw into, one for each panel; new ones where None.

    Returns:
        The figure.

    Raises:
        ValueError: A metric was not logged by any run, a run has no epochs, or not as many values
            in each column; more than ten runs; another number of Axes than panels.
        DataError: A ValueError: the file was not written by a CSVLogger.
        TypeError: `history` is of another kind.
        ImportError: matplotlib is missing.
    """
    runs = read_runs(history)
    shown = [[name] for name in _shown_metrics(runs, metrics)]
    losses = [name for name in LOSSES if any(name in run.logged for run in runs.values())]
    drawn = [losses] * bool(losses) + shown
    axes = panels(len(drawn), ax, _PANEL_HEIGHT)
    best_by = shown[0][0] if shown else losses[-1]
    for (name, run), colour in zip(runs.items(), colours(len(runs)), strict=True):
        best = run.best(best_by)
        for panel, columns in zip(axes, drawn, strict=True):
            _draw(panel, run, columns, best, colour)
            if best_by in columns:
                panel.plot([], [], color=colour, marker="*", label=_best_label(name, run, best_by))
    for panel, columns in zip(axes, drawn, strict=True):
        _finish(panel, columns)
    axes[-1].set_xlabel("epoch")
    longest = max(int(run.epochs[-1]) for run in runs.values())
    epochs = f"{longest:,} epoch{'s' * (longest > 1)}"
    runs_shown = f"{len(runs)} runs" if len(runs) > 1 else ""
    set_title(axes[0], "Learning curves", data_name, runs_shown, epochs)
    return figure_of(axes[0])


def _shown_metrics(runs: Mapping[str, Run], wanted: Sequence[str] | None) -> list[str]:
    logged = list(dict.fromkeys(name for run in runs.values() for name in run.logged))
    found = [name for name in logged if name.startswith("val_") and "loss" not in name]
    if wanted is None:
        losses = [name for name in LOSSES if name in logged]
        return [name for name in USUAL if name in found] or found[:1] or logged[: not losses]
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if name not in logged:
            raise ValueError(f"metrics has {name!r}, which was not logged; logged are {logged}")
    return names


def _draw(panel: Axes, run: Run, columns: Sequence[str], best: int | None, colour: Colour) -> None:
    """The lines of one run, and its best epoch."""
    marker = "." if len(run.epochs) <= _MOST_MARKED else ""
    for name in columns:
        if name not in run.logged:
            continue
        values = run.logged[name]
        there = np.isfinite(values)
        style = LOSSES.get(name, ("", "-"))[1]
        panel.plot(run.epochs[there], values[there], style, color=colour, marker=marker)
        if best is not None and there[best]:
            panel.plot(run.epochs[best], values[best], "*", color=colour, markersize=12)
    if best is not None:
        panel.axvline(run.epochs[best], color=colour, linestyle=":", linewidth=1)


def _best_label(name: str, run: Run, best_by: str) -> str:
    best = run.best(best_by)
    if best is None:
        return f"{name}: nothing finite" if name else "nothing finite"
    prefix = f"{name}: " if name else ""
    return f"{prefix}best {run.logged[best_by][best]:.4g}, epoch {run.epochs[best]:,}"


def _finish(panel: Axes, columns: Sequence[str]) -> None:
    """Labels, ticks at whole epochs, and what line is what."""
    whole_ticks(panel.xaxis)
    panel.grid(alpha=0.3)
    if columns[0] in LOSSES:
        panel.set_ylabel("loss")
        for name in columns:
            label, style = LOSSES[name]
            panel.plot([], [], style, color="black", label=label)
    else:
        panel.set_ylabel(_readable(columns[0]))
    lines = len(panel.get_legend_handles_labels()[1])
    if lines > _MOST_INSIDE:
        panel.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    elif lines:
        panel.legend(fontsize="small")


def _readable(metric: str) -> str:
    """As in "validation NDCG@10" for "val_ndcg@10"."""
    words = metric.replace("val_", "validation ", 1) if metric.startswith("val_") else metric
    return words.replace("ndcg", "NDCG").replace("mrr", "MRR").replace("_", " ")
