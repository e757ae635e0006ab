"""Learning curves: losses and validation metrics over epochs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from sasrec_fast import checks
from sasrec_fast.plots.canvas import colours, panels, set_title, whole_ticks
from sasrec_fast.plots.runs import best_epoch, read_runs

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
        history: What `fit` returns, its `.history`, the path of the comma-separated file of a
            `keras.callbacks.CSVLogger`, or `.epochs` of a recipe's run; or a mapping of names to
            these, to compare runs. Epochs that a file has twice, as after resuming, count as they
            were logged last.
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
    logged = list(dict.fromkeys(str(name) for run in runs.values() for name in run))
    losses = [name for name in LOSSES if name in logged]
    shown = _shown_metrics(logged, metrics)
    drawn = [losses] * bool(losses) + [[name] for name in shown]
    figure, axes = panels(len(drawn), ax, _PANEL_HEIGHT)
    best_by = shown[0] if shown else losses[-1]
    for (name, run), colour in zip(runs.items(), colours(len(runs)), strict=True):
        best = best_epoch(run, best_by)
        for panel, columns in zip(axes, drawn, strict=True):
            _draw(panel, run.reindex(columns=columns), best, colour)
            if best_by in columns:
                found = (
                    f"best {run[best_by][best]:.4g}, epoch {best:,}" if best else "nothing finite"
                )
                label = f"{name}: {found}" if name else found
                panel.plot([], [], color=colour, marker="*", label=label)
    for panel, columns in zip(axes, drawn, strict=True):
        _finish(panel, columns)
    axes[-1].set_xlabel("epoch")
    longest = int(max(run.index[-1] for run in runs.values()))
    epochs = f"{longest:,} epoch{'s' * (longest > 1)}"
    runs_shown = f"{len(runs)} runs" if len(runs) > 1 else ""
    set_title(axes[0], "Learning curves", data_name, runs_shown, epochs)
    return figure


def _shown_metrics(logged: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        found = [name for name in logged if name.startswith("val_") and "loss" not in name]
        usual = [name for name in USUAL if name in found] or found[:1]
        return usual or ([] if set(LOSSES) & set(logged) else list(logged[:1]))
    if not isinstance(wanted, str | Iterable) or getattr(wanted, "ndim", 1) != 1:
        raise TypeError(f"metrics must be names in the logs, received {checks.received(wanted)}")
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in names:
        if not isinstance(name, str) or name not in logged:
            raise ValueError(
                f"metrics has {checks.received(name)}, which was not logged; logged are {logged}"
            )
    return names


def _draw(panel: Axes, run: pd.DataFrame, best: int | None, colour: Colour) -> None:
    """The lines of one run as far as they are finite, and its best epoch."""
    marker = "." if len(run) <= _MOST_MARKED else ""
    for name, column in run.items():
        values = column.dropna()
        style = LOSSES.get(str(name), ("", "-"))[1]
        panel.plot(values.index, values, style, color=colour, marker=marker)
        if best is not None and best in values:
            panel.plot(best, values[best], "*", color=colour, markersize=12)
    if best is not None:
        panel.axvline(best, color=colour, linestyle=":", linewidth=1)


def _finish(panel: Axes, columns: Sequence[str]) -> None:
    """Labels, ticks at whole epochs, and what line is what."""
    whole_ticks(panel.xaxis)
    panel.grid(alpha=0.3)
    if columns[0] in LOSSES:
        panel.set_ylabel("loss")
        for label, style in map(LOSSES.__getitem__, columns):
            panel.plot([], [], style, color="black", label=label)
    else:
        readable = columns[0].removeprefix("val_").replace("ndcg", "NDCG").replace("mrr", "MRR")
        validation = "validation " if columns[0].startswith("val_") else ""
        panel.set_ylabel(validation + readable.replace("_", " "))
    lines = len(panel.get_legend_handles_labels()[1])
    if lines > _MOST_INSIDE:
        panel.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    elif lines:
        panel.legend(fontsize="small")
