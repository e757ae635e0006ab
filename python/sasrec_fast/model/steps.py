"""Steps of Keras that leave a model whole, however they end.

On JAX, Keras' loops take the values out of a model's variables, hand them to compiled steps that
consume them, and put them back at the end of an epoch. An exception in between (Ctrl-C, an alarm,
an error of the data or the compiler) loses the weights. Here the model knows its latest values at
every moment, no signal comes between a step and noting its values, and whatever happens they are
put back.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import keras

from sasrec_fast.backend import Uninterrupted, on_jax

_PARTS = (
    "trainable_variables",
    "non_trainable_variables",
    "optimizer_variables",
    "metrics_variables",
)
Step = Callable[[Any, Iterator[Any]], tuple[Any, Any]]


class WholeSteps(keras.Model):  # type: ignore[misc]
    """A Keras model that has the weights of its last finished step when a call is cut short."""

    _jax_state: Any
    _jax_state_synced: bool

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
        object.__setattr__(self, "_jax_state", dict(zip(names, state, strict=True)))
        object.__setattr__(self, "_jax_state_synced", False)

    def _whole(self, function: Step) -> Step:
        """The step, on data that is there, with its values noted before anything else happens."""

        def step(state: Any, iterator: Iterator[Any]) -> tuple[Any, Any]:
            data = list(islice(iterator, self.steps_per_execution))
            if not data:
                raise StopIteration
            names = list(self._jax_state)
            with Uninterrupted():
                result, state = function(state, iter(data))
                self._note(names, state)
            return result, state

        return step

    def _make(self, make: Callable[[bool], Any], name: str, force: bool) -> Any:
        before = getattr(self, name, None)
        make(force)
        made = getattr(self, name)
        if on_jax() and made is not before:
            made = self._whole(made)
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
