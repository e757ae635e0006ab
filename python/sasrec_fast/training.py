"""Training of next-item models: the loss, its weights, and what `fit` adds to Keras'."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from typing import Any

from sasrec_fast import checks, fitting, losses
from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

import keras  # isort: skip
from keras import ops  # isort: skip

Tensor = Any


class NextItemModel(keras.Model):  # type: ignore[misc]
    """A Keras model whose hidden state at each position is scored against item embeddings.

    A subclass has `item_embedding` and `vocabulary_size`, and its `call` returns
    "item_sequence_embedding", [n, T, d].
    """

    item_embedding: Any
    vocabulary_size: int

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss_tracker = keras.metrics.Mean(name="loss")

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """Binary cross-entropy per real target, plus the penalties (`l2`) in training.

        The loss is `losses.binary_cross_entropy`: the mean over real targets (weighted by
        `sample_weight`) of -log sigmoid(positive) - mean_k log(1 - sigmoid(negative_k)), as in
        the paper. The Keras example divides the same sum by the weights of positives and
        negatives together, so its value is half of this one; Adam's steps are the same.

        The "loss" of `fit` and `evaluate` is the mean over all real targets of an epoch, not
        over batches.

        Args:
            x: Ignored; the inputs are in y_pred.
            y: "positive_sequence" int [n, T], "negative_sequence" int [n, T] or [n, T, K].
            y_pred: What `call` returned.
            sample_weight: See `losses.target_weights`.
            training: Whether the penalties count.
        """
        if sample_weight is not None and not isinstance(sample_weight, Mapping):
            sample_weight = ops.convert_to_tensor(sample_weight)
        hidden = ops.cast(y_pred["item_sequence_embedding"], "float32")
        positive, negative = y["positive_sequence"], y["negative_sequence"]
        weights = losses.target_weights(sample_weight, positive)
        loss, total = losses.binary_cross_entropy(
            self._logits(hidden, positive), self._logits(hidden, negative), *weights
        )
        if training:
            loss = loss + sum(self.losses)
        self.loss_tracker.update_state(loss, sample_weight=total)
        return loss

    def _logits(self, hidden: Tensor, items: Tensor) -> Tensor:
        """Scores of items [n, T] or [n, T, K] at their positions, float32."""
        if len(items.shape) == 3:
            hidden = ops.expand_dims(hidden, -2)
        return ops.sum(ops.cast(self.item_embedding(items), "float32") * hidden, axis=-1)

    @property
    def metrics(self) -> list[Any]:
        """The metrics of `fit`; "loss" is weighted by real targets, Keras' own by rows."""
        others = [metric for metric in super().metrics if metric.name != "loss"]
        return [self.loss_tracker, *others]

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        sample_weight: Any = None,
        *,
        resume: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Any:
        """Train, as `keras.Model.fit` does, with the weights as third argument.

        `model.fit(*split.arrays().xyw(), epochs=10)` and
        `model.fit(split.batches(), epochs=10)` work as they stand. A `Batches` owns its order
        (`shuffle` is False) and is told each epoch's number, which decides its negatives.

        Args:
            x: Inputs, or a data set (`Batches`, `keras.utils.PyDataset`, ...).
            y: Targets, nested as `Arrays.xyw()` gives them.
            sample_weight: Weights nested like y.
            resume: A folder for the run's checkpoint, written after each epoch (`Batches` only).
                Where it holds one, training goes on from there, with the weights, optimizer,
                dropout seeds and epoch of that moment: a run killed at any time and started
                again ends in the weights of an uninterrupted one on the same device. Other
                callbacks begin anew.
            **options: Every other argument of `keras.Model.fit`, by keyword.

        Returns:
            The `keras.callbacks.History` of the epochs trained in this call.

        Raises:
            TypeError: A number as third argument (batch_size goes by keyword).
            ValueError: An item index of the data outside the model's vocabulary; a checkpoint
                that is damaged or belongs to another model or other batches.
        """
        self._check_data(x, y, sample_weight)
        x, options = fitting.follow_epochs(x, options)
        if resume is not None and self.compiled:
            options = fitting.resume_from(resume, self, x, options)
        return super().fit(x, y, sample_weight=sample_weight, **options)

    def evaluate(
        self, x: Any = None, y: Any = None, sample_weight: Any = None, **options: Any
    ) -> Any:
        """Loss per real target, as `keras.Model.evaluate`, with the weights as third argument.

        For ranking metrics see `sasrec_fast.evaluate`.

        Args:
            x: Inputs, or a data set.
            y: Targets.
            sample_weight: Weights nested like y.
            **options: Every other argument of `keras.Model.evaluate`, by keyword.

        Raises:
            TypeError: A number as third argument (batch_size goes by keyword).
            ValueError: An item index of the data outside the model's vocabulary.
        """
        self._check_data(x, y, sample_weight)
        return super().evaluate(x, y, sample_weight=sample_weight, **options)

    def _check_data(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Refuse a number as weights and items outside the vocabulary; see `fit`."""
        _check_weights(sample_weight)
        for arrays in (x, y):
            checks.item_indices(arrays, self.vocabulary_size)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        """As `keras.Model.predict`, after a check that the items are in the vocabulary.

        Returns:
            {"item_sequence_embedding": [n, T, hidden_dim], "predictions": int32 [n, k]}.
        """
        checks.item_indices(x, self.vocabulary_size)
        return super().predict(x, *args, **options)


def _check_weights(sample_weight: Any) -> None:
    """Refuse a number where the sample weights belong (third argument of `fit` and `evaluate`).

    Raises:
        TypeError: A number.
    """
    if isinstance(sample_weight, numbers.Number):
        raise TypeError(
            f"the third argument of fit and evaluate is sample_weight, received {sample_weight!r}; "
            f"for a batch size write batch_size={sample_weight!r}"
        )
