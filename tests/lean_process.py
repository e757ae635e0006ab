"""An exported folder in a process in which what it must not need is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_LEAN = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"pandas", "keras", "jax", "jaxlib", "tensorflow", "scipy",
                                  "psutil", "keras_rs", "keras_hub", "onnx", "jax2onnx"}:
            raise ImportError(f"{name} is not there")
sys.meta_path.insert(0, Refusing())
import json, sasrec_fast as sf
from datetime import datetime
recommender = sf.Recommender(sys.argv[1])
histories, times, at = json.loads(sys.argv[2])
timed = {}
if times is not None:
    timed["times"] = [list(map(datetime.fromisoformat, row)) for row in times]
    timed["at"] = datetime.fromisoformat(at)
answers = recommender.recommend(histories, **timed)
recommender.similar(histories[0][:1])
with open("/proc/self/status") as status:
    memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
print(json.dumps([[answer.item_ids for answer in answers], memory]))
"""


def answered_alone(
    folder: Path, histories: list[Any], times: list[list[str]] | None = None, at: str | None = None
) -> tuple[list[list[Any]], int]:
    """What it recommends, and the kilobytes of its process.

    Args:
        folder: Of `export`.
        histories: Lists of item ids.
        times: When they were, as texts, of a model that looks at times.
        at: When the next items are asked for, likewise.
    """
    done = subprocess.run(
        [sys.executable, "-c", _LEAN, str(folder), json.dumps([histories, times, at])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answers, kilobytes = json.loads(done.stdout)
    return answers, kilobytes
