"""Layer normalisation, which exported graphs have an operator of its own for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
from keras import ops

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
    """`keras.layers.LayerNormalization` of the last axis with scale and shift (Ba et al. 2016).

    Args:
        parts: Equal parts of the last axis, each of which is normalised by itself.
        **options: Arguments of the base class.
    """

    def __init__(self, parts: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.parts = parts

    def call(self, inputs: Tensor) -> Tensor:
        """Inputs [..., d] with mean 0 and variance 1 over d or its parts, scaled and shifted."""
        operator, epsilon = _operator.get(), float(self.epsilon)
        if self.parts == 1 and operator is None:
            return super().call(inputs)
        operator = operator or _normalised
        whole = (inputs, self.gamma.value, self.beta.value)
        if self.parts == 1:
            return operator(*whole, epsilon)
        each, scales, shifts = (ops.split(values, self.parts, -1) for values in whole)
        parts = zip(each, scales, shifts, strict=True)
        return ops.concatenate(
            [operator(x, scale, shift, epsilon) for x, scale, shift in parts], -1
        )


def _normalised(inputs: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    """The operator where none is given, in float32 or what is wider."""
    x = ops.cast(inputs, keras.backend.result_type(inputs.dtype, "float32"))
    mean, variance = ops.moments(x, axes=[-1], keepdims=True)
    x = (x - mean) * ops.rsqrt(variance + epsilon)
    return ops.cast(x * ops.cast(scale, x.dtype) + ops.cast(shift, x.dtype), inputs.dtype)
