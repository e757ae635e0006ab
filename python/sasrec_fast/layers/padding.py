"""Rows whose real items come first, so that causality alone keeps padding out of sight."""

from typing import Any

import jax
import jax.numpy as jnp
from keras import ops

from sasrec_fast.backend import Known, on_jax

Tensor = Any


padding_behind = Known("padding_behind")
"""In a block in which padding is known to be behind the items of all rows."""


def real_first(padding_mask: Tensor) -> Tensor:
    """The columns of each row, those of real items before those of padding.

    Args:
        padding_mask: bool [n, T], True = real item, wherever they are.

    Returns:
        int32 [n, T], each row a permutation of 0..T - 1, ascending within both parts.
    """
    length = padding_mask.shape[1]
    columns = ops.arange(0, length, dtype="int32")
    late = ops.where(ops.cast(padding_mask, "bool"), columns, columns + length)
    return ops.sort(late, axis=1) % length


def states_back(states: Tensor, columns: Tensor) -> Tensor:
    """States put where they belong.

    Args:
        states: [n, T, d], those of `columns`.
        columns: int32 [n, T], each row a permutation.

    Returns:
        [n, T, d], those of the columns 0..T - 1.
    """
    places = ops.argsort(columns, axis=1)
    if on_jax():
        moved: Tensor = _moved(states, places, columns)
        return moved
    return ops.take_along_axis(states, ops.expand_dims(places, -1), axis=1)


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _moved(states: Tensor, places: Tensor, columns: Tensor) -> Tensor:
    """Gathered by `places`; the gradient too is gathered, by its inverse, and not scattered."""
    return jnp.take_along_axis(states, places[..., None], axis=1)


def _forward(states: Tensor, places: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
    return _moved(states, places, columns), columns


def _backward(columns: Tensor, gradient: Tensor) -> tuple[Tensor, None, None]:
    return jnp.take_along_axis(gradient, columns[..., None], axis=1), None, None


_moved.defvjp(_forward, _backward)
