"""The OpenAPI document of the service holds for what it answers, whatever is asked."""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from served_models import Following, running

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import schemathesis
    from schemathesis import GenerationMode

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMITS = {"body": 20_000, "histories": 3, "history": 6, "k": 12, "candidates": 4}


@pytest.fixture(scope="module", params=["integers", "strings"])
def schema(request: pytest.FixtureRequest) -> Iterator[Any]:
    ids: list[Any] = [1, 2, 3, 4, 5] if request.param == "integers" else ["a", "b", "ü", "", "4"]
    model = Following(ids, titles=[None, "x", None, "y", "z", "z"])
    with running(lambda: model, limits=LIMITS) as served:
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{served.port}/openapi.json")


def test_answers_are_as_documented(schema: Any) -> None:
    seen: Counter[int] = Counter()
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) == 6  # all but that of the document itself
    for operation in operations:
        asks = operation.method.upper() == "POST"
        for mode in GenerationMode if asks else [GenerationMode.POSITIVE]:

            @settings(
                max_examples=25 if asks else 3,
                deadline=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=[*HealthCheck],
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def hold(case: Any) -> None:
                answer = case.call_and_validate()
                seen[answer.status_code] += 1

            hold()
    assert seen[200] > 10
    assert seen[422] > 20
