"""What the buyer reads, in their language."""

import re

import pytest
from django.test import Client
from django.utils import translation

from payment.models import PaymentAttempt
from payment.serializers.sentences import BY_FULFILMENT, BY_STATE, message, user_message
from payment.services.links import status_url
from payment.services.outcomes import apply_status
from payment.states import Fulfilment, PaymentState
from tests.unit.payment.builders import FAILED, make_payment

DEVANAGARI = re.compile(r"[\u0900-\u097f]")
HINDI = "hi-IN,hi;q=0.9,en;q=0.5"

pytestmark = pytest.mark.django_db


@pytest.fixture
def refused():
    """The bank has refused: a wrong PIN."""
    payment = make_payment()
    return apply_status(payment.attempts.get().pk, FAILED, "test")


def test_every_state_and_every_fate_is_told_in_both_languages():
    assert set(BY_STATE) == set(PaymentState)
    settled_by_state = {Fulfilment.NONE, Fulfilment.BOOKED, Fulfilment.DONATION}
    assert set(BY_FULFILMENT) == set(Fulfilment) - settled_by_state
    for sentence in (*BY_STATE.values(), *BY_FULFILMENT.values()):
        assert str(sentence).isascii()
        with translation.override("hi"):
            assert DEVANAGARI.search(str(sentence))


def test_who_entered_a_wrong_pin_is_told_so_and_that_they_were_not_charged(refused):
    said = user_message(refused)
    assert said == (
        "Payment failed. You have not been charged. The UPI PIN was wrong. Please try again with the right PIN."
    )
    with translation.override("hi"):
        assert "UPI पिन गलत था" in user_message(refused)
    assert message(refused) == "Payment failed. You have not been charged."


@pytest.mark.parametrize("code", ["SOMETHING_NEW", "INTERNAL_SERVER_ERROR", "PAYMENT_PENDING"])
def test_a_payment_that_has_ended_is_never_told_to_wait(refused, code):
    PaymentAttempt.objects.filter(payment=refused).update(code=code)
    assert user_message(refused) == message(refused)


def test_the_status_answers_in_the_language_of_the_request(api, alice, refused):
    refused.user = alice
    refused.save(update_fields=["user"])
    path = f"/api/payments/payments/{refused.pk}"

    for answer in ("status", "check-booking"):
        client = api(alice)
        assert "UPI PIN" in client.get(f"{path}/{answer}/").json()["user_message"]
        hindi = client.get(f"{path}/{answer}/", headers={"Accept-Language": HINDI}).json()
        assert "UPI पिन" in hindi["user_message"]
        assert hindi["message"].isascii()


@pytest.mark.django_db(transaction=True)
def test_the_page_after_paying_speaks_hindi_to_who_reads_hindi(refused, settings):
    page = Client(headers={"Accept-Language": HINDI}).get(status_url(refused)).content.decode()

    assert '<html lang="hi">' in page
    assert "भुगतान नहीं हुआ" in page
    assert "Not paid" not in page


def test_a_link_that_does_not_work_says_so_in_hindi(client):
    page = client.get("/pay/made-up/", headers={"Accept-Language": HINDI}).content.decode()
    assert "यह लिंक काम नहीं करता" in page
