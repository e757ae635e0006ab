"""Any table, file, folder or stream -> raw columns by name, and from these checked interactions."""

from sasrec_fast.reading.chunks import PREFIX, Chunk, Chunks, Copies
from sasrec_fast.reading.column_names import require_columns
from sasrec_fast.reading.files import read_movies, read_table
from sasrec_fast.reading.interactions import ColumnNames, Interactions, read_interactions
from sasrec_fast.reading.scratch import Scratch
from sasrec_fast.reading.sequence_files import read_sequences
from sasrec_fast.reading.tables import is_of_ray, is_of_spark
from sasrec_fast.reading.written import ids_as_written

__all__ = [
    "PREFIX",
    "Chunk",
    "Chunks",
    "ColumnNames",
    "Copies",
    "Interactions",
    "Scratch",
    "ids_as_written",
    "is_of_ray",
    "is_of_spark",
    "read_interactions",
    "read_movies",
    "read_sequences",
    "read_table",
    "require_columns",
]
