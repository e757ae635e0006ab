"""Prepared data <-> a folder, and files that are replaced as a whole.

Here is what anybody needs who writes a file; it is imported at once, as the command line asks for.
What knows prepared data is imported by its file.
"""

from sasrec_fast.saving.replaced_file import replaced_file, require_writable
from sasrec_fast.saving.termination import Terminated, check_termination, tidy_termination

__all__ = [
    "Terminated",
    "check_termination",
    "replaced_file",
    "require_writable",
    "tidy_termination",
]
