"""External ids and dense indices."""

import itertools
import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sasrec_fast as sf

NUMBERS = sf.Vocabulary(np.array([-5, 3, 10**18]))
NAMES = sf.Vocabulary(np.array(["a", "b", "ä"], object))


def test_index_and_lookup_are_inverse():
    for vocabulary in (NUMBERS, NAMES):
        indices = vocabulary.index(vocabulary.ids)
        assert indices.tolist() == [1, 2, 3]
        assert indices.dtype == np.int32
        assert vocabulary.lookup(indices).tolist() == vocabulary.ids.tolist()


@pytest.mark.parametrize("wrap", [list, tuple, pd.Series, np.array, iter])
def test_unknown_ids_have_index_0(wrap):
    assert NUMBERS.index(wrap([3, 4, -5])).tolist() == [2, 0, 1]
    assert NAMES.index(wrap(["b", "c", "a"])).tolist() == [2, 0, 1]


EXTREMES = {"int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}


@given(st.data(), st.sampled_from(sorted(EXTREMES)), st.booleans())
def test_indices_are_those_of_a_dictionary(data, dtype, consecutive):
    low, high = EXTREMES[dtype]
    near = [st.integers(low, low + 9), st.integers(high - 9, high)]
    near += [] if low == 0 else [st.integers(-9, 9)]
    ids = data.draw(st.lists(st.one_of(near), min_size=1, max_size=9, unique=True))
    if consecutive:
        ids = [first for first in range(ids[0], ids[0] + len(ids)) if first <= high]
    vocabulary = sf.Vocabulary(np.array(ids, dtype))
    expected = {external: index for index, external in enumerate(ids, 1)}
    wanted = data.draw(st.lists(st.one_of([*near, st.sampled_from(ids)]), max_size=9))
    found = vocabulary.index(np.array(wanted, dtype))
    assert found.dtype == np.int32
    assert found.tolist() == [expected.get(external, 0) for external in wanted]
    assert vocabulary.index(wanted).tolist() == found.tolist()


def test_ids_of_another_kind_are_unknown():
    assert NUMBERS.index(["3"]).tolist() == [0]
    assert NAMES.index([3]).tolist() == [0]
    assert NUMBERS.index([True, False]).tolist() == [0, 0]
    assert NUMBERS.index([]).tolist() == []


@pytest.mark.parametrize("index", [0, -1, 4])
def test_an_index_without_id_is_refused(index):
    with pytest.raises(ValueError, match=rf"index {index} has no id; indices are 1\.\.3"):
        NUMBERS.lookup([1, index])


def test_equality_is_that_of_the_ids():
    assert sf.Vocabulary(np.array([-5, 3, 10**18])) == NUMBERS
    assert sf.Vocabulary(np.array([-5, 3])) != NUMBERS
    assert NUMBERS != NAMES
    assert sf.Vocabulary.identity(2) == sf.Vocabulary(np.array([1, 2]))


@pytest.mark.parametrize("ids", [np.array([5, 3]), np.array(["b", "a"], object)])
def test_ids_cannot_be_changed_and_those_given_can(ids):
    vocabulary = sf.Vocabulary(ids)
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.ids[0] = ids[1]
    ids[0] = ids[1]
    assert len(set(vocabulary.ids.tolist())) == 2


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        (np.array([5, 3], np.int32), np.int64),
        (np.array([5, 2**63], np.uint64), np.uint64),
        ([5, 2**64 - 1], np.uint64),
        (range(3), np.int64),
        (np.array(["b", "a"]), object),
        (["b", "ä"], object),
        (pd.Series(["b", "a"]), object),
        (pa.array(["b", "a"]), object),
        ([], object),
        (np.array([]), np.int64),
    ],
)
def test_ids_of_any_kind_are_taken(ids, dtype):
    vocabulary = sf.Vocabulary(ids)
    expected = ids.to_pylist() if isinstance(ids, pa.Array) else list(ids)
    assert vocabulary.ids.dtype == dtype
    assert vocabulary.ids.tolist() == expected
    assert vocabulary.index(ids).tolist() == [*range(1, len(ids) + 1)]


@pytest.mark.parametrize(
    ("ids", "error", "said"),
    [
        ([3, 4, 3], ValueError, r"ids\[2\] is 3 again; ids are distinct"),
        (["a", "b", "b"], ValueError, r"ids\[2\] is 'b' again"),
        ([3, "a"], TypeError, r"ids\[1\] is 'a'; all are integers, or all strings"),
        (["a", None], TypeError, r"ids\[1\] is None"),
        ([1, True], TypeError, r"ids\[1\] is True"),
        (np.array([1.0, 2.0]), TypeError, r"ids\[0\] is 1\.0"),
        ([b"a"], TypeError, r"ids\[0\] is b'a'"),
        (np.array([[1, 2]]), ValueError, r"ids have shape \(1, 2\); expected one dimension"),
        ([-1, 2**63], ValueError, "ids from -1 to 9223372036854775808; they fit neither"),
        (["\ud800"], ValueError, "surrogates not allowed"),
    ],
)
def test_what_cannot_be_ids_is_refused(ids, error, said):
    with pytest.raises(error, match=said):
        sf.Vocabulary(ids)


