"""Training steps of this package: through `fit`, and of the device alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from gpu_child import Compiling, require_device
from gpu_data import prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_child import Caller

MEASURED_SECONDS = 1.5
STEPS_AT_ONCE = 8
LAZY = "lazy adam"


@dataclass(frozen=True)
class Cell:
    """One line of the table.

    Attributes:
        data: See `gpu_data.prepared`; so are repeats, users and items.
        loss: A name; "sampled_softmax" has `negatives` items drawn by popularity.
        dtype: A Keras policy.
        batch_size: Mean rows of a batch.
        buckets: Most lengths of batches; with 1 all rows are padded to the longest.
        optimizer: "adam" or "lazy adam".
        device: Of JAX.
    """

    data: str
    loss: str
    dtype: str
    batch_size: int
    buckets: int = 1
    repeats: int = 1
    users: int = 0
    items: int = 0
    length: int = 200
    width: int = 64
    layers: int = 2
    negatives: int = 256
    optimizer: str = "adam"
    device: str = "gpu"
    implementation: str = ""


def measure(given: dict[str, Any], caller: Caller) -> None:
    """Tell the figures of a cell: milliseconds a step, sequences and targets a second, memory."""
    cell = Cell(**given)
    sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
    device = require_device(cell.device)
    compiling = Compiling()
    data = prepared(
        cell.data, cell.length, repeats=cell.repeats, users=cell.users, items=cell.items
    )
    model = compiled(cell, data)
    batches = data.train.batches(cell.batch_size, max_buckets=cell.buckets)
    epochs_of(model, batches, 2)
    statistics = device.memory_stats() or {}
    alone, reason = without_python(model, batches)
    compiling_s = max(0.0, compiling.seconds - caller.wait_for_turn())

    settled = min(epochs_of(model, batches, 2))
    epochs = int(min(max(3, MEASURED_SECONDS / settled), 40))
    seconds = median(epochs_of(model, batches, epochs))
    targets = int(data.train.lengths.sum())
    step = seconds / len(batches)
    caller.tell(
        kind=device.device_kind,
        step_ms=1000 * step,
        **({"device_ms": None, "no_device_ms": reason} if alone is None else shares(alone(), step)),
        epoch_s=seconds,
        steps=len(batches),
        sequences_per_s=len(data.train) / seconds,
        targets_per_s=targets / seconds,
        memory=statistics.get("peak_bytes_in_use"),
        compiling_s=compiling_s,
    )


def compiled(cell: Cell, data: sf.Prepared) -> Any:
    """A model of the cell, ready to be trained."""
    import keras

    from sasrec_fast.backend import set_random_seed

    set_random_seed(0)
    options = {
        "num_layers": cell.layers,
        "hidden_dim": cell.width,
        "dropout": 0.2,
        "attention_dropout": 0.0,
        "dtype": cell.dtype,
    }
    model = sf.SASRec.for_data(data, **options)
    loss: Any = cell.loss
    if loss == "sampled_softmax":
        loss = sf.losses.SampledSoftmax(cell.negatives, item_counts=data.train.item_counts)
    adam = sf.optimizers.LazyAdam if cell.optimizer == LAZY else keras.optimizers.Adam
    model.compile(adam(1e-3, beta_2=0.98), loss=loss)
    return model


def epochs_of(model: Any, batches: Any, epochs: int) -> list[float]:
    """Seconds of each epoch of `fit`."""
    import keras

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            float(logs["loss"])  # waits for the device
            seconds.append(time.perf_counter() - self.began)

    seconds: list[float] = []
    model.fit(batches, epochs=epochs, verbose=0, callbacks=[Clock()])
    return seconds


def shares(device: float, step: float) -> dict[str, float]:
    """Milliseconds of the device, and the share of a step that it does not take."""
    return {"device_ms": 1000 * device, "host_share": max(0.0, 1 - device / step)}


def without_python(model: Any, batches: Any) -> tuple[Callable[[], float] | None, str]:
    """As `device_seconds`, of the first batches, or why not: what `fit` takes is known without."""
    if len(batches.buckets) > 1:
        return None, "batches of several lengths"
    first = [batches[i] for i in range(min(len(batches), STEPS_AT_ONCE))]
    try:
        return device_seconds(model, first), ""
    except Exception as error:
        return None, f"{type(error).__name__}: {str(error)[:300]}"


def device_seconds(model: Any, batches: list[Any]) -> Callable[[], float]:
    """A function that gives the seconds of a training step without Python in between, compiled.

    All batches are of one shape; the model keeps its weights.
    """
    import jax
    from jax import lax

    def steps(state: Any, stacked: Any) -> Any:
        def step(state: Any, batch: Any) -> Any:
            logs, state = model.train_step(state, batch)
            return state, logs["loss"]

        state, losses = lax.scan(step, state, stacked)
        return losses, state

    stacked = jax.device_put(jax.tree.map(lambda *values: np.stack(values), *batches))
    state = state_of(model)
    program = jax.jit(steps, donate_argnums=0).lower(state, stacked).compile()

    def run() -> float:
        nonlocal state
        taken = []
        for _ in range(4):
            began = time.perf_counter()
            losses, state = program(state, stacked)
            losses.block_until_ready()
            taken.append(time.perf_counter() - began)
        return min(taken) / len(batches)

    return run


def state_of(model: Any) -> Any:
    """Copies of what a step of Keras takes and gives."""
    import jax.numpy as jnp

    parts = (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
    return tuple([jnp.copy(variable.value) for variable in part] for part in parts)
