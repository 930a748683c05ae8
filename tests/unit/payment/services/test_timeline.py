"""What people are told who ask why a payment is where it is."""

import pytest
from django.utils import timezone

from payment.models import GatewayCall
from payment.services import timeline
from payment.services.outcomes import apply_status
from tests.unit.payment.builders import FAILED, make_payment

pytestmark = pytest.mark.django_db


def call(payment, **fields):
    tried = {
        "operation": "pay",
        "endpoint": "https://api.phonepe.com/apis/hermes",
        "host": "api.phonepe.com",
        "port": 443,
        "stage": "BODY",
        "milliseconds": 120,
        "http_status": 200,
        "started_at": timezone.now(),
    }
    GatewayCall.objects.create(payment=payment, attempt=payment.attempts.get(), **tried | fields)


def test_a_try_through_a_proxy_names_the_proxy():
    payment = make_payment()
    call(payment, proxy="http://way.out:3128", http_status=None, error_category="PROXY_ERROR")

    (entry,) = timeline.for_staff(payment)

    assert entry["text"] == "pay to api.phonepe.com:443 through http://way.out:3128: PROXY_ERROR"


def test_a_direct_try_names_no_proxy():
    payment = make_payment()
    call(payment, code="PAYMENT_INITIATED")

    (entry,) = timeline.for_staff(payment)

    assert entry["text"] == "pay to api.phonepe.com:443: HTTP 200 PAYMENT_INITIATED"


def test_staff_are_told_who_must_act_and_where():
    payment = make_payment()
    call(payment, http_status=404, code="KEY_NOT_CONFIGURED", error_category="AUTHENTICATION")

    (entry,) = timeline.for_staff(payment)

    assert (entry["hop"], entry["who_must_act"]) == ("phonepe", "owner")
    assert "salt key" in entry["means"]
    assert "API keys" in entry["where"]


def test_a_closed_way_is_the_hostings_and_a_proxy_is_not_phonepe():
    payment = make_payment()
    call(payment, proxy="http://way.out:3128", http_status=None, error_category="PROXY_ERROR")

    (entry,) = timeline.for_staff(payment)

    assert (entry["hop"], entry["who_must_act"]) == ("proxy", "hosting")


def test_what_went_well_asks_nothing_of_anybody():
    payment = make_payment()
    call(payment, code="PAYMENT_INITIATED")

    (entry,) = timeline.for_staff(payment)

    assert "who_must_act" not in entry


def test_the_buyer_reads_why_their_bank_said_no(db):
    payment = make_payment()
    apply_status(payment.attempts.get().pk, FAILED, "test")

    said = [entry["text"] for entry in timeline.for_owner(payment)]

    assert said[0] == "The UPI PIN was wrong. Please try again with the right PIN."
