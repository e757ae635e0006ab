"""All splits of data: they share the store, the vocabularies, and the popularity of training."""

from collections.abc import Mapping, Sequence
from functools import partial

from sasrec_fast.store.popularity import PopularityDistribution
from sasrec_fast.store.rows import Rows
from sasrec_fast.store.sequences import SPLITS, Sequences, WindowOptions
from sasrec_fast.store.split import Split
from sasrec_fast.store.vocabulary import Vocabulary


def make_splits(
    sequences: Sequences,
    vocabularies: tuple[Vocabulary, Vocabulary],
    options: Sequence[WindowOptions],
    sequence_rows: Mapping[str, Rows],
) -> list[Split]:
    """Training, the first of the options, and held-out splits, which draw by its popularity.

    The vocabularies are of users and items; `sequence_rows` of a split is given where the last
    interactions of each user do not tell.
    """
    splits = [
        Split(sequences, vocabularies[0], window, sequence_rows.get(SPLITS[window.split]))
        for window in options
    ]
    for split in splits:
        split.items = vocabularies[1]
    exponent = options[0].exponent
    if exponent is not None:
        popularity = PopularityDistribution(partial(getattr, splits[0], "item_counts"), exponent)
        for split in splits:
            split._popularity = popularity
    for split in splits[1:]:
        split._first_held_out = splits[1]
    return splits
