"""`sasrec-fast demo`: the whole job on made-up data whose best possible result is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli.drawing import Drawing
from sasrec_fast.cli.options import command, whole
from sasrec_fast.cli.reading import prepared
from sasrec_fast.cli.screen import load_keras, seconds
from sasrec_fast.recipes import Recipe, Training, run

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen

STORY = """\
Made-up readers: each follows three series at once, picks one of them at random and reads its next
part (after the last one the first), with a single book in between now and then. All books are
equally popular: what comes next can be learned from the order alone.
"""


OPTIONS = {
    "epochs": whole("passes over the data", 1, 24),
    "seed": whole("of data and training", 0, 0),
}


@command({"Options": OPTIONS})
def demo(arguments: Any, screen: Screen) -> None:
    """Train on made-up data and compare with the best possible."""
    from sasrec_fast.cli import display
    from sasrec_fast.datasets import synthetic

    start = time.perf_counter()
    screen.say(STORY)
    with screen.step("making ratings"):
        made = synthetic(seed=arguments.seed)
    recipe = _recipe(arguments)
    data = prepared(recipe, made.ratings, screen)
    load_keras(screen)
    done = run(recipe, data, callback=Drawing(screen))
    best = made.best_hit_rate(10)
    screen.say(display.tested(done, {"best possible": {"hit_rate@10": best}}))
    share = done.test["hit_rate@10"] / best
    screen.say(f"SASRec reaches {share:.0%} of the best possible hit rate\n")
    titles = display.titles_of(made.movies)
    screen.say(display.first_user(done.model, data, titles, hide_last=True))
    screen.say(f"\ndone in {seconds(time.perf_counter() - start)}")


def _recipe(arguments: Any) -> Recipe:
    return Recipe(
        prepare={"max_sequence_length": 40, "num_negatives": 8},
        model={"num_layers": 1, "hidden_dim": 64},
        training=Training(
            loss={"name": "bce"},
            epochs=arguments.epochs,
            patience=arguments.epochs,
            batch_size=64,
            learning_rate=5e-3,
            seed=arguments.seed,
            max_buckets=1,
        ),
    )
