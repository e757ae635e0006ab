"""Ranking metrics as expected values over tied scores, with their standard errors."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.store import Split

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


def check_cutoffs(k: int | Iterable[int]) -> tuple[int, ...]:
    """Cut-offs in ascending order, each once; an error where one is no integer from 1."""
    one = not isinstance(k, Iterable) or isinstance(k, bytes) or getattr(k, "ndim", 1) != 1
    values: Iterable[Any] = [k] if one else k  # type: ignore[assignment]
    cutoffs = {checks.integer("k", value, 1) for value in values}
    if not cutoffs:
        raise ValueError(f"k must be one or more integers from 1, received {k!r}")
    return tuple(sorted(cutoffs))


def expected_gains(better: Counts, equal: Counts, gains: Values) -> Values:
    """Mean gain [n] of a target whose rank is uniform on better + 1 .. better + equal.

    `gains` are those of the ranks from 1 on; later ranks gain nothing.
    """
    sums = np.concatenate([[0.0], np.cumsum(gains)])
    first, last = (np.minimum(ranks, len(gains)) for ranks in (better, better + equal))
    return np.asarray((sums[last] - sums[first]) / equal)


_MOMENTS = {
    "target": "asked at the time of the target, which offline protocols do not know",
    "last": "asked at the time of the last item before the target",
}


@dataclass(frozen=True)
class Setting:
    """How a ranking was made.

    Attributes:
        name: Of the split.
        num_candidates: Items ranked, before a user's seen ones are left out; or, of a sampled
            ranking, items that negatives are drawn from.
        seen_excluded: Whether seen items were left out.
        num_negatives: Items each target was ranked among, or None for all candidates.
        seed: Of these.
        short_users: Users with fewer possible negatives than that, some drawn repeatedly.
        query_time: What a model that knows the moment of the question was told: when the "target"
            was, as a server knows, or the "last" item before it; None for other models.
        rules: Those of the lists, in a line; None: the best by score.
    """

    name: str
    num_candidates: int
    seen_excluded: bool
    num_negatives: int | None = None
    seed: int | None = None
    short_users: int = 0
    query_time: str | None = None
    rules: str | None = None

    def __str__(self) -> str:
        """Without the split's name."""
        asked = f", {_MOMENTS[self.query_time]}" if self.query_time else ""
        rules = f", rules: {self.rules}" if self.rules else ""
        return self._ranking() + asked + rules

    def _ranking(self) -> str:
        seen = "excluded" if self.seen_excluded else "included"
        items = f"{self.num_candidates:,} candidates"
        if self.num_negatives is None:
            return f"full ranking of {items}, seen items {seen}"
        return (
            f"sampled ranking, each target among {self.num_negatives:,} uniform negatives "
            f"of {items} (seed {self.seed}), training items {seen}"
        )


@dataclass(frozen=True)
class Targets:
    """Which targets nobody would be served.

    Attributes:
        cold: bool [n], no candidates, or scored minus infinity.
        repeated: bool [n], in the user's history before; misses where seen items are left out.
        digest: Of whose targets they are, see `digest_of`.
        unlisted: bool [n], in no list that rules made; None where each item has a rank.
    """

    cold: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    digest: int
    unlisted: NDArray[np.bool_] | None = None

    def missed(self, seen_excluded: bool) -> NDArray[np.bool_]:
        """Those that count as misses whatever their rank."""
        missed = self.cold if self.unlisted is None else self.cold | self.unlisted
        return missed | self.repeated if seen_excluded else missed


def digest_of(split: Split) -> int:
    """A number for a split's users and their targets, to tell metrics of other data by."""
    rows = split.sequence_rows
    users = zlib.crc32(split.sequences.user_keys[rows.users].tobytes())
    return zlib.crc32(split.sequences.last_items(rows).tobytes(), users)


