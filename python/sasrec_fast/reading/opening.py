"""Opens files of text, compressed by gzip or not."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import IO, TYPE_CHECKING, TextIO, cast

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSION = ".gz"
UNREADABLE = (OSError, EOFError, zlib.error)
"""What reading a file may raise, a damaged gzip file included."""


def is_compressed(path: Path) -> bool:
    """Whether the suffix says gzip."""
    return path.suffix.lower() == COMPRESSION


def open_bytes(path: Path) -> IO[bytes]:
    """The decompressed content."""
    return cast("IO[bytes]", gzip.open(path)) if is_compressed(path) else path.open("rb")


def open_text(path: Path, newline: str | None) -> TextIO:
    """The content as UTF-8; bytes that are none become surrogates, to be reported."""
    return io.TextIOWrapper(open_bytes(path), "utf-8-sig", "surrogateescape", newline)
