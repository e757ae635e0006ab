"""Rules as arrays over the columns of a catalogue: what the native search reads."""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating[Any]]

NO_CAP = np.iinfo(np.int64).max
_SMALLEST_POOL = 100
_POOL_PER_PLACE = 10


class ShortListError(ValueError):
    """Lists of k are too short for the items that are always there.

    Args:
        least: How many items those are.
        k: What was asked for.
    """

    def __init__(self, least: int, k: int) -> None:
        super().__init__(f"always has {least} items, of which a list of k={k} cannot hold all")
        self.least, self.k = least, k


@dataclass(frozen=True, eq=False)
class CompiledRules:
    """Rules of m items, made by `Rules.compiled`; see there for what they mean.

    Attributes:
        mask: bool [vocabulary_size], the items anybody may get; each is a column, in their order.
        factors: float32 [m], or empty where there are none.
        boosts: float32 [m], or empty.
        groups: int32 [m], -1 for none; or empty.
        most_per_group: Most items of a group in a list.
        always: int32, ascending columns of what is always there.
        diversity: In [0, 1).
        pool: Items to choose from where there is diversity; 0: by the length of the list.
    """

    mask: NDArray[np.bool_]
    factors: NDArray[np.float32]
    boosts: NDArray[np.float32]
    groups: NDArray[np.int32]
    most_per_group: int
    always: NDArray[np.int32]
    diversity: float
    pool: int

    @property
    def make_lists(self) -> bool:
        """Whether what is in a list depends on what else is, so that no item has a rank alone."""
        return bool(len(self.groups) or len(self.always) or self.diversity)

    @property
    def adjustment(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Factors and boosts."""
        return self.factors, self.boosts

    def adjusted(self, scores: Scores) -> Scores:
        """Scores [n, m] with factors and boosts, in an array of their own where there are any."""
        if len(self.factors):
            factors = self.factors.astype(scores.dtype)
            scores = np.where(scores >= 0, scores * factors, scores / factors)
        return scores + self.boosts.astype(scores.dtype) if len(self.boosts) else scores

    def of_length(self, k: int) -> "CompiledRules":
        """The rules of lists of k items.

        Raises:
            ShortListError: A ValueError: more items than k are always there.
        """
        if len(self.always) > k:
            raise ShortListError(len(self.always), k)
        return replace(self, pool=self.pool or max(_SMALLEST_POOL, _POOL_PER_PLACE * k))

    def of_counts(self) -> "CompiledRules":
        """The rules without factors and boosts, which are of a model's scores."""
        none = np.zeros(0, np.float32)
        return replace(self, factors=none, boosts=none)

    def label(self, k: int) -> str:
        """The rules of lists of k in a line, with a digest that tells other rules from these."""
        said = [
            f"{np.count_nonzero(self.factors != 1):,} factors" * bool(len(self.factors)),
            f"{np.count_nonzero(self.boosts):,} boosts" * bool(len(self.boosts)),
            f"at most {self.most_per_group:,} of a group" * bool(len(self.groups)),
            f"{len(self.always):,} items always there" * bool(len(self.always)),
            f"diversity {self.diversity:g}" * bool(self.diversity),
        ]
        parts = ", ".join(part for part in said if part) or "items that nobody gets"
        length = f", in lists of {k:,}" * self.make_lists
        return f"{parts} [{self._digest}]{length}"

    @property
    def _digest(self) -> str:
        total = hashlib.sha256()
        for values in (self.mask, self.factors, self.boosts, self.groups, self.always):
            total.update(f"{len(values)} ".encode("ascii"))
            total.update(np.ascontiguousarray(values).tobytes())
        rest = f"{self.most_per_group} {self.diversity!r} {self.pool}"
        total.update(rest.encode("ascii"))
        return total.hexdigest()[:8]
