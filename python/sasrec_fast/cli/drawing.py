"""A training run on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sasrec_fast.cli import interrupts
from sasrec_fast.cli.screen import Screen, counted, seconds
from sasrec_fast.recipes import Progress
from sasrec_fast.saving import check_termination

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Drawing(Progress):
    """A bar for the batches and a line for each epoch.

    Args:
        screen: Where they are printed.
        save: Given model and epoch of an interrupted training, saves what there is and says what
            to do next.
    """

    def __init__(self, screen: Screen, save: Callable[[Any, int], str] | None = None) -> None:
        self._screen = screen
        self._save = save

    def begins(self, model: Any, candidates: tuple[str, int, int] | None) -> None:
        """Print what is trained, and the heading."""
        import keras

        kinds = [device.partition(":")[0].upper() for device in keras.distribution.list_devices()]
        devices = ", ".join(counted(kinds.count(kind), kind) for kind in sorted(set(kinds)))
        heads = counted(model.block_options.num_heads, "head")
        members = f"{model.num_members} members of " if model.num_members > 1 else ""
        among = f"{candidates[1]} random items" if candidates else "all items not seen"
        self._screen.say(
            f"SASRec: {members}{counted(model.num_layers, 'layer')}, {heads}, "
            f"{model.hidden_dim} dimensions, {model.count_params():,} weights; "
            f"{keras.backend.backend()} on {devices}\n\n"
            f"validation: each user's last item but one, among {among}\n"
            "epoch    loss  hit rate@10  NDCG@10     time"
        )

    def batch(self, epoch: int, done: int, total: int) -> None:
        """Move the bar; stop if Ctrl-C was pressed."""
        interrupts.check()
        check_termination()
        label = f"epoch {epoch}" + (", compiling" if epoch == 1 else "")
        self._screen.bar(label, done, total)

    def epoch(self, record: Mapping[str, float], best: bool) -> None:
        """Print its line."""
        self._screen.say(
            f"{record['epoch']:5}  {record['loss']:6.4f}  {record['val_hit_rate@10']:11.4f}  "
            f"{record['val_ndcg@10']:7.4f}  {seconds(record['seconds']):>7}" + "  best" * best
        )

    def ends(self, best: int, waited: int) -> None:
        """Print which weights are kept, and why training stopped."""
        if waited:
            self._screen.say(f"no better NDCG@10 for {counted(waited, 'epoch')}: stopped")
        self._screen.say(f"kept: the weights of epoch {best}")

    def interrupted(self, model: Any, best: int, done: int) -> None:
        """Print that it was, and what to do next."""
        then = "nothing was saved" if self._save is None else self._save(model, best)
        self._screen.say(f"\ninterrupted after {counted(done, 'epoch')}: {then}")
