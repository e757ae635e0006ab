"""Adam that reads and writes those rows of large tables alone that a step has a gradient for."""

from typing import Any

import jax.numpy as jnp
import keras
from jax import lax

from sasrec_fast import checks
from sasrec_fast.backend import on_jax

Tensor = Any
Tensors = tuple[Tensor, Tensor, Tensor]

_ROUND = 8192
"""Most rows that are updated at a time."""

_REFUSED = ("amsgrad", "weight_decay", "use_ema", "gradient_accumulation_steps")


@keras.saving.register_keras_serializable(package="sasrec_fast")
class LazyAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam in which rows of large tables without a gradient keep their value and moments.

    Adam (Kingma & Ba 2015) reads and writes a whole table and its two moments in each step, 7 V d
    numbers of V rows of d columns, and goes on moving rows that the step has not seen. Here a row
    whose gradient is all zero stays as it is, as in LazyAdam of TensorFlow Addons and SparseAdam
    of PyTorch: its moments do not decay meanwhile, and the next gradient finds them as the last
    one left them. Where every step has a gradient for every row, it is Adam. The correction of
    the moments' bias counts the steps of the model, as in both of these.

    For catalogues of several 100,000 items, and losses against sampled items. The full softmax
    and `l2` have a gradient for every row, and Adam itself is faster there. The gradient is as
    large as the table, and finding its rows reads it once. `clipnorm`, `global_clipnorm` and
    `clipvalue` act on all of it, as in Adam. It needs JAX. On a GPU a step waits for the host, to
    learn how many rounds of rows it has.

    Args:
        learning_rate: A number or a `keras.optimizers.schedules.LearningRateSchedule`.
        beta_1: Decay of the mean of gradients.
        beta_2: Decay of the mean of their squares.
        epsilon: Added to the root of the latter.
        min_rows: Tables of at least as many rows are updated by row, other weights by Adam.
        name: Of the optimizer.
        **options: Every other argument of `keras.optimizers.Adam`, but for `weight_decay`,
            `use_ema`, `amsgrad` and `gradient_accumulation_steps`, which concern every row.

    Raises:
        ValueError: One of those, another backend than JAX, or `min_rows` below 1.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        min_rows: int = 100_000,
        name: str = "lazy_adam",
        **options: Any,
    ) -> None:
        if not on_jax():
            raise ValueError(
                f"LazyAdam needs JAX and Keras runs on {keras.backend.backend()}: set "
                "KERAS_BACKEND=jax before keras is imported, or take keras.optimizers.Adam"
            )
        if refused := [option for option in _REFUSED if options.get(option)]:
            raise ValueError(
                f"LazyAdam leaves rows without a gradient as they are, received "
                f"{refused[0]}={options[refused[0]]!r}, which concerns every row: leave it out, "
                "or take keras.optimizers.Adam"
            )
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **options)
        self.min_rows = checks.integer("min_rows", min_rows, 1)

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Update one variable (called by Keras)."""
        if len(variable.shape) != 2 or variable.shape[0] < self.min_rows:
            super().update_step(gradient, variable, learning_rate)
            return
        index = self._get_variable_index(variable)
        state = (variable, self._momentums[index], self._velocities[index])
        step = jnp.asarray(self.iterations.value + 1, variable.dtype)
        correction = jnp.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
        alpha = jnp.asarray(learning_rate, variable.dtype) * correction

        def updated(gradient: Tensor, rows: Tensors) -> Tensors:
            value, m, v = rows
            m = m + (gradient - m) * (1 - self.beta_1)
            v = v + (gradient * gradient - v) * (1 - self.beta_2)
            return value - m * alpha / (jnp.sqrt(v) + self.epsilon), m, v

        gradient = jnp.asarray(gradient, variable.dtype)
        values = _update_touched(updated, gradient, tuple(part.value for part in state))
        for part, value in zip(state, values, strict=True):
            part.assign(value)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal optimizer."""
        return {**super().get_config(), "min_rows": self.min_rows}


def _update_touched(updated: Any, gradient: Tensor, tables: Tensors) -> Tensors:
    """Tables [V, d] in which the rows that have a gradient are updated, in place where XLA may.

    Args:
        updated: Maps gradients [n, d] and rows [n, d] of each table to new rows.
        gradient: [V, d].
        tables: The variable and its moments.
    """
    number = gradient.shape[0]
    size = min(_ROUND, number)
    touched = jnp.abs(gradient).max(axis=1) != 0
    upto = jnp.cumsum(touched, dtype=jnp.int32)

    def body(i: Tensor, tables: Tensors) -> Tensors:
        turn = i * size + jnp.arange(size, dtype=jnp.int32)
        place = jnp.searchsorted(upto, turn + 1, method="scan_unrolled").astype(jnp.int32)
        # Beyond the last one: places that do not exist, each another, and so never written.
        place = jnp.where(turn < upto[-1], place, number + turn)
        rows = [table.at[place].get(mode="fill", fill_value=0) for table in (gradient, *tables)]
        new = updated(rows[0], tuple(rows[1:]))
        return tuple(
            table.at[place].set(row, mode="drop", unique_indices=True, indices_are_sorted=True)
            for table, row in zip(tables, new, strict=True)
        )

    rounds = -(-upto[-1] // size)
    result: Tensors = lax.fori_loop(0, rounds, body, tables)
    return result
