"""Uses the installed package as its users do; runs outside the source tree."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import sasrec_fast as sf

MODEL_HALF = {"keras", "keras_hub", "keras_rs", "jax", "tensorflow"}
LENGTH = 12


def check_import() -> None:
    """The package comes from site-packages, with its native part and its types."""
    package = Path(sf.__file__).resolve().parent
    installed = Path(sysconfig.get_path("platlib")).resolve()
    assert package.parent == installed, f"imported from {package}, expected {installed}"
    assert (package / "py.typed").is_file()
    assert (package / "_core.pyi").is_file()


def check_data_half() -> tuple[sf.Prepared, object]:
    """The native half works and loads nothing of the model half."""
    ratings, movies = sf.datasets.synthetic(users=60, items=200, interactions=(8, 20), seed=1)
    data = sf.prepare(ratings, max_sequence_length=LENGTH)
    arrays = data.train.arrays()
    assert arrays.item_ids.shape == (60, LENGTH)
    assert ((arrays.negative_sequence > 0) == arrays.padding_mask).all()
    loaded = MODEL_HALF & set(sys.modules)
    assert not loaded, f"prepare() loaded {sorted(loaded)}"
    return data, movies


def check_model_half(data: sf.Prepared, movies: object) -> None:
    """A tiny model trains, answers, and answers the same after saving and loading."""
    model = sf.SASRec(
        data.vocabulary_size, hidden_dim=8, max_sequence_length=LENGTH, items=data.items
    )
    import keras

    assert keras.backend.backend() == "jax"
    model.compile(optimizer="adam")
    model.fit(data.train.batches(batch_size=32), epochs=1, verbose=0)
    answer = sf.recommend(model, data, users=[1, 2], k=5, titles=movies)
    assert answer["user_id"].tolist() == [1] * 5 + [2] * 5
    assert answer["title"].notna().all()

    model.save("model.keras")
    loaded = keras.models.load_model("model.keras")
    assert sf.recommend(loaded, data, users=[1, 2], k=5, titles=movies).equals(answer)


def check_command() -> None:
    """The console script helps, and refuses a missing file in one line."""
    command = Path(sysconfig.get_path("scripts")) / "sasrec-fast"
    usage = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    assert "recommend" in usage.stdout
    refused = subprocess.run(
        [command, "train", "--ratings", "no_such.dat"], capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2, refused
    assert "no_such.dat" in refused.stderr, refused
    assert refused.stderr.count("\n") == 1, refused


if __name__ == "__main__":
    check_import()
    print(f"imported sasrec_fast {sf.__version__} from {Path(sf.__file__).parent}")
    data, movies = check_data_half()
    print(data)
    check_model_half(data, movies)
    print("trained, saved, loaded and answered")
    check_command()
    print("the command line works")
