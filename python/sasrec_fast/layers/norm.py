"""Layer normalisation, which exported graphs have an operator of its own for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

Tensor = Any
Operator = Callable[[Tensor, Tensor, Tensor, float], Tensor]
"""Of inputs, scale, shift and epsilon."""

_operator: ContextVar[Operator | None] = ContextVar("layer_norm_operator", default=None)


@contextmanager
def layer_norm_by(operator: Operator) -> Iterator[None]:
    """A block, of this thread, in which layers are normalised by an operator."""
    token = _operator.set(operator)
    try:
        yield
    finally:
        _operator.reset(token)


class LayerNorm(keras.layers.LayerNormalization):  # type: ignore[misc]
    """`keras.layers.LayerNormalization` of the last axis with scale and shift (Ba et al. 2016)."""

    def call(self, inputs: Tensor) -> Tensor:
        """Inputs [..., d] with mean 0 and variance 1 over d, scaled and shifted."""
        operator = _operator.get()
        if operator is None:
            return super().call(inputs)
        return operator(inputs, self.gamma.value, self.beta.value, float(self.epsilon))
