"""A model's encoder as it is now, for a service that goes on while the model trains."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from numpy.typing import NDArray

from sasrec_fast.backend import native_attention, on_jax
from sasrec_fast.layers import padding_behind

Encode = Callable[[NDArray[np.int32]], NDArray[np.float32]]


def frozen_encoder(model: Any) -> Encode:
    """Its `encode_last` with the weights it has now, of item indices padded with 0 behind.

    Nothing of the inputs is checked. Each shape of them is compiled once. Threads may share it.

    Args:
        model: A `SASRec` that looks at no times.

    Returns:
        A function of int32 [n, T] to float32 [n, vector_dim].
    """
    model.build()
    if not on_jax():
        return lambda item_ids: model.encode_last(_inputs(item_ids))
    function, known, lock = jax.jit(stateless(model, model._encode_rows)), set(), threading.Lock()
    with model.left_whole():  # copies: training gives the memory of weights away
        values = [jnp.array(weight.value, copy=True) for weight in model.weights]

    def encode(item_ids: NDArray[np.int32]) -> NDArray[np.float32]:
        if item_ids.shape not in known:
            with lock, native_attention.run_here.within():
                states = np.asarray(function(values, item_ids))
            known.add(item_ids.shape)
            return states
        return np.asarray(function(values, item_ids))

    return encode


def stateless(model: Any, method: Callable[..., Any]) -> Callable[[list[Any], Any], Any]:
    """A method of inputs as a function of the values of `model.weights` and of item indices."""

    def state(values: list[Any], item_ids: Any) -> Any:
        scope = keras.StatelessScope(list(zip(model.weights, values, strict=True)))
        with scope, padding_behind.within(True):
            return method(_inputs(item_ids))

    return state


def _inputs(item_ids: Any) -> dict[str, Any]:
    return {"item_ids": item_ids, "padding_mask": item_ids > 0}
