"""What preparation kept, dropped, cut and found ambiguous."""

from __future__ import annotations

import html
import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.errors import DataWarning
from sasrec_fast.store.memory import shown_bytes

WARNING_SHARE = 0.05
"""Share of held-out targets above which `Report.warn` speaks up."""

_COUNTED = 1 << 20
"""Lengths below this are counted one by one."""


@dataclass(frozen=True)
class Lengths:
    """Distribution of the number of kept interactions a user has."""

    min: int
    median: float
    mean: float
    p90: float
    max: int


@dataclass(frozen=True)
class Histogram:
    """How often each of some lengths occurs; those of parts merge to that of all.

    Attributes:
        lengths: int64 [n], distinct and ascending.
        counts: int64 [n], at least 1.
    """

    lengths: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, lengths: NDArray[np.int64]) -> Histogram:
        """The histogram of lengths."""
        if lengths.max(initial=0) < _COUNTED:
            counts = np.bincount(lengths)
            found = np.flatnonzero(counts)
            return cls(found, counts[found])
        return cls(*np.unique(lengths, return_counts=True))

    def merge(self, other: Histogram) -> Histogram:
        """The histogram of both."""
        lengths = np.concatenate([self.lengths, other.lengths])
        distinct, places = np.unique(lengths, return_inverse=True)
        counts = np.zeros(len(distinct), np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return Histogram(distinct, counts)

    def summary(self) -> Lengths:
        """The distribution of lengths, of which there is one at least."""
        total = int(self.counts.sum())
        return Lengths(
            int(self.lengths[0]),
            self._quantile(0.5),
            float((self.lengths * self.counts).sum()) / total,
            self._quantile(0.9),
            int(self.lengths[-1]),
        )

    def _quantile(self, share: float) -> float:
        """As of numpy, between the two lengths nearest to it."""
        ends = np.cumsum(self.counts)
        place = (int(ends[-1]) - 1) * share
        first = int(place)
        pair = self.lengths[
            np.searchsorted(ends, [first, first + 1], side="right").clip(max=len(ends) - 1)
        ]
        return float(np.quantile(pair, place - first))


@dataclass(frozen=True)
class Report:
    """Every row accounted for: rows_in = rows_kept + the rows_dropped_*.

    Attributes:
        rows_in: Rows received.
        rows_dropped_by_unknown_item: Rows of items outside the vocabulary that was reused.
        rows_dropped_by_rating: Rows under `min_rating`.
        rows_dropped_by_duplicates: Rows whose user has the same item in another row that is kept.
        rows_dropped_by_user_activity: Rows of users under `min_user_interactions`.
        rows_dropped_by_item_activity: Rows of items under `min_item_interactions`.
        users_dropped: Users with rows of known items and at least `min_rating`, but none kept.
        rows_kept: Interactions in the sequences.
        users: Kept users.
        items: Size of the item vocabulary (with "identity": the largest kept id).
        sequence_lengths: Kept interactions a user.
        rows_tied: Kept rows that share their timestamp with another kept row of the same user.
        users_held_out: Users with a held-out target.
        users_tie_dependent: Users whose held-out targets depend on the order of tied rows.
        users_truncated: Users of whose training sequence no window shows a part.
        interactions_truncated: Training interactions that no window shows.
        targets_truncated: Held-out targets outside the window, with weight 0 everywhere
            (truncation="oldest" only), by split.
        cold_targets: Held-out targets whose item no training row shows, by split.
        rows_by_split: Rows of each split.
        fill_rate: Share of the train arrays' positions that hold a real item.
        dense_bytes: Bytes of each split's dense arrays.
        store_bytes: Bytes of the compact store and the lists of rows, without the vocabularies.
        repeated_targets: Held-out targets that their user had before, by split; empty where the
            data was saved by a version that did not count them.
        items_appended: Items that the last `Prepared.append` with keep_items=True gave indices
            after those of the others.
    """

    rows_in: int
    rows_dropped_by_unknown_item: int
    rows_dropped_by_rating: int
    rows_dropped_by_duplicates: int
    rows_dropped_by_user_activity: int
    rows_dropped_by_item_activity: int
    users_dropped: int
    rows_kept: int
    users: int
    items: int
    sequence_lengths: Lengths
    rows_tied: int
    users_held_out: int
    users_tie_dependent: int
    users_truncated: int
    interactions_truncated: int
    targets_truncated: dict[str, int]
    cold_targets: dict[str, int]
    rows_by_split: dict[str, int]
    fill_rate: float
    dense_bytes: dict[str, int]
    store_bytes: int
    repeated_targets: dict[str, int] = field(default_factory=dict)
    items_appended: int = 0

    @property
    def tied_share(self) -> float:
        """Share of kept rows that share their timestamp with another row of the same user."""
        return self.rows_tied / self.rows_kept

    @property
    def tie_dependent_share(self) -> float:
        """Share of the users with held-out targets for whom ties decide which these are."""
        return self.users_tie_dependent / self.users_held_out if self.users_held_out else 0.0

    @property
    def cold_share(self) -> dict[str, float]:
        """Share of held-out targets whose item no training row shows, by split."""
        return self._shares(self.cold_targets)

    @property
    def repeated_share(self) -> dict[str, float]:
        """Share of held-out targets that their user had before, by split."""
        return self._shares(self.repeated_targets)

    def _shares(self, targets: dict[str, int]) -> dict[str, float]:
        return {name: n / max(self.rows_by_split[name], 1) for name, n in targets.items()}

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain Python values."""
        shares = ("tied_share", "tie_dependent_share", "cold_share", "repeated_share")
        return {**asdict(self), **{name: getattr(self, name) for name in shares}}

    def warn(self, ties: str | tuple[str, Any], stacklevel: int) -> None:
        """Warn of what changes conclusions: targets decided by ties, never trained on, or repeated.

        Warns:
            DataWarning: More than 5 % of the held-out targets are so.
        """
        said = []
        if self.tie_dependent_share > WARNING_SHARE:
            rule = {
                "input": "the order of the input decides; ties='hash' makes results independent of "
                "it",
                "hash": "a hash of seed and item decides; compare several seeds",
                "column": "the column that ties names decides",
            }[ties if isinstance(ties, str) else "column"]
            said.append(
                f"equal timestamps decide the held-out targets of {self.users_tie_dependent:,} of "
                f"{self.users_held_out:,} users ({self.tie_dependent_share:.1%}): {rule}"
            )
        said += [
            f"{self.cold_targets[name]:,} of {self.rows_by_split[name]:,} {name} targets "
            f"({share:.1%}) are items that no training row shows: a model can only guess them"
            for name, share in self.cold_share.items()
            if share > WARNING_SHARE
        ]
        said += [
            f"{self.repeated_targets[name]:,} of {self.rows_by_split[name]:,} {name} targets "
            f"({share:.1%}) are items that their user had before: `recommend` serves no such item "
            "and `evaluate` counts them as misses, unless exclude_seen=False"
            for name, share in self.repeated_share.items()
            if share > WARNING_SHARE
        ]
        for text in said:
            warnings.warn(text, DataWarning, stacklevel=stacklevel)

    def _lines(self) -> list[tuple[str, str]]:
        """Label and value of each line."""
        unknown, lengths = self.rows_dropped_by_unknown_item, self.sequence_lengths
        inactive = f"{self.rows_dropped_by_user_activity:,} (of {self.users_dropped:,} users)"
        spread = (
            f"min {lengths.min:,}, median {lengths.median:,.0f}, mean {lengths.mean:,.1f}, "
            f"90 % {lengths.p90:,.0f}, max {lengths.max:,}"
        )
        return [
            ("rows in", f"{self.rows_in:,}"),
            *([("  dropped by unknown item", f"{unknown:,}")] if unknown else []),
            ("  dropped by rating", f"{self.rows_dropped_by_rating:,}"),
            ("  dropped as duplicates", f"{self.rows_dropped_by_duplicates:,}"),
            ("  dropped by user activity", inactive),
            ("  dropped by item activity", f"{self.rows_dropped_by_item_activity:,}"),
            ("  kept", f"{self.rows_kept:,}"),
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            *([("  appended", f"{self.items_appended:,}")] if self.items_appended else []),
            ("interactions a user", spread),
            *self._lines_of_splits(),
        ]

    def _lines_of_splits(self) -> list[tuple[str, str]]:
        cold = _by_split(self.cold_targets, self.cold_share)
        repeated = _by_split(self.repeated_targets, self.repeated_share)
        tied = f"{self.users_tie_dependent:,} users ({self.tie_dependent_share:.1%})"
        cut = f"{self.interactions_truncated:,} training interactions of {self.users_truncated:,}"
        targets = self.targets_truncated.items()
        rows = ", ".join(f"{name} {count:,}" for name, count in self.rows_by_split.items())
        dense = ", ".join(f"{name} {shown_bytes(n)}" for name, n in self.dense_bytes.items())
        return [
            ("rows tied in time", f"{self.rows_tied:,} ({self.tied_share:.1%})"),
            ("  held-out target decided by a tie", tied),
            *([("held-out targets not in training", cold)] if cold else []),
            *([("  that the user had before", repeated)] if repeated else []),
            ("cut by the window", f"{cut} users"),
            *((f"  {name} targets cut", f"{count:,}") for name, count in targets if count),
            ("rows by split", rows),
            ("filled positions in train", f"{self.fill_rate:.1%}"),
            ("compact store", shown_bytes(self.store_bytes)),
            ("dense arrays", dense),
        ]

    def __str__(self) -> str:
        lines = self._lines()
        width = max(len(label) for label, _ in lines)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in lines)

    def _repr_html_(self) -> str:
        """A table for notebooks."""
        cell = '<td style="text-align: left{}">{}</td>'
        rows = []
        for label, value in self._lines():
            indent = "; padding-left: 2em" if label.startswith(" ") else ""
            shown = cell.format(indent, html.escape(label.strip()))
            rows.append(f"<tr>{shown}{cell.format('', html.escape(value))}</tr>")
        return f"<table>\n{chr(10).join(rows)}\n</table>"


def _by_split(targets: dict[str, int], shares: dict[str, float]) -> str:
    return ", ".join(f"{name} {n:,} ({shares[name]:.1%})" for name, n in targets.items())
