"""Rows that were written by an older release are mended when the database is migrated, and none is lost."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from payment.models import GatewayCall, PaymentAttempt, Refund
from payment.states import AttemptState, RefundState
from tests.payment.builders import make_attempt, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


def migrate(name: str) -> None:
    MigrationExecutor(connection).migrate([("payment", name)])


def newest() -> str:
    return max(name for app, name in MigrationExecutor(connection).loader.graph.leaf_nodes("payment"))


@pytest.fixture
def migrated():
    """The rows of a test as the release before 0006 might have left them: `migrated(change)` changes and migrates."""

    def after(change) -> None:
        migrate("0005_reconciliations")
        change()
        migrate(newest())

    yield after
    migrate(newest())


def asked(attempt: PaymentAttempt, error_category: str) -> None:
    GatewayCall.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        operation="status",
        port=443,
        milliseconds=1,
        error_category=error_category,
        started_at=timezone.now(),
    )


def test_orders_that_nobody_asked_about_any_more_are_due_at_once(migrated):
    stuck = [
        make_payment(checkout=None).attempts.get(),
        make_attempt(make_payment(), 2, state=AttemptState.UNKNOWN),
    ]
    unanswered = make_attempt(make_payment(), 2, state=AttemptState.EXPIRED)
    answered = make_attempt(make_payment(), 2, state=AttemptState.FAILED)
    asked(unanswered, ""), asked(unanswered, "GATEWAY_5XX")
    asked(answered, "GATEWAY_5XX"), asked(answered, "")
    scheduled = make_payment().attempts.get()
    named = [row.pk for row in (*stuck, unanswered, answered)]
    before = PaymentAttempt.objects.count()

    migrated(lambda: PaymentAttempt.objects.filter(pk__in=named).update(next_check_at=None))

    due = PaymentAttempt.objects.filter(next_check_at__lte=timezone.now())
    assert set(due) == {*stuck, unanswered}
    answered.refresh_from_db()
    assert answered.next_check_at is None
    assert PaymentAttempt.objects.get(pk=scheduled.pk).next_check_at == scheduled.next_check_at
    assert PaymentAttempt.objects.count() == before


def test_refunds_that_nobody_looked_at_any_more_are_due_at_once(migrated):
    attempt = make_payment().attempts.get()

    def refund(number: int, **fields) -> Refund:
        wanted = {"merchant_refund_id": f"R{number}", "amount_paise": 100, "reason": "a test"}
        later = timezone.now() + timedelta(hours=1)
        return Refund.objects.create(
            payment=attempt.payment, attempt=attempt, **wanted, **{"next_check_at": later} | fields
        )

    stuck = refund(1, state=RefundState.PENDING)
    ended = refund(2, state=RefundState.FAILED)
    held = refund(3, held_because=Refund.Hold.SECOND_PERSON)

    migrated(lambda: Refund.objects.update(next_check_at=None))

    assert set(Refund.objects.filter(next_check_at__lte=timezone.now())) == {stuck}
    assert set(Refund.objects.filter(next_check_at=None)) == {ended, held}
