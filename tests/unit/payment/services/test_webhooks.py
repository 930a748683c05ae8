"""PhonePe's calls: authentic, kept as they came, and believed by nobody."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from payment.models import GatewayCall, LedgerEntry, Payment, PaymentAttempt, WebhookEvent
from payment.phonepe import credentials
from payment.phonepe.webhooks import NotAuthentic
from payment.services.checkout import start_payment
from payment.services.webhooks import close_event, next_check_time, process_event, receive_webhook
from payment.states import Fulfilment, PaymentState
from simulator.webhook_deliveries import authentication_headers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(generation, alice, cart):
    return start_payment(alice, cart_id=cart.pk)


@pytest.fixture
def call(started, phonepe):
    """The genuine webhook after the customer has done `outcome`: headers and body."""

    def after(outcome: str = "success", **how):
        phonepe.decide(started.attempt.merchant_order_id, outcome, **how)
        delivery = phonepe.webhooks[-1]
        return authentication_headers(delivery), delivery.body.encode()

    return after


def test_a_webhook_is_a_reason_to_ask_and_the_answer_books(call):
    event = receive_webhook(*call())
    process_event(event)

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    assert WebhookEvent.objects.get().state == WebhookEvent.State.HANDLED
    assert WebhookEvent.objects.get().next_check_at is None


def test_the_same_webhook_three_times_is_one_event_one_booking_one_receipt(call):
    headers, body = call()
    for _ in range(3):
        process_event(receive_webhook(headers, body))

    assert WebhookEvent.objects.get().deliveries == 3
    assert Booking.objects.count() == 1
    assert LedgerEntry.objects.count() == 1
    assert GatewayCall.objects.filter(operation="status").count() == 1


def test_a_webhook_that_phonepe_does_not_confirm_confirms_nothing(call, phonepe, started):
    headers, body = call()
    phonepe.inject_fault("status", "status_500", times=99)

    event = receive_webhook(headers, body)
    process_event(event)

    assert Payment.objects.get().state == PaymentState.PENDING
    event.refresh_from_db()
    assert event.state == WebhookEvent.State.RECEIVED
    assert event.next_check_at is not None


def test_a_failed_payment_is_told_too(call):
    process_event(receive_webhook(*call("failure")))

    assert Payment.objects.get().state == PaymentState.FAILED


def test_a_try_that_failed_is_no_failed_payment(alice, cart, phonepe, settings):
    settings.PHONEPE_API_VERSION = "v2"
    order = start_payment(alice, cart_id=cart.pk).attempt.merchant_order_id
    body = {
        "event": "checkout.transaction.attempt.failed",
        "payload": {"merchantOrderId": order, "state": "FAILED"},
    }
    login = {"Authorization": credentials.current().webhook_authorization}

    process_event(receive_webhook(login, json.dumps(body).encode()))

    assert Payment.objects.get().is_open
    assert WebhookEvent.objects.get().state == WebhookEvent.State.HANDLED


def test_a_forged_call_leaves_no_trace(call):
    headers, body = call()
    forged = {name: "0" * len(value) for name, value in headers.items()}

    with pytest.raises(NotAuthentic):
        receive_webhook(forged, body)

    assert not WebhookEvent.objects.exists()


def test_no_header_value_is_kept(call):
    headers, body = call()
    receive_webhook({**headers, "Cookie": "session=very-private"}, body)

    kept = WebhookEvent.objects.get()
    row = repr(WebhookEvent.objects.values().get())
    assert "cookie" in kept.header_names
    assert "very-private" not in row
    assert not any(value in row for value in headers.values())


def test_an_order_we_never_made_is_kept_for_staff(call):
    headers, body = call()
    PaymentAttempt.objects.update(merchant_order_id="ANOTHER-ORDER")

    event = receive_webhook(headers, body)
    process_event(event)

    assert event.state == WebhookEvent.State.UNMATCHED
    assert event.next_check_at is None


def test_a_body_with_another_amount_is_shown_to_staff_and_changes_nothing(call, started):
    event = receive_webhook(*call(amount_paise=100))

    assert "100 paise" in event.differs
    process_event(event)
    payment = Payment.objects.get()
    assert (payment.state, payment.fulfilment) == (PaymentState.PENDING, Fulfilment.HELD_FOR_STAFF)
    assert not Booking.objects.exists()


def test_an_event_nobody_confirms_is_asked_about_for_a_day_and_then_left_to_staff():
    now = timezone.now()
    event = WebhookEvent(checks=0, received_at=now)
    assert (next_check_time(event, now) - now).total_seconds() == 3

    event.checks = 10
    assert (next_check_time(event, now) - now).total_seconds() == 60

    event.received_at = now - timedelta(hours=23)
    assert next_check_time(event, now) > now + timedelta(hours=5)

    event.received_at = now - timedelta(hours=24)
    assert next_check_time(event, now) is None


@pytest.mark.parametrize("days", [0, 1, 5, 300])
@pytest.mark.parametrize("checks", [0, 10, 40, 4000])
def test_a_phonepe_that_does_not_answer_is_never_the_last_look_at_an_event(checks, days):
    now = timezone.now()
    event = WebhookEvent(checks=checks, received_at=now - timedelta(days=days))

    assert now < next_check_time(event, now, answered=False) <= now + timedelta(hours=6)


@pytest.mark.parametrize("unclear", ["", "a word that nobody knows"])
def test_what_staff_close_while_a_worker_asks_stays_closed_and_alerts_nobody(call, staff, unclear, alerts):
    event = receive_webhook(*call())
    WebhookEvent.objects.update(unclear=unclear, next_check_at=None)
    at_work = WebhookEvent.objects.select_related("attempt", "refund__attempt").get(pk=event.pk)
    close_event(event.pk, "seen in the dashboard", staff)

    process_event(at_work)

    event.refresh_from_db()
    assert (event.state, event.closed_because) == (WebhookEvent.State.CLOSED, "seen in the dashboard")
    assert alerts() == []


def test_an_event_that_is_not_understood_waits_for_staff_though_its_order_books(call, alerts):
    event = receive_webhook(*call())
    WebhookEvent.objects.update(unclear="a word that nobody knows")
    process_event(WebhookEvent.objects.select_related("attempt__payment").get(pk=event.pk))

    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    event.refresh_from_db()
    assert (event.state, event.next_check_at) == (WebhookEvent.State.NEEDS_REVIEW, None)
    assert len(alerts()) == 1
