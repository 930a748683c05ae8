"""Records end some day; money, and whatever is not over yet, does not."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import OneTimeCode
from booking.models import Cart
from notifications.models import Notification
from payment.models import (
    Dispute,
    DisputeUpdate,
    DrawnReceipt,
    GatewayCall,
    Payment,
    PaymentAttempt,
    Refund,
    ServerEvent,
    WebhookEvent,
)
from payment.services import monitoring, retention
from payment.services.outcomes import apply_status
from payment.services.retention import delete_old_records, old_records
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

LONG_AGO = timedelta(days=3 * 365)
RECORDS = {GatewayCall, WebhookEvent, Notification, DrawnReceipt, Cart, OneTimeCode, ServerEvent}


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def paid(alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return Payment.objects.get(pk=payment.pk)


def add_records(payment, moment):
    """One of each kind, as old as `moment`."""
    attempt = payment.attempts.last()
    GatewayCall.objects.create(
        payment=payment, attempt=attempt, operation="status", port=443, milliseconds=1, started_at=moment
    )
    event = WebhookEvent.objects.create(
        digest=f"{WebhookEvent.objects.count()}",
        scheme="sha256",
        body=b"{}",
        attempt=attempt,
        claimed_state="COMPLETED",
        state="HANDLED",
    )
    WebhookEvent.objects.filter(pk=event.pk).update(received_at=moment)
    Notification.objects.filter(state="WAITING").update(state="SENT", next_check_at=None)
    Notification.objects.update(created_at=moment)
    ServerEvent.objects.update(created_at=moment)
    DrawnReceipt.objects.update_or_create(
        receipt=payment.receipt,
        language="en",
        defaults={"digest": "x", "content": b"%PDF", "drawn_at": moment},
    )
    return event


def counts():
    return {model._meta.label: model._base_manager.count() for model in apps.get_models()}


def test_old_records_of_a_payment_that_is_over_go_and_nothing_else_does(paid, now):
    PaymentAttempt.objects.update(next_check_at=None)
    add_records(paid, now - LONG_AGO)
    before = counts()

    delete_old_records(now)

    after = counts()
    assert {name for name in before if before[name] != after[name]} == {
        *("payment.GatewayCall", "payment.WebhookEvent", "payment.DrawnReceipt"),
        *("notifications.Notification", "payment.ServerEvent"),
    }
    assert not GatewayCall.objects.exists()
    assert not old_records(now)[0].exists()


def test_carts_of_payments_do_not_hide_the_carts_behind_them(alice, charlie, package, now, monkeypatch):
    monkeypatch.setattr(retention, "LOOKED_AT", 1)
    kept = builders.make_cart(alice, package)
    builders.make_checkout(kept)
    old = builders.make_cart(charlie, package)
    Cart.objects.update(status=Cart.Status.ACTIVE, updated_at=now - LONG_AGO)

    delete_old_records(now)

    assert list(Cart.objects.all()) == [kept]
    assert old.pk > kept.pk


def test_only_these_tables_have_a_rule():
    """A table that is added here holds nothing that money, disputes, refunds or audits need."""
    assert {rule.model for rule in retention.RULES.values()} == RECORDS


def test_young_records_stay(paid, now):
    add_records(paid, now - timedelta(days=29))
    before = counts()

    assert not any(sign.exists() for sign in old_records(now))
    assert delete_old_records(now) == 0
    assert counts() == before


def open_dispute(payment):
    attempt = payment.attempts.get()
    event = WebhookEvent.objects.create(digest="d", scheme="s", body=b"", attempt=attempt, state="NOTED")
    Dispute.objects.create(
        dispute_id="D1", attempt=attempt, event=event, status="UNDER_REVIEW", told_at=timezone.now()
    )


def owe_refund(payment):
    Refund.objects.create(
        payment=payment,
        attempt=payment.attempts.get(),
        merchant_refund_id="R1",
        amount_paise=100,
        state="PENDING",
        next_check_at=timezone.now(),
        reason="x",
    )


@pytest.mark.parametrize(
    "keep_open",
    [
        open_dispute,
        owe_refund,
        lambda payment: Payment.objects.filter(pk=payment.pk).update(fulfilment="REFUND_DUE"),
        lambda payment: Payment.objects.filter(pk=payment.pk).update(fulfilment="DUE"),
        lambda payment: payment.attempts.update(next_check_at=timezone.now()),
    ],
)
def test_nothing_of_a_payment_that_is_not_over_goes_however_old_it_is(paid, now, keep_open):
    PaymentAttempt.objects.update(next_check_at=None)
    event = add_records(paid, now - LONG_AGO)
    keep_open(paid)

    delete_old_records(now)

    assert GatewayCall.objects.filter(payment=paid).exists()
    assert WebhookEvent.objects.filter(pk=event.pk).exists()


def test_the_webhooks_of_a_dispute_stay_when_it_is_decided(paid, now):
    event = add_records(paid, now - LONG_AGO)
    dispute = Dispute.objects.create(
        dispute_id="D1", attempt=paid.attempts.get(), event=event, status="WON", told_at=now
    )
    DisputeUpdate.objects.create(dispute=dispute, event=event, status="WON")

    delete_old_records(now)

    assert WebhookEvent.objects.filter(pk=event.pk).exists()


@pytest.mark.parametrize("state", ["RECEIVED", "NEEDS_REVIEW"])
def test_a_webhook_that_waits_for_somebody_stays(paid, now, state):
    event = add_records(paid, now - LONG_AGO)
    WebhookEvent.objects.filter(pk=event.pk).update(state=state, unclear="x")

    delete_old_records(now)

    assert WebhookEvent.objects.filter(pk=event.pk).exists()


def test_a_cart_that_nobody_checked_out_goes_and_one_that_was_touched_lately_stays(
    alice, charlie, package, now
):
    left, touched = (builders.make_cart(user, package) for user in (alice, charlie))
    Cart.objects.filter(pk=left.pk).update(updated_at=now - timedelta(days=91))

    delete_old_records(now)

    assert list(Cart.objects.all()) == [touched]


def test_zero_keeps_them_for_ever(paid, now, settings):
    settings.KEEP_GATEWAY_CALLS_DAYS = 0
    add_records(paid, now - LONG_AGO)

    delete_old_records(now)

    assert GatewayCall.objects.exists()
    monitoring.run_checks(0)


def test_a_setting_of_a_day_keeps_thirty(paid, now, settings):
    settings.KEEP_GATEWAY_CALLS_DAYS = 1
    add_records(paid, now - timedelta(days=20))

    delete_old_records(now)

    assert GatewayCall.objects.exists()


def test_a_run_is_small_and_the_next_minute_goes_on(paid, now, monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 2)
    GatewayCall.objects.bulk_create(
        GatewayCall(operation="probe", port=443, milliseconds=1, started_at=now - LONG_AGO) for _ in range(5)
    )
    PaymentAttempt.objects.update(next_check_at=None)
    left = []
    for _ in range(3):
        delete_old_records(now)
        left.append(GatewayCall.objects.count())
    assert left == [3, 1, 0]


def test_monitoring_deletes_them_and_costs_nothing_when_there_is_nothing_old(paid, now):
    PaymentAttempt.objects.update(next_check_at=None)
    add_records(paid, now)
    with CaptureQueriesContext(connection) as queries:
        monitoring.run_checks(0)
    assert not any("DELETE FROM" in each["sql"] and "gatewaycall" in each["sql"] for each in queries)
    GatewayCall.objects.update(started_at=now - LONG_AGO)

    monitoring.run_checks(0)

    assert not GatewayCall.objects.exists()
