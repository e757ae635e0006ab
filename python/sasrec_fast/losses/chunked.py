"""Sums over the positions of a batch, in chunks, with the gradient in the same pass (JAX alone).

`gathered_sum` is for losses against negatives of each position's own, `log_normalizer_sum` for
items that all positions share. Reverse-mode differentiation would keep the scores of every chunk,
or compute them twice. Here each chunk's gradient is taken while its scores are there, and the
backward pass only scales the result.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax
from jax.sharding import PartitionSpec

from sasrec_fast.backend import on_cpu, on_jax
from sasrec_fast.losses.base import Positions

Tensor = Any
Tree = Any
OfLogits = Callable[[Tensor, Tensor, Mapping[str, Tensor]], Tensor]
Chunk = Callable[..., tuple[Tensor, Tree, Tree]]
LeaveOut = Callable[..., Tensor]
Constants = tuple[Tensor, Tree, Tree]
Result = tuple[Tensor, tuple[Tensor, Tree]]

# On a CPU the scores of a chunk should stay in its cache; elsewhere few large chunks keep the
# device busy: those of 128 rows of 200 columns over 3,900 items are one. A matrix product of very
# few rows wastes either.
_CPU_BYTES, _CPU_POSITIONS = 4 << 20, 64
_OTHER_BYTES, _OTHER_POSITIONS = 384 << 20, 1024
_TILE = 64


def gathered_sum(
    of_logits: OfLogits, positions: Positions, constants: dict[str, Tensor], max_bytes: int | None
) -> Tensor:
    """Sum over the positions of a loss of their target's and negatives' scores.

    The embeddings of all negatives, [N, K, d], are gathered at once where that takes no more
    than `max_bytes`, and on other backends than JAX; otherwise in chunks.

    Args:
        of_logits: The sum from scores of targets [n] and of negatives [n, K] and the constants
            of n positions; 0 where these are 0.
        positions: The batch, with negatives.
        constants: Arrays [N, ...].
        max_bytes: Most bytes of gathered embeddings; None chooses for the device.

    Returns:
        A float32 scalar.
    """
    number, count = positions.negatives.shape  # type: ignore[union-attr]
    size = chunk_size(4 * (count + 1) * int(positions.table.shape[-1]), max_bytes)
    if not on_jax() or size >= number:
        return of_logits(*positions.logits(), constants)
    targets = positions.targets[:, None]
    items = jnp.concatenate([targets, positions.negatives.astype(targets.dtype)], axis=-1)  # type: ignore[union-attr]
    real = (positions.weight != 0) | (positions.negative_weight != 0)
    chunk = partial(_own_items, of_logits)
    each = {"items": items, **constants}
    return same_pass_sum(chunk, size, positions.table, positions.hidden, (real, each, ()))


def _own_items(
    of_logits: OfLogits, table: Tensor, gradient: Tensor, hidden: Tensor, each: Any, _: Any
) -> tuple[Tensor, Tensor, Tensor]:
    """One chunk of `gathered_sum`, in full float32 on a GPU too, as for a batch at once."""
    product = partial(jnp.einsum, precision=lax.Precision.HIGHEST)
    items = each["items"]
    rows = table[items].astype(hidden.dtype).astype(jnp.float32)
    hidden = hidden.astype(jnp.float32)
    logits = product("nd,nkd->nk", hidden, rows)
    total, slopes = jax.value_and_grad(lambda x: of_logits(x[:, 0], x[:, 1:], each))(logits)
    gradient = gradient.at[items].add(slopes[..., None] * hidden[:, None])
    return total, gradient, product("nk,nkd->nd", slopes, rows)


def log_normalizer_sum(
    positions: Positions,
    rows: Tensor,
    max_bytes: int | None,
    own: Tensor | None = None,
    sampled: tuple[Tensor, ...] = (),
) -> Tensor:
    """Sum over the positions of weight times log sum_j exp(score of row j).

    Args:
        positions: The batch.
        rows: float32 [M, d], rows of the scoring table.
        max_bytes: Most bytes of the scores in work; None chooses for the device.
        own: float32 [N], one more score of each position.
        sampled: Where the rows are those of sampled items: the items, int [M], left out where
            they are the target, and what is subtracted from their scores, float32 [M]. Otherwise
            the rows are the whole table, and the first, of padding, is left out.

    Returns:
        A float32 scalar.
    """
    own = jnp.full(positions.weight.shape, -jnp.inf) if own is None else own
    each = {"weight": positions.weight, "targets": positions.targets}
    leave_out = _leave_out_targets
    if not sampled:
        # A GPU's units for products want rows of scores that begin at multiples of some bytes.
        extra = 0 if on_cpu() else -int(rows.shape[0]) % _TILE
        rows = jnp.pad(rows, ((extra, 0), (0, 0)))
        leave_out = partial(_leave_out_first, extra + 1)
    size = chunk_size(4 * int(rows.shape[0]), max_bytes)
    chunk = partial(_shared_items, leave_out)
    constants = (positions.weight != 0, each, sampled)
    return same_pass_sum(chunk, size, rows, (positions.hidden, own), constants)


def _leave_out_first(number: int, scores: Tensor, *_: Any) -> Tensor:
    """Scores without those of the first rows: written in place, and so next to nothing."""
    none = jnp.full((scores.shape[0], number), -jnp.inf, scores.dtype)
    return lax.dynamic_update_slice(scores, none, (0, 0))


def _leave_out_targets(scores: Tensor, targets: Tensor, items: Tensor, shift: Tensor) -> Tensor:
    """Scores of sampled items, without those that are the target, corrected."""
    return jnp.where(targets[:, None] == items, -jnp.inf, scores - shift)


def _shared_items(
    leave_out: LeaveOut, rows: Tensor, gradient: Tensor, states: Any, each: Any, sampled: Any
) -> tuple[Tensor, Tensor, Any]:
    """One chunk of `log_normalizer_sum`: d/ds_j log sum exp(s) = exp(s_j) / sum exp(s).

    The quotient is applied to the states instead of to each score, which saves a pass over the
    scores.
    """
    hidden, own = states[0], states[1][:, None]
    product = partial(jnp.matmul, preferred_element_type=jnp.float32)
    rows = rows.astype(hidden.dtype)
    scores = leave_out(product(hidden, rows.T), each["targets"], *sampled)
    highest = jnp.maximum(scores.max(axis=-1, keepdims=True), own)
    powers, own = jnp.exp(scores - highest), jnp.exp(own - highest)
    denominator = powers.sum(axis=-1, keepdims=True) + own
    weight = each["weight"][:, None]
    share = weight / denominator
    total = jnp.sum(weight * (jnp.log(denominator) + highest))
    powers = powers.astype(hidden.dtype)
    scaled = (hidden.astype(jnp.float32) * share).astype(hidden.dtype)
    gradient = gradient + product(powers.T, scaled)
    return total, gradient, (product(powers, rows) * share, (own * share)[:, 0])


def chunk_size(bytes_each: int, max_bytes: int | None) -> int:
    """Positions of a chunk.

    Args:
        bytes_each: Bytes that one position takes.
        max_bytes: Most bytes of a chunk (a single position may take more); None chooses for
            the device.
    """
    if max_bytes is not None:
        size = max(1, max_bytes // bytes_each)
    elif on_cpu():
        size = max(_CPU_POSITIONS, _CPU_BYTES // bytes_each)
    else:
        size = max(_OTHER_POSITIONS, _OTHER_BYTES // bytes_each)
    return size - size % _TILE if size > _TILE else size


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def same_pass_sum(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: Constants
) -> Tensor:
    """Sum over all positions in chunks, on a CPU over those alone that count.

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


