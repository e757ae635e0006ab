"""What lists are like: whom they show, and what novelty or diversity costs in accuracy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sasrec_fast.evaluation import Metrics
from sasrec_fast.plots.canvas import colours, panels, set_title
from sasrec_fast.plots.ndcg import named_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEIGHT = 4.4


def exposure(
    metrics: Metrics | Mapping[str, Metrics], *, data_name: str = "", ax: Axes | None = None
) -> Figure:
    """The share of all places in lists that the least shown items have (Lorenz curve).

    On the diagonal every item is shown as often; the area between is half the Gini coefficient.

    Args:
        metrics: What `evaluate(..., beyond=True)` returned; or a mapping of names to these.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure.

    Raises:
        ValueError: Metrics measured without `beyond`, or more than ten of them.
        TypeError: Metrics of another kind.
        ImportError: matplotlib is missing.
    """
    named = _with_outlook(metrics)
    figure, (ax,) = panels(1, ax, _HEIGHT)
    ax.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    for (name, one), colour in zip(named.items(), colours(len(named)), strict=True):
        k = _largest(one)
        places = np.sort(one.outlook.exposure)[-one.num_candidates :]
        share = np.concatenate([[0], np.cumsum(places) / max(int(places.sum()), 1)])
        label = f"{name}, " * bool(name) + f"Gini {one[f'gini@{k}']:.3f}"
        ax.plot(np.linspace(0, 1, len(share)), share, color=colour, label=label)
    first = next(iter(named.values()))
    ax.set_xlabel(f"share of the {first.num_candidates:,} candidates, the least shown first")
    ax.set_ylabel(f"share of all places in lists of {_largest(first)}")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.grid(alpha=0.3)
    ax.legend(loc="upper left", fontsize="small")
    set_title(ax, "Exposure of items", data_name, f"{first.name}: {len(first.ranks):,} users")
    return figure


def accuracy_and(
    measure: str,
    metrics: Mapping[str, Metrics],
    *,
    k: int = 10,
    data_name: str = "",
    ax: Axes | None = None,
) -> Figure:
    """NDCG@k of several models or rules beside another measure of the same lists.

    Args:
        measure: "novelty", "diversity", "tail", "serendipity", "gini", "popularity_lift" or
            "coverage".
        metrics: A mapping of names to what `evaluate(..., beyond=True)` returned.
        k: Cut-off of both.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure.

    Raises:
        ValueError: A measure or cut-off that the metrics do not have, or more than ten of them.
        TypeError: Metrics of another kind.
        ImportError: matplotlib is missing.
    """
    named = _with_outlook(metrics)
    key = f"{measure}@{k}"
    for name, one in named.items():
        for wanted in (key, f"ndcg@{k}"):
            if wanted not in one:
                raise ValueError(f"metrics[{name!r}] has no {wanted!r}; it has {', '.join(one)}")
    figure, (ax,) = panels(1, ax, _HEIGHT)
    for (name, one), colour in zip(named.items(), colours(len(named)), strict=True):
        errors = [one.standard_errors[wanted] for wanted in (key, f"ndcg@{k}")]
        ax.errorbar(
            one[key],
            one[f"ndcg@{k}"],
            xerr=errors[0],
            yerr=errors[1],
            fmt="o",
            color=colour,
            label=name,
        )
    ax.set_xlabel(f"{key}, mean ± standard error")
    ax.set_ylabel(f"NDCG@{k}, mean ± standard error")
    ax.grid(alpha=0.3)
    ax.legend(fontsize="small")
    first = next(iter(named.values()))
    users = f"{first.name}: {len(first.ranks):,} users"
    set_title(ax, f"NDCG@{k} and {measure.replace('_', ' ')}", data_name, users)
    return figure


def _with_outlook(metrics: Metrics | Mapping[str, Metrics]) -> dict[str, Metrics]:
    named = named_metrics(metrics)
    if not named:
        raise ValueError("metrics is empty: nothing to draw")
    for name, one in named.items():
        if one.outlook is None:
            shown = f"metrics[{name!r}]" if name else "metrics"
            raise ValueError(f"{shown} has no lists: measure with evaluate(..., beyond=True)")
    return named


def _largest(metrics: Metrics) -> int:
    return max(int(key.partition("@")[2]) for key in metrics if key.startswith("gini@"))
