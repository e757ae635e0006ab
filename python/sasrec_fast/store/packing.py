"""Bytes as short text, as configs of models and losses hold masks and counts."""

import base64
import zlib


def packed(content: bytes) -> str:
    """The bytes as text that `unpacked` reads."""
    return base64.b64encode(zlib.compress(content)).decode("ascii")


def unpacked(text: str, length: int | None = None) -> bytes:
    """The bytes that `packed` made text of.

    Args:
        text: What `packed` returned.
        length: How many they are, where that is known; then no more than one too many is made.

    Raises:
        ValueError: It is no such text, or of another length.
    """
    opened = zlib.decompressobj()
    try:
        most = 0 if length is None else length + 1  # 0 is no limit
        content = opened.decompress(base64.b64decode(text, validate=True), most)
    except zlib.error as failure:
        raise ValueError(str(failure)) from None
    if length is not None and len(content) != length:
        at_least = "more than " * (len(content) > length)
        raise ValueError(
            f"it has {at_least}{min(len(content), length):,} bytes, expected {length:,}"
        )
    return content
