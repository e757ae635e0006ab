"""Reads JSON: an object a line, or one array of objects.

pyarrow reads lines at full speed where it is told types. These are guessed by the first lines,
widened where it refuses, and what fits none is looked for line by line, to say where it is.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from sasrec_fast.errors import DataError, shorten
from sasrec_fast.reading.column_names import Wanted
from sasrec_fast.reading.json_numbers import numbers_of, require_exact
from sasrec_fast.reading.json_objects import lines, object_of
from sasrec_fast.reading.opening import open_bytes

_SAMPLED_LINES = 100
_BLOCK = 1 << 24
_LARGEST_BLOCK = 2**31 - 1
_IDS = (pa.string(), pa.int64(), pa.uint64())
_NUMBERS = (pa.int64(), pa.uint64(), pa.float64(), pa.string())
_FLAT = "; pandas writes an object a row by to_json(path, orient='records', lines=True)"


def read_json(path: Path, wanted: Wanted) -> pa.Table:
    """Read a file of JSON; a key that an object lacks is null.

    Ids are strings or integers as they are written. Times that are text are read if all are in
    ISO 8601. Lists come as lists.

    Raises:
        DataError: The file is empty, malformed, or holds something else; or lacks a column.
    """
    first = next(lines(path), (0, ""))[1]
    if not first:
        raise DataError(f"{path} is empty, expected an object a line")
    if first.startswith("["):
        table = _read_array(path, wanted)
    else:
        sample = [object_of(path, line, text) for line, text in islice(lines(path), _SAMPLED_LINES)]
        table = _read_lines(path, wanted, sample)
    for name in wanted.numbers:
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, numbers_of(table[name], name, path))
            if name in wanted.times:
                require_exact(path, name, table[name])
    return table


def read_json_blocks(path: Path, wanted: Wanted, size: int, folder: Path) -> Iterator[pa.Table]:
    """The wanted columns of a file as `read_json` has them, so many bytes of it at a time.

    Types are those of a block alone.

    Args:
        path: The file.
        wanted: The columns.
        size: Bytes of a block, but for the end of its last line.
        folder: Where blocks are copied.

    Raises:
        DataError: The file is not read in blocks; `read_json` reads it, or says what is wrong.
    """
    if next(lines(path), (0, "["))[1].startswith("["):
        raise DataError(f"{path} has no object a line")
    part = folder / "block.jsonl"
    with open_bytes(path) as file:
        while block := file.read(size):
            part.write_bytes(block + file.readline())
            yield read_json(part, wanted).select(wanted.names)


def _read_lines(path: Path, wanted: Wanted, sample: list[dict[str, Any]]) -> pa.Table:
    choices = {name: _choices(name, wanted, sample) for name in (*wanted.names, *wanted.texts)}
    try:
        table = _parsed(path, {name: kinds[0] for name, kinds in choices.items()})
    except pa.ArrowInvalid:
        table = pa.table({name: _widened(path, name, kinds) for name, kinds in choices.items()})
    for name in wanted.names:
        if table[name].null_count == len(table):
            _require_key(path, name, sample)
    return table if wanted.only else _with_others(path, table)


def _with_others(path: Path, table: pa.Table) -> pa.Table:
    """The table and all other columns of the file, whose types pyarrow infers."""
    try:
        return _parsed(
            path, dict(zip(table.column_names, table.schema.types, strict=True)), "infer"
        )
    except pa.ArrowInvalid as failure:
        raise DataError(f"{path}: {shorten(str(failure))}") from None


def _choices(name: str, wanted: Wanted, sample: list[dict[str, Any]]) -> list[pa.DataType]:
    """Types that a column may have, the likely one first."""
    if name in wanted.texts:
        return [pa.string()]
    own: tuple[pa.DataType, ...] = _IDS if name in wanted.ids else _NUMBERS
    values = (row[name] for row in sample if row.get(name) not in (None, []))
    value: Any = next(values, None)
    nested = isinstance(value, list)
    inner = value[0] if nested else value
    likely = {str: pa.string(), int: pa.int64(), float: pa.float64()}.get(type(inner), own[0])
    kinds = sorted(own, key=lambda kind: kind != likely)
    return [pa.list_(kind) for kind in kinds] if nested else kinds


def _widened(path: Path, name: str, kinds: list[pa.DataType]) -> pa.ChunkedArray:
    """One column in the first type that takes all of its values."""
    for kind in kinds:
        try:
            return _parsed(path, {name: kind})[name]
        except pa.ArrowInvalid:
            pass
    _refuse_first_fault(path, name, kinds)
    raise DataError(f"{path}: column {name!r} is not of one type; expected one of {kinds}")


def _parsed(
    path: Path, types: Mapping[str, pa.DataType], others: str = "ignore", block: int = _BLOCK
) -> pa.Table:
    """Columns of these types, and where `others` is "infer" all others."""
    import pyarrow.json  # late, since few files are JSON

    read = pyarrow.json.ReadOptions(block_size=block)
    schema = pa.schema(list(types.items()))
    parse = pyarrow.json.ParseOptions(schema, unexpected_field_behavior=others)
    try:
        table = pyarrow.json.read_json(path, read, parse)
    except pa.ArrowInvalid as failure:
        if "straddl" not in str(failure) or block == _LARGEST_BLOCK:
            raise
        return _parsed(path, types, others, _LARGEST_BLOCK)
    except (OSError, UnicodeError) as failure:
        raise DataError(f"{path} cannot be read: {failure}") from None
    return table


def _read_array(path: Path, wanted: Wanted) -> pa.Table:
    """Read an array of objects, all at once."""
    try:
        rows = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as failure:
        raise DataError(f"{path} is no JSON: {shorten(str(failure))}") from None
    for row, value in enumerate(rows):
        if not isinstance(value, dict):
            raise DataError(f"{path}: element {row} is {shorten(repr(value))}, expected an object")
    if not rows:
        raise DataError(f"{path} has no rows: its array is empty")
    present = dict.fromkeys(name for row in rows for name in row)
    for name in wanted.names if wanted.only else ():
        if name not in present:
            _require_key(path, name, rows)
    names = wanted.names if wanted.only else present
    return pa.table({name: _array(path, name, [row.get(name) for row in rows]) for name in names})


def _array(path: Path, name: str, values: list[Any]) -> Any:
    kinds = {bool if value is True or value is False else type(value) for value in values}
    if len(kinds - {type(None), float, int}) > (0 if kinds & {float, int} else 1):
        shown = ", ".join(sorted(kind.__name__ for kind in kinds - {type(None)}))
        raise DataError(f"{path}: column {name!r} has values of {shown}; expected one of them")
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        pass
    try:
        return pa.array(values, pa.uint64())
    except (pa.ArrowException, OverflowError) as failure:
        raise DataError(f"{path}: column {name!r}: {shorten(str(failure))}") from None


def _require_key(path: Path, name: str, sample: list[dict[str, Any]]) -> None:
    """Refuse a file no object of which has the key; says how to flatten what is nested."""
    present: dict[str, Any] = {}
    for row in sample:
        present |= row
    if name in present:
        return  # and null everywhere, which is refused as missing values
    listed = ", ".join(map(repr, present)) or "none"
    hint = ""
    for key, value in present.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and (name in inner or not hint):
            below = ", ".join(map(repr, [*inner][:12]))
            way = (
                f"pandas.json_normalize(rows, {key!r}, [...])"
                if inner is not value
                else ("pandas.json_normalize(rows)")
            )
            hint = f"; {key!r} holds objects with {below}: flatten them, as with {way}"
    raise DataError(f"column {name!r} of {path} is missing; the columns are {listed}{hint}")


def _refuse_first_fault(path: Path, name: str, kinds: list[pa.DataType]) -> None:
    """Raise the error of the first line that is malformed, or whose value has no type of these."""
    nested, first = pa.types.is_list(kinds[0]), ""
    allowed = {"a string", "an integer"}
    if pa.float64() in [kind.value_type if nested else kind for kind in kinds]:
        allowed.add("a number")
    for line, text in lines(path):
        value = object_of(path, line, text).get(name)
        for element in value if nested and isinstance(value, list) else [value]:
            kind = _kind(element)
            if element is None:
                continue
            if kind not in allowed or not _fit(kind, first or kind):
                beside = f" and those above {first}" if first and kind != first else ""
                raise DataError(
                    f"{path}, line {line}: {name!r} is {shorten(json.dumps(element))}, which is "
                    f"{kind}{beside}; expected one kind of {', '.join(sorted(allowed))}{_FLAT}"
                )
            first = first or kind


def _fit(kind: str, first: str) -> bool:
    """Whether values of two kinds may stand in one column."""
    return kind == first or {kind, first} == {"an integer", "a number"}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, int):
        return "an integer" if -(2**63) <= value < 2**64 else "an integer beyond 64 bits"
    names = {str: "a string", float: "a number", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)
