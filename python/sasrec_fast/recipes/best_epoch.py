"""The best epoch of a run: its weights, kept and restored, and an end where none is better."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from pathlib import Path

    from sasrec_fast.model import SASRec
    from sasrec_fast.recipes.progress import Progress

MONITOR = "val_ndcg@10"
EPOCHS, WEIGHTS = "epochs.json", "best.npz"


class BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """`EarlyStopping(MONITOR, restore_best_weights=True)` that knows the epochs before a resume.

    Args:
        patience: Training stops after so many epochs without a better one.
        progress: Told of batches and epochs.
        folder: Where epochs and best weights are written too, so that a run resumed by
            `fit(resume=folder)` knows those before it.

    Attributes:
        epochs: A record of every epoch: its number from 1, seconds, and the logs.
    """

    def __init__(self, patience: int, progress: Progress, folder: Path | None) -> None:
        super().__init__()
        self._patience = patience
        self._progress = progress
        self._folder = folder
        self._weights: list[Any] = []
        self.epochs: list[dict[str, Any]] = []
        if folder is not None and (folder / EPOCHS).exists():
            self.epochs = json.loads((folder / EPOCHS).read_text(encoding="utf-8"))
            with np.load(folder / WEIGHTS) as file:
                self._weights = [file[name] for name in file.files if name.startswith("arr_")]

    @property
    def best(self) -> dict[str, Any]:
        """The record of the best epoch, the first of equal ones."""
        return max(self.epochs, key=lambda record: float(record[MONITOR]))

    def model_of(self, trained: SASRec) -> SASRec:
        """A copy of a model with the weights of the best epoch, whatever the state of its own."""
        kinds = {"dtype": trained.dtype_policy, "activation": trained.block_options.activation}
        model = type(trained)(**{**trained.get_config(), **kinds})
        model.items, model.item_counts = trained.items, trained.item_counts
        model.build()
        model.set_weights(self._weights)
        return model

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        del self.epochs[epoch:]  # a run killed between this record and its checkpoint
        self._start = time.perf_counter()
        self._progress.batch(epoch + 1, 0, self.params["steps"])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Tell of it."""
        self._progress.batch(len(self.epochs) + 1, batch + 1, self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch, keep the weights if they are the best, stop if it is time."""
        values = {name: float(value) for name, value in (logs or {}).items()}
        record = {"epoch": epoch + 1, "seconds": time.perf_counter() - self._start, **values}
        self.epochs.append(record)
        better = self.best is record
        if better:
            self._weights = self.model.get_weights()
        if self._folder is not None:
            self._write(self._folder, better)
        self._progress.epoch(record, better)
        self.model.stop_training |= bool(self._waited())

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the model the weights of the best epoch."""
        self.model.set_weights(self._weights)
        self._progress.ends(self.best["epoch"], self._waited())

    def _waited(self) -> int:
        """Epochs after the best one, where they are enough to stop."""
        waited: int = len(self.epochs) - self.best["epoch"]
        return waited if waited >= self._patience else 0

    def _write(self, folder: Path, better: bool) -> None:
        if better:
            with replaced_file(folder / WEIGHTS) as path:
                np.savez(path, *self._weights)
        with replaced_file(folder / EPOCHS) as path:
            path.write_text(json.dumps(self.epochs, indent=1), encoding="utf-8")
