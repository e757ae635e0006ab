"""Training steps of PyTorch: as SASRec is commonly written, and in its best form."""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_data import prepared
from gpu_plan import BEST
from gpu_steps import MEASURED_SECONDS
from training_data import SETTINGS

if TYPE_CHECKING:
    import sasrec_fast as sf
    from gpu_child import Caller


def measure(cell: dict[str, Any], caller: Caller) -> None:
    """Tell the figures of a cell, or what is missing."""
    try:
        import torch
    except ImportError as error:
        caller.tell(missing=str(error))
        return
    if cell["device"] == "cuda" and not torch.cuda.is_available():
        raise SystemExit("PyTorch sees no GPU")
    sizes = {name: cell[name] for name in ("repeats", "users", "items") if name in cell}
    data = prepared(cell["data"], cell["length"], **sizes)
    figures = (best if cell["implementation"] == BEST else common)(cell, data, caller)
    seconds, steps = figures.pop("seconds"), figures.pop("steps")
    rows = steps * cell["batch_size"]
    caller.tell(
        step_ms=1000 * seconds / steps,
        steps=steps,
        epoch_s=seconds,
        sequences_per_s=rows / seconds,
        targets_per_s=rows * float(data.train.lengths.mean()) / seconds,
        version=torch.__version__,
        **figures,
    )


def common(cell: dict[str, Any], data: sf.Prepared, caller: Caller) -> dict[str, Any]:
    """Batches made in Python by worker processes; the median of epochs after the first."""
    import torch_fused
    import torch_sasrec

    train = data.train
    items = train.sequences.items
    bounds = zip(train.starts, train.ends, strict=True)
    histories = [items[start:end].tolist() for start, end in bounds]
    setting = replace(
        SETTINGS["ml-1m"], length=cell["length"], width=64, batch_size=cell["batch_size"]
    )
    caller.wait_for_turn()
    figures = torch_sasrec.train(histories, data.vocabulary_size, setting, 3, cell["device"])
    return {
        "seconds": median(figures["seconds"][1:]),
        "steps": figures["steps"],
        "memory": torch_fused.memory(cell["device"]),
    }


def best(cell: dict[str, Any], data: sf.Prepared, caller: Caller) -> dict[str, Any]:
    """The median of some epochs after those that compile; without compiling where that fails."""
    import torch_fused

    arrays = data.train.arrays()
    rows = np.concatenate([arrays.item_ids[:, :1], arrays.positive_sequence], axis=1)
    names = ("loss", "dtype", "batch_size", "device")
    training = torch_fused.Training(
        **{name: cell[name] for name in names}, compiled=cell["compiled"]
    )
    reason = None
    try:
        trainer = torch_fused.Trainer(rows, data.vocabulary_size, training)
        trainer.epoch()
    except Exception as error:  # of any of the tools that compile
        if not training.compiled:
            raise
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        trainer = torch_fused.Trainer(rows, data.vocabulary_size, replace(training, compiled=False))
    for _ in range(3):
        trainer.epoch()
    caller.wait_for_turn()
    settled = min(trainer.epoch() for _ in range(2))
    epochs = int(min(max(3, MEASURED_SECONDS / settled), 40))
    return {
        "seconds": median(trainer.epoch() for _ in range(epochs)),
        "steps": trainer.steps,
        "memory": torch_fused.memory(cell["device"]),
        "not_compiled": reason,
    }
