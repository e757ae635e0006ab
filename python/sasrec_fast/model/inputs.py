"""Checks of what a model is given: vocabulary, counts, inputs and item indices.

Values are looked at where they are there: NumPy arrays, lists, and arrays of JAX outside compiled
functions. Within one nothing can be raised; an item index beyond the vocabulary becomes NaN states
there, and the predictions of that row are all 0, which is no item.
"""

from collections.abc import Mapping
from typing import Any

import jax
import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import LONGEST
from sasrec_fast.store import Vocabulary

TIME_INPUTS = ("times", "query_times")
_INDICES = ("item_ids", "positive_sequence", "negative_sequence")


def checked_items(vocabulary: Vocabulary | None, vocabulary_size: int) -> Vocabulary | None:
    """The vocabulary of a model, or None; an error where it is none or of another size."""
    if not isinstance(vocabulary, Vocabulary | None):
        raise TypeError(
            "items must be a Vocabulary, such as data.items, received "
            f"{checks.received(vocabulary)}"
        )
    if vocabulary is not None and len(vocabulary) + 1 != vocabulary_size:
        raise ValueError(
            f"vocabulary_size={vocabulary_size}, but items holds {len(vocabulary)} "
            f"ids: it must be {len(vocabulary) + 1} (padding has index 0)"
        )
    return vocabulary


def checked_counts(values: Any, vocabulary_size: int) -> NDArray[np.int64] | None:
    """Interactions of each item index as int64 [vocabulary_size], a copy; None for None."""
    if values is None:
        return None
    received = np.asarray(values)
    if received.shape != (vocabulary_size,):
        raise ValueError(
            f"item_counts has shape {received.shape}, expected ({vocabulary_size},): an entry for "
            "each item index, that of padding, 0, included; data.item_counts is such an array"
        )
    if received.dtype.kind not in "iu":
        raise TypeError(f"item_counts must be integers, received {received.dtype}")
    if received.min(initial=0) < 0:
        raise ValueError(f"item_counts must be at least 0, received {received.min()}")
    return received.astype(np.int64)


def check_compiling(optimizer: Any, options: Mapping[str, Any]) -> None:
    """Refuse what `compile` of Keras takes and what would fail, or be ignored, in `fit`.

    Raises:
        ValueError: Keras metrics, or loss_weights.
        TypeError: No optimizer.
    """
    if not isinstance(optimizer, str | Mapping | keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer is a Keras optimizer or its name, such as 'adam', received "
            f"{checks.received(optimizer)}"
        )
    for name in ("metrics", "weighted_metrics"):
        if options.get(name):
            raise ValueError(
                f"{name}={checks.received(options[name])}: Keras metrics compare targets with "
                "predictions of one batch, which says nothing of ranks; pass the callback "
                "sasrec_fast.RankingMetrics(data.validation) to fit instead"
            )
    if options.get("loss_weights") is not None:
        raise ValueError(
            f"loss_weights={checks.received(options['loss_weights'])}: there is one loss; weights "
            "of targets go into fit as sample_weight"
        )


def sequence_inputs(
    inputs: Any, max_sequence_length: int, vocabulary_size: int | None = None
) -> tuple[Any, Any]:
    """The two inputs of a sequence model, "item_ids" and "padding_mask", both [n, T].

    Args:
        inputs: A mapping with both, and perhaps others.
        max_sequence_length: Most columns.
        vocabulary_size: That of the model, above every index; None: not looked at.

    Raises:
        ValueError: Not two arrays of one shape [n, T], a length out of range, an index outside
            the vocabulary, or a mask of other values than 0 and 1.
        TypeError: Ids that are no integers, or a mask that is neither bool nor integers.
    """
    names = ("item_ids", "padding_mask")
    if not isinstance(inputs, Mapping) or not set(names) <= set(inputs):
        received = sorted(inputs) if isinstance(inputs, Mapping) else type(inputs).__name__
        raise ValueError(
            f"the model takes a mapping with 'item_ids' and 'padding_mask', received {received}; "
            "split.arrays().xyw()[0] and data.inputs() are such mappings"
        )
    item_ids, padding_mask = (_array(name, inputs[name]) for name in names)
    _check_shapes(tuple(item_ids.shape), tuple(padding_mask.shape), max_sequence_length)
    if vocabulary_size is not None:
        require_indices({"item_ids": item_ids}, vocabulary_size)
    return item_ids, _mask(padding_mask)


def checked_inputs(inputs: Any, max_sequence_length: int, vocabulary_size: int) -> Any:
    """The inputs with both arrays of `sequence_inputs` as it returns them."""
    item_ids, padding_mask = sequence_inputs(inputs, max_sequence_length, vocabulary_size)
    return {**inputs, "item_ids": item_ids, "padding_mask": padding_mask}


