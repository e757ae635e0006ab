"""Prepared data <-> a folder, and files that are replaced as a whole."""

from sasrec_fast.saving.artifact import Parts, write_into
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.growing import GrowingArray, write_all
from sasrec_fast.saving.replaced_file import replaced_file, require_writable
from sasrec_fast.saving.termination import Terminated, check_termination, tidy_termination

__all__ = [
    "GrowingArray",
    "Parts",
    "Terminated",
    "check_termination",
    "replaced_file",
    "require_writable",
    "tidy_termination",
    "writable_folder",
    "write_all",
    "write_into",
]
