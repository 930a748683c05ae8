"""The frontends send the token they have with every call: who is anywhere public with an ended one stays there."""

import pytest

from tests.integration.access.rules import PUBLIC, RULES
from tests.integration.test_access import filled

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["filled"]

ROWS = sorted(row for row, rule in RULES.items() if rule == PUBLIC)
READ_THE_TOKEN = {
    "api/payments/payments/process-cart/ post": "of a person with a login: the page refreshes it and pays",
    "api/payments/payments/simulate-payment-success/ post": "the same",
    "api/payments/payments/debug-connectivity/ get": "in full for staff",
    "api/docs/ get": "no page of a frontend",
    "api/schema/ get": "no page of a frontend",
}
DEPEND_ON_THE_MOMENT = {"readyz get"}


def test_what_reads_the_token_is_public():
    assert READ_THE_TOKEN.keys() <= set(ROWS)


@pytest.mark.parametrize("row", sorted(set(ROWS) - READ_THE_TOKEN.keys() - DEPEND_ON_THE_MOMENT))
@pytest.mark.parametrize("token", ["Bearer ended", "Bearer a b"])
def test_a_public_route_answers_as_without_a_token(api, filled, row, token):
    path, method = row.split()
    without, stale = (
        getattr(api(), method)(filled(path), **headers) for headers in ({}, {"HTTP_AUTHORIZATION": token})
    )

    assert stale.status_code == without.status_code
    assert stale.status_code != 401 or "refresh" in path or "logout" in path
