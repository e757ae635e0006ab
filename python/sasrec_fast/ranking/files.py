"""Rules in a file, for a service."""

import json
from pathlib import Path
from typing import Any

from sasrec_fast import checks
from sasrec_fast.errors import DataError
from sasrec_fast.ranking.rules import Rules
from sasrec_fast.store import Vocabulary

_BY_ITEM = ("boosts", "factors", "groups")
_OTHERS = ("most_per_group", "always", "never", "diversity", "pool")


def read_rules(path: Path, items: Vocabulary) -> Rules:
    """The `Rules` of a JSON file, an object of their arguments.

    What is by item is an object whose keys are ids, as text also where ids are integers; lists hold
    ids of their own kind.

    Raises:
        DataError: It is no such file; what is wrong with a rule is said as by `Rules`.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise DataError(f"{path} cannot be read as JSON: {failure}") from None
    known = [*_BY_ITEM, *_OTHERS]
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {checks.received(content)}, expected an object of rules")
    if strange := [name for name in content if name not in known]:
        raise DataError(
            f"{path} has {strange[0]!r}, which is no rule; those are {', '.join(known)}"
        )
    given = dict(content)
    try:
        for name in _BY_ITEM:
            if isinstance(given.get(name), dict) and not items.are_strings:
                given[name] = {int(key): value for key, value in given[name].items()}
        return Rules(**given)
    except (TypeError, ValueError) as failure:
        raise DataError(f"{path}: {failure}") from None
