"""Training of next-item models: the loss, its weights, and what `fit` adds to Keras'."""

import numbers
import os
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from sasrec_fast import losses
from sasrec_fast.batching import Batches
from sasrec_fast.model import fitting
from sasrec_fast.model.data_sets import data_set, with_validation
from sasrec_fast.model.inputs import check_compiling, require_indices, sequence_inputs
from sasrec_fast.model.prediction import PredictingModel
from sasrec_fast.store import Vocabulary

Tensor = Any


class NextItemModel(PredictingModel):
    """A Keras model whose hidden state at each position is scored against item embeddings.

    A subclass has the attributes below, and its `call` returns "item_sequence_embedding",
    [n, T, d]. Whatever ends `fit`, an interrupt or an error, the model has the weights of its last
    finished step.
    """

    scoring_table: Any
    num_members: int = 1
    items: Vocabulary | None
    item_counts: NDArray[np.int64] | None

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loss: losses.NextItemLoss = losses.get()
        self.loss_tracker = keras.metrics.Mean(name="loss")
        self.sampling_seed = keras.random.SeedGenerator(name="sampling_seed")
        self._turns: Fraction | None = Fraction(0)

    def compile(self, optimizer: Any = "rmsprop", loss: Any = None, **options: Any) -> None:
        """Configure training, as `keras.Model.compile` does.

        Args:
            optimizer: A Keras optimizer or its name.
            loss: "bce" (also where None), "gbce", "sampled_softmax", "softmax", or an object
                of `sasrec_fast.losses`. It is saved with the model.
            **options: Every other argument of `keras.Model.compile`.

        Raises:
            ValueError: An unknown name, a loss made for another vocabulary, or one that needs
                JAX on another backend; Keras metrics or loss_weights; no optimizer.
            TypeError: A loss or an optimizer of another kind.
        """
        check_compiling(optimizer, options)
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
        self._turns = None

    @property
    def metrics_variables(self) -> list[Any]:
        """Variables of the metrics, and the loss's own: Keras hands all of them to its steps."""
        return [*super().metrics_variables, *self.loss.variables]

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        """The compiled loss per real target and member, plus the penalties (`l2`) in training.

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
            ValueError: The loss needs negatives and y has none, or there are no targets.
        """
        if not isinstance(y, Mapping) or "positive_sequence" not in y:
            received = sorted(y) if isinstance(y, Mapping) else type(y).__name__
            raise ValueError(
                f"y is a mapping with 'positive_sequence', received {received}; "
                "split.arrays().xyw()[1] is such a mapping"
            )
        if sample_weight is not None and not isinstance(sample_weight, Mapping):
            sample_weight = ops.convert_to_tensor(sample_weight)
        weights = losses.target_weights(sample_weight, y)
        positions = self._positions(y, y_pred["item_sequence_embedding"], weights, training)
        summed = sum(map(self.loss, positions.by_members(self.num_members)))
        total = ops.sum(weights["positive_sequence"]) * self.num_members
        loss = ops.divide_no_nan(summed, total)
        if training:
            loss = loss + sum(self.losses)
        self.loss_tracker.update_state(loss, sample_weight=total)
        return loss

    def _positions(
        self, y: Mapping[str, Tensor], hidden: Tensor, weights: dict[str, Tensor], training: bool
    ) -> losses.Positions:
        """The batch as one list of positions."""
        negatives = y.get("negative_sequence")
        count = 0
        if negatives is not None:
            count = negatives.shape[2] if len(negatives.shape) == 3 else 1
            negatives = ops.reshape(negatives, (-1, count)) if count else None
        if negatives is None and self.loss.needs_negatives:
            raise self._lacks_negatives(f"y with {sorted(y)}")
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

    def _lacks_negatives(self, found: str) -> ValueError:
        return ValueError(
            f"{type(self.loss).__name__} needs y['negative_sequence'], received {found}: "
            "prepare the data with prepare(num_negatives=1) or more, or compile with "
            "loss='softmax' or 'sampled_softmax', which need none"
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
        decides its negatives. The model counts what it was shown: `fit(epochs=1)` three times is
        `fit(epochs=3)`, with the same `Batches` or new ones; a loaded model counts on, too. An
        epoch that was cut short is shown again; `initial_epoch` and `resume` say themselves where
        to begin. A model without `items` adopts those of its data, and the item counts, so that a
        saved file answers for external ids.

        Args:
            x: A `Split`, `Prepared` (whose train split it is), `Arrays`, inputs, or a data set
                (`Batches`, `keras.utils.PyDataset`, ...); validation_data likewise.
            y: Targets, nested as `Arrays.xyw()` gives them.
            sample_weight: Weights nested like y.
            resume: A folder for the run's checkpoint, written after each epoch (`Batches` only).
                Where it holds one, training goes on from there, with the weights, optimizer,
                dropout seeds and epoch of that moment: a run killed at any time and started
                again ends in the weights of an uninterrupted one on the same device (a GPU: with
                XLA's --xla_gpu_deterministic_ops, or up to rounding). Other callbacks begin anew.
            **options: Every other argument of `keras.Model.fit`, by keyword.

        Returns:
            The `keras.callbacks.History` of the epochs trained in this call.

        Raises:
            TypeError: A number as third argument (batch_size goes by keyword).
            ValueError: An item index of the data outside the model's vocabulary, batches of
                other items than the model's or longer than it takes; a checkpoint that is damaged
                or belongs to another model or other batches.
        """
        options = with_validation(options)
        x, y, sample_weight, options = data_set(x, y, sample_weight, options)
        self._check_data(x, y, sample_weight)
        self._check_split(options.get("validation_data"))
        fitting.adopt(self, x)
        own = resume is not None or options.get("initial_epoch") is not None
        x, options = fitting.follow_epochs(x, options, None if own else self._turns_shown(x))
        if self.compiled:
            self.build_whole()
            options = fitting.averaged(self, options)
        if resume is not None and self.compiled:
            options = fitting.resume_from(resume, self, x, options)
        runs, options = fitting.in_runs(self, x, options, self._sees_negatives)
        with self.left_whole():
            try:
                return super().fit(runs, y, sample_weight=sample_weight, **options)
            finally:
                if isinstance(x, Batches):
                    self._turns = max(self._turns or Fraction(0), x.turns)

    @property
    def _sees_negatives(self) -> bool:
        """Whether the loss, or a subclass' own, may look at negatives."""
        own = ("compute_loss", "train_step", "test_step")
        replaced = any(getattr(type(self), n) is not getattr(NextItemModel, n) for n in own)
        return bool(self.loss.needs_negatives) or replaced

    def _turns_shown(self, x: Any) -> Fraction:
        """How often this model has been shown all rows; a loaded one by its optimizer's steps."""
        if self._turns is None and isinstance(x, Batches) and self.compiled:
            return x.turns_after(int(self.optimizer.iterations))
        return self._turns or Fraction(0)

    def evaluate(
        self, x: Any = None, y: Any = None, sample_weight: Any = None, **options: Any
    ) -> Any:
        """Loss per real target, as `keras.Model.evaluate`, with the weights as third argument.

        For ranking metrics see `sasrec_fast.evaluate`.

        Args:
            x: A `Split`, `Prepared` (whose test split it is), `Arrays`, inputs, or a data set.
            y: Targets.
            sample_weight: Weights nested like y.
            **options: Every other argument of `keras.Model.evaluate`, by keyword.

        Raises:
            TypeError: A number as third argument (batch_size goes by keyword).
            ValueError: An item index of the data outside the model's vocabulary.
        """
        if options.get("_use_cached_eval_dataset"):  # of fit, which has checked it
            return super().evaluate(x, y, sample_weight=sample_weight, **options)
        x, y, sample_weight, options = data_set(x, y, sample_weight, options, "test")
        self._check_data(x, y, sample_weight)
        x, options = fitting.in_runs(self, x, options, self._sees_negatives, "test")
        with self.left_whole():
            return super().evaluate(x, y, sample_weight=sample_weight, **options)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, *args: Any, **options: Any
    ) -> Any:
        """As `keras.Model.train_on_batch`, also of `Arrays`, after the checks of `fit`."""
        x, y, sample_weight, _ = data_set(x, y, sample_weight, {})
        self._check_data(x, y, sample_weight)
        self.build_whole()
        with self.left_whole():
            return super().train_on_batch(x, y, sample_weight, *args, **options)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, *args: Any, **options: Any
    ) -> Any:
        """As `keras.Model.test_on_batch`, also of `Arrays`, after the checks of `evaluate`."""
        x, y, sample_weight, _ = data_set(x, y, sample_weight, {})
        self._check_data(x, y, sample_weight)
        with self.left_whole():
            return super().test_on_batch(x, y, sample_weight, *args, **options)

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
            sequence_inputs(x, self.max_sequence_length, self.vocabulary_size)
        self._check_split(x)

    def _check_split(self, x: Any) -> None:
        """Refuse batches of data that has other items, longer rows, or no negatives if needed."""
        if not isinstance(x, Batches):
            return
        self.check_rows(x.split, max(bucket.length for bucket in x.buckets))
        if self.loss.needs_negatives and not x.split.num_negatives:
            raise self._lacks_negatives(f"the {x.split.name} split without any")
