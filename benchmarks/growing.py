"""A week of days: a model that grows every day, beside one that is trained anew and one left alone.

    python benchmarks/growing.py --data FOLDER [--days 7] [--seeds 0 1 2]

MovieLens-100K (FOLDER/ml-100k/ratings.dat) by day. Training ends where the last days with ratings
begin. Each of these days then asks: for every user with five ratings or more by then, which item
comes last on this day, after all the user had before? The question is the same for three models,
none of which has seen the day:

- anew: trained from nothing on all days before, for `EPOCHS` epochs;
- grown: yesterday's, `extended` by the day before and trained on it: the rows of users that changed
  and as many of others, at random, against forgetting (experience replay), for `DAILY` epochs;
- alone: that of the first day, extended by the items that came since and not trained.

What an item costs that no model knows yet counts for all: it is a miss. Seconds are CPU time.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import sasrec_fast as sf

EPOCHS, DAILY, RATE = 25, 3, 1e-3
DAY = 86_400


def prepared(rows: pd.DataFrame) -> sf.Prepared:
    return sf.prepare(
        rows, holdout=0, max_sequence_length=50, windows=("stride", 50), num_negatives=0
    )


def fitted(model: Any, split: Any, epochs: int, seed: int) -> None:
    model.fit(split.batches(64, seed=seed), epochs=epochs, verbose=0)


def anew(data: sf.Prepared, seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    model = sf.SASRec.for_data(data, hidden_dim=32, num_layers=2, dropout=0.3)
    model.compile(keras.optimizers.Adam(RATE), loss="softmax")
    fitted(model, data.train, EPOCHS, seed)
    return model


def grown(model: Any, data: sf.Prepared, seed: int) -> Any:
    model = model.extended(data)
    changed = data.changed_users
    others = data.train.sample(len(changed), seed=seed).user_ids
    fitted(model, data.train.of_users(np.union1d(changed, others)), DAILY, seed)
    return model


def questions(rows: pd.DataFrame, day: int) -> tuple[list[list[int]], list[int]]:
    """What users had before their last item of a day, and that item."""
    until = rows[rows["day"] <= day]
    histories, targets = [], []
    for _, of_user in until.groupby("user_id", sort=True):
        if of_user["day"].iloc[-1] == day and len(of_user) >= 5:
            items = of_user["item_id"].tolist()
            histories.append(items[:-1])
            targets.append(items[-1])
    return histories, targets


def quality(model: Any, histories: list[list[int]], targets: list[int]) -> tuple[float, float]:
    table = model.recommend(histories=histories, k=10)
    wanted = table["history"].map(dict(enumerate(targets)))
    ranks = table.loc[table["item_id"] == wanted, "rank"].to_numpy()
    return len(ranks) / len(targets), float((1 / np.log2(ranks + 1)).sum() / len(targets))


def renewed(name: str, model: Any, data: sf.Prepared, seed: int, day: int) -> Any:
    if name == "anew":
        return anew(data, seed)
    return grown(model, data, seed + day) if name == "grown" else model.extended(data)


def week(rows: pd.DataFrame, days: list[int], seed: int) -> list[dict[str, Any]]:
    data = prepared(rows[rows["day"] < days[0]])
    models: dict[str, Any] = {"anew": anew(data, seed)}
    models |= {"grown": models["anew"], "alone": models["anew"]}
    found = []
    for number, day in enumerate(days):
        spent = dict.fromkeys(models, 0.0)
        if number:
            data = data.append(rows[rows["day"] == days[number - 1]], keep_items=True)
            for name in models:
                begun = time.process_time()
                models[name] = renewed(name, models[name], data, seed, number)
                spent[name] = time.process_time() - begun
        histories, targets = questions(rows, day)
        for name, model in models.items():
            hit, ndcg = quality(model, histories, targets)
            found.append(
                {
                    "day": number,
                    "model": name,
                    "users": len(targets),
                    "hit": hit,
                    "ndcg": ndcg,
                    "seconds": spent[name],
                    "items": len(model.items),
                }
            )
    return found


def ratings(path: Path) -> pd.DataFrame:
    """The rows of a file in order of time, with the day of each."""
    names = ["user_id", "item_id", "rating", "timestamp"]
    rows = pd.read_csv(path, sep="::", engine="python", header=None, names=names)
    rows = rows.sort_values("timestamp", kind="stable").reset_index(drop=True)
    return rows.assign(day=rows["timestamp"] // DAY)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = ratings(arguments.data / "ml-100k" / "ratings.dat")
    days = sorted(rows["day"].unique())[-arguments.days :]
    found = pd.DataFrame(
        {"seed": seed, **line} for seed in arguments.seeds for line in week(rows, days, seed)
    )
    print(f"{len(rows):,} ratings, {arguments.days} days, seeds {arguments.seeds}")
    for name, of_model in found.groupby("model"):
        later = of_model[of_model["day"] > 0]
        weighted = later.assign(
            hit=later["hit"] * later["users"], ndcg=later["ndcg"] * later["users"]
        )
        sums = weighted.groupby("seed")[["hit", "ndcg", "users", "seconds"]].sum()
        hit, ndcg = sums["hit"] / sums["users"], sums["ndcg"] / sums["users"]
        print(
            f"{name}: HR@10 {hit.mean():.4f} ({hit.std():.4f}), NDCG@10 {ndcg.mean():.4f} "
            f"({ndcg.std():.4f}) of {int(sums['users'].mean()):,} questions, "
            f"{sums['seconds'].mean():.1f} s of training for {arguments.days - 1} days"
        )
    print(found[found["model"] == "grown"].groupby("day")[["users", "items"]].first().T.to_string())


if __name__ == "__main__":
    main()
