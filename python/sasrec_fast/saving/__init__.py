"""Prepared data <-> a folder, and files that are replaced as a whole."""

from sasrec_fast.saving.content import Parts, fingerprint
from sasrec_fast.saving.folder import writable_folder
from sasrec_fast.saving.growing import GrowingArray, write_all
from sasrec_fast.saving.part_files import PartFiles
from sasrec_fast.saving.parts import commit as commit_parts
from sasrec_fast.saving.parts import writable_parts
from sasrec_fast.saving.places import Place
from sasrec_fast.saving.replaced_file import replaced_file, require_writable
from sasrec_fast.saving.termination import Terminated, check_termination, tidy_termination
from sasrec_fast.saving.writing import Origin, save, write_into

__all__ = [
    "GrowingArray",
    "Origin",
    "PartFiles",
    "Parts",
    "Place",
    "Terminated",
    "check_termination",
    "commit_parts",
    "fingerprint",
    "replaced_file",
    "require_writable",
    "save",
    "tidy_termination",
    "writable_folder",
    "writable_parts",
    "write_all",
    "write_into",
]
