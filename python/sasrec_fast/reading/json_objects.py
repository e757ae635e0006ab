"""The objects of a file of JSON, one a line, as Python reads them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sasrec_fast.errors import DataError, shorten

_BYTE_ORDER_MARK = "\ufeff"
_PYTHON = re.compile(r"\{\s*u?'")


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, each with its number from 1.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line, text in enumerate(file, start=1):
                text = text.removeprefix(_BYTE_ORDER_MARK if line == 1 else "").strip()
                if text:
                    yield line, text
    except (OSError, UnicodeError) as failure:
        raise DataError(f"{str(path)!r} cannot be read as JSON: {failure}") from None


def object_of(path: Path, line: int, text: str) -> dict[str, Any]:
    """The object of a line.

    Raises:
        DataError: It is none.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as failure:
        said = f"is no JSON ({failure}): {shorten(text)}"
        if _PYTHON.match(text):
            said += "; it looks like Python, which ast.literal_eval reads line by line"
        raise DataError(f"{path}, line {line}: {said}; expected an object a line") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}, line {line}: expected an object a line, got {shorten(text)}")
    return value


def as_written(path: Path) -> Iterator[dict[str, Any]]:
    """The objects, with numbers as they are written."""
    as_text: dict[str, Any] = {"parse_float": str, "parse_int": str}
    if next(lines(path))[1].startswith("["):
        yield from json.loads(path.read_bytes().decode("utf-8-sig"), **as_text)
        return
    yield from (json.loads(text, **as_text) for _, text in lines(path))
