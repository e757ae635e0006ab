"""Rows of a split -> the batches of an epoch, by length, filled while the model trains."""

from sasrec_fast.batching.batches import Batches, EpochCallback
from sasrec_fast.batching.devices import batch_devices, kernel_multiple
from sasrec_fast.batching.runs import Runs, is_run, run_batch

__all__ = [
    "Batches",
    "EpochCallback",
    "Runs",
    "batch_devices",
    "is_run",
    "kernel_multiple",
    "run_batch",
]
