"""Model files that answer for external ids, and that say how their data was prepared.

A .keras file is a zip archive. Keras ignores members it does not know, so the options of `prepare`
travel in the same file, as `sasrec_fast.json`, and cannot be lost or mixed up.
"""

from __future__ import annotations

import json
import os
import zipfile
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError, cut
from sasrec_fast.model.archive import LONGEST, require_sound_archive, require_sound_members
from sasrec_fast.model.assets import BINDING, digest_of_weights
from sasrec_fast.preparing import prepare
from sasrec_fast.saving import replaced_file

if TYPE_CHECKING:
    from sasrec_fast.model.sasrec import SASRec
    from sasrec_fast.preparing import Prepared
    from sasrec_fast.store import Vocabulary

MEMBER = "sasrec_fast.json"
_BINDING = f"assets/{BINDING}"


def load_model(
    path: str | os.PathLike[str], *, items: Vocabulary | None = None, compiled: bool = True
) -> SASRec:
    """Load what `model.save("model.keras")` wrote; it recommends with no data at hand.

    The file carries the item ids and, if the model was given them, how popular the items are
    (`SASRec(..., items=data.items, item_counts=data.item_counts)`).
    `recommend(model, histories=...)` and `similar_items(model, item)` then answer as they did
    before saving.

    Args:
        path: A .keras file.
        items: The vocabulary of a file that was saved without one.
        compiled: Restore loss and optimizer too, for more training, where it was compiled.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: A ValueError: it is no .keras file or a damaged one, holds another kind of
            model, or one without item ids; or `items` are not the file's.
        TypeError: No path.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, received {path!r}")
    file = Path(path)
    _require_file(file)
    with zipfile.ZipFile(file) as archive:
        require_sound_archive(file, archive)
    import keras

    from sasrec_fast.model.sasrec import SASRec

    try:
        model = keras.saving.load_model(file, compile=compiled)
    except Exception as failure:  # Keras raises whatever a damaged file makes it run into
        raise DataError(f"{file} cannot be loaded by Keras: {cut(failure, LONGEST)}") from None
    if not isinstance(model, SASRec):
        raise DataError(f"{file} holds a {type(model).__name__}, expected a SASRec")
    if model.saved_weights not in (None, digest_of_weights(model.weights)):
        raise DataError(f"{file} holds the item ids of another model than its weights are of")
    _give_items(model, items, file)
    return model


def _require_file(file: Path) -> None:
    if file.is_dir():
        raise DataError(
            f"{file} is a folder, expected a .keras file; sasrec_fast.load opens prepared data"
        )
    if not file.exists():
        raise FileNotFoundError(f"{file}: there is no such file")
    if file.suffix != ".keras" or not zipfile.is_zipfile(file):
        raise DataError(f"{file} is no .keras file, as model.save('model.keras') writes")


def _give_items(model: SASRec, items: Vocabulary | None, file: Path) -> None:
    if model.items is None and items is None:
        raise DataError(
            f"{file} holds a model without item ids: save one made with "
            "SASRec(..., items=data.items), or load it with items=data.items; "
            "keras.saving.load_model loads it as it is"
        )
    if items is None:
        return
    if model.items is not None and model.items != items:
        raise DataError(f"{file} holds a model of other items than those given: {model.items!r}")
    if len(items) + 1 != model.vocabulary_size:
        raise DataError(
            f"items holds {len(items)} ids, the model in {file} knows {model.vocabulary_size - 1}"
        )
    model.items = items


def save_model(model: SASRec, path: Path, data: Prepared) -> None:
    """Write a model and how the data it was trained on was prepared, whole or not at all.

    Args:
        model: A trained model.
        path: A .keras file to write or replace.
        data: Its data, of which `options` and `fingerprint` are kept.
    """
    content = {"prepare": dict(data.options), "fingerprint": data.fingerprint}
    with replaced_file(path) as temporary:
        model.save(temporary)
        content["weights"] = digest_of_weights(model.weights)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(MEMBER, json.dumps(content, indent=1))


def read_preparation(path: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The options of `prepare` of a model file and the fingerprint of its data.

    Returns:
        None for what the file does not say, as it was saved by other means.

    Raises:
        FileNotFoundError: There is no such file.
        DataError: It is no model file.
    """
    _require_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            require_sound_members(archive)
            names = archive.namelist()
            if MEMBER not in names:
                return None, None
            content = json.loads(archive.read(MEMBER))
            bound = json.loads(archive.read(_BINDING)) if _BINDING in names else {}
            if "weights" in bound and content.get("weights", bound["weights"]) != bound["weights"]:
                raise ValueError(f"{MEMBER} is of another model")
            return _preparation(content["prepare"]), content.get("fingerprint")
    except Exception as failure:  # of the many that a damaged file leads to
        raise DataError(f"{path} is no .keras file: {failure}") from None


def _preparation(options: Any) -> dict[str, Any]:
    """The options of `prepare`, which checks each; those that an earlier version had not yet too.

    Raises:
        TypeError: They are no mapping.
    """
    if not isinstance(options, dict):
        raise TypeError(f"the options of prepare are {checks.received(options)}")
    known = signature(prepare).parameters.values()
    defaults = {one.name: one.default for one in known if one.default is not Parameter.empty}
    return {**defaults, **options}
