"""Where the time of a training step goes: what it costs less without each of its parts.

    python benchmarks/step_profile.py                  # MovieLens-1M
    python benchmarks/step_profile.py --data beauty

One batch, the longest bucket's, is trained on by this package's model and by the Keras example's,
whole and with one part left out or replaced; the fastest of some rounds in turn is shown. "A whole
triangle" also computes the scores of attention that no position may use, as the example does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import sasrec_fast as sf
from sasrec_fast.layers import attention
from sasrec_fast.reading import read_sequences
from training_data import SETTINGS, Setting, data_folder

sf.SASRec  # noqa: B018  (chooses the backend before keras is imported)
import jax  # noqa: E402
import keras  # noqa: E402

OURS, EXAMPLE = "sasrec_fast", "Keras example"
PARTS = {
    "the whole step": {},
    "no dropout": {"dropout": 0.0},
    "no Transformer blocks": {"layers": 0},
    "SGD instead of Adam": {"optimizer": "sgd"},
    "item embeddings not trained": {"frozen": True},
    "the loss without its gradient": {"forward": True},
    "attention by XLA": {"xla": True},
    "attention by XLA, dropout by JAX's generator": {"xla": True, "keras_dropout": True},
    "attention by XLA over a whole triangle": {"xla": True, "whole": True},
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--data", choices=tuple(SETTINGS), default="ml-1m")
    parser.add_argument("--folder", help="of the data; default: SASREC_FAST_DATA or ../shared/data")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    setting = SETTINGS[options.data]
    table = read_sequences(data_folder(options.folder) / setting.file)
    data = sf.prepare(table, timestamp=None, max_sequence_length=setting.length)
    batches = data.train.batches(setting.batch_size)
    longest = max(range(len(batches)), key=lambda i: batches[i][0]["item_ids"].shape[1])
    batch = batches[longest]
    rows, length = batch[0]["item_ids"].shape
    print(
        f"{setting.name}: {rows} rows of {length}, d = {setting.width}, {data.vocabulary_size:,} "
        f"items; jax {jax.__version__}, {jax.devices()[0].device_kind}"
    )
    steps = {
        (name, part): step(name, batch, data.vocabulary_size, setting, **changes)
        for name in (OURS, EXAMPLE)
        for part, changes in PARTS.items()
        if name == OURS or "xla" not in changes
    }
    show(fastest(steps, options.rounds))


def step(
    name: str, batch: Any, vocabulary_size: int, setting: Setting, **changes: Any
) -> Callable[[], Any]:
    """A function that trains on the batch once, compiled."""
    keras.utils.set_random_seed(0)
    layers = changes.get("layers", setting.layers)
    dropout = changes.get("dropout", setting.dropout)
    if name == EXAMPLE:
        from keras_example import PaddedSASRec

        length = setting.length
        model: Any = PaddedSASRec(vocabulary_size, length, setting.width, layers, dropout)
        model.build({"item_ids": (None, length)})
    else:
        model = sf.SASRec(
            vocabulary_size,
            layers,
            hidden_dim=setting.width,
            dropout=dropout,
            max_sequence_length=setting.length,
        )
        model.build()
    model.item_embedding.trainable = not changes.get("frozen", False)
    adam = keras.optimizers.Adam(1e-3, beta_2=0.98)
    model.compile(changes.get("optimizer", adam), jit_compile=True)
    run = model.test_on_batch if changes.get("forward") else model.train_on_batch
    most_blocks, call = attention._MOST_BLOCKS, attention.Dropout.call
    is_native = attention.CausalAttention._is_native
    if changes.get("xla"):
        attention.CausalAttention._is_native = lambda _: False
    if changes.get("whole"):
        attention._MOST_BLOCKS = 1
    if changes.get("keras_dropout"):
        attention.Dropout.call = keras.layers.Dropout.call
    x, y, weight = batch
    run(x, y, weight)  # what was changed for it is compiled into it
    attention._MOST_BLOCKS, attention.Dropout.call = most_blocks, call
    attention.CausalAttention._is_native = is_native
    return lambda: run(x, y, weight)


def fastest(steps: dict[Any, Callable[[], Any]], rounds: int) -> dict[Any, float]:
    """Least seconds of each step."""
    seconds = dict.fromkeys(steps, float("inf"))
    for _ in range(rounds):
        for key, run in steps.items():
            began = time.perf_counter()
            run()
            seconds[key] = min(seconds[key], time.perf_counter() - began)
    return seconds


def show(seconds: dict[tuple[str, str], float]) -> None:
    """A line for each part."""
    print(f"{'':46}{EXAMPLE:>22}{OURS:>22}")
    for part in PARTS:
        cells = []
        for name in (EXAMPLE, OURS):
            if (name, part) not in seconds:
                cells.append(f"{'-':>22}")
                continue
            whole, here = seconds[name, "the whole step"], seconds[name, part]
            change = f" ({here / whole - 1:+.0%})" if part != "the whole step" else ""
            cells.append(f"{f'{1000 * here:.0f} ms{change}':>22}")
        print(f"{part:46}{''.join(cells)}")


if __name__ == "__main__":
    main()
