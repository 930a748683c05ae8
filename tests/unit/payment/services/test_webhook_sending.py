"""Webhooks to servers of the business: over real sockets, against a server that answers as the test says."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.db import transaction
from django.utils import timezone

from notifications.models import Notification
from payment.models import Refund, ServerEvent, WebhookDelivery, WebhookEndpoint, WorkLease
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.schemas import RefundStatus
from payment.services import webhook_sending
from payment.services.booking_changes import move_booking
from payment.services.outcomes import apply_status
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import approve_refund, cancel_booking, create_refund
from payment.services.retention import delete_old_records
from payment.services.webhook_endpoints import (
    create_endpoint,
    enable,
    rotate_secret,
    secrets_of,
    sign,
)
from tests.harness import builders
from tests.unit.payment.builders import FAILED, completed, make_payment
from worker.jobs import run_due

pytestmark = [pytest.mark.sockets, pytest.mark.django_db(transaction=True)]

State = WebhookDelivery.State


class Receiver(ThreadingHTTPServer):
    """`answers` are given one after the other, the last one again and again."""

    daemon_threads = True

    def __init__(self):
        self.answers, self.received = [200], []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hooks"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        answers = self.server.answers
        status = answers.pop(0) if len(answers) > 1 else answers[0]
        self.send_response(status)
        self.send_header("Location", "http://169.254.169.254/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver():
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def endpoint(receiver):
    return create_endpoint(receiver.url)[0]


def work():
    while run_due(["server_events", "webhooks"]):
        pass


def make_due():
    WebhookDelivery.objects.filter(state=State.WAITING).update(next_check_at=timezone.now())


def types():
    return list(ServerEvent.objects.order_by("pk").values_list("type", flat=True))


@pytest.fixture
def payment(alice, package, slot):
    return make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))


def pay(payment, answer=None):
    return apply_status(payment.attempts.get().pk, answer or completed(), "worker")


# --- The signature -------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_public_example():
    """The example of the specification at standardwebhooks.com."""
    signature = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )

    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_what_is_sent_is_signed_with_the_stored_secret(receiver, endpoint, payment):
    pay(payment)
    work()

    headers, body = receiver.received[0]
    secret = secrets_of(endpoint, timezone.now())
    timestamp = int(headers["webhook-timestamp"])
    assert abs(timestamp - timezone.now().timestamp()) < 60
    assert headers["webhook-signature"] == sign(secret, headers["webhook-id"], timestamp, body)
    assert secret[0] not in str(WebhookEndpoint.objects.values().get())


def test_after_a_rotation_both_secrets_sign(receiver, payment):
    endpoint, former = create_endpoint(receiver.url)
    new = rotate_secret(endpoint)
    pay(payment)
    work()

    headers, body = receiver.received[0]
    timestamp, webhook_id = int(headers["webhook-timestamp"]), headers["webhook-id"]
    assert headers["webhook-signature"].split() == [
        sign([each], webhook_id, timestamp, body) for each in (new, former)
    ]
    endpoint.refresh_from_db()
    assert secrets_of(endpoint, timezone.now() + timedelta(hours=25)) == [new]


# --- What is told --------------------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
def test_paid_and_booked_are_told_with_the_booking(receiver, endpoint, payment, monkeypatch, at_once):
    if not at_once:
        monkeypatch.setattr("payment.services.outcomes.is_usual", lambda *_: False)
    pay(payment)
    work()

    said = [json.loads(body) for _, body in receiver.received]
    assert [each["type"] for each in said] == ["payment.paid", "booking.confirmed"]
    payment.refresh_from_db()
    assert said[0]["data"] == {
        "payment_id": payment.pk,
        "transaction_id": payment.reference,
        "reference": "",
        "simulated": False,
        "status": "SUCCESS",
        "amount": "1100.00",
        "currency": "INR",
    }
    assert said[1]["data"]["book_id"] == payment.booking.book_id
    assert said[1]["data"]["status"] == "CONFIRMED"


def test_no_event_names_a_person(payment, alice, service):
    pay(payment)
    booking = payment.checkout.booking
    booking.refresh_from_db()
    move_booking(booking, builders.make_slot(service, days=9).pk)
    booking.refresh_from_db()
    cancel_booking(booking, "Alice is ill")

    assert types() == [
        "payment.paid",
        "booking.confirmed",
        "booking.moved",
        "booking.cancelled",
        "refund.created",
    ]
    written = json.dumps(list(ServerEvent.objects.values_list("data", flat=True)))
    for word in ("alice", "Alice", "Devi", "98765", "Temple Road", "ill"):
        assert word not in written


def test_an_unpaid_payment_is_told(payment):
    pay(payment, FAILED)

    assert types() == ["payment.failed"]
    assert ServerEvent.objects.get().data["status"] == "FAILED"


def test_a_credited_refund_is_told_once(payment):
    pay(payment)
    refund = create_refund(payment.attempts.get(), 10_000, "a gesture", asked_by=None)
    Refund.objects.update(state="PENDING", sent_at=timezone.now())
    for _ in range(2):
        apply_refund_status(refund.pk, RefundStatus(ProviderStatus.COMPLETED), "worker")

    assert types()[2:] == ["refund.created", "refund.completed"]
    told = ServerEvent.objects.latest("pk").data
    assert (told["refund_id"], told["amount"], told["status"]) == (
        refund.merchant_refund_id,
        "100.00",
        "COMPLETED",
    )


def test_a_refund_that_waits_for_a_second_person_is_not_told(payment):
    pay(payment)
    held = Refund.Hold.SECOND_PERSON
    create_refund(payment.attempts.get(), 10_000, "a gesture", asked_by=None, held_because=held)
    assert "refund.created" not in types()

    approve_refund(Refund.objects.get().pk, builders.make_superuser())
    assert types()[-1] == "refund.created"


def test_what_is_rolled_back_is_not_told(payment):
    with transaction.atomic():
        pay(payment)
        transaction.set_rollback(True)

    assert types() == []


def test_the_same_answer_twice_is_told_once(payment):
    pay(payment)
    pay(payment)

    assert types() == ["payment.paid", "booking.confirmed"]


# --- Who gets it ---------------------------------------------------------------------------------


def test_without_an_endpoint_nothing_is_due(payment):
    pay(payment)

    assert run_due(["server_events", "webhooks"]) == 0
    assert WebhookDelivery.objects.count() == 0


def test_an_endpoint_gets_what_it_wants_and_nothing_older(receiver, payment, alice, package, slot):
    pay(payment)
    create_endpoint(receiver.url, types=["booking.confirmed"])
    other = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    pay(other)
    work()

    said = [json.loads(body) for _, body in receiver.received]
    assert [(each["type"], each["data"]["payment_id"]) for each in said] == [("booking.confirmed", other.pk)]


def test_distributing_twice_is_once(endpoint, payment):
    pay(payment)
    first = ServerEvent.objects.order_by("pk").first()
    webhook_sending.distribute(first.pk)
    ServerEvent.objects.update(is_distributed=False)
    webhook_sending.distribute(first.pk)

    assert WebhookDelivery.objects.count() == 2


# --- Failures ------------------------------------------------------------------------------------


def test_a_failed_try_is_repeated_with_the_same_id_and_body(receiver, endpoint, payment):
    receiver.answers = [500, 200]
    pay(payment, FAILED)
    work()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.tries[0]["status"], delivery.tries[0]["answer"]) == (
        "WAITING",
        500,
        "ok",
    )
    assert delivery.next_check_at > timezone.now()

    make_due()
    work()
    delivery.refresh_from_db()
    (first, body), (second, again) = receiver.received
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert (delivery.state, [each["status"] for each in delivery.tries]) == ("DELIVERED", [500, 200])
    assert delivery.delivered_at


def test_a_crash_after_sending_sends_it_again_with_the_same_id(receiver, endpoint, payment, monkeypatch):
    """The process dies before it writes that it was delivered."""
    pay(payment, FAILED)
    run_due(["server_events"])

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(webhook_sending, "_delivered", die)
        with pytest.raises(Killed):
            run_due(["webhooks"])
    WorkLease.objects.update(held_until=timezone.now())  # the lease of the dead ends
    work()

    assert len(receiver.received) == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert WebhookDelivery.objects.get().state == State.DELIVERED


def test_no_redirect_is_followed(receiver, endpoint, payment):
    receiver.answers = [302]
    pay(payment, FAILED)
    work()

    assert WebhookDelivery.objects.get().tries[0]["status"] == 302
    assert WebhookDelivery.objects.get().state == State.WAITING


def test_while_an_endpoint_fails_it_is_tried_once_in_a_while_only(receiver, endpoint, payment):
    receiver.answers = [503]
    pay(payment)
    work()

    assert len(receiver.received) == 1
    assert WebhookDelivery.objects.filter(state=State.WAITING, next_check_at__lte=timezone.now()).count() == 0
    receiver.answers = [200]
    WebhookDelivery.objects.filter(checks=1).update(next_check_at=timezone.now())
    work()
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.DELIVERED}
    endpoint.refresh_from_db()
    assert endpoint.failing_since is None


def test_after_days_of_failures_it_is_switched_off_and_staff_hear_of_it(receiver, endpoint, payment, alerts):
    receiver.answers = [500]
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(days=6))
    pay(payment)
    work()

    endpoint.refresh_from_db()
    assert endpoint.is_enabled is False
    assert alerts() == ["webhook_endpoint_off"]
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {State.GIVEN_UP}
    assert len(receiver.received) == 1
    told = Notification.objects.filter(kind="alert").first()
    assert "hooks" not in json.dumps(told.facts)  # an address may hold a secret


def test_a_delivery_is_given_up_after_its_last_pause(receiver, endpoint, payment):
    receiver.answers = [500]
    pay(payment, FAILED)
    work()
    WebhookDelivery.objects.update(checks=len(webhook_sending.PAUSES), next_check_at=timezone.now())
    work()

    assert WebhookDelivery.objects.get().state == State.GIVEN_UP
    assert 2.9 < sum(webhook_sending.PAUSES) / 86_400 < 4


def test_gone_switches_it_off_at_once(receiver, endpoint, payment, alerts):
    receiver.answers = [410]
    pay(payment)
    work()

    endpoint.refresh_from_db()
    assert endpoint.is_enabled is False
    assert alerts() == ["webhook_endpoint_off"]


def test_an_enabled_one_gets_what_happens_from_then_on(receiver, endpoint, payment, alice, package, slot):
    webhook_sending.disable(endpoint, "tried")
    pay(payment)
    work()
    enable(endpoint)
    work()
    assert receiver.received == []

    pay(make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at))))
    work()
    assert len(receiver.received) == 2


def test_a_missing_key_of_encryption_switches_it_off(receiver, endpoint, payment, alerts, settings):
    settings.SECRET_KEY = "another-key-" + "x" * 40
    settings.SECRET_KEY_FALLBACKS = []
    pay(payment)
    work()

    assert receiver.received == []
    assert alerts() == ["webhook_endpoint_off"]


# --- Again, tests, retention ---------------------------------------------------------------------


def test_replay_sends_the_same_event(receiver, endpoint, payment):
    pay(payment, FAILED)
    work()
    delivery = WebhookDelivery.objects.get()
    assert webhook_sending.send_again(delivery) is True
    assert webhook_sending.send_again(delivery) is False  # it waits already
    work()

    (first, body), (second, again) = receiver.received
    assert (first["webhook-id"], body) == (second["webhook-id"], again)
    assert len(WebhookDelivery.objects.get().tries) == 2


def test_a_test_event_goes_to_one_endpoint(receiver, endpoint):
    create_endpoint(receiver.url)
    webhook_sending.send_test_event(endpoint)
    work()

    assert [json.loads(body)["type"] for _, body in receiver.received] == ["endpoint.test"]


def test_old_events_go_with_their_log_and_open_ones_stay(receiver, endpoint, payment):
    pay(payment)
    work()
    ServerEvent.objects.update(created_at=timezone.now() - timedelta(days=61))
    waiting = WebhookDelivery.objects.last()
    webhook_sending.send_again(waiting)
    delete_old_records(timezone.now())

    assert list(ServerEvent.objects.values_list("pk", flat=True)) == [waiting.event_id]
    assert list(WebhookDelivery.objects.values_list("pk", flat=True)) == [waiting.pk]
