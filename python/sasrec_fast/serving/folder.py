"""A folder that an exported model is in: read without Keras, JAX or pandas, by any language.

`manifest.json`, written last, names the files and says what each must be like. They are named by
their content, so that those of two exports lie side by side and a reader finds the one or the
other, whole: `encoder` by its width, ONNX, item indices int32 [n, width], padded with 0 behind, to
states float32 [n, d]; `item_vectors`, .npy float32 [vocabulary_size, d], whose products with states
are scores; `item_ids`, index 1 first, .npy of integers or an Arrow file of strings; `item_counts`,
.npy int64 [vocabulary_size]; `served`, .npy bool [vocabulary_size]; and `titles`, an Arrow file.
Version 2 is one of a model that looks at times: its graphs have two more inputs, and `timing` says
how timestamps become seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sasrec_fast import checks
from sasrec_fast.columns import Clock
from sasrec_fast.errors import DataError
from sasrec_fast.saving import replaced_file
from sasrec_fast.serving.catalogue import Opened, VectorCatalogue
from sasrec_fast.serving.encoders import OnnxEncoder, Timing
from sasrec_fast.store import Vocabulary

MANIFEST = "manifest.json"
FORMAT = "sasrec_fast.Recommender"
VERSION, TIMED_VERSION = 1, 2
_FILE = re.compile(r"(encoder_\d+|input_vectors|item_\w+|served|titles)-[0-9a-f]{12}\.\w+")
_TITLES = pa.schema([pa.field("title", pa.large_string())])
_IDS = pa.schema([pa.field("id", pa.large_string(), nullable=False)])


class FolderWriter:
    """Writes files into a folder, and in the end the manifest that makes them count."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, suffix: str, write: Callable[[Path], None]) -> str:
        """Write a file by a function that is given a path; returns the name it gets."""
        temporary = self.folder / f".{name}.unfinished-{os.getpid()}{suffix}"
        try:
            write(temporary)
            digest, size = _digest(temporary), temporary.stat().st_size
            file = f"{name}-{digest[:12]}{suffix}"
            temporary.replace(self.folder / file)
        finally:
            temporary.unlink(missing_ok=True)
        self.files[name] = {"file": file, "sha256": digest, "bytes": size}
        return file

    def array(self, name: str, values: NDArray[Any]) -> str:
        """Write an array."""

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.save(file, np.ascontiguousarray(values), allow_pickle=False)

        return self.add(name, ".npy", write)

    def texts(self, name: str, values: Any, schema: pa.Schema) -> str:
        """Write a column of strings."""

        def write(path: Path) -> None:
            batch = pa.record_batch([pa.array(values, pa.large_string())], schema=schema)
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
                writer.write_batch(batch)

        return self.add(name, ".arrow", write)

    def ids(self, items: Vocabulary) -> None:
        """Write the item ids, where they are not their own indices."""
        if items.are_strings:
            self.texts("item_ids", items.strings, _IDS)
        elif not items.is_identity:
            self.array("item_ids", items.ids)

    def titles(self, titles: list[str | None]) -> None:
        """Write the titles of indices from 1 on."""
        self.texts("titles", titles[1:], _TITLES)

    def finish(self, content: Mapping[str, Any]) -> None:
        """Write the manifest, and remove what earlier exports left."""
        whole = {"format": FORMAT, "version": VERSION, **content, "files": self.files}
        before = _listed(self.folder)
        with replaced_file(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
        # What was replaced stays until the next export, for who has read its manifest only.
        keep = before | {entry["file"] for entry in self.files.values()}
        for path in self.folder.iterdir():
            if _FILE.fullmatch(path.name) and path.name not in keep:
                path.unlink(missing_ok=True)


def timing_content(timing: Timing | None) -> dict[str, Any]:
    """What a manifest says of how graphs are told of times; who knows no such must not read it."""
    if timing is None:
        return {}
    told = {"clock": timing.clock.to_dict(), "knows_query_time": timing.knows_query_time}
    return {"version": TIMED_VERSION, "timing": told}


def require_own(folder: Path) -> None:
    """Refuse to write into a folder that holds something else.

    Raises:
        FileExistsError: It does.
    """
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name != MANIFEST and not _FILE.fullmatch(path.name) and path.name[0] != ".":
            raise FileExistsError(
                f"{folder} is not written to: it holds {path.name!r}, which is no part of an "
                "exported model; choose a new folder"
            )
    if (folder / MANIFEST).exists():
        try:
            read_manifest(folder)
        except DataError as failure:
            raise FileExistsError(f"{folder} is not written to: {failure}") from None


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        DataError: There is none, of another format or of a newer version.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            f"{folder} has no {MANIFEST}: it is no folder that sasrec_fast.export wrote"
        ) from None
    except (OSError, ValueError) as failure:
        raise DataError(f"{path} is damaged: {failure}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path} has format {found!r}, expected {FORMAT!r}, as sasrec_fast.export writes"
        )
    if content.get("version") not in (VERSION, TIMED_VERSION):
        raise DataError(
            f"{path} has version {content.get('version')}, this program reads {VERSION} and "
            f"{TIMED_VERSION}: export the model again, or upgrade"
        )
    return dict(content)