class Metrics(Mapping[str, float]):
    """Means over users: "hit_rate@k" and "ndcg@k" for every k, "mrr", and "coverage@k".

    The coverage, of full rankings alone, is a share of the catalogue and no mean over users. With
    `evaluate(beyond=)` there are "novelty@k", "diversity@k", "tail@k", "serendipity@k", means too,
    and "gini@k" and "popularity_lift@k", which are none.

    Args:
        counts: Of each target, int64 [n]: the items ranked above it, and those level with it,
            itself included.
        targets: Which of them are misses.
        cutoffs: Of hit rate and NDCG.
        shares: What is no mean over users, by its key, such as the coverage at each cut-off.
        setting: How the ranking was made.
        outlook: What lists are like besides.

    Attributes:
        per_user: float64 [n] that each mean is of, by its key.
        standard_errors: Of each mean, sample standard deviation / sqrt(users); NaN for one user
            and for the coverage.
        ranks: float64 [n], each row's expected rank from 1, infinite for a target that is a miss
            at any k, cold or repeated.
        cold_targets: Rows whose target is no candidate, or scored minus infinity: misses.
        repeated_targets: Rows whose target the user had before: misses too where seen items
            are excluded, as `seen_excluded` says.
        targets: Which rows these are, `targets.cold` and `targets.repeated`.
        outlook: What lists are like, with groups of users and items, see `Outlook`; or None.
        setting: How the ranking was made; its attributes `name`, `num_candidates`,
            `seen_excluded`, `num_negatives`, `seed`, `short_users` and `query_time` are those of
            this object too.
    """

    def __init__(
        self,
        counts: tuple[Counts, Counts],
        targets: Targets,
        cutoffs: Iterable[int],
        shares: Mapping[str, float],
        setting: Setting,
        outlook: Any = None,
    ) -> None:
        better, equal = counts
        missed = targets.missed(setting.seen_excluded)
        cutoffs, users = tuple(cutoffs), len(better)
        gains = {f"hit_rate@{k}": np.ones(k) for k in cutoffs}
        gains |= {f"ndcg@{k}": 1.0 / np.log2(np.arange(2, k + 2)) for k in cutoffs}
        gains["mrr"] = 1.0 / np.arange(1, int((better + equal).max(initial=1)) + 1)
        self.per_user = {
            key: np.where(missed, 0.0, expected_gains(better, equal, of_ranks))
            for key, of_ranks in gains.items()
        }
        if outlook is not None:
            self.per_user |= outlook.per_user
            shares = {**shares, **outlook.shares}
        self.outlook = outlook
        self._means = {key: float(values.mean()) for key, values in self.per_user.items()}
        self.standard_errors = {
            key: float(values.std(ddof=1) / np.sqrt(users)) if users > 1 else float("nan")
            for key, values in self.per_user.items()
        }
        self._means |= shares
        self.standard_errors |= dict.fromkeys(shares, float("nan"))
        self.ranks = np.where(missed, np.inf, better + (equal + 1) / 2)
        self.targets = targets
        self.cold_targets = int(np.count_nonzero(targets.cold))
        self.repeated_targets = int(np.count_nonzero(targets.repeated))
        self.setting = setting

    def __getattr__(self, name: str) -> Any:
        if name != "setting" and name in Setting.__dataclass_fields__:
            return getattr(self.setting, name)
        raise AttributeError(f"Metrics has no attribute {name!r}")

    def __getitem__(self, key: str) -> float:
        return self._means[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._means)

    def __len__(self) -> int:
        return len(self._means)

    @property
    def heading(self) -> str:
        """How it was measured, and below it the targets that are misses or were seen before."""
        lines = [f"{self.setting.name}: {len(self.ranks):,} users, {self.setting}"]
        if self.cold_targets:
            lines.append(f"  {self.cold_targets:,} targets are no candidates and count as misses")
        if self.repeated_targets:
            what = "and count as misses" if self.setting.seen_excluded else "and may be hits"
            lines.append(f"  {self.repeated_targets:,} targets their user had before, {what}")
        if self.setting.short_users:
            lines.append(
                f"  users with fewer than {self.setting.num_negatives:,} possible negatives, some "
                f"drawn repeatedly: {self.setting.short_users:,}"
            )
        return "\n".join(lines)

    def __str__(self) -> str:
        """The heading, and a table of the means with their standard errors."""
        lines = [self.heading]
        width = max(map(len, self))
        for key, mean in self.items():
            error = self.standard_errors[key]
            shown = f"  {key:<{width}}  {mean:.4f}"
            lines.append(f"{shown} ± {error:.4f}" if key in self.per_user else shown)
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Same as `str`."""
        return str(self)
