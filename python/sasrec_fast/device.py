"""What the model runs on: which ways of computing it pay off."""

from __future__ import annotations

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

import keras  # isort: skip


def on_jax() -> bool:
    """Whether Keras runs on JAX."""
    return bool(keras.backend.backend() == "jax")


def on_cpu() -> bool:
    """Whether Keras runs on JAX and JAX on a CPU, where work saved is time saved."""
    if not on_jax():
        return False
    import jax

    return bool(jax.default_backend() == "cpu")
