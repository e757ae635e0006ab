"""The folder of saved data: new content beside the old, and one rename that decides between them.

Files are named by their content, `items-1a2b3c4d.npy`, so that those of two saves lie side by side;
the manifest, replaced last and at once, says which count. Whatever happens before, the old content
is there whole, and after it the new.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sasrec_fast.errors import DataError
from sasrec_fast.saving import manifest
from sasrec_fast.saving.replaced_file import flush_folder, locked
from sasrec_fast.saving.schema import PARTS
from sasrec_fast.saving.termination import tidy_termination

_UNFINISHED = re.compile(r"\..+\.unfinished-.+")
_FILE = re.compile(
    r"(?:(?:log_)?(?:offsets|(?:user|item)_ids)|user_keys|(?:train|validation|test)_(?:users|ends)"
    r"|(?:items|log_items|log_times)(?:_(?:places|values|removed|codes))?)"
    r"(-[0-9a-f]{8})?\.(?:npy|arrow)"
)
_DAY = 24 * 3600


@contextmanager
def writable_folder(folder: Path) -> Iterator[Path]:
    """The folder to write files and then a manifest to, made if need be; one save at a time.

    In the end, files go that neither the manifest there is then nor the one before names: what
    killed and failed saves left, and the content before the one replaced. The content replaced
    stays until the next save, for those who have read its manifest and not yet opened its files.

    Args:
        folder: A new folder, an empty one, or one of saved data; symbolic links are followed.

    Raises:
        FileExistsError: It holds something else.
    """
    target = Path(os.path.realpath(folder))
    if target.exists() and not target.is_dir():
        raise FileExistsError(f"{target} is a file; a new folder or saved data can be written to")
    is_new = not target.exists()
    target.mkdir(parents=True, exist_ok=True)
    with tidy_termination(), locked(target) as alone:
        replaced = _require_replaceable(target)
        try:
            yield target
        finally:
            # What is saved is saved: what cannot be removed now waits for the next save.
            with suppress(OSError, DataError):
                _remove_others(target, replaced | _files_in_use(target), alone)
            if is_new:
                with suppress(OSError):  # it is not empty, unless the save failed
                    target.rmdir()
                flush_folder(target.parent)


def _files_in_use(folder: Path) -> set[str]:
    """The manifest and the files it names; nothing where there is no manifest."""
    if not (folder / manifest.FILE_NAME).exists():
        return set()
    return manifest.file_names(manifest.read_unchecked(folder))


def _require_replaceable(folder: Path) -> set[str]:
    """The files in use of a folder that holds nothing but saved data."""
    try:
        used = _files_in_use(folder)
    except DataError as failure:
        raise FileExistsError(f"{folder} is not replaced: {failure}") from None
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in used and not _is_leftover(name, used):
            raise FileExistsError(
                f"{folder} is not replaced: it holds {name!r}, which is no part of saved data"
            )
    return used


def _is_leftover(name: str, used: set[str]) -> bool:
    """Whether it is of another save; of plain names, of version 1, only a manifest tells."""
    match = _FILE.fullmatch(name)
    whole = _UNFINISHED.fullmatch(name) or PARTS.fullmatch(name)
    return bool(whole or (match and (match[1] or used)))


def _remove_others(folder: Path, used: set[str], alone: bool) -> None:
    """Remove what other saves left: without a lock, only what no save still at work can own."""
    for path in folder.iterdir():
        is_old = alone or path.stat().st_mtime < time.time() - _DAY
        if is_old and path.name not in used and _is_leftover(path.name, used):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
