"""Repeatable weights and training."""

import random

import numpy as np

from sasrec_fast.backend.device import on_jax


def set_random_seed(seed: int) -> None:
    """Make what follows repeatable: initial weights, dropout and sampled items.

    On JAX all of these come from the generator of Python, so this is `keras.utils.set_random_seed`
    without TensorFlow, which that imports where it is installed. Keras' own generator, of
    `keras.random` without a seed, is not set.

    Args:
        seed: Integer, below 2^32.
    """
    if not on_jax():
        import keras

        keras.utils.set_random_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (the generator that Keras and users may draw from)
