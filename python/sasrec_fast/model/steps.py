"""Steps of Keras that leave a model whole, however they end.

On JAX, Keras' loops take the values out of a model's variables, hand them to compiled steps that
consume them, and put them back at the end of an epoch. An exception in between (Ctrl-C, an alarm,
an error of the data or the compiler) loses the weights. Here the model knows its latest values at
every moment, no signal comes between a step and noting its values, and whatever happens they are
put back.

The steps of a run of batches (`batching.Runs`) are one compiled loop, so that Python has to do with
the device once a run.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import keras
from jax import lax

from sasrec_fast.backend import Uninterrupted, on_jax
from sasrec_fast.batching import is_run, run_batch
from sasrec_fast.layers import asked_last, padding_behind
from sasrec_fast.model.averaging import own_values

_PARTS = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)
Step = Callable[[Any, Any], tuple[Any, Any]]
"""From the values of the variables and the data to logs and new values."""


class WholeSteps(keras.Model):  # type: ignore[misc]
    """A Keras model that has the weights of its last finished step when a call is cut short."""

    _jax_state: Any
    _jax_state_synced: bool

    @property
    def asks_last(self) -> bool:
        """Whether a training step can do with the states of the last items of rows alone."""
        return False

    def __setattr__(self, name: str, value: Any) -> None:
        """As Keras', but values of a step, noted after each, are not looked through for layers."""
        if name.startswith("_jax_state"):
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    @contextmanager
    def left_whole(self) -> Iterator[None]:
        """A block that trains or answers, after which every variable has its latest value."""
        if not on_jax():
            yield
            return
        self.jax_state_sync()
        try:
            yield
        finally:
            self.jax_state_sync()
            self._jax_state = None
            own_values(self)

    def build_whole(self) -> None:
        """Create the weights of model and optimizer at once, where they are missing."""
        with Uninterrupted():
            if not self.built:
                self.build()
            optimizer = getattr(self, "optimizer", None)
            if optimizer is not None and not optimizer.built:
                optimizer.build(self.trainable_variables)

    def jax_state_sync(self) -> None:
        """Give the variables the values of the latest step (Keras' name)."""
        if getattr(self, "_jax_state", None) and not self._jax_state_synced:
            with Uninterrupted():
                super().jax_state_sync()

    def _get_jax_state(self, **parts: bool) -> Any:
        names = [name for name in _PARTS if parts.get(name)]
        with Uninterrupted():
            state = super()._get_jax_state(**parts)
            self._note(names, state)
        return state

    def _note(self, names: list[str], state: Any) -> None:
        self._jax_state = dict(zip(names, state, strict=True))
        self._jax_state_synced = False

    def _whole(self, function: Step, of_run: Step) -> Step:
        """The step, on data that is there, with its values noted before anything else happens."""

        def step(state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
            data = list(islice(iterator, self.steps_per_execution))
            if not data:
                raise StopIteration
            names = list(self._jax_state)
            with Uninterrupted():
                if isinstance(data[0], tuple) and is_run(data[0][0]):
                    for (run,) in data:
                        result, state = of_run(state, run)
                        self._note(names, state)
                else:
                    result, state = function(state, iter(data))
                    self._note(names, state)
            return result, state

        return step

    def _make(self, make: Callable[[bool], Any], name: str, force: bool) -> Any:
        before = getattr(self, name, None)
        make(force)
        made = getattr(self, name)
        if on_jax() and made is not before:
            step = getattr(self, name.replace("function", "step"))
            compiled = self.jit_compile and not self.run_eagerly
            of_run = _Compiled(partial(_scanned, step)) if compiled else partial(_looped, step)
            made = self._whole(made, of_run)
            setattr(self, name, made)
        return made

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras', but whole."""
        return self._make(super().make_train_function, "train_function", force)

    def make_test_function(self, force: bool = False) -> Any:
        """As Keras', but whole."""
        return self._make(super().make_test_function, "test_function", force)

    def make_predict_function(self, force: bool = False) -> Any:
        """As Keras', but whole."""
        return self._make(super().make_predict_function, "predict_function", force)


class _Compiled:
    """A compiled step, which consumes the values and gives new ones where these were."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._jitted: Step | None = None

    def __call__(self, state: Any, data: Any) -> tuple[Any, Any]:
        if self._jitted is None:
            layouts = None
            if keras.distribution.distribution() is not None:
                layouts = None, jax.tree.map(lambda value: value.sharding, state)
            self._jitted = jax.jit(self._step, donate_argnums=0, out_shardings=layouts)
        return self._jitted(state, data)


def _scanned(step: Step, state: Any, run: Any) -> tuple[Any, Any]:
    """The steps of a run in one loop on the device; the logs are those of the last one."""
    length = run["sequences"].shape[1]

    def body(state: Any, index: Any) -> tuple[Any, Any]:
        logs, state = step(state, run_batch(run, index))
        return state, logs

    with padding_behind.within(), asked_last.within("asked" in run):
        if length == 1:
            return step(state, run_batch(run, 0))
        state, logs = lax.scan(body, state, jnp.arange(length))
    return jax.tree.map(lambda values: values[-1], logs), state


def _looped(step: Step, state: Any, run: Any) -> tuple[Any, Any]:
    """As `_scanned`, step by step in Python."""
    with padding_behind.within(), asked_last.within("asked" in run):
        for index in range(run["sequences"].shape[1]):
            logs, state = step(state, run_batch(run, index))
    return logs, state
