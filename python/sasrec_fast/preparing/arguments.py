"""What functions of later rooms are given: prepared data, or a split of it."""

import os
from typing import Any

from sasrec_fast import checks
from sasrec_fast.preparing.prepared import Prepared
from sasrec_fast.store import Split


def require_prepared(data: Any, taker: str) -> Prepared:
    """The data; a TypeError that says what to pass to `taker` instead of something else."""
    if isinstance(data, Prepared):
        return data
    if isinstance(data, Split):
        advice = f"not one split of it ({data.name})"
    else:
        advice = f"received {_kind(data)}{_remedy(data)}"
    raise TypeError(f"data: {taker} takes the data that prepare() or load() returns, {advice}")


def require_split(split: Any, taker: str) -> Split:
    """The split, or the test split of prepared data; an error says what to pass instead.

    Raises:
        TypeError: Something else.
        ValueError: The data has no test split.
    """
    if isinstance(split, Split):
        return split
    if isinstance(split, Prepared):
        if split.test is None:
            raise ValueError(
                "the data has no test split, since holdout is less than 2: pass data.validation"
            )
        return split.test
    if split is None:
        raise TypeError(
            f"split is None, as data.test is for holdout=1 and data.validation for holdout=0: "
            f"{taker} takes a split that there is, data.validation or data.test"
        )
    raise TypeError(
        f"split is {_kind(split)}; {taker} takes a split, such as data.validation or data.test"
        f"{_remedy(split)}"
    )


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if value is None or isinstance(value, str | bytes | int | float | os.PathLike):
        return checks.received(value)
    return f"a {type(value).__name__}"


def _remedy(value: Any) -> str:
    if isinstance(value, str | os.PathLike):
        return "; sasrec_fast.load(folder) opens saved data"
    if hasattr(type(value), "score_items"):
        return "; the model comes first, then the data"
    if hasattr(type(value), "columns"):
        return "; sasrec_fast.prepare(table) makes it of a table"
    return ""
