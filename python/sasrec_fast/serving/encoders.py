"""Histories -> the vectors that are searched with: by a model, or by ONNX Runtime alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sasrec_fast.columns import Clock
from sasrec_fast.ranking import width_for, widths_of
from sasrec_fast.store import Histories

Inputs = dict[str, NDArray[np.int32]]
States = NDArray[np.float32]

ROWS = (1, 4, 16)
"""Rows of a compiled input: few numbers, each of which compiles for each width."""


@dataclass(frozen=True)
class Timing:
    """How an encoder that looks at times is told of them.

    Attributes:
        clock: How timestamps become seconds.
        knows_query_time: Whether it is told the moment at which the next item is asked for.
    """

    clock: Clock
    knows_query_time: bool


class Encoder(Protocol):
    """The states after the last items of rows of item indices.

    Attributes:
        widths: Columns an input may have, ascending; the last is the model's length.
        rows: Rows an input may have, ascending; None: any number.
    """

    @property
    def widths(self) -> tuple[int, ...]:
        """See above."""

    @property
    def rows(self) -> tuple[int, ...] | None:
        """See above."""

    def __call__(self, inputs: Inputs) -> States:
        """States float32 [n, d] of inputs as of `Histories.inputs`, but for the mask."""


def encode(encoder: Encoder, histories: Histories) -> States:
    """The states of histories of at least one item each.

    Raises:
        ValueError: States are not finite: the model's weights are not.
    """
    most = ROWS[-1] if encoder.rows is None else encoder.rows[-1]
    order = np.argsort(histories.ends - histories.starts, kind="stable")
    parts = [order[start : start + most] for start in range(0, len(order), most)]
    encoded = [_encoded(encoder, histories.take(part)) for part in parts]
    states = np.empty((len(order), encoded[0].shape[1]), np.float32)
    states[order] = encoded[0] if len(encoded) == 1 else np.concatenate(encoded)
    if not np.isfinite(states).all():
        raise ValueError("the model's states are not finite, as its weights are not")
    return states


def _encoded(encoder: Encoder, histories: Histories) -> States:
    starts, ends = histories.starts[:, None], histories.ends[:, None]
    width = width_for(int((ends - starts).max()), encoder.widths)
    places = np.maximum(starts, ends - width) + np.arange(width)
    rows = count = len(histories)
    if encoder.rows is not None:
        count = next(count for count in encoder.rows if count >= rows)
    item_ids = np.zeros((count, width), np.int32)
    np.multiply(histories.items.take(places, mode="clip"), places < ends, out=item_ids[:rows])
    item_ids[rows:, 0] = 1  # rows that nobody asked for
    inputs = {"item_ids": item_ids}
    if histories.moments is not None:
        told = histories.padded(count).inputs(width)
        inputs |= {name: told[name] for name in ("times", "query_times")}
    return encoder(inputs)[:rows]


class ModelEncoder:
    """A function of a model's weights as they are now, see `frozen_encoder`."""

    rows: tuple[int, ...] | None = ROWS

    def __init__(self, function: Callable[[Inputs], States], length: int) -> None:
        self._function, self.widths = function, widths_of(length)

    def __call__(self, inputs: Inputs) -> States:
        """As `Encoder`."""
        return self._function(inputs)


class OnnxEncoder:
    """Graphs of an exported model, one for each width, opened when first used.

    An input is computed by one thread: operations are small, and other threads have other inputs.

    Args:
        graphs: Files by width.

    Raises:
        ImportError: ONNX Runtime is not installed.
    """

    rows: tuple[int, ...] | None = None

    def __init__(self, graphs: Mapping[int, Path]) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise ImportError(
                "an exported model is run by ONNX Runtime: pip install 'sasrec-fast[onnx]', or "
                "onnxruntime alone"
            ) from None
        self._onnxruntime, self._graphs = onnxruntime, dict(graphs)
        self.widths = tuple(sorted(self._graphs))
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, inputs: Inputs) -> States:
        """As `Encoder`."""
        width = inputs["item_ids"].shape[1]
        session = self._sessions.get(width) or self._opened(width)
        states: States = session.run(None, inputs)[0]
        return states

    def _opened(self, width: int) -> Any:
        with self._lock:
            if width not in self._sessions:
                options = self._onnxruntime.SessionOptions()
                options.intra_op_num_threads = options.inter_op_num_threads = 1
                options.log_severity_level = 3
                self._sessions[width] = self._onnxruntime.InferenceSession(
                    str(self._graphs[width]), options, providers=["CPUExecutionProvider"]
                )
            return self._sessions[width]
