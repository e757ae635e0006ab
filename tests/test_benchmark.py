"""The benchmark compares like with like: its contenders give the same arrays."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import against_numpy
import agreement
import bandwidth
import blocked_numpy
import dat_file
import epoch
import large_columns
import measurement
import plain_python
import prepare as benchmark
import real_tables
import requirements
import scaling
import string_ids
import synthetic_columns
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
    expected = against_numpy.package_arrays(columns, length)
    agreement.check_negatives("package", expected, columns)

    def check(name, arrays):
        agreement.check_equal(name, arrays, expected)
        agreement.check_negatives(name, arrays, columns)

    check("plain Python", plain_python.training_arrays(columns, length))
    check("NumPy", blocked_numpy.training_arrays(columns, length))
    for name, size in (("CHUNK_ROWS", 64), ("MOST_USERS", 8)):
        monkeypatch.setattr(blocked_numpy, name, size)
        check(f"NumPy, {name}", blocked_numpy.training_arrays(columns, length))


def test_ids_that_span_too_much_for_packed_keys_are_refused():
    columns = table("synthetic")
    columns["timestamp"][0] = 1 << 50
    with pytest.raises(ValueError, match="a record takes 66 bits of 63, a key 71 of 62"):
        blocked_numpy.training_arrays(columns, 4)


@pytest.mark.parametrize("field", ["item_ids", "positive_sequence", "sample_weight"])
def test_a_differing_value_is_found(field):
    columns = table("synthetic")
    expected = against_numpy.package_arrays(columns, 20)
    changed = dict(expected, **{field: expected[field].copy()})
    changed[field][2, 1] += 1
    with pytest.raises(ValueError, match=rf"changed: {field}\[2, 1\] is"):
        agreement.check_equal("changed", changed, expected)


@pytest.mark.parametrize("wrong", ["past item", "beyond the items", "on padding"])
def test_a_wrong_negative_is_found(wrong):
    columns = table("synthetic")
    arrays = against_numpy.package_arrays(columns, 200)
    negative = arrays["negative_sequence"].copy()
    negative[7, {"on padding": -1}.get(wrong, 0)] = {
        "past item": arrays["positive_sequence"][7, 3],
        "beyond the items": 201,
        "on padding": 1,
    }[wrong]
    reason = "negative of user" if wrong == "past item" else "negatives must be"
    with pytest.raises(ValueError, match=f"changed: .*{reason}"):
        agreement.check_negatives("changed", dict(arrays, negative_sequence=negative), columns)


def test_held_out_items_may_be_negatives():
    columns = {
        "user_id": np.repeat(np.arange(1, 3), 5),
        "item_id": np.array([1, 2, 3, 4, 5, 5, 4, 3, 2, 1]),
        "timestamp": np.arange(10),
    }
    arrays = blocked_numpy.training_arrays(columns, 3)
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


SMALL = ["--rows", "2000", "--users", "40", "--items", "100", "--length", "20"]
SMALL += ["--rounds", "1", "--repeats", "2"]


def printed(arguments, capsys):
    assert benchmark.main([*SMALL, "--json", "-", *arguments]) == 0
    shown = capsys.readouterr()
    return json.loads(shown.out)["parts"], shown.err


def test_the_numpy_part_measures_and_prints(tmp_path, capsys):
    file = tmp_path / "result.json"
    assert benchmark.main([*SMALL, "--part", "numpy", "--json", str(file)]) == 0
    table = capsys.readouterr().out
    assert "2,000 rows, 40 users, 100 items, L = 20: 40 training rows" in table
    assert "import sasrec_fast" in table
    figures = json.loads(file.read_text())["parts"][0]["contenders"]
    assert set(figures) == {against_numpy.PACKAGE, against_numpy.BLOCKED, against_numpy.PLAIN}
    stages = figures[against_numpy.PACKAGE]["stages"]
    assert {stage: len(seconds) for stage, seconds in stages.items()} == dict.fromkeys(
        ("prepare()", "arrays()"), 2
    )


def test_the_other_parts_measure_and_print(capsys):
    parts, shown = printed(["--part", "strings", "epoch", "file"], capsys)
    strings, one_epoch, file = parts
    assert [part["part"] for part in parts] == ["strings", "epoch", "file"]
    assert len(strings[string_ids.UUIDS]["seconds"]) == 2
    assert strings[string_ids.NAMES]["dtype"] != strings[string_ids.INTEGERS]["dtype"] == "int64"
    assert set(one_epoch["seconds"]) == {epoch.PREPARE, epoch.ARRAYS, epoch.NEGATIVES}
    store = 4 * 2000 + 16 * 40
    assert one_epoch["moved_bytes"] == {
        epoch.PREPARE: 3 * 8 * 2000 + store,
        epoch.ARRAYS: store + 40 * 20 * (3 * 4 + 1 + 4),
        epoch.NEGATIVES: store + 40 * 20 * 4,
    }
    assert file[dat_file.PACKAGE]["rows"] == file[dat_file.PANDAS]["rows"] == 2000
    assert not {"met", "MISSED"} & set(shown.split())


def test_scaling_grows_tenfold_and_counts_the_columns_in_the_peak(capsys):
    [part], shown = printed(["--part", "scaling", "--rows", "20000"], capsys)
    large = part["200,000 rows"]
    assert large["input_bytes"] == 3 * 8 * 200_000
    assert large["peak_bytes"] > large["input_bytes"]
    assert "100 rows a user" in shown
    assert [s.rows for s in scaling.sizes(size_of([]), huge=True)] == [10**6, 10**7, 10**8]
    assert [s.users for s in scaling.sizes(size_of([]), huge=True)] == [10**4, 10**5, 10**6]


def size_of(arguments):
    return benchmark._size(benchmark._options(arguments))


def test_kinds_of_ids_that_differ_are_refused(monkeypatch):
    answers = iter([{}, *({"seconds": [1.0], "dtype": "str", "checksum": c} for c in (1, 1, 2))])
    monkeypatch.setattr(string_ids, "worker", lambda *arguments: next(answers))
    with pytest.raises(ValueError, match="different arrays"):
        string_ids.measured(size_of(["--rounds", "1"]))


def test_real_tables_hold_the_rows_of_the_dense_columns(tmp_path):
    real_tables.synthetic_columns.save(tmp_path, real_tables.columns(1500, 100, 60, seed=3))
    figures = {name: real_tables._measure(name, tmp_path, 1) for name in real_tables.KINDS}
    assert all(len(of_kind["seconds"]) == 1 for of_kind in figures.values())
    shown = real_tables.table(size_of([]), figures)
    assert len(shown.splitlines()) == 4 + len(real_tables.KINDS)
    assert shown.count("<= 1.15x") == 8


def test_other_sequences_of_a_real_table_are_found(tmp_path, monkeypatch):
    real_tables.synthetic_columns.save(tmp_path, real_tables.columns(1500, 100, 60, seed=3))
    reversed_times = real_tables._times(lambda seconds: -seconds)
    monkeypatch.setitem(real_tables.KINDS, "wrong", real_tables.Kind(reversed_times, None))
    with pytest.raises(ValueError, match="wrong gives other sequences"):
        real_tables._measure("wrong", tmp_path, 1)


@pytest.mark.parametrize("kind", [string_ids.NAMES, string_ids.UUIDS])
def test_names_have_the_order_of_the_integers(kind):
    columns = table("synthetic")
    strings = string_ids.frame(columns, kind)
    for name in ("user_id", "item_id"):
        _, ranks = np.unique(strings[name].to_numpy(dtype=object), return_inverse=True)
        np.testing.assert_array_equal(ranks, np.unique(columns[name], return_inverse=True)[1])


def test_large_columns_are_shuffled_and_have_the_sizes_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(large_columns, "CHUNK_ROWS", 1 << 12)
    large_columns.write(tmp_path, 10_000, 100, 300, seed=1)
    columns = synthetic_columns.load(tmp_path)
    assert all(column.dtype == np.int64 and len(column) == 10_000 for column in columns.values())
    counts = np.bincount(columns["user_id"], minlength=101)[1:]
    assert counts.min() > 0
    assert 3 < counts.max() / np.median(counts) < 100
    assert len(np.unique(columns["item_id"])) == 300
    assert (np.diff(columns["user_id"]) < 0).mean() > 0.4
    with pytest.raises(ValueError, match="items=0"):
        large_columns.write(tmp_path, 10, 1, 0)


def test_a_larger_copy_takes_longer():
    small, large = (
        min(bandwidth.copy_seconds(size) for _ in range(3)) for size in (1 << 20, 1 << 25)
    )
    assert 0 < small < large
    assert bandwidth.copy_seconds(1 << 25, new=True) > 0


def test_the_peak_is_that_of_this_process():
    before = measurement.peak_bytes()
    block = np.ones(1 << 25, np.uint8)
    assert measurement.resident_bytes() >= len(block)
    assert measurement.peak_bytes() >= max(before, len(block))


def test_a_requirement_is_met_at_its_limit():
    at_most, at_least = requirements.Requirement(2.0), requirements.Requirement(6.0, at_least=True)
    assert [at_most.verdict(value) for value in (2.0, 2.1)] == ["<= 2x met", "<= 2x MISSED"]
    assert [at_least.verdict(value) for value in (6.0, 5.9)] == [">= 6x met", ">= 6x MISSED"]


def test_requirements_are_judged_at_their_size_only():
    size = size_of([])
    assert size.standard
    assert not size_of(["--length", "50"]).standard
    ids = {"seconds": [0.4], "dtype": "str"}
    result = {string_ids.INTEGERS: {"seconds": [0.1], "dtype": "int64"}, string_ids.UUIDS: ids}
    assert string_ids.table(size, result).endswith("4.0x  <= 4x met")
    ids["seconds"] = [0.41]
    assert string_ids.table(size, result).endswith("4.1x  <= 4x MISSED")
    assert string_ids.table(size_of(["--rows", "2000000"]), result).endswith("4.1x")
    grown = {"rows": 10**6, "seconds": [0.02], "peak_bytes": 48, "input_bytes": 24, "copy": [0.01]}
    scaled = {"a": grown, "b": dict(grown, seconds=[0.041], peak_bytes=61)}
    rows = scaling.table(size, scaled).splitlines()[-2:]
    assert rows[0].endswith("2.00x")
    assert rows[1].split()[-8:] == ["2.05x", "<=", "2x", "MISSED", "2.54x", "<=", "2.5x", "MISSED"]


@pytest.mark.parametrize(("arguments", "required"), [([], 6.0), (["--large"], 15.0)])
def test_the_requirement_over_numpy_is_that_of_the_size(arguments, required):
    parts = benchmark._runs(benchmark._options(["--part", "numpy", *arguments]))
    assert len(parts) == 1 + len(arguments)
    size = parts[-1][1][0]
    for ratio, said in (required, "met"), (required - 0.1, "MISSED"):
        figures = {
            name: {"seconds": [seconds], "cpu_seconds": [seconds], "stages": {}, "peak_bytes": 0}
            for name, seconds in ((against_numpy.PACKAGE, 1.0), (against_numpy.BLOCKED, ratio))
        }
        result = {
            "data": {"training_rows": 1, "targets": 1},
            "contenders": figures,
            "import_seconds": [0.1],
        }
        lines = against_numpy.table(size, result).splitlines()
        rows = {line[:26].rstrip(): line for line in lines}
        assert rows[against_numpy.BLOCKED].endswith(f"{ratio:.1f}x  >= {required:g}x {said}")
