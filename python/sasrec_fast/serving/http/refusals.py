"""What is answered where a request is not: a status, a reason, and what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sasrec_fast import checks

if TYPE_CHECKING:
    from collections.abc import Mapping

BROKEN = {"error": "the service failed; its log says where"}
"""Said with status 500."""


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: Of HTTP, 4xx.
        reason: What is wrong, for people.
        details: Of what was wrong, for programs: `field`, `received`, `allowed`.
        headers: Of the answer.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        details: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.headers = status, dict(headers or {})
        self.content = {"error": reason, **(details or {})}


def takes_no(path: str, method: str) -> str:
    """The reason of status 405."""
    return f"{path} takes no {checks.received(method)}"


def wrong(field: str, value: Any, allowed: str) -> RefusedError:
    """A field that cannot be used, as status 422."""
    shown = checks.received(value).encode("utf-8", "backslashreplace").decode()
    return _unusable(field, shown, allowed)


def wrong_length(field: str, count: int, least: int, most: int) -> RefusedError:
    """An array with too few or too many values, as status 422."""
    return _unusable(field, f"{count:,} values", f"an array of {least:,} to {most:,} values")


def _unusable(field: str, shown: str, allowed: str) -> RefusedError:
    reason = f"{field} must be {allowed}, received {shown}"
    return RefusedError(422, reason, {"field": field, "received": shown, "allowed": allowed})
