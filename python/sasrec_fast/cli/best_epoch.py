"""What happens after each epoch of a command: a line, the best weights kept, an early end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from sasrec_fast.cli import interrupts
from sasrec_fast.cli.screen import Screen, seconds
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from sasrec_fast.recipes import Training

MONITOR = "val_ndcg@10"
EPOCHS, WEIGHTS = "epochs.json", "best.npz"


class BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Prints each epoch, keeps the best one's weights and stops when there is no progress.

    Args:
        training: Its patience.
        screen: Where the lines go.
        folder: Where the epochs and the best weights are written too, so that a run resumed by
            `fit(resume=folder)` knows those before it.

    Attributes:
        epochs: A record of every epoch: its number from 1, seconds, and the logs.
    """

    def __init__(self, training: Training, screen: Screen, folder: Path | None = None) -> None:
        super().__init__()
        self._patience = training.patience
        self._screen = screen
        self._folder = folder
        self._weights: list[Any] = []
        self._start = 0.0
        self._epoch = 0
        self.epochs: list[dict[str, Any]] = []
        if folder is not None and (folder / EPOCHS).exists():
            self.epochs = json.loads((folder / EPOCHS).read_text(encoding="utf-8"))

    @property
    def best(self) -> dict[str, Any] | None:
        """The record of the best epoch, the first of equal ones."""
        return max(self.epochs, key=lambda record: float(record[MONITOR]), default=None)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Print the heading."""
        self._screen.say("epoch    loss  hit rate@10  NDCG@10     time")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
        del self.epochs[epoch:]  # a run killed between this record and its checkpoint
        self._start = time.perf_counter()
        self._show(epoch, 0)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar; stop if Ctrl-C was pressed."""
        interrupts.check()
        self._show(self._epoch, batch + 1)

    def _show(self, epoch: int, batches: int) -> None:
        self._epoch = epoch
        label = f"epoch {epoch + 1}" + (", compiling" if epoch == 0 else "")
        self._screen.bar(label, batches, self.params["steps"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print, keep the weights if they are the best, stop if it is time."""
        took = time.perf_counter() - self._start
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.epochs.append({"epoch": epoch + 1, "seconds": took, **values})
        better = self.best is self.epochs[-1]
        if better:
            self._weights = self.model.get_weights()
        self._screen.say(
            f"{epoch + 1:5}  {values['loss']:6.4f}  {values['val_hit_rate@10']:11.4f}  "
            f"{values[MONITOR]:7.4f}  {seconds(took):>7}" + ("  best" if better else "")
        )
        if self._folder is not None:
            self._write(self._folder, better)
        if epoch + 1 - (self.best or {})["epoch"] >= self._patience:
            self._screen.say(f"no better NDCG@10 for {self._patience} epochs: stopped")
            self.model.stop_training = True

    def _write(self, folder: Path, better: bool) -> None:
        if better:
            with replaced_file(folder / WEIGHTS) as path:
                np.savez(path, *self._weights, epoch=len(self.epochs))
        with replaced_file(folder / EPOCHS) as path:
            path.write_text(json.dumps(self.epochs, indent=1), encoding="utf-8")

    def restore(self, model: Any) -> None:
        """Give the model the weights of the best epoch."""
        best = (self.best or {})["epoch"]
        if self._folder is not None:
            with np.load(self._folder / WEIGHTS) as file:
                best = int(file["epoch"])
                self._weights = [file[f"arr_{i}"] for i in range(len(file.files) - 1)]
        model.set_weights(self._weights)
        self._screen.say(f"kept: the weights of epoch {best}")
