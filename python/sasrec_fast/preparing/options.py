"""The options of `prepare`, checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sasrec_fast.store import Vocabulary

DEFAULT_HOLDOUT = 2
_LONGEST_SHOWN = 200


@dataclass(frozen=True)
class Options:
    """The options of `prepare`; see there.

    Raises:
        ValueError: One is out of range.
    """

    min_rating: float | None
    min_user_interactions: int
    min_item_interactions: int
    duplicates: str
    ties: str
    holdout: int
    split_at: tuple[Any, Any] | None
    max_sequence_length: int
    truncation: str
    windows: str | tuple[str, int]
    num_negatives: int
    negatives: str | tuple[str, float]
    negative_scope: str
    items: Vocabulary | str | None
    seed: int

    def __post_init__(self) -> None:
        _require_integer("min_user_interactions", self.min_user_interactions, 1, 2**63 - 1)
        _require_integer("min_item_interactions", self.min_item_interactions, 1, 2**63 - 1)
        _require_integer("max_sequence_length", self.max_sequence_length, 1, 2**31 - 2)
        _require_integer("num_negatives", self.num_negatives, 1, 2**31 - 1)
        _require_integer("holdout", self.holdout, 0, 2)
        _require_integer("seed", self.seed, 0, 2**64 - 1)
        _require_choice("duplicates", self.duplicates, ("keep", "first", "last"))
        _require_choice("ties", self.ties, ("input", "hash"))
        _require_choice("truncation", self.truncation, ("recent", "oldest"))
        _require_choice("negative_scope", self.negative_scope, ("past", "all"))
        if self.min_rating is not None and not _is_finite_number(self.min_rating):
            raise ValueError(
                f"min_rating is {_shown(self.min_rating)}; allowed are numbers and None"
            )
        if not isinstance(self.items, Vocabulary):
            _require_choice("items", self.items, (None, "identity"), " and a Vocabulary")
        self._check_windows()
        self._check_negatives()
        self._check_split_at()

    def _check_windows(self) -> None:
        allowed = f"allowed are 'last' and ('stride', 1..{self.max_sequence_length})"
        if isinstance(self.windows, str) and self.windows == "last":
            return
        stride = _second_of(self.windows, "stride")
        if not _is_integer(stride) or not 1 <= stride <= self.max_sequence_length:
            raise ValueError(
                f"windows is {_shown(self.windows)}; {allowed}, so that no target is left out"
            )

    def _check_negatives(self) -> None:
        if isinstance(self.negatives, str) and self.negatives in ("uniform", "popularity"):
            return
        exponent = _second_of(self.negatives, "popularity")
        if not _is_finite_number(exponent) or exponent < 0:
            raise ValueError(
                f"negatives is {_shown(self.negatives)}; allowed are 'uniform', 'popularity' and "
                "('popularity', exponent) with an exponent of at least 0"
            )

    def _check_split_at(self) -> None:
        if self.split_at is None:
            return
        if not isinstance(self.split_at, tuple | list) or len(self.split_at) != 2:
            raise ValueError(
                f"split_at is {_shown(self.split_at)}; allowed are None and two times, "
                "(start of validation, start of test)"
            )
        if self.holdout != DEFAULT_HOLDOUT:
            raise ValueError(f"holdout is {self.holdout}, but split_at says what is held out")

    @property
    def identity(self) -> bool:
        """Whether item ids are indices already."""
        return isinstance(self.items, str)

    @property
    def stride(self) -> int:
        """Positions between the training windows of one sequence; 0 where only the last is used."""
        return 0 if isinstance(self.windows, str) else int(self.windows[1])

    @property
    def exponent(self) -> float | None:
        """Of the popularity in the proposals of negatives; None where they are uniform."""
        if isinstance(self.negatives, str):
            return None if self.negatives == "uniform" else 1.0
        return float(self.negatives[1])

    @property
    def num_splits(self) -> int:
        """Training, and what is held out."""
        return self.holdout + 1


def _second_of(pair: Any, name: str) -> Any:
    """What follows `name` in a pair; None where it is no such pair."""
    is_pair = isinstance(pair, tuple | list) and len(pair) == 2
    return pair[1] if is_pair and isinstance(pair[0], str) and pair[0] == name else None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _is_finite_number(value: Any) -> bool:
    is_number = isinstance(value, int | float | np.integer | np.floating)
    try:
        return is_number and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def _shown(value: Any) -> str:
    """What was received, cut where it is long; its kind where Python does not print it."""
    try:
        text = repr(value)
    except Exception:  # a huge int, or an object of another library
        return f"a {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _require_integer(name: str, value: Any, smallest: int, largest: int) -> None:
    if not _is_integer(value) or not smallest <= value <= largest:
        raise ValueError(f"{name} is {_shown(value)}; allowed are integers {smallest}..{largest}")


def _require_choice(name: str, value: Any, allowed: tuple[Any, ...], others: str = "") -> None:
    if not (value is None or isinstance(value, str)) or value not in allowed:
        listed = ", ".join(repr(choice) for choice in allowed)
        raise ValueError(f"{name} is {_shown(value)}; allowed are {listed}{others}")
