"""Losses and gradients of one batch on the device, against float32 on the CPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import product
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from gpu_child import require_device

if TYPE_CHECKING:
    from gpu_child import Caller

EXACT = "float32, exact products"
LIMITS = {EXACT: (1e-5, 1e-3), "float32": (1e-4, 0.03), "mixed_bfloat16": (1e-3, 0.1)}
"""Most relative difference of the loss, and of the gradients: the norm of what differs over the
norm. A GPU takes products of float32 with 10 bits of mantissa unless it is told otherwise."""

ONE_AT_A_TIME = Lock()


def measure(cell: dict[str, Any], caller: Caller) -> None:
    """Tell a row for each loss and dtype, and whether it is within the limits."""
    sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
    import jax

    device, cpu = require_device(cell["device"]), jax.devices("cpu")[0]
    made = sf.datasets.synthetic(users=200, items=600, interactions=(5, 60), seed=0)
    data = sf.prepare(made.ratings, max_sequence_length=40)
    batch = data.train.batches(64, max_buckets=1, workers=0)[0]
    places = dict.fromkeys([(EXACT, cpu), *((dtype, device) for dtype in LIMITS)])
    cases = list(product(cell["losses"], places))
    with ThreadPoolExecutor(len(cases)) as pool:
        results = {
            (loss, *place): pool.submit(loss_and_gradients, loss, place, data, batch)
            for loss, place in cases
        }
    for loss, dtype in product(cell["losses"], LIMITS):
        try:
            right, here = results[loss, EXACT, cpu].result(), results[loss, dtype, device].result()
            figures = differences(here, right, LIMITS[dtype])
        except Exception as error:  # of the compiler; the other rows count
            figures = {"failed": f"{type(error).__name__}: {error}"}
        caller.tell(loss=loss, dtype=dtype, **figures)


def loss_and_gradients(loss: str, place: tuple[str, Any], data: sf.Prepared, batch: Any) -> Any:
    """Of a model without dropout, computed in a dtype on a device."""
    import jax
    import keras

    from sasrec_fast.backend import set_random_seed

    dtype, device = place
    exact = dtype == EXACT
    with ONE_AT_A_TIME:  # Python draws the weights, and tracing gains nothing from threads
        set_random_seed(1)
        model = sf.SASRec.for_data(
            data, hidden_dim=32, num_heads=2, dropout=0.0, dtype="float32" if exact else dtype
        )
        model.compile(keras.optimizers.Adam(), loss=loss)
        model.build()
        model.optimizer = None  # which would scale the loss

        def value(weights: Any, others: Any, metrics: Any, x: Any, y: Any, weight: Any) -> Any:
            return model.compute_loss_and_updates(
                weights, others, metrics, x, y, weight, training=True, optimizer_variables=[]
            )[0]

        parts = model.trainable_variables, model.non_trainable_variables, model.metrics_variables
        values = [[variable.value for variable in part] for part in parts]
        arguments = jax.device_put((*values, *batch), device)
        precision = jax.default_matmul_precision("highest") if exact else nullcontext()
        with jax.default_device(device), precision:
            lowered = jax.jit(jax.value_and_grad(value)).lower(*arguments)
    return lowered.compile()(*arguments)


def differences(here: Any, there: Any, limits: tuple[float, float]) -> dict[str, Any]:
    """Of losses and gradients, the second being right, and whether they are within limits."""
    import jax

    loss, right = float(here[0]), float(there[0])
    pairs = [
        (np.asarray(one, np.float64), np.asarray(other, np.float64))
        for one, other in zip(jax.tree.leaves(here[1]), jax.tree.leaves(there[1]), strict=True)
    ]
    apart = sum(float(np.sum((one - other) ** 2)) for one, other in pairs)
    norm = sum(float(np.sum(other**2)) for _, other in pairs)
    found = abs(loss - right) / abs(right), (apart / norm) ** 0.5
    return {
        "device_loss": loss,
        "cpu_loss": right,
        "loss_difference": found[0],
        "gradient_difference": found[1],
        "limits": limits,
        # Comparisons with NaN are false.
        "within": all(value <= limit for value, limit in zip(found, limits, strict=True)),
    }
