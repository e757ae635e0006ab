"""The real sequences that training is measured on, and the settings of each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FOLDER_VARIABLE = "SASREC_FAST_DATA"
BESIDE_THE_PROJECT = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Setting:
    """A data set and the model trained on it; `required` is the ratio to the Keras example."""

    name: str
    file: str
    length: int
    width: int
    dropout: float
    required: float
    layers: int = 2
    batch_size: int = 128


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("ml-1m", "ml-1m-sequences/ml-1m.txt.gz", 200, 50, 0.2, 2.0),
        Setting("beauty", "beauty/s3-beauty.txt.gz", 50, 64, 0.5, 4.0),
    )
}


def data_folder(chosen: str | None) -> Path:
    """The folder named on the command line, by SASREC_FAST_DATA, or beside the project.

    Raises:
        FileNotFoundError: It does not exist.
    """
    folder = Path(chosen or os.environ.get(FOLDER_VARIABLE) or BESIDE_THE_PROJECT)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"no data in {folder}: name its folder with --folder or {FOLDER_VARIABLE}"
        )
    return folder
