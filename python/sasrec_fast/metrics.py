"""Ranking metrics as expected values over tied scores, with their standard errors."""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def check_cutoffs(k: int | Iterable[int]) -> tuple[int, ...]:
    """Cut-offs in ascending order, each once.

    Raises:
        TypeError: Not an integer or integers.
        ValueError: None, or one below 1.
    """
    values = list(k) if isinstance(k, Iterable) else [k]
    for value in values:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise TypeError(f"k must be integers, received {value!r}")
    if not values or min(values) < 1:
        raise ValueError(f"k must be one or more integers from 1, received {k!r}")
    return tuple(sorted({int(value) for value in values}))


def hit_rates(better: Counts, equal: Counts, k: int) -> Values:
    """Probability [n] that the target is among the first k.

    The target's rank is uniform on better + 1 .. better + equal.
    """
    rates: Values = np.clip((k - better) / equal, 0.0, 1.0)
    return rates


def ndcgs(better: Counts, equal: Counts, k: int) -> Values:
    """Expected NDCG@k [n] with one relevant item: 1 / log2(rank + 1) within the first k."""
    gains = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    expected: Values = gains[np.minimum(better + equal, k)] - gains[np.minimum(better, k)]
    return np.asarray(expected / equal)


def reciprocal_ranks(better: Counts, equal: Counts) -> Values:
    """Expected 1 / rank [n]."""
    last = int((better + equal).max(initial=1))
    sums = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, last + 1))])
    expected: Values = (sums[better + equal] - sums[better]) / equal
    return expected


class Metrics(Mapping[str, float]):
    """Means over users: "hit_rate@k", "ndcg@k" for every k, and "mrr".

    Attributes:
        per_user: float64 [n] that each mean is of, by its key.
        standard_errors: Of each mean, sample standard deviation / sqrt(users); NaN for one user.
        ranks: float64 [n], each row's expected rank from 1, infinite for a cold target.
        name: Of the split.
        num_candidates: Items ranked, before a user's seen ones are left out.
        cold_targets: Rows whose target is no candidate: misses.
        seen_excluded: Whether seen items were left out.
    """

    def __init__(
        self,
        per_user: Mapping[str, Values],
        ranks: Values,
        *,
        name: str,
        num_candidates: int,
        cold_targets: int,
        seen_excluded: bool,
    ) -> None:
        users = len(ranks)
        self.per_user = per_user
        self._means = {key: float(values.mean()) for key, values in per_user.items()}
        self.standard_errors: dict[str, float] = {
            key: float(values.std(ddof=1) / np.sqrt(users)) if users > 1 else float("nan")
            for key, values in per_user.items()
        }
        self.ranks = ranks
        self.name = name
        self.num_candidates = num_candidates
        self.cold_targets = cold_targets
        self.seen_excluded = seen_excluded

    @classmethod
    def from_counts(
        cls,
        better: Counts,
        equal: Counts,
        cutoffs: Iterable[int],
        *,
        name: str,
        num_candidates: int,
        cold: NDArray[np.bool_],
        seen_excluded: bool,
    ) -> Metrics:
        """Metrics of targets with `better` items above and `equal` items (itself too) level."""
        cutoffs = tuple(cutoffs)
        per_user = {f"hit_rate@{k}": hit_rates(better, equal, k) for k in cutoffs}
        per_user |= {f"ndcg@{k}": ndcgs(better, equal, k) for k in cutoffs}
        per_user["mrr"] = reciprocal_ranks(better, equal)
        per_user = {key: np.where(cold, 0.0, values) for key, values in per_user.items()}
        return cls(
            per_user,
            np.where(cold, np.inf, better + (equal + 1) / 2),
            name=name,
            num_candidates=num_candidates,
            cold_targets=int(np.count_nonzero(cold)),
            seen_excluded=seen_excluded,
        )

    def __getitem__(self, key: str) -> float:
        return self._means[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._means)

    def __len__(self) -> int:
        return len(self._means)

    def __str__(self) -> str:
        """A table of the means with their standard errors."""
        seen = "seen items excluded" if self.seen_excluded else "seen items included"
        lines = [
            f"{self.name}: {len(self.ranks):,} users, full ranking of "
            f"{self.num_candidates:,} candidates, {seen}"
        ]
        if self.cold_targets:
            lines.append(f"  {self.cold_targets:,} targets are no candidates and count as misses")
        width = max(map(len, self))
        lines += [
            f"  {key:<{width}}  {mean:.4f} ± {self.standard_errors[key]:.4f}"
            for key, mean in self.items()
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Same as `str`."""
        return str(self)
