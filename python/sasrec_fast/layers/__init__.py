"""What the model is built of: attention, blocks, dropout and positions.

`retrieval` is loaded where a model is made: it is a layer of keras-rs.
"""

from sasrec_fast.layers.dropout import Dropout
from sasrec_fast.layers.options import BlockOptions
from sasrec_fast.layers.positions import PositionEmbedding, positions_from_end

__all__ = [
    "BlockOptions",
    "Dropout",
    "PositionEmbedding",
    "positions_from_end",
]
