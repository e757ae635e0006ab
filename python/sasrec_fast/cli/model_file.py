"""The model file of the command line: a .keras file that also says how its data was prepared.

A .keras file is a zip archive. Keras ignores members it does not know, so the options of
`prepare` travel in the same file, as `sasrec_fast.json`, and cannot be lost or mixed up.
"""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sasrec_fast.model import SASRec

MEMBER = "sasrec_fast.json"


def check_output(path: Path, suffix: str) -> None:
    """Refuse, before any work is done, a path that cannot be written.

    Raises:
        ValueError: Another suffix, a folder, or a parent that is no folder one can write to.
    """
    parent = path.absolute().parent
    if path.suffix != suffix:
        raise ValueError(f"--output {path}: expected a name that ends in {suffix}")
    if path.is_dir():
        raise ValueError(f"--output {path} is a folder, expected a file")
    if not parent.is_dir():
        raise ValueError(f"--output {path}: there is no folder {parent}")
    if not os.access(parent, os.W_OK):
        raise ValueError(f"--output {path}: the folder {parent} cannot be written to")


@contextmanager
def written_at_once(path: Path) -> Iterator[Path]:
    """A temporary path, moved to `path` at the end; after an error `path` is as it was."""
    with tempfile.TemporaryDirectory(dir=path.absolute().parent, prefix=".sasrec-fast-") as folder:
        temporary = Path(folder) / path.name
        yield temporary
        temporary.replace(path)


def save_model(
    model: SASRec, path: Path, options: Mapping[str, Any], fingerprint: str | None = None
) -> None:
    """Write the model, the options of `prepare` and its result's fingerprint, whole or not at all.

    Args:
        model: A trained model.
        path: A .keras file to write or replace.
        options: `Prepared.options` of the data it was trained on.
        fingerprint: `Prepared.fingerprint` of them.
    """
    content = {"prepare": dict(options), "fingerprint": fingerprint}
    with written_at_once(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(content, indent=1))


def read_options(path: Path) -> dict[str, Any]:
    """The options of `prepare` of a model file.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It is no model file, or was not saved by `sasrec-fast train`.
    """
    options: dict[str, Any] = _read_member(path)["prepare"]
    return options


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of the data a model was trained on; None where the file does not say."""
    fingerprint: str | None = _read_member(path).get("fingerprint")
    return fingerprint


def _read_member(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            content: dict[str, Any] = json.loads(archive.read(MEMBER))
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except KeyError:
        raise DataError(
            f"{path} does not say how its data was prepared: it was not saved by "
            "`sasrec-fast train`; use sasrec_fast.recommend and evaluate in Python"
        ) from None
    except (zipfile.BadZipFile, OSError, ValueError) as failure:
        raise DataError(f"{path} is no .keras file: {failure}") from None
    return content


def load_model(path: Path) -> SASRec:
    """The model of a file that `read_options` has accepted.

    Raises:
        DataError: Keras cannot load it, or it is another kind of model.
    """
    import keras

    from sasrec_fast.model import SASRec

    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as failure:  # Keras raises whatever a damaged file makes it run into
        raise DataError(f"{path} cannot be loaded by Keras: {failure}") from None
    if not isinstance(model, SASRec):
        raise DataError(f"{path} holds a {type(model).__name__}, expected a SASRec")
    return model
