"""How the tables are written, and when a requirement is met."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Requirement:
    """A limit that a measured value keeps: at most, or `at_least`."""

    limit: float
    unit: str = "x"
    at_least: bool = False

    def verdict(self, measured: float) -> str:
        """The requirement, and whether it is met."""
        met = measured >= self.limit if self.at_least else measured <= self.limit
        sign = ">=" if self.at_least else "<="
        return f"{sign} {self.limit:g}{self.unit} {'met' if met else 'MISSED'}"


def verdict(requirement: Requirement | None, measured: float) -> str:
    """As `Requirement.verdict`; empty where nothing is required."""
    return requirement.verdict(measured) if requirement else ""


def seconds(values: list[float]) -> str:
    """The best and the median."""
    return f"{min(values):9.4f}{statistics.median(values):10.4f}"
