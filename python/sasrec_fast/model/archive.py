"""What a .keras file may hold, checked before Keras builds anything of it.

A file may be from anywhere. Sizes in its config are held against those of its weights, and those
against the bytes there are, so that no number in it makes this process allocate or wait.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError, cut
from sasrec_fast.model.sizes import Sizes, require_packed, require_weights

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
_HDF5 = b"\x89HDF\r\n\x1a\n"
_EXPANSION, _SMALL = 64, 1 << 20
"""Weights and ids shrink by a few times at most; a file that grows more was made to."""

LONGEST = 400
"""Letters shown of what Keras says, which may list every layer."""

_KERAS = re.compile(
    r"keras\.(optimizers|dtype_policies|activations|regularizers|constraints|initializers)(\..*)?"
)
_POLICIES = ("DTypePolicy", "DTypePolicyMap")


def require_sound_archive(file: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that holds no SASRec, or one that its weights are not of.

    Nothing is decompressed before its size is known, and nothing of it is run.

    Raises:
        DataError: Says what is wrong; `file` is what it is called.
    """
    try:
        require_sound_members(archive)
        for name in (CONFIG, WEIGHTS):
            if name not in archive.namelist():
                raise ValueError(f"it has no {name}")
        content = json.loads(archive.read(CONFIG))
        _require_model(content)
        _require_known(content, "config.json")
        sizes = Sizes.of(content["config"])
        require_packed(content, sizes)
        sizes.require_bytes(archive.getinfo(WEIGHTS).file_size)
        weights = archive.read(WEIGHTS)
        if not weights.startswith(_HDF5):
            raise ValueError(f"{WEIGHTS} is no HDF5 file")
        require_weights(io.BytesIO(weights), sizes)
    except _OtherModelError as other:
        raise DataError(f"{file} holds a {other}, expected a SASRec") from None
    except Exception as failure:  # of the many that damage leads to
        raise DataError(f"{file} cannot be loaded by Keras: {cut(failure, LONGEST)}") from None


class _OtherModelError(Exception):
    """The archive is of another kind of model."""


def require_sound_members(archive: zipfile.ZipFile) -> None:
    """Refuse repeated and strangely named members, and those that are bombs.

    Raises:
        ValueError: Names the member.
    """
    members = archive.infolist()
    names = [member.filename for member in members]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"it has {checks.received(repeated[0])} twice")
    strange = [name for name in names if not re.fullmatch(r"(assets/)?[\w. -]+/?", name)]
    if strange or ".." in "".join(names):
        raise ValueError(f"it has members named {checks.received(strange or names)}")
    for member in members:
        if member.file_size > _SMALL + _EXPANSION * member.compress_size:
            raise ValueError(
                f"{checks.received(member.filename)} would take {member.file_size:,} bytes, "
                f"of {member.compress_size:,} in the file"
            )
    total, there = sum(member.file_size for member in members), _length(archive)
    if total > _SMALL + _EXPANSION * there:
        raise ValueError(f"its members would take {total:,} bytes, of {there:,} in the file")


def _length(archive: zipfile.ZipFile) -> int:
    assert archive.fp is not None
    return int(archive.fp.seek(0, io.SEEK_END))


def _require_model(content: Any) -> None:
    import keras

    from sasrec_fast.model.sasrec import SASRec

    if not isinstance(content, dict) or not isinstance(content.get("class_name"), str):
        raise TypeError(f"{CONFIG} is of no model")
    name = content.get("registered_name") or content["class_name"]
    found = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    if not (isinstance(found, type) and issubclass(found, SASRec)):
        raise _OtherModelError(checks.received(content["class_name"]).strip("'"))
    if not isinstance(content.get("config"), dict):
        raise TypeError(f"{CONFIG} has no arguments of a SASRec")


def _require_known(value: Any, where: str) -> None:
    """Refuse objects that a SASRec does not consist of, unless this process registered them."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        if isinstance(value, dict):
            pending += value.values()
            if "class_name" in value and not _is_known(value):
                raise ValueError(
                    f"{where} asks for {checks.received(value['class_name'])} of "
                    f"{checks.received(value.get('module'))}, which is no part of a SASRec; if it "
                    "is yours, register it by keras.saving.register_keras_serializable"
                )


def _is_known(value: Mapping[str, Any]) -> bool:
    import keras

    name, module = value["class_name"], value.get("module")
    if not isinstance(name, str) or name.startswith("__") or name == "Lambda":
        return False
    named = value.get("config") if name == "function" else value.get("registered_name") or name
    if isinstance(named, str) and keras.saving.get_registered_object(named) is not None:
        return True
    if name == "function":
        return module in ("builtins", "keras.activations")
    is_policy = module == "keras" and name in _POLICIES
    return isinstance(module, str) and (is_policy or bool(_KERAS.fullmatch(module)))
