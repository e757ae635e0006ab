"""Prepared data <-> a folder, and files that are replaced as a whole."""

from sasrec_fast.saving.replaced_file import replaced_file, require_writable

__all__ = ["replaced_file", "require_writable"]
