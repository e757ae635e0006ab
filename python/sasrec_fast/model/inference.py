"""Functions of a model's weights, compiled by the backend and kept between calls."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sasrec_fast.backend import on_jax

Tensor = Any
Function = Callable[[Mapping[str, Any]], Tensor]


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
