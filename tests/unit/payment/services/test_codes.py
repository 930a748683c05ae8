from datetime import timedelta

import pytest
from django.utils import timezone

from payment.models import GatewayCall
from payment.services.timeline import unknown_codes
from tests.unit.payment.builders import make_attempt, make_payment

pytestmark = pytest.mark.django_db


def heard(code, **fields):
    said = {
        "operation": "status",
        "endpoint": "https://x.example",
        "host": "x.example",
        "port": 443,
        "stage": "BODY",
    }
    return GatewayCall.objects.create(
        **{**said, "milliseconds": 5, "started_at": timezone.now(), "code": code} | fields
    )


def test_words_of_phonepe_that_nobody_has_explained_are_listed_by_how_often_they_came():
    for code in ("BRAND_NEW", "BRAND_NEW", "RARE", "ZM", ""):
        heard(code)

    assert [(row["code"], row["times"]) for row in unknown_codes()] == [("BRAND_NEW", 2), ("RARE", 1)]


def test_a_word_is_found_on_the_order_too_and_not_counted_twice():
    heard("BRAND_NEW")
    heard("BRAND_NEW", started_at=timezone.now() - timedelta(days=3))
    make_attempt(make_payment(), number=2, code="BRAND_NEW")

    [row] = unknown_codes()
    assert row["times"] == 2
    assert timezone.now() - row["last_seen"] < timedelta(minutes=5)


def test_our_own_rules_that_ended_an_order_are_no_words_of_phonepe():
    make_attempt(make_payment(), number=2, code="page_expired_unpaid")

    assert unknown_codes() == []


def test_what_was_said_long_ago_is_left_alone():
    heard("BRAND_NEW", started_at=timezone.now() - timedelta(days=100))

    assert unknown_codes() == []
