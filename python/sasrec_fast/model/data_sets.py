"""What Keras is given for the data of `fit`, `evaluate` and `predict`."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast.batching import Batches
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Arrays, Split, require_memory

_PREDICTED_ROWS = 256


def data_set(
    x: Any, y: Any, sample_weight: Any, options: dict[str, Any], prepared: str = "train"
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """What Keras is given for the data of `fit` or `evaluate` and their options.

    `Prepared` stands for one of its splits, a `Split` for its batches, of the options' batch_size,
    `Arrays` for their inputs, targets and weights; other data sets and mappings stay.

    Raises:
        ValueError: The split is missing.
        TypeError: Data of a kind that no model is trained on.
    """
    if isinstance(x, Prepared):
        x = _split_of(x, prepared)
    if isinstance(x, Arrays):
        return *x.xyw(), options
    if isinstance(x, Split):
        options = dict(options)
        x = _batches(x, options.pop("batch_size", None))
    require_data(x)
    return x, y, sample_weight, options


def with_validation(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `fit`, with the data set that their validation_data stands for.

    Raises:
        ValueError: It is prepared data without a validation split.
        TypeError: Data of a kind that no model is evaluated on.
    """
    given = options.get("validation_data")
    split = _split_of(given, "validation") if isinstance(given, Prepared) else given
    if isinstance(split, Arrays):
        return {**options, "validation_data": split.xyw()}
    if split is not None:
        first = split[0] if isinstance(split, tuple | list) and split else split
        require_data(first, "validation_data")
    if not isinstance(split, Split):
        return options
    options = dict(options)
    size = options.pop("validation_batch_size", None) or options.get("batch_size")
    return {**options, "validation_data": _batches(split, size)}


def require_data(x: Any, name: str = "the data") -> None:
    """Refuse what Keras would look at as data and cannot be, such as a table of interactions.

    Raises:
        TypeError: It is such a thing.
    """
    data_set = isinstance(x, Mapping | Split | keras.utils.PyDataset)
    foreign = hasattr(x, "__iter__") and not hasattr(x, "columns")
    if data_set or (foreign and not isinstance(x, str | bytes | list | tuple | np.ndarray)):
        return
    kind = f"{name} is {'None' if x is None else f'a {type(x).__name__}'}"
    raise TypeError(
        f"{kind}; fit, evaluate and predict take a split of prepared data, such as data.train, its "
        "batches() or arrays(), or inputs by name; prepare(interactions) prepares a table"
    )


def _split_of(data: Prepared, name: str) -> Split:
    split = getattr(data, name)
    if split is None:
        raise ValueError(f"the data has no {name} split: prepare it with a holdout that makes one")
    found: Split = split
    return found


def _batches(split: Split, batch_size: int | None) -> Batches:
    return Batches(split) if batch_size is None else Batches(split, batch_size)


class SplitRows(keras.utils.PyDataset):  # type: ignore[misc]
    """Inputs of rows of a split in their order, in batches of one shape, for `predict`.

    Args:
        split: Where the rows come from.
        rows: int64 [n], row numbers.
        batch_size: Rows a batch; the last one is filled up with empty rows.
    """

    def __init__(self, split: Split, rows: NDArray[np.int64], batch_size: int | None) -> None:
        super().__init__()
        self.split, self.number = split, len(rows)
        size = min(batch_size or _PREDICTED_ROWS, len(rows))
        filled = np.full(-(-len(rows) // size) * size, -1, np.int64)
        filled[: len(rows)] = rows
        self._parts = filled.reshape(-1, size)
        self.length = int(split.lengths[rows].max())

    @classmethod
    def of(cls, x: Split | Batches, batch_size: int | None, steps: int | None) -> "SplitRows":
        """The rows of a split, or of the first `steps` batches in the order these show them.

        Raises:
            ValueError: There are none.
        """
        if isinstance(x, Split):
            split, rows = x, np.arange(len(x))
        else:
            shown = range(len(x) if steps is None else min(steps, len(x)))
            split, rows = x.split, np.concatenate([x.rows(index) for index in shown])
            rows = rows[rows >= 0]
        if not len(rows):
            raise ValueError(f"{split.name} has no rows to predict for")
        return cls(split, rows, batch_size)

    def require_memory(self, vector_dim: int) -> None:
        """Refuse to answer with more states than there is memory for.

        Raises:
            MemoryError: They take more than half of what is free.
        """
        require_memory(
            f"the states of {self.number:,} rows",
            4 * self.number * self.length * vector_dim,
            "recommend() needs none of them, and predict() takes parts, such as "
            "data.test.fill(range(1000))",
        )

    def __len__(self) -> int:
        """Batches."""
        return len(self._parts)

    def __getitem__(self, index: int) -> Any:
        """Batch `index` as (x,), see `Arrays.xyw`."""
        return (self.split.fill(self._parts[index], length=self.length).xyw()[0],)
