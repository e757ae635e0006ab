"""A model trained by a recipe, with the weights of its best epoch by validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import keras

from sasrec_fast import checks, losses
from sasrec_fast.backend import set_random_seed
from sasrec_fast.errors import DataWarning
from sasrec_fast.evaluation.ranking_metrics import RankingMetrics
from sasrec_fast.model import SASRec
from sasrec_fast.recipes.best_epoch import BestEpoch
from sasrec_fast.saving import Terminated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes.catalogue import Recipe, Training
    from sasrec_fast.recipes.progress import Progress


def train_model(
    recipe: Recipe, data: Prepared, progress: Progress, folder: Path | None
) -> tuple[SASRec, list[dict[str, Any]]]:
    """Train on prepared data; a run in a folder goes on from there.

    Returns:
        The model with the weights of its best epoch by NDCG@10 on the validation rows, and the
        records of all epochs.
    """
    training = recipe.training
    set_random_seed(training.seed)
    model = SASRec.for_data(data, **recipe.model)
    model.build()
    batches = data.train.batches(
        training.batch_size, max_buckets=training.max_buckets, seed=training.seed
    )
    model.compile(optimizer(training, len(batches)), loss=loss(training.loss, data))
    assert data.validation is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # `prepare` has said it
        metrics = RankingMetrics(data.validation, k=10, candidates=recipe.candidates)
    best = BestEpoch(training.patience, progress, folder)
    progress.begins(model, recipe.candidates)
    options: dict[str, Any] = {"callbacks": [metrics, best], "resume": folder, "verbose": 0}
    try:
        model.fit(batches, epochs=training.epochs, **options)
    except (KeyboardInterrupt, Terminated):
        if best.epochs:
            progress.interrupted(best.model_of(model), best.best["epoch"], len(best.epochs))
        raise
    return model, best.epochs


def loss(options: Mapping[str, Any], data: Prepared) -> Any:
    """The loss of a recipe, see `Training.loss`."""
    arguments = dict(options)
    if arguments.get("item_counts") == "train":
        arguments["item_counts"] = data.train.item_counts
    return losses.get(arguments.pop("name"), **arguments)


def optimizer(training: Training, steps_per_epoch: int) -> Any:
    """Adam, or AdamW, as a recipe has it."""
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        if training.warmup_epochs >= training.epochs:
            raise ValueError(
                f"warmup_epochs is {training.warmup_epochs} of {training.epochs} epochs, expected "
                "fewer, so that the rate can fall"
            )
        warmup = training.warmup_epochs * steps_per_epoch
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            training.epochs * steps_per_epoch - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    elif training.schedule != "constant":
        raise ValueError(f"schedule is {training.schedule!r}; allowed are 'constant' and 'cosine'")
    options: dict[str, Any] = {"beta_2": training.beta_2}
    if momentum := checks.fraction("ema_momentum", training.ema_momentum, below=1.0):
        options |= {"use_ema": True, "ema_momentum": momentum}
    if decay := checks.fraction("weight_decay", training.weight_decay):
        return keras.optimizers.AdamW(rate, weight_decay=decay, **options)
    return keras.optimizers.Adam(rate, **options)
