"""Every route and method there is, given anything."""

import pytest
from hypothesis import example, given, settings

from tests.integration.input.doors import (
    BODIES,
    assert_answered,
    assert_refused_or_done,
    few,
    rows,
    send,
    stranger,
)
from tests.integration.test_access import RULES, filled

pytestmark = [pytest.mark.proof(every=4), pytest.mark.django_db(transaction=True)]
__all__ = ["filled"]

# These read no body, and ask PhonePe at most once in two seconds: too slow for many examples.
BODILESS = ("check-and-create-booking/", "create-booking/", "retry-webhook/", "check-and-process/")
WRITES = [
    row
    for row in RULES
    if row.split()[1] in ("post", "put", "patch") and not row.split()[0].endswith(BODILESS)
]
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
    for row in WRITES:
        path, method = row.split()
        assert_answered(send(stranger(), method, "/" + path.format(pk=1, token="forged"), body))


def test_no_method_is_a_crash(api, alice, filled):
    for path in {row.split()[0] for row in RULES}:
        for method in ("get", "post", "put", "patch", "delete", "options", "trace", "brew"):
            if f"{path} {method}" not in RULES:
                assert api(alice).generic(method.upper(), filled(path)).status_code < 500, (path, method)
