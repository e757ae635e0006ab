"""Rows of a split -> the batches of an epoch, by length, filled while the model trains."""

from sasrec_fast.batching.batches import Batches, EpochCallback, batch_devices, kernel_multiple

__all__ = ["Batches", "EpochCallback", "batch_devices", "kernel_multiple"]
