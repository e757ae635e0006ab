"""`sasrec-fast export`: a saved model in, a folder out that serves without Keras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli import reading
from sasrec_fast.cli.options import COLUMNS, MOVIES, TRAINED_MODEL, Flag, command
from sasrec_fast.cli.screen import counted, load_keras

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen

PANELS = {
    "Files": {
        "model": TRAINED_MODEL,
        "output": Flag(Path, "a folder, new or of an earlier export, which is replaced", ...),
        "movies": replace(MOVIES, text=f"{MOVIES.text}; they travel along"),
    },
    "Columns of --movies (names, or positions from 0)": {
        name: COLUMNS[name] for name in ("item", "title")
    },
}


@command(PANELS)
def export(arguments: Any, screen: Screen) -> None:
    """Write a model as files that serve without Keras, see docs/serving.md."""
    load_keras(screen)
    from sasrec_fast.model import load_model
    from sasrec_fast.serving import export as write

    item = "item_id" if arguments.item is None else arguments.item
    movies = reading.read_titles(arguments, item, screen)
    with screen.step(f"loading {arguments.model}"):
        model = load_model(arguments.model, compiled=False)
    with screen.step(f"writing {arguments.output}"):
        folder = write(model, arguments.output, titles=movies)
    held = sum(path.stat().st_size for path in folder.iterdir())
    assert model.items is not None
    screen.say(f"wrote {counted(len(model.items), 'item')} and an encoder, {held / 1e6:.1f} MB")
