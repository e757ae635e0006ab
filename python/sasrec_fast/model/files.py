"""What a model writes and reads, without a call before: its shapes depend on no input."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sasrec_fast.backend import on_jax
from sasrec_fast.columns import Clock
from sasrec_fast.model.assets import Assets, digest_of_weights, load_assets, save_assets
from sasrec_fast.model.inputs import checked_counts, checked_items
from sasrec_fast.saving import replaced_file
from sasrec_fast.store import Vocabulary

EXPORTERS = {"tf_saved_model": "tensorflow", "onnx": "onnx", "litert": "ai_edge_litert"}
"""What else must be installed for a format of `export`."""


class ModelFiles:
    """Files of a Keras model that `build` without a shape makes."""

    build: Callable[[], None]
    vocabulary_size: int
    max_sequence_length: int
    compiled: bool
    optimizer: Any
    weights: list[Any]
    trainable_variables: list[Any]
    items: Vocabulary | None
    item_counts: NDArray[np.int64] | None
    clock: Clock | None = None
    """How the timestamps of its data became seconds; `for_data` and `fit` set it, files keep it."""
    described: NDArray[np.bool_] | None = None
    """Items with vectors of their own, which need no interaction; None: no such; see `extended`."""
    saved_weights: str | None = None
    """Digest of the weights that the assets of a loaded file belong to."""

    def save(
        self, filepath: str | os.PathLike[str], overwrite: bool = True, **options: Any
    ) -> None:
        """Write a .keras file, whole or not at all; see `keras.Model.save`.

        Args:
            filepath: The file.
            overwrite: Whether a file there is replaced without asking.
            **options: Every other argument of `keras.Model.save`.
        """
        self.build()
        if self.compiled and not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        save: Callable[..., None] = super().save  # type: ignore[misc]
        path = str(filepath)
        if not path.endswith(".keras") or "://" in path or not overwrite:
            save(filepath, overwrite=overwrite, **options)
            return
        with replaced_file(Path(filepath)) as temporary:
            save(temporary, **options)

    def save_weights(self, filepath: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Write the weights alone; see `keras.Model.save_weights`."""
        self.build()
        super().save_weights(filepath, *args, **options)  # type: ignore[misc]

    def load_weights(self, filepath: str | os.PathLike[str], *args: Any, **options: Any) -> None:
        """Read what `save_weights` wrote; see `keras.Model.load_weights`."""
        self.build()
        super().load_weights(filepath, *args, **options)  # type: ignore[misc]

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",  # noqa: A002  (as in Keras)
        *,
        input_signature: Any = None,
        **options: Any,
    ) -> None:
        """Write the model for serving without this package; see `keras.Model.export`.

        Args:
            filepath: A folder or file, as the format has it.
            format: As in Keras. "tf_saved_model" needs TensorFlow.
            input_signature: Where None, "item_ids" int32 and "padding_mask" bool, both
                [n, max_sequence_length] for any n, whatever the model was trained or called with.
            **options: Every other argument of `keras.Model.export`.

        Raises:
            ImportError: The package that writes the format is not installed.
        """
        needed = EXPORTERS.get(format)
        if on_jax() and needed is not None and importlib.util.find_spec(needed) is None:
            raise ImportError(
                f"export(format={format!r}) needs the package {needed}, which is not installed; "
                "model.save('model.keras') and sasrec_fast.load_model need none"
            )
        self.build()
        if input_signature is None:
            shape = (None, self.max_sequence_length)
            input_signature = [
                {
                    "item_ids": keras.InputSpec(shape=shape, dtype="int32"),
                    "padding_mask": keras.InputSpec(shape=shape, dtype="bool"),
                }
            ]
        super().export(  # type: ignore[misc]
            filepath, format=format, input_signature=input_signature, **options
        )

    def save_assets(self, directory: str) -> None:
        """Write item ids and counts into the model file's assets (called by `save`)."""
        weights = digest_of_weights(self.weights)
        save_assets(
            Assets(self.items, self.item_counts, weights, self.clock, self.described), directory
        )

    def load_assets(self, directory: str | None) -> None:
        """Read what `save_assets` wrote (called on loading)."""
        assets = load_assets(directory, self.vocabulary_size)
        self.items = checked_items(assets.items, self.vocabulary_size)
        self.item_counts = checked_counts(assets.counts, self.vocabulary_size)
        self.saved_weights = assets.weights
        self.clock, self.described = assets.clock, assets.described
