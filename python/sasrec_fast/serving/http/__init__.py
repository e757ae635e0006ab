"""A model as a service of HTTP, by Starlette and uvicorn: the extra `serve`."""

from sasrec_fast.serving.http.app import application
from sasrec_fast.serving.http.limits import Limits
from sasrec_fast.serving.http.meters import Meters
from sasrec_fast.serving.http.models import Models
from sasrec_fast.serving.http.server import Server, listening

__all__ = ["Limits", "Meters", "Models", "Server", "application", "listening"]
