"""What is owed, and what is only requested: two sums, and only the first decides anything."""

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from booking.models import Booking
from core.errors import Conflict, Refusal
from payment.gateways import RefundStatus
from payment.models import LedgerEntry, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.phonepe.enums import ProviderStatus
from payment.services.disputes import decide_dispute
from payment.services.outcomes import apply_status
from payment.services.refunds.amounts import (
    free_until,
    is_returned_twice,
    policy_share,
    refundable_paise,
    remaining_paise,
    sendable_paise,
    share_ends_at,
)
from payment.services.refunds.outcomes import adopt_refund, apply_refund_status
from payment.services.refunds.requests import (
    approve_refund,
    awaits_refund_of_all,
    cancel_booking,
    request_refund,
    withdraw_refund,
)
from payment.services.refunds.sending import _claim
from payment.services.webhooks import process_event
from payment.states import RefundState
from tests.harness import PROOFS, builders, invariants
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db

PAID = 2_000_000
COMPLETED, FAILED = ProviderStatus.COMPLETED, ProviderStatus.FAILED


@pytest.fixture
def paid(alice, slot, settings):
    """₹20,000, booked. Whatever staff ask for waits for a second person."""
    settings.REFUND_SECOND_PERSON_ABOVE = 0
    package = builders.make_package(slot.service, rupees=20_000)
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(PAID), "worker")
    return Payment.objects.get(pk=payment.pk)


@pytest.fixture
def request_rupees(paid, staff):
    return lambda rupees: request_refund(paid.pk, rupees * 100, "a gesture", staff)


@pytest.fixture
def other():
    return builders.make_user("second@example.com", is_staff=True)


@pytest.fixture
def dashboard(paid):
    """A refund that somebody makes by hand in PhonePe's dashboard."""
    numbers = count(1)

    def send(rupees: int, state: ProviderStatus = COMPLETED) -> Refund:
        answer = RefundStatus(state, amount_paise=rupees * 100)
        return adopt_refund(paid.attempts.get(), f"DASH{next(numbers)}", rupees * 100, answer, "webhook")

    return send


def booking() -> str:
    return Booking.objects.get().status


