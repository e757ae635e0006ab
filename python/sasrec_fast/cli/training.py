"""Training with a line for every epoch, that keeps the best epoch by validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras

from sasrec_fast import losses
from sasrec_fast.cli.best_epoch import BestEpoch
from sasrec_fast.cli.screen import Screen, counted
from sasrec_fast.evaluation.ranking_metrics import RankingMetrics
from sasrec_fast.model import SASRec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recipes import Training


def train_model(
    data: Prepared,
    options: Mapping[str, Any],
    training: Training,
    screen: Screen,
    *,
    candidates: tuple[str, int, int] | None = None,
    folder: Path | None = None,
) -> tuple[SASRec, BestEpoch]:
    """A model with the weights of its best epoch by NDCG@10 on the validation rows.

    Args:
        data: With validation rows.
        options: Arguments of `SASRec`.
        training: How to train.
        screen: Where the progress is printed.
        candidates: Of the validation, see `evaluate`.
        folder: Where the run is kept, to go on with it later.

    Returns:
        The model, and the callback that has the record of its epochs.
    """
    assert data.validation is not None
    keras.utils.set_random_seed(training.seed)
    model = SASRec(
        data.vocabulary_size,
        **options,
        max_sequence_length=data.max_sequence_length,
        items=data.items,
        item_counts=data.item_counts,
    )
    model.build()
    blocks = model.block_options
    screen.say(
        f"SASRec: {counted(model.num_layers, 'layer')}, {counted(blocks.num_heads, 'head')}, "
        f"{model.hidden_dim} dimensions, {model.count_params():,} weights; "
        f"{keras.backend.backend()} {_devices()}"
    )
    batches = data.train.batches(
        training.batch_size, max_buckets=training.max_buckets, seed=training.seed
    )
    model.compile(optimizer(training, len(batches)), loss=loss(training.loss, data))
    metrics = RankingMetrics(data.validation, k=10, candidates=candidates)
    among = f"{candidates[1]} random items" if candidates else "all items not seen"
    screen.say(f"\nvalidation: each user's last item but one, among {among}")
    best = BestEpoch(training, screen, folder)
    model.fit(batches, epochs=training.epochs, callbacks=[metrics, best], resume=folder, verbose=0)
    best.restore(model)
    return model, best


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
        warmup = training.warmup_epochs * steps_per_epoch
        rate = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate,
            training.epochs * steps_per_epoch - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    elif training.schedule != "constant":
        raise ValueError(f"schedule is {training.schedule!r}; allowed are 'constant' and 'cosine'")
    if training.weight_decay:
        return keras.optimizers.AdamW(
            rate, beta_2=training.beta_2, weight_decay=training.weight_decay
        )
    return keras.optimizers.Adam(rate, beta_2=training.beta_2)


def _devices() -> str:
    kinds = [device.partition(":")[0] for device in keras.distribution.list_devices()]
    return "on " + ", ".join(
        counted(kinds.count(kind), kind.upper()) for kind in sorted(set(kinds))
    )
