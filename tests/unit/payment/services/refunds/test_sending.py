"""From the promise to the money: said once, then asked about. PhonePe is the simulated one, on its real wire."""

from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from booking.models import Booking
from payment.gateways import RefundStatus
from payment.models import GatewayCall, Refund
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.transport import Deadline
from payment.services import leases
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import cancel_booking, create_refund, request_refund
from payment.services.refunds.sending import next_check_time, send_or_poll
from payment.states import Fulfilment, RefundState
from simulator.models import Refund as SimulatedRefund
from tests.harness import races
from tests.system.interleavings.line import Line
from tests.unit.payment.scripted_gateway import REFUSED
from worker import jobs as background

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

LONG_AGO = timedelta(minutes=2)


@pytest.fixture
def owed(attempt):
    return create_refund(attempt, 30_000, "a gesture", asked_by=None)


@pytest.fixture
def line(settings):
    settings.SIMULATOR_ADAPTER = "tests.system.interleavings.line.Line"
    yield Line
    Line.clear()


def state(refund: Refund) -> str:
    return Refund.objects.get(pk=refund.pk).state


def told_phonepe(operation: str) -> int:
    return GatewayCall.objects.filter(operation=operation).count()


def sent_long_ago() -> None:
    Refund.objects.filter(sent_at__isnull=False).update(sent_at=timezone.now() - LONG_AGO)


@pytest.mark.usefixtures("generation")
def test_a_requested_refund_is_sent_its_status_fetched_and_entered(owed, paid, work, phonepe, ledger):
    work()
    assert state(owed) == RefundState.PENDING

    phonepe.advance_clock(10)
    work()

    refund = Refund.objects.get()
    assert refund.state == RefundState.COMPLETED
    assert refund.provider_refund_id
    assert refund.next_check_at is None
    assert ledger(paid) == [("RECEIPT", 110_000), ("REFUND", -30_000)]
    assert (told_phonepe("refund"), SimulatedRefund.objects.count()) == (1, 1)
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_every_move_of_a_refund_stands_in_the_timeline_with_its_rule(owed, paid, work, phonepe):
    work()
    phonepe.advance_clock(10)
    work()

    rules = paid.changes.filter(subject="refund").values_list("rule", flat=True)
    assert list(rules) == ["refund_promised", "refund_sent", "phonepe_says_pending", "money_went_back"]


@pytest.mark.usefixtures("generation")
def test_a_refund_that_was_never_sent_is_said_again_under_the_same_id(owed, work, phonepe):
    phonepe.inject_fault("refund", "refuse", times=99)
    work()
    assert (state(owed), Refund.objects.get().is_with_phonepe) == (RefundState.CREATED, False)

    phonepe.clear_faults()
    work()

    assert state(owed) == RefundState.PENDING
    assert SimulatedRefund.objects.get().merchant_refund_id == owed.merchant_refund_id


@pytest.mark.usefixtures("generation")
def test_a_worker_that_slept_and_failed_does_not_unsay_what_another_has_said(owed, line):
    def refuse(request):
        raise REFUSED

    def another_worker(request):
        sent_long_ago()
        for _ in range(2):  # asks: "not found"; says it
            send_or_poll(Refund.objects.get(), Deadline(5))
        line.before["refund"].extend([refuse] * 9)
        refuse(request)

    line.before["refund"].append(another_worker)

    send_or_poll(owed, Deadline(2))

    assert (state(owed), Refund.objects.get().is_with_phonepe) == (RefundState.PENDING, True)
    assert SimulatedRefund.objects.count() == 1


@pytest.mark.usefixtures("generation")
@pytest.mark.parametrize("fault", ["reset_after", "status_500", "html", "cut_json"])
def test_a_refund_whose_answer_is_lost_is_never_said_twice(owed, work, phonepe, fault):
    phonepe.inject_fault("refund", fault, times=99, carried_out=True)
    for question in ("status", "refund_status"):  # V1 has one address for both
        phonepe.inject_fault(question, "status_500", times=99)
    work()
    assert (state(owed), told_phonepe("refund")) == (RefundState.UNKNOWN, 1)

    phonepe.clear_faults()
    phonepe.advance_clock(10)
    work()

    assert state(owed) == RefundState.COMPLETED
    assert (told_phonepe("refund"), SimulatedRefund.objects.count()) == (1, 1)


def test_a_worker_killed_before_it_called_leaves_a_question_and_then_the_same_id_is_said(owed, work):
    assert leases._claim("refunds", owed.pk, leases.LEASE)
    Refund.objects.update(state=RefundState.CREATED, sent_at=timezone.now())  # … and it was killed here

    work()
    assert told_phonepe("refund") == 0, "right after it may have been sent, not found means nothing"

    sent_long_ago()
    work()
    work()

    assert (state(owed), told_phonepe("refund")) == (RefundState.PENDING, 1)


def test_a_worker_killed_after_it_called_sends_nothing_twice(owed, work, phonepe):
    work()
    Refund.objects.update(state=RefundState.CREATED)  # its answer was never written down
    phonepe.advance_clock(10)

    work()

    assert (state(owed), told_phonepe("refund")) == (RefundState.COMPLETED, 1)


