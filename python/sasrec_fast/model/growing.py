"""A model for further items, which goes on from what it has learnt of those it knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import note
from sasrec_fast.model.averaging import averages
from sasrec_fast.model.new_rows import NewRows, unit_vectors
from sasrec_fast.preparing import Prepared, require_prepared
from sasrec_fast.store import Vocabulary, shown


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
    - `data` in which it occurs: of the known items up to 2 places from it in the sequences of the
      training split, their rows weighted by 1 / distance for each time;
    - else the mean of the rows of all known items with an interaction.

    Args:
        model: A `SASRec` with `items`.
        items: The ids to add, new or not; or a `Vocabulary` in which every index of the model's is
            as before, as `Vocabulary.extend` makes it; or prepared data, such as
            `data.append(rows, keep_items=True)` returns, which is `data` then.
        data: Prepared data of these items: neighbours and counts.
        item_vectors: Vectors of any width that say how alike items are: a mapping of ids, a
            DataFrame with the ids as its index, or an array [vocabulary_size, f] by index; known
            items need them as well. An item without one has none, or zeros.

    Returns:
        A new model, compiled as the one before is, whose `growth` counts items by their rule.

    Raises:
        ValueError: The model has no items, items do not extend them, data or vectors do not fit, or
            vectors are not finite.

    Warns:
        UserWarning: Items begin as the mean of all; or vectors are of no item.

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
    vectors = None if item_vectors is None else unit_vectors(item_vectors, whole)
    train = None if data is None else data.train
    new = NewRows(_learnt(model), len(whole) + 1, train, vectors)
    with model.left_whole():
        grown = _alike(model, whole, data, new.described)
        _copy(_state(model), _state(grown), new)
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


def _learnt(model: Any) -> NDArray[np.bool_]:
    """The known item indices whose rows say something: with an interaction, where that is known."""
    every = np.arange(model.vocabulary_size) > 0
    learnt = every if model.item_counts is None else every & (model.item_counts > 0)
    return learnt if learnt.any() else every


def _alike(
    model: Any, whole: Vocabulary, data: Prepared | None, described: NDArray[np.bool_]
) -> Any:
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
    if model.described is not None:
        described = described.copy()
        described[: model.vocabulary_size] = model.described
    grown.described = described if described.any() else None
    grown.clock = model.clock if data is None else getattr(data.sequences, "clock", model.clock)
    grown._turns = model._turns
    grown.build()
    for one, other in zip(model._flatten_layers(), grown._flatten_layers(), strict=True):
        other.trainable = one.trainable  # outer layers first, which set those within
    for one, other in zip(model.weights, grown.weights, strict=True):
        other.trainable = one.trainable  # a table belongs to two layers
    return grown


def _state(model: Any) -> list[Any]:
    """The weights, and the states of the random numbers that training goes on with."""
    return [*model.weights, *(v for v in model.non_trainable_variables if _is_seed(v))]


def _is_seed(variable: Any) -> bool:
    return not keras.backend.is_float_dtype(variable.dtype)


def _counts(model: Any, size: int, data: Prepared | None) -> NDArray[np.int64] | None:
    if data is not None:
        return data.item_counts.copy()
    if model.item_counts is None:
        return None
    return np.pad(np.asarray(model.item_counts), (0, size - model.vocabulary_size))


def _copy(before: list[Any], after: list[Any], rows: NewRows) -> None:
    """The values of weights, those of new items by their rule."""
    for one, other in zip(before, after, strict=True):
        values = keras.ops.convert_to_numpy(one)
        if one.shape != other.shape:
            values = np.concatenate([values, rows.of(values)])
        other.assign(values)


def _compile_alike(model: Any, grown: Any, data: Prepared | None, rows: NewRows) -> None:
    """Compile as the model is, with the moments of its optimizer, those of new rows as at first."""
    if not model.compiled:
        return
    grown.compile(
        _fresh(model.optimizer),
        loss=_loss(model, grown, data),
        run_eagerly=model.run_eagerly,
        steps_per_execution=model.steps_per_execution,
        jit_compile=model.jit_compile,
    )
    grown.optimizer.build(grown.trainable_variables)
    averaged = {id(average) for _, average in averages(grown)}
    for one, other in zip(model.optimizer.variables, grown.optimizer.variables, strict=True):
        values = keras.ops.convert_to_numpy(one)
        if one.shape != other.shape:
            new = keras.ops.convert_to_numpy(other)[len(values) :]
            values = np.concatenate([values, rows.of(values) if id(other) in averaged else new])
        other.assign(values)


def _fresh(optimizer: Any) -> Any:
    """An optimizer of the same options, which has seen nothing."""
    rate = getattr(optimizer, "_learning_rate", None)
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return type(optimizer).from_config(optimizer.get_config())
    # A schedule has no state, and one of somebody's own may have no config.
    plain = object.__new__(type(optimizer))
    vars(plain).update({**vars(optimizer), "_learning_rate": 0.0})
    return type(optimizer).from_config({**plain.get_config(), "learning_rate": rate})


def _loss(model: Any, grown: Any, data: Prepared | None) -> Any:
    """The loss of the model, with counts of all items where it has any."""
    config = model.loss.get_config()
    if config.get("item_counts") is not None:
        more = grown.vocabulary_size - model.vocabulary_size
        counts = np.pad(np.asarray(model.loss.item_counts), (0, more))
        config["item_counts"] = counts if data is None else data.train.item_counts
    return type(model.loss).from_config(config)
