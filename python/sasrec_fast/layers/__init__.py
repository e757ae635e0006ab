"""What the model is built of: attention, blocks, dropout, padding, positions and retrieval."""

from sasrec_fast.layers.dropout import Dropout
from sasrec_fast.layers.last_position import (
    asked_last,
    has_shortcut,
    last_position,
    last_state,
)
from sasrec_fast.layers.norm import LayerNorm, layer_norm_by
from sasrec_fast.layers.options import BlockOptions
from sasrec_fast.layers.padding import (
    padding_behind,
    real_first,
    states_back,
)
from sasrec_fast.layers.positions import PositionEmbedding, RandomShift, positions_from_end
from sasrec_fast.layers.retrieval import CandidateRetrieval
from sasrec_fast.layers.times import NUM_BUCKETS, gap_buckets

__all__ = [
    "NUM_BUCKETS",
    "BlockOptions",
    "CandidateRetrieval",
    "Dropout",
    "LayerNorm",
    "PositionEmbedding",
    "RandomShift",
    "asked_last",
    "gap_buckets",
    "has_shortcut",
    "last_position",
    "last_state",
    "layer_norm_by",
    "padding_behind",
    "positions_from_end",
    "real_first",
    "states_back",
]
