"""Training of next-item models: the loss, its weights, and what `fit` adds to Keras'."""

import numbers
import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sasrec_fast import losses
from sasrec_fast.batching import Batches
from sasrec_fast.model import fitting
from sasrec_fast.model.inputs import require_indices, sequence_inputs
from sasrec_fast.store import Vocabulary, require_same_items

Tensor = Any


class NextItemModel(keras.Model):  # type: ignore[misc]
    """A Keras model whose hidden state at each position is scored against item embeddings.

    A subclass has the attributes below, and its `call` returns "item_sequence_embedding",
    [n, T, d].
    """

    scoring_table: Any
    vocabulary_size: int
    max_sequence_length: int
    items: Vocabulary | None
    item_counts: NDArray[np.int64] | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss: losses.NextItemLoss = losses.get()
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.sampling_seed = keras.random.SeedGenerator(name="sampling_seed")

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **options: Any) -> None:
        """Configure training, as `keras.Model.compile` does.

        Args:
            optimizer: A Keras optimizer or its name.
            loss: "bce" (also where None), "gbce", "sampled_softmax", "softmax", or an object
                of `sasrec_fast.losses`. It is saved with the model.
            **options: Every other argument of `keras.Model.compile`.

        Raises:
            ValueError: An unknown name, a loss made for another vocabulary, or one that needs
                JAX on another backend; Keras metrics.
            TypeError: A loss of another kind.
        """
        for name in ("metrics", "weighted_metrics"):
            if options.get(name):
                raise ValueError(
                    f"{name}={options[name]!r}: Keras metrics compare targets with predictions of "
                    "one batch, which says nothing of ranks; pass the callback "
                    "sasrec_fast.RankingMetrics(data.validation) to fit instead"
                )
        loss = losses.get(loss)
        loss.check(self.vocabulary_size)
        super().compile(optimizer, **options)
        self.loss = loss

    def get_compile_config(self) -> dict[str, Any]:
        """What `compile` was given, serialised."""
        config: dict[str, Any] = super().get_compile_config()
        if config:
            config["loss"] = keras.saving.serialize_keras_object(self.loss)
        return config

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the model that was saved (called on loading)."""
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled loss per real target, plus the penalties (`l2`) in training.

        It is a mean over real targets, weighted by `sample_weight`; so is the "loss" of `fit`
        and `evaluate`, over all real targets of an epoch and not over batches. The Keras example
        divides binary cross-entropy by the weights of positives and negatives together, so its
        value is half of "bce" here; Adam's steps are the same.

        Args:
            x: Ignored; the inputs are in y_pred.
            y: "positive_sequence" int [n, T] and, for the losses that need it,
                "negative_sequence" int [n, T] or [n, T, K].
            y_pred: What `call` returned.
            sample_weight: See `losses.target_weights`.
            training: Whether the penalties count.

        Raises:
            ValueError: The loss needs negatives and y has none.
        """
        if sample_weight is not None and not isinstance(sample_weight, Mapping):
            sample_weight = ops.convert_to_tensor(sample_weight)
        weights = losses.target_weights(sample_weight, y)
        positions = self._positions(y, y_pred["item_sequence_embedding"], weights, training)
        total = ops.sum(weights["positive_sequence"])
        loss = ops.divide_no_nan(self.loss(positions), total)
        if training:
            loss = loss + sum(self.losses)
        self.loss_tracker.update_state(loss, sample_weight=total)
        return loss

    def _positions(
        self, y: Mapping[str, Tensor], hidden: Tensor, weights: dict[str, Tensor], training: bool
    ) -> losses.Positions:
        """The batch as one list of positions."""
        negatives = y.get("negative_sequence")
        if negatives is None and self.loss.needs_negatives:
            raise ValueError(
                f"{type(self.loss).__name__} needs y['negative_sequence'], received y with "
                f"{sorted(y)}"
            )
        if negatives is not None:
            count = negatives.shape[2] if len(negatives.shape) == 3 else 1
            negatives = ops.reshape(negatives, (-1, count))
        weight = ops.reshape(weights["positive_sequence"], (-1,))
        negative_weight = weights.get("negative_sequence")
        return losses.Positions(
            hidden=ops.reshape(hidden, (-1, hidden.shape[-1])),
            table=ops.convert_to_tensor(self.scoring_table),
            targets=ops.reshape(y["positive_sequence"], (-1,)),
            negatives=negatives,
            weight=weight,
            negative_weight=weight if negative_weight is None else ops.reshape(negative_weight, -1),
            seed=self.sampling_seed if training else 0,
        )

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

        `model.fit(data.train, epochs=10)` makes `Batches` of the split, of `batch_size` rows;
        `model.fit(split.batches(64, ...))` and `model.fit(*split.arrays().xyw())` work too. A
        `Batches` owns its order (`shuffle` is False) and is told each epoch's number, which
        decides its negatives. A model without `items` adopts those of its data, and the item
        counts, so that a saved file answers for external ids.

        Args:
            x: A `Split`, `Prepared` (whose train split it is), `Arrays`, inputs, or a data set
                (`Batches`, `keras.utils.PyDataset`, ...); validation_data likewise.
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
            ValueError: An item index of the data outside the model's vocabulary, batches of
                other items than the model's or longer than it takes; a checkpoint that is damaged
                or belongs to another model or other batches.
        """
        options = fitting.with_validation(options)
        x, y, sample_weight, options = fitting.data_set(x, y, sample_weight, options)
        self._check_data(x, y, sample_weight)
        self._check_split(options.get("validation_data"))
        self._adopt(x)
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
            x: A `Split`, `Arrays`, inputs, or a data set.
            y: Targets.
            sample_weight: Weights nested like y.
            **options: Every other argument of `keras.Model.evaluate`, by keyword.

        Raises:
            TypeError: A number as third argument (batch_size goes by keyword).
            ValueError: An item index of the data outside the model's vocabulary.
        """
        x, y, sample_weight, options = fitting.data_set(x, y, sample_weight, options)
        self._check_data(x, y, sample_weight)
        return super().evaluate(x, y, sample_weight=sample_weight, **options)

    def _check_data(self, x: Any, y: Any, sample_weight: Any) -> None:
        """Refuse a number as weights and items outside the vocabulary; see `fit`."""
        if isinstance(sample_weight, numbers.Number):
            raise TypeError(
                "the third argument of fit and evaluate is sample_weight, received "
                f"{sample_weight!r}; for a batch size write batch_size={sample_weight!r}"
            )
        for arrays in (x, y):
            require_indices(arrays, self.vocabulary_size)
        if isinstance(x, Mapping):
            sequence_inputs(x, self.max_sequence_length)
        self._check_split(x)

    def _check_split(self, x: Any) -> None:
        """Refuse batches of data that has other items, or rows longer than the model takes."""
        if not isinstance(x, Batches):
            return
        require_same_items(self, x.split, f"the {x.split.name} split")
        longest = max(bucket.length for bucket in x.buckets)
        if longest > self.max_sequence_length:
            raise ValueError(
                f"the model takes sequences of at most {self.max_sequence_length}, the "
                f"{x.split.name} split has rows of {longest}: make the model with "
                f"max_sequence_length={longest}, or prepare the data with "
                f"max_sequence_length={self.max_sequence_length}"
            )

    def _adopt(self, x: Any) -> None:
        """Take items and counts of the data where the model was made without."""
        if not isinstance(x, Batches) or self.items is not None or x.split.items is None:
            return
        self.items = x.split.items
        if self.item_counts is None:
            items = x.split.sequences.items
            self.item_counts = np.bincount(items, minlength=self.vocabulary_size)

    def predict(self, x: Any, *args: Any, **options: Any) -> Any:
        """As `keras.Model.predict`, after a check that the items are in the vocabulary.

        Returns:
            {"item_sequence_embedding": [n, T, hidden_dim], "predictions": int32 [n, k]}.
        """
        require_indices(x, self.vocabulary_size)
        return super().predict(x, *args, **options)
