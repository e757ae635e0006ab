"""A Spark DataFrame gives the data that its rows give in memory; by a session of two threads."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sasrec_fast as sf

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.spark,
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = {
        # Short jobs run no faster for code that is compiled well, or at all.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.local.dir": str(tmp_path_factory.mktemp("spark")),
        "spark.log.level": "ERROR",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "50",
        "spark.sql.shuffle.partitions": "3",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


def rows(seed: int = 0, size: int = 600) -> pd.DataFrame:
    """Of which user 7 has a third."""
    draw = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "user_id": np.where(np.arange(size) % 3 == 0, 7, draw.integers(-9, 40, size)),
            "item_id": draw.integers(0, 50, size) * 11,
            "timestamp": draw.integers(10**9, 10**9 + 60, size),
            "rating": draw.integers(1, 6, size).astype(float),
            "number": draw.permutation(size),
        }
    )
    return table.sort_values("number", ignore_index=True)


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    text = table.astype({"user_id": str, "item_id": str})
    return text.assign(user_id="é" + text["user_id"], item_id=text["item_id"] + "漢")


def assert_same(found: sf.Prepared, table: pd.DataFrame, **options: Any) -> sf.Prepared:
    expected = sf.prepare(table, **options)
    assert found.fingerprint == expected.fingerprint
    assert found.report == expected.report
    return expected


CASES = {
    "integers": (1, {"ties": "hash"}),
    "text": (7, {"ties": "hash", "min_item_interactions": 9, "duplicates": "last"}),
    "moments": (3, {"ties": ("column", "number"), "split_at": None, "min_rating": 2}),
}


@pytest.mark.parametrize("kind", CASES)
def test_spark_gives_the_same_data(spark: Any, tmp_path: Path, kind: str) -> None:
    partitions, options = CASES[kind]
    table = as_text(rows()) if kind == "text" else rows()
    if kind == "moments":
        table["timestamp"] = pd.to_datetime(table["timestamp"], unit="s")
        options = {**options, "split_at": ("2001-09-09 01:47:05", "2001-09-09 01:47:20")}
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    frame = spark.createDataFrame(table.sample(frac=1, random_state=0)).coalesce(2)
    found = sf.prepare(frame, output=tmp_path / "data", **options)
    in_memory = {**options, "ties": "hash" if options["ties"] == "hash" else "input"}
    assert_same(found, table, **in_memory)
    assert_same(sf.load(tmp_path / "data"), table, **in_memory)


@pytest.mark.slow
@pytest.mark.parametrize("partitions", [1, 7, 64])
def test_any_number_of_partitions_gives_the_same(
    spark: Any, tmp_path: Path, partitions: int
) -> None:
    table = rows(1, 5_000)
    spark.conf.set("spark.sql.shuffle.partitions", partitions)
    options = {"ties": "hash", "min_item_interactions": 20, "min_user_interactions": 15}
    options["num_negatives"] = 0  # user 7 has every item
    found = sf.prepare(spark.createDataFrame(table), output=tmp_path / "data", **options)
    assert_same(found, table, **options)


def test_what_spark_cannot_do_is_said_and_the_old_data_stays(spark: Any, tmp_path: Path) -> None:
    spark.conf.set("spark.sql.shuffle.partitions", 2)
    table = rows(size=60)
    frame = spark.createDataFrame(table).coalesce(1)
    folder = tmp_path / "data"
    sf.prepare(table, ties="hash").save(folder)
    before = sf.load(folder).fingerprint
    with pytest.raises(sf.DataError, match=r"rows share their time .* ties='hash'"):
        sf.prepare(frame, output=folder)
    holed = frame.selectExpr("user_id", "if(number = 3, null, item_id) item_id", "timestamp")
    with pytest.raises(sf.DataError, match="column 'item_id' has 1 missing value"):
        sf.prepare(holed, output=folder, ties="hash")
    with pytest.raises(ValueError, match="give output="):
        sf.prepare(frame, ties="hash")
    with pytest.raises(sf.DataError, match="column 'when' is missing"):
        sf.prepare(frame, output=folder, timestamp="when")
    assert sf.load(folder).fingerprint == before
    assert not list(folder.glob("parts-*")), "what a failed job wrote is gone"


def test_other_tables_never_import_spark() -> None:
    code = (
        "import sys, sasrec_fast as sf\n"
        "sf.prepare({'user_id': [1] * 4, 'item_id': [1, 2, 3, 4]}, timestamp=None,"
        " num_negatives=0)\n"
        "assert not {'pyspark', 'ray', 'keras', 'jax'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_lists_in_a_dataframe_are_ranked_and_served_as_users_are(spark: Any) -> None:
    from pyspark.sql import functions as F  # noqa: N812

    table = rows().assign(timestamp=lambda of: of["number"])
    data = sf.prepare(table, num_negatives=0, min_user_interactions=1)
    chain = sf.baselines.MarkovChain(data)
    chain.item_counts = data.item_counts
    in_time = F.array_sort(F.collect_list(F.struct("timestamp", "item_id")))
    events = spark.createDataFrame(table)
    frame = events.groupBy("user_id").agg(in_time["item_id"].alias("item_id"))
    found = sf.evaluate(chain, frame, (1, 5), exclude_seen=False)
    expected = sf.evaluate(chain, data, (1, 5), exclude_seen=False)
    assert dict(found) == pytest.approx(dict(expected))
    assert sorted(found.ranks) == sorted(expected.ranks)
    served = sf.recommend(chain, frame, k=3)
    assert served.dtypes[:2] == [("user_id", "bigint"), ("item_id", "bigint")]
    best = served.toArrow().to_pandas().sort_values(["user_id", "rank"], ignore_index=True)
    pd.testing.assert_frame_equal(best, sf.recommend(chain, data, k=3))
    with pytest.raises(sf.DataError, match="expected the list of each user's item ids"):
        sf.evaluate(chain, spark.createDataFrame(table))


@pytest.mark.slow
def test_a_model_is_loaded_by_the_processes_of_spark(spark: Any) -> None:
    table = rows()
    data = sf.prepare(table, ties="hash", num_negatives=0, max_sequence_length=8)
    model = sf.SASRec.for_data(data, hidden_dim=8, num_layers=1)
    model(data.test.arrays().xyw()[0])
    ids = data.items.lookup(data.sequences.items)
    lists = [part.tolist() for part in np.split(ids, data.sequences.offsets[1:-1])]
    pairs = list(zip(data.users.ids.tolist(), lists, strict=True))
    frame = spark.createDataFrame(pairs, "user_id bigint, item_id array<bigint>").coalesce(2)
    found = sf.evaluate(model, frame, (1, 5), exclude_seen=False)
    assert dict(found) == pytest.approx(dict(sf.evaluate(model, data, (1, 5), exclude_seen=False)))
