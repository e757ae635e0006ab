"""The rows of any source in chunks, which can be gone through more than once."""

from sasrec_fast.reading.chunks.chunks import Chunk, Chunks
from sasrec_fast.reading.chunks.copied import PREFIX, Copies

__all__ = ["PREFIX", "Chunk", "Chunks", "Copies"]
