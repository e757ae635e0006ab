"""Answers of a model in item indices, after a look at what it is asked."""

from collections.abc import Mapping
from typing import Any

from sasrec_fast.batching import Batches
from sasrec_fast.model.data_sets import SplitRows, require_data
from sasrec_fast.model.inputs import checked_inputs, require_indices, require_predictions
from sasrec_fast.model.steps import WholeSteps
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Arrays, Split, require_same_items, timed


class PredictingModel(WholeSteps):
    """A Keras model of sequences that refuses what it would answer without sense.

    Its `call` returns "item_sequence_embedding" and, outside training, "predictions"; index 0,
    which is no item, stands there for scores that are not finite.
    """

    vocabulary_size: int
    max_sequence_length: int
    vector_dim: int

    def __call__(self, inputs: Any, *args: Any, **options: Any) -> Any:
        """As `keras.Model.__call__`, after a check of the inputs.

        Raises:
            ValueError: Inputs that the model does not take, or weights that are not finite.
            TypeError: Ids that are no integers.
        """
        result = super().__call__(self._checked(inputs), *args, **options)
        require_predictions(result)
        return result

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """As `keras.Model.predict`, after a check of the inputs.

        Args:
            x: Inputs, `Arrays`, or a data set. Of a `Split`, row i of the answers belongs to
                `split.user_ids[i]`; of `Batches`, rows come as these show them: those of `rows(0)`,
                then of `rows(1)`, and so on, without the empty ones.
            batch_size: Rows computed at one time.
            verbose: Of Keras.
            steps: Most batches.
            callbacks: Of Keras.

        Returns:
            {"item_sequence_embedding": [n, T, vector_dim], "predictions": int32 [n, k]}, T that of
            the longest row; states after a row's last item mean nothing.

        Raises:
            ValueError: Inputs that the model does not take, or weights that are not finite.
            TypeError: Data of another kind.
            MemoryError: The states of the rows of a split take more than half of the free memory.
        """
        if isinstance(x, Prepared):
            raise TypeError(
                "predict takes rows: those of a split, such as data.test, or data.inputs(), what "
                "is known of each user; recommend(data) answers in ids"
            )
        if isinstance(x, Split | Batches):
            return self._predict_rows(SplitRows.of(x, batch_size, steps), verbose, callbacks)
        x = x.xyw()[0] if isinstance(x, Arrays) else x
        require_data(x)
        if isinstance(x, Mapping):
            x = self._checked(x)
            if not len(x["item_ids"]):
                return self.predict_on_batch(x)
        with self.left_whole():
            result = super().predict(x, batch_size, verbose, steps, callbacks)
        require_predictions(result)
        return result

    def predict_on_batch(self, x: Any) -> Any:
        """As `keras.Model.predict_on_batch`, also of `Arrays`, after the checks of `predict`."""
        x = self._checked(x.xyw()[0] if isinstance(x, Arrays) else x)
        with self.left_whole():
            result = super().predict_on_batch(x)
        require_predictions(result)
        return result

    def check_rows(self, split: Split, longest: int) -> None:
        """Refuse rows of a split of other items, longer than the model takes, or without times.

        Raises:
            ValueError: They are.
        """
        require_indices(split, self.vocabulary_size)
        require_same_items(self, split, f"the {split.name} split")
        if getattr(self, "looks_at_times", False):
            timed(split.sequences, f"the {split.name} split")
        if longest > self.max_sequence_length:
            raise ValueError(
                f"the model takes sequences of at most {self.max_sequence_length}, the "
                f"{split.name} split has rows of {longest}: make the model with "
                f"max_sequence_length={longest}, or prepare the data with "
                f"max_sequence_length={self.max_sequence_length}"
            )

    def _checked(self, inputs: Any) -> Any:
        return checked_inputs(inputs, self.max_sequence_length, self.vocabulary_size)

    def _predict_rows(self, rows: SplitRows, verbose: Any, callbacks: Any) -> Any:
        self.check_rows(rows.split, rows.length)
        rows.require_memory(self.vector_dim)
        with self.left_whole():
            result = super().predict(rows, verbose=verbose, callbacks=callbacks)
        require_predictions(result)
        return {name: values[: rows.number] for name, values in result.items()}
