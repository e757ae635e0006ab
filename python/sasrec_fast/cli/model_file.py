"""The model file of the command line: a .keras file that also says how its data was prepared.

A .keras file is a zip archive. Keras ignores members it does not know, so the options of
`prepare` travel in the same file, as `sasrec_fast.json`, and cannot be lost or mixed up.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

from sasrec_fast.errors import DataError
from sasrec_fast.replaced_file import replaced_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sasrec_fast.model import SASRec

MEMBER = "sasrec_fast.json"


def save_model(model: SASRec, path: Path, options: Mapping[str, Any]) -> None:
    """Write the model and the options of `prepare`, whole or not at all."""
    with replaced_file(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps({"prepare": dict(options)}, indent=1))


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
            "`sasrec-fast train`; use --history, or sasrec_fast.recommend in Python"
        )
    return options
