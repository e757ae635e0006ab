"""What ways of training the same layers learn, epoch by epoch: loss and NDCG@10 by seed.

    python benchmarks/training_quality.py                                  # MovieLens-100K
    python benchmarks/training_quality.py --data beauty --epochs 12 --learning-rate 3e-3
    python benchmarks/training_quality.py --data ml-1m --ways fresh fixed --seeds 0 --epochs 60

The ways: "fresh" is `split.batches()`, length buckets with negatives drawn anew each epoch;
"padded" is the same without buckets; "fixed" keeps the negatives of the first epoch; "example" is
the Keras example's way, padded arrays and its own model. All have the example's layers, unless
`--defaults` trains this package's instead. NDCG is of the validation split among all items.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.reading import read_sequences
from training_data import SETTINGS, Setting, data_folder

SMALL = Setting("ml-100k", "ml-100k/ratings.dat", 100, 50, 0.2, 1.0, batch_size=16)
WAYS = ("fresh", "padded", "fixed", "example")
EXAMPLE_LAYERS = {"scale_embeddings": False, "positions": "start"}


def main(arguments: list[str] | None = None) -> int:
    """Prints a line for each epoch measured, then a table of all ways; exit code 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", choices=(SMALL.name, *SETTINGS), default=SMALL.name)
    parser.add_argument("--folder", help="of the data; default: SASREC_FAST_DATA or ../shared/data")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--every", type=int, default=5, help="epochs between two measurements")
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--defaults", action="store_true", help="this package's layers")
    parser.add_argument("--json", metavar="FILE", help="write all curves there")
    options = parser.parse_args(arguments)
    setting = SETTINGS.get(options.data, SMALL)
    data = _prepared(setting, data_folder(options.folder))
    curves: dict[str, list[Any]] = {way: [] for way in options.ways}
    for seed in options.seeds:
        for way in options.ways:
            curves[way].append(train(way, data, setting, seed, options))
            if options.json:
                Path(options.json).write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    print(f"\n{setting.name}, seeds {list(options.seeds)}\n{table(curves)}")
    return 0


def _prepared(setting: Setting, folder: Path) -> Any:
    import sasrec_fast as sf

    path = folder / setting.file
    if setting is SMALL:
        return sf.prepare(path, max_sequence_length=setting.length)
    return sf.prepare(read_sequences(path), timestamp=None, max_sequence_length=setting.length)


def train(way: str, data: Any, setting: Setting, seed: int, options: argparse.Namespace) -> Any:
    """The curve of one run: a list of {"epoch", "loss", "ndcg"}."""
    import sasrec_fast as sf

    sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
    import keras

    keras.utils.set_random_seed(seed)
    model, scorer = _model(way, data, setting, {} if options.defaults else EXAMPLE_LAYERS)
    model.compile(keras.optimizers.Adam(options.learning_rate, beta_2=0.98), jit_compile=True)
    fit = _fit(way, model, data.train, setting.batch_size, seed)
    curve = []
    for epoch in range(0, options.epochs, options.every):
        began = time.perf_counter()
        last = min(epoch + options.every, options.epochs)
        losses = fit(initial_epoch=epoch, epochs=last, verbose=0).history["loss"]
        seconds = (time.perf_counter() - began) / len(losses)
        ndcg = sf.evaluate(scorer, data.validation, k=10)["ndcg@10"]
        # The example's mean is over positives and negatives together: half of this package's.
        loss = losses[-1] * (2 if way == "example" else 1)
        curve.append({"epoch": last, "loss": loss, "ndcg": ndcg})
        print(
            f"seed {seed}, {way:8} epoch {last:3}: loss {loss:.4f}, NDCG@10 {ndcg:.4f}, "
            f"{seconds:.1f} s an epoch",
            flush=True,
        )
    return curve


def _model(way: str, data: Any, setting: Setting, layers: dict[str, Any]) -> tuple[Any, Any]:
    """A model to train, and what `evaluate` takes."""
    import sasrec_fast as sf

    size = data.vocabulary_size
    if way == "example":
        from keras_example import PaddedSASRec

        model = PaddedSASRec(size, setting.length, setting.width, setting.layers, setting.dropout)
        return model, PaddedScorer(model, size, setting.length)
    model = sf.SASRec(
        size,
        setting.layers,
        hidden_dim=setting.width,
        dropout=setting.dropout,
        max_sequence_length=setting.length,
        **layers,
    )
    return model, model


class PaddedScorer:
    """Scores of the example's model, from the last real position."""

    def __init__(self, model: Any, vocabulary_size: int, length: int) -> None:
        self.model = model
        self.vocabulary_size = vocabulary_size
        self.max_sequence_length = length
        self.candidate_mask = np.arange(vocabulary_size) > 0

    def score_items(self, x: dict[str, Any]) -> NDArray[np.float32]:
        hidden = self.model.predict(dict(x), batch_size=256, verbose=0)
        last = np.maximum(np.asarray(x["padding_mask"]).sum(axis=1) - 1, 0)
        table = np.asarray(self.model.item_embedding.embeddings)
        scores: NDArray[np.float32] = hidden[np.arange(len(hidden)), last] @ table.T
        return scores


def _fit(way: str, model: Any, split: Any, batch_size: int, seed: int) -> Any:
    """`model.fit` on the data of a way."""
    import sasrec_fast as sf

    class FixedNegatives(sf.Batches):
        def _make(self, place: tuple[int, int]) -> Any:
            _, rows, length = self._find(place)
            return self.split.fill(rows, epoch=0, length=length).xyw()

    if way == "example":
        x, y, weight = split.arrays().xyw()

        def fit(**options: Any) -> Any:
            return model.fit(x, y, sample_weight=weight, batch_size=batch_size, **options)

        return fit
    kind = FixedNegatives if way == "fixed" else sf.Batches
    boundaries = [int(split.lengths.max())] if way == "padded" else None
    batches = kind(split, batch_size, seed=seed, boundaries=boundaries)
    return lambda **options: model.fit(batches, **options)


def table(curves: dict[str, list[Any]]) -> str:
    """Mean and standard deviation over seeds, a line for each way and epoch."""
    lines = [f"{'':10}{'epoch':>6}{'loss':>9}{'NDCG@10':>10}{'±':>8}"]
    for way, runs in curves.items():
        for points in zip(*runs, strict=True):
            ndcgs = [point["ndcg"] for point in points]
            spread = f"{np.std(ndcgs, ddof=1):8.4f}" if len(ndcgs) > 1 else f"{'-':>8}"
            loss = np.mean([point["loss"] for point in points])
            lines.append(f"{way:10}{points[0]['epoch']:6}{loss:9.4f}{np.mean(ndcgs):10.4f}{spread}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
