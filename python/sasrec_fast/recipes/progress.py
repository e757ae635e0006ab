"""What a run tells while it works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Progress:
    """Told how a run goes on; override the methods of interest to show it or to record it."""

    def trial(self, number: int, total: int, options: Mapping[str, Any], seed: int) -> None:
        """A sweep comes to a run, which may have been done before; numbers count from 1."""

    def begins(self, model: Any, candidates: tuple[str, int, int] | None) -> None:
        """A built and compiled model is about to be trained, validated among such candidates."""

    def batch(self, epoch: int, done: int, total: int) -> None:
        """So many of an epoch's batches are done; epochs count from 1."""

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """An epoch is done: its number, its seconds and its logs, and whether it is the best."""

    def ends(self, best: int, waited: int) -> None:
        """The model has the weights of the best epoch.

        Args:
            best: Its number.
            waited: After how many epochs that were no better training stopped; 0 where it did not.
        """

    def interrupted(self, model: Any, best: int, done: int) -> None:
        """Training ends before its time, by Ctrl-C or a signal.

        Args:
            model: A model with the weights of the best epoch so far, not compiled.
            best: Its number.
            done: How many epochs are done, at least 1.
        """
