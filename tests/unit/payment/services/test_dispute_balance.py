"""The accounts of a dispute follow all of its news together, in whatever order and however often they arrive."""

import json
from datetime import datetime, timedelta
from itertools import count

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.models import Booking
from core.clocks import SKEW
from core.errors import Conflict, Refusal
from notifications.models import Notification
from payment.models import Dispute, DisputeUpdate, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.reconciliation.invariants import find_violations
from payment.services.disputes import BEYOND, confirm_dispute, decide_dispute, record_dispute
from payment.services.outcomes import apply_status, return_after_review
from payment.services.refunds.requests import (
    Disputed,
    approve_refund,
    cancel_booking,
    create_refund,
    refund_without_booking,
    request_refund,
    withdraw_refund,
)
from payment.services.refunds.sending import _claim
from payment.services.webhooks import close_event, process_event
from tests.harness import PROOFS, builders
from tests.harness.invariants import query, violations
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db

NOW_MS, PAID = 1_781_150_400_000, 110_000
digests = count(1)


@pytest.fixture
def paid(cart):
    payment = make_payment(builders.make_checkout(cart))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def attempt(paid):
    return paid.attempts.get()


def comes_in(
    attempt: PaymentAttempt,
    word: str,
    ms: int | None,
    amount=PAID,
    scheme: str = "hmac",
    dispute: str = "DSP1",
) -> WebhookEvent:
    """News of the dispute; `ms` is PhonePe's clock. Bytes that came before are the same event."""
    payload = {"disputeId": dispute, "merchantOrderId": attempt.merchant_order_id}
    payload |= {"disputeAmount": amount} | ({} if ms is None else {"updatedAt": NOW_MS + ms})
    body = json.dumps({"event": f"payment.dispute.{word}", "payload": payload})
    known = WebhookEvent.objects.filter(header_names=body, scheme=scheme).first()
    event = known or WebhookEvent.objects.create(
        digest=str(next(digests)),
        header_names=body,  # what tells two of them apart in this test
        scheme=scheme,
        body=body.encode(),
        event=f"payment.dispute.{word}",
        claimed_state="UNKNOWN",
        attempt=attempt,
        next_check_at=timezone.now(),
    )
    WebhookEvent.objects.filter(pk=event.pk).update(state="RECEIVED")
    event.refresh_from_db()
    return event


def arrives(attempt: PaymentAttempt, *news, **more) -> WebhookEvent:
    event = comes_in(attempt, *news, **more)
    process_event(event)
    event.refresh_from_db()
    return event


def balance(attempt: PaymentAttempt) -> int:
    """What the accounts say the bank holds."""
    return -sum(attempt.ledger.filter(kind="CHARGEBACK").values_list("amount_paise", flat=True))


def test_lost_won_and_lost_again_leaves_the_money_with_the_bank(attempt):
    for minute, word in enumerate(["lost", "won", "lost"]):
        arrives(attempt, word, minute * 60_000)

    assert balance(attempt) == PAID
    assert attempt.ledger.filter(kind="CHARGEBACK").count() == 3
    assert find_violations() == []


@pytest.mark.parametrize("words", [("created", "lost"), ("lost", "created")])
@pytest.mark.parametrize("apart", [0, 1, 400])
def test_of_two_news_of_one_second_the_later_or_the_more_final_counts(attempt, words, apart):
    times = {"created": 0, "lost": apart}
    for word in words:
        arrives(attempt, word, times[word])

    assert (Dispute.objects.get().status, balance(attempt)) == ("LOST", PAID)


def test_a_millisecond_decides_between_lost_and_won(attempt):
    arrives(attempt, "won", 2)
    arrives(attempt, "lost", 1)

    assert balance(attempt) == 0


@pytest.mark.parametrize("ahead", [timedelta(minutes=2), timedelta(days=200)])
def test_news_that_is_dated_in_the_future_outranks_no_later_news(attempt, ahead):
    now = timezone.now()
    early = arrives(attempt, "created", _since(now + ahead))
    assert (early.state, early.unclear) == ("NEEDS_REVIEW", "its time lies in the future")

    assert arrives(attempt, "lost", _since(now)).state == "HANDLED"

    assert Dispute.objects.get().status == "LOST"
    assert balance(attempt) == PAID
    assert find_violations() == []


def test_a_clock_that_is_ahead_by_seconds_is_believed(attempt):
    assert arrives(attempt, "created", _since(timezone.now() + SKEW)).state == "HANDLED"


