"""A model as files that serve without it: its encoder as ONNX, its vectors, ids and counts."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sasrec_fast.ranking import widths_of
from sasrec_fast.serving.folder import FolderWriter, require_own, timing_content

if TYPE_CHECKING:
    from sasrec_fast.model import SASRec
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.recommendation import Titles

OPSET = 21


def export(
    model: SASRec,
    folder: str | os.PathLike[str],
    *,
    data: Prepared | None = None,
    titles: Titles | None = None,
) -> Path:
    """Write what `Recommender(folder)` serves from with numpy, pyarrow and ONNX Runtime alone.

    See docs/serving.md for the files, which other languages read as well. An export into a folder
    that holds one replaces it at once, and whole; who has it open goes on with what was.

    Args:
        model: A `SASRec` that carries its `items`; in float32, on JAX.
        folder: A new folder, an empty one, or one of an earlier export.
        data: For how popular items are, of a model without `item_counts`.
        titles: As of `recommend`; they travel along.

    Returns:
        The folder.

    Raises:
        ImportError: jax2onnx is not installed.
        ValueError: The model has no item ids, or looks at times and does not say how timestamps
            become seconds.
        FileExistsError: The folder holds something else.
        RuntimeError: The backend is not JAX.
    """
    from sasrec_fast.backend import on_jax
    from sasrec_fast.serving.sources import opened

    _require_exporter()
    if not on_jax():
        raise RuntimeError("export takes a model on the JAX backend: KERAS_BACKEND=jax")
    if isinstance(model, str | os.PathLike):
        raise TypeError("export takes a model: sasrec_fast.load_model(path) opens its file")
    found = opened(model, data, titles)
    catalogue = found.catalogue
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; choose a new folder")
    require_own(target)
    target.mkdir(parents=True, exist_ok=True)
    writer = FolderWriter(target)
    tables = _write_tables(writer, model, catalogue.vectors)
    widths = widths_of(int(model.max_sequence_length))
    for width in widths:
        graph = _graph(model, width, tables)
        writer.add(f"encoder_{width}", ".onnx", lambda path, made=graph: _write(made, path))  # type: ignore[misc]
    writer.ids(catalogue.items)
    writer.array("served", catalogue.mask)
    if catalogue.counts is not None:
        writer.array("item_counts", catalogue.counts.astype("<i8"))
    if catalogue.titles is not None:
        writer.titles(catalogue.titles)
    writer.finish({**_content(model, widths), **timing_content(found.timing)})
    return target


def _require_exporter() -> None:
    try:
        import jax2onnx  # noqa: F401
    except ImportError:
        raise ImportError(
            "export needs jax2onnx: pip install 'sasrec-fast[onnx]'; who serves what it writes "
            "needs onnxruntime alone"
        ) from None


def _write_tables(
    writer: FolderWriter, model: Any, vectors: np.ndarray[Any, Any]
) -> list[tuple[np.ndarray[Any, Any], str]]:
    """Write the vectors that score items, and those that are read where they are others."""
    found = [(vectors, writer.array("item_vectors", vectors))]
    inputs = np.asarray(model.item_embedding.embeddings.value, np.float32)
    if not np.array_equal(inputs, vectors):
        found.append((inputs, writer.array("input_vectors", inputs)))
    return found


def _graph(model: Any, width: int, tables: list[tuple[np.ndarray[Any, Any], str]]) -> Any:
    """The encoder as an ONNX graph of inputs [n, width], its tables of items in files beside it."""
    import jax
    import jax2onnx
    import onnx

    from sasrec_fast.layers import layer_norm_by
    from sasrec_fast.model.frozen import stateless
    from sasrec_fast.serving.operators import layer_norm

    state = stateless(model, model._encode_last)
    names = [name for name in model._input_names if name != "padding_mask"]
    with model.left_whole():
        values = [weight.value for weight in model.weights]
    with layer_norm_by(layer_norm()):
        made = jax2onnx.to_onnx(
            lambda *inputs: state(values, dict(zip(names, inputs, strict=True))),
            inputs=[jax.ShapeDtypeStruct(("rows", width), np.int32) for _ in names],
            input_names=names,
            output_names=["states"],
            model_name="sasrec_encoder",
            opset=OPSET,
        )
    for tensor in made.graph.initializer:
        for table, file in tables:
            if tuple(tensor.dims) == table.shape and np.array_equal(
                onnx.numpy_helper.to_array(tensor), table
            ):
                _refer(tensor, file, table.nbytes)
                break
    return made


def _refer(tensor: Any, file: str, size: int) -> None:
    """Make a tensor of a graph the content of a .npy file beside it."""
    import onnx

    del tensor.external_data[:]
    tensor.ClearField("raw_data")
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    header = _NPY_HEADER
    for key, value in (("location", file), ("offset", header), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))


_NPY_HEADER = 128
"""Bytes before the values of an array in a .npy file of so few axes."""


def _write(graph: Any, path: Path) -> None:
    path.write_bytes(graph.SerializeToString())


def _content(model: Any, widths: tuple[int, ...]) -> dict[str, Any]:
    """The manifest, but for the files."""
    from sasrec_fast import __version__
    from sasrec_fast.model.assets import digest_of_weights

    options = {
        "num_layers": model.num_layers,
        "num_members": model.num_members,
        **dataclasses.asdict(model.block_options),
    }
    about = {
        "package_version": __version__,
        "fingerprint": digest_of_weights(model.weights),
        "options": options,
    }
    return {
        "vocabulary_size": int(model.vocabulary_size),
        "hidden_dim": int(model.vector_dim),
        "widths": list(widths),
        "about": about,
    }