def time_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The two further inputs of a model that looks at times, "times" and "query_times", [n, T].

    Raises:
        ValueError: One is missing, or of another shape than the items, or holds negative times.
        TypeError: They are no integers.
    """
    missing = [name for name in TIME_INPUTS if name not in inputs]
    if missing:
        raise ValueError(
            f"the model looks at times, but the inputs have no {' and no '.join(missing)}: prepare "
            "the data with times=True, or, of histories, give their times, too"
        )
    found = {name: _array(name, inputs[name]) for name in TIME_INPUTS}
    for name, values in found.items():
        if tuple(values.shape) != tuple(inputs["item_ids"].shape):
            raise ValueError(
                f"{name} must have the shape of item_ids, {tuple(inputs['item_ids'].shape)}, "
                f"received {tuple(values.shape)}"
            )
        here = host_values(values)
        if here is not None and here.dtype.kind not in "iu":
            raise TypeError(f"{name} must be integers, whole seconds, received {here.dtype}")
        if here is not None and here.size and (here.min() < 0 or here.max() > LONGEST):
            raise ValueError(
                f"{name} must be in 0..{LONGEST}, seconds since the first of its row, received "
                f"{here.min()} to {here.max()}"
            )
    return found


def _array(name: str, values: Any) -> Any:
    """The values, lists as an array."""
    if not isinstance(values, list | tuple):
        if not hasattr(values, "shape"):
            raise TypeError(f"{name} must be an array [rows, length], received {_kind(values)}")
        return values
    try:
        return np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} holds lists of different lengths: pad them with 0") from None


def _kind(values: Any) -> str:
    return f"a {type(values).__name__}"


def _check_shapes(ids: tuple[Any, ...], mask: tuple[Any, ...], longest: int) -> None:
    if len(ids) != 2 or ids != mask:
        raise ValueError(
            "item_ids and padding_mask must have one and the same shape [rows, length], "
            f"received {ids} and {mask}"
        )
    if ids[1] is not None and ids[1] > longest:
        raise ValueError(
            f"sequences of length {ids[1]} are longer than the model's "
            f"max_sequence_length={longest}"
        )
    if ids[1] == 0:
        raise ValueError(f"sequences must have at least one position, received shape {ids}")


def _mask(values: Any) -> Any:
    """A mask of bool, also of integers 0 and 1; what has no values yet stays as it is."""
    here = host_values(values)
    if here is None or here.dtype == np.bool_:
        return values
    if here.dtype.kind not in "iu":
        raise TypeError(f"padding_mask must be bool, True for a real item, received {here.dtype}")
    if here.size and (here.min() < 0 or here.max() > 1):
        raise ValueError(
            "padding_mask must be True for a real item and False for padding, received integers "
            f"from {here.min()} to {here.max()}"
        )
    return here.astype(np.bool_)


def host_values(values: Any) -> NDArray[Any] | None:
    """The values as a NumPy array; None where they are not there, as within a compiled function."""
    if isinstance(values, jax.core.Tracer):
        return None
    return np.asarray(values) if isinstance(values, np.ndarray | jax.Array) else None


def require_indices(data: Any, vocabulary_size: int) -> None:
    """Refuse item indices that are no integers or outside the vocabulary.

    JAX would read those beyond it as NaN embeddings, and negative ones from its end. Of a mapping
    inputs, targets and negatives are checked, of a `Split` or `Batches` the vocabulary_size;
    anything else passes.

    Raises:
        ValueError: An index outside the vocabulary, or data of another vocabulary_size.
        TypeError: Indices that are no integers.
    """
    size = getattr(getattr(data, "split", data), "vocabulary_size", vocabulary_size)
    if size != vocabulary_size:
        raise ValueError(
            f"the data has vocabulary_size={size}, the model vocabulary_size={vocabulary_size}"
        )
    for name in _INDICES if isinstance(data, Mapping) else ():
        values = host_values(_array(name, data[name])) if name in data else None
        if values is None or not values.size:
            continue
        if values.dtype.kind not in "iu":
            raise TypeError(
                f"{name} must be item indices (integers), received {values.dtype}, such as "
                f"{checks.received(values.ravel()[:1].tolist()[0])}"
            )
        if values.min() < 0 or values.max() >= vocabulary_size:
            raise ValueError(
                f"{name} holds item indices from {values.min()} to {values.max()}; the model's "
                f"are 0 (padding) to {vocabulary_size - 1}"
            )


def require_finite(what: str, values: NDArray[Any]) -> None:
    """Refuse NaN and infinity among what a model has computed.

    Raises:
        ValueError: There are some.
    """
    if not np.isfinite(values.sum(dtype=np.float64)):
        raise _diverged(what)


def require_predictions(result: Any) -> None:
    """Refuse predictions without an item, which stand for states that are not finite.

    Args:
        result: What `call` returned; values that are not there yet are not looked at.

    Raises:
        ValueError: There are some.
    """
    found = host_values(result.get("predictions")) if isinstance(result, Mapping) else None
    if found is not None and not found.all():
        raise _diverged(f"the scores of {int((found == 0).any(axis=1).sum())} rows")


def _diverged(what: str) -> ValueError:
    return ValueError(
        f"{what} are not finite: the model's weights are NaN or too large, as after a training "
        "that diverged; train anew with a smaller learning rate, or load earlier weights"
    )
