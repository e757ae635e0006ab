"""What the streams of Philox are drawn for: the third word of their counter.

The negatives of a split have its number, 0 train, 1 validation, 2 test; `ties="hash"` has 4, which
the native code draws alone (`rust/ties.rs`). README, "Randomness", has the other words.
"""

BATCHES = 3
"""Order of batches, and the rows of each."""
RANKED_NEGATIVES = 5
"""Negatives that targets are ranked among."""
USERS = 6
"""Users of a sample."""
