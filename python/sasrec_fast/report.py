"""What preparation kept, dropped, cut and found ambiguous."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Lengths:
    """Distribution of the number of kept interactions a user has."""

    min: int
    median: float
    mean: float
    p90: float
    max: int

    @classmethod
    def of(cls, lengths: NDArray[np.int64]) -> Lengths:
        """The distribution of a non-empty array of lengths."""
        return cls(
            int(lengths.min()),
            float(np.median(lengths)),
            float(lengths.mean()),
            float(np.quantile(lengths, 0.9)),
            int(lengths.max()),
        )


@dataclass(frozen=True)
class Report:
    """Every row accounted for: rows_in = rows_kept + the rows_dropped_*.

    Attributes:
        rows_in: Rows received.
        rows_dropped_by_rating: Rows under `min_rating`.
        rows_dropped_by_duplicates: Rows whose user has the same item in another row that is kept.
        rows_dropped_by_user_activity: Rows of users under `min_user_interactions`.
        rows_dropped_by_item_activity: Rows of items under `min_item_interactions`.
        users_dropped: Users with rows of at least `min_rating`, but none that is kept.
        rows_kept: Interactions in the sequences.
        users: Kept users.
        items: Size of the item vocabulary (with "identity": the largest kept id).
        sequence_lengths: Kept interactions a user.
        rows_tied: Kept rows that share their timestamp with another kept row of the same user.
        users_tie_dependent: Users whose held-out targets depend on the order of tied rows.
        users_truncated: Users whose training sequence is longer than max_sequence_length + 1.
        interactions_truncated: Training interactions outside the window of those users.
        targets_truncated: Held-out targets outside the window, with weight 0 everywhere
            (truncation="oldest" only), by split.
        rows_by_split: Rows of each split.
        fill_rate: Share of the train arrays' positions that hold a real item.
    """

    rows_in: int
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
    users_tie_dependent: int
    users_truncated: int
    interactions_truncated: int
    targets_truncated: dict[str, int]
    rows_by_split: dict[str, int]
    fill_rate: float

    @property
    def tied_share(self) -> float:
        """Share of kept rows that share their timestamp with another row of the same user."""
        return self.rows_tied / self.rows_kept

    def to_dict(self) -> dict[str, Any]:
        """All figures as plain Python values."""
        return {**asdict(self), "tied_share": self.tied_share}

    def __str__(self) -> str:
        lengths = self.sequence_lengths
        splits = ", ".join(f"{name} {rows:,}" for name, rows in self.rows_by_split.items())
        lines = [
            ("rows in", f"{self.rows_in:,}"),
            ("  dropped by rating", f"{self.rows_dropped_by_rating:,}"),
            ("  dropped as duplicates", f"{self.rows_dropped_by_duplicates:,}"),
            (
                "  dropped by user activity",
                f"{self.rows_dropped_by_user_activity:,} (of {self.users_dropped:,} users)",
            ),
            ("  dropped by item activity", f"{self.rows_dropped_by_item_activity:,}"),
            ("  kept", f"{self.rows_kept:,}"),
            ("users", f"{self.users:,}"),
            ("items", f"{self.items:,}"),
            (
                "interactions a user",
                f"min {lengths.min:,}, median {lengths.median:,.0f}, mean {lengths.mean:,.1f}, "
                f"90 % {lengths.p90:,.0f}, max {lengths.max:,}",
            ),
            ("rows tied in time", f"{self.rows_tied:,} ({self.tied_share:.1%})"),
            ("  held-out target decided by a tie", f"{self.users_tie_dependent:,} users"),
            (
                "cut by the window",
                f"{self.interactions_truncated:,} training interactions "
                f"of {self.users_truncated:,} users",
            ),
            *(
                (f"  {name} targets cut", f"{cut:,}")
                for name, cut in self.targets_truncated.items()
                if cut
            ),
            ("rows by split", splits),
            ("filled positions in train", f"{self.fill_rate:.1%}"),
        ]
        width = max(len(label) for label, _ in lines)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in lines)