def live() -> list[tuple[int, str]]:
    rows = Refund.objects.exclude(state=RefundState.FAILED).order_by("pk")
    return [(row.amount_paise // 100, "requested" if row.is_requested else "owed") for row in rows]


def test_a_booking_stands_when_the_large_request_beside_the_approved_one_is_refused(request_rupees, other):
    large, small = request_rupees(15_000), request_rupees(5_000)

    approve_refund(small.pk, other)
    assert booking() == "CONFIRMED"
    withdraw_refund(large.pk, other)

    assert booking() == "CONFIRMED"
    assert live() == [(5_000, "owed")]


def test_a_booking_ends_when_the_last_piece_of_all_its_money_is_approved(request_rupees, other):
    large, small = request_rupees(15_000), request_rupees(5_000)
    approve_refund(small.pk, other)
    approve_refund(large.pk, other)

    assert booking() == "CANCELLED"


def test_requests_limit_requests(request_rupees):
    request_rupees(15_000)

    with pytest.raises(Refusal):
        request_rupees(5_001)


def test_a_refund_in_the_dashboard_ends_requests_before_it_cuts_what_is_owed(
    request_rupees, dashboard, other
):
    owed, waiting = request_rupees(8_000), request_rupees(12_000)
    approve_refund(owed.pk, other)

    dashboard(12_000)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.code) == (RefundState.FAILED, "superseded")
    assert live() == [(8_000, "owed"), (12_000, "owed")]
    assert booking() == "CANCELLED"


def test_a_request_that_still_fits_beside_a_refund_of_the_dashboard_goes_on_waiting(
    request_rupees, dashboard
):
    request_rupees(15_000)
    request_rupees(5_000)

    dashboard(10_000)

    assert live() == [(5_000, "requested"), (10_000, "owed")]


def test_a_request_for_more_than_is_left_is_refused_with_a_sentence(request_rupees, other, dashboard):
    """However it came about: here by a row that was changed by hand."""
    waiting = request_rupees(15_000)
    dashboard(2_000)
    Refund.objects.filter(pk=waiting.pk).update(amount_paise=1_900_000)

    with pytest.raises(Refusal, match=r"Only ₹18,000\.00"):
        approve_refund(waiting.pk, other)


def test_a_request_holds_nothing_back_of_what_a_failed_refund_owes(request_rupees, other):
    owed = request_rupees(5_000)
    approve_refund(owed.pk, other)
    request_rupees(15_000)
    _claim(owed.pk)

    apply_refund_status(owed.pk, RefundStatus(FAILED), "worker")

    assert live() == [(15_000, "requested"), (5_000, "owed")]


def test_what_the_dashboard_ended_and_could_not_send_is_owed_whole_and_a_person_looks_at_it(
    request_rupees, other, dashboard
):
    owed = request_rupees(5_000)
    approve_refund(owed.pk, other)
    theirs = dashboard(18_000, ProviderStatus.CONFIRMED)
    assert (live(), booking()) == ([(18_000, "owed"), (2_000, "owed")], "CANCELLED")

    apply_refund_status(theirs.pk, RefundStatus(FAILED), "worker")

    assert live() == [(2_000, "owed"), (18_000, "owed")]
    assert Refund.objects.latest("pk").held_because == Refund.Hold.FAILED_OFTEN


@pytest.mark.parametrize(("left", "sendable"), [(0, 0), (99, 0), (100, 100), (101, 101)])
def test_less_than_a_rupee_is_not_sendable(paid, left, sendable):
    attempt = paid.attempts.get()
    attempt.received_paise = left

    assert (remaining_paise(attempt), sendable_paise(attempt)) == (left, sendable)


@pytest.mark.parametrize(("received", "twice"), [(4_999, True), (5_000, False), (5_001, False)])
def test_more_on_its_way_back_than_came_is_returned_twice(paid, dashboard, received, twice):
    dashboard(50)
    attempt = paid.attempts.get()
    attempt.received_paise = received

    assert is_returned_twice(attempt) is twice


@pytest.mark.parametrize(("rupees", "is_all"), [(15_000, True), (14_999, False)])
def test_beside_a_chargeback_a_request_for_the_rest_is_one_for_all(paid, request_rupees, rupees, is_all):
    attempt = paid.attempts.get()
    LedgerEntry.objects.create(
        payment=paid, attempt=attempt, kind="CHARGEBACK", amount_paise=-500_000, reference="D1"
    )
    request_rupees(rupees)

    assert awaits_refund_of_all(attempt) is is_all


@pytest.mark.parametrize(
    ("policy", "hours"), [([(72, 100), (48, 100), (24, 50), (0, 0)], 48), ([(24, 50), (0, 0)], None)]
)
def test_a_cancellation_is_free_until_the_last_hour_that_gives_everything_back(paid, policy, hours, settings):
    settings.REFUND_POLICY = policy
    booked = Booking.objects.get()

    assert free_until(booked) == (booked.starts_at - timedelta(hours=hours) if hours else None)


@pytest.mark.parametrize(("hours", "last"), [(100, 48), (48, 48), (30, 24), (24, 24), (10, None)])
def test_a_cancellation_gives_the_same_back_until_the_end_of_its_step(paid, hours, last, settings):
    settings.REFUND_POLICY = ((48, 100), (24, 50), (0, 0))
    booked = Booking.objects.get()

    end = share_ends_at(booked, PAID, booked.starts_at - timedelta(hours=hours))

    assert end == (last and booked.starts_at - timedelta(hours=last))


def test_a_booking_that_the_temple_moved_is_free_up_to_the_last_moment_and_not_after_it(paid, settings):
    settings.REFUND_POLICY = [(24, 50), (0, 0)]
    booked = Booking.objects.get()
    last = booked.free_until = booked.starts_at - timedelta(hours=1)

    assert policy_share(booked, PAID, last) == PAID
    assert policy_share(booked, PAID, last + timedelta(microseconds=1)) == 0


# --- Whatever happens, in whatever order ---------------------------------------------------------

LAWS = {
    "what was not sent yet fits beside what is gone": """
        SELECT attempt.id FROM payment_paymentattempt attempt WHERE (
            SELECT coalesce(sum(amount_paise), 0) FROM payment_refund refund WHERE refund.attempt_id = attempt.id
            AND refund.state <> 'FAILED' AND refund.sent_at IS NULL
        ) > (SELECT CASE WHEN room < 0 THEN 0 ELSE room END FROM (SELECT attempt.received_paise
            + (SELECT coalesce(sum(amount_paise), 0) FROM payment_ledgerentry entry
               WHERE entry.attempt_id = attempt.id AND entry.kind = 'CHARGEBACK')
            - (SELECT coalesce(sum(amount_paise), 0) FROM payment_refund refund
               WHERE refund.attempt_id = attempt.id AND refund.state <> 'FAILED'
               AND refund.sent_at IS NOT NULL) AS room) AS left_over)
    """,
    "no more is sent back than came": invariants.LAWS["no more goes back than came"],
    "a refund stands in the ledger when it has come through": invariants.LAWS[
        "a refund stands in the ledger when it has come through, and not before"
    ],
    "who has cancelled holds no place": invariants.LAWS[
        "who has a booking has a place, and who has cancelled has none"
    ],
}
RUPEES = st.sampled_from([1, 500, 2_000, 5_000, 9_999, 15_000, 20_000])
ALL_THAT_IS_LEFT = st.none()  # two requests that are all of it together are what goes wrong
NTH = st.integers(0, 3)
STEPS = st.one_of(
    st.tuples(st.just("request"), RUPEES | ALL_THAT_IS_LEFT),
    st.tuples(st.just("approve"), NTH),
    st.tuples(st.just("refuse"), NTH),
    st.tuples(st.just("dashboard"), RUPEES, st.sampled_from([COMPLETED, ProviderStatus.CONFIRMED, FAILED])),
    st.tuples(st.just("send"), NTH),
    st.tuples(st.just("end"), NTH, st.sampled_from([COMPLETED, FAILED])),
    st.tuples(st.just("dispute"), st.sampled_from(["created", "lost", "won"]), RUPEES),
    st.tuples(st.just("staff_say"), st.sampled_from(["LOST", "WON"]), RUPEES),
    st.tuples(st.just("cancel")),
)

REQUESTS = st.lists(st.tuples(st.just("request"), RUPEES | ALL_THAT_IS_LEFT), max_size=2)
LIVES = st.builds(
    lambda requests, steps: requests + steps, REQUESTS, st.lists(STEPS, min_size=1, max_size=10)
)


@dataclass
class Life:
    """What is done to one payment, and what must be so after each step. `decided`: in paise, by people and rules."""

    attempt: PaymentAttempt
    asker: object
    approver: object
    decided: int = 0
    must_be_cancelled: bool = False
    numbers: count = field(default_factory=lambda: count(1))

    def do(self, name: str, *how) -> None:
        with suppress(Conflict, Refusal):
            getattr(self, name)(*how)

    def request(self, rupees: int | None) -> None:
        request_refund(self.attempt.payment_id, rupees and rupees * 100, "a gesture", self.asker)

    def approve(self, nth: int) -> None:
        if refund := self.pick(nth, Refund.objects.filter(held_because="SECOND_PERSON", state="WAITING")):
            approve_refund(refund.pk, self.approver)
            self.decided += refund.amount_paise
            self.all_may_be_back()
        elif refund := self.pick(nth, Refund.objects.filter(held_because="FAILED_OFTEN", state="WAITING")):
            approve_refund(refund.pk, self.approver)

    def refuse(self, nth: int) -> None:
        if refund := self.pick(nth, Refund.objects.filter(held_because="SECOND_PERSON", state="WAITING")):
            withdraw_refund(refund.pk, self.approver)

    def dashboard(self, rupees: int, state: ProviderStatus) -> None:
        """PhonePe sends no more than it has."""
        gone = Refund.objects.exclude(state="FAILED").filter(sent_at__isnull=False)
        paise = min(rupees * 100, PAID - sum(gone.values_list("amount_paise", flat=True)))
        answer, name = RefundStatus(state, amount_paise=paise), f"DASH{next(self.numbers)}"
        if paise >= 100:
            adopt_refund(self.read(), name, paise, answer, "webhook")
        if paise >= 100 and state is not FAILED:
            self.all_may_be_back()

    def send(self, nth: int) -> None:
        if refund := self.pick(nth, Refund.objects.filter(state="WAITING", held_because="")):
            _claim(refund.pk)

    def end(self, nth: int, state: ProviderStatus) -> None:
        sent = Refund.objects.exclude(state__in=("COMPLETED", "FAILED")).filter(sent_at__isnull=False)
        if refund := self.pick(nth, sent):
            apply_refund_status(refund.pk, RefundStatus(state), "worker")

    def dispute(self, word: str, rupees: int) -> None:
        number = next(self.numbers)
        payload = {
            "disputeId": "DSP1",
            "merchantOrderId": self.attempt.merchant_order_id,
            "disputeAmount": rupees * 100,
            "updatedAt": 1_781_150_400_000 + number,
        }
        event = WebhookEvent.objects.create(
            digest=str(number),
            scheme="hmac",
            body=json.dumps({"event": f"payment.dispute.{word}", "payload": payload}).encode(),
            event=f"payment.dispute.{word}",
            claimed_state="UNKNOWN",
            attempt=self.attempt,
            next_check_at=timezone.now(),
        )
        process_event(event)

    def staff_say(self, status: str, rupees: int) -> None:
        if dispute := self.attempt.disputes.first():
            decide_dispute(dispute.pk, self.approver, status=status, amount_paise=rupees * 100)

    def cancel(self) -> None:
        row = Booking.objects.select_related("checkout", "user").get()
        if refund := cancel_booking(row, "travelling"):
            self.decided += refund.amount_paise
        self.must_be_cancelled = True

    def all_may_be_back(self) -> None:
        self.must_be_cancelled |= remaining_paise(self.read()) == 0

    def read(self) -> PaymentAttempt:
        return PaymentAttempt.objects.select_related("payment").get(pk=self.attempt.pk)

    @staticmethod
    def pick(nth: int, rows) -> Refund | None:
        rows = list(rows.order_by("pk"))
        return rows[nth % len(rows)] if rows else None

    def check(self) -> None:
        assert invariants.violations(invariants.query, LAWS) == {}
        assert (booking() == "CANCELLED") is self.must_be_cancelled
        ours = Refund.objects.exclude(state="FAILED").filter(origin="SHOP")
        stands = sum(row.amount_paise for row in ours if not row.is_requested)
        stands += sum(Refund.objects.values_list("cut_paise", flat=True))
        assert stands >= self.decided, "a debt stands in no row"
        assert refundable_paise(self.read()) <= remaining_paise(self.read())


@pytest.mark.slow
@settings(
    max_examples=120 if PROOFS else 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=LIVES)
def test_the_two_sums_hold_in_any_order_of_requests_approvals_refunds_and_disputes(paid, staff, other, steps):
    with transaction.atomic():
        life = Life(paid.attempts.get(), staff, other)
        for name, *how in steps:
            life.do(name, *how)
            life.check()
        transaction.set_rollback(True)
