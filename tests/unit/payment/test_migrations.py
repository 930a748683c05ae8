"""Rows that were written by an older release are mended when the database is migrated, and none is lost."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from booking.models import Booking, EarlierStart
from payment.models import (
    Dispute,
    DisputeUpdate,
    GatewayCall,
    Offer,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    StateChange,
    WebhookEvent,
)
from payment.models.receipts import financial_year
from payment.reconciliation.invariants import find_violations
from payment.services.outcomes import accept_after_review, apply_status
from payment.services.receipts import pdf, receipt_of
from payment.states import AttemptState, RefundState
from tests.harness import builders
from tests.harness.migrations import UnsquashedExecutor
from tests.unit.payment.builders import FAILED, completed, make_attempt, make_payment
from worker.jobs import run_due

pytestmark = [pytest.mark.proof, pytest.mark.django_db(transaction=True)]


def migrate(name: str) -> None:
    UnsquashedExecutor(connection).migrate([("payment", name)])


def migrate_forward() -> None:
    """All apps: going back takes along whatever depends on payments."""
    executor = UnsquashedExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


@pytest.fixture
def migrated():
    """The rows of a test as the release before 0006 might have left them: `migrated(change)` changes and migrates."""

    def after(change) -> None:
        migrate("0005_reconciliations")
        change()
        migrate_forward()

    yield after
    migrate_forward()


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
    others = PaymentAttempt.objects.exclude(pk__in=named)
    others.update(next_check_at=timezone.now() + timedelta(hours=1))  # however long the migrations take
    scheduled.refresh_from_db()
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


MARCH = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def migrated_receipts():
    """The rows of a test as the release before 0010 might have left them."""

    def after(decided: dict[Payment, datetime], *, without_receipts: bool) -> None:
        migrate("0009_nightly_comparisons")
        for payment, moment in decided.items():
            PaymentAttempt.objects.filter(payment=payment).update(decided_at=moment)
        if without_receipts:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM payment_receipt")
        migrate_forward()

    yield after
    migrate_forward()


def paid(came: int = 10_000, **fields) -> Payment:
    payment = make_payment(**fields)
    apply_status(payment.attempts.get().pk, completed(came), "worker")
    if came != payment.amount_paise:
        accept_after_review(payment.pk, builders.make_superuser())
    return payment


def test_every_payment_that_brought_money_has_a_receipt_in_the_order_and_the_year_of_its_money(
    migrated_receipts, alice, cart
):
    first, accepted, simulated = paid(), paid(9_000), paid(simulated=True)
    booked = paid(90_000, checkout=builders.make_checkout(cart))
    unpaid = make_payment()
    migrated_receipts({first: MARCH, accepted: MARCH - timedelta(days=1)}, without_receipts=True)

    while run_due(["receipts"]):
        pass
    said = {receipt.payment_id: str(receipt) for receipt in Receipt.objects.all()}
    this_year = f"{financial_year(timezone.now()) % 100}-{(financial_year(timezone.now()) + 1) % 100}"
    assert said == {
        accepted.pk: "OKP/25-26/000001",
        first.pk: "OKP/25-26/000002",
        booked.pk: f"OKP/{this_year}/000001",
        simulated.pk: f"SIM/{this_year}/000001",
    }
    assert unpaid.pk not in said
    amounts = Receipt.objects.values_list("price_paise", "discount_paise", "difference_paise", "total_paise")
    assert amounts.get(payment=booked) == (110_000, 0, -20_000, 90_000)
    assert amounts.get(payment=accepted) == (9_000, 0, 0, 9_000)
    assert pdf(Receipt.objects.get(payment=booked), "hi")[1].startswith(b"%PDF-")


def test_a_receipt_that_was_given_out_stays_as_it_is_and_one_without_a_number_is_dated_by_its_money(
    migrated_receipts,
):
    numbered, waiting = paid(), paid()
    run_due(["receipts"], limit=1)
    before = Receipt.objects.get(payment=numbered)
    assert before.number == 1

    migrated_receipts({numbered: MARCH, waiting: MARCH}, without_receipts=False)

    after = Receipt.objects.get(payment=numbered)
    assert (str(after), after.received_at) == (str(before), before.received_at)
    assert after.total_paise == 10_000
    assert str(receipt_of(waiting)) == "OKP/25-26/000001"


@pytest.fixture
def disputes(cart):
    """What the release before 0014 had made of disputes: rows of tables, since its models are gone."""
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    attempt = payment.attempts.get()

    def news(number: int, word: str, dispute_id: object, state: str = "HANDLED", scheme: str = "hmac"):
        payload = {"disputeId": dispute_id, "updatedAt": 1_781_150_400_000 + number}
        return {
            "digest": f"d{number}",
            "scheme": scheme,
            "body": json.dumps({"event": f"payment.dispute.{word}", "payload": payload}).encode(),
            "event": f"payment.dispute.{word}",
            "claimed_verdict": "UNKNOWN",
            "attempt_id": attempt.pk,
            "state": state,
        }

    def write(apps):
        event, dispute = apps.get_model("payment", "WebhookEvent"), apps.get_model("payment", "Dispute")
        entry = apps.get_model("payment", "LedgerEntry")
        event.objects.create(**news(1, "lost", "DSP1"))
        last = event.objects.create(**news(2, "won", "DSP1", scheme="authorization"))
        dropped = [news(3, "accepted", "DSP1"), news(4, "lost", 77)]
        event.objects.bulk_create([event(**each) for each in dropped])
        event.objects.create(digest="s", scheme="hmac", body=b"", event="settlement.processed",
                             claimed_verdict="UNKNOWN", state="UNMATCHED")  # fmt: skip
        dispute.objects.create(dispute_id="DSP1", attempt_id=attempt.pk, event=last, status="WON",
                               amount_paise=0, told_at=timezone.now())  # fmt: skip
        entry.objects.create(payment_id=payment.pk, attempt_id=attempt.pk, kind="CHARGEBACK",
                             amount_paise=-110_000, reference="DSP1", simulated=True)  # fmt: skip

    return write


def test_disputes_keep_their_rows_and_what_was_passed_over_is_put_before_staff(disputes):
    migrate("0013_offers_of_a_called_off_time")
    disputes(
        UnsquashedExecutor(connection)
        .loader.project_state([("payment", "0013_offers_of_a_called_off_time")])
        .apps
    )
    migrate_forward()

    told = Dispute.objects.get()
    assert (told.status, told.amount_paise, told.is_proven) == ("WON", None, False)
    updates = told.updates.order_by("told_at").values_list("status", "is_proven")
    assert set(updates) == {("LOST", True), ("WON", False)}
    assert [row.amount_paise for row in told.ledger.all()] == [-110_000]
    passed_over = WebhookEvent.objects.filter(state="NEEDS_REVIEW").exclude(unclear="")
    assert sorted(passed_over.values_list("digest", flat=True)) == ["d3", "d4"]
    assert WebhookEvent.objects.get(digest="s").state == "NOTED"


@pytest.mark.parametrize("chose_another_time", [False, True])
def test_the_starts_that_a_moved_booking_has_had_are_read_from_the_timeline(
    cart, slot, alice, package, chose_another_time
):
    first, second, third, now = (builders.make_slot(slot.service, days=days) for days in (5, 6, 7, 8))
    kept = make_payment(builders.make_checkout(cart))
    apply_status(kept.attempts.get().pk, completed(), "worker")
    if chose_another_time:
        Offer.objects.create(payment=kept, slot=first, state="TAKEN", expires_at=timezone.now())
    migrate("0016_late_money")
    EarlierStart.objects.all().delete()
    Booking.objects.update(starts_at=now.starts_at, moves=3)
    for left in (second, third):
        detail = f"from {left.starts_at.astimezone(UTC):%Y-%m-%d %H:%M}: the river has risen"
        StateChange.objects.create(payment=kept, subject="booking", rule="moved_by_temple", detail=detail)

    migrate_forward()

    begun = first if chose_another_time else slot
    had = set(EarlierStart.objects.values_list("starts_at", flat=True))
    assert had == {begun.starts_at, second.starts_at, third.starts_at}
    late = make_payment(builders.make_checkout(builders.make_cart(alice, package, third.starts_at)))
    apply_status(late.attempts.get().pk, FAILED, "worker")
    apply_status(late.attempts.get().pk, completed(), "webhook")
    assert Payment.objects.get(pk=late.pk).fulfilment == "REFUND_DUE"


@pytest.fixture
def told():
    """News of a dispute as the release before 0018 kept it: `at` is what PhonePe told, `by` staff who said it."""

    def write(
        dispute: Dispute | None, attempt, status: str, at: datetime, *, age: int, by=None, state="HANDLED"
    ):
        arrived = timezone.now() - timedelta(days=age)
        payload = {"disputeId": "DSP", "disputeAmount": 110_000, "updatedAt": int(at.timestamp() * 1000)}
        payload |= {"merchantOrderId": attempt.merchant_order_id}
        event = None
        if by is None:
            body = json.dumps({"event": f"payment.dispute.{status.lower()}", "payload": payload}).encode()
            event = WebhookEvent.objects.create(
                digest=f"{status} {age}", scheme="hmac", body=body, event=f"payment.dispute.{status.lower()}",
                claimed_state="UNKNOWN", attempt=attempt, state=state,
            )  # fmt: skip
            WebhookEvent.objects.filter(pk=event.pk).update(received_at=arrived)
        says = {"status": status, "amount_paise": 110_000, "told_at": at, "is_proven": True}
        dispute = dispute or Dispute.objects.create(dispute_id="DSP", attempt=attempt, event=event, **says)
        update = DisputeUpdate.objects.create(dispute=dispute, event=event, said_by=by, **says)
        DisputeUpdate.objects.filter(pk=update.pk).update(created_at=arrived)
        return dispute

    return write


AHEAD = timedelta(days=9_000)


def test_a_dispute_that_was_told_with_a_time_in_the_future_hides_its_end_no_longer(cart, told):
    attempt = paid_order(cart)
    migrate("0017_earlier_starts")
    dispute = told(None, attempt, "CREATED", timezone.now() + AHEAD, age=30)
    told(dispute, attempt, "LOST", timezone.now() - timedelta(days=10), age=10)

    migrate_forward()
    run_due(kinds=("events",))

    dispute.refresh_from_db()
    assert (dispute.status, dispute.told_at < timezone.now()) == ("LOST", True)
    assert [row.amount_paise for row in dispute.ledger.all()] == [-110_000]
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"HANDLED"}
    assert find_violations() == []


def test_what_staff_said_of_a_dispute_from_the_future_stands_and_later_news_counts_more(cart, staff, told):
    attempt = paid_order(cart)
    migrate("0017_earlier_starts")
    dispute = told(None, attempt, "CREATED", timezone.now() + AHEAD, age=30)
    told(dispute, attempt, "LOST", timezone.now() + AHEAD + timedelta(milliseconds=1), age=20, by=staff)

    migrate_forward()
    run_due(kinds=("events",))
    dispute.refresh_from_db()
    assert (dispute.status, dispute.confirmed_by) == ("LOST", staff)

    told(dispute, attempt, "WON", timezone.now(), age=0, state="RECEIVED")
    WebhookEvent.objects.filter(state="RECEIVED").update(next_check_at=timezone.now())
    run_due(kinds=("events",))
    dispute.refresh_from_db()
    assert (dispute.status, sum(row.amount_paise for row in dispute.ledger.all())) == ("WON", 0)


def test_a_dispute_whose_times_can_be_true_is_not_touched(cart, told):
    attempt = paid_order(cart)
    migrate("0017_earlier_starts")
    dispute = told(None, attempt, "CREATED", timezone.now() - timedelta(days=30, seconds=-50), age=30)
    before = (
        Dispute.objects.values().get(),
        DisputeUpdate.objects.values().get(),
        WebhookEvent.objects.values().get(),
    )

    migrate_forward()

    after = (
        Dispute.objects.values().get(),
        DisputeUpdate.objects.values().get(),
        WebhookEvent.objects.values().get(),
    )
    assert after == before
    assert dispute.pk


def paid_order(cart) -> PaymentAttempt:
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return payment.attempts.get()
