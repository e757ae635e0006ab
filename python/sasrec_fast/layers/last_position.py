"""The state after a model's last block of each row's last item alone: none other is asked for.

Attention of one query needs neither keys nor values of the other positions. With normalised
states x, scores are (W_q q) (W_k x) = (W_k' W_q q) x, up to a term that is the same for all
positions, and what is seen is W_v of the mean of x. So nearly all of the block is left out. Where
queries and keys are rotated, the keys of all positions are computed.
"""

from typing import Any

from keras import ops

from sasrec_fast.backend import Known
from sasrec_fast.layers.blocks import CausalBlock, LiGRBlock, TransformerBlock
from sasrec_fast.layers.positions import rotated

Tensor = Any


asked_last = Known("asked_last")
"""In a block in which states are wanted of the last items of rows alone, [n, 1, d]."""


def has_shortcut(block: Any) -> bool:
    """Whether `last_state` knows the block."""
    return type(block) in (TransformerBlock, LiGRBlock)


def last_state(
    block: CausalBlock,
    x: Tensor,
    padding_mask: Tensor,
    context: dict[str, Any] | None = None,
    training: bool = False,
) -> Tensor:
    """What the block gives for each row's last real item, up to rounding and the bits of dropout.

    Args:
        block: One that `has_shortcut`.
        x: [n, T, d].
        padding_mask: bool [n, T], True = real item, wherever the padding is.
        context: What the block is told besides: "gaps", "turn", "positions".
        training: Whether dropout is on.

    Returns:
        [n, 1, d]; of position 0 where a row has no real item.
    """
    told = context or {}
    now = {"turn": told.get("turn"), "training": training}
    own = last_position(x, padding_mask)[:, None]
    before, states = own, x
    if block.pre_norm:
        before, states = block.attention_norm(own), block.attention_norm(x)
    bias: Tensor = 0.0
    if (gaps := told.get("gaps")) is not None:
        asked = last_position(gaps, padding_mask)[:, None]
        bias = ops.cast(block.attention.bias(asked)[:, :, 0], "float32")
    scores = _scores(block.attention, (before, states), padding_mask, told.get("positions"))
    attended = _view(block.attention, (before, states), padding_mask, scores + bias, now)
    if isinstance(block, LiGRBlock):
        own = own + block.attention_dropout(block.attention_gate(own) * attended, **now)
        normal = block.feed_forward_norm(own)
        fed = block.down(block.up_gate(normal) * block.up(normal))
        return own + block.feed_forward_dropout(block.feed_forward_gate(own) * fed, **now)
    own = own + block.attention_dropout(attended, **now)
    own = own if block.pre_norm else block.attention_norm(own)
    before = block.feed_forward_norm(own) if block.pre_norm else own
    own = own + block.feed_forward_dropout(block.down(block.up(before)), **now)
    return own if block.pre_norm else block.feed_forward_norm(own)


def last_position(hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """Hidden state of each row's last real position.

    Args:
        hidden: float [n, T, d].
        padding_mask: bool [n, T], True = real item, wherever the padding is.

    Returns:
        float [n, d]; of position 0 where a row has no real item.
    """
    positions = ops.arange(0, hidden.shape[1], dtype="int32")
    last = ops.max(ops.where(padding_mask, positions, 0), axis=1)
    return ops.squeeze(ops.take_along_axis(hidden, last[:, None, None], axis=1), axis=1)


def _scores(
    attention: Any, states: tuple[Tensor, Tensor], padding_mask: Tensor, positions: Tensor | None
) -> Tensor:
    """What a query [n, 1, d] says of states [n, T, d], float32 [n, heads, T]."""
    before, seen = states
    query = attention.query_dense(before)
    scale = query.shape[-1] ** -0.5
    if not attention.rotary:
        asked, key = ops.cast(query[:, 0], "float32"), attention.key_dense.kernel
        asked = ops.einsum("nhw,dhw->nhd", asked, ops.cast(key, "float32")) * scale
        return ops.einsum("nhd,ntd->nht", asked, ops.cast(seen, "float32"))
    if positions is None:
        counted = ops.arange(0, seen.shape[1], dtype="int32")
        positions = ops.where(padding_mask, counted, counted)
    own = last_position(positions[:, :, None], padding_mask)
    asked = ops.cast(rotated(query, own)[:, 0], "float32") * scale
    keys = ops.cast(rotated(attention.key_dense(seen), positions), "float32")
    return ops.einsum("nhw,nthw->nht", asked, keys)


def _view(
    attention: Any,
    states: tuple[Tensor, Tensor],
    padding_mask: Tensor,
    scores: Tensor,
    now: dict[str, Any],
) -> Tensor:
    """What a query [n, 1, d] sees of states [n, T, d], summed up in float32."""
    before, seen = states[0], ops.cast(states[1], "float32")
    value = ops.cast(attention.value_dense.kernel, "float32")
    shares = ops.softmax(ops.where(padding_mask[:, None], scores, -1e9), axis=-1)
    shift = ops.cast(attention.value_dense.bias, "float32")
    if now["training"] and attention.rate:
        shares = ops.cast(attention.drop(shares, **now), "float32")
        shift = ops.sum(shares, axis=-1, keepdims=True) * shift
    mean = ops.einsum("nht,ntd->nhd", shares, seen)
    view = ops.einsum("nhd,dhw->nhw", mean, value) + shift
    return attention.output_dense(ops.cast(view, before.dtype)[:, None])
