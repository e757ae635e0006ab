"""Training with a line for every epoch, that keeps the best epoch by validation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from sasrec_fast.cli import interrupts
from sasrec_fast.cli.screen import Screen, counted, seconds
from sasrec_fast.evaluation import evaluate
from sasrec_fast.model import SASRec

if TYPE_CHECKING:
    from sasrec_fast.preparation import Prepared
    from sasrec_fast.splits import Split

ADAM_BETA_2 = 0.98


@dataclass(frozen=True)
class ModelOptions:
    """Arguments of `SASRec`; see there."""

    num_layers: int
    num_heads: int
    hidden_dim: int
    dropout: float
    l2: float = 0.0


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes:
        epochs: Most passes over the training rows.
        patience: Stop after so many epochs without a better validation NDCG@10.
        batch_size: Mean number of rows a batch.
        learning_rate: Of Adam.
        seed: Of initial weights and dropout.
        max_buckets: Most shapes of batches; each is compiled once.
    """

    epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    seed: int
    max_buckets: int = 3


def train_model(
    data: Prepared, sizes: ModelOptions, options: TrainingOptions, screen: Screen
) -> SASRec:
    """A model with the weights of its best epoch by NDCG@10 on the validation rows."""
    assert data.validation is not None
    keras.utils.set_random_seed(options.seed)
    model = SASRec(
        data.vocabulary_size,
        **vars(sizes),
        max_sequence_length=data.max_sequence_length,
        items=data.items,
        item_counts=data.item_counts,
    )
    model.build()
    screen.say(
        f"SASRec: {counted(sizes.num_layers, 'layer')}, {counted(sizes.num_heads, 'head')}, "
        f"{sizes.hidden_dim} dimensions, {model.count_params():,} weights; "
        f"{keras.backend.backend()} {_devices()}"
    )
    model.compile(keras.optimizers.Adam(options.learning_rate, beta_2=ADAM_BETA_2))
    best = BestEpoch(data.validation, options, screen)
    batches = data.train.batches(options.batch_size, max_buckets=options.max_buckets)
    model.fit(batches, epochs=options.epochs, callbacks=[best], verbose=0)
    best.restore()
    return model


class BestEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Prints each epoch, keeps the best one's weights and stops when there is no progress."""

    def __init__(self, validation: Split, options: TrainingOptions, screen: Screen) -> None:
        super().__init__()
        self._validation = validation
        self._options = options
        self._screen = screen
        self._weights: list[Any] = []
        self._best = -1.0
        self._best_epoch = 0
        self._start = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Print the heading."""
        self._screen.say("\nvalidation: each user's last item but one, among all items not seen")
        self._screen.say("epoch    loss  hit rate@10  NDCG@10     time")

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the clock."""
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
        """Evaluate, print, keep the weights if they are the best, stop if it is time."""
        metrics = evaluate(self.model, self._validation, k=10)
        better = metrics["ndcg@10"] > self._best
        if better:
            self._best, self._best_epoch = metrics["ndcg@10"], epoch + 1
            self._weights = self.model.get_weights()
        self._screen.say(
            f"{epoch + 1:5}  {(logs or {})['loss']:6.4f}  {metrics['hit_rate@10']:11.4f}  "
            f"{metrics['ndcg@10']:7.4f}  {seconds(time.perf_counter() - self._start):>7}"
            + ("  best" if better else "")
        )
        if epoch + 1 - self._best_epoch >= self._options.patience:
            self._screen.say(f"no better NDCG@10 for {self._options.patience} epochs: stopped")
            self.model.stop_training = True

    def restore(self) -> None:
        """Go back to the weights of the best epoch."""
        self.model.set_weights(self._weights)
        self._screen.say(f"kept: the weights of epoch {self._best_epoch}")


def _devices() -> str:
    kinds = [device.partition(":")[0] for device in keras.distribution.list_devices()]
    return "on " + ", ".join(
        counted(kinds.count(kind), kind.upper()) for kind in sorted(set(kinds))
    )