def _since(moment: datetime) -> int:
    return int(moment.timestamp() * 1000) - NOW_MS


@pytest.mark.parametrize(("first", "second"), [(PAID, PAID), (60_000, 60_000), (None, 1_000)])
def test_disputes_of_one_order_take_no_more_together_than_came(attempt, first, second, settings):
    settings.STAFF_EMAILS = ["staff@example.com"]
    arrives(attempt, "lost", 1, first, dispute="A")
    beyond = arrives(attempt, "lost", 2, second, dispute="B")

    assert (beyond.state, beyond.unclear) == ("NEEDS_REVIEW", BEYOND)
    assert Notification.objects.filter(facts__rule="event_not_understood", facts__event_id=beyond.pk).exists()
    assert balance(attempt) == PAID
    assert find_violations() == []
    assert violations(query) == {}

    arrives(attempt, "won", 3, first, dispute="A")

    assert balance(attempt) == second
    assert find_violations() == []


def test_staff_cannot_say_that_two_disputes_took_the_same_money(attempt, staff):
    arrives(attempt, "lost", 1, dispute="A")
    arrives(attempt, "lost", 2, scheme="authorization", dispute="B")

    with pytest.raises(Refusal) as refused:
        confirm_dispute(Dispute.objects.get(dispute_id="B").pk, staff)

    assert refused.value.code == "too_much"
    assert balance(attempt) == PAID


def test_disputes_that_were_faster_than_the_money_take_no_more_than_it(cart):
    attempt = make_payment(builders.make_checkout(cart)).attempts.get()
    early = [comes_in(attempt, "lost", 1, dispute=name) for name in ("A", "B")]
    assert [record_dispute(event, attempt) for event in early] == ["", ""]

    apply_status(attempt.pk, completed(), "worker")
    attempt.refresh_from_db()

    assert balance(attempt) == PAID
    assert [record_dispute(event, attempt) for event in early] == ["", BEYOND]
    assert violations(query) == {}


def test_staff_can_part_the_money_between_two_disputes(attempt, staff):
    for name in ("A", "B"):
        arrives(attempt, "lost", 1, dispute=name)
    first, second = Dispute.objects.order_by("pk")

    decide_dispute(first.pk, staff, amount_paise=60_000)
    decide_dispute(second.pk, staff, amount_paise=PAID - 60_000)

    assert [-sum(each.ledger.values_list("amount_paise", flat=True)) for each in (first, second)] == [
        60_000,
        PAID - 60_000,
    ]
    assert find_violations() == []


def test_money_that_one_dispute_gives_back_and_another_takes_is_not_sent_to_the_buyer(attempt):
    create_refund(attempt, 30_000, "a gesture", asked_by=None)
    for name in ("A", "B"):
        arrives(attempt, "lost", 1, dispute=name)
    told = Notification.objects.filter(kind="refund_started").count()

    arrives(attempt, "won", 2, dispute="A")

    assert not Refund.objects.exclude(state="FAILED").exists()
    assert Refund.objects.count() == 1
    assert Notification.objects.filter(kind="refund_started").count() == told
    assert balance(attempt) == PAID


def test_an_amount_that_is_corrected_moves_the_difference(attempt):
    arrives(attempt, "lost", 1, amount=None)
    assert balance(attempt) == PAID

    arrives(attempt, "lost", 2, amount=30_000)

    entries = attempt.ledger.filter(kind="CHARGEBACK").values_list("amount_paise", flat=True)
    assert list(entries) == [-PAID, PAID - 30_000]


def test_the_reference_of_an_order_and_of_its_dispute_may_be_alike(attempt):
    PaymentAttempt.objects.filter(pk=attempt.pk).update(merchant_order_id="DSP1")
    attempt.ledger.update(reference="DSP1")
    attempt.refresh_from_db()

    arrives(attempt, "lost", 1)

    assert balance(attempt) == PAID


def test_a_dispute_about_another_order_of_ours_is_not_believed(attempt, alice, package, slot):
    arrives(attempt, "created", 1)
    cart = builders.make_cart(alice, package, slot.starts_at)
    another = make_payment(builders.make_checkout(cart)).attempts.get()
    apply_status(another.pk, completed(), "worker")
    another.refresh_from_db()

    assert arrives(another, "lost", 2).state == "NEEDS_REVIEW"
    assert balance(attempt) == balance(another) == 0


