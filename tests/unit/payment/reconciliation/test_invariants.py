"""The ledger is proven against orders, refunds, disputes and bookings; each way to falsify it is found."""

import pytest
from django.utils import timezone

from booking.models import Booking
from payment.models import (
    CashClosing,
    Dispute,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    WebhookEvent,
)
from payment.reconciliation.invariants import INVARIANTS, find_violations, totals
from payment.reconciliation.simulator_account import compare_account
from payment.services.outcomes import accept_after_review, apply_status, return_after_review
from payment.states import Fulfilment, PaymentState, RefundState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_attempt, make_payment

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def dispute(attempt, **fields):
    event = WebhookEvent.objects.create(digest="d", scheme="hmac", body=b"", claimed_state="UNKNOWN")
    said = {"dispute_id": "D1", "status": Dispute.Status.LOST, "amount_paise": 110_000, "is_proven": True}
    return Dispute.objects.create(attempt=attempt, event=event, told_at=timezone.now(), **said | fields)


def entry(attempt, kind, paise, reference, **fields):
    columns = {"payment": attempt.payment, "simulated": True} | fields
    return LedgerEntry.objects.create(
        attempt=attempt, kind=kind, amount_paise=paise, reference=reference, **columns
    )


def sent_back_by_staff(paise=5_000):
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(paise), "worker")
    return return_after_review(payment.pk, builders.make_superuser())


def closing(**fields):
    person = builders.make_superuser()
    return CashClosing.objects.create(person=person, closed_by=person, day=timezone.localdate(), **fields)


BREAKAGES = {
    "orders_that_differ": lambda paid: LedgerEntry.objects.update(amount_paise=1),
    "payments_without_one_receipt": lambda paid: LedgerEntry.objects.update(kind="SUSPENSE"),
    "entries_without_receipt": lambda paid: Receipt.objects.all().delete(),
    "refunds_that_differ": lambda paid: Refund.objects.update(state=RefundState.COMPLETED),
    "entries_without_refund": lambda paid: entry(paid.attempts.get(), "REFUND", -100, "R7"),
    "refunds_of_more_than_received": lambda paid: Refund.objects.update(amount_paise=110_001),
    "surplus_not_refunded": lambda paid: Payment.objects.update(fulfilment=Fulfilment.REFUND_DUE),
    "suspense_not_decided": lambda paid: sent_back_by_staff().refunds.all().delete(),
    "disputes_that_differ": lambda paid: dispute(paid.attempts.get()),
    "chargebacks_of_more_than_received": lambda paid: entry(
        paid.attempts.get(), "CHARGEBACK", -110_001, "D7"
    ),
    "bookings_without_payment": lambda paid: Payment.objects.update(fulfilment=Fulfilment.DONATION),
    "payments_without_booking": lambda paid: Booking.objects.all().delete(),
    "donations_with_checkout": lambda paid: Payment.objects.update(fulfilment=Fulfilment.DONATION),
    "simulated_entries_of_real_attempts": lambda paid: LedgerEntry.objects.update(simulated=False),
    "entries_without_credit_note": lambda paid: entry(paid.attempts.get(), "REFUND", -100, "R7"),
    "entries_by_hand_that_differ": lambda paid: LedgerEntry.objects.update(kind="CASH"),
    "closings_that_differ": lambda paid: closing(expected_paise=100, counted_paise=100),
    "entries_of_another_payment": lambda paid: LedgerEntry.objects.update(payment=make_payment()),
}


def broken():
    return {each.law for each in find_violations()}


@pytest.mark.parametrize("name", BREAKAGES)
def test_each_law_finds_the_row_that_breaks_it(day, paid, name):
    day.refunds(paid)
    assert broken() == set()

    BREAKAGES[name](paid)

    (law,) = (law.sentence for law in INVARIANTS if law.violating_rows.__name__ == name)
    assert law in broken()


def test_a_ledger_that_balances_costs_one_query_for_each_law(django_assert_num_queries):
    for _ in range(3):
        payment = make_payment()
        apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")

    with django_assert_num_queries(len(INVARIANTS)):
        assert broken() == set()


