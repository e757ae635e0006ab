"""Axes that need no display, colours that everyone can tell apart, titles and ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType as Colour

WIDTH = 7.0
"""Inches of a new figure."""
INSTALL = (
    'plots need matplotlib: pip install "sasrec-fast[plots]", or, from a clone, '
    'pip install ".[plots]"'
)
_CHARACTERS_AN_INCH = 15  # of the default font at its medium size
_NO_BREAK = "\u00a0"


def require_matplotlib() -> None:
    """Raise early where nothing can be drawn.

    Raises:
        ImportError: matplotlib is missing or broken; says how to install it.
    """
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as failure:
        raise ImportError(f"{INSTALL} ({failure})") from failure


def panels(count: int, ax: Axes | Sequence[Axes] | None, height: float) -> list[Axes]:
    """The Axes to draw into, one below the other where they are new.

    Args:
        count: How many are needed.
        ax: Those given.
        height: Inches of a new one.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: Another number of them was given.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    if ax is None:
        figure = Figure(figsize=(WIDTH, height * count), layout="constrained")
        return list(figure.subplots(count, sharex=True, squeeze=False)[:, 0])
    given = list(ax) if isinstance(ax, Sequence | np.ndarray) else [ax]
    if len(given) != count:
        raise ValueError(f"ax holds {len(given)} Axes, expected {count}: one for each panel")
    return given


def figure_of(ax: Axes) -> Figure:
    """The figure that can be saved, also where the Axes are in a part of it."""
    figure = ax.get_figure(root=True)
    if figure is None:
        raise ValueError("ax has been removed from its figure")
    return figure


def colours(count: int) -> list[Colour]:
    """Colours for `count` names (Petroff 2021, "Accessible color sequences for data ...").

    Raises:
        ValueError: There are not that many.
    """
    import matplotlib

    sequence = matplotlib.color_sequences["petroff10"]
    if count > len(sequence):
        raise ValueError(f"{count} names in one plot; at most {len(sequence)} can be told apart")
    return list(sequence[:count])


def set_title(ax: Axes, title: str, *facts: str) -> None:
    """A title, and below it what it is about."""
    unbroken = ", ".join(fact.replace(" ", _NO_BREAK) for fact in facts if fact)
    lines = textwrap.wrap(unbroken, max(20, int(inches_wide(ax) * _CHARACTERS_AN_INCH)))
    text = "\n".join([title, *lines]).replace(_NO_BREAK, " ")
    ax.set_title(text, loc="left", fontsize="medium", parse_math=False)


def inches_wide(ax: Axes) -> float:
    """About how wide Axes will be; a layout that is still to come makes them wider, if anything."""
    return ax.get_position().width * figure_of(ax).get_figwidth()


def whole_ticks(axis: Axis) -> None:
    """Ticks at whole numbers only, on a linear axis."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def log_ticks(lowest: float, highest: float) -> tuple[list[float], list[str]]:
    """Places 1, 2, 5, 10, ... on a log axis, fewer on a long one, and their labels."""
    decades = range(int(np.floor(np.log10(lowest))), int(np.ceil(np.log10(highest))) + 1)
    leading = (1, 2, 5) if highest < 2000 * lowest else (1,)
    places = [float(digit * 10.0**decade) for decade in decades for digit in leading]
    places = [place for place in places if lowest <= place <= highest]
    return places, [f"{place:,.0f}" for place in places]


def counted_share(count: int, total: int, noun: str) -> str:
    """As in "12 of 943 users (1.3 %)"."""
    return f"{count:,} of {total:,} {noun} ({percent(count / max(total, 1))})"


def percent(share: float) -> str:
    """As in "1.3 %"."""
    return f"{100 * share:.1f} %"
