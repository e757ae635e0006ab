"""The benchmark compares like with like: its contenders give the same arrays."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import agreement
import contenders
import plain_python
import prepare as benchmark
import synthetic_columns
import vectorised_grouping
import vectorised_numpy
import whole_arrays
from sasrec_fast import _core


def table(case: str) -> synthetic_columns.Columns:
    if case == "synthetic":
        return synthetic_columns.columns(3000, 60, 200, seed=3)
    columns = synthetic_columns.columns(240, 40, 30, seed=5)
    short = {name: column[:110] for name, column in columns.items()}
    assert {1, 2, 3} <= set(np.unique(short["user_id"], return_counts=True)[1].tolist())
    return short


@pytest.mark.parametrize("case", ["synthetic", "users_of_one_to_three_rows"])
@pytest.mark.parametrize("length", [4, 200])
def test_contenders_agree(case, length, monkeypatch):
    columns = table(case)
    expected = contenders.package_arrays(columns, length)
    agreement.check_negatives("package", expected, columns)

    def check(name, arrays):
        agreement.check_equal(name, arrays, expected)
        agreement.check_negatives(name, arrays, columns)

    check("plain Python", plain_python.training_arrays(columns, length))
    check("whole arrays, bitmap", whole_arrays.training_arrays(columns, length))
    monkeypatch.setattr(whole_arrays, "BITMAP_BYTES", 0)
    check("whole arrays, sorted keys", whole_arrays.training_arrays(columns, length))
    check("one sort", vectorised_numpy.training_arrays(columns, length))
    monkeypatch.setattr(vectorised_grouping, "CHUNK_ROWS", 64)
    check("one sort, chunks", vectorised_numpy.training_arrays(columns, length))
    monkeypatch.setattr(vectorised_grouping, "USER_BLOCKS", 8)
    monkeypatch.setattr(vectorised_grouping.Packing, "bits", lambda self, rows: 63)
    check("blocks", vectorised_numpy.training_arrays(columns, length))
    check("blocks, threads", vectorised_numpy.training_arrays(columns, length, threads=2))


@pytest.mark.parametrize("field", ["item_ids", "positive_sequence", "sample_weight"])
def test_a_differing_value_is_found(field):
    columns = table("synthetic")
    expected = contenders.package_arrays(columns, 20)
    changed = dict(expected, **{field: expected[field].copy()})
    changed[field][2, 1] += 1
    with pytest.raises(ValueError, match=rf"changed: {field}\[2, 1\] is"):
        agreement.check_equal("changed", changed, expected)


@pytest.mark.parametrize("wrong", ["past item", "beyond the items", "on padding"])
def test_a_wrong_negative_is_found(wrong):
    columns = table("synthetic")
    arrays = contenders.package_arrays(columns, 200)
    negative = arrays["negative_sequence"].copy()
    negative[7, {"on padding": -1}.get(wrong, 0)] = {
        "past item": arrays["positive_sequence"][7, 3],
        "beyond the items": 201,
        "on padding": 1,
    }[wrong]
    reason = "negative of user" if wrong == "past item" else "negatives must be"
    with pytest.raises(ValueError, match=f"changed: .*{reason}"):
        agreement.check_negatives("changed", dict(arrays, negative_sequence=negative), columns)


@pytest.mark.parametrize("contender", [whole_arrays, vectorised_numpy])
def test_held_out_items_may_be_negatives(contender):
    columns = {
        "user_id": np.repeat(np.arange(1, 3), 5),
        "item_id": np.array([1, 2, 3, 4, 5, 5, 4, 3, 2, 1]),
        "timestamp": np.arange(10),
    }
    arrays = contender.training_arrays(columns, 3)
    assert set(np.unique(arrays["negative_sequence"][0, :2])) <= {4, 5}
    agreement.check_negatives("NumPy", arrays, columns)


def test_synthetic_columns_have_the_sizes_asked_for():
    columns = synthetic_columns.columns(5000, 100, 300, seed=1)
    again = synthetic_columns.columns(5000, 100, 300, seed=1)
    for name, column in columns.items():
        assert column.dtype == np.int64
        np.testing.assert_array_equal(column, again[name])
    sizes = [len(columns["user_id"])]
    sizes += [len(np.unique(columns[name])) for name in ("user_id", "item_id")]
    assert sizes == [5000, 100, 300]
    with pytest.raises(ValueError, match="rows=10, users=100"):
        synthetic_columns.columns(10, 100, 300)


def test_a_debug_build_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(_core, "DEBUG_BUILD", True)
    assert benchmark.main([]) == 2
    assert "--release" in capsys.readouterr().err


def test_the_script_measures_and_prints(tmp_path, capsys):
    sizes = ["--rows", "2000", "--users", "40", "--items", "100", "--length", "20"]
    file = tmp_path / "result.json"
    assert benchmark.main([*sizes, "--rounds", "1", "--repeats", "2", "--json", str(file)]) == 0
    table = capsys.readouterr().out
    assert "2,000 rows, 40 users, 100 items, L = 20: 40 training rows" in table
    assert "import sasrec_fast" in table
    figures = json.loads(file.read_text())["contenders"]
    numpy = {contenders.WHOLE, contenders.BLOCKED}
    assert {contenders.PACKAGE, contenders.PLAIN, *numpy} <= set(figures)
    assert len(figures[contenders.PACKAGE]["stages"]["arrays()"]) == 2


def test_the_requirement_is_judged_for_each_numpy_row():
    for arguments, required in (["--no-plain"], 6.0), (["--large"], 12.0):
        size = benchmark._size(benchmark._options(arguments))
        names = [contenders.PACKAGE, contenders.WHOLE, contenders.BLOCKED, contenders.THREADED]
        seconds = dict(zip(names, [1.0, required, required - 0.1, required], strict=True))
        figures = {
            name: {"seconds": [s], "cpu_seconds": [s], "stages": {}, "peak_bytes": 0}
            for name, s in seconds.items()
        }
        result = {
            "environment": {},
            "data": {"training_rows": 1, "targets": 1},
            "contenders": figures,
            "import_seconds": [0.1],
        }
        rows = {line[:26].rstrip(): line for line in benchmark._table(size, result).splitlines()}
        assert rows[contenders.WHOLE].endswith(f"{required:.1f}x  >= {required:g}x met")
        assert rows[contenders.BLOCKED].endswith(f"x  >= {required:g}x MISSED")
        assert rows[contenders.THREADED].endswith(f"{required:.1f}x")