LARGE = sf.Vocabulary([2**53 + 1, 2**53 + 2, 1, 7])


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series])
def test_floats_are_ids_where_they_are_exactly_integers(wrap):
    assert LARGE.index(wrap([2.0**53, 2.0**53 + 2, 7.0, 7.5])).tolist() == [0, 2, 4, 0]
    assert LARGE.index(wrap([np.nan, np.inf, -np.inf, 1e300])).tolist() == [0] * 4


def test_values_of_several_kinds_are_compared_one_by_one():
    wanted = [2**53 + 1, None, 7, True, "7", np.nan, pd.NA, 10**400, 7.0, np.int8(1)]
    assert LARGE.index(wanted).tolist() == [1, 0, 4, 0, 0, 0, 0, 0, 4, 3]
    assert LARGE.index(pd.array([2**53 + 1, None, 2**53], "Int64")).tolist() == [1, 0, 0]
    assert NAMES.index(["ä", None, 1, np.nan, b"a", ("a", "b")]).tolist() == [3, 0, 0, 0, 0, 0]
    assert LARGE.index(np.array([7, 2**64 - 1], np.uint64)).tolist() == [4, 0]
    assert sf.Vocabulary([2**64 - 1, 7]).index([-1, 7, 2**64 - 1]).tolist() == [0, 2, 1]


def test_equal_ids_are_equal_however_they_are_held():
    texts = ["b", "ä", ""]
    held = [sf.Vocabulary(texts), sf.Vocabulary.trusted(pa.array(texts, pa.large_string()))]
    for one, other in itertools.product(held, held):
        assert one == other
        assert one != sf.Vocabulary(["b", "ä", "c"])
    assert held[1].ids.tolist() == texts
    assert sf.Vocabulary(np.array([1], np.uint64)) == sf.Vocabulary([1])
    assert sf.Vocabulary(["1"]) != sf.Vocabulary([1])


def test_millions_of_stored_strings_are_no_python_objects_until_asked_for():
    ids = pyarrow.compute.cast(pa.array(np.arange(2_000_000)), pa.large_string())
    tracemalloc.start()
    one, other = sf.Vocabulary.trusted(ids), sf.Vocabulary.trusted(ids[:])
    assert len(one) == 2_000_000
    assert one == other
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    assert one.index(["1999999", "x"]).tolist() == [2_000_000, 0]
    assert one.lookup([2]).tolist() == ["1"]
    assert repr(one).endswith("'0', '1', '2', ...)")
    assert "ids" not in one.__dict__


@pytest.mark.parametrize(
    "wrap",
    [
        pa.array,
        lambda texts: pa.array(["x", *texts], pa.large_string())[1:],
        lambda texts: pa.chunked_array([texts[:2], [], texts[2:]], pa.string()),
        lambda texts: pa.array(texts, pa.string_view()),
        lambda texts: pa.array(texts).dictionary_encode(),
        lambda texts: pd.Series(texts, dtype="str"),
        lambda texts: pd.Index(texts, dtype="string"),
        lambda texts: pd.Series(texts, dtype="category"),
    ],
)
def test_text_is_found_however_it_is_held(wrap):
    texts = ["ä", "", None, "b", "b"]
    vocabulary = sf.Vocabulary(["", "b", "ä"])
    assert vocabulary.index(wrap(texts)).tolist() == [3, 1, 0, 2, 2]
    assert NUMBERS.index(wrap(texts)).tolist() == [0] * 5
    assert vocabulary.index(wrap([None, None])).tolist() == [0, 0]
    assert vocabulary.extend(wrap(["a", "b", "c", "a"])).ids.tolist() == ["", "b", "ä", "a", "c"]
    assert sf.Vocabulary(wrap(["b", "a"])).ids.tolist() == ["b", "a"]
    with pytest.raises(TypeError, match=r"ids\[1\] is "):
        sf.Vocabulary(wrap(["b", None]))


def test_what_is_no_text_is_unknown_or_refused():
    assert NAMES.index(["\ud800", None, "ä"]).tolist() == [0, 0, 3]
    with pytest.raises(TypeError, match=r"an id is an integer or a string, received \['a'\]"):
        NAMES.index([["a"]])


def test_a_vocabulary_that_was_used_can_be_copied():
    for vocabulary in (NUMBERS, NAMES):
        first = vocabulary.ids[:1]
        assert vocabulary.index(first).tolist() == [1]
        copied = pickle.loads(pickle.dumps(vocabulary))
        assert copied == vocabulary
        assert copied.index(first).tolist() == [1]


def test_its_text_is_short():
    assert repr(sf.Vocabulary.identity(9)) == "Vocabulary(9 ids: 1, 2, 3, ...)"
