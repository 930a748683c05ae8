"""What PhonePe tells by itself about refunds, of ours and of those made by hand in its dashboard."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from notifications.models import Notification
from payment.gateways import RefundStatus
from payment.models import Payment, Refund, WebhookEvent
from payment.phonepe.enums import ProviderStatus
from payment.services.outcomes import apply_status, fulfil
from payment.services.refunds.outcomes import adopt_refund, apply_refund_status
from payment.services.refunds.requests import create_refund
from payment.services.webhooks import process_event, receive_webhook
from payment.states import RefundState
from simulator.webhook_deliveries import authentication_headers
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def newest(phonepe):
    """PhonePe's newest call reaches us."""

    def arrives() -> WebhookEvent:
        delivery = phonepe.webhooks[-1]
        event = receive_webhook(authentication_headers(delivery), delivery.body.encode())
        process_event(event)
        return event

    return arrives


@pytest.mark.usefixtures("generation")
def test_a_webhook_about_a_refund_is_a_reason_to_ask(attempt, work, phonepe, newest):
    refund = create_refund(attempt, 30_000, "a gesture", asked_by=None)
    work()
    phonepe.advance_clock(10)

    event = newest()

    refund.refresh_from_db()
    assert (refund.state, event.refund, event.state) == (RefundState.COMPLETED, refund, "HANDLED")


def test_a_webhook_about_a_refund_that_phonepe_does_not_confirm_changes_nothing(
    attempt, work, phonepe, newest
):
    refund = create_refund(attempt, 30_000, "a gesture", asked_by=None)
    work()
    phonepe.advance_clock(10)
    phonepe.inject_fault("refund_status", "status_500", times=99)

    event = newest()

    refund.refresh_from_db()
    assert (refund.state, event.state) == (RefundState.PENDING, "RECEIVED")


def test_a_refund_made_in_the_dashboard_is_found_and_entered(paid, attempt, phonepe, newest, ledger):
    phonepe.refund_in_dashboard(attempt.merchant_order_id, 30_000)
    phonepe.advance_clock(10)

    event = newest()

    refund = Refund.objects.get()
    assert (refund.origin, refund.state, refund.amount_paise) == ("DASHBOARD", "COMPLETED", 30_000)
    assert (event.refund, event.state) == (refund, "HANDLED")
    assert ledger(paid) == [("RECEIPT", 110_000), ("REFUND", -30_000)]
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_a_full_refund_in_the_dashboard_cancels_the_booking(attempt, phonepe, newest):
    phonepe.refund_in_dashboard(attempt.merchant_order_id)
    phonepe.advance_clock(10)
    newest()

    assert Booking.objects.get().status == Booking.Status.CANCELLED


def test_the_same_news_of_the_dashboard_twice_is_one_refund(paid, attempt, phonepe, newest, ledger):
    phonepe.refund_in_dashboard(attempt.merchant_order_id, 30_000)
    phonepe.advance_clock(10)
    newest()
    newest()

    assert ledger(paid)[1:] == [("REFUND", -30_000)]


def test_what_the_dashboard_has_sent_is_not_sent_again_by_us(attempt, work, phonepe, newest):
    ours = create_refund(attempt, 110_000, "no place", asked_by=None)
    phonepe.refund_in_dashboard(attempt.merchant_order_id)
    phonepe.advance_clock(10)
    newest()

    ours.refresh_from_db()
    assert (ours.state, ours.code) == (RefundState.FAILED, "nothing_left")
    assert work() == 0


def test_a_refund_that_never_arrived_is_not_said_for_ever_when_the_dashboard_was_faster(
    attempt, work, phonepe, newest
):
    ours = create_refund(attempt, 110_000, "no place", asked_by=None)
    phonepe.inject_fault("refund", "reset_before")
    phonepe.inject_fault("refund_status", "status_500", times=9)
    work()
    phonepe.clear_faults()
    Refund.objects.update(sent_at=timezone.now() - timedelta(minutes=1))
    work()  # PhonePe does not know it
    phonepe.refund_in_dashboard(attempt.merchant_order_id)
    phonepe.advance_clock(10)
    newest()

    ours.refresh_from_db()
    assert (ours.state, ours.code) == (RefundState.FAILED, "nothing_left")
    assert work() == 0


@pytest.mark.usefixtures("generation")
def test_a_refund_that_phonepe_refuses_because_the_dashboard_was_faster_stays_owed_until_that_is_known(
    attempt, work, phonepe
):
    """The news of the dashboard is lost; PhonePe itself refuses to send more than came."""
    ours = create_refund(attempt, 110_000, "no place", asked_by=None)
    phonepe.refund_in_dashboard(attempt.merchant_order_id)
    work()
    work()

    ours.refresh_from_db()
    owed = Refund.objects.exclude(state=RefundState.FAILED).get()
    assert (owed.amount_paise, owed.state in (RefundState.WAITING, RefundState.CREATED)) == (110_000, True)


def test_a_dashboards_refund_may_run_beside_ours(attempt, work, phonepe):
    create_refund(attempt, 30_000, "a gesture", asked_by=None)
    work()

    adopt_refund(attempt, "FROM-DASHBOARD", 20_000, RefundStatus(ProviderStatus.PENDING, 20_000), "webhook")

    assert list(Refund.objects.values_list("state", flat=True)) == [RefundState.PENDING] * 2


