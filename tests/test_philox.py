"""The counter-based generator against published vectors, stored vectors and NumPy itself."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf
from sasrec_fast import _core
from sasrec_fast.batching.buckets import Bucket, deal_all

U64_MAX = 2**64 - 1

# NumPy steps the counter before each block of four: draw 0 belongs to counter + 1. The first three
# are the known answers of Random123 (Salmon et al. 2011, kat_vectors, philox4x64 with 10 rounds)
# at counters 0, 2^256 - 1 and the digits of pi; the others were printed once by NumPy.
GOLDEN = {
    "random123-zeros": (
        [U64_MAX, U64_MAX, U64_MAX, U64_MAX],
        [0, 0],
        "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b",
    ),
    "random123-ones": (
        [U64_MAX - 1, U64_MAX, U64_MAX, U64_MAX],
        [U64_MAX, U64_MAX],
        "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0",
    ),
    "random123-pi": (
        [0x243F6A8885A308D2, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
        [0x452821E638D01377, 0xBE5466CF34E90C6C],
        "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
    ),
    "two-blocks-from-zero": (
        [0, 0, 0, 0],
        [0, 0],
        "02f4ba6408e4d89b 3dd62b0b9ca8c5b2 1c8667a55d902e79 907d7a052fd5b4dc "
        "809bf322883987c3 471128b9e807f7dd f250ba0dbec065b7 fc6ed66767a457bc",
    ),
    "user-7-in-train": (
        [0, 7, 0, 0],
        [1, 0],
        "cfde3364d85ae88e d4ace84955514d47 90b8285845379c87 15215636064e3762 "
        "4ec31d2190992207 5ddd6d439cc4e3c9",
    ),
    "user-minus-5-in-test": (
        [0, 2**64 - 5, 2, 0],
        [U64_MAX, 2**33],
        "06ec7c10e149c53d c0b3a3796c3b2c35 9faf6bfa419b507d a23296aa7fff092b 61ebb51eced73346",
    ),
    "carry-into-word-1": (
        [U64_MAX, 7, 1, 0],
        [42, 3],
        "35008bd90485f4e0 ccda768393d83a73 d2614ce88783b3f6 978c287f9dce1f0f "
        "45bf9abc8809f640 281dda5eceb53d8d fc4dbeacb7fd6144 c0933c7f701c019b",
    ),
    "carry-into-word-3": (
        [U64_MAX, U64_MAX, U64_MAX, 5],
        [1, 2],
        "c93df26e384ea5b3 8a5d2fca46d97544 6ae7ea679fa4e1ff 2f3c7a0ce1a52502 e0ff6b8013f4a78a",
    ),
}


def words(values: list[int]) -> npt.NDArray[np.uint64]:
    return np.array(values, dtype=np.uint64)


def numpy_philox(counter: list[int], key: list[int], n: int) -> npt.NDArray[np.uint64]:
    return np.random.Philox(counter=words(counter), key=words(key)).random_raw(n)


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vector(name: str) -> None:
    counter, key, expected = GOLDEN[name]
    drawn = _core.philox(words(counter), words(key), len(expected.split()))
    assert drawn.dtype == np.uint64
    assert drawn.tolist() == [int(word, 16) for word in expected.split()]


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_vector_is_what_numpy_draws(name: str) -> None:
    counter, key, expected = GOLDEN[name]
    drawn = numpy_philox(counter, key, len(expected.split()))
    assert drawn.tolist() == [int(word, 16) for word in expected.split()]


word = st.integers(0, U64_MAX) | st.sampled_from([0, 1, U64_MAX - 1, U64_MAX])


@given(
    st.lists(word, min_size=4, max_size=4),
    st.lists(word, min_size=2, max_size=2),
    st.integers(0, 20),
)
def test_draws_equal_numpy(counter: list[int], key: list[int], n: int) -> None:
    drawn = _core.philox(words(counter), words(key), n)
    np.testing.assert_array_equal(drawn, numpy_philox(counter, key, n), strict=True)


ROOT = Path(__file__).resolve().parents[1]
STREAM = re.search(
    r"^```text\n(np\.random\.Philox.*?)^```",
    (ROOT / "README.md").read_text(encoding="utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("seed", [0, 2**53 + 1, U64_MAX])
@pytest.mark.parametrize("kind", ["small", "unsigned", "negative", "text"])
def test_the_stream_that_the_readme_names_gives_the_negatives(seed: int, kind: str) -> None:
    """Its formula as it must be typed, for keys beyond 2**63 and seeds beyond 2**53."""
    ids: npt.NDArray[Any] = {
        "small": np.arange(1, 5),
        "unsigned": np.arange(4, dtype=np.uint64) + np.uint64(2**63 + 7),
        "negative": np.arange(4) - 2**62,
        "text": np.array(["a", "b", "é", ""], object),
    }[kind]
    items = [100, 200, 300, 400] * 3 + [1, 2, 3, 4]
    data = sf.prepare(
        {"user_id": np.repeat(ids, 4), "item_id": items},
        timestamp=None,
        max_sequence_length=3,
        seed=seed,
    )
    keys = pd.util.hash_array(ids) if kind == "text" else ids.astype(np.uint64)
    assert STREAM is not None
    formula = f"({STREAM[1].rstrip().removesuffix('.random_raw()')})"
    names: dict[str, Any] = {"np": np, "seed": seed}
    for names["epoch"] in (0, 2**40):
        for names["split"], split in enumerate((data.train, data.validation, data.test)):
            drawn = split.negatives(names["epoch"])
            for row, user in enumerate(split.user_ids):
                names["user_key"] = keys[ids.tolist().index(user)]
                draws = eval(formula, names).random_raw(999).tolist()
                own = split.sequences.items[split.starts[row] : split.ends[row]]
                proposed = (1 + (draw * len(data.items) >> 64) for draw in draws)
                expected = [item for item in proposed if item not in own]
                length = split.lengths[row]
                assert drawn[row, :length].tolist() == expected[:length]


@pytest.mark.parametrize("seeds", [(0, 2**64 - 1), (2**64 - 1, 2**64 - 2), (2**53, 2**53 + 1)])
def test_batches_of_another_seed_are_others(seeds: tuple[int, int]) -> None:
    rows = np.arange(64)
    bucket = Bucket(3, rows, np.ones(64, np.int32), 16, 4)
    orders = [[rows.tolist() for rows, _ in deal_all([bucket], seed, 0)] for seed in seeds]
    assert orders[0] != orders[1]
