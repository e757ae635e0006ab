"""Items that are like an item, by the vectors a model has learnt."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast import _core, checks
from sasrec_fast.evaluation import VectorScorer, require_scorer
from sasrec_fast.preparing import Prepared, require_prepared
from sasrec_fast.ranking import Servable, directions
from sasrec_fast.recommendation.catalogue import open_catalogue
from sasrec_fast.recommendation.delivery import with_titles
from sasrec_fast.recommendation.titles import Titles, item_titles
from sasrec_fast.store import Vocabulary, given_ids, indices_of, kind_note, shown

METRICS = ("cosine", "dot")


def similar_items(
    model: VectorScorer,
    item: Any,
    k: int = 10,
    *,
    data: Prepared | None = None,
    metric: str = "cosine",
    titles: Titles | None = None,
) -> pd.DataFrame:
    """The k items most similar to an item, or to each of several, best first.

    Two items are similar if the model recommends them after the same histories: compared are the
    vectors that score items (`output_embedding` where embeddings are not tied).

    Args:
        model: A `SASRec`.
        item: An external item id, or a list of them.
        k: Items for each; fewer where there are fewer.
        data: The prepared data; it may be left out if the model carries its `items`.
        metric: "cosine", the angle between the vectors, or "dot", their product, which favours
            items with long vectors: often popular ones.
        titles: Titles to add, as in `recommend`.

    Returns:
        A DataFrame in the order asked for, then by rank: query_item_id (the item asked for),
        item_id (never itself), rank (int64, from 1), score (float32), and title if titles are
        given. Items that are never recommended, see `recommend`, are left out.

    Raises:
        KeyError: An item is not known.
        ValueError: The model was made for other items than the data's, neither data nor
            vocabulary is at hand, vectors are NaN, the metric is another, or titles are wrong.
        TypeError: The model has no vectors, as baselines do not, or an argument is of another
            kind.
    """
    checks.integer("k", k, 1)
    checks.one_of("metric", metric, METRICS)
    require_scorer(model, "similar_items")
    if data is not None:
        require_prepared(data, "similar_items")
    if item is None:
        raise TypeError("item is None; similar_items takes an item id, or a list of them")
    if not isinstance(model, VectorScorer):
        raise TypeError(f"similar_items takes a SASRec: a {type(model).__name__} has no vectors")
    catalogue = open_catalogue(model, data)
    named = None if titles is None else item_titles(titles, catalogue)
    queries = _known_items(item, catalogue.items)
    vectors, anybody = model.item_vectors(), Servable(catalogue.mask, exclude_seen=False)
    asked, found = vectors[queries], vectors[anybody.selection]
    if metric == "cosine":
        asked, found = directions(asked), directions(found)
    own = anybody.columns[queries]
    offsets = np.concatenate([[0], np.cumsum(own >= 0)])
    scores, columns = _core.top_k(
        asked, found, (offsets, own[own >= 0]), min(k, len(catalogue.indices))
    )
    rows, places = np.nonzero(columns >= 0)
    similar = catalogue.indices[columns[rows, places]]
    table = {
        "query_item_id": catalogue.items.lookup(queries)[rows],
        "item_id": catalogue.items.lookup(similar),
        "rank": places + 1,
        "score": scores[rows, places],
    }
    frame: pd.DataFrame = with_titles(table, None if named is None else named[similar]).to_pandas()
    return frame


def _known_items(item: Any, items: Vocabulary) -> NDArray[np.int32]:
    """Indices of one external id or several."""
    several = isinstance(item, Iterable | Vocabulary) or hasattr(item, "__arrow_c_stream__")
    one = isinstance(item, str | bytes) or not several
    if getattr(item, "ndim", 1) == 0:  # a NumPy scalar, or an array without an axis
        item, one = np.asarray(item)[()], True
    ids = [item] if one else given_ids("item", item, "item")
    indices = indices_of("item", ids, items)
    unknown = [ids[place] for place in np.flatnonzero(indices == 0)]
    if unknown:
        listed = ", ".join(map(shown, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise KeyError(
            f"items the model does not know: {listed}; its {len(items)} items are such as "
            f"{shown(items.ids[0])}{kind_note(unknown[0], items, 'item')}"
        )
    return indices
