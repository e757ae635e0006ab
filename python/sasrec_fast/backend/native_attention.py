"""Causal attention by this package's own kernel, called by XLA, where JAX runs on a CPU.

Scores and the bits of dropout stay in the cache of a core: nothing of length x length is ever
stored. Programs that contain it run only in a process that has imported this package.
"""

import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from sasrec_fast import _core
from sasrec_fast.backend.known import Known

Tensor = Any

_FORWARD, _BACKWARD = "sasrec_fast_attention_forward", "sasrec_fast_attention_backward"

run_here = Known("run_here")
"""In a block whose programs are for this process alone, and so may contain the kernel: not in a
model that is called, which may be exported."""


@functools.cache
def is_fast() -> bool:
    """Whether this processor has the vectors for which it is faster than XLA's own programs."""
    handlers = _core.attention_handlers()
    if handlers is None:
        return False
    for name, handler in zip((_FORWARD, _BACKWARD), handlers, strict=True):
        jax.ffi.register_ffi_target(name, handler, platform="cpu")
    return True


def causal_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    padding_mask: Tensor | None = None,
    dropout: tuple[Sequence[Tensor], float] | None = None,
) -> Tensor:
    """What each position sees of its past; to be called only where `is_fast()`.

    Args:
        query: float32 [n, T, heads, d].
        key: As `query`.
        value: As `query`.
        padding_mask: bool [n, T], True = real item, the only ones that are seen. None: all.
        dropout: A seed and the probability of keeping a share: shares [n, heads, T, T] are
            dropped where `layers.dropout.keep_mask` of the two is False. None: none is.

    Returns:
        As `query`.
    """
    if padding_mask is None:
        padding_mask = jnp.zeros((query.shape[0], 0), bool)
    seed, keep = dropout or ((0, 0), 1.0)
    words = [jnp.asarray(part).astype(jnp.uint32) for part in (seed[0], seed[1])]
    limit = jnp.uint32(round(keep * (1 << 32)) - 1)  # as in `keep_mask`
    return _attention(query, key, value, padding_mask.astype(bool), jnp.stack([*words, limit]))


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _attention(*inputs: Tensor) -> Tensor:
    return _seen_and_kept(*inputs)[0]


def _seen_and_kept(*inputs: Tensor) -> tuple[Tensor, Tensor]:
    like = jax.ShapeDtypeStruct(inputs[0].shape, jnp.float32)
    rows, length, heads, _ = like.shape
    norms = jax.ShapeDtypeStruct((rows, heads, 2, length), jnp.float32)
    seen, kept = jax.ffi.ffi_call(_FORWARD, (like, norms))(*inputs)
    return seen, kept


def _forward(*inputs: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    seen, kept = _seen_and_kept(*inputs)
    return seen, (*inputs, seen, kept)


def _backward(kept: tuple[Tensor, ...], slope: Tensor) -> tuple[Tensor | None, ...]:
    like = jax.ShapeDtypeStruct(slope.shape, jnp.float32)
    query, key, value = jax.ffi.ffi_call(_BACKWARD, (like, like, like))(*kept, slope)
    return query, key, value, None, None


_attention.defvjp(_forward, _backward)
