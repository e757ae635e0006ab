"""What the device asks of batches: rows that it can share, and lengths and runs that suit it."""

from typing import Any

import jax
import keras

from sasrec_fast.store import Split

_MOST_STEPS = 8
"""Batches of a run, where they are not chosen by hand."""

_CPU_STEPS, _CPU_RUNS = 4, 8
"""The same on a CPU, and the fewest runs of an epoch there."""

_RUN_BYTES = 64 << 20
"""Most bytes of such a run."""

_RUN_TOLERANCE = 0.03
"""Share by which the batches of an epoch may become more or fewer for whole runs."""


def batch_devices() -> int:
    """Devices that the rows of a batch are dealt to by the `keras.distribution` in force."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return int(mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)])


def kernel_multiple() -> int:
    """What the length of a sequence should be a multiple of, for the device's attention kernels.

    On a CPU any length is as good. Those of GPUs take multiples of 8, and other lengths fall back
    to a slower path.
    """
    return 8 if _off_the_cpu() else 1


def _off_the_cpu() -> bool:
    return bool(keras.backend.backend() == "jax" and jax.default_backend() != "cpu")


def choose_run_length(split: Split, batch_size: int) -> int:
    """Batches a run that suit the device, as many as change those of an epoch little.

    A GPU waits for Python after a step, unless it has several to do. On a CPU the steps of a run
    share memory that single ones are given anew, page by page. There padding counts, too: with few
    runs an epoch, rows would go to wider batches.
    """
    size = batch_size * split.max_sequence_length * 4 * (1 + split.num_negatives)
    plain = max(1, round(len(split) / batch_size))
    most = _MOST_STEPS if _off_the_cpu() else min(_CPU_STEPS, plain // _CPU_RUNS)
    for length in range(min(most, _RUN_BYTES // size), 1, -1):
        whole = length * max(1, round(plain / length))
        if abs(whole - plain) <= _RUN_TOLERANCE * plain:
            return length
    return 1


def sent_ahead(arrays: Any) -> Any:
    """Arrays on their way to the device, so that the loop over steps need not wait for that.

    Those of a CPU are there, and a `keras.distribution` deals them out itself.
    """
    if not _off_the_cpu() or keras.distribution.distribution() is not None:
        return arrays
    return jax.device_put(arrays)
