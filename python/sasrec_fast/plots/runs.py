"""Training runs as tables, whatever they were recorded in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sasrec_fast import checks
from sasrec_fast.errors import DataError


def best_epoch(run: pd.DataFrame, name: str) -> int | None:
    """The epoch of the least loss or the greatest of anything else; None where nothing is known."""
    values = run.get(name, pd.Series()).dropna()
    if values.empty:
        return None
    best = values.argmin() if "loss" in name else values.argmax()
    return int(values.index.to_numpy()[best])


def read_runs(history: Any) -> dict[str, pd.DataFrame]:
    """Runs by name, "" where there is none, of what `learning_curves` takes; errors are as there.

    Each is a table of what was logged, float64, NaN where an epoch has no finite value; its rows
    are the epochs, from 1, ascending.
    """
    if isinstance(history, Mapping) and any(map(_is_run, history.values())):
        return {str(name): _read(run, f"history[{name!r}]") for name, run in history.items()}
    return {"": _read(history, "history")}


def _is_run(value: Any) -> bool:
    told = isinstance(value, Mapping | str | os.PathLike) or hasattr(value, "history")
    return told or _is_records(value)


def _is_records(value: Any) -> bool:
    """Whether it is what a recipe's run has of its epochs."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(record, Mapping) and "epoch" in record for record in value)


def _read(history: Any, source: str) -> pd.DataFrame:
    if isinstance(history, str | os.PathLike):
        table = _of_file(Path(history))
    elif _is_records(history):
        table = pd.DataFrame(history).set_index("epoch")
    else:
        table = _of_columns(history, source)
    try:
        table = table.astype(np.float64)
    except (TypeError, ValueError):
        name = next(name for name in table if table[name].dtype.kind not in "iufb")
        raise TypeError(
            f"{source} has {checks.received(table[name].iloc[0])} in {name!r}, expected numbers"
        ) from None
    return table.replace([np.inf, -np.inf], np.nan)


def _of_columns(history: Any, source: str) -> pd.DataFrame:
    columns = history if isinstance(history, Mapping) else getattr(history, "history", None)
    if not isinstance(columns, Mapping):
        raise TypeError(
            f"{source} is a {type(history).__name__}, expected what fit() returns, its .history, "
            "the path of a CSVLogger's file, the epochs of a recipe's run, or a mapping of names "
            "to these"
        )
    count = max(map(np.size, columns.values()), default=0)
    if not count:
        raise ValueError(f"{source} has no epochs: {dict(columns)!r}")
    for name, values in columns.items():
        if np.shape(values) != (count,):
            raise ValueError(
                f"{source} has {np.size(values)} values of {name!r} in {count} epochs, so nothing "
                "says of which epochs they are; the file of a keras.callbacks.CSVLogger does"
            )
    epochs = getattr(history, "epoch", None)
    if epochs is None or len(epochs) != count:
        epochs = range(count)
    return pd.DataFrame(dict(columns), index=np.asarray(epochs, np.int64) + 1)


def _of_file(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        table = pd.read_csv(path)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
        OSError,
    ) as failure:
        raise DataError(f"{path} was not written by a CSVLogger: {failure}") from None
    if table.empty:
        raise DataError(f"{path} has no epochs")
    numbers = table.select_dtypes("number")
    if "epoch" not in numbers or numbers["epoch"].isna().any():
        raise DataError(
            f"{path} was not written by a CSVLogger: it has no column 'epoch' of numbers; the "
            f"columns are {', '.join(map(repr, table.columns))}"
        )
    # Training resumed from an epoch replaces what was logged from there on.
    least_later = numbers["epoch"][::-1].cummin()[::-1].shift(-1)
    latest = numbers[~(numbers["epoch"] >= least_later)]
    return latest.set_index(latest["epoch"].astype(np.int64) + 1).drop(columns="epoch")
