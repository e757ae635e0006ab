"""One batch worked out by hand: filters, order, windows, weights and negatives.

The eight items 10, 20, .. 80 become indices 1 .. 8, so that a raw draw proposes 1 + its three
highest bits: 0x3... -> 2, 0xc... -> 7, 0xf... -> 8.
"""

import numpy as np
import pytest

import reference
import sasrec_fast as sf

ROWS = [
    # user, item, timestamp, rating
    (7, 80, 200, 5),
    (1, 30, 30, 4),
    (1, 10, 10, 4),
    (2, 50, 7, 3),  # tied with user 2's item 40: input order puts 50 first
    (1, 40, 40, 5),
    (7, 70, 100, 5),
    (2, 40, 7, 3),
    (3, 10, 1, 5),  # user 3 has two interactions, three are needed
    (1, 20, 20, 4),
    (2, 60, 9, 1),  # rated below 2; without it user 2 still has three
    (2, 80, 8, 4),
    (3, 20, 2, 5),
    (1, 60, 60, 4),
    (7, 10, 300, 5),
    (1, 50, 50, 4),
    (7, 20, 400, 5),
]
OPTIONS = reference.Options(min_rating=2, max_sequence_length=2, seed=11)

# user 1: 1 2 3 4 5 6     user 2: 5 4 8     user 7: 7 8 1 2
# train is all but two, validation all but one, test all; the window is the last three of those.
TRAIN = {
    # user 1 from 1 2 3 4, window 2 3 4; user 2 has one item left, so no row; user 7 from 7 8.
    "item_ids": [[2, 3], [7, 0]],
    "padding_mask": [[True, True], [True, False]],
    "positive_sequence": [[3, 4], [8, 0]],
    "sample_weight": [[1, 1], [1, 0]],
    # user 1 rejects 1 2 3 4: 0x32cd.. -> 2 no, 0xc4d9.. -> 7 yes | 0xdd6c.. -> 7 yes
    # user 7 rejects 7 8: 0xe0bb.. -> 8 no, 0xe639.. -> 8 no, 0x10e7.. -> 1 yes
    "negative_sequence": [[7, 7], [1, 0]],
}
VALIDATION = {
    # user 1 from 1 2 3 4 5, window 3 4 5; user 2 from 5 4; user 7 from 7 8 1.
    "item_ids": [[3, 4], [5, 0], [7, 8]],
    "padding_mask": [[True, True], [True, False], [True, True]],
    "positive_sequence": [[4, 5], [4, 0], [8, 1]],
    "sample_weight": [[0, 1], [1, 0], [0, 1]],
    # user 1 rejects 1 .. 5: 0x4195.. -> 3, 0x64f0.. -> 4, 0x58b2.. -> 3, 0x4d4c.. -> 3,
    #   0x32ea.. -> 2, 0x5c32.. -> 3, all no, 0xe491.. -> 8 yes
    #   | 0x3e45.. -> 2 no, 0xc232.. -> 7 yes
    # user 2 rejects 4 5: 0xd746.. -> 7 yes
    # user 7 rejects 1 7 8: 0x60af.. -> 4 yes | 0x64ba.. -> 4 yes
    "negative_sequence": [[8, 7], [7, 0], [4, 4]],
}
TEST = {
    # user 1 from 1 .. 6, window 4 5 6; user 2 from 5 4 8; user 7 from 7 8 1 2, window 8 1 2.
    "item_ids": [[4, 5], [5, 4], [8, 1]],
    "padding_mask": [[True, True], [True, True], [True, True]],
    "positive_sequence": [[5, 6], [4, 8], [1, 2]],
    "sample_weight": [[0, 1], [0, 1], [0, 1]],
    # user 1 rejects 1 .. 6: 0xfef6.. -> 8 yes
    #   | 0x6d43.. -> 4, 0x8800.. -> 5, 0x4c0c.. -> 3, 0x62f7.. -> 4, 0x6baf.. -> 4,
    #   0x096e.. -> 1, all no, 0xc2db.. -> 7 yes
    # user 2 rejects 4 5 8: 0x7b89.. -> 4 no, 0x472b.. -> 3 yes | 0x1abe.. -> 1 yes
    # user 7 rejects 1 2 7 8: 0xf621.. -> 8 no, 0xb02d.. -> 6 yes | 0x5b4f.. -> 3 yes
    "negative_sequence": [[8, 7], [3, 1], [6, 3]],
}
SPLITS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
USERS = {"train": [1, 7], "validation": [1, 2, 7], "test": [1, 2, 7]}


def prepared() -> sf.Prepared:
    user, item, timestamp, rating = np.array(ROWS).T
    columns = {"user_id": user, "item_id": item, "timestamp": timestamp, "stars": rating}
    return sf.prepare(columns, rating="stars", min_rating=2, max_sequence_length=2, seed=11)


@pytest.mark.parametrize("name", SPLITS)
def test_batch(name: str) -> None:
    split = getattr(prepared(), name)
    assert split.user_ids.tolist() == USERS[name]
    arrays = split.arrays()
    for field, expected in SPLITS[name].items():
        assert getattr(arrays, field).tolist() == expected, field


def test_vocabularies() -> None:
    data = prepared()
    assert data.users.ids.tolist() == [1, 2, 7]
    assert data.items.ids.tolist() == [10, 20, 30, 40, 50, 60, 70, 80]
    assert data.vocabulary_size == 9


@pytest.mark.parametrize("name", SPLITS)
def test_reference_agrees(name: str) -> None:
    rows = [reference.Interaction(*row) for row in ROWS]
    arrays = reference.prepare(rows, OPTIONS).arrays(name)
    for field, expected in SPLITS[name].items():
        assert getattr(arrays, field).tolist() == expected, field
