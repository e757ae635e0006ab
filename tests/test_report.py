"""What the report says, on a terminal and in a notebook, and what it warns of."""

import re
import warnings
from html.parser import HTMLParser
from typing import Any

import pytest

import sasrec_fast as sf

TIED: dict[str, Any] = {
    "user_id": [1, 1, 1, 1, 2, 2, 2, 2],
    "item_id": [1, 2, 3, 4, 4, 3, 2, 5],
    "timestamp": [1, 2, 3, 3, 1, 2, 3, 4],
}


def test_held_out_targets_decided_by_ties_are_warned_of() -> None:
    with pytest.warns(sf.DataWarning, match=r"1 of 2 users \(50.0%\): the order of the input dec"):
        sf.prepare(TIED, holdout=1)
    with pytest.warns(sf.DataWarning, match="a hash of seed and item decides; compare several se"):
        sf.prepare(TIED, holdout=1, ties="hash")


def test_rows_declared_in_time_order_are_not_tied() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = {
            "user_id": [1] * 4 + [2] * 4 + [3] * 4,
            "item_id": [*range(1, 5), 2, 4, 1, 3, 5, 3, 4, 2],
        }
        report = sf.prepare(rows, timestamp=None, holdout=1).report
    assert (report.rows_tied, report.users_tie_dependent) == (0, 0)
    with pytest.raises(ValueError, match="ties='hash' is given, but timestamp is None"):
        sf.prepare(TIED, timestamp=None, ties="hash")


def test_targets_that_training_lacks_are_warned_of() -> None:
    untied = TIED | {"timestamp": [1, 2, 3, 4] * 2}
    with pytest.warns(sf.DataWarning) as caught:
        data = sf.prepare(untied)
    assert [str(warning.message) for warning in caught] == [
        "1 of 2 test targets (50.0%) are items that no training row shows: a model can only "
        "guess them"
    ]
    assert caught[0].filename == __file__, "the warning points at the caller"
    assert data.report.cold_targets == {"validation": 0, "test": 1}
    assert data.report.cold_share == {"validation": 0.0, "test": 0.5}


def test_nothing_is_warned_of_up_to_five_percent() -> None:
    """Of 20 users one has a tie at the end and one an item of its own."""
    rows = [(user, (user + step) % 8, step) for user in range(20) for step in range(6)]
    rows[5], rows[11] = (0, 5, 4), (1, 9, 5)
    columns = dict(zip(("user_id", "item_id", "timestamp"), zip(*rows, strict=True), strict=True))
    columns = {name: [*values, 50] for name, values in columns.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = sf.prepare(columns, holdout=1).report
    assert report.tie_dependent_share == report.cold_share["validation"] == 0.05


class Cells(HTMLParser):
    """The text of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag == "td":
            self.cells.append("")

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.strip("\n")


def test_a_notebook_shows_what_a_terminal_shows() -> None:
    report = sf.prepare(TIED).report
    cells = Cells()
    cells.feed(report._repr_html_())
    lines = [re.split(r"  +", line.strip(), maxsplit=1) for line in str(report).splitlines()]
    assert list(zip(cells.cells[::2], cells.cells[1::2], strict=True)) == list(map(tuple, lines))


def test_the_text_names_every_figure_that_decides() -> None:
    lines = str(sf.prepare(TIED).report).splitlines()
    assert "  held-out target decided by a tie  1 users (50.0%)" in lines
    assert "held-out targets not in training    validation 2 (100.0%), test 1 (50.0%)" not in lines
    assert any(line.startswith("held-out targets not in training    validation ") for line in lines)
    assert any(line.startswith("compact store                       ") for line in lines)
    assert any("train 6.8 kB" in line for line in lines if line.startswith("dense arrays"))
