"""Recipes: complete options of training runs that reach published quality.

Plain options, which `run` runs. The published results are for leave-one-out splits: the last
interaction of each user is the test, the one before validates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

__all__ = ["DEFAULT", "RECIPES", "Recipe", "Training"]


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained. The defaults suit catalogues of some ten thousand items.

    Attributes:
        loss: Its name and, besides "name", its arguments; `"item_counts": "train"` stands for
            the counts in the training sequences.
        learning_rate: Of Adam; the highest of a schedule.
        beta_2: Of Adam.
        weight_decay: Of AdamW: every weight, embeddings and biases too, is drawn to 0 by so much
            times the rate in each step (Loshchilov & Hutter 2019); 0 is Adam.
        ema_momentum: m in [0, 1) of the moving average of the weights, m * average + (1 - m) *
            weights after each step, which is validated and kept; 0: the weights themselves.
        schedule: "constant", or "cosine": down to 0 in the last of `epochs`.
        warmup_epochs: Epochs in which a cosine schedule first rises from 0.
        batch_size: Mean number of rows a batch.
        max_buckets: Most shapes of batches; each is compiled once.
        epochs: Most passes over the training rows.
        patience: Stop after so many epochs without a better validation NDCG@10.
        seed: Of initial weights, dropout, negatives and the order of batches.
    """

    loss: Mapping[str, Any] = field(default_factory=lambda: {"name": "softmax"})
    learning_rate: float = 2e-3
    beta_2: float = 0.98
    weight_decay: float = 0.0
    ema_momentum: float = 0.0
    schedule: str = "constant"
    warmup_epochs: int = 0
    batch_size: int = 64
    max_buckets: int = 5
    epochs: int = 200
    patience: int = 10
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Data, options and what they reach.

    Attributes:
        summary: What it is, in a line.
        file: The data, below the folder of data.
        prepare: Arguments of `prepare`.
        model: Arguments of `SASRec`; its length is that of the data.
        training: How it is trained.
        candidates: Protocol of validation and test, as `evaluate` takes it; None ranks all.
        required: Least metrics of the test.
        published: Metrics published for this data and protocol.
        source: Who published them.
        seeds: Of the runs, whose mean counts.
    """

    summary: str = ""
    file: str = ""
    prepare: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    candidates: tuple[str, int, int] | None = None
    required: Mapping[str, float] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    source: str = ""
    seeds: tuple[int, ...] = (0,)

    def changed(
        self,
        prepare: Mapping[str, Any] | None = None,
        model: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> Recipe:
        """The recipe with some options changed, of which nothing was published.

        A stride of windows longer than the sequences becomes their length.
        """
        prepare = {**self.prepare, **(prepare or {})}
        windows, length = prepare.get("windows", "last"), prepare.get("max_sequence_length")
        if length is not None and not isinstance(windows, str) and windows[1] > length:
            prepare["windows"] = ("stride", length)
        return replace(
            self,
            prepare=prepare,
            model={**self.model, **(model or {})},
            training=replace(self.training, **(training or {})),
            required={},
            published={},
            source="",
        )


COSINE = Training(learning_rate=2e-3, schedule="cosine", warmup_epochs=1, batch_size=128)
SAMPLED = {"name": "sampled_softmax", "num_negatives": 4096, "item_counts": "train"}

ML_1M_SOFTMAX = Recipe(
    summary="MovieLens-1M, four LiGR blocks, rotary positions, full softmax, full ranking",
    file="ml-1m-sequences/ml-1m.txt.gz",
    prepare={"max_sequence_length": 200, "windows": ("stride", 200)},
    model={
        "hidden_dim": 64,
        "num_layers": 4,
        "num_heads": 1,
        "dropout": 0.2,
        "block": "ligr",
        "positions": "rotary",
    },
    training=replace(COSINE, loss={"name": "softmax"}, batch_size=32, epochs=30),
    required={"hit_rate@10": 0.335, "ndcg@10": 0.195},
    published={"hit_rate@10": 0.3152, "ndcg@10": 0.1821},
    source="Turning Dross into Gold Loss, 2023",
)

BEAUTY_MODEL = {"hidden_dim": 128, "num_layers": 2, "num_heads": 2, "dropout": 0.5}

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {
        "ml-1m-bce": replace(
            ML_1M_SOFTMAX,
            summary="MovieLens-1M, two LiGR blocks, the paper's loss, 100 sampled negatives",
            prepare={**ML_1M_SOFTMAX.prepare, "num_negatives": 1},
            model={**ML_1M_SOFTMAX.model, "num_layers": 2},
            training=replace(ML_1M_SOFTMAX.training, loss={"name": "bce"}),
            candidates=("uniform", 100, 0),
            required={"hit_rate@10": 0.82, "ndcg@10": 0.5905},
            published={"hit_rate@10": 0.8245, "ndcg@10": 0.5905},
            source="Kang & McAuley 2018",
        ),
        "ml-1m-softmax": ML_1M_SOFTMAX,
        "s3-beauty": Recipe(
            summary="Amazon Beauty as S3-Rec published it, an ensemble of three, full ranking",
            file="beauty/s3-beauty.txt.gz",
            prepare={"max_sequence_length": 50},
            model={**BEAUTY_MODEL, "num_members": 3},
            training=replace(COSINE, loss={**SAMPLED, "label_smoothing": 0.1}, epochs=40),
            required={"hit_rate@10": 0.1, "ndcg@10": 0.06},
            published={"hit_rate@10": 0.0935, "ndcg@10": 0.0544},
            source="Scalable cross-entropy, 2024",
        ),
        "beauty": Recipe(
            summary="Amazon Beauty as BERT4Rec published it, an ensemble of two, full ranking",
            file="beauty/beauty.txt.gz",
            prepare={"max_sequence_length": 50},
            model={**BEAUTY_MODEL, "num_members": 2},
            training=replace(COSINE, loss=SAMPLED, epochs=25),
            required={"hit_rate@10": 0.06, "ndcg@10": 0.0362},
            published={"hit_rate@10": 0.0595, "ndcg@10": 0.0359},
            source="RecTools, full cross-entropy",
        ),
    }
)
"""Every recipe by name."""

DEFAULT = "ml-1m-softmax"
"""The recipe to start from with data of your own."""
