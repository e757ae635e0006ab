"""`sasrec-fast serve`: a model that answers over HTTP until it is told to stop."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sasrec_fast.cli import reading
from sasrec_fast.cli.options import COLUMNS, MOVIES, TRAINED_MODEL, Flag, command, real, whole
from sasrec_fast.cli.screen import counted

if TYPE_CHECKING:
    from sasrec_fast.cli.screen import Screen
    from sasrec_fast.serving import Recommender
    from sasrec_fast.serving.http import Limits

WATCH_SECONDS = 1.0
PANELS = {
    "Files": {
        "model": replace(TRAINED_MODEL, text="a folder of export, or a .keras file"),
        "data": Flag(Path, "a folder of prepared data, to answer for its users"),
        "movies": MOVIES,
        "rules": Flag(Path, "a JSON file of rules for all lists, see docs/rules.md"),
        "watch": Flag(bool, "serve the model anew when its files change, as on SIGHUP", False),
    },
    "Where": {
        "port": whole("to listen on; 0: a free one", 0, 8000),
        "host": Flag(str, "name or address to listen on; 0.0.0.0: all of them", "127.0.0.1"),
    },
    "Batches": {
        "max_batch": whole("histories that the model answers at once", 1),
        "max_wait_ms": real("milliseconds a request waits for others to share its batch", 0.0),
    },
    "Limits": {
        "max_queue": whole("histories that may wait; beyond, 429", 1),
        "max_body": whole("bytes of a request", 1),
        "max_histories": whole("histories, users or items in a request", 1),
        "max_history": whole("items of a history", 1),
        "max_k": whole("items recommended for each", 1),
        "max_candidates": whole("ids in candidates, and in exclude", 1),
    },
    "Columns of --movies (names, or positions from 0)": {
        name: COLUMNS[name] for name in ("item", "title")
    },
}


@command(PANELS)
def serve(arguments: Any, screen: Screen) -> None:
    """Answer over HTTP with a model, exported or saved by train."""
    try:
        from sasrec_fast.serving import http
    except ModuleNotFoundError as failure:
        raise ImportError(f"serve needs {failure.name}: pip install 'sasrec-fast[serve]'") from None
    import sasrec_fast

    limits = _limits(arguments)
    _log_to_stderr()
    name = Path(arguments.model).name
    watched = [
        path for path in (arguments.model, arguments.data, arguments.rules) if path is not None
    ]
    with http.listening(arguments.host, arguments.port) as taken:
        meters = http.Meters()
        titles = _titles(arguments, screen)
        with screen.step(f"loading {arguments.model}"):
            models = http.Models(lambda: _read(arguments, titles), name, meters, watched)
        watch = WATCH_SECONDS if arguments.watch else None
        app = http.application(models, limits, meters, sasrec_fast.__version__, watch)
        host, port = taken.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        items = counted(len(models.served.recommender.items), "item")
        server = http.Server(
            app, models.reload, lambda: screen.say(f"serving {name} ({items}) on {address}")
        )
        server.run_on(taken)
    screen.say("stopped")


def _read(arguments: Any, titles: Any) -> Recommender:
    """What the files hold now."""
    from sasrec_fast.serving import Recommender

    data = None
    if arguments.data is not None:
        from sasrec_fast.preparing import load

        data = load(arguments.data)
    found = Recommender(arguments.model, data=data, titles=titles)
    if arguments.rules is None:
        return found
    from sasrec_fast.ranking import read_rules

    rules = read_rules(arguments.rules, found.items)
    ruled = found.ruled(rules)  # tried at once: an id may be unknown
    asked = [] if found.knows_counts else [found.items.ids[0]]
    ruled.recommend([asked], k=max(10, ruled.shortest_list))
    return ruled


def _titles(arguments: Any, screen: Screen) -> Any:
    item = "item_id" if arguments.item is None else arguments.item
    return reading.read_titles(arguments, item, screen)


def _limits(arguments: Any) -> Limits:
    """Those given, the others as they are."""
    from sasrec_fast.serving.http import Limits

    names = ("batch", "queue", "body", "histories", "history", "k", "candidates")
    given = {name: getattr(arguments, f"max_{name}") for name in names}
    if arguments.max_wait_ms is not None:
        given["wait"] = arguments.max_wait_ms / 1000
    return Limits(**{name: value for name, value in given.items() if value is not None})


def _log_to_stderr() -> None:
    """Warnings, and what the service does by itself, with times: standard output is for people."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("sasrec_fast", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [handler], False
        logger.setLevel(level)
