"""What a recommender is made of, from a model, its file, or an exported folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast import checks
from sasrec_fast.serving.catalogue import Opened, VectorCatalogue
from sasrec_fast.serving.encoders import ModelEncoder, Timing

if TYPE_CHECKING:
    from sasrec_fast.preparing import Prepared


def opened(source: Any, data: Prepared | None, titles: Any) -> Opened:
    """See `Recommender`."""
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            from sasrec_fast.serving.folder import open_folder

            found = open_folder(path)
            if data is not None:
                found = replace(found, catalogue=_with_counts(found.catalogue, data))
        else:
            from sasrec_fast.model import load_model

            found = of_model(load_model(path, compiled=False), data, str(path))
    else:
        found = of_model(source, data, type(source).__name__)
    if titles is None:
        return found
    return replace(found, catalogue=replace(found.catalogue, titles=_titles(titles, found)))


def of_model(model: Any, data: Prepared | None, name: str) -> Opened:
    """What there is of a model; see `Recommender`."""
    from sasrec_fast.evaluation import VectorScorer, knows_query_time, looks_at_times
    from sasrec_fast.model.frozen import frozen_encoder
    from sasrec_fast.recommendation import clock_of, open_catalogue

    if isinstance(model, type) or not isinstance(model, VectorScorer):
        raise TypeError(
            "a Recommender is made of a SASRec, of a .keras file, or of a folder that export() "
            f"wrote, received {checks.received(model)}"
        )
    timing = None
    if looks_at_times(model):
        timing = Timing(clock_of(model, data), knows_query_time(model))
    known = open_catalogue(model, data)
    encoder = ModelEncoder(frozen_encoder(model), int(model.max_sequence_length))  # type: ignore[attr-defined]
    vectors = np.array(model.item_vectors())
    catalogue = VectorCatalogue(known.items, known.mask, known.counts, vectors)
    return Opened(encoder, catalogue, {"source": name}, timing)


def _with_counts(catalogue: VectorCatalogue, data: Prepared) -> VectorCatalogue:
    from sasrec_fast.store import require_same_items

    require_same_items(catalogue, data, "the data")
    counts, served = data.item_counts, data.item_counts > 0
    if catalogue.counts is not None:
        served = served | (catalogue.counts == 0)  # what is in the mask without any needs none
    return replace(catalogue, counts=counts, mask=catalogue.mask & served)


def _titles(titles: Any, found: Opened) -> list[str | None]:
    """Titles of any kind that `recommend` takes, by item index."""
    from sasrec_fast.recommendation import item_titles

    by_index: list[str | None] = item_titles(titles, found.catalogue).tolist()
    return by_index
