"""Functions of a model's weights, compiled by the backend and kept between calls."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import keras
import numpy as np
from jax import numpy as jnp
from keras import ops
from numpy.typing import NDArray

from sasrec_fast.backend import native_attention, on_cpu, on_jax
from sasrec_fast.layers import last_position, padding_behind
from sasrec_fast.model.inputs import (
    TIME_INPUTS,
    host_values,
    require_finite,
    sequence_inputs,
    time_inputs,
)

Tensor = Any
Inputs = Mapping[str, Any]
Function = Callable[..., Tensor]

_STATES_AT_ONCE = 1 << 18
"""Numbers of one layer's states that a CPU computes together, 1 MB: they stay in the cache."""

_SCORES_AT_ONCE = 1 << 26
"""Scores that a device holds while it counts ranks: 256 MB, and as much again for sorting."""


class Inference:
    """Runs functions of a built model on NumPy inputs.

    On JAX a function compiles once for each shape of its inputs and takes the weights as
    arguments, so it stays valid while the model trains. Other backends run it eagerly.

    Args:
        model: A built Keras model whose weights the functions read.
    """

    def __init__(self, model: Any) -> None:
        self._weights = model.weights
        self._functions: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, function: Function, inputs: Inputs) -> NDArray[np.float32]:
        """The value, as a NumPy array, of a method of the model from NumPy inputs to one tensor."""
        return np.asarray(ops.convert_to_numpy(self.start(function, inputs)))

    def start(self, function: Function, inputs: Inputs, **static: int) -> Tensor:
        """The same as a tensor of the device, which may be computing it still.

        Args:
            function: The method.
            inputs: Arrays by their names.
            **static: Further arguments, compiled anew for each value.
        """
        if not on_jax():
            return function(inputs, **static)
        # A CPU is told of the padding by the mask; elsewhere it is brought behind, if need be.
        known = not on_cpu() and _is_padded_behind(inputs["padding_mask"])
        key = (function.__name__, known, *static.items())
        if key not in self._functions:
            self._functions[key] = self._compile(partial(function, **static))
        values = [weight.value for weight in self._weights]
        with padding_behind.within(known), native_attention.run_here.within():
            return self._functions[key](values, dict(inputs))

    def _compile(self, function: Function) -> Callable[..., Any]:
        def stateless(values: list[Any], inputs: dict[str, Any]) -> Tensor:
            with keras.StatelessScope(list(zip(self._weights, values, strict=True))):
                return function(inputs)

        compiled: Callable[..., Any] = jax.jit(stateless)
        return compiled


def _is_padded_behind(padding_mask: Any) -> bool:
    mask = host_values(padding_mask)
    return mask is not None and bool((mask[:, 1:] <= mask[:, :-1]).all())


