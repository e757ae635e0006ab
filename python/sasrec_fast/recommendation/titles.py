"""Titles of items, as `recommend` and `similar_items` take them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import pandas as pd

Titles: TypeAlias = pd.DataFrame | pd.Series | Mapping[Any, str]


def titles_by_id(titles: Titles) -> pd.Series[Any]:
    """Titles, indexed by item id.

    Args:
        titles: A DataFrame with columns item_id and title, a Series indexed by item id, or a
            mapping.

    Raises:
        ValueError: There are no such columns, or two titles for an item.
    """
    if isinstance(titles, pd.DataFrame):
        missing = {"item_id", "title"} - set(titles.columns)
        if missing:
            raise ValueError(
                f"titles has columns {list(titles.columns)}, without {sorted(missing)}"
            )
        titles = titles.set_index("item_id")["title"]
    series = titles if isinstance(titles, pd.Series) else pd.Series(dict(titles))
    repeated = series.index[series.index.duplicated()]
    if len(repeated):
        raise ValueError(
            f"items with two titles: {len(repeated.unique()):,}, first {repeated[0]!r}"
        )
    return series
