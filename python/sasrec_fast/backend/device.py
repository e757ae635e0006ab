"""What the model runs on: the device, repeatable numbers, and compiled programs kept on disk."""

import os
import random
from pathlib import Path

import numpy as np


def on_jax() -> bool:
    """Whether Keras runs on JAX."""
    import keras

    return bool(keras.backend.backend() == "jax")


def on_cpu() -> bool:
    """Whether Keras runs on JAX and JAX on a CPU, where work saved is time saved."""
    if not on_jax():
        return False
    import jax

    return bool(jax.default_backend() == "cpu")


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


def keep_compilations(folder: str | os.PathLike[str]) -> None:
    """Keep compiled programs in a folder: the next process loads them instead of compiling.

    JAX's persistent compilation cache, for programs of any size. It may be called at any time;
    what is compiled from then on is kept. The folder may be shared by models and runs, and
    deleted whenever wanted.

    Args:
        folder: Created where it does not exist.
    """
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    path = Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    # JAX looks at the folder once, at the first compilation.
    compilation_cache.reset_cache()
