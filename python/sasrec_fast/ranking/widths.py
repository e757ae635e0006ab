"""How wide the inputs of a model are made: few numbers, since each of them compiles."""

SHORTEST = 8
"""Fewest columns of an input."""


def widths_of(length: int) -> tuple[int, ...]:
    """Widths of inputs to a model of a length, ascending: a 16th of it, a quarter, all of it."""
    parts = {max(SHORTEST, -(-length // part)) for part in (16, 4)}
    return (*sorted(part for part in parts if part < length), length)


def width_for(longest: int, widths: tuple[int, ...]) -> int:
    """The least of them that holds so many items, or the largest."""
    return next((width for width in widths if width >= longest), widths[-1])