def test_a_failed_refund_that_arrives_after_all_takes_its_replacement_back(attempt, work, ledger, paid):
    refund = create_refund(attempt, 110_000, "no place", asked_by=None)
    work()
    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.FAILED, 110_000), "worker")
    assert Refund.objects.filter(state=RefundState.WAITING).count() == 1

    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.COMPLETED, 110_000), "webhook")

    assert not Refund.objects.filter(state=RefundState.WAITING).exists()
    assert ledger(paid) == [("RECEIPT", 110_000), ("REFUND", -110_000)]


def test_the_ledger_says_what_went_back_and_not_what_was_asked_for(attempt, work, ledger, paid):
    refund = create_refund(attempt, 30_000, "a gesture", asked_by=None)
    work()

    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.COMPLETED, 20_000), "worker")

    assert ledger(paid)[1:] == [("REFUND", -20_000)]


def test_nothing_undoes_a_completed_refund(attempt, work, ledger, paid):
    refund = create_refund(attempt, 30_000, "a gesture", asked_by=None)
    work()
    for state in (
        ProviderStatus.COMPLETED,
        ProviderStatus.FAILED,
        ProviderStatus.PENDING,
        ProviderStatus.NOT_FOUND,
        ProviderStatus.UNKNOWN,
    ):
        apply_refund_status(refund.pk, RefundStatus(state, 30_000), "webhook")

    refund.refresh_from_db()
    assert refund.state == RefundState.COMPLETED
    assert ledger(paid)[1:] == [("REFUND", -30_000)]


def test_money_sent_back_in_the_dashboard_before_it_was_booked_is_not_booked(cart):
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    apply_status(attempt.pk, completed(), "worker")
    Booking.objects.all().delete()
    Payment.objects.update(fulfilment="DUE", fulfil_at=timezone.now())
    attempt.refresh_from_db()

    answer = RefundStatus(ProviderStatus.COMPLETED, amount_paise=110_000)
    adopt_refund(attempt, "DASH1", 110_000, answer, "webhook")
    fulfil(payment.pk)

    assert not Booking.objects.exists()
    assert Payment.objects.get().fulfilment == "REFUNDED"


def test_what_the_dashboard_left_of_a_refund_is_requested_again(attempt):
    create_refund(attempt, 110_000, "the time was gone", asked_by=None)

    answer = RefundStatus(ProviderStatus.COMPLETED, amount_paise=50_000)
    adopt_refund(attempt, "DASH1", 50_000, answer, "webhook")

    promised = attempt.refunds.exclude(state=RefundState.FAILED).order_by("pk")
    assert list(promised.values_list("amount_paise", "state")) == [
        (50_000, RefundState.COMPLETED),
        (60_000, RefundState.WAITING),
    ]


CONFIRMED, FAILED = RefundStatus(ProviderStatus.CONFIRMED), RefundStatus(ProviderStatus.FAILED)


def test_what_the_dashboard_took_over_and_could_not_send_is_owed_again_and_a_person_looks_at_it(
    attempt, settings
):
    settings.STAFF_EMAILS = ["ops@example.com"]
    Booking.objects.update(status=Booking.Status.CANCELLED)
    ours = create_refund(attempt, 110_000, "cancelled", asked_by=None)
    theirs = adopt_refund(attempt, "DASH1", 110_000, CONFIRMED, "webhook")
    apply_refund_status(theirs.pk, FAILED, "worker")

    ours.refresh_from_db()
    owed = attempt.refunds.exclude(state=RefundState.FAILED).get()
    assert ours.state == RefundState.FAILED
    assert (owed.amount_paise, owed.state, owed.held_because) == (110_000, "WAITING", "FAILED_OFTEN")
    assert Notification.objects.filter(kind="alert", facts__rule="refund_failed_often").exists()


def test_a_booking_that_a_refund_of_the_dashboard_has_cancelled_is_owed_its_money_when_that_fails(attempt):
    theirs = adopt_refund(attempt, "DASH1", 110_000, CONFIRMED, "webhook")
    assert Booking.objects.get().status == Booking.Status.CANCELLED
    apply_refund_status(theirs.pk, FAILED, "worker")

    assert attempt.refunds.exclude(state=RefundState.FAILED).get().amount_paise == 110_000


@pytest.mark.parametrize("told", [[FAILED], [CONFIRMED, FAILED]])
def test_a_gesture_of_the_dashboard_that_fails_owes_nothing_to_who_has_a_booking(attempt, told):
    theirs = adopt_refund(attempt, "DASH1", 30_000, told[0], "webhook")
    for answer in told:
        apply_refund_status(theirs.pk, answer, "worker")

    assert attempt.refunds.get().state == RefundState.FAILED
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_an_id_that_a_refund_has_already_is_not_given_to_the_next(attempt):
    """Our own refund of a day that was lost with the database, found again."""
    answer = RefundStatus(ProviderStatus.COMPLETED, amount_paise=10_000)
    adopt_refund(attempt, f"R1-{attempt.merchant_order_id}", 10_000, answer, "webhook")

    assert create_refund(attempt, 10_000, "a gesture", asked_by=None).merchant_refund_id.startswith("R2-")


def test_less_than_a_rupee_is_no_refund_of_phonepe_and_is_left_to_staff(attempt):
    answer = RefundStatus(ProviderStatus.COMPLETED, amount_paise=50)

    assert adopt_refund(attempt, "DASH1", 50, answer, "webhook") is None
    assert not Refund.objects.exists()
