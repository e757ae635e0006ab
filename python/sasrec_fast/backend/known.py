"""What code below a block is told without an argument: layers, which Keras calls in between."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class Known:
    """Something that is known within a block, traced or run, of this thread; else nothing is.

    Args:
        name: What.
    """

    def __init__(self, name: str) -> None:
        self._value: ContextVar[bool] = ContextVar(name, default=False)

    @contextmanager
    def within(self, known: bool = True) -> Iterator[None]:
        """A block in which it is known."""
        token = self._value.set(known)
        try:
            yield
        finally:
            self._value.reset(token)

    def holds(self) -> bool:
        """Whether it is known here."""
        return self._value.get()