def open_folder(folder: Path) -> Opened:
    """The encoder and the catalogue of an exported model; every file is compared with its digest.

    Raises:
        DataError: A file is missing, or not the one that was written.
        ImportError: ONNX Runtime is not installed.
    """
    content = read_manifest(folder)
    while True:
        try:
            return _Reader(folder, content).opened()
        except DataError:
            again = read_manifest(folder)
            if again == content:
                raise
            content = again  # replaced meanwhile


class _Reader:
    """Reads the files of a manifest."""

    def __init__(self, folder: Path, content: Mapping[str, Any]) -> None:
        self._folder, self._content = folder, content
        self._manifest = folder / MANIFEST

    def opened(self) -> Opened:
        with _damage(self._manifest):
            widths = [int(width) for width in self._content["widths"]]
            size, dim = (int(self._content[name]) for name in ("vocabulary_size", "hidden_dim"))
            files = dict(self._content["files"])
        shapes = {"item_vectors": ((size, dim), "<f4"), "served": ((size,), "|b1")}
        vectors, served = (self._array(name, *shapes[name]) for name in shapes)
        counts = self._array("item_counts", (size,), "<i8") if "item_counts" in files else None
        titles = [None, *self._texts("titles", size - 1).to_pylist()] if "titles" in files else None
        if "input_vectors" in files:
            self._file("input_vectors")
        graphs = {width: self._file(f"encoder_{width}") for width in widths}
        if not served.any() or served[0]:
            raise DataError(f"{self._manifest} is damaged: no item is served, or the padding is")
        catalogue = VectorCatalogue(self._items(size), served, counts, vectors, titles)
        about = {"source": str(self._folder), **dict(self._content["about"])}
        return Opened(OnnxEncoder(graphs), catalogue, about, self._timing())

    def _timing(self) -> Timing | None:
        if self._content["version"] == VERSION:
            return None
        with _damage(self._manifest):
            told = self._content["timing"]
            return Timing(
                Clock.from_dict(told["clock"]),
                checks.flag("knows_query_time", told["knows_query_time"]),
            )

    def _items(self, size: int) -> Vocabulary:
        entry = self._content["files"].get("item_ids")
        if entry is None:
            return Vocabulary.identity(size - 1)
        if str(entry.get("file")).endswith(".arrow"):
            ids = self._texts("item_ids", size - 1)
            return Vocabulary(ids)
        return Vocabulary(self._array("item_ids", (size - 1,), None))

    def _file(self, name: str) -> Path:
        """The path of a file that is as it was written."""
        with _damage(self._manifest):
            entry = self._content["files"][name]
            file, digest = str(entry["file"]), str(entry["sha256"])
        if not _FILE.fullmatch(file):
            raise DataError(f"{self._manifest} is damaged: it names a file {file!r}")
        path = self._folder / file
        try:
            same = _digest(path) == digest
        except OSError as failure:
            raise DataError(f"{path} cannot be read: {failure}") from None
        if not same:
            raise DataError(f"{path} is damaged: its content does not match its digest")
        return path

    def _array(self, name: str, shape: tuple[int, ...], dtype: str | None) -> NDArray[Any]:
        path = self._file(name)
        with _damage(path):
            found: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
            if found.shape != shape or (dtype is not None and found.dtype.str != dtype):
                raise ValueError(f"it is {found.dtype} {found.shape}, expected {dtype} {shape}")
        return np.asarray(found)

    def _texts(self, name: str, length: int) -> Any:
        path = self._file(name)
        with _damage(path), pa.memory_map(str(path)) as source:
            table = pa.ipc.open_file(source).read_all()
            column = table.column(0).combine_chunks()
            if len(column) != length or column.type != pa.large_string():
                raise ValueError(f"it holds {len(column):,} values, expected {length:,} strings")
        return column


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What goes wrong with a file's content is an error that names the file."""
    try:
        yield
    except (ArithmeticError, LookupError, TypeError, ValueError, OSError, pa.ArrowException) as why:
        raise DataError(f"{path} is damaged: {why}") from None


def _listed(folder: Path) -> set[str]:
    try:
        files = read_manifest(folder)["files"]
        return {str(entry["file"]) for entry in files.values()}
    except (DataError, LookupError, AttributeError, TypeError):
        return set()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