WORDS = st.sampled_from(["created", "under_review", "accepted", "won", "lost", "lost", "lost"])
NEWS = st.tuples(
    WORDS,
    st.one_of(st.integers(0, 3), st.none()),
    st.sampled_from([PAID, 40_000, None, "1100.00", PAID + 1]),
    st.sampled_from(["hmac", "hmac", "authorization"]),
    st.sampled_from(["A", "B"]),
)


@pytest.mark.slow
@settings(
    max_examples=20 if PROOFS else 8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(news=st.lists(NEWS, min_size=2, max_size=3), data=st.data())
def test_any_order_and_repetition_of_the_news_gives_the_same_books(attempt, news, data):
    shuffled = data.draw(st.permutations([*news, news[0]]))
    assert _after(attempt, news) == _after(attempt, shuffled)


def _after(attempt: PaymentAttempt, news) -> tuple:
    """What is so when all of it has arrived in this order."""
    with transaction.atomic():
        for each in news:
            arrives(attempt, *each)
        names = ("dispute_id", "status", "amount_paise", "is_proven", "told_at")
        found = balance(attempt), list(Dispute.objects.order_by("dispute_id").values(*names))
        transaction.set_rollback(True)
    assert 0 <= found[0] <= PAID
    return found


# --- Without an amount, nothing is sent back -----------------------------------------------------


@pytest.fixture
def asker():
    return builders.make_user("asker@example.com", is_staff=True)


NOT_UNDERSTOOD = {
    "no amount": ("created", 1, None),
    "rupees in text": ("created", 1, "1100.00"),
    "an unknown word": ("accepted", 1, PAID),
    "no time": ("lost", None, PAID),
    "lost, and nobody knows how much": ("lost", 1, None),
}


@pytest.mark.parametrize("news", NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD.keys())
@pytest.mark.parametrize("scheme", ["hmac", "authorization"])
def test_refunds_are_refused_while_nobody_knows_how_much_is_disputed(
    attempt, staff, asker, settings, news, scheme
):
    settings.REFUND_SECOND_PERSON_ABOVE = 0
    waiting = request_refund(attempt.payment_id, 10_000, "a gesture", asker)
    arrives(attempt, *news, scheme)

    with pytest.raises(Disputed, match="disputes this payment"):
        request_refund(attempt.payment_id, 10_000, "another gesture", staff)
    if Refund.objects.get(pk=waiting.pk).is_requested:
        with pytest.raises(Disputed):
            approve_refund(waiting.pk, staff)


def test_what_is_owed_waits_and_goes_out_when_the_dispute_says_how_much(attempt):
    refund = create_refund(attempt, 30_000, "a rule", asked_by=None)
    arrives(attempt, "created", 1, amount=None)
    assert _claim(refund.pk) is None

    arrives(attempt, "under_review", 2, amount=50_000)

    assert _claim(refund.pk) is not None


def test_staff_say_how_much_is_disputed_and_the_rest_can_go_back(attempt, staff):
    arrives(attempt, "created", 1, amount=None)
    decide_dispute(Dispute.objects.get().pk, staff, amount_paise=50_000)
    assert request_refund(attempt.payment_id, 60_000, "the rest", staff).amount_paise == 60_000

    decide_dispute(Dispute.objects.get().pk, staff, status="LOST")

    assert balance(attempt) == 50_000
    assert DisputeUpdate.objects.filter(said_by=staff).count() == 2


def test_staff_say_what_a_word_means_and_later_news_counts_more(attempt, staff):
    arrives(attempt, "accepted", 1)
    with pytest.raises(Conflict):
        confirm_dispute(Dispute.objects.get().pk, staff)
    decide_dispute(Dispute.objects.get().pk, staff, status="LOST")
    assert balance(attempt) == PAID

    later = int(timezone.now().timestamp() * 1000) + 60_000 - NOW_MS
    arrives(attempt, "won", later)

    assert balance(attempt) == 0


def test_staff_cannot_say_more_than_came(attempt, staff):
    arrives(attempt, "created", 1)

    with pytest.raises(Refusal):
        decide_dispute(Dispute.objects.get().pk, staff, amount_paise=PAID + 1)


def test_a_case_that_staff_close_lets_refunds_go_again(attempt, staff):
    event = arrives(attempt, "lost", None, scheme="authorization")
    decide_dispute(Dispute.objects.get().pk, staff, status="WON")
    with pytest.raises(Disputed):
        request_refund(attempt.payment_id, 10_000, "a gesture", staff)

    close_event(event.pk, "the dashboard says that it is over", staff)

    assert request_refund(attempt.payment_id, 10_000, "a gesture", staff).amount_paise == 10_000


# --- Debts outlive a dispute ---------------------------------------------------------------------


def test_what_was_owed_when_the_bank_took_the_money_is_owed_again_when_it_is_back(attempt):
    """As often as the bank changes its mind; and no more than was owed."""
    create_refund(attempt, 30_000, "a gesture", asked_by=None)
    for minute, word in enumerate(["lost", "won", "lost", "won"]):
        arrives(attempt, word, minute)

    assert list(Refund.objects.exclude(state="FAILED").values_list("amount_paise", flat=True)) == [30_000]
    assert Booking.objects.get().status == "CONFIRMED"


@pytest.mark.parametrize("then", ["approved", "refused and won", "lost and won"])
def test_a_dispute_that_a_clerk_calls_won_sends_nothing_back_with_nobodys_approval(attempt, then):
    """What was owed stays a debt, whatever becomes of the request."""
    clerk, second = builders.make_user("clerk@example.com", is_staff=True), builders.make_superuser()
    create_refund(attempt, 30_000, "a gesture", asked_by=None)
    arrives(attempt, "lost", 0)

    decide_dispute(Dispute.objects.get().pk, clerk, status="WON")

    (request,) = Refund.objects.exclude(state="FAILED")
    assert (request.amount_paise, request.held_because) == (30_000, "SECOND_PERSON")
    assert request.asked_by == clerk
    if then == "approved":
        approve_refund(request.pk, second)
    elif then == "refused and won":
        withdraw_refund(request.pk, second)
        decide_dispute(Dispute.objects.get().pk, second, status="LOST")
        decide_dispute(Dispute.objects.get().pk, second, status="WON")
    else:
        decide_dispute(Dispute.objects.get().pk, second, status="LOST")
        decide_dispute(Dispute.objects.get().pk, second, status="WON")
    (owed,) = Refund.objects.exclude(state="FAILED")
    assert (owed.amount_paise, owed.held_because, owed.cut_paise) == (30_000, "", 0)
    assert sum(Refund.objects.values_list("cut_paise", flat=True)) == 0


def test_money_without_a_booking_that_a_clerk_calls_won_waits_for_a_second_person(paid, attempt):
    refund_without_booking(paid, "slot_gone", "the time was gone")
    arrives(attempt, "lost", 0)

    decide_dispute(Dispute.objects.get().pk, builders.make_user(is_staff=True), status="WON")

    (request,) = Refund.objects.exclude(state="FAILED")
    assert (request.amount_paise, request.held_because) == (PAID, "SECOND_PERSON")


def test_the_share_of_a_cancelled_booking_is_owed_again_and_no_more(attempt, settings):
    settings.REFUND_POLICY = [(48, 50)]
    cancel_booking(Booking.objects.select_related("checkout", "user").get(), "travelling")
    arrives(attempt, "lost", 1)
    arrives(attempt, "won", 2)

    (owed,) = Refund.objects.exclude(state="FAILED")
    assert (owed.amount_paise, owed.held_because) == (55_000, "")


def test_another_amount_that_goes_back_is_owed_again_when_the_bank_brings_it_back(cart, staff, paid):
    held = make_payment(None)
    apply_status(held.attempts.get().pk, completed(5_000), "worker")
    apply_status(held.attempts.get().pk, completed(5_000), "worker")
    return_after_review(held.pk, staff)
    arrives(held.attempts.get(), "lost", 1, amount=5_000)
    assert not held.refunds.exclude(state="FAILED").exists()
    arrives(held.attempts.get(), "won", 2, amount=5_000)

    assert held.refunds.exclude(state="FAILED").get().amount_paise == 5_000


def test_staff_hear_when_the_bank_takes_what_was_sent_back_already(attempt, settings):
    settings.STAFF_EMAILS = ["ops@example.com"]
    refund = create_refund(attempt, PAID, "cancelled", asked_by=None)
    _claim(refund.pk)
    arrives(attempt, "lost", 1)

    assert Notification.objects.filter(facts__rule="dispute_after_refund").exists()
    assert Payment.objects.get().refunds.get().state == "CREATED"
