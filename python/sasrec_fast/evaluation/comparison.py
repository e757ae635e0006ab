"""Is one model better than another? A paired comparison over the same users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.evaluation.metrics import Metrics, Setting

Values = NDArray[np.float64]

_DRAWN = 1 << 22
"""Most counts of resampled differences that are held at one time."""


@dataclass(frozen=True)
class Comparison:
    """How two models differ over the same users.

    Attributes:
        metric: What is compared, such as "ndcg@10".
        means: Of the first and of the second.
        difference: The first's mean minus the second's.
        interval: Percentile bootstrap interval of the difference over users.
        confidence: Of the interval, and 1 - the level below which a p-value is called significant.
        p_value: Two-sided, of no difference (paired t-test).
        margin: Differences smaller than it do not matter; None: no equivalence was tested.
        p_equivalence: Of a difference of the margin or more, either way (two one-sided paired
            t-tests); None without a margin.
        better: Users whom the first serves better.
        worse: Users whom the second serves better; the others are served alike.
        users: All of them.
        resamples: Of the bootstrap.
        seed: Of its draws.
    """

    metric: str
    means: tuple[float, float]
    difference: float
    interval: tuple[float, float]
    confidence: float
    p_value: float
    margin: float | None
    p_equivalence: float | None
    better: int
    worse: int
    users: int
    resamples: int
    seed: int

    @property
    def different(self) -> bool:
        """Whether the means differ significantly."""
        return self.p_value < 1 - self.confidence

    @property
    def equivalent(self) -> bool:
        """Whether they differ significantly less than the margin; False without one."""
        return self.p_equivalence is not None and self.p_equivalence < 1 - self.confidence

    @property
    def verdict(self) -> str:
        """What the tests say, in a line."""
        parts = ["undecided"]
        if self.different:
            parts = [f"the {'first' if self.difference > 0 else 'second'} is better"]
        if self.equivalent:
            within = f"equivalent within ±{self.margin:g}"
            parts = [*parts, f"though {within}"] if self.different else [within]
        return ", ".join(parts)

    def __str__(self) -> str:
        """The figures and the verdict."""
        first, second = self.means
        low, high = self.interval
        level = f"{self.confidence:.0%}"
        lines = [
            f"{self.metric}, {self.users:,} users: {first:.4f} against {second:.4f}",
            f"  difference {self.difference:+.4f}, {level} interval {low:+.4f} to {high:+.4f} "
            f"({self.resamples:,} bootstrap resamples, seed {self.seed})",
            f"  users served better {self.better:,}, worse {self.worse:,}",
            f"  no difference: p = {self.p_value:.4g} (paired t-test, two-sided)",
        ]
        if self.p_equivalence is not None:
            lines.append(
                f"  a difference of {self.margin:g} or more: p = {self.p_equivalence:.4g} "
                "(two one-sided t-tests)"
            )
        return "\n".join([*lines, f"  {self.verdict}"])


def compare(
    a: Metrics | Sequence[Metrics],
    b: Metrics | Sequence[Metrics],
    metric: str = "ndcg@10",
    *,
    margin: float | None = None,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare two models that were evaluated on the same users, by per-user differences.

    The interval is the percentile bootstrap's over users (Efron & Tibshirani 1993). The tests are
    the paired t-test, which with so many users agrees with randomisation and bootstrap tests
    (Smucker, Allan & Carterette 2007), and for equivalence the two one-sided t-tests of Schuirmann
    (1987). All of them tell what another draw of users would change. What another seed of the
    training would, they cannot know: give the metrics of several seeds a model, whose mean is taken
    for each user.

    Args:
        a: What `evaluate` returned for the first model, or of each of its seeds.
        b: The same for the second.
        metric: A key of both that is a mean over users; no coverage.
        margin: Smallest difference of the metric that matters, for the test of equivalence.
        confidence: Of the interval and the tests, in (0, 1).
        resamples: Of the bootstrap.
        seed: Of its draws.

    Raises:
        ValueError: The metrics are of other users or targets, or were measured by another protocol
            or rule for seen items; an unknown metric; fewer than 2 users; a number out of range.
        TypeError: Something else than metrics.

    Example:
        >>> import sasrec_fast as sf
        >>> data = sf.prepare(sf.datasets.synthetic(200, 400, seed=1).ratings)
        >>> chain = sf.evaluate(sf.baselines.MarkovChain(data), data)
        >>> popularity = sf.evaluate(sf.baselines.Popularity(data), data)
        >>> found = sf.compare(chain, popularity, "ndcg@10", margin=0.005)
        >>> found.difference > 0, found.verdict
        (True, 'the first is better')
    """
    first, second = _seeds("a", a), _seeds("b", b)
    for metrics in (*first[1:], *second):
        _require_same(first[0], metrics)
    confidence = checks.fraction("confidence", confidence, below=1.0)
    resamples = checks.integer("resamples", resamples, 1)
    seed = checks.integer("seed", seed, 0)
    if margin is not None and not (margin := checks.fraction("margin", margin)):
        raise ValueError("margin must be more than 0, or None for no test of equivalence")
    values = [_per_user(metrics, metric) for metrics in (first, second)]
    differences = values[0] - values[1]
    if len(differences) < 2:
        raise ValueError("a comparison needs 2 users or more, received 1")
    p_value, p_equivalence = _tested(differences, margin)
    return Comparison(
        metric=metric,
        means=(float(values[0].mean()), float(values[1].mean())),
        difference=float(differences.mean()),
        interval=_interval(differences, confidence, resamples, seed),
        confidence=confidence,
        p_value=p_value,
        margin=margin,
        p_equivalence=p_equivalence,
        better=int(np.count_nonzero(differences > 0)),
        worse=int(np.count_nonzero(differences < 0)),
        users=len(differences),
        resamples=resamples,
        seed=seed,
    )