def _run(chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: Constants) -> Result:
    """The sum and its gradients; under data parallelism each device runs over its own positions."""
    mesh = _data_parallel_mesh()
    if mesh is None or constants[0].shape[0] % mesh.size:
        return _run_here(chunk, size, shared, states, constants)
    axis = mesh.axis_names[0]

    def run_part(shared: Tensor, states: Tree, constants: Constants) -> Result:
        total, (gradient, own) = _run_here(chunk, size, shared, states, constants)
        return lax.psum(total, axis), (lax.psum(gradient, axis), own)

    whole, split = PartitionSpec(), PartitionSpec(axis)
    parallel: Callable[..., Result] = jax.shard_map(
        run_part,
        mesh=mesh,
        in_specs=(whole, split, (split, split, whole)),
        out_specs=(whole, (whole, split)),
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
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: Constants
) -> Result:
    real, each, others = constants
    if size >= real.shape[0]:
        total, gradient, own = chunk(shared, jnp.zeros_like(shared), states, each, others)
        return total, (gradient, jax.tree.map(lambda x, g: g.astype(x.dtype), states, own))
    return (_run_counting if on_cpu() else _run_all)(chunk, size, shared, states, constants)


def _run_all(chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: Constants) -> Result:
    """Every position, in as many chunks of equal size as it takes.

    A number that depended on the positions would make the host wait for a GPU to tell it.
    """
    real, each, others = constants
    number = real.shape[0]
    chunks = -(-number // size)
    size = -(-number // chunks)
    size += -size % _TILE if size > _TILE else 0

    def body(carry: tuple[Tensor, Tensor], here: tuple[Tree, Tree]) -> tuple[Any, Tree]:
        total, gradient = carry
        value, gradient, own = chunk(shared, gradient, *here, others)
        own = jax.tree.map(lambda x, g: g.astype(x.dtype), states, own)
        return (total + value, gradient), own

    def cut(x: Tensor) -> Tensor:
        x = jnp.pad(x, [(0, chunks * size - number)] + [(0, 0)] * (x.ndim - 1))
        return x.reshape(chunks, size, *x.shape[1:])

    start = (jnp.float32(0), jnp.zeros_like(shared))
    (total, gradient), own = lax.scan(body, start, jax.tree.map(cut, (states, each)))
    return total, (gradient, jax.tree.map(lambda g: g.reshape(-1, *g.shape[2:])[:number], own))


def _run_counting(
    chunk: Chunk, size: int, shared: Tensor, states: Tree, constants: Constants
) -> Result:
    """The positions that count alone, which saves the work for the others."""
    real, each, others = constants
    number = real.shape[0]
    rows = -(-number // size) * size
    places = jnp.nonzero(real, size=rows, fill_value=number)[0]
    rank = jnp.where(real, jnp.cumsum(real, dtype=jnp.int32) - 1, rows)

    def body(i: Tensor, carry: tuple[Tensor, Tensor, Tree]) -> tuple[Tensor, Tensor, Tree]:
        total, gradient, gradients = carry
        here = lax.dynamic_slice_in_dim(places, i * size, size)
        value, gradient, own = chunk(shared, gradient, *_taken((states, each), here), others)
        gradients = jax.tree.map(
            lambda x, g: lax.dynamic_update_slice_in_dim(x, g.astype(x.dtype), i * size, 0),
            gradients,
            own,
        )
        return total + value, gradient, gradients

    empty = jax.tree.map(lambda x: jnp.zeros((rows, *x.shape[1:]), x.dtype), states)
    chunks = -(-jnp.sum(real, dtype=jnp.int32) // size)
    start = (jnp.float32(0), jnp.zeros_like(shared), empty)
    total, gradient, gradients = lax.fori_loop(0, chunks, body, start)
    return total, (gradient, _taken(gradients, rank))


def _taken(tree: Tree, places: Tensor) -> Tree:
    """Rows of each array; zeros for a place beyond its end."""
    return jax.tree.map(lambda x: x.at[places].get(mode="fill", fill_value=0), tree)


def _backward(
    chunk: Chunk, size: int, gradients: tuple[Tensor, Tree], upstream: Tensor
) -> tuple[Tensor, Tree, None]:
    shared, states = jax.tree.map(lambda x: (x * upstream).astype(x.dtype), gradients)
    return shared, states, None


same_pass_sum.defvjp(_run, _backward)
