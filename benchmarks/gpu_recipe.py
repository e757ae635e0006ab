"""A recipe from the file to the tested model, with its programs compiled before."""

from __future__ import annotations

import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import sasrec_fast as sf
from gpu_child import Compiling, require_device
from gpu_data import ML_1M, prepared
from training_data import data_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gpu_child import Caller

SEEN = 0.18


class _EnoughError(Exception):
    """The first epoch is over: all programs of training are compiled."""


class _FirstEpoch(sf.recipes.Progress):
    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        raise _EnoughError


class _Epochs(sf.recipes.Progress):
    """Notes when an epoch ends, and what it reached."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.curve: list[tuple[float, float]] = []
        """Seconds since the beginning, and NDCG@10 of the validation rows."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        self.curve.append((time.perf_counter() - self.began, float(record["val_ndcg@10"])))


def measure(cell: dict[str, Any], caller: Caller) -> None:
    """Tell seconds of the run and what the test gave.

    A first run ends with its first epoch; its compiled programs are kept in a folder, where the
    second one finds them.
    """
    sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
    device = require_device(cell["device"])
    compiling = Compiling()
    recipe = sf.recipes.RECIPES[cell["recipe"]]
    if "changes" in cell:
        recipe = recipe.changed(**cell["changes"])
    data: Any = cell["data"]
    data = str(data_folder(None) / recipe.file) if data == ML_1M else prepared(data, 16)
    with tempfile.TemporaryDirectory() as folder:
        sf.keep_compilations(folder)
        with suppress(_EnoughError):
            sf.recipes.run(recipe, data, callback=_FirstEpoch())
        before = compiling.seconds
        stopped = caller.wait_for_turn()

        epochs = _Epochs()
        done = sf.recipes.run(recipe, data, callback=epochs)
        trained = time.perf_counter() - epochs.began
        test = done.test
        tested = time.perf_counter() - epochs.began
    caller.tell(
        kind=device.device_kind,
        compiling_s=max(0.0, before - stopped),
        compiling_again_s=compiling.seconds - before,
        trained_s=trained,
        tested_s=tested,
        seconds_to_seen=first_reached(epochs.curve, SEEN),
        epochs=len(epochs.curve),
        best_epoch=done.best["epoch"],
        best_validation=done.validation["ndcg@10"],
        curve=epochs.curve,
        test={name: float(test[name]) for name in ("hit_rate@10", "ndcg@10")},
        required=dict(recipe.required),
    )


def first_reached(curve: list[tuple[float, float]], least: float) -> float | None:
    """Seconds until a value was reached; None where it never was."""
    return next((seconds for seconds, value in curve if value >= least), None)
