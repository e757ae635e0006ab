"""Vectors of length 1, whose products are cosines."""

import numpy as np
from numpy.typing import NDArray


def directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vectors [n, d] at length 1; those of length 0 stay as they are."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    unit: NDArray[np.float32] = vectors / lengths
    return unit
