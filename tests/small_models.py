"""Models small enough to compile in a second or two, and rows to feed them."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

import sasrec_fast as sf

jax.config.update("jax_disable_most_optimizations", True)  # compiles in half the time

ITEMS, LENGTH, WIDTH = 20, 6, 8
Arrays = dict[str, np.ndarray]


def make_model(**options: Any) -> Any:
    keras.utils.set_random_seed(7)
    settings = {
        "vocabulary_size": ITEMS + 1,
        "num_layers": 1,
        "hidden_dim": WIDTH,
        "max_sequence_length": LENGTH,
        "k": 4,
    }
    return sf.SASRec(**{**settings, **options})


def step_state(model: Any) -> tuple[list[Any], ...]:
    """What `train_step` of a built model takes and returns: the values of its variables."""
    return tuple(
        [variable.value for variable in variables]
        for variables in (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
    )


def make_rows(lengths: list[int], columns: int = LENGTH, seed: int = 0) -> tuple[Arrays, Arrays]:
    """Inputs and targets of random rows with the given numbers of real items."""
    rng = np.random.default_rng(seed)
    mask = np.arange(columns) < np.array(lengths)[:, None]
    ids, positive, negative = (
        (rng.integers(1, ITEMS + 1, mask.shape) * mask).astype(np.int32) for _ in range(3)
    )
    return (
        {"item_ids": ids, "padding_mask": mask},
        {"positive_sequence": positive, "negative_sequence": negative},
    )


def weights_like(weight: np.ndarray) -> Arrays:
    return {"positive_sequence": weight, "negative_sequence": weight}


def hidden(model: Any, x: Arrays) -> np.ndarray:
    states: np.ndarray = model.predict(x, verbose=0)["item_sequence_embedding"]
    return states


def embeddings(model: Any) -> np.ndarray:
    model.build()
    return np.array(model.item_embedding.embeddings.value)


def compiled(model: Any, rate: float, optimizer: str = "SGD") -> Any:
    model.compile(getattr(keras.optimizers, optimizer)(rate))
    return model
