"""What `SASRec.fit` adds to Keras' own: batches that follow the epochs, and runs that resume."""

import os
from collections.abc import Callable
from copy import copy
from fractions import Fraction
from typing import Any, TypeGuard

import keras

from sasrec_fast.backend import on_jax
from sasrec_fast.batching import Batches, EpochCallback, Runs, batch_devices
from sasrec_fast.model.averaging import between_averages
from sasrec_fast.model.checkpoint import Checkpoint
from sasrec_fast.store import TimedSequences


def adopt(model: Any, x: Any) -> None:
    """Give a model without items, or clock, those of its `Batches`, and the counts of items."""
    if isinstance(x, Batches) and isinstance(x.split.sequences, TimedSequences):
        model.clock = model.clock or x.split.sequences.clock
    if not isinstance(x, Batches) or model.items is not None or x.split.items is None:
        return
    model.items = x.split.items
    if model.item_counts is None:
        model.item_counts = x.split.sequences.item_counts(model.vocabulary_size)


def follow_epochs(
    x: Any, options: dict[str, Any], turns: Fraction | None
) -> tuple[Any, dict[str, Any]]:
    """Arguments of `fit` for the data set x: `Batches` owns its order and follows the epoch.

    Args:
        x: The data set.
        options: Of `fit`.
        turns: How often the model has been shown all rows, from where `Batches` go on; None: Keras'
            number of an epoch is that of the batches.

    Returns:
        Both as Keras gets them, with `RankingMetrics` before the callbacks that read the logs.
        For `Batches`, steps_per_epoch and validation_steps have become their length, shuffle is
        False and an `EpochCallback` comes first.

    Raises:
        ValueError: `shuffle=True` for `Batches`, or rows that the devices cannot share.
    """
    options = _metrics_first(options)
    validation = options.get("validation_data")
    if isinstance(validation, Batches):
        _check_devices(validation)
        steps = options.pop("validation_steps", None)
        if steps is not None:
            options["validation_data"] = validation.in_steps(min(steps, len(validation)))
    if not isinstance(x, Batches):
        return x, options
    if options.get("shuffle"):
        raise ValueError(
            "Batches shuffles its own rows: pass shuffle to split.batches(), not to fit"
        )
    _check_devices(x)
    steps = options.pop("steps_per_epoch", None)
    if steps is not None:
        x = x.in_steps(steps)
    options["shuffle"] = False
    x.follow(turns or Fraction(0))
    return x, _with_callbacks(options, [EpochCallback(x, x.epoch), *_callbacks(options)])