def test_there_is_a_breakage_for_each_law():
    assert BREAKAGES.keys() == {law.violating_rows.__name__ for law in INVARIANTS}


@pytest.mark.usefixtures("generation")
def test_money_that_went_back_balances_and_is_what_phonepe_says(day, paid):
    day.refunds(paid)
    day.phonepe.advance_clock(10)
    day.mends()

    assert broken() == set()
    assert compare_account() == []
    sums = totals(simulated=True)
    assert (sums["receipt_paise"], sums["refund_paise"], sums["balance_paise"]) == (110_000, -30_000, 80_000)
    assert set(totals(simulated=False).values()) == {0}


@pytest.mark.usefixtures("generation")
def test_money_that_phonepe_has_and_we_have_not_is_told(day, opened):
    day.pays(opened)

    (difference,) = compare_account()
    assert (difference.what, difference.ours_paise, difference.theirs_paise) == ("received", 0, 110_000)


def test_money_that_came_twice_is_surplus_and_refunded(alice):
    payment = make_payment()
    again = make_attempt(payment, 2)
    for attempt in payment.attempts.all():
        apply_status(attempt.pk, completed(payment.amount_paise), "worker")
    assert broken() == set()

    again.refunds.update(amount_paise=payment.amount_paise - 99)  # the rest is less than PhonePe sends
    assert broken() == set()
    again.refunds.update(state=RefundState.FAILED)
    assert len(broken()) == 1


@pytest.mark.parametrize("falsified", [{"state": RefundState.FAILED}, {"amount_paise": 4_900}])
def test_another_amount_that_staff_sent_back_has_its_refund(falsified):
    payment = sent_back_by_staff()
    assert broken() == set()

    payment.refunds.update(held_because=Refund.Hold.FAILED_OFTEN)
    assert broken() == set()
    payment.refunds.update(**falsified)
    assert len(broken()) == 1


def test_what_is_only_requested_is_not_on_its_way_back():
    payment = sent_back_by_staff()

    payment.refunds.update(held_because=Refund.Hold.SECOND_PERSON)

    assert len(broken()) == 1


def test_a_lost_dispute_without_an_amount_is_about_all_that_came(day, paid):
    attempt = PaymentAttempt.objects.get()
    dispute(attempt, amount_paise=None)
    assert len(broken()) == 1
    entry(attempt, "CHARGEBACK", -110_000, "D1")

    assert broken() == set()


def test_another_amount_below_one_rupee_has_no_way_back():
    assert not sent_back_by_staff(99).refunds.exists()
    assert broken() == set()


def test_another_amount_that_the_buyers_bank_has_taken_needs_no_refund():
    payment = make_payment()
    attempt = payment.attempts.get()
    apply_status(attempt.pk, completed(5_000), "worker")
    dispute(attempt, amount_paise=5_000)
    entry(attempt, "CHARGEBACK", -5_000, "D1")

    return_after_review(payment.pk, builders.make_superuser())
    assert broken() == set()


def test_another_amount_that_staff_have_accepted_balances():
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(5_000), "worker")
    assert broken() == set()

    accept_after_review(payment.pk, builders.make_superuser())
    assert Payment.objects.get().state == PaymentState.SUCCESS
    assert broken() == set()


def test_what_the_buyers_bank_has_taken_balances_once_it_is_entered(day, paid):
    attempt = PaymentAttempt.objects.get()
    dispute(attempt)
    entry(attempt, "CHARGEBACK", -110_000, "D1")
    assert broken() == set()

    Dispute.objects.update(status=Dispute.Status.WON)
    assert len(broken()) == 1
    entry(attempt, "CHARGEBACK", 110_000, "D1:returned")
    assert broken() == set()


def test_a_dispute_that_nobody_has_confirmed_says_nothing_yet(day, paid):
    dispute(paid.attempts.get(), is_proven=False)

    assert broken() == set()
