"""SASRec: what it computes, how it is trained, and its file."""

from sasrec_fast.backend import warn_of_default_backend
from sasrec_fast.model.sasrec import SASRec
from sasrec_fast.model.saving import load_model, read_preparation, save_model
from sasrec_fast.model.training import NextItemModel

__all__ = ["NextItemModel", "SASRec", "load_model", "read_preparation", "save_model"]

warn_of_default_backend()
