"""NDCG of groups of users: by the length of the history, by the popularity of the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.evaluation import Metrics, digest_of
from sasrec_fast.plots.canvas import colours, inches_wide, panels, set_title
from sasrec_fast.preparing import Prepared, require_prepared
from sasrec_fast.store import Split

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
        TypeError: Metrics or data are of another kind.
        ImportError: matplotlib is missing.
    """
    named, split, how = _checked(metrics, data, k)
    lengths = split.ends - split.starts - 1
    members = quantile_groups(lengths, groups)
    figure, (ax,) = panels(1, ax, _HEIGHT)
    _draw(ax, named, k, lengths, members)
    window = split.max_sequence_length
    cut = f" (a model sees the latest {window:,})" if lengths.max() > window else ""
    ax.set_xlabel(f"items before the target{cut}; n = users")
    set_title(ax, f"NDCG@{k} by history length", data_name, *how)
    return figure


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
    with a target that training does not show are a group of their own, 0. All else, arguments and
    errors too, is as in `ndcg_by_history_length`.
    """
    named, split, how = _checked(metrics, data, k)
    popularity = data.train.item_counts[split.sequences.items[split.ends - 1]]
    members = quantile_groups(popularity, groups, zeros_apart=True)
    figure, (ax,) = panels(1, ax, _HEIGHT)
    _draw(ax, named, k, popularity, members)
    ax.set_xlabel("training interactions of the target; n = users")
    set_title(ax, f"NDCG@{k} by popularity of the target", data_name, *how)
    return figure


def quantile_groups(
    values: NDArray[np.int64], groups: int, *, zeros_apart: bool = False
) -> NDArray[np.intp]:
    """The group of each user, from 0 on, least values first; users of equal value share one.

    A value belongs to the quantile that the middle one of its users is in; what would be less
    than half a share joins the next group, or the last one.

    Args:
        values: int64 [n], one for each user, n >= 1.
        groups: Most of them.
        zeros_apart: Users of value 0 are a group of their own, however few.
    """
    checks.integer("groups", groups, 1)
    distinct, inverse, users = np.unique(values, return_inverse=True, return_counts=True)
    alone = int(zeros_apart and distinct[0] == 0 and len(distinct) > 1)
    users = users[alone:]
    share = users.sum() / max(groups - alone, 1)
    quantiles = (np.cumsum(users) - users / 2) // share
    candidates = np.flatnonzero(np.diff(quantiles, prepend=-1))
    starts, size = [0], 0
    for start, more in zip(candidates, np.add.reduceat(users, candidates), strict=True):
        if size >= share / 2:
            starts.append(int(start))
            size = 0
        size += more
    if len(starts) > 1 and size < share / 2:
        starts.pop()
    of_value = np.searchsorted(starts, np.arange(len(users)), side="right") - 1 + alone
    found: NDArray[np.intp] = np.append([0] * alone, of_value).astype(np.intp)[inverse]
    return found


def _checked(
    metrics: Metrics | Mapping[str, Metrics], data: Prepared, k: int
) -> tuple[dict[str, Metrics], Split, list[str]]:
    """Metrics by name, the split that all of them were measured on, and how they were."""
    named = named_metrics(metrics)
    checks.integer("k", k, 1)
    require_prepared(data, "a plot of metrics")
    if not named:
        raise ValueError("metrics is empty: nothing to draw")
    protocols = {str(one).partition("\n")[0]: name for name, one in named.items()}
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
        if one.targets.digest != digest_of(split):
            raise ValueError(f"{shown} is of the {one.name} split of other data")
        if f"ndcg@{k}" not in one:
            raise ValueError(f"{shown} has no 'ndcg@{k}'; it has {', '.join(one)}")
    assert split is not None
    return named, split, next(iter(protocols)).split(", ")


def named_metrics(metrics: Any) -> dict[str, Metrics]:
    """Metrics by name; a TypeError that says what to pass where they are something else."""
    if isinstance(metrics, Metrics):
        return {"": metrics}
    wrong = metrics
    if isinstance(metrics, Mapping):
        others = [value for value in metrics.values() if not isinstance(value, Metrics)]
        if not others:
            return {str(name): value for name, value in metrics.items()}
        wrong = others[0]
    raise TypeError(
        "metrics must be what evaluate() returns, or a mapping of names to these, received "
        f"{checks.received(wrong)}"
    )


def _draw(
    ax: Axes,
    named: Mapping[str, Metrics],
    k: int,
    values: NDArray[np.int64],
    members: NDArray[np.intp],
) -> None:
    """Bars of every model side by side with their standard errors, a place for each group."""
    width = _BARS_WIDTH / len(named)
    labels = []
    for place, (name, colour) in enumerate(zip(named, colours(len(named)), strict=True)):
        gains = pd.Series(named[name].per_user[f"ndcg@{k}"]).groupby(members)
        labels.append(f"{name}, " * bool(name) + f"mean {named[name][f'ndcg@{k}']:.4f}")
        ax.bar(
            np.arange(gains.ngroups) + (place + 0.5) * width - _BARS_WIDTH / 2,
            gains.mean(),
            width,
            yerr=gains.sem(),
            color=colour,
            label=labels[-1],
            error_kw={"elinewidth": 1, "capsize": 2},
        )
    ax.set_ylabel(f"NDCG@{k}, mean ± standard error")
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    # The legend is inside, above the bars.
    each = max(map(len, labels)) * _CHARACTER + _LEGEND_HANDLE
    columns = min(len(labels), max(1, int(inches_wide(ax) / each)))
    ax.legend(loc="upper center", ncols=columns, fontsize="small")
    ax.set_ylim(0, ax.get_ylim()[1] * (1.03 + 0.1 * -(-len(labels) // columns)))
    _group_ticks(ax, pd.Series(values).groupby(members).agg(["min", "max", "size"]))


def _group_ticks(ax: Axes, groups: pd.DataFrame) -> None:
    """Each group's range of values, and below it its users; slanted where they are too long."""
    labels = [
        f"{low}\nn={size:,}" if low == high else f"{low}–{high}\nn={size:,}"  # noqa: RUF001
        for low, high, size in groups.itertuples(index=False)
    ]
    longest = max(len(line) for label in labels for line in label.split("\n"))
    slant = 30 * (longest * _CHARACTER * len(labels) > inches_wide(ax))
    ax.set_xticks(np.arange(len(labels)), labels, fontsize="small", rotation=slant)
    margin = 0.6 if len(labels) > 1 else 1.2
    ax.set_xlim(-margin, len(labels) - 1 + margin)
