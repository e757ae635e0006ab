"""`sasrec-fast demo`: the whole job on made-up data whose best possible result is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sasrec_fast.cli import display
from sasrec_fast.cli.keras_loading import load_keras
from sasrec_fast.cli.screen import Screen, seconds
from sasrec_fast.datasets import synthetic
from sasrec_fast.preparing import prepare
from sasrec_fast.recipes import Training

if TYPE_CHECKING:
    import argparse

STORY = """\
Made-up readers: each follows three series at once, picks one of them at random and reads its next
part (after the last one the first), with a single book in between now and then. All books are
equally popular: what comes next can be learned from the order alone.
"""


def run(arguments: argparse.Namespace, screen: Screen) -> None:
    """Make data, train, compare with popularity and the best possible, show one user."""
    start = time.perf_counter()
    screen.say(STORY)
    with screen.step("making ratings"):
        made = synthetic(seed=arguments.seed)
    with screen.step("preparing"):
        data = prepare(made.ratings, max_sequence_length=40, num_negatives=8, seed=arguments.seed)
    screen.say(f"\n{data.report}\n")
    load_keras(screen)
    from sasrec_fast.cli.training import train_model

    options = {"num_layers": 1, "num_heads": 1, "hidden_dim": 64, "dropout": 0.2}
    training = Training(
        epochs=arguments.epochs,
        patience=arguments.epochs,
        batch_size=64,
        learning_rate=5e-3,
        seed=arguments.seed,
        max_buckets=1,
    )
    model, _ = train_model(data, options, training, screen)

    own, popular = display.test_against_popularity(model, data)
    best = made.best_hit_rate(10)
    screen.say(f"\ntest: the last item of {len(own.ranks):,} users, among all items not seen")
    screen.say(
        display.comparison(
            {"best possible": {"hit_rate@10": best}, "SASRec": own, "popularity": popular}
        )
    )
    screen.say(f"SASRec reaches {own['hit_rate@10'] / best:.0%} of the best possible hit rate\n")
    titles = display.titles_of(made.movies)
    user = data.users.ids[:1].tolist()[0]
    screen.say(display.history_and_recommendations(model, data, user, titles, hide_last=True))
    screen.say(f"\ndone in {seconds(time.perf_counter() - start)}")
