"""How many positions are in work at one time, and which come first."""

from __future__ import annotations

from typing import Any

from sasrec_fast import loading as _loading  # noqa: F401  (before keras)

import keras  # isort: skip

Tensor = Any

# On a CPU the scores of a chunk should stay in its cache; elsewhere few large chunks keep the
# device busy. A matrix product of very few rows wastes either.
_CPU_BYTES, _CPU_POSITIONS = 4 << 20, 64
_OTHER_BYTES, _OTHER_POSITIONS = 256 << 20, 1024
_TILE = 64


def on_jax() -> bool:
    """Whether Keras runs on JAX, where the gradient is taken in the same pass."""
    return bool(keras.backend.backend() == "jax")


def chunk_size(bytes_each: int, max_bytes: int | None) -> int:
    """Positions of a chunk.

    Args:
        bytes_each: Bytes that one position takes.
        max_bytes: Most bytes of a chunk (a single position may take more); None chooses for
            the device.
    """
    if max_bytes is not None:
        size = max(1, max_bytes // bytes_each)
    elif _on_cpu():
        size = max(_CPU_POSITIONS, _CPU_BYTES // bytes_each)
    else:
        size = max(_OTHER_POSITIONS, _OTHER_BYTES // bytes_each)
    return size - size % _TILE if size > _TILE else size


def _on_cpu() -> bool:
    if not on_jax():
        return False
    import jax

    return bool(jax.default_backend() == "cpu")
