"""The options of `prepare`, checked."""

import math
from dataclasses import dataclass
from typing import Any

from sasrec_fast import checks
from sasrec_fast.columns import UNITS
from sasrec_fast.store import Vocabulary

DEFAULT_HOLDOUT = 2


@dataclass(frozen=True)
class Options:
    """The options of `prepare`; see there.

    Raises:
        TypeError: One is of another type.
        ValueError: One is out of range.
    """

    min_rating: float | None
    min_user_interactions: int
    min_item_interactions: int
    duplicates: str
    ties: str | tuple[str, Any]
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
    times: bool | str = False

    def __post_init__(self) -> None:
        self._settle("min_user_interactions", 1, 2**63 - 1)
        self._settle("min_item_interactions", 1, 2**63 - 1)
        self._settle("max_sequence_length", 1, 2**31 - 2)
        self._settle("num_negatives", 0, 2**31 - 1)
        self._settle("holdout", 0, 2)
        self._settle("seed", 0, 2**64 - 1)
        checks.one_of("duplicates", self.duplicates, ("keep", "first", "last"))
        if not _pair(self.ties, "column"):
            checks.one_of("ties", self.ties, ("input", "hash"), " or ('column', name)")
        checks.one_of("truncation", self.truncation, ("recent", "oldest"))
        checks.one_of("negative_scope", self.negative_scope, ("past", "all"))
        if self.min_rating is not None:
            least = checks.number("min_rating", self.min_rating)
            if not math.isfinite(least):
                shown = checks.received(self.min_rating)
                raise ValueError(f"min_rating must be finite, received {shown}")
        if not isinstance(self.items, Vocabulary):
            checks.one_of("items", self.items, (None, "identity"), " or a Vocabulary")
        if isinstance(self.times, str):
            checks.one_of("times", self.times, tuple(UNITS), ", True or False")
        else:
            checks.flag("times", self.times)
        self._check_windows()
        self._check_negatives()
        self._check_split_at()

    def _settle(self, name: str, least: int, most: int) -> None:
        """Check an integer, and keep it as Python's own: NumPy's narrow ones overflow."""
        object.__setattr__(self, name, checks.integer(name, getattr(self, name), least, most))

    def _check_windows(self) -> None:
        pair = _pair(self.windows, "stride")
        if pair:
            checks.integer("s of windows=('stride', s)", pair[1], 1, self.max_sequence_length)
        else:
            checks.one_of("windows", self.windows, ("last", "prefixes"), " or ('stride', s)")
        if self.prefixes and self.truncation == "oldest":
            raise ValueError(
                "windows='prefixes' shows the most recent items of each prefix: truncation must be "
                "'recent', received 'oldest'"
            )

    def _check_negatives(self) -> None:
        pair = _pair(self.negatives, "popularity")
        if pair:
            checks.fraction("a of negatives=('popularity', a)", pair[1])
        else:
            others = " or ('popularity', a)"
            checks.one_of("negatives", self.negatives, ("uniform", "popularity"), others)

    def _check_split_at(self) -> None:
        if self.split_at is None:
            return
        if not isinstance(self.split_at, tuple | list) or len(self.split_at) != 2:
            raise ValueError(
                "split_at must be None or two times, (start of validation, start of test), "
                f"received {checks.received(self.split_at)}"
            )
        if self.holdout != DEFAULT_HOLDOUT:
            raise ValueError(f"holdout is {self.holdout}, but split_at says what is held out")

    @property
    def identity(self) -> bool:
        """Whether item ids are indices already."""
        return isinstance(self.items, str)

    @property
    def order(self) -> Any:
        """The column that orders tied rows; None where there is none."""
        return None if isinstance(self.ties, str) else self.ties[1]

    @property
    def stride(self) -> int:
        """Positions between the training windows of one sequence; 0 where only the last is used."""
        if self.prefixes:
            return 1
        return 0 if isinstance(self.windows, str) else int(self.windows[1])

    @property
    def prefixes(self) -> bool:
        """Whether each prefix of a training sequence is a row."""
        return isinstance(self.windows, str) and self.windows == "prefixes"

    @property
    def exponent(self) -> float | None:
        """Of the popularity in the proposals of negatives; None where they are uniform."""
        if isinstance(self.negatives, str):
            return None if self.negatives == "uniform" else 1.0
        return float(self.negatives[1])


def _pair(value: Any, name: str) -> Any:
    """The value, where it is a pair of `name` and something; None where it is not."""
    is_pair = isinstance(value, tuple | list) and len(value) == 2
    return value if is_pair and isinstance(value[0], str) and value[0] == name else None
