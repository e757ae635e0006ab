"""NDCG of groups of users: by the length of the history, by the popularity of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from sasrec_fast import checks
from sasrec_fast.evaluation import Metrics
from sasrec_fast.plots.canvas import colours, figure_of, inches_wide, panels, set_title
from sasrec_fast.plots.groups import Groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sasrec_fast.evaluation import Values
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.store import Split

_HEIGHT = 4.4
_BARS_WIDTH = 0.8  # of the place a group has
_CHARACTER = 0.075  # inches, of the small font
_LEGEND_HANDLE = 0.5


def ndcg_by_history_length(
    metrics: Metrics | Mapping[str, Metrics],
    data: Prepared,
    *,
    k: int = 10,
    groups: int = 8,
    data_name: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Mean NDCG@k, with standard errors, of users with shorter and longer histories.

    Users are put in groups of about equal size by the number of items before their target, those
    older than the model's input included. The number of users is below each group.

    Args:
        metrics: What `evaluate` returned for a split of `data`; or a mapping of names to these, to
            compare models on one split.
        data: The data they were measured on.
        k: Cut-off, one of those evaluated.
        groups: Most groups; fewer where many users have equal values.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure.

    Raises:
        ValueError: The metrics were measured in different ways, on other data or without ndcg@k;
            more than ten models; `groups` below 1.
        ImportError: matplotlib is missing.
    """
    named, split, protocol = _checked(metrics, data, k)
    checks.integer("groups", groups, 1)
    (ax,) = panels(1, ax, _HEIGHT)
    lengths = split.ends - split.starts - 1
    _draw(ax, named, Groups.of_quantiles(lengths, groups), f"ndcg@{k}")
    window = split.max_sequence_length
    cut = f" (a model sees the latest {window:,})" if lengths.max() > window else ""
    ax.set_xlabel(f"items before the target{cut}; n = users")
    set_title(ax, f"NDCG@{k} by history length", data_name, *protocol)
    return figure_of(ax)


def ndcg_by_popularity(
    metrics: Metrics | Mapping[str, Metrics],
    data: Prepared,
    *,
    k: int = 10,
    groups: int = 8,
    data_name: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Mean NDCG@k, with standard errors, of users whose target is rare or popular.

    Users are put in groups of about equal size by the training interactions of their target; those
    with a target that training does not show are a group of their own, 0. The number of users is
    below each group.

    Args:
        metrics: What `evaluate` returned for a split of `data`; or a mapping of names to these, to
            compare models on one split.
        data: The data they were measured on.
        k: Cut-off, one of those evaluated.
        groups: Most groups; fewer where many users have equal values.
        data_name: For the title.
        ax: Axes to draw into; new ones where None.

    Returns:
        The figure.

    Raises:
        ValueError: The metrics were measured in different ways, on other data or without ndcg@k;
            more than ten models; `groups` below 1.
        ImportError: matplotlib is missing.
    """
    named, split, protocol = _checked(metrics, data, k)
    checks.integer("groups", groups, 1)
    (ax,) = panels(1, ax, _HEIGHT)
    popularity = data.train.item_counts[split.sequences.items[split.ends - 1]]
    _draw(ax, named, Groups.of_quantiles(popularity, groups, zeros_apart=True), f"ndcg@{k}")
    ax.set_xlabel("training interactions of the target; n = users")
    set_title(ax, f"NDCG@{k} by popularity of the target", data_name, *protocol)
    return figure_of(ax)


def _checked(
    metrics: Metrics | Mapping[str, Metrics], data: Prepared, k: int
) -> tuple[dict[str, Metrics], Split, list[str]]:
    """Metrics by name, the split that all of them were measured on, and how."""
    named = {"": metrics} if isinstance(metrics, Metrics) else dict(metrics)
    if not named:
        raise ValueError("metrics is empty: nothing to draw")
    protocols = {_protocol(one): name for name, one in named.items()}
    if len(protocols) > 1:
        shown = "; ".join(f"{name!r} is of {how}" for how, name in protocols.items())
        raise ValueError(f"metrics were measured in different ways: {shown}")
    split: Split | None = getattr(data, next(iter(named.values())).name, None)
    rows = 0 if split is None else len(split)
    for name, one in named.items():
        shown = f"metrics[{name!r}]" if name else "metrics"
        if split is None or len(one.ranks) != rows:
            raise ValueError(
                f"{shown} is of {len(one.ranks):,} users of {one.name}, where the data has {rows:,}"
            )
        if f"ndcg@{k}" not in one:
            raise ValueError(f"{shown} has no 'ndcg@{k}'; it has {', '.join(one)}")
    assert split is not None
    return named, split, next(iter(protocols)).split(", ")


def _draw(ax: Axes, named: Mapping[str, Metrics], groups: Groups, key: str) -> None:
    """Bars of every model side by side, with their standard errors."""
    width = _BARS_WIDTH / len(named)
    tallest = 0.0
    for place, (name, colour) in enumerate(zip(named, colours(len(named)), strict=True)):
        values: Values = named[name].per_user[key]
        means = groups.means(values)
        errors = groups.standard_errors(values)
        ax.bar(
            np.arange(len(groups)) + (place + 0.5) * width - _BARS_WIDTH / 2,
            means,
            width,
            yerr=errors,
            color=colour,
            label=", ".join(filter(None, [name, f"mean {named[name][key]:.4f}"])),
            error_kw={"elinewidth": 1, "capsize": 2},
        )
        tallest = max(tallest, float((means + np.nan_to_num(errors)).max()))
    ax.set_ylabel(f"{key.upper()}, mean ± standard error")
    _legend_above(ax, tallest)
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    _group_ticks(ax, groups)


def _legend_above(ax: Axes, tallest: float) -> None:
    """The legend inside the Axes, above bars and errors of at most this height."""
    labels = ax.get_legend_handles_labels()[1]
    each = max(map(len, labels)) * _CHARACTER + _LEGEND_HANDLE
    columns = min(len(labels), max(1, int(inches_wide(ax) / each)))
    rows = -(-len(labels) // columns)
    ax.legend(loc="upper center", ncols=columns, fontsize="small")
    ax.set_ylim(0, tallest * (1.08 + 0.1 * rows) if tallest else 1.0)


def _group_ticks(ax: Axes, groups: Groups) -> None:
    """Each group's range of values, and below it its users; slanted where they are too long."""
    sizes = [f"n={size:,}" for size in groups.sizes]
    labels = [f"{shown}\n{size}" for shown, size in zip(groups.ranges, sizes, strict=True)]
    ax.set_xticks(np.arange(len(groups)), labels, fontsize="small")
    margin = 0.6 if len(groups) > 1 else 1.2
    ax.set_xlim(-margin, len(groups) - 1 + margin)
    longest = max(len(line) for label in labels for line in label.split("\n"))
    if longest * _CHARACTER * len(groups) > inches_wide(ax):
        ax.tick_params(axis="x", rotation=30)


def _protocol(metrics: Metrics) -> str:
    """How they were measured: split, users, ranking."""
    return str(metrics).partition("\n")[0]