def _seeds(name: str, given: Metrics | Sequence[Metrics]) -> list[Metrics]:
    found = [given] if isinstance(given, Metrics) else given
    several = isinstance(found, list | tuple) and found
    if not several or not all(isinstance(metrics, Metrics) for metrics in found):
        raise TypeError(
            f"{name} is what evaluate returns, or a list of it for several seeds, received "
            f"{checks.received(given)}"
        )
    return list(found)


def _require_same(one: Metrics, other: Metrics) -> None:
    """Refuse metrics that do not compare."""
    if (len(one.ranks), one.targets.digest) != (len(other.ranks), other.targets.digest):
        raise ValueError(
            f"a and b are of other users or targets: {len(one.ranks):,} and {len(other.ranks):,} "
            "users; evaluate both models on one split of the same prepared data"
        )
    ours, theirs = _asked(one.setting), _asked(other.setting)
    if ours != theirs:
        name = next(rule for rule in ours if ours[rule] != theirs[rule])
        raise ValueError(
            f"a and b were measured with other rules: {name} is {ours[name]!r} and "
            f"{theirs[name]!r} ({_rule(one.setting)}; {_rule(other.setting)})"
        )


def _asked(setting: Setting) -> dict[str, Any]:
    """The rules by name; to ask at the time of the last item tells no more than it does."""
    asked = vars(setting)
    return {**asked, "query_time": None} if asked["query_time"] == "last" else asked


def _rule(setting: Setting) -> str:
    return f"{setting.name}, {setting}"


def _per_user(seeds: list[Metrics], metric: str) -> Values:
    for metrics in seeds:
        if metric not in metrics.per_user:
            raise ValueError(
                f"metric is {checks.received(metric)}; those that both have for each user are "
                f"among {list(metrics.per_user)}"
            )
    mean: Values = np.mean([metrics.per_user[metric] for metrics in seeds], axis=0)
    return mean


def _interval(
    differences: Values, confidence: float, resamples: int, seed: int
) -> tuple[float, float]:
    """Of the mean; how often each distinct difference is drawn is all that a resample decides."""
    distinct, counts = np.unique(differences, return_counts=True)
    random = np.random.default_rng(seed)
    rows = max(1, _DRAWN // len(distinct))
    means = [
        random.multinomial(len(differences), counts / len(differences), min(rows, left)) @ distinct
        for left in range(resamples, 0, -rows)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means) / len(differences), [tail, 1 - tail])
    return float(low), float(high)


def _tested(differences: Values, margin: float | None) -> tuple[float, float | None]:
    """p-values of no difference, and of one of the margin or more."""
    from scipy import stats

    users, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / np.sqrt(users)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.float64(mean) / error
        p_value = 1.0 if mean == 0 else float(2 * stats.t.sf(abs(t), users - 1))
        if margin is None:
            return p_value, None
        nearer = np.float64(margin - abs(mean)) / error  # of the two, the one that is harder
    p_equivalence = float(stats.t.sf(nearer, users - 1)) if nearer == nearer else 0.5
    return p_value, p_equivalence
