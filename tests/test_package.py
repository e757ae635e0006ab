"""The package as a whole: its public names, what an import costs, its manners."""

import importlib
import importlib.metadata
import importlib.resources
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sasrec_fast as sf

ROOT = Path(__file__).resolve().parents[1]
MODEL_HALF = ("keras", "keras_hub", "keras_rs", "jax", "tensorflow", "torch")

PREPARE = """
import numpy as np
import sasrec_fast as sf

columns = {"user_id": np.repeat(np.arange(4), 5), "item_id": np.arange(20) % 7}
data = sf.prepare({**columns, "timestamp": np.arange(20)}, max_sequence_length=4)
assert data.train.arrays().item_ids.shape == (4, 4)
"""

PRINT_MODULES = f"""
import json, sys
print(json.dumps([name for name in {MODEL_HALF!r} if name in sys.modules]))
"""


def run_python(
    code: str, home: Path, backend: str | None = None
) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that has no Keras settings but those in `home` and `backend`."""
    ours = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment["KERAS_HOME"] = str(home)
    if backend is not None:
        environment["KERAS_BACKEND"] = backend
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def documented_names() -> list[str]:
    """The names in the first column of the table in docs/api.md."""
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)", text, flags=re.MULTILINE)


def test_the_public_names_are_the_documented_ones() -> None:
    assert sorted(sf.__all__) == sorted(documented_names())


def test_every_public_name_exists_and_is_listed() -> None:
    assert set(sf.__all__) <= set(dir(sf))
    assert [name for name in sf.__all__ if getattr(sf, name, None) is None] == []


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = sf.no_such_name


@pytest.mark.parametrize("code", ["import sasrec_fast", PREPARE], ids=["import", "prepare"])
def test_the_data_half_does_not_load_the_model_half(code: str, tmp_path: Path) -> None:
    done = run_python(code + PRINT_MODULES, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_type_information_is_packaged() -> None:
    package = importlib.resources.files("sasrec_fast")
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()


def test_the_version_is_stated_once() -> None:
    crate = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))
    assert sf.__version__ == importlib.metadata.version("sasrec-fast")
    assert sf.__version__ == crate["package"]["version"]


MODEL_BACKEND = """
import sasrec_fast as sf
sf.SASRec
import keras
print(keras.backend.backend())
"""

SEEDED_MODEL = """
import numpy as np, sasrec_fast as sf
from sasrec_fast.backend import set_random_seed
import keras, json, sys

def first_weights(seed):
    seed(3)
    drawn = np.random.random()
    model = sf.SASRec(9, hidden_dim=4)
    model.build()
    states = [np.asarray(v) for v in model.non_trainable_variables]  # of dropout, too
    return [drawn, *model.get_weights(), *states]

ours = first_weights(set_random_seed)
seen = [name for name in sys.modules if name in ("tensorflow", "keras_hub")]
theirs = first_weights(keras.utils.set_random_seed)
assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
print(json.dumps(seen))
"""


def test_the_model_half_runs_on_jax_and_prints_nothing(tmp_path: Path) -> None:
    done = run_python(MODEL_BACKEND + PRINT_MODULES, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'jax\n["keras", "keras_rs", "jax"]\n'
    assert done.stderr == ""


def test_a_seeded_model_has_the_weights_that_keras_seed_gives_without_tensorflow(
    tmp_path: Path,
) -> None:
    done = run_python(SEEDED_MODEL, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(("backend", "warns"), [(None, True), ("tensorflow", False)])
def test_keras_imported_first_on_tensorflow_is_warned_of_unless_it_was_chosen(
    backend: str | None, warns: bool, tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    done = run_python("import keras\n" + MODEL_BACKEND, tmp_path, backend)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "tensorflow\n"
    assert ("Keras was imported before sasrec_fast and runs on TensorFlow" in done.stderr) == warns


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ('{"backend": "torch"}', "None"),
        ('{"backend": "tensorflow"}', "jax"),
        ("{}", "jax"),
        ("not json", "jax"),
        (None, "jax"),
    ],
)
def test_a_backend_chosen_in_keras_json_is_kept(
    configured: str | None, expected: str, tmp_path: Path
) -> None:
    if configured is not None:
        (tmp_path / "keras.json").write_text(configured)
    code = "import os, sasrec_fast.backend; print(os.environ.get('KERAS_BACKEND'))"
    done = run_python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected
