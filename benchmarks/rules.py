"""Top tens before and after rules, and what rules do to the lists of all users.

    python benchmarks/rules.py --data FOLDER [--epochs 12] [--plots FOLDER]

MovieLens-100K (FOLDER/ml-100k): a model with LiGR blocks, and the lists of one history and of all
users without rules, with a boost, a cap and diversity. The table is in docs/rules.md.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

import sasrec_fast as sf

HISTORY = [50, 172, 181, 204, 210]


def trained(data: sf.Prepared, epochs: int) -> Any:
    import keras

    keras.utils.set_random_seed(0)
    options = {"hidden_dim": 64, "dropout": 0.3, "block": "ligr", "positions": "rotary"}
    model = sf.SASRec.for_data(data, **options)
    model.compile(keras.optimizers.Adam(1e-3), loss="softmax")
    model.fit(data.train, batch_size=16, epochs=epochs, verbose=0)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--plots", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    folder = arguments.data / "ml-100k"
    data = sf.prepare(folder / "ratings.dat", max_sequence_length=100, num_negatives=0)
    names = ["item_id", "title", "genres"]
    read = {"sep": "::", "engine": "python", "header": None, "encoding": "latin-1"}
    movies = pd.read_csv(folder / "movies.dat", names=names, **read)
    genre = dict(zip(movies["item_id"], movies["genres"].str.split("|").str[0], strict=True))
    model = trained(data, arguments.epochs)
    dark = movies["item_id"][movies["genres"].str.contains("Film-Noir|Western")]
    rules = {
        "no rules": None,
        "boost": sf.Rules(boosts=dict.fromkeys(dark.tolist(), 1.5)),
        "cap": sf.Rules(groups=genre, most_per_group=2),
        **{f"diversity {d}": sf.Rules(diversity=d) for d in (0.2, 0.5, 0.8)},
    }
    titles = movies[["item_id", "title"]]
    lists = {}
    for name, one in rules.items():
        found = model.recommend(histories=[HISTORY], k=10, titles=titles, rules=one)
        rows = zip(found["title"], found["item_id"], strict=True)
        lists[name] = [f"{title} ({genre[item]})" for title, item in rows]
    for place, row in enumerate(zip(*lists.values(), strict=True), 1):
        print(place, *row, sep=" | ")
    measured = {
        name: sf.evaluate(model, data, k=10, rules=one, beyond=True) for name, one in rules.items()
    }
    for baseline in (sf.baselines.MarkovChain, sf.baselines.Popularity):
        scorer = baseline(data.train)
        measured[baseline.__name__] = sf.evaluate(scorer, data, k=10, beyond=True)
    for name, metrics in measured.items():
        print(name, *(f"{key} {value:.4f}" for key, value in metrics.items()), sep=" | ")
    if arguments.plots is not None:
        figure = sf.plots.accuracy_and("novelty", measured, data_name="MovieLens-100K")
        figure.savefig(arguments.plots / "novelty.png")
        sf.plots.exposure(measured, data_name="MovieLens-100K").savefig(
            arguments.plots / "exposure.png"
        )


if __name__ == "__main__":
    main()
