"""Ranking metrics in the logs of `fit`, for every callback that reads them."""

import re
from collections.abc import Iterable
from typing import Any

import keras

from sasrec_fast import checks
from sasrec_fast.evaluation.evaluation import QUERY_TIMES, warn_of_repeats
from sasrec_fast.evaluation.evaluation import measure as evaluate  # which warns, each time
from sasrec_fast.evaluation.held_out import HeldOut
from sasrec_fast.evaluation.metrics import Metrics, check_cutoffs
from sasrec_fast.evaluation.sampled_negatives import sampling_protocol
from sasrec_fast.evaluation.scoring import require_scorer
from sasrec_fast.preparing import Prepared, require_split
from sasrec_fast.store import Split, given_mask, require_same_items

_OPTIONS = ("exclude_seen", "candidates", "exclude", "batch_size", "query_time")


class RankingMetrics(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts `sf.evaluate`'s metrics of a split in the logs of `fit`, as "val_ndcg@10".

    Keras hands one dict of logs to its callbacks in their order. `SASRec.fit` moves this one to
    the front, so EarlyStopping, ModelCheckpoint, ReduceLROnPlateau, CSVLogger, TensorBoard and
    the `History` see the metrics wherever it stands. It also tells those of them with
    `mode="auto"`, which Keras refuses for metrics it does not know, that more is better.

    Args:
        split: Usually `data.validation`.
        k: Cut-offs.
        sample_users: Evaluate so many users instead of all, the same ones each time and for the
            same seed, see `Split.sample`.
        seed: Of the sample.
        every: Evaluate in the first epoch of a `fit` and in each whose number, from 0, is a
            multiple of this. In between the logs repeat the last values: `patience` still
            counts epochs.
        prefix: Of the names in the logs.
        coverage: Whether the coverage is wanted, too; it takes each user's best items.
        **options: Further arguments of `evaluate`: exclude_seen, candidates, exclude,
            batch_size, query_time.

    Attributes:
        metrics: The latest `Metrics`, or None.

    Raises:
        ValueError: A number out of range, or, when training begins, a split of other items than
            the model's.
        TypeError: A number that is no integer, no split, or an argument that `evaluate` lacks.

    Warns:
        DataWarning: More than 5 % of the targets are misses, see `evaluate`; said once, here.
    """

    def __init__(
        self,
        split: Split,
        k: int | Iterable[int] = 10,
        *,
        sample_users: int | None = None,
        seed: int = 0,
        every: int = 1,
        prefix: str = "val_",
        coverage: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        split = _checked_split(split)
        self.split = split if sample_users is None else split.sample(sample_users, seed)
        self._held_out = HeldOut(self.split)
        options = _checked_options(split, options)
        if options.get("exclude_seen", True):
            warn_of_repeats(self.split.name, self._held_out.repeated)
        self.every = checks.integer("every", every, 1)
        if not isinstance(prefix, str):
            raise TypeError(f"prefix must be text, received {checks.received(prefix)}")
        self.prefix = prefix
        self.metrics: Metrics | None = None
        checks.flag("coverage", coverage)
        self._options = {**options, "k": check_cutoffs(k), "coverage": coverage}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forget the metrics of an earlier `fit`; refuse a model of other items."""
        require_scorer(self.model, "RankingMetrics")
        require_same_items(self.model, self.split, f"the {self.split.name} split")
        self.metrics = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the metrics to the logs."""
        if self.metrics is None or epoch % self.every == 0:
            self.metrics = evaluate(
                self.model, self.split, held_out=self._held_out, **self._options
            )
        if logs is not None:
            logs.update({f"{self.prefix}{name}": mean for name, mean in self.metrics.items()})

    def precede(self, others: Iterable[Any]) -> None:
        """Tell the callbacks that monitor one of these metrics, without a direction: upwards."""
        ours = re.compile(re.escape(self.prefix) + r"((ndcg|hit_rate|coverage)@\d+|mrr)")
        for other in others:
            if ours.fullmatch(str(getattr(other, "monitor", ""))) and other.mode == "auto":
                other.mode = "max"


def _checked_split(split: Any) -> Split:
    if isinstance(split, Prepared):
        raise TypeError("split is all prepared data: RankingMetrics takes data.validation")
    found = require_split(split, "RankingMetrics")
    if not len(found):
        raise ValueError(f"the {found.name} split has no rows to evaluate")
    return found


def _checked_options(split: Split, options: dict[str, Any]) -> dict[str, Any]:
    """The options as `evaluate` takes them in every epoch: an iterator of ids is read once."""
    for name in options:
        if name not in _OPTIONS:
            raise TypeError(
                f"RankingMetrics has no argument {name!r}; those of evaluate are {_OPTIONS}"
            )
    checks.flag("exclude_seen", options.get("exclude_seen", True))
    checks.one_of("query_time", options.get("query_time", "last"), QUERY_TIMES)
    if options.get("batch_size") is not None:
        checks.integer("batch_size", options["batch_size"], 1)
    given = {name: options.get(name) for name in ("candidates", "exclude")}
    if sampling_protocol(given["candidates"]) is not None:
        given.pop("candidates")
    masks = {
        name: given_mask(name, ids, split.items, split.vocabulary_size, "have no effect")
        for name, ids in given.items()
        if ids is not None
    }
    return {**options, **masks}
