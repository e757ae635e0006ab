"""Prepared data <-> a folder, and files that are replaced as a whole."""

from sasrec_fast.saving.replaced_file import replaced_file, require_writable
from sasrec_fast.saving.termination import Terminated, check_termination, tidy_termination

__all__ = [
    "Terminated",
    "check_termination",
    "replaced_file",
    "require_writable",
    "tidy_termination",
]
