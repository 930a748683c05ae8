"""Two people, or a person and PhonePe, move the money of one payment at the same moment."""

from functools import partial

import pytest

from booking.models import Booking
from payment.gateways import RefundStatus
from payment.models import Refund
from payment.phonepe.enums import ProviderStatus
from payment.services.outcomes import apply_status
from payment.services.refunds.outcomes import adopt_refund
from payment.services.refunds.requests import approve_refund, request_refund, withdraw_refund
from payment.states import RefundState
from tests.harness import builders, invariants
from tests.harness.races import at_once, while_uncommitted
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.services.refunds.test_amounts import LAWS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def attempt(cart, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 0
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return payment.attempts.select_related("payment").get()


@pytest.fixture
def approve(attempt, staff):
    """₹800 of ₹1,100, asked for by one person and approved by another."""
    waiting = request_refund(attempt.payment_id, 80_000, "a gesture", staff)
    other = builders.make_user("second@example.com", is_staff=True)
    return partial(approve_refund, waiting.pk, other)


@pytest.fixture
def dashboard(attempt):
    answer = RefundStatus(ProviderStatus.COMPLETED, amount_paise=60_000)
    return partial(adopt_refund, attempt, "DASH1", 60_000, answer, "webhook")


def live() -> int:
    return sum(Refund.objects.exclude(state=RefundState.FAILED).values_list("amount_paise", flat=True))


def assert_books_hold() -> None:
    assert invariants.violations(invariants.query, LAWS) == {}
    assert live() <= 110_000
    cancelled = Booking.objects.get().status == "CANCELLED"
    assert cancelled is (live() == 110_000)


def test_an_approval_that_waits_for_the_dashboards_refund_is_refused(attempt, approve, dashboard):
    said = while_uncommitted(dashboard, approve)

    assert getattr(said, "code", "") == "not_on_hold"
    assert_books_hold()


def test_a_refund_of_the_dashboard_that_waits_for_an_approval_cuts_what_was_approved(
    attempt, approve, dashboard
):
    while_uncommitted(approve, dashboard)

    assert_books_hold()
    assert live() == 110_000


@pytest.mark.parametrize("turn", range(3))
def test_whoever_is_faster_no_more_goes_back_than_came(attempt, approve, dashboard, turn):
    at_once(approve, dashboard)

    assert_books_hold()


def test_a_request_is_approved_or_refused_and_not_both(attempt, approve, staff):
    waiting = Refund.objects.get()
    at_once(approve, partial(withdraw_refund, waiting.pk, staff))

    waiting.refresh_from_db()
    assert (waiting.state, bool(waiting.approved_by)) in [("WAITING", True), ("FAILED", False)]
    assert Booking.objects.get().status == "CONFIRMED"
