"""A folder for copies of what readers cannot open where it is."""

import tempfile
from pathlib import Path
from types import TracebackType

from sasrec_fast.errors import DataError


class Scratch:
    """Temporary folders, made where they are needed and removed in the end."""

    def __init__(self) -> None:
        self._root: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._root is not None:
            self._root.cleanup()

    def folder(self) -> Path:
        """A new folder, which is empty.

        Raises:
            DataError: There is no place to write.
        """
        try:
            if self._root is None:
                self._root = tempfile.TemporaryDirectory(prefix="sasrec_fast")
            return Path(tempfile.mkdtemp(dir=self._root.name))
        except OSError as failure:
            raise DataError(
                f"no temporary folder can be made ({failure}), and it is needed to unpack or copy "
                "what is read; set TMPDIR to a folder with free space"
            ) from None
