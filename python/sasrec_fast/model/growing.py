"""A model for further items, which goes on from what it has learnt of those it knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import note
from sasrec_fast.preparing import Prepared, require_prepared
from sasrec_fast.store import Sequences, Vocabulary, indices_of, shown

Rows = NDArray[np.float32]

WINDOW = 2
"""Places on either side of an item whose items are its neighbours."""

NEAREST = 10
"""Known items that a new one is like, by the vectors that are given."""


@dataclass(frozen=True)
class Growth:
    """Where the rows of an extended model are from, numbers of items.

    Attributes:
        known: Copied.
        vectors: By the vectors that were given.
        neighbours: By the items next to them in the data.
        mean: Of which nothing is known: the mean of all rows.
    """

    known: int
    vectors: int = 0
    neighbours: int = 0
    mean: int = 0

    def __str__(self) -> str:
        new = self.vectors + self.neighbours + self.mean
        return (
            f"{self.known:,} items known, {new:,} new: {self.vectors:,} by their vectors, "
            f"{self.neighbours:,} by their neighbours, {self.mean:,} by the mean of all"
        )


def extended(
    model: Any,
    items: Vocabulary | Prepared | Iterable[Any],
    *,
    data: Prepared | None = None,
    item_vectors: Any = None,
) -> Any:
    """A model for further items: same options, same answers for the items there are.

    Rows of known items are copied, bit for bit, and so are all other weights, the moments of the
    optimizer (of new rows they are 0), averaged weights, counts and candidates; training goes on
    where it was. The row of a new item comes of the first of these that there is:

    - `item_vectors`: of the 10 known items whose vectors are the nearest by cosine, their rows
      weighted by it (Gantner et al. 2010). Such an item is recommended although it has no
      interaction;
    - `data` in which it occurs: of the known items up to 2 places from it in any sequence, their
      rows weighted by 1 / distance for each time;
    - else the mean of the rows of all known items with an interaction.

    Args:
        model: A `SASRec` with `items`.
        items: The ids to add, new or not; or a `Vocabulary` in which every index of the model's is
            as before, as `Vocabulary.extend` makes it; or prepared data, such as
            `data.append(rows, keep_items=True)` returns, which is `data` then.
        data: Prepared data of these items: neighbours and counts.
        item_vectors: Vectors of any width that say how alike items are: a mapping of ids, or an
            array [vocabulary_size, f] by index; known items need them as well. Of an item without
            any a vector of zeros.

    Returns:
        A new model, compiled as the one before is, whose `growth` counts items by their rule.

    Raises:
        ValueError: The model has no items, items do not extend them, data or vectors do not fit, or
            vectors are not finite.

    Warns:
        UserWarning: Items begin as the mean of all.

    Example:
        >>> import sasrec_fast as sf
        >>> data = sf.prepare(sf.datasets.synthetic(60, 100, interactions=(6, 10)).ratings)
        >>> model = sf.SASRec.for_data(data, hidden_dim=8, num_layers=1)
        >>> rows = {"user_id": [1, 1], "item_id": [3, 101], "timestamp": [10**9] * 2}
        >>> later = data.append(rows, keep_items=True)
        >>> print(model.extended(later).growth)
        100 items known, 1 new: 0 by their vectors, 1 by their neighbours, 0 by the mean of all
    """
    if isinstance(items, Prepared):
        data = items
    if data is not None:
        require_prepared(data, "extended")
    whole = _vocabulary(model, items.items if isinstance(items, Prepared) else items, data)
    model.build_whole() if model.compiled else model.build()
    given = None if item_vectors is None else _vectors(item_vectors, whole)
    with model.left_whole():
        grown = _alike(model, whole, data, given)
        new = _Rows(model, whole, data, given)
        _copy(model.weights, grown.weights, new)
        _compile_alike(model, grown, data, new)
    grown.growth = new.growth
    if new.growth.mean:
        note(
            f"{new.growth.mean:,} of {len(whole) - len(model.items):,} new items have neither "
            "vectors nor neighbours in the data, and begin as the mean of all items"
        )
    return grown


def _vocabulary(model: Any, items: Any, data: Prepared | None) -> Vocabulary:
    """The vocabulary of the extended model."""
    own: Vocabulary | None = model.items
    if own is None:
        raise ValueError("the model has no item ids to extend: SASRec(..., items=data.items)")
    whole = items if isinstance(items, Vocabulary) else own.extend(items)
    if data is not None and not (len(data.items) == len(whole) and data.items == whole):
        raise ValueError(
            f"data has {len(data.items):,} items and not the {len(whole):,} the model is extended "
            "to: give the data alone, extended(data)"
        )
    shorter = min(len(own), len(whole))
    same = own.are_strings == whole.are_strings
    differ = own.ids[:shorter] != whole.ids[:shorter] if same else np.ones(1, np.bool_)
    if len(whole) < len(own) or differ.any():
        place = int(np.argmax(differ)) if differ.any() else len(whole)
        there = shown(whole.ids[place]) if place < len(whole) else "no item"
        raise ValueError(
            f"items do not extend the model's: index {place + 1} is {shown(own.ids[place])} in the "
            f"model and {there} in items; items.extend(ids) keeps every index, and so does "
            "data.append(rows, keep_items=True)"
        )
    return whole


def _vectors(given: Any, whole: Vocabulary) -> Rows:
    """Vectors of the items [vocabulary_size, f], of length 1; of length 0 where there is none."""
    if isinstance(given, Mapping):
        indices = indices_of("item_vectors", list(given), whole)
        rows = [np.asarray(vector, np.float32) for vector in given.values()]
        widths = {row.shape for row in rows}
        if len(widths) != 1 or len(next(iter(widths))) != 1:
            raise ValueError(
                f"item_vectors have shapes {sorted(widths)[:3]}, expected one [f] for all items"
            )
        found = np.zeros((len(whole) + 1, len(rows[0])), np.float32)
        found[indices] = rows
        found[0] = 0
    else:
        found = np.array(given, np.float32)
        if found.ndim != 2 or len(found) != len(whole) + 1:
            raise ValueError(
                f"item_vectors has shape {found.shape}, expected a mapping of ids to vectors, or "
                f"an array [{len(whole) + 1}, f] by item index, that of padding included"
            )
    if not np.isfinite(found).all():
        raise ValueError("item_vectors has values that are not finite")
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: Rows = (found / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


class _Rows:
    """How the rows of new items come of those of known ones.

    Attributes:
        growth: What is by what.
    """

    def __init__(
        self, model: Any, whole: Vocabulary, data: Prepared | None, given: Rows | None
    ) -> None:
        self.known, self.size = model.vocabulary_size, len(whole) + 1
        counts = model.item_counts
        learnt = np.ones(self.known, np.bool_) if counts is None else counts > 0
        learnt[0] = False
        self._learnt = np.flatnonzero(learnt if learnt.any() else np.arange(self.known) > 0)
        new = np.arange(self.known, self.size)
        self._shares: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        if given is not None:
            self._by_vectors(given, new)
        by_vectors = len(self._shares)
        if data is not None:
            self._by_neighbours(data.sequences, {*new.tolist()} - {*self._shares})
        by_neighbours = len(self._shares) - by_vectors
        known = self.known - 1
        self.growth = Growth(known, by_vectors, by_neighbours, len(new) - len(self._shares))

    def of(self, table: Rows) -> Rows:
        """The rows of the new items, by those of the known ones [known, d]."""
        mean = table[self._learnt].mean(axis=0, dtype=np.float64)
        rows = np.tile(mean, (self.size - self.known, 1))
        for item, (others, weights) in self._shares.items():
            rows[item - self.known] = weights @ table[others].astype(np.float64)
        return rows.astype(table.dtype)

    def _by_vectors(self, given: Rows, new: NDArray[np.int64]) -> None:
        """The nearest known items by cosine, weighted by it (Gantner et al. 2010)."""
        there = given[self._learnt].any(axis=1)
        learnt = self._learnt[there]
        if not len(learnt):
            raise ValueError("item_vectors has no vector of an item that the model knows")
        for item in new.tolist():
            if not given[item].any():
                continue
            cosines = given[learnt] @ given[item]
            best = np.argsort(-cosines, kind="stable")[:NEAREST]
            weights = np.maximum(cosines[best], 0).astype(np.float64)
            if weights.any():
                self._shares[item] = learnt[best], weights / weights.sum()

    def _by_neighbours(self, sequences: Sequences, wanted: set[int]) -> None:
        """The known items next to each in the data, the nearer the more."""
        if not wanted:
            return
        items, offsets = np.asarray(sequences.items), np.asarray(sequences.offsets)
        learnt = np.zeros(self.size, np.bool_)
        learnt[self._learnt] = True
        lacking = np.zeros(self.size, np.bool_)
        lacking[list(wanted)] = True
        places = np.flatnonzero(lacking[items])
        rows = np.searchsorted(offsets, places, side="right") - 1
        found: dict[int, dict[int, float]] = {}
        for place, first, end in zip(
            places.tolist(), offsets[rows].tolist(), offsets[rows + 1].tolist(), strict=True
        ):
            near = found.setdefault(int(items[place]), {})
            for other in range(max(first, place - WINDOW), min(end, place + WINDOW + 1)):
                if learnt[items[other]]:
                    share = 1 / abs(other - place)
                    near[int(items[other])] = near.get(int(items[other]), 0.0) + share
        for item, near in found.items():
            if near:
                weights = np.array([*near.values()])
                self._shares[item] = np.array([*near], np.int64), weights / weights.sum()


def _alike(model: Any, whole: Vocabulary, data: Prepared | None, given: Rows | None) -> Any:
    """A model of the same options for more items, with weights of its own."""
    mask = np.ones(len(whole) + 1, np.bool_)
    mask[: model.vocabulary_size] = model.candidate_mask
    mask[0] = False
    kinds = {"dtype": model.dtype_policy, "activation": model.block_options.activation}
    config = {**model.get_config(), **kinds, "vocabulary_size": len(whole) + 1}
    config["candidates"] = None
    config["candidate_indices"] = None if mask[1:].all() else np.flatnonzero(mask)
    grown = type(model)(**config)
    grown.items, grown.item_counts = whole, _counts(model, len(whole) + 1, data)
    described = np.zeros(len(whole) + 1, np.bool_)
    if model.described is not None:
        described[: model.vocabulary_size] = model.described
    if given is not None:
        described[model.vocabulary_size :] = given[model.vocabulary_size :].any(axis=1)
    grown.described = described if described.any() else None
    grown.clock = model.clock if data is None else getattr(data.sequences, "clock", model.clock)
    grown._turns = model._turns
    grown.build()
    return grown


def _counts(model: Any, size: int, data: Prepared | None) -> NDArray[np.int64] | None:
    if data is not None:
        return data.item_counts
    if model.item_counts is None:
        return None
    return np.pad(np.asarray(model.item_counts), (0, size - model.vocabulary_size))


def _copy(before: list[Any], after: list[Any], rows: _Rows) -> None:
    """The values of weights, those of new items by their rule."""
    for one, other in zip(before, after, strict=True):
        values = keras.ops.convert_to_numpy(one)
        if one.shape != other.shape:
            values = np.concatenate([values, rows.of(values)])
        other.assign(values)


def _compile_alike(model: Any, grown: Any, data: Prepared | None, rows: _Rows) -> None:
    """Compile as the model is, with the moments of its optimizer, those of new rows 0."""
    if not model.compiled:
        return
    config = model.loss.get_config()
    if config.get("item_counts") is not None:
        counts = np.pad(np.asarray(model.loss.item_counts), (0, rows.size - rows.known))
        config["item_counts"] = counts if data is None else data.train.item_counts
    optimizer = type(model.optimizer).from_config(model.optimizer.get_config())
    grown.compile(optimizer, loss=type(model.loss)(**config))
    grown.optimizer.build(grown.trainable_variables)
    averages = {id(average) for average in _averages(grown)}
    for one, other in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        values = keras.ops.convert_to_numpy(one)
        if one.shape != other.shape:
            new = np.zeros((rows.size - rows.known, *values.shape[1:]), values.dtype)
            if id(other) in averages:
                new = rows.of(values)
            values = np.concatenate([values, new])
        other.assign(values)


def _averages(model: Any) -> list[Any]:
    from sasrec_fast.model.averaging import averages

    return [average for _, average in averages(model)]
