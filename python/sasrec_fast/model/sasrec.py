"""SASRec, self-attentive sequential recommendation (Kang & McAuley 2018), as a Keras model."""

from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike, NDArray

from sasrec_fast import checks
from sasrec_fast.backend import Uninterrupted
from sasrec_fast.later import later
from sasrec_fast.layers import (
    BlockOptions,
    CandidateRetrieval,
    last_position,
)
from sasrec_fast.model.encoder import SequenceEncoder
from sasrec_fast.model.files import ModelFiles
from sasrec_fast.model.inputs import checked_counts, checked_items
from sasrec_fast.model.training import NextItemModel
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import TimedSequences, Vocabulary, model_candidates, pack_mask

Tensor = Any
Inputs = Mapping[str, Any]


@keras.saving.register_keras_serializable(package="sasrec_fast")
class SASRec(SequenceEncoder, ModelFiles, NextItemModel):
    """Predicts a user's next item from the items before it with a causal Transformer.

    Item embeddings times sqrt(hidden_dim) and position embeddings, Transformer decoder blocks, a
    final layer normalisation; the score of an item is the dot product of its embedding with the
    last position's state. Defaults are the paper's, but for the width: 64 is as good as its 50, and
    one that fused kernels of GPUs take. Layers have the attribute names of the Keras example for
    sequential retrieval. `SASRec.for_data(data)` takes sizes, items and counts from prepared data.

    `model(x)` takes {"item_ids": int [n, T], "padding_mask": bool [n, T], True = real item}
    with T <= max_sequence_length and returns "item_sequence_embedding", [n, T, vector_dim], and
    outside training "predictions", int32 [n, k]: the indices of the k best candidates after the
    last real item, best first. A row without any real item is allowed; its outputs are finite
    and mean nothing. An item index outside the vocabulary is refused, but not within a function
    compiled by JAX: there the predictions of its row are all 0.

    Args:
        vocabulary_size: Number of items + 1 (index 0 is padding).
        num_layers: Transformer blocks, of each member.
        num_heads: Attention heads; divides hidden_dim.
        hidden_dim: Width of embeddings and blocks, of each member.
        dropout: Rate in [0, 1), on embeddings and on what blocks add, in training only.
        max_sequence_length: Longest input.
        block: "transformer" (the paper's); "ligr": residuals with learned gates and a SwiGLU
            feed-forward layer, as in eSASRec; or "keras_hub", the `TransformerDecoder` of the
            Keras example: as "transformer", slower, and not with positions="rotary".
        feed_forward_dim: Width of the feed-forward layers; None means hidden_dim, in "ligr"
            blocks 4 * hidden_dim.
        activation: Of the feed-forward layers, a Keras name or function; None means "relu", in
            "ligr" blocks "silu".
        pre_norm: Normalise the input of each sublayer, or else the sum after it.
        positions: "end" numbers the items of a history from the last one backwards, as the
            paper's authors do by padding on the left; "start" from the first one on. Each number
            has an embedding (`position_embedding`, otherwise None). "rotary" rotates queries and
            keys instead (RoFormer, Su et al. 2021), so that attention sees distances alone.
        position_shift: In training the positions of each row move by a random number up to this,
            at most max_sequence_length - 1; 0: never. With "end" every item of a row so
            stands in turn where questions are asked, as if the row ended there, and not the last
            one alone (max_sequence_length - 1: each equally often); this
            adds as many embeddings, which are used in training alone. With "start" rows move
            towards the end, within max_sequence_length, so that short ones train the later
            embeddings. Not with "rotary", whose distances no shift changes.
        attention_dropout: Rate in [0, 1), on the shares of attention; None means `dropout`. On a
            GPU 0 is the better choice: cuDNN's kernel for attention in half precision takes no
            dropout, and without the kernel the shares, [n, heads, T, T], are stored. Not with
            block="keras_hub", which has one rate.
        time: What attention knows of when items were, of data prepared with times=True: "buckets"
            adds to each score a learned number for the gap, in logarithmic buckets of seconds
            (HSTU, Zhai et al. 2024), "decay" a * g^(gap^b), with three learned numbers a head
            (FuXi-gamma, arXiv 2512.12740); None: nothing. Not with block="keras_hub". See
            docs/time.md.
        query_time: Whether each position knows the moment at which the next item is asked for: the
            gaps are those before that moment, and the one after its own item has an embedding
            (`gap_embedding`). Else gaps are between items alone. Only with `time`.
        num_members: How many models this one is of, a deep ensemble (Lakshminarayanan et al. 2017):
            each has embeddings, blocks and dropout of its own and its own loss, of which the
            model's is the mean; scores are the sum of theirs. States and item vectors are theirs
            side by side, `vector_dim` = num_members * hidden_dim wide. See docs/recipes.md.
        scale_embeddings: Multiply input embeddings by sqrt(hidden_dim).
        tie_embeddings: Score items with their input embeddings, or else with a table of their own
            (`output_embedding`).
        l2: Factor of the L2 penalty on the item embeddings. It is added to the training
            loss and never to the validation loss, which stays comparable between values.
        k: Number of predictions a row; all candidates where they are fewer.
        candidates: External ids of the only items to predict, for a model that has `items`, or a
            bool for each item index; default: every item. Saved with the model.
        candidate_indices: The same as item indices, for a model without `items`.
        items: The `Vocabulary` of the data, saved with the model; the model then
            refuses data that has another. Where None, `fit` adopts items and counts of its data.
            `from_config` does not restore it, a saved file does.
        item_counts: Interactions of each item index, int [vocabulary_size], `data.item_counts`,
            saved with the model. Without data at hand `recommend` gives the most frequent items
            to a history without a known item, and never one of count 0.
        dtype: Keras dtype or policy, such as "mixed_bfloat16". Losses and scores are float32.
        **kwargs: `name` and `trainable` of `keras.Model`.

    Raises:
        ValueError: An argument out of range.
        TypeError: A size that is not an integer.
    """

    built: bool
    growth: Any = None
    """Where the rows of a model that `extended` made are from."""

    def __init__(
        self,
        vocabulary_size: int,
        num_layers: int = 2,
        num_heads: int = 1,
        hidden_dim: int = 64,
        dropout: float = 0.2,
        max_sequence_length: int = 200,
        *,
        block: str = "transformer",
        feed_forward_dim: int | None = None,
        activation: Any = None,
        pre_norm: bool = True,
        positions: str = "end",
        position_shift: int = 0,
        attention_dropout: float | None = None,
        time: str | None = None,
        query_time: bool = True,
        num_members: int = 1,
        scale_embeddings: bool = True,
        tie_embeddings: bool = True,
        l2: float = 0.0,
        k: int = 10,
        candidates: Iterable[Any] | str | None = None,
        candidate_indices: ArrayLike | None = None,
        items: Vocabulary | None = None,
        item_counts: ArrayLike | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.vocabulary_size = checks.integer("vocabulary_size", vocabulary_size, 2)
        self.num_layers = checks.integer("num_layers", num_layers, 0)
        self.max_sequence_length = checks.integer("max_sequence_length", max_sequence_length, 1)
        self.block_options = BlockOptions(
            block=block,
            hidden_dim=hidden_dim,
            num_heads=num_heads,
            dropout=dropout,
            feed_forward_dim=feed_forward_dim,
            activation=activation,
            pre_norm=pre_norm,
            positions=positions,
            attention_dropout=attention_dropout,
            time=time,
            query_time=query_time,
        )
        self.hidden_dim = int(hidden_dim)
        self.num_members = checks.integer("num_members", num_members, 1)
        self.vector_dim = self.num_members * self.hidden_dim
        most = self.max_sequence_length - 1
        self.position_shift = checks.integer("position_shift", position_shift, 0, most)
        if self.position_shift and self.block_options.rotary:
            raise ValueError(
                f"position_shift={self.position_shift} changes nothing with positions='rotary', "
                "which sees distances alone: positions must be 'end' or 'start', or the shift 0"
            )
        self.scale_embeddings = bool(scale_embeddings)
        self.tie_embeddings = bool(tie_embeddings)
        self.l2 = checks.fraction("l2", l2)
        self.items = checked_items(items, self.vocabulary_size)
        self.item_counts = checked_counts(item_counts, self.vocabulary_size)
        self.create_layers()
        mask = model_candidates(candidates, candidate_indices, self.items, self.vocabulary_size)
        self.retrieval = CandidateRetrieval(mask, checks.integer("k", k, 1), name="retrieval")

    @classmethod
    def for_data(cls, data: Prepared, **options: Any) -> "SASRec":
        """A model for prepared data: its vocabulary_size, length, items and item counts.

        Args:
            data: What `prepare` or `load` returned.
            **options: Further arguments of `SASRec`; those given win over the data's.

        Raises:
            TypeError: The data is of another kind.
        """
        if not isinstance(data, Prepared):
            raise TypeError(
                f"for_data takes what prepare() returns, received a {type(data).__name__}"
            )
        own = {
            "vocabulary_size": data.vocabulary_size,
            "max_sequence_length": data.max_sequence_length,
            "items": data.items,
            "item_counts": data.item_counts,
        }
        model = cls(**{**own, **options})
        if isinstance(data.sequences, TimedSequences):
            model.clock = data.sequences.clock
        return model

    def extended(
        self, items: Any, *, data: Prepared | None = None, item_vectors: Any = None
    ) -> "SASRec":
        """A model for further items that goes on from this one; see `model.growing.extended`.

        `model.extended(data.append(rows, keep_items=True))`, or of ids, with `item_vectors=`.
        """
        grown: SASRec = later("model.growing", "extended")(
            self, items, data=data, item_vectors=item_vectors
        )
        return grown

    def recommend(self, data: Prepared | None = None, **options: Any) -> Any:
        """The k items each user is most likely to choose next, by `sasrec_fast.recommend`.

        `model.recommend(data, users=[7], k=10)`, or `model.recommend(histories=[[10, 20]])`.

        Args:
            data: The prepared data; not needed for histories where the model has its `items`.
            **options: See `sasrec_fast.recommend`.
        """
        return later("recommendation", "recommend")(self, data, **options)

    @property
    def asks_last(self) -> bool:
        """Whether a training step can do with the states of the last items of rows alone."""
        parts = ("call", "encode", "compute_loss", "train_step")
        return all(getattr(type(self), name) is getattr(SASRec, name) for name in parts)

    @property
    def candidate_mask(self) -> NDArray[np.bool_]:
        """Which item indices may be recommended, bool [vocabulary_size]."""
        return self.retrieval.mask

    def build(self, input_shape: Any = None) -> None:
        """Create the weights; they do not depend on the input's shape.

        Args:
            input_shape: The inputs' shape, a pair or one pair for each input.
        """
        if self.built:
            return
        with Uninterrupted():
            self.build_layers()
            self.retrieval.candidate_embeddings = self.scoring_table
            self.retrieval.build((None, self.max_sequence_length, self.vector_dim))
            self.built = True

    def call(self, inputs: Inputs, training: bool = False) -> dict[str, Tensor]:
        """Hidden states of every position, and top-k predictions outside training."""
        hidden = self.encode(inputs, training=training)
        result = {"item_sequence_embedding": hidden}
        if not training:
            last = ops.cast(last_position(hidden, inputs["padding_mask"]), "float32")
            result["predictions"] = self._best_items(last)
        return result

    def _best_items(self, last: Tensor) -> Tensor:
        """The k best items, int32 [n, k]; 0, which is none, where their scores are not finite."""
        best = self.retrieval(last)
        first = ops.take(self.scoring_table, best[:, 0], axis=0)  # NaN, where it occurs, is first
        score = ops.sum(last * ops.cast(first, "float32"), axis=-1, keepdims=True)
        return ops.where(ops.isfinite(score), best, 0)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make an equal model, without its weights, `items` and `item_counts`."""
        every = self.candidate_mask[1:].all()
        return {
            **self.training_config(),
            **super().get_config(),
            "position_shift": self.position_shift,
            "k": self.retrieval.k,
            "candidates": None if every else pack_mask(self.candidate_mask),
        }

    def training_config(self) -> dict[str, Any]:
        """Those of the arguments that decide what training does."""
        names = (
            "vocabulary_size",
            "num_layers",
            "max_sequence_length",
            "scale_embeddings",
            "tie_embeddings",
            "l2",
        )
        # No entries for what versions had not that wrote checkpoints without them.
        added = {"position_shift": 0, "num_members": 1}
        own = {name: getattr(self, name) for name in added}
        return {
            **{name: value for name, value in own.items() if value != added[name]},
            "dtype": self.dtype_policy.name,
            **{name: getattr(self, name) for name in names},
            **self.block_options.config(),
        }
