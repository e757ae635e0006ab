"""Items drawn in proportion to their counts, in constant time and exactly: Walker's alias method.

A draw is a word x of 64 random bits. The product x * V chooses one of V equal bins by its upper
half, and by its lower half one of the two items in the bin: the item of the same number below the
bin's threshold, the alias of the bin from there on. All of it is in integers, so an item of any
share is drawn; an item's probability differs from its share by less than 2^-63 of a bin for each
bin it is in.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

Tensor = Any


def split_bins(weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Deal weights w_0..w_{V-1} of sum S out to V bins of S parts, each with two items at most.

    Item i has V * w_i parts. Bins of items that have too few are filled up by those that have too
    many, in order; the last to give to a bin may then lack parts itself, and the next one fills it.

    Args:
        weights: At least 1 each, V times their sum below 2^63.

    Returns:
        int64 [V], the parts of bin i that item i has, 1..S; int64 [V], whose the others are.
    """
    number, total = len(weights), int(weights.sum())
    missing = total - weights * number
    own, alias = np.full(number, total), np.arange(number)
    poor, rich = np.flatnonzero(missing > 0), np.flatnonzero(missing <= 0)
    lacked = np.concatenate([[0], np.cumsum(missing[poor])])
    given = np.cumsum(-missing[rich])
    own[poor] = total - missing[poor]
    alias[poor] = rich[np.searchsorted(given, lacked[:-1])]
    # The first bin that makes the poor want more than the rich so far can give decides what the
    # last of these keeps.
    place = np.searchsorted(lacked, given, side="right")
    over = place < len(lacked)
    own[rich[over]] = total - (lacked[place[over]] - given[over])
    alias[rich[over]] = rich[np.flatnonzero(over) + 1]
    return own, alias


def alias_table(weights: NDArray[np.int64]) -> NDArray[np.uint32]:
    """What `draw` reads: uint32 [V, 3], the two words of each bin's threshold, and its alias."""
    own, alias = split_bins(weights)
    total = np.uint64(weights.sum())
    step = np.uint64(63 - int(total).bit_length())
    rest, threshold = own.astype(np.uint64), np.zeros(len(own), np.uint64)
    bits = 0
    while bits < 64:  # long division: own * 2^64 // total
        taken = min(step, np.uint64(64 - bits))
        rest <<= taken
        digit = rest // total
        threshold = (threshold << taken) + digit
        rest -= digit * total
        bits += int(taken)
    threshold[own == int(total)] = 2**64 - 1  # 2^64, where the alias is the item itself
    words = [threshold >> np.uint64(32), threshold & np.uint64(2**32 - 1), alias.astype(np.uint64)]
    return np.stack(words, axis=1).astype(np.uint32)


def draw(table: Tensor, words: Tensor) -> Tensor:
    """Items by random bits.

    Args:
        table: Of `alias_table`.
        words: uint32 [..., 2], the upper and the lower half of x.

    Returns:
        int32 [...], from 0 to V - 1.
    """
    number = jnp.uint32(table.shape[0])
    upper, lower = _product(words[..., 0], number), _product(words[..., 1], number)
    middle = upper[1] + lower[0]
    bins = upper[0] + (middle < lower[0])  # the carry
    rows = table[bins.astype(jnp.int32)]
    below = (middle < rows[..., 0]) | ((middle == rows[..., 0]) & (lower[1] < rows[..., 1]))
    return jnp.where(below, bins, rows[..., 2]).astype(jnp.int32)


def random_words(shape: tuple[int, ...], seed: Tensor) -> Tensor:
    """uint32 of the shape, every bit random: Threefry of a seed of two integers."""
    key = jax.random.wrap_key_data(jnp.asarray(seed).astype(jnp.uint32), impl="threefry2x32")
    return jax.random.bits(key, shape, "uint32")


def _product(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The upper and the lower word of x * y, which JAX has no 64 bits for."""
    half, low = jnp.uint32(16), jnp.uint32(0xFFFF)
    first = (x >> half) * (y & low) + (((x & low) * (y & low)) >> half)
    second = (x & low) * (y >> half) + (first & low)
    return (x >> half) * (y >> half) + (first >> half) + (second >> half), x * y
