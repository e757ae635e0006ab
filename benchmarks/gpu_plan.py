"""What `gpu.py` measures, the most important first, on a GPU and with tiny sizes on a CPU."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from gpu_jobs import Job

OURS = "sasrec_fast"
COMMON = "PyTorch, as commonly written"
BEST = "PyTorch, its best form"
F32, BF16 = "float32", "mixed_bfloat16"
REPEATS = {128: 1, 1024: 4, 4096: 8}
"""How often each user of MovieLens-1M occurs for a batch size, so that an epoch has 12 steps or
more."""


def jobs(small: bool) -> list[Job]:
    """All jobs in their order."""
    return _small() if small else [*_first(), *_others()]


def _first() -> list[Job]:
    """What answers the goals; the recipe compiles longest."""
    return [
        numbers(["bce", "gbce", "softmax", "sampled_softmax"], "gpu"),
        Job("recipe", "gpu_recipe", _recipe(), limit=300, turn=100),
        steps("bce", F32, 128, buckets=5),
        steps("bce", F32, 128),
        pytorch(BEST, "bce", F32, 128),
        steps("bce", BF16, 1024),
        steps("bce", BF16, 4096),
        steps("softmax", F32, 128),
        pytorch(COMMON, "bce", F32, 128),
        answers(answers="evaluate", data="ml-1m", length=200),
        answers(answers="recommend", items=1_000_000, users=512),
        catalogue("sampled_softmax", 1_000_000, "adam"),
        catalogue("sampled_softmax", 1_000_000, "lazy adam"),
        pytorch(BEST, "bce", BF16, 4096),
        steps("sampled_softmax", F32, 128),
        steps("bce", BF16, 128),
        pytorch(BEST, "softmax", BF16, 128),
        steps("softmax", BF16, 1024),
        catalogue("bce", 1_000_000, "adam"),
        catalogue("bce", 1_000_000, "lazy adam"),
    ]


def _others() -> list[Job]:
    """The rest of the tables."""
    losses = ("bce", "softmax", "sampled_softmax")
    every = [steps(*cell) for cell in product(losses, (F32, BF16), REPEATS)]
    torch = [pytorch(BEST, loss, BF16, size) for loss in losses[:2] for size in REPEATS]
    torch += [pytorch(BEST, "softmax", F32, 128)]
    large = [
        catalogue(loss, 100_000, optimizer)
        for loss in ("sampled_softmax", "bce")
        for optimizer in ("adam", "lazy adam")
    ]
    known = _first()
    return [job for job in (*every, *large, *torch) if job not in known]


def _small() -> list[Job]:
    tiny = {"data": "made", "users": 200, "items": 300, "repeats": 1, "length": 16, "device": "cpu"}
    few = {"batch_size": 32, "users": 64, "length": 16, "width": 16, "layers": 1, "device": "cpu"}
    recipe = _recipe(data="made", device="cpu")
    recipe["changes"] = {
        "prepare": {"max_sequence_length": 16},
        "model": {"hidden_dim": 8, "num_layers": 1, "block": "transformer"},
        "training": {"epochs": 2, "max_buckets": 1},
    }
    jobs = [
        numbers(["bce"], "cpu"),
        Job("recipe", "gpu_recipe", recipe),
        steps("bce", F32, 32, **tiny, width=16, layers=1),
        pytorch(BEST, "bce", F32, 32, **tiny, compiled=False),
        catalogue("sampled_softmax", 2000, "lazy adam", **few),
        answers(answers="recommend", items=2000, users=32, device="cpu"),
    ]
    return [replace(job, limit=300.0, turn=60.0) for job in jobs]


def numbers(losses: list[str], device: str) -> Job:
    """Losses and gradients, all in one process."""
    cell = {"losses": losses, "device": device}
    return Job("numbers", "gpu_numbers", cell, limit=150)


def steps(loss: str, dtype: str, batch_size: int, **more: Any) -> Job:
    """Steps of this package, see `gpu_steps.Cell`."""
    cell = {"loss": loss, "dtype": dtype, "batch_size": batch_size, "buckets": 1, "data": "ml-1m"}
    cell |= {"repeats": REPEATS.get(batch_size, 1), **more}
    limit = 100.0 if cell["buckets"] == 1 else 250.0  # every length is a program
    return Job("steps", "gpu_steps", {"implementation": OURS, **cell}, limit=limit)


def pytorch(implementation: str, loss: str, dtype: str, batch_size: int, **more: Any) -> Job:
    """Steps of PyTorch."""
    cell = {"loss": loss, "dtype": dtype, "batch_size": batch_size, "data": "ml-1m", "length": 200}
    cell |= {"repeats": REPEATS.get(batch_size, 1), "compiled": True, "device": "cuda", **more}
    return Job("steps", "gpu_torch", {"implementation": implementation, **cell}, limit=150)


def catalogue(loss: str, items: int, optimizer: str, **more: Any) -> Job:
    """Steps with so many items, see `gpu_steps.Cell`."""
    cell = {"loss": loss, "items": items, "optimizer": optimizer, "negatives": 4096}
    sizes = {"dtype": F32, "batch_size": 128, "data": "made", "users": 2048, "length": 50}
    return Job("catalogue", "gpu_steps", {"implementation": OURS, **cell, **sizes, **more})


def answers(**cell: Any) -> Job:
    """Answers, see `gpu_answers`."""
    return Job("answers", "gpu_answers", {"device": "gpu", **cell})


def _recipe(**changes: Any) -> dict[str, Any]:
    return {"recipe": "ml-1m-softmax", "data": "ml-1m", "device": "gpu", **changes}
