"""prepare() on an engine gives the data that it gives in memory, however rows are spread."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sasrec_fast as sf
from exactness import arguments, prepare
from local_engine import LocalTable
from sasrec_fast.evaluation import Shipped
from sasrec_fast.evaluation.spark import rank
from sasrec_fast.preparing import Options, value_of
from sasrec_fast.preparing.engines.driver import prepare_on
from sasrec_fast.ranking import Servable
from sasrec_fast.reading import ColumnNames
from sasrec_fast.recommendation.spark import Serving
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


@settings(max_examples=settings.default.max_examples // 2)
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


DEFAULTS = {
    "min_rating": None,
    "min_user_interactions": 1,
    "min_item_interactions": 1,
    "duplicates": "keep",
    "ties": "hash",
    "holdout": 2,
    "split_at": None,
    "max_sequence_length": 9,
    "truncation": "recent",
    "windows": "last",
    "num_negatives": 0,
    "negatives": "uniform",
    "negative_scope": "past",
    "items": None,
    "seed": 0,
}


def table(users: int = 20) -> pa.Table:
    """Rows of users, of whom each has as many as its number, and two more."""
    owners = np.repeat(np.arange(users), np.arange(users) + 2)
    numbers = np.arange(len(owners))
    columns = {"user_id": owners, "item_id": numbers * 7 % 30 + 1, "timestamp": numbers // 2}
    return pa.table({**columns, "number": numbers})


def test_the_old_data_stays_where_preparing_fails(tmp_path: Path) -> None:
    before = on_engine(table(), DEFAULTS, tmp_path / "data").fingerprint
    parts = set(tmp_path.glob("data/parts-*"))
    with pytest.raises(sf.DataError, match=r"rows share their time .* ('column', name)|hash"):
        on_engine(table(), {**DEFAULTS, "ties": "input"}, tmp_path / "data")
    twice = pa.concat_tables([table(), table()])
    with pytest.raises(sf.DataError, match="nothing says which of them comes first"):
        on_engine(twice, {**DEFAULTS, "ties": ("column", "number")}, tmp_path / "data")
    with pytest.raises(sf.DataError, match="nothing is left of 230 rows"):
        on_engine(table(), {**DEFAULTS, "min_item_interactions": 99}, tmp_path / "data")
    assert set(tmp_path.glob("data/parts-*")) == parts
    assert sf.load(tmp_path / "data").fingerprint == before


def test_the_first_user_without_a_negative_is_named(tmp_path: Path) -> None:
    rows = {"user_id": [8, 8, 8, 5, 5, 5, 9, 9], "item_id": [1, 2, 3, 3, 2, 1, 1, 2]}
    every = pa.table({**rows, "timestamp": range(8)})
    with pytest.raises(sf.DataError, match=r"user 5 .* has interacted with all 3 items"):
        on_engine(every, {**DEFAULTS, "num_negatives": 1}, tmp_path / "data", ranges=3)
    assert not (tmp_path / "data").exists()


def test_a_folder_that_not_all_machines_reach_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalTable.write

    def write_elsewhere(local: LocalTable, function: Any, url: str) -> None:
        write(local, function, url)
        next((tmp_path / "data").glob("parts-*/part-98.parquet")).unlink()

    monkeypatch.setattr(LocalTable, "write", write_elsewhere)
    with pytest.raises(sf.DataError, match=r"of 230 rows .* not all machines reach it"):
        on_engine(table(), DEFAULTS, tmp_path / "data")


def test_nothing_that_passes_the_row_filter_is_said(tmp_path: Path) -> None:
    with pytest.raises(sf.DataError, match="the table has no rows"):
        on_engine(table().slice(0, 0), DEFAULTS, tmp_path / "data")
    rated = table().append_column("rating", pa.array(np.ones(len(table()))))
    with pytest.raises(sf.DataError, match="230 are under min_rating=2"):
        on_engine(rated, {**DEFAULTS, "min_rating": 2}, tmp_path / "data")


def test_data_without_ties_needs_no_order(tmp_path: Path) -> None:
    untied = table().set_column(2, "timestamp", table().column("number"))
    found = on_engine(untied, {**DEFAULTS, "ties": "input"}, tmp_path / "data")
    expected = sf.prepare(untied, min_user_interactions=1, max_sequence_length=9, num_negatives=0)
    assert_same(found, expected)


def test_what_was_replaced_stays_until_the_next_time(tmp_path: Path) -> None:
    for count in (1, 2, 2):
        on_engine(table(), DEFAULTS, tmp_path)
        assert len(list(tmp_path.glob("parts-*"))) == count
    on_engine(table(), DEFAULTS, tmp_path).save(tmp_path)
    assert sf.load(tmp_path, verify=True).fingerprint
    (tmp_path / "mine.txt").touch()
    with pytest.raises(FileExistsError, match=r"mine\.txt"):
        on_engine(table(), DEFAULTS, tmp_path)


def test_data_elsewhere_is_opened_as_here(tmp_path: Path) -> None:
    expected = on_engine(table(), DEFAULTS, tmp_path / "data")
    url = "memory://prepared/data"
    fsspec.filesystem("memory").put(str(tmp_path / "data"), "/prepared/data", recursive=True)
    assert_same(sf.load(url, verify=True), expected)
    with pytest.raises(sf.DataError, match=r"memory://prepared/other has no manifest\.json"):
        sf.load("memory://prepared/other")


def test_damage_is_said(tmp_path: Path) -> None:
    on_engine(table(), DEFAULTS, tmp_path)
    file = max(tmp_path.glob("parts-*/part-*.parquet"))
    rows = pq.read_table(file)
    size = file.stat().st_size
    pq.write_table(rows.slice(1), file, row_group_size=3)
    with pytest.raises(sf.DataError, match=f"part-99.parquet has .* bytes, expected {size:,}"):
        sf.load(tmp_path)
    file.unlink()
    with pytest.raises(sf.DataError, match=r"part-99\.parquet is missing"):
        sf.load(tmp_path)


@pytest.fixture(scope="module")
def chain_and_lists() -> tuple[Any, sf.Prepared, Any]:
    """A model, data, and the whole history of each user in batches."""
    data = sf.prepare(table(), num_negatives=0, ties="hash")
    chain = sf.baselines.MarkovChain(data)
    chain.item_counts = data.item_counts
    store = data.sequences
    items = pa.ListArray.from_arrays(store.offsets.astype(np.int32), data.items.lookup(store.items))
    lists = pa.table({"user_id": data.users.ids, "item_id": items})
    return chain, data, lists.to_batches(max_chunksize=4)


def test_lists_in_partitions_are_ranked_as_a_split_is(
    chain_and_lists: tuple[Any, sf.Prepared, Any],
) -> None:
    chain, data, batches = chain_and_lists
    servable = Servable(data.item_counts > 0, True)
    values = rank(iter(batches), Shipped.of(chain), servable, (1, 5), 256)
    (found,) = value_of(next(values).column(0)[0].as_buffer())
    expected = sf.evaluate(chain, data, (1, 5))
    misses = expected.targets.missed(True)
    ranks = np.where(misses, np.inf, found.counts.above + (found.counts.level + 1) / 2)
    assert ranks.tolist() == expected.ranks.tolist()
    assert found.repeated.tolist() == expected.targets.repeated.tolist()
    shares = found.covered[:, 1:].sum(axis=1) / len(data.items)
    assert shares.tolist() == [expected["coverage@1"], expected["coverage@5"]]


def test_lists_in_partitions_are_served_as_users_are(
    chain_and_lists: tuple[Any, sf.Prepared, Any],
) -> None:
    chain, data, batches = chain_and_lists
    serving = Serving(Shipped.of(chain), data.item_counts > 0, 4, True, 256, None)
    found = pa.Table.from_batches(list(serving(iter(batches)))).to_pandas()
    pd.testing.assert_frame_equal(found, sf.recommend(chain, data, k=4))
