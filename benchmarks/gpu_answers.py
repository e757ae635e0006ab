"""Answers of a model that is not trained: metrics of all users, and lists for some of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

import sasrec_fast as sf
from gpu_child import require_device
from gpu_data import prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_child import Caller

LENGTH = 50


def measure(cell: dict[str, Any], caller: Caller) -> None:
    """Tell the figures of one kind of answers, "evaluate" or "recommend"."""
    sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
    device = require_device(cell["device"])
    runs = {"evaluate": evaluating, "recommend": recommending}[cell["answers"]](cell)
    for run in runs.values():
        run()
    caller.wait_for_turn()
    taken = {name: best_of(run) for name, run in runs.items()}
    statistics = device.memory_stats() or {}
    caller.tell(
        kind=device.device_kind,
        seconds=taken,
        memory=statistics.get("peak_bytes_in_use"),
    )


def evaluating(cell: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """All items ranked for all validation rows, alone and as `fit` has it done."""
    data = prepared(cell["data"], cell["length"])
    model = sf.SASRec.for_data(data, hidden_dim=64)
    model.build()
    callback = sf.RankingMetrics(data.validation, k=10)
    callback.set_model(model)
    callback.on_train_begin()
    return {
        "evaluate": lambda: sf.evaluate(model, data.validation, k=10),
        "RankingMetrics": lambda: callback.on_epoch_end(0, {}),
    }


def recommending(cell: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Ten items of a large catalogue for users whose histories are given in external ids."""
    items = sf.Vocabulary(np.arange(cell["items"]) * 7 + 5)
    model = sf.SASRec(len(items) + 1, hidden_dim=64, max_sequence_length=LENGTH, items=items)
    ids = np.random.default_rng(1).choice(items.ids, (cell["users"], LENGTH))
    histories = [row[: 1 + number % LENGTH].tolist() for number, row in enumerate(ids)]
    return {"recommend": lambda: sf.recommend(model, histories=histories, k=10)}


def best_of(run: Callable[[], Any], times: int = 5) -> float:
    """Least seconds of some calls."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return min(taken)
