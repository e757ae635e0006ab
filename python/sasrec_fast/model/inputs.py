"""Checks of what a model is given: vocabulary, counts, inputs and item indices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.store import Vocabulary


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


def sequence_inputs(inputs: Any, max_sequence_length: int) -> tuple[Any, Any]:
    """The two inputs of a sequence model, "item_ids" and "padding_mask", both [n, T]."""
    names = ("item_ids", "padding_mask")
    if not isinstance(inputs, Mapping) or not set(names) <= set(inputs):
        received = sorted(inputs) if isinstance(inputs, Mapping) else type(inputs).__name__
        raise ValueError(
            f"the model takes a mapping with 'item_ids' and 'padding_mask', received {received}; "
            "split.arrays().xyw()[0] and data.inputs() are such mappings"
        )
    ids, mask = (tuple(inputs[name].shape) for name in names)
    if len(ids) != 2 or ids != mask:
        raise ValueError(
            "item_ids and padding_mask must have one and the same shape [rows, length], "
            f"received {ids} and {mask}"
        )
    if ids[1] is not None and ids[1] > max_sequence_length:
        raise ValueError(
            f"sequences of length {ids[1]} are longer than the model's "
            f"max_sequence_length={max_sequence_length}"
        )
    return inputs["item_ids"], inputs["padding_mask"]


def require_indices(data: Any, vocabulary_size: int) -> None:
    """Refuse item indices outside the vocabulary, which JAX would read as NaN embeddings.

    Of a mapping of arrays the integer NumPy arrays are checked, of a `Split` or `Batches` the
    vocabulary_size is compared; anything else passes.
    """
    size = getattr(getattr(data, "split", data), "vocabulary_size", vocabulary_size)
    if size != vocabulary_size:
        raise ValueError(
            f"the data has vocabulary_size={size}, the model vocabulary_size={vocabulary_size}"
        )
    for name, values in data.items() if isinstance(data, Mapping) else ():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu" or not values.size:
            continue
        if values.min() < 0 or values.max() >= vocabulary_size:
            raise ValueError(
                f"{name} holds item indices from {values.min()} to {values.max()}; the model's "
                f"are 0 (padding) to {vocabulary_size - 1}"
            )
