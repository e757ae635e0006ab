"""The model file of the command line: a .keras file that also says how its data was prepared.

A .keras file is a zip archive. Keras ignores members it does not know, so the options of
`prepare` travel in the same file, as `sasrec_fast.json`, and cannot be lost or mixed up.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sasrec_fast.model import SASRec

MEMBER = "sasrec_fast.json"


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
    with replaced_file(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(content, indent=1))


def read_options(path: Path) -> dict[str, Any] | None:
    """The options of `prepare` of a model file; None where it was saved by other means.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It is no model file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if MEMBER not in archive.namelist():
                return None
            options: dict[str, Any] = json.loads(archive.read(MEMBER))["prepare"]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except (zipfile.BadZipFile, OSError, ValueError, KeyError) as failure:
        raise DataError(f"{path} is no .keras file: {failure}") from None
    return options


def read_fingerprint(path: Path) -> str | None:
    """The fingerprint of the data a model was trained on; None where the file does not say."""
    with zipfile.ZipFile(path) as archive:
        fingerprint: str | None = json.loads(archive.read(MEMBER)).get("fingerprint")
    return fingerprint


def require_options(path: Path) -> dict[str, Any]:
    """The options of `prepare` of a model saved by `sasrec-fast train`.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It is no model file, or was not saved by `sasrec-fast train`.
    """
    options = read_options(path)
    if options is None:
        raise DataError(
            f"{path} does not say how its data was prepared: it was not saved by "
            "`sasrec-fast train`; use `recommend --history`, or sasrec_fast in Python"
        )
    return options
