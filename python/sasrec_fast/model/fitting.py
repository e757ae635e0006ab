"""What `SASRec.fit` adds to Keras' own: batches that follow the epochs, and runs that resume."""

import os
from copy import copy
from typing import Any

import keras

from sasrec_fast.batching import Batches, EpochCallback, batch_devices
from sasrec_fast.model.checkpoint import Checkpoint
from sasrec_fast.preparing import Prepared
from sasrec_fast.store import Arrays, Split


def data_set(
    x: Any, y: Any, sample_weight: Any, options: dict[str, Any]
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """What Keras is given for the data of `fit` or `evaluate` and their options.

    `Prepared` stands for its train split, a `Split` for its batches, of the options' batch_size,
    `Arrays` for their inputs, targets and weights; anything else stays.
    """
    x = x.train if isinstance(x, Prepared) else x
    if isinstance(x, Arrays):
        return *x.xyw(), options
    if isinstance(x, Split):
        options = dict(options)
        x = _batches(x, options.pop("batch_size", None))
    return x, y, sample_weight, options


def with_validation(options: dict[str, Any]) -> dict[str, Any]:
    """The options of `fit`, with the data set that their validation_data stands for.

    Raises:
        ValueError: It is prepared data without a validation split.
    """
    given = options.get("validation_data")
    split = given.validation if isinstance(given, Prepared) else given
    if split is None and given is not None:
        raise ValueError("validation_data has no validation split: prepare it with a holdout")
    if isinstance(split, Arrays):
        return {**options, "validation_data": split.xyw()}
    if not isinstance(split, Split):
        return options
    options = dict(options)
    size = options.pop("validation_batch_size", None) or options.get("batch_size")
    return {**options, "validation_data": _batches(split, size)}


def _batches(split: Split, batch_size: int | None) -> Batches:
    return Batches(split) if batch_size is None else Batches(split, batch_size)


def follow_epochs(x: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Arguments of `fit` for the data set x: `Batches` owns its order and follows the epoch.

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
    return x, _with_callbacks(options, [EpochCallback(x), *_callbacks(options)])


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