def averaged(model: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options of `fit` with averaged weights at the end of an epoch, where any are kept."""
    callbacks = _callbacks(options)
    between = between_averages(model, callbacks)
    return options if between is callbacks else _with_callbacks(options, between)


def in_runs(
    model: Any, x: Any, options: dict[str, Any], negatives: bool, name: str = "train"
) -> tuple[Any, dict[str, Any]]:
    """Arguments of Keras' `fit` or `evaluate` whose `Batches` come in runs, where they can.

    A run is one batch to Keras; callbacks are told the numbers of the batches all the same.

    Args:
        model: The model.
        x: The data set.
        options: Of `fit` or `evaluate`.
        negatives: Whether the loss is computed from negatives.
        name: "train", or "test" for `evaluate`.
    """
    # Keras counts `steps` of `evaluate` itself, and refuses class weights beside the batches' own.
    by_keras = any(options.get(own) is not None for own in ("steps", "class_weight"))
    if by_keras or not on_jax() or not isinstance(x, Batches):
        return x, options
    options = dict(options)
    validation = options.get("validation_data")
    steps = len(x)
    followed = []
    if _plain(x):
        x = Runs(x, negatives, asked=name == "train" and model.asks_last)
        followed.append((name, x))
    if _plain(validation):
        options["validation_data"] = Runs(validation, negatives)
        followed.append(("test", options["validation_data"]))
    if all(runs.batches.run_length == 1 for _, runs in followed):
        return x, options
    callbacks = copy(options.get("callbacks"))
    if not isinstance(callbacks, keras.callbacks.CallbackList):
        verbose, epochs = options.get("verbose", "auto"), options.get("epochs", 1)
        known = {"verbose": verbose, "epochs": epochs, "steps": steps, "model": model}
        bar = verbose != 0
        callbacks = keras.callbacks.CallbackList(callbacks, name == "train", bar, **known)
    for kind, runs in followed:
        _count_batches(callbacks, kind, runs)
    return x, {**options, "callbacks": callbacks}


def _plain(x: Any) -> TypeGuard[Batches]:
    """Whether x makes its batches as `Batches` does."""
    return isinstance(x, Batches) and type(x).__getitem__ is Batches.__getitem__


def _count_batches(callbacks: Any, name: str, runs: Runs) -> None:
    """Tell callbacks numbers of batches where Keras tells numbers of runs."""
    for moment, number in (("begin", runs.first), ("end", runs.last)):
        hook = f"on_{name}_batch_{moment}"
        setattr(callbacks, hook, _Counting(getattr(callbacks, hook), number))


class _Counting:
    """A hook of callbacks that is told another number."""

    def __init__(self, hook: Any, number: Callable[[int], int]) -> None:
        self._hook, self._number = hook, number

    def __call__(self, run: int, logs: Any = None) -> None:
        self._hook(self._number(run), logs)


def resume_from(
    folder: str | os.PathLike[str], model: Any, x: Any, options: dict[str, Any]
) -> dict[str, Any]:
    """Restore the run that has its checkpoint in a folder, and let `fit` go on with it.

    A run begins where there is none. The model is compiled.

    Returns:
        The options, with the next epoch as initial_epoch and a `Checkpoint` after the other
        callbacks, which may change weights or the learning rate at the end of an epoch.

    Raises:
        ValueError: x is no `Batches`, or the checkpoint does not belong to model or data.
    """
    if not isinstance(x, Batches):
        raise ValueError(
            f"resume needs Batches, whose order depends on seed and epoch alone; received "
            f"{type(x).__name__}: pass split.batches()"
        )
    validation = options.get("validation_data")
    known = validation.identity if isinstance(validation, Batches) else None
    checkpoint = Checkpoint(model, folder, x.identity, known or {"data": _kind(validation)})
    epochs, stopped = checkpoint.restore()
    options = _with_callbacks(options, [*_callbacks(options), checkpoint])
    if epochs:
        options["initial_epoch"] = epochs
    if stopped:
        options["epochs"] = epochs
    return options


def _kind(data: Any) -> str:
    return type(data).__name__


def _metrics_first(options: dict[str, Any]) -> dict[str, Any]:
    """The options with the callbacks that add to the logs before those that read them.

    A callback that adds to the logs has a method `precede`, as `RankingMetrics` has.
    """
    metrics = [callback for callback in _callbacks(options) if hasattr(callback, "precede")]
    others = [callback for callback in _callbacks(options) if not hasattr(callback, "precede")]
    for callback in metrics:
        callback.precede(others)
    return _with_callbacks(options, [*metrics, *others])


def _callbacks(options: dict[str, Any]) -> list[Any]:
    given: Any = options.get("callbacks") or []
    contained = isinstance(given, keras.callbacks.CallbackList)
    return list(keras.tree.flatten(given.callbacks if contained else given))


def _with_callbacks(options: dict[str, Any], callbacks: list[Any]) -> dict[str, Any]:
    """The options with these callbacks, in a container like that given, which stays as it is."""
    container = copy(options.get("callbacks"))
    if not isinstance(container, keras.callbacks.CallbackList):
        return {**options, "callbacks": callbacks}
    container.callbacks = callbacks
    return {**options, "callbacks": container}


def _check_devices(batches: Batches) -> None:
    devices = batch_devices()
    for bucket in batches.buckets:
        if bucket.batch_rows % devices:
            raise ValueError(
                f"a batch of {bucket.batch_rows} rows cannot be shared by {devices} devices: make "
                "the batches after keras.distribution.set_distribution()"
            )
