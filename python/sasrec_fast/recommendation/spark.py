"""recommend() to the lists of items in a Spark DataFrame, partition by partition."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.evaluation import (
    Scorer,
    Shipped,
    chosen_columns,
    input_length,
    items_of,
    lists_of,
)
from sasrec_fast.ranking import Catalogue
from sasrec_fast.recommendation.audience import Audience
from sasrec_fast.recommendation.catalogue import open_catalogue
from sasrec_fast.recommendation.delivery import Columns
from sasrec_fast.recommendation.ranking import Ranker
from sasrec_fast.recommendation.titles import Titles, item_titles
from sasrec_fast.store import Histories


@dataclass(frozen=True)
class Serving:
    """Serves partitions of users and lists of item ids.

    Attributes:
        shipped: The model, which carries its items and their counts.
        mask: bool [vocabulary_size], which items may be recommended.
        k: Items for each.
        exclude_seen: Whether nobody gets an item of their list.
        batch_size: Most lists that the model gets at once.
        titles: The title of each item index, or None.
    """

    shipped: Shipped
    mask: NDArray[np.bool_]
    k: int
    exclude_seen: bool
    batch_size: int
    titles: NDArray[np.object_] | None

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Record batches of user_id, item_id, rank, score and title."""
        model = self.shipped.model
        catalogue = Catalogue(model.items, self.mask, model.item_counts)
        length = input_length(model, None)
        rest = self.k, self.exclude_seen, self.batch_size, length
        ranker = Ranker(model, catalogue, *rest)
        for lists in lists_of(batches, model.items):
            histories = Histories(*lists.known())
            users = lists.users.to_numpy(zero_copy_only=False)
            columns = Columns(Audience("user_id", users, histories), catalogue, self.titles)
            for ranking in ranker.rank(histories):
                yield from columns.table(ranking).to_batches()


def recommend_spark(
    model: Scorer,
    frame: Any,
    allowed: tuple[Iterable[Any] | None, Iterable[Any] | None],
    titles: Titles | None,
    options: dict[str, Any],
) -> Any:
    """A Spark DataFrame of recommendations; see `recommend`.

    Args:
        model: The model.
        frame: Of users and lists.
        allowed: Candidates, and items to exclude.
        titles: Titles to add.
        options: `k`, `exclude_seen` and `batch_size`.
    """
    items, _ = items_of(model)
    catalogue = open_catalogue(model, None, *allowed)
    named = None if titles is None else item_titles(titles, catalogue)
    chosen = chosen_columns(frame)
    user = dict(chosen.dtypes)["user_id"]
    item = "string" if items.are_strings else "bigint"
    columns = f"user_id {user}, item_id {item}, rank bigint, score float"
    columns += "" if named is None else ", title string"
    serving = Serving(shipped=Shipped.of(model), mask=catalogue.mask, titles=named, **options)
    return chosen.mapInArrow(serving, columns)
