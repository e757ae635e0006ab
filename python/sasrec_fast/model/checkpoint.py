"""Checkpoint of a training run, from which a killed run goes on to the weights it would have had.

`keras.callbacks.BackupAndRestore` leaves out the states of the seed generators (dropout draws
other numbers after it) and writes weights and epoch one after the other, so that a kill in between
leaves weights of one epoch with the number of another. Here one file holds everything that the
training step carries from batch to batch, and replaces the one before in a single move.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np

from sasrec_fast import checks
from sasrec_fast.backend import on_jax
from sasrec_fast.errors import note
from sasrec_fast.saving import replaced_file

FILE, FINISHED = "training.npz", "finished.npz"
_RUN = "run"
_IRRELEVANT = ("name", "module", "registered_name", "trainable", "k", "candidates")
"""Parts of configs that change nothing in training."""


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Writes the state of a training run after each epoch, and reads it back.

    Args:
        trained: A compiled model; it and its optimizer are built here if they are not.
        folder: Where the file goes; created with the first one.
        data: What decides the batches, by name; a checkpoint of other data is refused, and so is
            one of another model, loss or optimizer.
        validation: As `data`, of the validation data.
    """

    def __init__(
        self,
        trained: Any,
        folder: str | os.PathLike[str],
        data: Mapping[str, Any],
        validation: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        if not trained.built:
            trained.build()
        if not trained.optimizer.built:
            trained.optimizer.build(trained.trainable_variables)
        self._trained = trained
        self.path = Path(folder) / FILE
        self._data = {**data, **{f"validation {name}": v for name, v in (validation or {}).items()}}
        self._settings = {
            **_flat("model", trained, _config(trained)),
            **_flat("loss", trained.loss, _config(trained.loss)),
            **self._optimizer(),
        }
        self._epochs = 0

    def restore(self) -> tuple[int, bool]:
        """Load the state, if there is any, of a run under way or else of a finished one.

        Returns:
            The number of epochs done, and whether a callback ended training there.

        Raises:
            ValueError: The file is damaged, or of another model, loss, optimizer or data.

        Warns:
            UserWarning: An earlier version wrote it, which recorded less of that.
        """
        finished = self.path.with_name(FINISHED)
        path = self.path if self.path.exists() or not finished.exists() else finished
        if not path.exists():
            return 0, False
        run, arrays = _read(path)
        settings, now = run["settings"].copy(), run["optimizer"]
        _require_same(path, run["data"], self._data, complete=bool(settings))
        if not settings:
            note(
                f"{path} was written by an earlier version, which recorded neither loss nor "
                "optimizer nor every option: whether they are those of this run is not checked",
            )
        else:
            # The rate may be the one that a callback has set since, in this very model.
            same = now == self._optimizer()
            settings |= now if same else {}
            _require_same(path, _trainer(settings), _trainer(self._settings))
        self._require_shapes(path, arrays)
        if settings:
            _require_same(path, settings, self._settings)
            self._settings = run["settings"]
        self._assign(arrays, run["dtypes"])
        return run["epochs"], run["stopped"]

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save: `epoch` + 1 epochs are done."""
        self._save(epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Save what a callback such as `EarlyStopping` did on stopping; the run is finished."""
        if self._trained.stop_training and self._epochs:
            self._save(self._epochs)
        if _writes() and self.path.exists():
            self.path.replace(self.path.with_name(FINISHED))
        if _writes():
            self.path.with_suffix(".partial").unlink(missing_ok=True)  # of an earlier version

    def _variables(self) -> list[Any]:
        model = self._trained
        return [
            *model.trainable_variables,
            *model.non_trainable_variables,
            *model.optimizer.variables,
        ]

    def _optimizer(self) -> dict[str, Any]:
        optimizer = self._trained.optimizer
        rate: Any = getattr(optimizer, "_learning_rate", None)
        if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return _flat("optimizer", optimizer, optimizer.get_config())
        # Keras would serialise the schedule, for which it imports TensorFlow where that is.
        plain = object.__new__(type(optimizer))
        vars(plain).update({**vars(optimizer), "_learning_rate": None})
        schedule = {"class_name": type(rate).__name__, **rate.get_config()}
        config = {**plain.get_config(), "learning_rate": schedule}
        return _flat("optimizer", optimizer, config)

    def _save(self, epochs: int) -> None:
        self._epochs = epochs
        if not _writes():
            return
        arrays = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
        run = {
            "epochs": epochs,
            "stopped": bool(self._trained.stop_training),
            "data": self._data,
            "settings": self._settings,
            "optimizer": self._optimizer(),
            "dtypes": [array.dtype.name for array in arrays],
        }
        named: dict[str, Any] = {str(i): array for i, array in enumerate(arrays)}
        named[_RUN] = np.frombuffer(json.dumps(run).encode(), np.uint8)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replaced_file(self.path) as temporary:
            np.savez(temporary, **named)

    def _require_shapes(self, path: Path, arrays: list[Any]) -> None:
        variables = self._variables()
        if len(arrays) != len(variables):
            raise ValueError(
                f"{path} holds {len(arrays)} variables, the model and its optimizer "
                f"{len(variables)}: they are not those of the checkpoint"
            )
        for variable, array in zip(variables, arrays, strict=True):
            if tuple(variable.shape) != array.shape:
                raise ValueError(
                    f"{path} holds shape {array.shape} for {variable.path}, which has shape "
                    f"{tuple(variable.shape)}: the model is not that of the checkpoint"
                )

    def _assign(self, arrays: list[Any], dtypes: list[str]) -> None:
        for variable, array, dtype in zip(self._variables(), arrays, dtypes, strict=True):
            # NumPy's files know bfloat16 as two nameless bytes.
            variable.assign(array.view(dtype) if array.dtype.kind == "V" else array)


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a run whose result is kept elsewhere."""
    for name in (FILE, FINISHED):
        (folder / name).unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Any], list[Any]]:
    """What a checkpoint says of its run, and its arrays.

    Raises:
        ValueError: It is damaged.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            run = json.loads(bytes(file[_RUN]))
            arrays = [file[str(i)] for i in range(len(file.files) - 1)]
        return {
            "epochs": int(run["epochs"]),
            "stopped": bool(run["stopped"]),
            "dtypes": [str(dtype) for _, dtype in zip(arrays, run["dtypes"], strict=True)],
            "data": dict(run["data"]),
            "settings": dict(run.get("settings", {})),
            "optimizer": dict(run.get("optimizer", {})),
        }, arrays
    except Exception as error:  # of the many that damage leads to
        raise ValueError(
            f"{path} is no readable checkpoint ({error}); delete it to train from the start, or "
            "resume in another folder"
        ) from error


def _writes() -> bool:
    """Whether this is the one that writes, of several processes that train together."""
    return not on_jax() or jax.process_index() == 0


def _kind(value: Any) -> str:
    return type(value).__name__


def _config(configured: Any) -> Mapping[str, Any]:
    """The config of a model or loss; empty for one of somebody's own that has none."""
    try:
        config: Mapping[str, Any] = getattr(
            configured, "training_config", getattr(configured, "get_config", dict)
        )()
    except NotImplementedError:
        return {}
    return config


def _flat(name: str, configured: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """What decides training in a Keras object's config, in one level: "optimizer.beta_1"."""
    flat: dict[str, Any] = {name: type(configured).__name__}
    pending = [(f"{name}.{key}", value) for key, value in config.items()]
    while pending:
        key, value = pending.pop(0)
        if key.rpartition(".")[2] in _IRRELEVANT and "dtype" not in key:
            continue
        if isinstance(value, dict):
            pending += [(f"{key}.{inner}", part) for inner, part in value.items()]
        else:
            flat[key] = value
    plain: dict[str, Any] = json.loads(json.dumps(flat, default=_kind))
    return plain


def _trainer(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that are not the model's own."""
    return {name: value for name, value in settings.items() if not name.startswith("model")}


def _require_same(
    path: Path, saved: Mapping[str, Any], here: Mapping[str, Any], *, complete: bool = True
) -> None:
    """Refuse a checkpoint of another run; one that is not complete is silent on some names."""
    here = json.loads(json.dumps(here, default=_kind))
    names = dict.fromkeys([*here, *saved])
    for name in names if complete else [name for name in names if name in saved and name in here]:
        if saved.get(name) != here.get(name):
            raise ValueError(
                f"{path} was written with {name}={checks.received(saved.get(name))}, this run has "
                f"{name}={checks.received(here.get(name))}: go on as it was begun, or in another "
                "folder"
            )
