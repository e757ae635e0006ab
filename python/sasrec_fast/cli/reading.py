"""What several commands read: ratings and titles, with a step on the screen for each."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError, DataWarning

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes import Recipe

ROLES = ("user", "item", "timestamp", "rating")
NO_COLUMN = "none"


def columns(arguments: Any) -> dict[str, Any]:
    """The columns given, by role: names, positions, or None for times that there are not."""
    texts = {role: getattr(arguments, role) for role in ROLES}
    return {
        role: None if text == NO_COLUMN else int(text) if text.isdecimal() else text
        for role, text in texts.items()
        if text is not None
    }


def as_trained(arguments: Any, preparation: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options of `prepare` used in training, with columns that may be called otherwise here.

    Raises:
        DataError: The model file does not say them.
    """
    if preparation is None:
        raise DataError(
            f"{arguments.model} does not say how its data was prepared: it was not saved by "
            "`sasrec-fast train`; use `recommend --history`, or sasrec_fast in Python"
        )
    options = {**preparation, **columns(arguments)}
    return options if options["min_rating"] is not None else {**options, "rating": None}


def prepared(recipe: Recipe, interactions: Any, screen: Screen, report: bool = True) -> Prepared:
    """Data prepared for a recipe, with its report (if asked for) and warnings printed."""
    from sasrec_fast.recipes import prepare_for

    path = f" {interactions}" if hasattr(interactions, "__fspath__") else ""
    with warnings.catch_warnings(record=True) as caught, screen.step(f"preparing{path}"):
        warnings.simplefilter("always", DataWarning)
        data = prepare_for(recipe, interactions)
    if report:
        screen.say(f"\n{data.report}\n")
    for warning in caught:
        screen.say(f"warning: {warning.message}\n")
    return data


def read_titles(arguments: Any, item: Any, screen: Screen) -> pd.DataFrame | None:
    """The movies, if there is a file of them."""
    if arguments.movies is None:
        return None
    from sasrec_fast.reading import read_movies

    with screen.step(f"reading {arguments.movies}"):
        return read_movies(arguments.movies, item=item, title=arguments.title)
