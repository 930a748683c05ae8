"""The process that stores an event polls PhonePe about it; copies and the worker leave it to that process."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from payment.models import GatewayCall, Payment, WebhookEvent
from payment.services.checkout import start_payment
from payment.services.webhooks import FIRST_POLL, receive_webhook
from simulator.webhook_deliveries import authentication_headers
from tests.harness.races import at_once
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call(generation, alice, cart, phonepe):
    """The genuine webhook of a paid order: headers and body."""
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    delivery = phonepe.webhooks[-1]
    return authentication_headers(delivery), delivery.body.encode()


def post(headers, body):
    path = "/api/payments/webhook/phonepe/"
    return Client().post(path, body, content_type="application/json", headers=headers).status_code


def polls():
    return GatewayCall.objects.filter(operation="status").count()


def test_a_copy_that_comes_while_the_first_is_polled_about_is_counted_and_polls_nothing(call):
    receive_webhook(*call, FIRST_POLL)

    assert post(*call) == 200
    assert run_due(["events"]) == 0

    assert polls() == 0
    assert WebhookEvent.objects.get().deliveries == 2


def test_the_worker_polls_when_the_process_died_after_its_answer(call):
    receive_webhook(*call, FIRST_POLL)
    WebhookEvent.objects.update(next_check_at=timezone.now())  # six seconds later

    assert run_due(["events"]) == 1
    assert Payment.objects.get().fulfilment == "BOOKED"


def test_after_a_poll_without_an_answer_a_copy_polls_again(call, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)
    post(*call)
    before = polls()
    phonepe.clear_faults()

    post(*call)

    assert polls() > before
    assert Payment.objects.get().fulfilment == "BOOKED"


def test_a_claim_of_a_clock_that_was_ahead_does_not_keep_copies_away(call):
    receive_webhook(*call, FIRST_POLL)
    WebhookEvent.objects.update(next_check_at=timezone.now() + timedelta(hours=1))

    post(*call)

    assert Payment.objects.get().fulfilment == "BOOKED"


@pytest.mark.postgresql
def test_of_copies_at_once_one_is_polled_about(call):
    assert at_once(*[lambda: post(*call)] * 3) == [200] * 3

    assert (polls(), WebhookEvent.objects.get().deliveries) == (1, 3)
    assert Payment.objects.get().fulfilment == "BOOKED"
