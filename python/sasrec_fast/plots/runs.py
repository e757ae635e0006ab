"""Training runs as columns, whatever they were recorded in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sasrec_fast.errors import DataError


@dataclass(frozen=True)
class Run:
    """What was logged in n epochs.

    Attributes:
        epochs: int64 [n], from 1, ascending.
        logged: float64 [n] by name; NaN where an epoch has no value.
    """

    epochs: NDArray[np.int64]
    logged: Mapping[str, NDArray[np.float64]]

    def best(self, name: str) -> int | None:
        """Position of the best epoch: of the least loss or the greatest of anything else."""
        values = self.logged.get(name, np.zeros(0))
        if not np.isfinite(values).any():
            return None
        finite = np.where(np.isfinite(values), values, np.nan)
        return int(np.nanargmin(finite) if "loss" in name else np.nanargmax(finite))


def read_runs(history: Any) -> dict[str, Run]:
    """Runs by name; a run without a name is called "".

    Args:
        history: As in `learning_curves`.

    Raises:
        TypeError: It is of another kind.
        ValueError: A run has no epochs, or not the same number of values in each of its columns.
        DataError: A file is not written by a CSVLogger.
    """
    if isinstance(history, Mapping) and any(map(_is_run, history.values())):
        return {str(name): _read(run, f"history[{name!r}]") for name, run in history.items()}
    return {"": _read(history, "history")}


def _is_run(value: Any) -> bool:
    return isinstance(value, Mapping | str | os.PathLike) or hasattr(value, "history")


def _read(history: Any, source: str) -> Run:
    if isinstance(history, str | os.PathLike):
        return _of_file(Path(history))
    if isinstance(history, Mapping):
        return _of_columns(history, None, source)
    if isinstance(getattr(history, "history", None), Mapping):
        return _of_columns(history.history, getattr(history, "epoch", None), source)
    raise TypeError(
        f"{source} is a {type(history).__name__}, expected what fit() returns, its .history, the "
        "path of a CSVLogger's file, or a mapping of names to these"
    )


def _of_columns(columns: Mapping[str, Any], epochs: Any, source: str) -> Run:
    logged = {name: np.asarray(values, np.float64) for name, values in columns.items()}
    lengths = {name: values.size for name, values in logged.items()}
    if not lengths or not max(lengths.values()):
        raise ValueError(f"{source} has no epochs: {dict(columns)!r}")
    count = max(lengths.values())
    for name, length in lengths.items():
        if length != count or logged[name].ndim != 1:
            raise ValueError(
                f"{source} has {length} values of {name!r} in {count} epochs, so nothing says of "
                "which epochs they are; the file of a keras.callbacks.CSVLogger does"
            )
    if epochs is None or len(epochs) != count:
        epochs = range(count)
    return Run(np.asarray(epochs, np.int64) + 1, logged)


def _of_file(path: Path) -> Run:
    try:
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as failure:
        raise DataError(f"{path} was not written by a CSVLogger: {failure}") from None
    if not len(table):
        raise DataError(f"{path} has no epochs")
    numbers = table.select_dtypes("number")
    if "epoch" not in numbers or numbers["epoch"].isna().any():
        raise DataError(
            f"{path} was not written by a CSVLogger: it has no column 'epoch' of numbers; the "
            f"columns are {', '.join(map(repr, table.columns))}"
        )
    epochs = numbers["epoch"].to_numpy(np.int64)
    rows = _latest(epochs)
    logged = numbers.drop(columns="epoch").iloc[rows]
    return Run(
        epochs[rows] + 1, {str(name): logged[name].to_numpy(np.float64) for name in logged.columns}
    )


def _latest(epochs: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows that count: training resumed from an epoch replaces what was logged from there on."""
    coming = np.minimum.accumulate(epochs[::-1])[::-1]
    following = np.append(coming[1:], np.iinfo(np.int64).max)
    return np.flatnonzero(epochs < following)