def test_one_refund_of_an_order_after_the_other(attempt, owed, work, phonepe):
    second = create_refund(attempt, 20_000, "another gesture", asked_by=None)
    work()
    assert (state(owed), state(second)) == (RefundState.PENDING, RefundState.WAITING)

    phonepe.advance_clock(10)
    work()
    assert (state(owed), state(second)) == (RefundState.COMPLETED, RefundState.WAITING)
    assert Refund.objects.get(pk=second.pk).next_check_at <= timezone.now(), "its turn has come"

    work()
    phonepe.advance_clock(10)
    work()
    assert state(second) == RefundState.COMPLETED


@pytest.mark.usefixtures("generation")
def test_a_refund_that_failed_is_sent_again_under_another_id(owed, work, phonepe, ledger, paid):
    phonepe.inject_fault("money_back", "fails")
    work()
    phonepe.advance_clock(10)
    work()

    again = Refund.objects.get(replaces=owed)
    assert (state(owed), again.state, again.amount_paise) == (RefundState.FAILED, RefundState.WAITING, 30_000)
    assert again.merchant_refund_id != owed.merchant_refund_id
    assert again.next_check_at > timezone.now(), "not at once: what made it fail may last"

    work()
    phonepe.advance_clock(10)
    work()
    assert state(again) == RefundState.COMPLETED
    assert ledger(paid)[1:] == [("REFUND", -30_000)]


def test_after_three_ids_a_person_must_find_out_why(owed, work, phonepe):
    phonepe.inject_fault("money_back", "fails", times=3)
    for _ in range(6):
        work()
        phonepe.advance_clock(10)

    last = Refund.objects.first()
    assert Refund.objects.filter(state=RefundState.FAILED).count() == 3
    assert (last.state, last.held_because, last.amount_paise) == ("WAITING", "FAILED_OFTEN", 30_000)
    assert work() == 0, "it does not go out by itself"


def test_what_can_be_no_booking_is_at_rest_when_the_money_is_back(paid, attempt, work, phonepe):
    paid.__class__.objects.update(fulfilment=Fulfilment.REFUND_DUE)
    create_refund(attempt, 110_000, "no place", asked_by=None)
    work()
    paid.refresh_from_db()
    assert paid.fulfilment == Fulfilment.REFUND_DUE

    phonepe.advance_clock(10)
    work()

    paid.refresh_from_db()
    assert paid.fulfilment == Fulfilment.REFUNDED


def test_without_its_merchant_a_refund_is_parked_and_waits(owed, work, settings):
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = "auto"

    work()

    refund = Refund.objects.get()
    assert (refund.state, refund.is_with_phonepe) == (RefundState.CREATED, False)
    assert refund.next_check_at > timezone.now()
    assert told_phonepe("refund") == 0, "no other merchant's PhonePe hears of it"


def test_the_older_a_refund_the_rarer_the_question(owed):
    owed.created_at = timezone.now()
    seconds = []
    for age in (1, 400, 86_400 * 10):
        now = owed.created_at + timedelta(seconds=age)
        seconds.append((next_check_time(owed, now) - now).total_seconds())

    assert seconds == [10, 100, 6 * 3600]


def test_a_refund_that_has_ended_is_not_looked_at(owed):
    owed.state = RefundState.COMPLETED

    assert next_check_time(owed, timezone.now()) is None


def test_a_refund_on_hold_is_not_sent_by_whoever_comes(owed):
    Refund.objects.update(held_because=Refund.Hold.SECOND_PERSON)

    send_or_poll(Refund.objects.get(), Deadline(5))

    assert (state(owed), told_phonepe("refund")) == (RefundState.WAITING, 0)


def test_three_workers_at_once_send_a_refund_once(owed):
    races.at_once(*[partial(background.run_due, ["refunds"])] * 3)

    assert (told_phonepe("refund"), SimulatedRefund.objects.count()) == (1, 1)
    assert state(owed) == RefundState.PENDING


def test_a_worker_that_lost_its_lease_does_not_send_what_another_is_sending(owed):
    """Both hold the row as it was before either of them began."""
    races.at_once(*[partial(send_or_poll, Refund.objects.get(pk=owed.pk), Deadline(5)) for _ in range(2)])

    assert (told_phonepe("refund"), SimulatedRefund.objects.count()) == (1, 1)


def test_worker_and_webhook_at_once_enter_a_refund_once(owed, paid, work, ledger):
    work()
    arrived = RefundStatus(ProviderStatus.COMPLETED, 30_000)

    races.at_once(*(partial(apply_refund_status, owed.pk, arrived, who) for who in ("worker", "webhook")))

    assert ledger(paid) == [("RECEIPT", 110_000), ("REFUND", -30_000)]


def test_a_cancellation_and_a_refund_at_once_refund_no_more_than_came(paid, staff):
    booking = Booking.objects.get()

    races.at_once(
        partial(cancel_booking, booking, "travelling"),
        partial(request_refund, paid.pk, 50_000, "a gesture", staff),
    )

    assert sum(Refund.objects.values_list("amount_paise", flat=True)) == 110_000
    assert Booking.objects.get().status == Booking.Status.CANCELLED
