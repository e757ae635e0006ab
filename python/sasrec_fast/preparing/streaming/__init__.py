"""prepare() of what is larger than memory: two passes over the rows, then shard after shard."""

from sasrec_fast.preparing.streaming.driver import Target, stream

__all__ = ["Target", "stream"]
