"""Fuzzing: any input at all to any route, and what every answer has to look like."""

import json
from typing import Any

from django.apps import apps
from django.test import Client
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.harness import PROOFS

# The same examples at every run: a failure in CI must be the failure at home.
few = settings(
    max_examples=30 if PROOFS else 6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXT = st.text(max_size=40) | st.sampled_from(
    ["\x00", "\ud800", "a\n", "٣", "\U0001f64f", "' OR 1=1 --", " ", "x" * 5000]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 0, 2**31, 2**63 - 1, 2**63, 10**40, True])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
BODIES = ANYTHING.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=200)


def some_of(**fields: st.SearchStrategy) -> st.SearchStrategy:
    """A body with any of these members, each as it should be or as anything."""
    return st.fixed_dictionaries({}, optional={name: good | ANYTHING for name, good in fields.items()})


def send(client: Any, method: str, path: str, body: Any, **headers: str) -> Any:
    """Sends the body as it is if it is bytes, else as JSON; an unhandled exception is a 500."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    client.raise_request_exception = False
    return client.generic(method.upper(), path, raw, content_type="application/json", **headers)


FORGOTTEN = {"IdempotencyKey", "Session"}


def rows() -> dict[str, int]:
    """How many rows each table has, without what is counted and forgotten (stored answers, sessions)."""
    kept = (
        model for app in ("accounts", "booking", "payment") for model in apps.get_app_config(app).get_models()
    )
    return {model.__name__: model.objects.count() for model in kept if model.__name__ not in FORGOTTEN}


def assert_answered(response: Any) -> None:
    """Never our fault; a refusal begins with a sentence and has all that machines and forms read."""
    assert response.status_code < 500, (response.status_code, response.content)
    if response.status_code < 400 or response["Content-Type"].startswith("text/html"):  # a page for a person
        return
    said = json.loads(response.content)
    assert [*said][:4] == ["error", "detail", "message", "code"]
    assert isinstance(said["error"], str)
    assert said["error"].strip()
    assert said["error"] == said["detail"] == said["message"]
    assert {"error_category", "user_message", "retryable", "request_id"} <= said.keys()
    if said["code"] == "validation":
        assert said["fields"] or isinstance(said.get("non_field_errors"), list)


def assert_refused_or_done(response: Any, before: dict[str, int]) -> None:
    """Refused means that nothing was done at all."""
    assert_answered(response)
    if response.status_code >= 400:
        assert rows() == before


def stranger() -> Client:
    return Client(raise_request_exception=False)
