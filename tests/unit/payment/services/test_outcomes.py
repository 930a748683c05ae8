"""Where every outcome ends. No HTTP here: PhonePe's answers are handed over as the gateway reads them."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from booking.models import Booking, Cart, Checkout, Slot, SlotHold
from booking.services import CartConverted, SlotGone, book, release_hold
from core.errors import Conflict
from payment.gateways import RefundStatus
from payment.models import LedgerEntry, Payment, PaymentAttempt, Receipt, Refund, StateChange
from payment.phonepe.enums import ProviderStatus
from payment.services import outcomes
from payment.services.outcomes import accept_after_review, apply_status, fulfil, return_after_review
from payment.services.refunds.outcomes import adopt_refund
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState
from tests.harness import builders
from tests.harness.invariants import query, violations
from tests.unit.payment.builders import (
    FAILED,
    NONSENSE,
    NOT_FOUND,
    PENDING,
    completed,
    make_attempt,
    make_payment,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def checkout(alice, package, slot):
    return builders.make_checkout(builders.make_cart(alice, package, slot.starts_at))


@pytest.fixture
def payment(checkout):
    return make_payment(checkout)


@pytest.fixture
def attempt(payment):
    return payment.attempts.get()


def state(attempt: PaymentAttempt) -> str:
    return PaymentAttempt.objects.get(pk=attempt.pk).state


def ledger(payment: Payment) -> list[tuple[str, int]]:
    return list(payment.ledger.values_list("kind", "amount_paise"))


def test_money_received_becomes_one_booking_and_one_receipt(payment, attempt, slot):
    settled = apply_status(attempt.pk, completed(), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    assert ledger(payment) == [("RECEIPT", 110_000)]
    assert Booking.objects.get().checkout == payment.checkout
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 1)
    assert Cart.objects.get().status == Cart.Status.CONVERTED


def test_the_same_news_three_times_changes_nothing(payment, attempt):
    for source in ("webhook", "worker", "return page"):
        apply_status(attempt.pk, completed(), source)

    assert ledger(payment) == [("RECEIPT", 110_000)]
    assert Booking.objects.count() == 1
    assert not Refund.objects.exists()


def test_nothing_undoes_a_completed_payment(payment, attempt):
    apply_status(attempt.pk, completed(), "worker")

    for news in (FAILED, PENDING, NOT_FOUND, NONSENSE):
        settled = apply_status(attempt.pk, news, "webhook")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    assert state(attempt) == AttemptState.COMPLETED


def test_a_word_we_do_not_know_is_neither_success_nor_failure(payment, attempt):
    settled = apply_status(attempt.pk, NONSENSE, "worker")

    assert settled.state == PaymentState.PENDING
    assert state(attempt) == AttemptState.PENDING


def test_a_failed_payment_frees_the_cart_and_the_place(payment, attempt, slot):
    settled = apply_status(attempt.pk, FAILED, "worker")

    assert settled.state == PaymentState.FAILED
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 0)
    assert Cart.objects.get().status == Cart.Status.ACTIVE
    assert Checkout.objects.get().state == Checkout.State.RELEASED


def test_a_failed_payment_leaves_the_new_cart_of_the_customer_alone(payment, attempt, alice, package):
    wanted_since = builders.make_cart(
        alice, package, builders.make_slot(package.puja_service, days=5).starts_at
    )

    apply_status(attempt.pk, FAILED, "worker")

    assert Cart.objects.get(pk=payment.checkout.cart_id).status == Cart.Status.ABANDONED
    wanted_since.refresh_from_db()
    assert wanted_since.status == Cart.Status.ACTIVE


def test_money_after_failure_takes_the_place_again(payment, attempt, slot):
    apply_status(attempt.pk, FAILED, "worker")

    settled = apply_status(attempt.pk, completed(), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 1)


def test_money_after_the_hold_has_ended_takes_the_place_again(payment, attempt, slot):
    release_hold(payment.checkout)

    assert apply_status(attempt.pk, completed(), "worker").fulfilment == Fulfilment.BOOKED

    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 1)


def test_late_money_goes_back_when_its_place_is_gone_and_there_is_no_other(payment, attempt, slot):
    apply_status(attempt.pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))

    settled = apply_status(attempt.pk, completed(), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)
    assert Refund.objects.get().amount_paise == 110_000
    assert ledger(payment) == [("RECEIPT", 110_000)]
    assert not Booking.objects.exists()


def test_another_amount_is_never_booked(payment, attempt):
    settled = apply_status(attempt.pk, completed(100), "webhook")

    assert settled.state == PaymentState.PENDING
    assert (settled.fulfilment, settled.held_because) == (Fulfilment.HELD_FOR_STAFF, "amount_differs")
    assert ledger(payment) == [("SUSPENSE", 100)]
    assert PaymentAttempt.objects.get(pk=attempt.pk).received_paise == 100
    assert not Booking.objects.exists()


def test_money_of_another_merchant_is_never_booked(checkout):
    payment = make_payment(checkout)
    payment.attempts.update(generation="v1", merchant="PGTESTPAYUAT")

    settled = apply_status(payment.attempts.get().pk, completed(merchant_id="SOMEBODYELSE"), "webhook")

    assert settled.fulfilment == Fulfilment.HELD_FOR_STAFF
    assert not Booking.objects.exists()


def test_completed_without_an_amount_is_asked_about_again(payment, attempt):
    settled = apply_status(attempt.pk, completed(None), "worker")

    assert settled.state == PaymentState.PENDING
    assert state(attempt) == AttemptState.PENDING


def test_a_second_order_paid_for_the_same_payment_goes_back(payment, attempt):
    second = make_attempt(payment, number=2)
    apply_status(attempt.pk, completed(), "worker")

    apply_status(second.pk, completed(), "worker")

    assert ledger(payment) == [("RECEIPT", 110_000), ("SURPLUS", 110_000)]
    promised = Refund.objects.get()
    assert (promised.attempt, promised.amount_paise, promised.state) == (second, 110_000, RefundState.WAITING)
    assert Booking.objects.count() == 1


def test_a_cart_paid_twice_in_two_payments_is_booked_once_and_the_other_money_goes_back(
    payment, attempt, alice
):
    apply_status(attempt.pk, FAILED, "worker")
    again = make_payment(builders.make_checkout(Cart.objects.get()))
    apply_status(again.attempts.get().pk, completed(), "worker")

    late = apply_status(attempt.pk, completed(), "worker")

    assert (late.state, late.fulfilment) == (PaymentState.SUCCESS, Fulfilment.REFUND_DUE)
    assert (Refund.objects.get().payment, Refund.objects.get().amount_paise) == (late, 110_000)
    assert Booking.objects.count() == 1
    assert LedgerEntry.objects.filter(kind="RECEIPT").count() == 2


def test_a_payment_lives_as_long_as_one_of_its_orders_may_bring_money(payment, attempt):
    second = make_attempt(payment, number=2)

    assert apply_status(second.pk, FAILED, "worker").state == PaymentState.PENDING
    assert apply_status(attempt.pk, FAILED, "worker").state == PaymentState.FAILED


def test_not_found_right_after_the_call_is_no_no(payment, attempt):
    PaymentAttempt.objects.update(state=AttemptState.UNKNOWN, sent_at=timezone.now())

    for _ in range(5):
        settled = apply_status(attempt.pk, NOT_FOUND, "worker")

    assert settled.state == PaymentState.PENDING
    assert state(attempt) == AttemptState.UNKNOWN


def test_not_found_for_five_minutes_ends_an_order_that_never_arrived(payment, attempt):
    PaymentAttempt.objects.update(
        state=AttemptState.UNKNOWN, sent_at=timezone.now() - timedelta(minutes=5, seconds=1)
    )

    states = [apply_status(attempt.pk, NOT_FOUND, "worker").state for _ in range(3)]

    assert states == [PaymentState.PENDING, PaymentState.PENDING, PaymentState.CANCELLED]
    assert state(attempt) == AttemptState.EXPIRED
    assert Cart.objects.get().status == Cart.Status.ACTIVE


def test_not_found_does_not_end_an_order_that_was_seen_before(payment, attempt):
    PaymentAttempt.objects.update(sent_at=timezone.now() - timedelta(hours=1))

    for _ in range(4):
        apply_status(attempt.pk, NOT_FOUND, "worker")

    assert state(attempt) == AttemptState.PENDING


def test_an_expired_page_nobody_tried_to_pay_ends_the_payment(payment, attempt):
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert apply_status(attempt.pk, PENDING, "worker").state == PaymentState.CANCELLED


def test_an_expired_page_with_a_try_under_way_is_waited_for(payment, attempt):
    PaymentAttempt.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    trying = PENDING.__class__(PENDING.state, provider_transaction_id="OM1")

    assert apply_status(attempt.pk, trying, "worker").state == PaymentState.PENDING


def test_giving_up_closes_what_is_merely_unpaid(payment, attempt):
    settled = apply_status(attempt.pk, PENDING, "give_up", giving_up=True)

    assert settled.state == PaymentState.CANCELLED
    assert Cart.objects.get().status == Cart.Status.ACTIVE


def test_giving_up_does_not_lose_money_that_has_come(payment, attempt):
    assert apply_status(attempt.pk, completed(), "give_up", giving_up=True).fulfilment == Fulfilment.BOOKED


def test_a_completed_order_of_nothing_is_no_money_and_is_asked_about_again(payment, attempt):
    settled = apply_status(attempt.pk, completed(0), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.PENDING, Fulfilment.NONE)
    assert (state(attempt), ledger(payment)) == (AttemptState.PENDING, [])
    assert PaymentAttempt.objects.get().next_check_at is not None
    assert apply_status(attempt.pk, completed(), "worker").fulfilment == Fulfilment.BOOKED


def test_a_donation_is_received_without_a_booking():
    donation = make_payment()

    settled = apply_status(donation.attempts.get().pk, completed(10_000), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.DONATION)
    assert not Booking.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_receipt_survives_a_database_that_refuses_the_booking(payment, attempt, slot):
    Slot.objects.filter(pk=slot.pk).update(
        held=0
    )  # taking the hold would make it negative: a constraint refuses

    settled = apply_status(attempt.pk, completed(), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.DUE)
    assert ledger(payment) == [("RECEIPT", 110_000)]
    assert not Booking.objects.exists()
    assert Payment.objects.get().fulfil_at > timezone.now()

    Slot.objects.filter(pk=slot.pk).update(held=1)
    assert fulfil(payment.pk).fulfilment == Fulfilment.BOOKED
    assert Payment.objects.get().fulfil_at is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "where", ["book", "notify_booked", "_offer_other_slots", "refund_as_paid_twice", "notify_received"]
)
def test_money_is_in_the_books_whatever_error_meets_its_fulfilment(
    payment, attempt, slot, monkeypatch, where
):
    """Also one of the handlers of what cannot be booked, and of telling the buyer that they have to wait."""
    refusals = {"_offer_other_slots": SlotGone(), "refund_as_paid_twice": CartConverted()}

    def fail(error):
        def raise_error(*args):
            raise error

        return raise_error

    with monkeypatch.context() as broken:
        broken.setattr(outcomes, "book", fail(refusals.get(where, KeyError("snapshot"))))
        if where != "book":
            broken.setattr(outcomes, where, fail(KeyError("snapshot")))
        settled = apply_status(attempt.pk, completed(), "worker")

    assert (settled.state, settled.fulfilment) == (PaymentState.SUCCESS, Fulfilment.DUE)
    assert (state(attempt), ledger(payment)) == (AttemptState.COMPLETED, [("RECEIPT", 110_000)])
    assert Payment.objects.get().fulfil_at > timezone.now()
    assert not Booking.objects.exists()
    assert fulfil(payment.pk).fulfilment == Fulfilment.BOOKED


@pytest.mark.django_db(transaction=True)
def test_what_staff_accept_stays_accepted_when_it_cannot_be_fulfilled_now(payment, attempt, slot):
    apply_status(attempt.pk, completed(50_000), "worker")
    Slot.objects.filter(pk=slot.pk).update(held=0)

    assert accept_after_review(payment.pk, builders.make_superuser()).fulfilment == Fulfilment.DUE
    assert Receipt.objects.get().total_paise == 50_000


def test_another_amount_for_what_is_paid_already_goes_back(payment, attempt):
    second = make_attempt(payment, number=2)
    apply_status(attempt.pk, completed(), "worker")

    settled = apply_status(second.pk, completed(5_000), "worker")

    assert settled.fulfilment == Fulfilment.BOOKED
    assert ledger(payment) == [("RECEIPT", 110_000), ("SURPLUS", 5_000)]
    assert Refund.objects.get().amount_paise == 5_000


def test_of_two_wrong_amounts_staff_take_one_and_the_other_goes_back(payment, attempt):
    apply_status(attempt.pk, completed(50_000), "worker")
    second = make_attempt(payment, number=2)
    apply_status(second.pk, completed(60_000), "worker")

    assert accept_after_review(payment.pk, builders.make_superuser()).fulfilment == Fulfilment.BOOKED

    assert Refund.objects.get().attempt == attempt
    assert Refund.objects.get().amount_paise == 50_000
    assert dict(ledger(payment))["RECEIPT"] == 60_000


def test_what_has_gone_back_meanwhile_is_not_taken_for_a_payment(payment, attempt, staff):
    apply_status(attempt.pk, completed(50_000), "worker")
    attempt.refresh_from_db()
    adopt_refund(
        attempt, "DASH1", 50_000, RefundStatus(ProviderStatus.COMPLETED, amount_paise=50_000), "webhook"
    )

    with pytest.raises(Conflict):
        accept_after_review(payment.pk, builders.make_superuser())

    assert not Booking.objects.exists()
    assert return_after_review(payment.pk, staff).fulfilment == Fulfilment.NONE


def test_what_was_held_goes_back_when_the_right_amount_comes(payment, attempt):
    second = make_attempt(payment, number=2)
    apply_status(attempt.pk, completed(5_000), "worker")

    settled = apply_status(second.pk, completed(), "worker")

    assert (settled.fulfilment, settled.held_because) == (Fulfilment.BOOKED, "")
    assert ledger(payment) == [("SUSPENSE", 5_000), ("RECEIPT", 110_000)]
    refund = Refund.objects.get()
    assert (refund.attempt, refund.amount_paise) == (attempt, 5_000)


def test_staff_take_another_amount_as_the_payment(payment, attempt):
    apply_status(attempt.pk, completed(100_000), "worker")

    accepted = accept_after_review(payment.pk, builders.make_superuser())

    assert (accepted.state, accepted.fulfilment) == (PaymentState.SUCCESS, Fulfilment.BOOKED)
    assert ledger(payment) == [("SUSPENSE", 100_000), ("SUSPENSE", -100_000), ("RECEIPT", 100_000)]
    assert Booking.objects.get().checkout == payment.checkout
    assert payment.changes.filter(subject="payment").get().rule == "accepted_by_staff"


def test_staff_cannot_accept_another_amount_when_its_place_is_gone(payment, attempt, slot, staff):
    """Accepted, it would go back at once, with nobody's approval."""
    apply_status(attempt.pk, completed(100_000), "worker")
    release_hold(payment.checkout)
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))

    with pytest.raises(Conflict) as refusal:
        accept_after_review(payment.pk, staff)

    assert refusal.value.code == "slot_gone"
    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF
    assert ledger(payment) == [("SUSPENSE", 100_000)]
    assert not Refund.objects.exists()
    assert return_after_review(payment.pk, staff).fulfilment == Fulfilment.NONE
    assert Refund.objects.get().amount_paise == 100_000
    assert "money that can never be a booking is refunded, whole" not in violations(query)


