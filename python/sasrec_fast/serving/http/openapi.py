"""The OpenAPI document, from the limits that requests are checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sasrec_fast.serving.http.questions import DEFAULT_K

if TYPE_CHECKING:
    from sasrec_fast.serving.http.kinds import Kinds, TimeKind
    from sasrec_fast.serving.http.limits import Limits

LONGEST_QUERY = 200
MOST_NAMES = 50
DEFAULT_NAMES = 10
_REFUSALS = {
    400: "the body is no JSON",
    404: "nothing is known of what is asked about: a user, an item, or all candidates",
    408: "the body came too slowly",
    413: "the body is too large",
    415: "the media type is not application/json",
    422: "a field is wrong; which, and what is allowed, is said",
    429: "too many requests wait; try again after Retry-After seconds",
}


def document(limits: Limits, kinds: Kinds, version: str) -> dict[str, Any]:
    """The service as an OpenAPI 3.1 document.

    Args:
        limits: What requests may ask for.
        kinds: What ids and times may be.
        version: Of the package.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sasrec-fast serve",
            "version": version,
            "description": "Sequential recommendation: the items that a history goes on with.",
        },
        "paths": {
            "/recommend": {"post": _post("Recommend items", _recommend(limits, kinds.times))},
            "/similar": {"post": _post("Find items like others", _similar(limits))},
            "/items": {"get": _items()},
            "/health": {"get": _get("What is served", "application/json", {"type": "object"})},
            "/metrics": {"get": _get("Counters and times", "text/plain", {"type": "string"})},
            "/openapi.json": {"get": _get("This document", "application/json", {"type": "object"})},
            "/": {"get": _get("A page to try it by hand", "text/html", {"type": "string"})},
        },
        "components": {"schemas": _schemas(kinds)},
    }


def _recommend(limits: Limits, times: TimeKind | None) -> dict[str, Any]:
    history = _array(_ref("ItemId"), limits.history)
    some = {"minItems": 1}
    user = {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    properties = {
        "histories": {
            **_array(history, limits.histories),
            **some,
            "description": "items of each, oldest first; unknown ones are skipped and counted",
        },
        "users": {
            **_array(user, limits.histories),
            **some,
            "description": "instead: users of the data the service was given",
        },
        "k": _k(limits),
        "exclude_seen": {"type": "boolean", "default": True},
        "candidates": {
            "anyOf": [{**_array(_ref("ItemId"), limits.candidates), **some}, {"type": "null"}],
            "description": "the only items to recommend",
        },
        "exclude": {
            "anyOf": [_array(_ref("ItemId"), limits.candidates), {"type": "null"}],
            "description": "items not to recommend",
        },
    }
    histories, users = ["histories"], ["users"]
    if times is not None:
        properties |= _moments(limits, times.asked)
        histories = ["histories", "times"]
    either = [
        {"required": one, "not": {"anyOf": [{"required": [name]} for name in other]}}
        for one, other in ((histories, users), (users, histories))
    ]
    return {**_object(properties), "oneOf": either}


def _moments(limits: Limits, asked: bool) -> dict[str, Any]:
    """What a model that looks at times is told besides."""
    moment = _ref("Time")
    each = _array(moment, limits.history)
    times = {
        **_array(each, limits.histories),
        "description": "when each item of the histories was: as many, none before the one before",
    }
    if not asked:
        return {"times": times}
    one_for_each = _array(moment, limits.histories)
    at = {
        "anyOf": [moment, one_for_each, {"type": "null"}],
        "description": "when the next items are asked for: one for all, or one for each; null, and "
        "what is before that: when the last item was",
    }
    return {"times": times, "at": at}


def _similar(limits: Limits) -> dict[str, Any]:
    ids = {**_array(_ref("ItemId"), limits.histories), "minItems": 1}
    return {**_object({"item_ids": ids, "k": _k(limits)}), "required": ["item_ids"]}


def _items() -> dict[str, Any]:
    text = {"type": "string", "maxLength": LONGEST_QUERY}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_NAMES, "default": DEFAULT_NAMES}
    found = {**_object({"items": _array(_ref("Item"))}), "required": ["items"]}
    described = _get("Find items by title or id", "application/json", found)
    described["parameters"] = [
        {"name": "query", "in": "query", "required": True, "schema": text},
        {"name": "limit", "in": "query", "schema": limit},
    ]
    described["responses"]["422"] = _refusal(422)
    return described


def _schemas(kinds: Kinds) -> dict[str, Any]:
    items, times = kinds.items, kinds.times
    integer = {"type": "integer", "minimum": items.least, "maximum": items.most}
    results = {
        "items": _array(_ref("ItemId")),
        "scores": _array({"type": "number"}),
        "titles": _array({"type": ["string", "null"]}),
        "unknown": {
            "type": "integer",
            "description": "ids of the history that are of no known item",
        },
    }
    item = {"id": _ref("ItemId"), "title": {"type": ["string", "null"]}}
    error = {name: {"type": "string"} for name in ("error", "field", "received", "allowed")}
    return {
        "ItemId": {"type": "string"} if items.strings else integer,
        "Item": {**_object(item), "required": [*item]},
        "Result": {**_object(results), "required": ["items", "scores", "unknown"]},
        "Results": {**_object({"results": _array(_ref("Result"))}), "required": ["results"]},
        "Refusal": {**_object(error), "required": ["error"]},
        **({} if times is None else {"Time": _time(times)}),
    }


def _time(kind: TimeKind) -> dict[str, Any]:
    of_type = {"type": "string" if kind.dates else "number"}
    if kind.dates and kind.zoned:
        of_type["format"] = "date-time"
    return {**of_type, "description": kind.allowed}


def _k(limits: Limits) -> dict[str, Any]:
    default = min(DEFAULT_K, limits.k)
    return {"type": "integer", "minimum": 1, "maximum": limits.k, "default": default}


def _post(summary: str, body: dict[str, Any]) -> dict[str, Any]:
    described = _get(summary, "application/json", _ref("Results"))
    described["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": body}},
    }
    described["responses"].update({str(status): _refusal(status) for status in _REFUSALS})
    return described


def _get(summary: str, media_type: str, content: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": "the answer", "content": {media_type: {"schema": content}}}
    return {"summary": summary, "responses": {"200": answer}}


def _refusal(status: int) -> dict[str, Any]:
    content = {"application/json": {"schema": _ref("Refusal")}}
    return {"description": _REFUSALS[status], "content": content}


def _array(values: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": values, **({} if most is None else {"maxItems": most})}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
