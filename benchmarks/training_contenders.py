"""One contender of `train.py`, in a process of its own: trains some epochs and prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sasrec_fast.reading import read_sequences
from training_data import SETTINGS, Setting

PACKAGE = "sasrec_fast"
EXAMPLE = "Keras example's way"
TORCH = "PyTorch, as commonly written"


@dataclass(frozen=True)
class Job:
    """What to train, where: `device` is "cpu" or "gpu", `dtype` a Keras policy."""

    contender: str
    data: str
    folder: str
    epochs: int
    device: str = "cpu"
    dtype: str = "float32"
    users: int | None = None

    @property
    def setting(self) -> Setting:
        return SETTINGS[self.data]


def main(job: Job) -> dict[str, Any]:
    """Figures of the contender; "missing" alone where its library is not installed."""
    import sasrec_fast as sf

    table = read_sequences(Path(job.folder) / job.setting.file)
    if job.users is not None:
        chosen = table["user_id"] <= job.users
        table = {name: column[chosen] for name, column in table.items()}
    data = sf.prepare(table, timestamp=None, max_sequence_length=job.setting.length, holdout=2)
    if job.contender == TORCH:
        return _torch(job, data)
    return _keras(job, data)


def _torch(job: Job, data: Any) -> dict[str, Any]:
    try:
        import torch

        import torch_sasrec
    except ImportError as error:
        return {"missing": str(error)}
    train = data.train
    items = train.sequences.items
    histories = [
        items[start:end].tolist() for start, end in zip(train.starts, train.ends, strict=True)
    ]
    device = "cuda" if job.device == "gpu" else "cpu"
    figures = torch_sasrec.train(histories, data.vocabulary_size, job.setting, job.epochs, device)
    memory = torch.cuda.max_memory_allocated() if device == "cuda" else _resident()
    return {**figures, "memory": memory, "version": f"torch {torch.__version__}"}


def _keras(job: Job, data: Any) -> dict[str, Any]:
    import jax
    import keras

    import sasrec_fast as sf

    device = jax.devices()[0]
    kind = device.device_kind
    if (device.platform == "cpu") != (job.device == "cpu"):
        raise SystemExit(f"--device {job.device} was asked for, JAX has {jax.devices()}")
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(job.dtype)
    setting, split = job.setting, data.train
    sizes = {"dropout": setting.dropout}
    if job.contender == PACKAGE:
        model: Any = sf.SASRec(
            data.vocabulary_size,
            setting.layers,
            hidden_dim=setting.width,
            max_sequence_length=setting.length,
            dtype=job.dtype,
            **sizes,
        )
        batches = _timed_batches(split, setting.batch_size)
        arguments: tuple[Any, ...] = (batches,)
        options = {}
        steps = len(batches)
    else:
        from keras_example import PaddedSASRec

        model = PaddedSASRec(
            data.vocabulary_size, setting.length, setting.width, setting.layers, **sizes
        )
        x, y, weight = split.arrays().xyw()
        batches, arguments = None, (x, y)
        options = {"sample_weight": weight, "batch_size": setting.batch_size}
        steps = -(-len(split) // setting.batch_size)
    model.compile(keras.optimizers.Adam(1e-3, beta_2=0.98), jit_compile=True)
    clock = _clock(batches)
    history = model.fit(
        *arguments, epochs=job.epochs, callbacks=[clock], verbose=0, **options
    ).history
    statistics = device.memory_stats() if job.device == "gpu" else None
    return {
        **clock.figures,
        "targets": int(split.lengths.sum()),
        "steps": steps,
        "loss": history["loss"][-1],
        "memory": statistics["peak_bytes_in_use"] if statistics else _resident(),
        "version": f"keras {keras.__version__}, jax {jax.__version__}, {kind}",
    }


def _timed_batches(split: Any, batch_size: int) -> Any:
    """`split.batches()` that adds up the seconds in which its runs are waited for."""
    from sasrec_fast.batching import Runs

    batches, take = split.batches(batch_size), Runs.__getitem__
    batches.waited = 0.0

    def timed(runs: Runs, index: int) -> Any:
        began = time.perf_counter()
        run = take(runs, index)
        batches.waited += time.perf_counter() - began
        return run

    Runs.__getitem__ = timed
    return batches


def _clock(batches: Any) -> Any:
    """A callback that notes seconds, waiting and compilations of each epoch."""
    import jax
    import keras

    class Clock(keras.callbacks.Callback):
        def __init__(self) -> None:
            super().__init__()
            self.figures: dict[str, list[float]] = {
                "seconds": [],
                "wait_seconds": [],
                "compilations": [],
            }
            self.compiled = 0
            jax.monitoring.register_event_duration_secs_listener(self.lasted)

        def lasted(self, event: str, _: float, **__: Any) -> None:
            self.compiled += event == "/jax/core/compile/backend_compile_duration"

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()
            self.before = (batches.waited if batches is not None else 0.0, self.compiled)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            # What is waited for from here on, the device waits for, too.
            jax.block_until_ready(logs)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            waited, compiled = self.before
            self.figures["seconds"].append(time.perf_counter() - self.began)
            self.figures["compilations"].append(self.compiled - compiled)
            if batches is not None:
                self.figures["wait_seconds"].append(batches.waited - waited)

    return Clock()


def _resident() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def arguments(job: Job) -> list[str]:
    """Command line that runs the job."""
    return [sys.executable, __file__, json.dumps(asdict(job))]


if __name__ == "__main__":
    print(json.dumps(main(Job(**json.loads(sys.argv[1])))))
