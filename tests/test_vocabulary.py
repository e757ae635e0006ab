"""External ids and dense indices."""

import numpy as np
import pandas as pd
import pytest

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


def test_ids_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        NUMBERS.ids[0] = 1


def test_its_text_is_short():
    assert repr(sf.Vocabulary.identity(9)) == "Vocabulary(9 ids: 1, 2, 3, ...)"
