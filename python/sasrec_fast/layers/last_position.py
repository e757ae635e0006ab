"""The state after a model's last block of each row's last item alone: none other is asked for.

Attention of one query needs neither keys nor values of the other positions. With normalised
states x, scores are (W_q q) (W_k x) = (W_k' W_q q) x, up to a term that is the same for all
positions, and what is seen is W_v of the mean of x. So nearly all of the block is left out.
"""

from typing import Any

from keras import ops

from sasrec_fast.layers.blocks import CausalBlock, LiGRBlock, TransformerBlock

Tensor = Any


def has_shortcut(block: Any) -> bool:
    """Whether `last_state` knows the block."""
    return type(block) in (TransformerBlock, LiGRBlock) and not block.rotary


def last_state(
    block: CausalBlock, x: Tensor, padding_mask: Tensor, gaps: Tensor | None = None
) -> Tensor:
    """What the block gives for each row's last real item, up to rounding.

    Args:
        block: One that `has_shortcut`.
        x: [n, T, d].
        padding_mask: bool [n, T], True = real item, wherever the padding is.
        gaps: As of `CausalAttention.call`.

    Returns:
        [n, 1, d]; of position 0 where a row has no real item.
    """
    own = last_position(x, padding_mask)[:, None]
    before, states = own, x
    if block.pre_norm:
        before, states = block.attention_norm(own), block.attention_norm(x)
    bias: Tensor = 0.0
    if gaps is not None:
        asked = last_position(gaps, padding_mask)[:, None]
        bias = ops.cast(block.attention.bias(asked)[:, :, 0], "float32")
    attended = _view(block.attention, before, states, padding_mask, bias)
    if isinstance(block, LiGRBlock):
        own = own + block.attention_gate(own) * attended
        normal = block.feed_forward_norm(own)
        fed = block.down(block.up_gate(normal) * block.up(normal))
        return own + block.feed_forward_gate(own) * fed
    own = own + attended
    own = own if block.pre_norm else block.attention_norm(own)
    before = block.feed_forward_norm(own) if block.pre_norm else own
    own = own + block.down(block.up(before))
    return own if block.pre_norm else block.feed_forward_norm(own)


def last_position(hidden: Tensor, padding_mask: Tensor) -> Tensor:
    """Hidden state of each row's last real position.

    Args:
        hidden: float [n, T, d].
        padding_mask: bool [n, T], True = real item, wherever the padding is.

    Returns:
        float [n, d]; of position 0 where a row has no real item.
    """
    positions = ops.arange(hidden.shape[1], dtype="int32")
    last = ops.max(ops.where(padding_mask, positions, 0), axis=1)
    return ops.squeeze(ops.take_along_axis(hidden, last[:, None, None], axis=1), axis=1)


def _view(
    attention: Any, before: Tensor, states: Tensor, padding_mask: Tensor, bias: Tensor
) -> Tensor:
    """What a query [n, 1, d] sees of states [n, T, d], summed up in float32."""
    query = ops.cast(attention.query_dense(before)[:, 0], "float32")
    states = ops.cast(states, "float32")
    kernels = (attention.key_dense.kernel, attention.value_dense.kernel)
    key, value = (ops.cast(kernel, "float32") for kernel in kernels)
    asked = ops.einsum("nhw,dhw->nhd", query, key) * query.shape[-1] ** -0.5
    scores = ops.einsum("nhd,ntd->nht", asked, states) + bias
    shares = ops.softmax(ops.where(padding_mask[:, None], scores, -1e9), axis=-1)
    mean = ops.einsum("nht,ntd->nhd", shares, states)
    seen = ops.einsum("nhd,dhw->nhw", mean, value)
    seen = seen + ops.cast(attention.value_dense.bias, "float32")
    return attention.output_dense(ops.cast(seen, before.dtype)[:, None])
