"""What it is worth to know when items were: MovieLens-100K, and made-up data in which time decides.

    python benchmarks/times.py made-up
    python benchmarks/times.py movielens --data ml-100k --seeds 0 1 2

Prints a line for each model, seed and moment of the question: metrics of the test at the epoch that
validation, asked at the same moment, is best at.
"""

import argparse
import time
import warnings
from typing import Any

import numpy as np

import sasrec_fast as sf
from sasrec_fast.backend import set_random_seed

MODELS: dict[str, dict[str, Any]] = {
    "no times": {"time": None},
    "buckets": {"time": "buckets"},
    "decay": {"time": "decay"},
    "buckets, no query time": {"time": "buckets", "query_time": False},
}
HOUR, DAY = 3600, 86_400


def made_up(rule: str, users: int = 600, events: int = 13, items: int = 24) -> sf.Prepared:
    """Data in which each item has two successors, and a gap in time says which one comes.

    The gap is that before the successor ("query"), or that before the item ("past"): an hour or a
    few days. The first item and all gaps are random. Who knows the gap can always be right; who
    does not is right half of the time.
    """
    generator = np.random.default_rng(0)
    long = generator.random((users, events)) < 0.5
    gaps = np.where(long, generator.integers(2 * DAY, 9 * DAY, long.shape), HOUR)
    decides = long[:, 1:] if rule == "query" else long[:, :-1]
    steps = np.where(decides, 7, 1)
    first = generator.integers(items, size=(users, 1))
    found = np.concatenate([first, first + np.cumsum(steps, axis=1)], axis=1) % items + 1
    table = {
        "user_id": np.repeat(np.arange(users), events),
        "item_id": found.ravel(),
        "timestamp": np.cumsum(gaps, axis=1).ravel(),
    }
    options = {"max_sequence_length": events, "num_negatives": 0, "times": True}
    return sf.prepare(table, **options)


def train(data: sf.Prepared, name: str, seed: int, args: Any, **options: Any) -> None:
    """Train one model and print its lines."""
    set_random_seed(seed)
    began = time.process_time()
    model = sf.SASRec.for_data(data, **MODELS[name], **options)
    model.compile(args.optimizer(), loss="softmax")
    batches = data.train.batches(args.batch_size, max_buckets=args.max_buckets, seed=seed)
    moments = ("last", "target") if model.looks_at_times and model.block_options.query_time else ()
    best: dict[str, tuple[float, int, sf.Metrics]] = {}
    for epoch in range(args.every, args.epochs + 1, args.every):
        model.fit(batches, epochs=args.every, verbose=0)
        for moment in moments or ("last",):
            asked = {"query_time": moment, "exclude_seen": args.exclude_seen}
            found = sf.evaluate(model, data.validation, 10, **asked)["ndcg@10"]
            if found > best.get(moment, (0.0,))[0]:
                best[moment] = found, epoch, sf.evaluate(model, data, (1, 10), **asked)
    spent = time.process_time() - began
    for moment, (validation, epoch, test) in best.items():
        asked = f"asked at the {moment} item's time" if moments else ""
        print(
            f"{name:24} {asked:30} seed {seed}  epoch {epoch:3}  validation {validation:.4f}  test "
            f"HR@1 {test['hit_rate@1']:.4f}  HR@10 {test['hit_rate@10']:.4f}  "
            f"NDCG@10 {test['ndcg@10']:.4f}  CPU {spent:.0f} s",
            flush=True,
        )


def main() -> None:
    warnings.simplefilter("ignore", sf.DataWarning)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("made-up", "movielens"))
    parser.add_argument("--data", help="a folder with ratings.dat")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--compilations", help="a folder to keep compiled programs in")
    args = parser.parse_args()
    if args.compilations:
        sf.keep_compilations(args.compilations)
    import keras

    args.exclude_seen = args.part == "movielens"
    args.max_buckets = 1
    if args.part == "made-up":
        args.optimizer = lambda: keras.optimizers.Adam(5e-3)
        args.batch_size, args.epochs, args.every = 64, args.epochs or 90, 15
        sizes = {"hidden_dim": 32, "num_layers": 1, "dropout": 0.0}
        for rule in ("query", "past"):
            print(f"the gap before the {'target' if rule == 'query' else 'last item'} decides")
            for name in args.models:
                train(made_up(rule), name, 0, args, **sizes)
        return
    args.optimizer = lambda: keras.optimizers.Adam(2e-3)
    args.batch_size, args.epochs, args.every = 32, args.epochs or 24, 8
    data = sf.prepare(
        f"{args.data}/ratings.dat", max_sequence_length=50, num_negatives=0, times=True
    )
    sizes = {"hidden_dim": 32, "num_layers": 2, "dropout": 0.3}
    for seed in args.seeds:
        for name in args.models:
            train(data, name, seed, args, **sizes)


if __name__ == "__main__":
    main()