class ItemScorer:
    """Compiled answers of a Keras model whose `encode` gives hidden states of every position."""

    vocabulary_size: int
    max_sequence_length: int
    hidden_dim: int
    vector_dim: int
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
            float32 [n, vector_dim].

        Raises:
            ValueError: Inputs that the model does not take, or weights that are not finite; so
                for the other methods.
        """
        return self._infer(self._encode_rows, x)

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
            float32 [vocabulary_size, vector_dim], read-only; row 0 belongs to padding.
        """
        self.build()
        with self.left_whole():
            table: NDArray[np.float32] = ops.convert_to_numpy(
                ops.cast(self.scoring_table, "float32")
            )
        require_finite("the item vectors", table)
        table.flags.writeable = False
        return table

    def count_above(
        self,
        x: Inputs,
        targets: NDArray[np.int32],
        *,
        hidden: NDArray[np.int32],
        candidates: NDArray[np.bool_],
        k: int = 0,
    ) -> Tensor:
        """Ranks of targets among all items that a row may get, counted by the device. JAX only.

        Args:
            x: "item_ids" int [n, T] and "padding_mask" bool [n, T].
            targets: int [n], item indices.
            hidden: int [n, m], item indices that each row may not get; 0 is none.
            candidates: bool [vocabulary_size], what anybody may get, without index 0.
            k: Best items to find, too, at most as many as there are candidates.

        Returns:
            int32 [n, 3 + k], on the device, which may be computing it still: the items that score
            above the target, those that are level with it, itself included, and 1, or 0 where a
            score is not finite. Then the indices of the k best items, best first and among equals
            the smaller index first; 0 where there are fewer.
        """
        rows = {"targets": targets, "hidden": hidden, "candidates": candidates}
        inputs = {**self._checked_inputs(x), **rows}
        with self.left_whole():
            assert self._inference is not None
            return self._inference.start(self._count_above, inputs, k=k)

    @property
    def looks_at_times(self) -> bool:
        """Whether the inputs are also when items were, and when the next ones are asked for."""
        return False

    @property
    def _input_names(self) -> tuple[str, ...]:
        names = ("item_ids", "padding_mask")
        return (*names, *TIME_INPUTS) if self.looks_at_times else names

    def _encode_last(self, inputs: Inputs) -> Tensor:
        last = last_position(self.encode(inputs), inputs["padding_mask"])
        return ops.cast(last, "float32")

    def _encode_rows(self, inputs: Inputs) -> Tensor:
        """As `_encode_last`; on a CPU for a few rows at a time, which is faster than many."""
        names = self._input_names
        count, length = inputs["item_ids"].shape
        most = max(1, _STATES_AT_ONCE // (length * self.hidden_dim))
        if not on_cpu() or count <= most:
            return self._encode_last(inputs)
        parts = -(-count // most)
        size = -(-count // parts)

        def split(values: Tensor) -> Tensor:
            filled = jnp.pad(values, ((0, parts * size - count), (0, 0)))
            return filled.reshape(parts, size, length)

        states = jax.lax.map(self._encode_last, {name: split(inputs[name]) for name in names})
        return states.reshape(parts * size, -1)[:count]

    def _score_items(self, inputs: Inputs) -> Tensor:
        table = ops.cast(self.scoring_table, "float32")
        return ops.matmul(self._encode_rows(inputs), ops.transpose(table))

    def _count_above(self, inputs: Inputs, k: int) -> Tensor:
        table = ops.cast(self.scoring_table, "float32")

        def of_row(row: tuple[Tensor, Tensor, Tensor]) -> Tensor:
            state, target, hidden = row
            # In full precision, as a search on the host that serves what is measured here.
            scores = jnp.matmul(table, state, precision="highest")
            own, finite = scores[target], jnp.isfinite(scores).all()
            scores = jnp.where(inputs["candidates"], scores, -jnp.inf).at[hidden].set(-jnp.inf)
            above, level = (scores > own).sum(), jnp.maximum((scores == own).sum(), 1)
            best, indices = jax.lax.top_k(scores, k)
            indices = jnp.where(best > -jnp.inf, indices, 0)
            return jnp.concatenate([jnp.stack([above, level, finite]), indices]).astype("int32")

        rows = (self._encode_rows(inputs), inputs["targets"], inputs["hidden"])
        size = max(1, _SCORES_AT_ONCE // self.vocabulary_size)
        if len(rows[0]) <= size:
            return jax.vmap(of_row)(rows)
        return jax.lax.map(of_row, rows, batch_size=size)

    def _infer(self, function: Function, x: Inputs) -> NDArray[np.float32]:
        inputs = self._checked_inputs(x)
        with self.left_whole():
            assert self._inference is not None
            result = self._inference(function, inputs)
        require_finite("the answers", result)
        return result

    def _checked_inputs(self, x: Inputs) -> dict[str, Any]:
        item_ids, padding_mask = sequence_inputs(x, self.max_sequence_length, self.vocabulary_size)
        if self._inference is None:
            self.build()
            self._inference = Inference(self)
        inputs = {"item_ids": item_ids, "padding_mask": padding_mask}
        return {**inputs, **time_inputs({**x, **inputs})} if self.looks_at_times else inputs
