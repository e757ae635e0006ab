"""prepare() on an engine gives the data that it gives in memory, however rows are spread."""

import tempfile
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from exactness import arguments, prepare
from local_engine import LocalTable
from sasrec_fast.preparing import Options
from sasrec_fast.preparing.engines import prepare_on
from sasrec_fast.reading import ColumnNames
from strategies import Case, valid_cases

NAMES = ColumnNames("user_id", "item_id", "timestamp", "rating")


def on_engine(
    table: Any, options: dict[str, Any], output: Any, names: ColumnNames = NAMES, **engine: Any
) -> sf.Prepared:
    if options.get("min_rating") is None:
        names = replace(names, rating=None)
    local = LocalTable.of(table, names.user, **engine)
    return prepare_on(local, names, Options(**options), output)


def as_table(case: Case) -> pa.Table:
    """The case's rows, and the number of each."""
    frame = case.frame()
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for place, name in enumerate(("user_id", "item_id")):
        if frame[name].dtype == object:
            table = table.set_column(place, name, pa.array(frame[name], pa.string()))
    return table.append_column("number", pa.array(np.arange(len(case.rows))))


def assert_same(found: sf.Prepared, expected: sf.Prepared) -> None:
    assert found.fingerprint == expected.fingerprint
    assert found.report == expected.report
    for name in ("train", "validation", "test"):
        assert (getattr(found, name) is None) == (getattr(expected, name) is None)


@given(valid_cases(), st.data())
def test_an_engine_gives_the_same_data(case: Case, data: st.DataObject) -> None:
    if case.options.ties == "input":
        case = replace(case, options=replace(case.options, ties=("column", "number")))
    expected = prepare(replace(case, options=replace(case.options, ties=in_memory(case))))
    options = {**arguments(case), "ties": case.options.ties}
    ranges = data.draw(st.sampled_from([1, 2, 7, 64]), "ranges")
    rows, seed = data.draw(st.integers(1, 9), "rows a batch"), data.draw(st.integers(0, 9), "seed")
    with tempfile.TemporaryDirectory() as folder:
        engine = {"ranges": ranges, "batch_rows": rows, "seed": seed}
        found = on_engine(as_table(case), options, f"{folder}/data", **engine)
        assert_same(found, expected)
        again = sf.load(f"{folder}/data", verify=True)
        assert_same(again, expected)
        assert again.options["seed"] == case.options.seed
        again.save(f"{folder}/saved")
        assert sf.load(f"{folder}/saved").fingerprint == expected.fingerprint


def in_memory(case: Case) -> str:
    return "hash" if case.options.ties == "hash" else "input"
