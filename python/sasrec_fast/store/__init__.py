"""What is kept: each user's items in time order, vocabularies, and which rows show what."""

from sasrec_fast.store import streams
from sasrec_fast.store.candidates import candidate_mask, given_mask, model_candidates, pack_mask
from sasrec_fast.store.external import listed, shown
from sasrec_fast.store.given import given_histories, given_ids, indices_of, kind_note
from sasrec_fast.store.histories import SCORES_PER_CHUNK, Histories, slices, user_positions
from sasrec_fast.store.log import KEEP_ALL, Log, time_values
from sasrec_fast.store.memory import free_memory, require_memory, shown_bytes
from sasrec_fast.store.moments import Moments, moments_of_rows, moments_of_users, require_told
from sasrec_fast.store.packing import packed, unpacked
from sasrec_fast.store.repeats import repeated_targets
from sasrec_fast.store.report import Histogram, Lengths, Report
from sasrec_fast.store.rows import Rows, dated
from sasrec_fast.store.same_items import require_same_items
from sasrec_fast.store.sequences import (
    SPLITS,
    Arrays,
    Sequences,
    TimedArrays,
    TimedSequences,
    WindowOptions,
    stored_columns,
    timed,
)
from sasrec_fast.store.split import Split
from sasrec_fast.store.splits import make_splits
from sasrec_fast.store.unions import require_one_kind, union
from sasrec_fast.store.vocabulary import MAX_ITEMS, Vocabulary

__all__ = [
    "KEEP_ALL",
    "MAX_ITEMS",
    "SCORES_PER_CHUNK",
    "SPLITS",
    "Arrays",
    "Histogram",
    "Histories",
    "Lengths",
    "Log",
    "Moments",
    "Report",
    "Rows",
    "Sequences",
    "Split",
    "TimedArrays",
    "TimedSequences",
    "Vocabulary",
    "WindowOptions",
    "candidate_mask",
    "dated",
    "free_memory",
    "given_histories",
    "given_ids",
    "given_mask",
    "indices_of",
    "kind_note",
    "listed",
    "make_splits",
    "model_candidates",
    "moments_of_rows",
    "moments_of_users",
    "pack_mask",
    "packed",
    "repeated_targets",
    "require_memory",
    "require_one_kind",
    "require_same_items",
    "require_told",
    "shown",
    "shown_bytes",
    "slices",
    "stored_columns",
    "streams",
    "time_values",
    "timed",
    "union",
    "unpacked",
    "user_positions",
]
