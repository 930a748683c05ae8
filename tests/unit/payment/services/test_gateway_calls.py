"""When as many calls to PhonePe are under way as the server has places for."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from core.databases import insert_rows, write_together
from payment.models import GatewayCall, PaymentAttempt, WebhookEvent
from payment.services.checkout import start_payment
from payment.services.gateway_calls import call_permits, record_calls
from payment.services.links import return_url
from payment.services.status import refresh
from payment.services.webhooks import process_event, receive_webhook
from payment.states import PaymentState
from simulator.webhook_deliveries import authentication_headers
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def started(alice, cart):
    return start_payment(alice, cart_id=cart.pk)


@pytest.fixture
def crowd(settings):
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        call_permits.acquire()
    yield
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        call_permits.release()


def test_a_question_that_finds_no_place_leaves_the_payment_as_it_was(started, crowd):
    assert refresh(started.payment, 5, "check-booking").state == PaymentState.PENDING


def test_who_comes_back_in_a_crowd_is_sent_to_the_page_that_asks_again(client, started, crowd):
    answer = client.get(return_url(started.payment))
    assert answer.status_code == 303
    assert "/pay/" in answer["Location"]


def test_a_webhook_in_a_crowd_is_kept_for_the_worker(started, phonepe, crowd):
    phonepe.decide(started.attempt.merchant_order_id)
    delivery = phonepe.webhooks[-1]
    process_event(receive_webhook(authentication_headers(delivery), delivery.body.encode()))
    event = WebhookEvent.objects.get()
    assert event.state == WebhookEvent.State.RECEIVED
    assert event.next_check_at <= timezone.now()


def test_the_worker_comes_again_later(started, crowd):
    PaymentAttempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    assert run_due(["attempts"]) == 1
    assert PaymentAttempt.objects.get().next_check_at > timezone.now()


def test_calls_of_a_transaction_that_was_rolled_back_are_recorded_beside_those_of_others(started):
    """SQLite gives their keys to whoever writes next."""
    fields = GatewayCall.objects.values().latest("pk") | {"id": None}
    mine, other = GatewayCall(**fields), GatewayCall(**fields)
    with transaction.atomic():
        write_together([insert_rows(mine)])
        transaction.set_rollback(True)
    other.save()
    before = GatewayCall.objects.count()

    record_calls([mine])

    assert GatewayCall.objects.count() == before + 1
    assert mine.pk != other.pk
