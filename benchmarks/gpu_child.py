"""A process of `gpu.py` that measures one cell: what it tells the process that started it.

    python benchmarks/gpu_child.py MODULE CELL      # CELL in JSON

It prints lines of JSON: {"row": figures} as often as there are some, and {"ready": true} when
everything is compiled and nothing else may run beside what comes; it goes on at a line of input.
Whatever libraries print goes to the log.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, TextIO

COMPILED = "/jax/core/compile/backend_compile_duration"


class Caller:
    """The process that waits for the figures."""

    def __init__(self, lines: TextIO, answers: TextIO) -> None:
        self._lines, self._answers = lines, answers

    def tell(self, **figures: Any) -> None:
        """Some figures; those of one call belong together."""
        self._write({"row": figures})

    def wait_for_turn(self) -> float:
        """Wait until this process is the only one that runs.

        Returns:
            The seconds it was stopped before, while others were measured.
        """
        self._write({"ready": True})
        if not (answer := self._answers.readline()):
            raise SystemExit("nobody waits for the figures any more")
        return float(answer)

    def _write(self, what: dict[str, Any]) -> None:
        self._lines.write(json.dumps(what) + "\n")
        self._lines.flush()


def require_device(kind: str) -> Any:
    """JAX's device.

    Raises:
        SystemExit: It is of another kind.
    """
    import jax

    found = jax.devices()[0]
    if found.platform != kind:
        raise SystemExit(f"a {kind} was asked for, JAX has {jax.devices()}")
    return found


class Compiling:
    """Adds up the seconds in which XLA compiles, or loads what it has compiled before."""

    def __init__(self) -> None:
        import jax

        self.seconds = 0.0
        jax.monitoring.register_event_duration_secs_listener(self._lasted)

    def _lasted(self, event: str, seconds: float, **_: Any) -> None:
        if event == COMPILED:
            self.seconds += seconds


def main(module: str, cell: str) -> None:
    """Measure a cell."""
    lines = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    importlib.import_module(module).measure(json.loads(cell), Caller(lines, sys.stdin))


if __name__ == "__main__":
    main(*sys.argv[1:])
