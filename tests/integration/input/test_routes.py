"""Every route and method there is, given anything."""

import uuid

import pytest
from drf_spectacular.generators import SchemaGenerator
from hypothesis import example, given, settings

from tests.harness.samples import sample
from tests.integration.access.rules import PAGES
from tests.integration.input.fuzz import (
    BODIES,
    assert_answered,
    assert_refused_or_done,
    few,
    rows,
    send,
    stranger,
)
from tests.integration.test_access import RULES, filled

pytestmark = [pytest.mark.proof(every=13), pytest.mark.django_db(transaction=True)]
__all__ = ["filled"]

# These read no body, and ask PhonePe at most once in two seconds: too slow for many examples.
BODILESS = ("check-and-create-booking/", "create-booking/", "retry-webhook/", "check-and-process/")
WRITES = [
    row
    for row in RULES
    if row.split()[1] in ("post", "put", "patch") and not row.split()[0].endswith(BODILESS)
]
# They do the same with every body.
NO_BODY = {
    "api/auth/logout/everywhere/ post",
    "api/booking/calendar-feed/ post",
    "api/payments/paying/ post",
    "api/cart/carts/{pk}/cleanup_old_payments/ post",
    "api/payments/payments/{pk}/simulate-success/ post",
    "logout/ post",
}
# Pages lead whoever sends nonsense to where they can begin.
NO_BODY |= {"book/ post", "login/code/ post", *(row for row, rule in RULES.items() if rule == PAGES)}
DEEP = (b"[" * 50_000, b'{"a":' * 50_000)


@pytest.mark.parametrize("row", WRITES)
def test_any_body_is_answered_and_nothing_is_done_by_halves(api, alice, filled, row):
    client = api(alice)
    path, method = row.split()

    @few
    @given(body=BODIES)
    @example(body=DEEP[0])
    @example(body=DEEP[1])
    def try_it(body):
        before = rows()
        assert_refused_or_done(send(client, method, filled(path), body), before)

    try_it()


@settings(few, max_examples=8)
@given(body=BODIES)
@example(body=DEEP[0])
def test_any_body_of_a_stranger_is_answered(body):
    for row in sample(WRITES, 4):
        path, method = row.split()
        assert_answered(
            send(
                stranger(),
                method,
                "/"
                + path.format(
                    pk=1, token="forged", cart_id=uuid.uuid4(), book_id="BK-FORGED22", event_id="evt_0"
                ),
                body,
            )
        )


@pytest.fixture(scope="module")
def field_names():
    schemas = SchemaGenerator().get_schema(public=True)["components"]["schemas"].values()
    return {name for schema in schemas for name in schema.get("properties", {})}


@pytest.mark.parametrize("text", ["a\ud800", "\x00"])
@pytest.mark.parametrize("row", WRITES)
def test_what_can_be_neither_stored_nor_sent_is_refused_in_every_field(
    api, alice, filled, field_names, row, text
):
    """Also where a field quotes what it refuses, and where the refusal is stored for an Idempotency-Key."""
    path, method = row.split()
    for value in (text, [{"a": text}]):
        body = dict.fromkeys(field_names, value)
        for client in (api(alice), stranger()):
            before, key = rows(), str(uuid.uuid4())
            answer = send(client, method, filled(path), body, HTTP_IDEMPOTENCY_KEY=key)
            assert_refused_or_done(answer, before)
            assert row in NO_BODY or answer.status_code >= 400, (row, answer.content)


def test_no_method_is_a_crash(api, alice, filled):
    for path in sample(sorted({row.split()[0] for row in RULES}), 5):
        for method in ("get", "post", "put", "patch", "delete", "options", "trace", "brew"):
            if f"{path} {method}" not in RULES:
                assert api(alice).generic(method.upper(), filled(path)).status_code < 500, (path, method)
