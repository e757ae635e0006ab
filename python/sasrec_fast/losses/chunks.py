"""How many positions are in work at one time, and which come first."""

from __future__ import annotations

from sasrec_fast.backend import on_cpu

# On a CPU the scores of a chunk should stay in its cache; elsewhere few large chunks keep the
# device busy. A matrix product of very few rows wastes either.
_CPU_BYTES, _CPU_POSITIONS = 4 << 20, 64
_OTHER_BYTES, _OTHER_POSITIONS = 256 << 20, 1024
_TILE = 64


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
