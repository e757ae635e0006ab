"""What prepared data consists of, as files and a manifest say it, and its fingerprint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sasrec_fast.saving import manifest, stored
from sasrec_fast.saving.log_files import StoredLog
from sasrec_fast.store import (
    Log,
    Report,
    Sequences,
    Split,
    TimedSequences,
    Vocabulary,
    stored_columns,
)

VOCABULARIES = {"users": "user_ids", "items": "item_ids"}
"""The files of vocabularies, by attribute."""
ITEMS_OPTION = {"vocabulary": "items"}
"""What stands for an option that is the item vocabulary itself."""


@dataclass(frozen=True, eq=False, repr=False)
class Parts:
    """What prepared data consists of; see `Prepared`."""

    train: Split
    validation: Split | None
    test: Split | None
    users: Vocabulary
    items: Vocabulary
    sequences: Sequences
    report: Report
    options: Mapping[str, Any]
    log: Log | StoredLog | None = None

    @classmethod
    def of_splits(
        cls,
        splits: Sequence[Split],
        vocabularies: tuple[Vocabulary, Vocabulary],
        report: Report,
        options: Mapping[str, Any],
        log: Log | StoredLog | None = None,
    ) -> Self:
        """The data of splits of one store, training first, and the ids of users and items."""
        train, (validation, test) = splits[0], [*splits[1:], None, None][:2]
        return cls(train, validation, test, *vocabularies, train.sequences, report, options, log)


def fingerprint(data: Parts) -> str:
    """See `Prepared.fingerprint`."""
    digests = {name: stored.digest(part) for name, part in parts_of(data).items()}
    return _fingerprint(described(data), digests)


def fingerprint_of(content: Mapping[str, Any]) -> str:
    """The fingerprint that follows from a manifest."""
    digests = {name: entry["digest"] for name, entry in content["files"].items()}
    return _fingerprint(content, digests)


def _fingerprint(content: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    said = {name: content[name] for name in ("splits", "vocabularies")}
    return manifest.digest_of({**said, "format_version": 1, "digests": dict(digests)})[:32]


def parts_of(data: Parts) -> dict[str, Any]:
    """The content of each file, by its name in the manifest."""
    columns = {f"{name}.npy": array for name, array in stored_columns(data.sequences).items()}
    for split in splits_of(data):
        if split._options.holdout is None:
            rows = split.sequence_rows
            columns |= {f"{split.name}_users.npy": rows.users, f"{split.name}_ends.npy": rows.ends}
    parts = {name: stored.little_endian(array) for name, array in columns.items()}
    for attribute, name in VOCABULARIES.items():
        vocabulary: Vocabulary = getattr(data, attribute)
        if vocabulary.are_strings:
            parts[f"{name}.arrow"] = vocabulary.strings
        elif not vocabulary.is_identity:
            parts[f"{name}.npy"] = stored.little_endian(vocabulary.ids)
    return parts


def splits_of(data: Parts) -> list[Split]:
    """The splits there are."""
    return [split for split in (data.train, data.validation, data.test) if split is not None]


def described(data: Parts) -> dict[str, Any]:
    """All of the manifest of a folder of files but for these."""
    from sasrec_fast import __version__

    store = data.sequences
    clock = {"clock": store.clock.to_dict()} if isinstance(store, TimedSequences) else {}
    return {
        "format": manifest.FORMAT,
        "format_version": manifest.WITH_TIMES if clock else manifest.WITH_EDITS,
        "package_version": __version__,
        "options": {
            name: _option(name, value, data)
            for name, value in data.options.items()
            if name != "times" or value  # which earlier versions know nothing of
        },
        "splits": {
            split.name: {
                name: manifest.encode(value, f"{split.name}.{name}")
                for name, value in split._options.named.items()
            }
            for split in splits_of(data)
        },
        "vocabularies": {
            name: {"size": len(ids), "is_identity": ids.is_identity}
            for name, ids in (("users", data.users), ("items", data.items))
        },
        "report": data.report.to_dict(),
        **clock,
    }


def _option(name: str, value: Any, data: Parts) -> Any:
    if isinstance(value, Vocabulary) and value == data.items:
        return ITEMS_OPTION
    return manifest.encode(value, f"option {name!r}")
