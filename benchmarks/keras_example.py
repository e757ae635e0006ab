"""SASRec as the Keras example trains it: dense padded arrays, negatives drawn once."""

from __future__ import annotations

from typing import Any

import keras
import keras_hub
from keras import ops


class PaddedSASRec(keras.Model):
    """The example's layers and loss; `call` returns the hidden states."""

    def __init__(self, vocabulary_size: int, length: int, width: int, layers: int, dropout: float):
        super().__init__()
        self.item_embedding = keras_hub.layers.ReversibleEmbedding(
            vocabulary_size, width, embeddings_initializer="glorot_uniform"
        )
        self.position_embedding = keras_hub.layers.PositionEmbedding(length)
        self.embeddings_dropout = keras.layers.Dropout(dropout)
        self.transformer_layers = [
            keras_hub.layers.TransformerDecoder(
                width, 1, dropout, "relu", 1e-5, "glorot_uniform", normalize_first=True
            )
            for _ in range(layers)
        ]
        self.layer_norm = keras.layers.LayerNormalization(epsilon=1e-8)
        self.entropy = keras.losses.BinaryCrossentropy(from_logits=True, reduction=None)

    def build(self, input_shape: Any) -> None:
        hidden = (*input_shape["item_ids"], self.item_embedding.output_dim)
        self.item_embedding.build(hidden[:2])
        self.position_embedding.build(hidden)
        for layer in self.transformer_layers:
            layer.build(decoder_sequence_shape=hidden)
        self.layer_norm.build(hidden)

    def call(self, inputs: dict[str, Any], training: bool = False) -> Any:
        x = self.item_embedding(inputs["item_ids"])
        x = self.embeddings_dropout(x + self.position_embedding(x), training=training)
        for layer in self.transformer_layers:
            x = layer(x, decoder_padding_mask=inputs["padding_mask"], training=training)
        return self.layer_norm(x)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        names = ("positive_sequence", "negative_sequence")
        logits = ops.concatenate(
            [ops.sum(self.item_embedding(y[name]) * y_pred, axis=-1) for name in names], axis=1
        )
        labels = ops.concatenate([ops.ones_like(y[names[0]]), ops.zeros_like(y[names[1]])], axis=1)
        weight = ops.concatenate([sample_weight[name] for name in names], axis=1)
        losses = self.entropy(ops.expand_dims(labels, -1), ops.expand_dims(logits, -1))
        return ops.divide_no_nan(ops.sum(losses * weight), ops.sum(weight))
