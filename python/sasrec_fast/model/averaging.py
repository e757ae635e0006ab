"""Averaged weights (`use_ema` of Keras' optimizers) where a model is measured, kept and saved.

Keras gives a model the moving average of its weights when `fit` ends, and validates each epoch by
the weights themselves. Here whatever looks at the model at the end of an epoch sees the average:
validation, `RankingMetrics`, and callbacks that save it or keep the best. Training then goes on
from the weights themselves, which with the average are the state of a run that resumes.
"""

from typing import Any

import jax.numpy as jnp
import keras

from sasrec_fast.backend import Uninterrupted, on_jax


def averages(model: Any) -> list[tuple[Any, Any]]:
    """Each trainable variable with that of its average; empty where none is kept."""
    optimizer = _averaging(model)
    if optimizer is None or not optimizer.built:
        return []
    kept = optimizer._model_variables_moving_average
    pairs = zip(optimizer._trainable_variables, kept, strict=True)
    return [(variable, average) for variable, average in pairs if average is not None]


def _averaging(model: Any) -> Any:
    """The optimizer that keeps an average, or None."""
    optimizer = getattr(model, "optimizer", None)
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of one that scales the loss
    return optimizer if getattr(optimizer, "use_ema", False) else None


def own_values(model: Any) -> None:
    """Give each variable a value of its own, where it has that of its average as Keras left it.

    A compiled step consumes the values it is given, and cannot consume one twice.
    """
    with Uninterrupted():
        for variable, average in averages(model):
            if on_jax() and variable.value is average.value:
                variable.assign(jnp.copy(average.value))


def between_averages(model: Any, callbacks: list[Any]) -> list[Any]:
    """The callbacks of `fit`, between those that bring the average and that take it away.

    As they are where the optimizer of the model, which is built, keeps none. Before the first step
    the average is that of the weights there are, where Keras has zeros.

    Raises:
        ValueError: One of them is Keras' own way to the same.
    """
    optimizer = _averaging(model)
    if optimizer is None:
        return callbacks
    for callback in callbacks:
        if getattr(callback, "swap_on_epoch", False):
            raise ValueError(
                "SwapEMAWeights(swap_on_epoch=True) is for Keras' own fit; SASRec.fit shows the "
                "averaged weights to every callback at the end of an epoch: leave it out"
            )
    averaged = Averaged(model)
    if int(optimizer.iterations) == 0:
        averaged.settle()
    return [_Before(averaged), *callbacks, _After(averaged)]


class Averaged:
    """Shows and hides the averaged weights of a model, see `between_averages`."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._weights: list[Any] | None = None

    def show(self) -> None:
        """Give the model its averaged weights."""
        if self._weights is not None:
            return
        pairs = averages(self._model)
        with Uninterrupted():
            self._weights = [variable.value for variable, _ in pairs]
            for variable, average in pairs:
                variable.assign(average)
            own_values(self._model)

    def hide(self) -> None:
        """Give the model the weights that training goes on with."""
        if self._weights is None:
            return
        with Uninterrupted():
            for (variable, _), value in zip(averages(self._model), self._weights, strict=True):
                variable.assign(value)
            self._weights = None

    def settle(self) -> None:
        """Let the average be what the model has now, such as the weights of its best epoch."""
        with Uninterrupted():
            for variable, average in averages(self._model):
                average.assign(variable)
            own_values(self._model)


class _Before(keras.callbacks.Callback):  # type: ignore[misc]
    """Before the callbacks of an epoch's end, and before Keras validates."""

    def __init__(self, averaged: Averaged) -> None:
        super().__init__()
        self._averaged = averaged

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._averaged.show()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._averaged.show()


class _After(keras.callbacks.Callback):  # type: ignore[misc]
    """After those callbacks, and before the checkpoint of the run."""

    def __init__(self, averaged: Averaged) -> None:
        super().__init__()
        self._averaged = averaged

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._averaged.hide()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._averaged.settle()
