"""Axes that need no display, colours that everyone can tell apart, titles and ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast import checks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.typing import ColorType as Colour

WIDTH = 7.0
"""Inches of a new figure."""
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
        raise ImportError(
            'plots need matplotlib: pip install "sasrec-fast[plots]", or, from a clone, '
            f'pip install ".[plots]" ({failure})'
        ) from failure


def panels(
    count: int, ax: Axes | Sequence[Axes] | None, height: float
) -> tuple[Figure, list[Axes]]:
    """A figure to return and the Axes in it to draw into, one below the other where they are new.

    Args:
        count: How many are needed.
        ax: Those given, perhaps in a part of their figure.
        height: Inches of a new one.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: Another number of them was given, or one that is in no figure.
        TypeError: Something else was given.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    if ax is None:
        figure = Figure(figsize=(WIDTH, height * count), layout="constrained")
        return figure, list(figure.subplots(count, sharex=True, squeeze=False)[:, 0])
    flat: Any = ax.ravel() if isinstance(ax, np.ndarray) else ax
    several = isinstance(flat, Sequence | np.ndarray) and not isinstance(flat, str)
    given = list(flat) if several else [flat]
    for one in given:
        if not hasattr(one, "get_figure"):
            raise TypeError(f"ax must be matplotlib Axes, received {checks.received(one)}")
    if len(given) != count:
        raise ValueError(f"ax holds {len(given)} Axes, expected {count}: one for each panel")
    if (root := given[0].get_figure(root=True)) is None:
        raise ValueError("ax has been removed from its figure")
    return root, given


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
    """A title, and below it what it is about, in lines that break between facts."""
    for fact in facts:
        if not isinstance(fact, str):
            raise TypeError(f"data_name must be text, received {checks.received(fact)}")
    unbroken = ", ".join(fact.replace(" ", _NO_BREAK) for fact in facts if fact)
    lines = textwrap.wrap(unbroken, max(20, int(inches_wide(ax) * _CHARACTERS_AN_INCH)))
    text = "\n".join([title, *lines]).replace(_NO_BREAK, " ")
    ax.set_title(text, loc="left", fontsize="medium", parse_math=False)


def inches_wide(ax: Axes) -> float:
    """About how wide Axes will be; a layout that is still to come makes them wider, if anything."""
    return float(ax.bbox.width / ax.figure.dpi)


def whole_ticks(axis: Axis) -> None:
    """Ticks at whole numbers; on a log axis at 1, 2, 5, 10, ..., on a long one at powers of 10."""
    from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator, StrMethodFormatter

    if axis.get_scale() == "linear":
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    else:
        first, last = axis.get_view_interval()
        leading = (1, 2, 5) if last < 2000 * max(first, 1) else (1,)
        powers = 10.0 ** np.arange(np.ceil(np.log10(last)))
        axis.set_major_locator(FixedLocator([0, *np.outer(powers, leading).ravel()]))
        axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