def test_staff_send_another_amount_back_and_the_cart_is_free_again(payment, attempt, slot, staff):
    apply_status(attempt.pk, completed(100_000), "worker")

    returned = return_after_review(payment.pk, staff)

    assert (returned.state, returned.fulfilment) == (PaymentState.CANCELLED, Fulfilment.NONE)
    assert Refund.objects.get().amount_paise == 100_000
    assert Cart.objects.get().status == Cart.Status.ACTIVE
    slot.refresh_from_db()
    assert slot.held == 0


def test_what_staff_have_decided_is_decided_once(payment, attempt, staff):
    apply_status(attempt.pk, completed(100_000), "worker")
    return_after_review(payment.pk, staff)

    with pytest.raises(Conflict):
        accept_after_review(payment.pk, builders.make_superuser())
    with pytest.raises(Conflict):
        return_after_review(payment.pk, staff)

    assert Refund.objects.count() == 1


def test_every_move_stands_beside_its_rule(payment, attempt):
    apply_status(attempt.pk, completed(), "webhook")

    told = StateChange.objects.values_list("subject", "before", "after", "rule", "detail")
    assert list(told) == [
        ("attempt", "PENDING", "COMPLETED", "phonepe_says_completed", "webhook"),
        ("payment", "PENDING", "SUCCESS", "money_received", ""),
        ("fulfilment", "DUE", "BOOKED", "booked", ""),
    ]


def test_the_database_refuses_a_second_receipt(payment, attempt):
    apply_status(attempt.pk, completed(), "worker")

    with pytest.raises(IntegrityError), transaction.atomic():
        LedgerEntry.objects.create(
            payment=payment, attempt=attempt, kind="RECEIPT", amount_paise=1, reference="another"
        )


def test_the_database_refuses_success_without_a_fulfilment(payment):
    with pytest.raises(IntegrityError), transaction.atomic():
        Payment.objects.update(state=PaymentState.SUCCESS)


def test_a_hold_taken_by_its_booking_is_not_released_again(payment, attempt):
    apply_status(attempt.pk, completed(), "worker")

    assert book(payment.checkout) == Booking.objects.get()
    assert not release_hold(payment.checkout)
    assert SlotHold.objects.get().state == SlotHold.State.TAKEN
