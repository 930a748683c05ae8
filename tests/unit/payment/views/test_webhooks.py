"""The door for PhonePe: nothing but 200, 401 and, without a database, 503."""

import json
from contextlib import ExitStack
from datetime import timedelta

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import Client
from django.utils import timezone

from core import waiting
from payment.models import GatewayCall, Payment, WebhookEvent, WorkLease
from payment.phonepe import credentials
from payment.services import leases
from payment.services.checkout import start_payment
from payment.services.webhooks import process_now, receive_webhook
from simulator.webhook_deliveries import authentication_headers
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

WEBHOOK = "/api/payments/webhook/phonepe/"


@pytest.fixture
def call(generation, alice, cart, phonepe):
    """The genuine webhook of a paid order: headers and body."""
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    delivery = phonepe.webhooks[-1]
    return authentication_headers(delivery), delivery.body.encode()


def post(headers, body, content_type="application/json"):
    return Client().post(WEBHOOK, body, content_type=content_type, headers=headers)


def test_a_webhook_is_kept_answered_and_then_asked_about(call):
    answer = post(*call)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert WebhookEvent.objects.get().state == "HANDLED"
    assert Payment.objects.get().fulfilment == "BOOKED"


def test_phonepe_being_silent_afterwards_does_not_change_our_answer(call, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)

    assert post(*call).status_code == 200
    assert WebhookEvent.objects.get().state == "RECEIVED"


def test_while_one_process_asks_about_a_call_no_other_does(call):
    receive_webhook(*call)
    assert leases._claim("events", WebhookEvent.objects.get().pk, leases.LEASE)

    assert post(*call).status_code == 200

    assert not GatewayCall.objects.filter(operation="status").exists()
    assert WebhookEvent.objects.get().deliveries == 2


def test_what_the_quick_look_did_not_settle_is_due_for_the_worker_at_once(call, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)
    post(*call)

    event = WebhookEvent.objects.get()
    assert not WorkLease.objects.exists()
    assert event.next_check_at <= timezone.now()


@pytest.mark.parametrize("deliveries", [1, 2])
def test_while_other_webhooks_poll_here_the_worker_polls_at_once(call, deliveries):
    with ExitStack() as stack:
        while stack.enter_context(waiting.webhook_polls.reserve()):
            pass
        assert post(*call).status_code == 200
        if deliveries == 2:
            later = timezone.now() + timedelta(hours=1)
            WebhookEvent.objects.update(next_check_at=later, checks=1)
            assert post(*call).status_code == 200

    event = WebhookEvent.objects.get()
    assert (event.state, event.deliveries) == ("RECEIVED", deliveries)
    assert event.next_check_at <= timezone.now()
    assert not GatewayCall.objects.filter(operation="status").exists()
    run_due(["events"])
    assert Payment.objects.get().fulfilment == "BOOKED"


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_a_database_that_fails_after_the_answer_leaves_the_event_to_the_worker(call, error):
    event = receive_webhook(*call)

    def fail(execute, sql, parameters, many, context):
        raise error("gone")

    with connection.execute_wrapper(fail):
        process_now(event)

    event.refresh_from_db()
    assert event.state == "RECEIVED"
    assert event.next_check_at is not None


def test_the_content_type_does_not_matter(call):
    headers, body = call

    assert post(headers, body, "text/plain").status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_only_post_is_a_webhook(method, db):
    assert getattr(Client(), method)(WEBHOOK).status_code == 405


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic c2ltX2hvb2s6U2ltLXBhc3MtOQ=="},
        {"Authorization": "0" * 64},
        {"X-VERIFY": "0" * 64 + "###1"},
        {"X-VERIFY": "###"},
        {"x-phonepe-checksum-signature": "0" * 64, "x-phonepe-checksum-key-id": "CF1"},
    ],
)
def test_a_caller_who_cannot_prove_to_be_phonepe_leaves_no_trace(call, headers):
    answer = post(headers, call[1])

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authentic")
    assert not WebhookEvent.objects.exists()
    assert Payment.objects.get().is_open


@pytest.mark.parametrize(
    "body",
    [
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b"[" * 20_000,
        b'{"event": 5, "payload": []}',
        b'{"payload": {"state": {}}}',
    ],
)
def test_authentic_garbage_is_kept_and_never_a_crash(settings, body, db):
    settings.PHONEPE_API_VERSION = "v2"
    answer = post({"Authorization": credentials.current().webhook_authorization}, body)

    assert answer.status_code == 200
    assert WebhookEvent.objects.get().state == "NEEDS_REVIEW"


@pytest.mark.parametrize("body", [b"", b" ", b"\r\n"])
def test_a_call_whose_body_was_lost_is_never_kept(settings, body, db):
    """PhonePe sends it again, as after any answer but 200."""
    settings.PHONEPE_API_VERSION = "v2"
    answer = post({"Authorization": credentials.current().webhook_authorization}, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "empty_body")
    assert not WebhookEvent.objects.exists()


def test_a_body_of_two_megabytes_is_refused(db):
    answer = post({}, b"x" * 2_000_000)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_an_event_we_do_not_know_is_kept(settings, db):
    settings.PHONEPE_API_VERSION = "v2"
    body = json.dumps({"event": "downtime.upi.started", "payload": {"id": "D1"}})
    answer = post({"Authorization": credentials.current().webhook_authorization}, body)

    assert answer.status_code == 200
    assert WebhookEvent.objects.get().event == "downtime.upi.started"
