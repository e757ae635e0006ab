"""The order of files: by name, and by number where names have numbers."""

import re
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

_TOKEN = re.compile(r"[0-9]+|[^0-9]")
_DIGIT = ord("0")


def in_order(paths: Iterable[Any]) -> list[Any]:
    """Paths as people count: part-2 before part-10, and folders like files."""
    return sorted(paths, key=_key)


def _key(path: Any) -> tuple[list[list[tuple[int, int, str]]], str]:
    """A run of digits stands for its number, at the place of a digit among letters."""
    parts = PurePath(str(path)).parts
    return [[_placed(token) for token in _TOKEN.findall(part)] for part in parts], str(path)


def _placed(token: str) -> tuple[int, int, str]:
    if not (token.isdecimal() and token.isascii()):
        return ord(token), 0, ""
    number = token.lstrip("0")
    return _DIGIT, len(number), number
