"""The page at `/`: one file that asks this service alone, and a browser told to see to that."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def _digest(element: str) -> str:
    """What a Content-Security-Policy calls the text of the page's only element of a kind."""
    (text,) = re.findall(rf"<{element}>(.*?)</{element}>", PAGE, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


_POLICY = (
    f"default-src 'none'; connect-src 'self'; script-src {_digest('script')}; "
    f"style-src {_digest('style')}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
