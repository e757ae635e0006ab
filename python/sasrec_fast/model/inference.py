"""Functions of a model's weights, compiled by the backend and kept between calls."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sasrec_fast.backend import on_jax
from sasrec_fast.model.inputs import require_finite, sequence_inputs

Tensor = Any
Inputs = Mapping[str, Any]
Function = Callable[[Inputs], Tensor]


def last_position(hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """Hidden state of each row's last real position.

    Args:
        hidden: float [n, T, d].
        padding_mask: bool [n, T], True = real item, wherever the padding is.

    Returns:
        float [n, d]; of position 0 where a row has no real item.
    """
    positions = ops.arange(hidden.shape[1], dtype="int32")
    last = ops.max(ops.where(padding_mask, positions, 0), axis=1)
    return ops.squeeze(ops.take_along_axis(hidden, last[:, None, None], axis=1), axis=1)


class Inference:
    """Runs functions of a built model on NumPy inputs.

    On JAX a function compiles once for each shape of its inputs and takes the weights as
    arguments, so it stays valid while the model trains. Other backends run it eagerly.

    Args:
        model: A built Keras model whose weights the functions read.
    """

    def __init__(self, model: Any) -> None:
        self._weights = model.weights
        self._functions: dict[str, Callable[..., Any]] = {}

    def __call__(self, function: Function, inputs: Mapping[str, Any]) -> NDArray[np.float32]:
        """The value, as a NumPy array, of a method of the model from NumPy inputs to one tensor."""
        if not on_jax():
            return np.asarray(ops.convert_to_numpy(function(inputs)))
        name = function.__name__
        if name not in self._functions:
            self._functions[name] = self._compile(function)
        values = [weight.value for weight in self._weights]
        return np.asarray(self._functions[name](values, dict(inputs)))

    def _compile(self, function: Function) -> Callable[..., Any]:
        def stateless(values: list[Any], inputs: dict[str, Any]) -> Tensor:
            with keras.StatelessScope(list(zip(self._weights, values, strict=True))):
                return function(inputs)

        compiled: Callable[..., Any] = jax.jit(stateless)
        return compiled


class ItemScorer:
    """Compiled answers of a Keras model whose `encode` gives hidden states of every position."""

    vocabulary_size: int
    max_sequence_length: int
    scoring_table: Any
    encode: Callable[[Inputs], Tensor]
    build: Callable[[], None]
    left_whole: Any
    _inference: Inference | None = None

    def encode_last(self, x: Inputs) -> NDArray[np.float32]:
        """Embedding of each row's last real position, compiled; equal shapes compile once.

        Args:
            x: "item_ids" int [n, T] and "padding_mask" bool [n, T].

        Returns:
            float32 [n, hidden_dim].

        Raises:
            ValueError: Inputs that the model does not take, or weights that are not finite; so
                for the other methods.
        """
        return self._infer(self._encode_last, x)

    def score_items(self, x: Inputs) -> NDArray[np.float32]:
        """Score of every item as the next one after each row, compiled.

        Args:
            x: "item_ids" int [n, T] and "padding_mask" bool [n, T].

        Returns:
            float32 [n, vocabulary_size]: also of padding and of items that are no candidates.
        """
        return self._infer(self._score_items, x)

    def item_vectors(self) -> NDArray[np.float32]:
        """The vectors whose dot products with `encode_last` score the items.

        Returns:
            float32 [vocabulary_size, hidden_dim], read-only; row 0 belongs to padding.
        """
        self.build()
        with self.left_whole():
            table: NDArray[np.float32] = ops.convert_to_numpy(
                ops.cast(self.scoring_table, "float32")
            )
        require_finite("the item vectors", table)
        table.flags.writeable = False
        return table

    def _encode_last(self, inputs: Inputs) -> Tensor:
        last = last_position(self.encode(inputs), inputs["padding_mask"])
        return ops.cast(last, "float32")

    def _score_items(self, inputs: Inputs) -> Tensor:
        table = ops.cast(self.scoring_table, "float32")
        return ops.matmul(self._encode_last(inputs), ops.transpose(table))

    def _infer(self, function: Function, x: Inputs) -> NDArray[np.float32]:
        item_ids, padding_mask = sequence_inputs(x, self.max_sequence_length, self.vocabulary_size)
        if self._inference is None:
            self.build()
            self._inference = Inference(self)
        inputs = {"item_ids": item_ids, "padding_mask": padding_mask}
        with self.left_whole():
            result = self._inference(function, inputs)
        require_finite("the answers", result)
        return result
