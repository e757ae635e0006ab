"""Whether length buckets cost quality: NDCG@10 of bucketed and unbucketed training, by seed.

python benchmarks/bucket_quality.py                    # MovieLens-100K
python benchmarks/bucket_quality.py --data beauty --epochs 40 --batch-size 128
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from training_data import SETTINGS, columns, data_folder

SMALL = "ml-100k"


def main(arguments: list[str] | None = None) -> int:
    """Prints one line for each way of training; exit code 0."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", choices=(SMALL, *SETTINGS), default=SMALL)
    parser.add_argument("--folder", help="of the data; default: SASREC_FAST_DATA or ../shared/data")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(arguments)
    data = _prepared(options.data, data_folder(options.folder))
    longest = int(data.train.lengths.max())
    for name, choice in (("buckets", {}), ("one bucket", {"boundaries": [longest]})):
        scores, began = [], time.perf_counter()
        for seed in range(options.seeds):
            scores.append(_score(data, choice, seed, options))
        print(
            f"{name:12} NDCG@10 {np.mean(scores):.4f} +- {np.std(scores, ddof=1):.4f} "
            f"({', '.join(f'{score:.4f}' for score in scores)}), "
            f"{time.perf_counter() - began:.0f} s",
            flush=True,
        )
    return 0


def _prepared(name: str, folder: Path) -> Any:
    import sasrec_fast as sf

    if name == SMALL:
        return sf.prepare(folder / SMALL / "ratings.dat", max_sequence_length=100)
    setting = SETTINGS[name]
    table = columns(folder / setting.file)
    return sf.prepare(table, timestamp=None, max_sequence_length=setting.length)


def _score(data: Any, choice: dict[str, Any], seed: int, options: argparse.Namespace) -> float:
    import keras

    import sasrec_fast as sf

    keras.utils.set_random_seed(seed)
    model = sf.SASRec(data.vocabulary_size, max_sequence_length=data.train.max_sequence_length)
    model.compile(keras.optimizers.Adam(1e-3, beta_2=0.98))
    batches = data.train.batches(options.batch_size, seed=seed, **choice)
    model.fit(batches, epochs=options.epochs, verbose=0)
    return float(sf.evaluate(model, data.validation)["ndcg@10"])


if __name__ == "__main__":
    raise SystemExit(main())
