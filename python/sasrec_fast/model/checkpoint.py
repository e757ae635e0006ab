"""Checkpoint of a training run, from which a killed run goes on to the weights it would have had.

`keras.callbacks.BackupAndRestore` leaves out the states of the seed generators (dropout draws
other numbers after it) and writes weights and epoch one after the other, so that a kill in between
leaves weights of one epoch with the number of another. Here one file holds everything that the
training step carries from batch to batch, and replaces the one before in a single move.
"""

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from sasrec_fast.backend import on_jax

FILE = "training.npz"
_RUN = "run"


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state of a training run after each epoch, and reads it back.

    Args:
        trained: A compiled model; it and its optimizer are built here if they are not.
        folder: Where the file goes; created with the first one.
        data: What decides the batches, by name; a checkpoint of other data is refused.
    """

    def __init__(self, trained: Any, folder: str | os.PathLike[str], data: Mapping[str, Any]):
        super().__init__()
        if not trained.built:
            trained.build()
        if not trained.optimizer.built:
            trained.optimizer.build(trained.trainable_variables)
        self._trained = trained
        self.path = Path(folder) / FILE
        self._data = dict(data)

    def restore(self) -> tuple[int, bool]:
        """Load the state, if there is any.

        Returns:
            The number of epochs done, and whether a callback ended training there.

        Raises:
            ValueError: The file is damaged, or of another model, optimizer or data.
        """
        if not self.path.exists():
            return 0, False
        try:
            with self.path.open("rb") as opened, np.load(opened) as file:
                run = json.loads(bytes(file[_RUN]))
                arrays = [file[str(i)] for i in range(len(file.files) - 1)]
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"{self.path} is no readable checkpoint ({error}); delete it to train from the "
                "start, or resume in another folder"
            ) from error
        self._check_data(run["data"])
        self._assign(arrays, run["dtypes"])
        return int(run["epochs"]), bool(run["stopped"])

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save: `epoch` + 1 epochs are done."""
        self._save(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Save what a callback such as `EarlyStopping` did on stopping."""
        if self._trained.stop_training:
            self._save(self._epochs)

    def _variables(self) -> list[Any]:
        model = self._trained
        return [
            *model.trainable_variables,
            *model.non_trainable_variables,
            *model.optimizer.variables,
        ]

    def _save(self, epochs: int) -> None:
        self._epochs = epochs
        if on_jax() and jax.process_index() > 0:
            return  # of several processes that train together, the first one writes
        arrays = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        run = {
            "epochs": epochs,
            "stopped": bool(self._trained.stop_training),
            "data": self._data,
            "dtypes": [array.dtype.name for array in arrays],
        }
        named: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
        named[_RUN] = np.frombuffer(json.dumps(run).encode(), np.uint8)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def _check_data(self, saved: Mapping[str, Any]) -> None:
        here = json.loads(json.dumps(self._data))
        for name in sorted(saved.keys() | here.keys()):
            if saved.get(name) != here.get(name):
                raise ValueError(
                    f"{self.path} was written with {name}={saved.get(name)}, this run has "
                    f"{name}={here.get(name)}: resume with the same data, or in another folder"
                )

    def _assign(self, arrays: list[Any], dtypes: list[str]) -> None:
        variables = self._variables()
        if len(arrays) != len(variables):
            raise ValueError(
                f"{self.path} holds {len(arrays)} variables, the model and its optimizer "
                f"{len(variables)}: they are not those of the checkpoint"
            )
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"{self.path} holds shape {array.shape} for {variable.path}, which has shape "
                    f"{tuple(variable.shape)}: the model is not that of the checkpoint"
                )
        for variable, array, dtype in zip(variables, arrays, dtypes, strict=True):
            # NumPy's files know bfloat16 as two nameless bytes.
            variable.assign(array.view(dtype) if array.dtype.kind == "V" else array)
