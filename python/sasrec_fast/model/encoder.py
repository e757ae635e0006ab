"""From item indices to the hidden states of a SASRec, by its layers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import ops

from sasrec_fast.layers import (
    NUM_BUCKETS,
    BlockOptions,
    Dropout,
    LayerNorm,
    PositionEmbedding,
    RandomShift,
    asked_last,
    gap_buckets,
    has_shortcut,
    last_position,
    last_state,
    padding_behind,
    positions_from_end,
    real_first,
    states_back,
)
from sasrec_fast.model.inference import ItemScorer
from sasrec_fast.model.inputs import TIME_INPUTS, sequence_inputs, time_inputs

Tensor = Any
Inputs = Mapping[str, Any]


class SequenceEncoder(ItemScorer):
    """The layers of a Keras model with the options of `SASRec`, and what they compute."""

    block_options: BlockOptions
    num_layers: int
    num_members: int
    position_shift: int
    scale_embeddings: bool
    tie_embeddings: bool
    l2: float
    dtype_policy: Any
    compute_dtype: str

    def create_layers(self) -> None:
        """Make the layers of a model that has its options."""
        dtype = self.dtype_policy
        self.item_embedding = self._item_table("item_embedding")
        self.output_embedding = (
            None if self.tie_embeddings else self._item_table("output_embedding")
        )
        self._create_positions()
        self.gap_embedding = None
        if self.looks_at_times and self.block_options.query_time:
            self.gap_embedding = keras.layers.Embedding(
                NUM_BUCKETS,
                self.vector_dim,
                embeddings_initializer="zeros",
                dtype=dtype.variable_dtype,
                name="gap_embedding",
            )
        self.embeddings_add = keras.layers.Add(dtype=dtype, name="embeddings_add")
        self.embeddings_dropout = Dropout(
            self.block_options.dropout, dtype=dtype, name="embeddings_dropout"
        )
        self.transformer_layers = [
            self.block_options.create(f"transformer_layer_{i}", dtype)
            for i in range(self.num_members * self.num_layers)
        ]
        self.layer_norm = LayerNorm(self.num_members, epsilon=1e-8, dtype=dtype, name="layer_norm")

    def _create_positions(self) -> None:
        """Make the layers that say where an item stands, but for rotations."""
        self.position_embedding = self.random_shift = None
        if self.block_options.rotary:
            return
        length = self.max_sequence_length
        if self.position_shift:
            from_end = self.block_options.positions == "end"
            shift = RandomShift(self.position_shift, length, from_end, name="random_shift")
            self.random_shift, length = shift, shift.table_length
        self.position_embedding = PositionEmbedding(
            length, dtype=self.dtype_policy.variable_dtype, name="position_embedding"
        )

    def _item_table(self, name: str) -> Any:
        return keras.layers.Embedding(
            input_dim=self.vocabulary_size,
            output_dim=self.vector_dim,
            embeddings_initializer="glorot_uniform",
            # The loss is the mean of the members', so each has its share of the penalty.
            embeddings_regularizer=keras.regularizers.L2(self.l2 / self.num_members)
            if self.l2
            else None,
            # Rows are gathered as they are kept, so that their gradients add up in that dtype.
            dtype=self.dtype_policy.variable_dtype,
            name=name,
        )

    @property
    def looks_at_times(self) -> bool:
        """As of `ItemScorer`: with `time`."""
        return self.block_options.time is not None

    @property
    def scoring_table(self) -> Any:
        """The variable [vocabulary_size, vector_dim] whose rows score the items."""
        return (self.output_embedding or self.item_embedding).embeddings

    def build_layers(self) -> None:
        """Create their weights."""
        length = self.max_sequence_length
        hidden, vector = (None, length, self.hidden_dim), (None, length, self.vector_dim)
        for table in filter(None, (self.item_embedding, self.output_embedding)):
            table.build(vector[:2])
        if self.position_embedding is not None:
            self.position_embedding.build(vector)
        if self.gap_embedding is not None:
            self.gap_embedding.build(vector[:2])
        self.embeddings_add.build((vector, vector))
        for layer in (self.embeddings_dropout, self.layer_norm):
            layer.build(vector)
        for layer in self.transformer_layers:
            layer.build(hidden)

    def encode(self, inputs: Inputs, training: bool = False) -> Tensor:
        """Hidden states [n, T, vector_dim]: position t has seen the items up to t alone.

        Of `asked_last` those of the last items of rows, [n, 1, vector_dim].

        Raises:
            ValueError, TypeError: Inputs that `sequence_inputs` refuses.
        """
        sizes = self.max_sequence_length, self.vocabulary_size
        item_ids, padding_mask = sequence_inputs(inputs, *sizes)
        length = item_ids.shape[1]
        if length == 1 and self.block_options.block == "keras_hub":
            wider = ((0, 0), (0, 1))  # Keras warns of a softmax over one score
            item_ids, padding_mask = ops.pad(item_ids, wider), ops.pad(padding_mask, wider)
        times = time_inputs(inputs) if self.looks_at_times else None
        x, columns, context = self._entered(item_ids, padding_mask, times, training)
        if asked_last.holds():
            if columns is not None:
                padding_mask = ops.take_along_axis(padding_mask, columns, axis=1)
            return self._last_states(x, padding_mask, context, training)

        def all_states(x: Tensor, blocks: Sequence[Any]) -> Tensor:
            for block in blocks:
                x = block(x, training=training, **context)
            return x[:, :length]

        x = self.layer_norm(self._by_members(x, all_states))
        return x if columns is None else states_back(x, columns)

    def _encode_last(self, inputs: Inputs) -> Tensor:
        if type(self).encode is not SequenceEncoder.encode or not self._has_shortcut:
            return super()._encode_last(inputs)
        with asked_last.within():
            return ops.cast(self.encode(inputs)[:, 0], "float32")

    def _last_states(
        self, x: Tensor, padding_mask: Tensor, context: dict[str, Any], training: bool
    ) -> Tensor:
        """The states [n, 1, vector_dim] after the last real items of what enters the blocks."""

        def last_states(x: Tensor, blocks: Sequence[Any]) -> Tensor:
            others = len(blocks) - int(self._has_shortcut)
            for block in blocks[:others]:
                x = block(x, training=training, **context)
            if self._has_shortcut:
                return last_state(blocks[-1], x, padding_mask, context, training)
            return last_position(x, padding_mask)[:, None]

        return self.layer_norm(self._by_members(x, last_states))

    def _by_members(self, x: Tensor, states: Callable[[Tensor, Sequence[Any]], Tensor]) -> Tensor:
        """What `states` gives of each member's part of the last axis and its blocks, likewise."""
        blocks, number = self.transformer_layers, self.num_layers
        if self.num_members == 1:  # nothing to split, in exported graphs neither
            return states(x, blocks)
        parts = [
            states(part, blocks[number * member : number * (member + 1)])
            for member, part in enumerate(ops.split(x, self.num_members, axis=-1))
        ]
        return ops.concatenate(parts, axis=-1)

    @property
    def _has_shortcut(self) -> bool:
        return bool(self.transformer_layers) and has_shortcut(self.transformer_layers[-1])

    def _entered(
        self, item_ids: Tensor, padding_mask: Tensor, times: Inputs | None, training: bool
    ) -> tuple[Tensor, Tensor | None, dict[str, Any]]:
        """What enters the blocks, [n, T, vector_dim], of which columns, and what they are told.

        The columns, int [n, T], bring the real items of each row to its front; None: all in order.
        """
        masked = self.block_options.masked
        columns = None if masked or padding_behind.holds() else real_first(padding_mask)
        turn = self.embeddings_dropout.next_turn() if training else None
        if columns is not None:
            item_ids = ops.take_along_axis(item_ids, columns, axis=1)
        x = ops.cast(self.item_embedding(item_ids), self.compute_dtype)
        if self.scale_embeddings:
            x = x * self.hidden_dim**0.5
        if self.position_embedding is not None:
            positions = self._shifted(padding_mask, columns, training)
            x = self.embeddings_add((x, self.position_embedding(x, positions=positions)))
        context: dict[str, Any] = {"decoder_padding_mask": padding_mask if masked else None}
        if times is not None:
            x, context["gaps"] = self._with_gaps(x, times, columns)
        x = self.embeddings_dropout(x, turn=turn, training=training)
        if self.block_options.block != "keras_hub":
            context |= {"positions": columns, "turn": turn}
        return x, columns, context

    def _with_gaps(self, x: Tensor, times: Inputs, columns: Tensor | None) -> tuple[Tensor, Tensor]:
        """The states with the gap after each item, and all gaps, uint8 [n, T, T]."""
        own, asked = (ops.cast(times[name], "int32") for name in TIME_INPUTS)
        if columns is not None:
            own, asked = (ops.take_along_axis(each, columns, axis=1) for each in (own, asked))
        if self.gap_embedding is None:
            asked = own
        else:
            after = self.gap_embedding(ops.cast(gap_buckets(asked, own), "int32"))
            x = x + ops.cast(after, x.dtype)
        return x, gap_buckets(asked[:, :, None], own[:, None, :])

    def _shifted(self, padding_mask: Tensor, columns: Tensor | None, training: bool) -> Any:
        """Which embeddings positions have, int [n, T]; None: 0..T - 1 in each row."""
        positions = columns
        if self.block_options.positions == "end":
            positions = positions_from_end(padding_mask, columns)
        if self.random_shift is None or not training:
            return positions
        if positions is None:
            positions = ops.arange(0, padding_mask.shape[1], dtype="int32")[None]
        return self.random_shift(positions, padding_mask)
