"""A sum over chunks of positions whose gradient is computed together with it (JAX alone).

Reverse-mode differentiation would keep the scores of every chunk, or compute them twice. Here each
chunk's gradient is taken while its scores are there, and the backward pass only scales the result.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax
from jax.sharding import PartitionSpec

Tensor = Any
Tree = Any
Chunk = Callable[..., tuple[Tensor, Tree, Tree]]


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def same_pass_sum(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: tuple[Tensor, Tree, Tree]
) -> Tensor:
    """Sum over all positions, those that count in chunks, the others left out.

    Args:
        chunk: Maps (shared, gradient of shared so far, states, per-position constants, other
            constants) of a chunk to its sum, the gradient of `shared` with the chunk's added,
            and the gradient of its states. A position whose constants are 0 adds nothing.
        size: Positions of a chunk.
        shared: What every position uses; differentiable.
        states: Tree of arrays [N, ...]; differentiable.
        constants: bool [N], the positions that count; a tree of arrays [N, ...]; a tree of
            arrays that every position uses. Their gradient is 0.

    Returns:
        The sum, float32.
    """
    return _run(chunk, size, shared, states, constants)[0]


def _run(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: tuple[Tensor, Tree, Tree]
) -> tuple[Tensor, Tensor, Tree]:
    """Value and gradients; under data parallelism each device runs over its own positions."""
    mesh = _data_parallel_mesh()
    if mesh is None or constants[0].shape[0] % mesh.size:
        return _run_here(chunk, size, shared, states, constants)
    axis = mesh.axis_names[0]

    def run_part(
        shared: Tensor, states: Tree, constants: tuple[Tensor, Tree, Tree]
    ) -> tuple[Tensor, Tensor, Tree]:
        total, gradient, own = _run_here(chunk, size, shared, states, constants)
        return lax.psum(total, axis), lax.psum(gradient, axis), own

    whole, split = PartitionSpec(), PartitionSpec(axis)
    parallel: Callable[..., tuple[Tensor, Tensor, Tree]] = jax.shard_map(
        run_part,
        mesh=mesh,
        in_specs=(whole, split, (split, split, whole)),
        out_specs=(whole, whole, split),
        check_vma=False,
    )
    return parallel(shared, states, constants)


def _data_parallel_mesh() -> Any:
    """The one-dimensional mesh of Keras' data parallelism, or None."""
    distribution = keras.distribution.distribution()
    if not isinstance(distribution, keras.distribution.DataParallel):
        return None
    mesh = distribution.device_mesh.backend_mesh
    return mesh if mesh.size > 1 and len(mesh.axis_names) == 1 else None


def _run_here(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: tuple[Tensor, Tree, Tree]
) -> tuple[Tensor, Tensor, Tree]:
    real, each, others = constants
    size = min(size, real.shape[0])
    order, rank, count = _real_first(real, size)
    gather = partial(jax.tree.map, lambda x: x.at[order].get(mode="fill", fill_value=0))
    sorted_states, sorted_each = gather(states), gather(each)

    def body(i: Tensor, carry: tuple[Tensor, Tensor, Tree]) -> tuple[Tensor, Tensor, Tree]:
        total, gradient, state_gradients = carry
        part = partial(jax.tree.map, lambda x: lax.dynamic_slice_in_dim(x, i * size, size))
        value, gradient, own = chunk(
            shared, gradient, part(sorted_states), part(sorted_each), others
        )
        state_gradients = jax.tree.map(
            lambda x, g: lax.dynamic_update_slice_in_dim(x, g.astype(x.dtype), i * size, 0),
            state_gradients,
            own,
        )
        return total + value, gradient, state_gradients

    start = (jnp.float32(0), jnp.zeros_like(shared), jax.tree.map(jnp.zeros_like, sorted_states))
    total, gradient, state_gradients = lax.fori_loop(0, -(-count // size), body, start)
    return total, gradient, jax.tree.map(lambda x: x[rank], state_gradients)


def _real_first(real: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Order that puts the positions that count first, filled up to whole chunks.

    Returns:
        Position at each place, [N rounded up], N where there is none; place of each position,
        [N]; how many count.
    """
    number = real.shape[0]
    count = jnp.sum(real, dtype=jnp.int32)
    place = jnp.cumsum(real, dtype=jnp.int32) - 1
    rest = jnp.arange(number, dtype=jnp.int32) - place - 1 + count
    rank = jnp.where(real, place, rest)
    order = jnp.full(-(-number // size) * size, number, jnp.int32)
    order = order.at[rank].set(jnp.arange(number, dtype=jnp.int32), unique_indices=True)
    return order, rank, count


def _forward(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: tuple[Tensor, Tree, Tree]
) -> tuple[Tensor, tuple[Tensor, Tree]]:
    total, gradient, state_gradients = _run(chunk, size, shared, states, constants)
    return total, (gradient, state_gradients)


def _backward(
    chunk: Chunk, size: int, gradients: tuple[Tensor, Tree], upstream: Tensor
) -> tuple[Tensor, Tree, None]:
    shared, states = jax.tree.map(lambda x: (x * upstream).astype(x.dtype), gradients)
    return shared, states, None


same_pass_sum.defvjp(_forward, _backward)
