"""Dropout whose random bits cost a few integer operations, computed where they are used.

JAX's generator (Threefry) takes more time than the attention it drops. A mask needs less: here
each bit is a hash of its position, keyed by the layer's seed and its count of calls. It fuses
with the operation around it, is the same on every kind and number of devices, and is computed
again for the gradient rather than stored.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
from keras import ops

from sasrec_fast.backend import on_jax

Tensor = Any

_GOLDEN = 0x9E3779B9
"""2^32 / golden ratio, the increment of a Weyl sequence."""


@keras.saving.register_keras_serializable(package="sasrec_fast")
class Dropout(keras.layers.Dropout):  # type: ignore[misc]
    """As `keras.layers.Dropout`; on JAX with masks of `keep_mask`.

    Of a model's layers one counts the steps for all (`next_turn`) and the others are told, which
    leaves their states as they are. In earlier versions each counted; a checkpoint of theirs goes
    on, in attention over several blocks of queries with other random bits than it would have had.
    """

    def next_turn(self) -> Tensor | None:
        """Calls before this one, and count it; None where there is nothing to count for."""
        return self.seed_generator.next()[1] if self.rate and on_jax() else None

    def seed_at(self, turn: Tensor | None) -> Sequence[Tensor]:
        """What `keep_mask` takes at a turn, or, for None, at the layer's own, which it counts."""
        if turn is None:
            return self.seed_generator.next()  # type: ignore[no-any-return]
        return ops.convert_to_tensor(self.seed_generator.state)[0], turn

    def call(self, inputs: Tensor, turn: Tensor | None = None, training: bool = False) -> Tensor:
        """The inputs, in training with a share of `rate` set to 0 and the others scaled up.

        Args:
            inputs: Of any shape.
            turn: What stands for the count of calls, an integer; None: the layer's own, which
                this call advances.
            training: Whether dropout is on.
        """
        if not training or not self.rate:
            return inputs
        if not on_jax() or self.noise_shape is not None:
            return super().call(inputs, training=training)
        keep = 1.0 - self.rate
        mask = keep_mask(inputs.shape, keep, self.seed_at(turn))
        return jnp.where(mask, inputs / keep, jnp.zeros_like(inputs))


def keep_mask(shape: Sequence[int], keep: float, seed: Sequence[Tensor]) -> Tensor:
    """A random mask: True where `random_words` are below keep * 2^32.

    Args:
        shape: Of the mask, of at most 2^32 elements.
        keep: Probability of True, in (0, 1].
        seed: Two integers, such as the state of a `keras.random.SeedGenerator`.

    Returns:
        bool, of the shape.
    """
    return random_words(shape, seed) <= jnp.uint32(round(keep * (1 << 32)) - 1)


def random_words(shape: Sequence[int], seed: Sequence[Tensor]) -> Tensor:
    """Random integers, uint32 of the shape, a pure function of its arguments on every device.

    Element i is the 32-bit integer hash "lowbias32" (Wellons 2018, "Prospecting for hash
    functions") of i + a, with b mixed in between its two multiplications, where a and b are hashes
    of the seed: without b, the words of two seeds would be the same sequence, shifted.

    Args:
        shape: Of at most 2^32 elements.
        seed: Two integers, such as the state of a `keras.random.SeedGenerator`.
    """
    word = jnp.uint32
    own, count = (jnp.asarray(part).astype(word) for part in seed)
    first = _hash(own ^ _hash(count + word(_GOLDEN)))
    second = _hash(first + word(_GOLDEN))
    position, stride = first, 1
    for axis in reversed(range(len(shape))):
        index = jax.lax.broadcasted_iota(word, tuple(shape), axis)
        position = position + index * word(stride % (1 << 32))
        stride *= shape[axis]
    return _hash(position, second)


def _hash(x: Tensor, key: Any = 0) -> Tensor:
    """lowbias32 of uint32 words; `key` is mixed in between its multiplications."""
    word = jnp.uint32
    x = (x ^ (x >> word(16))) * word(0x7FEB352D) ^ word(key)
    x = (x ^ (x >> word(15))) * word(0x846CA68B)
    return x ^ (x >> word(16))
