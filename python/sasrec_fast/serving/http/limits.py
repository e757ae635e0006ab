"""How much one request, and all that wait, may ask for."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sasrec_fast import checks


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the service accepts; what is beyond is refused with a reason.

    Attributes:
        body: Bytes of a request's body.
        histories: Histories, users or items in one request.
        history: Items of one history; the model looks at its most recent ones.
        k: Items for each of them.
        candidates: Ids in `candidates`, and in `exclude`.
        queue: Histories that wait at a time, of all requests.
        batch: Histories that the model answers at once, of several requests.
        wait: Seconds for which a request waits for others to share its batch, at most; one that
            is alone does not.

    Raises:
        ValueError: A limit below 1, or more histories in a request than may wait.
        TypeError: Something else than a number.
    """

    body: int = 1 << 20
    histories: int = 256
    history: int = 1000
    k: int = 100
    candidates: int = 10_000
    queue: int = 1024
    batch: int = 64
    wait: float = 0.002

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "wait":
                checks.integer(field.name, getattr(self, field.name), 1)
        checks.fraction("wait", self.wait)
        if self.histories > self.queue:
            raise ValueError(
                f"histories={self.histories} in one request, but queue={self.queue} may wait; "
                "queue must be at least histories"
            )
