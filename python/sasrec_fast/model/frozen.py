"""A model's encoder as it is now, for a service that goes on while the model trains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from numpy.typing import NDArray

from sasrec_fast.backend import native_attention, on_jax
from sasrec_fast.layers import padding_behind

Inputs = Mapping[str, NDArray[np.int32]]
Encode = Callable[[Inputs], NDArray[np.float32]]


def frozen_encoder(model: Any) -> Encode:
    """Its `encode_last` with the weights it has now, of inputs padded with 0 behind.

    Nothing of them is checked. Each shape of them is compiled once. Threads may share it.

    Args:
        model: A `SASRec`.

    Returns:
        A function of {"item_ids": int32 [n, T]}, and of a model that looks at times "times" and
        "query_times", to float32 [n, vector_dim].
    """
    model.build()
    if not on_jax():
        return lambda inputs: model.encode_last(_masked(inputs))
    function, known, lock = jax.jit(stateless(model, model._encode_rows)), set(), threading.Lock()
    with model.left_whole():  # copies: training gives the memory of weights away
        values = [jnp.array(weight.value, copy=True) for weight in model.weights]

    def encode(inputs: Inputs) -> NDArray[np.float32]:
        shape = inputs["item_ids"].shape
        if shape not in known:
            with lock, native_attention.run_here.within():
                states = np.asarray(function(values, inputs))
            known.add(shape)
            return states
        return np.asarray(function(values, inputs))

    return encode


def stateless(model: Any, method: Callable[..., Any]) -> Callable[[list[Any], Any], Any]:
    """A method as a function of the values of `model.weights` and of inputs without a mask."""

    def state(values: list[Any], inputs: Any) -> Any:
        scope = keras.StatelessScope(list(zip(model.weights, values, strict=True)))
        with scope, padding_behind.within(True):
            return method(_masked(inputs))

    return state


def _masked(inputs: Any) -> dict[str, Any]:
    return {**inputs, "padding_mask": inputs["item_ids"] > 0}
