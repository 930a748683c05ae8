"""Money that staff take or give back themselves: booked as any other, counted by its person, never sent to PhonePe."""

import uuid
from datetime import date, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Booking, Cart, Slot
from booking.services.places import SlotFull
from core.errors import Conflict, InvalidField
from notifications.models import Notification
from payment.models import CashClosing, GatewayCall, LedgerEntry, ManualEntry, Payment, PaymentAttempt, Refund
from payment.phonepe.transport import Deadline
from payment.reconciliation.days import yesterday
from payment.reconciliation.invariants import find_violations, totals
from payment.reconciliation.runs import compare
from payment.reconciliation.settlement import read
from payment.services.by_hand import (
    AlreadyEntered,
    CashChanged,
    ManualPayment,
    NothingToClose,
    SamePerson,
    book_by_hand,
    close_cash,
    confirm_cash,
    count_again,
    give_back_by_hand,
    open_cash,
)
from payment.services.gateway_calls import ByHand
from payment.services.monitoring import check_cash, uncounted_cash
from payment.services.personal_data import export_person
from payment.services.receipts import receipt_document, receipt_of
from payment.services.refunds.requests import approve_refund, cancel_booking, request_refund
from payment.services.refunds.sending import send_or_poll
from payment.services.status import poll
from payment.states import Fulfilment, PaymentState, RefundState
from tests.harness import builders, races
from tests.harness.invariants import query, violations
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)

Means = ManualEntry.Means


@pytest.fixture
def cashier(db):
    return builders.make_superuser()


@pytest.fixture
def colleague(db):
    return builders.make_user("colleague@example.com", is_staff=True, is_superuser=True)


@pytest.fixture(autouse=True)
def sound():
    yield
    assert find_violations() == []
    assert violations(query) == {}


@pytest.fixture
def choice(package, slot):
    start = timezone.localtime(slot.starts_at)
    return {
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": start.date(),
        "selected_time": start.time(),
        "devotee_names": "Alice and her mother",
    }


def cash(by, key=None, reference=""):
    return ManualPayment(Means.CASH, reference, by, key or uuid.uuid4())


def transfer(by, reference="616200000042", key=None):
    return ManualPayment(Means.TRANSFER, reference, by, key or uuid.uuid4())


def test_cash_becomes_a_booking_with_its_place_and_receipt_at_once(alice, choice, cashier, slot):
    booking = book_by_hand(alice, choice, cash(cashier))

    payment = booking.checkout.payment
    assert (payment.state, payment.fulfilment, payment.method) == (
        PaymentState.SUCCESS,
        Fulfilment.BOOKED,
        "CASH",
    )
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 1)
    entry = payment.ledger.get()
    assert (entry.kind, entry.amount_paise, entry.by_hand.person) == ("CASH", 110_000, cashier)
    assert booking.checkout.devotee_names == "Alice and her mother"
    assert Notification.objects.filter(kind="booked", user=alice).exists()
    assert str(receipt_document(receipt_of(payment)).paid_by) == "cash"
    assert payment.changes.filter(rule="paid_by_hand", detail=f"by user {cashier.pk}").exists()


def test_a_transfer_stands_in_the_ledger_as_one_and_is_found_by_its_reference(alice, choice, cashier):
    booking = book_by_hand(alice, choice, transfer(cashier, " utr 6162 00000042 "))

    entry = booking.checkout.payment.ledger.get()
    assert (entry.kind, entry.by_hand.reference) == ("TRANSFER", "UTR616200000042")
    assert totals(simulated=booking.checkout.payment.simulated)["transfer_paise"] == 110_000


def test_the_same_form_twice_is_one_booking(alice, choice, cashier):
    taken = cash(cashier)
    assert book_by_hand(alice, choice, taken) == book_by_hand(alice, choice, taken)
    assert (Booking.objects.count(), LedgerEntry.objects.count()) == (1, 1)


@pytest.mark.postgresql
def test_the_same_form_twice_at_once_is_one_booking(alice, choice, cashier):
    taken = cash(cashier)
    first, second = races.at_once(*[lambda: book_by_hand(alice, choice, taken)] * 2)

    assert first == second
    assert Booking.objects.count() == 1


@pytest.mark.postgresql
def test_two_people_who_pay_for_the_last_place_at_once_are_one_booking(alice, charlie, choice, cashier, slot):
    Slot.objects.filter(pk=slot.pk).update(capacity=1)
    answers = races.at_once(
        lambda: book_by_hand(alice, choice, cash(cashier)),
        lambda: book_by_hand(charlie, choice, cash(cashier)),
    )

    assert sorted(type(each).__name__ for each in answers) == ["Booking", "SlotFull"]
    assert LedgerEntry.objects.count() == 1
    assert Payment.objects.count() == 1  # nothing is left of the other one


def test_no_money_is_taken_for_a_time_that_is_full(alice, charlie, choice, cashier, slot):
    Slot.objects.filter(pk=slot.pk).update(capacity=1)
    book_by_hand(alice, choice, cash(cashier))
    with pytest.raises(SlotFull):
        book_by_hand(charlie, choice, cash(cashier))

    assert not Payment.objects.filter(user=charlie).exists()
    assert not Cart.objects.filter(user=charlie).exists()


def test_one_bank_reference_pays_one_booking(alice, charlie, choice, cashier):
    book_by_hand(alice, choice, transfer(cashier))
    with pytest.raises(AlreadyEntered):
        book_by_hand(charlie, choice, transfer(cashier, "6162 0000 0042"))

    assert Booking.objects.count() == 1


def test_a_transfer_needs_its_reference(alice, choice, cashier):
    with pytest.raises(InvalidField):
        book_by_hand(alice, choice, transfer(cashier, "  "))


def test_the_cart_that_somebody_is_filling_at_home_stays(alice, cart, choice, cashier):
    book_by_hand(alice, choice, cash(cashier))

    cart.refresh_from_db()
    assert cart.status == Cart.Status.ACTIVE


def test_phonepe_is_never_asked_about_it(alice, choice, cashier, phonepe):
    booking = book_by_hand(alice, choice, cash(cashier))
    attempt = PaymentAttempt.objects.get()
    with pytest.raises(ByHand):
        poll(attempt, Deadline(5), "test")
    refund = cancel_booking(booking, "ill", by=cashier, in_full=True)
    send_or_poll(refund, Deadline(5))
    while run_due(["attempts", "refunds", "events", "fulfilments", "holds"]):
        pass

    assert not GatewayCall.objects.exists()
    assert Refund.objects.get().sent_at is None


def test_it_is_no_difference_to_phonepes_books(alice, choice, cashier):
    booking = book_by_hand(alice, choice, cash(cashier))
    moved = timezone.now() - timedelta(days=1)
    for rows in (PaymentAttempt, LedgerEntry, Payment, Booking):
        rows.objects.update(created_at=moved)
    PaymentAttempt.objects.update(decided_at=moved)
    report = compare(yesterday(), read(["Payment Type,Merchant Reference ID,Amount,Fee,IGST,CGST,SGST"]))

    assert report.discrepancies == []
    assert booking.status == "CONFIRMED"


def test_a_refund_of_cash_waits_for_the_hand_that_gives_it_back(alice, choice, cashier):
    booking = book_by_hand(alice, choice, cash(cashier))
    refund = cancel_booking(booking, "ill", by=cashier, in_full=True)
    assert (refund.state, refund.held_because, refund.origin) == (RefundState.WAITING, "BY_HAND", "BY_HAND")
    booking.refresh_from_db()
    assert booking.status == Booking.Status.CANCELLED
    with pytest.raises(Conflict):
        approve_refund(refund.pk, cashier)

    key = uuid.uuid4()
    for _ in range(2):
        refund = give_back_by_hand(refund.pk, cash(cashier, key, "slip 12"))
    assert refund.state == RefundState.COMPLETED
    assert refund.credit_note.total_paise == 110_000
    assert sum(LedgerEntry.objects.values_list("amount_paise", flat=True)) == 0
    assert ManualEntry.objects.latest("pk").reference == "slip 12"
    assert {"refund_started", "refund_credited"} <= set(Notification.objects.values_list("kind", flat=True))


@pytest.mark.postgresql
def test_two_who_give_the_same_refund_back_at_once_give_it_back_once(alice, choice, cashier, colleague):
    refund = cancel_booking(book_by_hand(alice, choice, cash(cashier)), "ill", by=cashier, in_full=True)
    answers = races.at_once(
        lambda: give_back_by_hand(refund.pk, cash(cashier)),
        lambda: give_back_by_hand(refund.pk, cash(colleague)),
    )

    assert sorted(type(each).__name__ for each in answers) == ["Conflict", "Refund"]
    assert LedgerEntry.objects.filter(kind="REFUND").count() == 1


def test_a_large_refund_by_hand_needs_a_second_person_before(alice, choice, cashier, colleague, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    payment = book_by_hand(alice, choice, cash(cashier)).checkout.payment
    request = request_refund(payment.pk, None, "ill", cashier)
    assert request.is_requested
    with pytest.raises(Conflict):
        give_back_by_hand(request.pk, cash(cashier))
    approve_refund(request.pk, colleague)

    refund = give_back_by_hand(request.pk, cash(cashier))
    assert (refund.state, refund.approved_by) == (RefundState.COMPLETED, colleague)


def test_a_refund_of_phonepes_money_is_never_recorded_by_hand(alice, paid_by_phonepe, cashier):
    refund = request_refund(paid_by_phonepe.pk, 10_000, "a gesture", cashier)
    with pytest.raises(Conflict):
        give_back_by_hand(refund.pk, cash(cashier))


@pytest.fixture
def paid_by_phonepe(alice, cart):
    from payment.services.outcomes import apply_status  # noqa: PLC0415
    from tests.unit.payment.builders import completed, make_payment  # noqa: PLC0415

    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return payment


def test_a_day_of_cash_is_closed_with_what_was_taken_less_what_was_given_back(
    alice, charlie, choice, cashier
):
    first = book_by_hand(alice, choice, cash(cashier))
    book_by_hand(charlie, choice, transfer(cashier))
    refund = request_refund(first.checkout.payment.pk, 30_000, "a gesture", cashier)
    give_back_by_hand(refund.pk, cash(cashier))
    closing = close_cash(cashier, 80_000, 80_000, "", cashier)

    assert (closing.expected_paise, closing.difference_paise, closing.needs_second_person) == (
        80_000,
        0,
        False,
    )
    assert closing.entries.count() == 2
    assert not open_cash().exists()
    with pytest.raises(NothingToClose):
        close_cash(cashier, 0, 0, "", cashier)


def test_a_difference_needs_a_reason_and_a_large_one_a_second_person(
    alice, choice, cashier, colleague, settings
):
    settings.CASH_DIFFERENCE_ABOVE = 50
    book_by_hand(alice, choice, cash(cashier))
    with pytest.raises(InvalidField):
        close_cash(cashier, 100_000, 110_000, "", cashier)
    closing = close_cash(cashier, 100_000, 110_000, "a note was torn", cashier)

    assert (closing.difference_paise, closing.needs_second_person) == (-10_000, True)
    with pytest.raises(SamePerson):
        confirm_cash(closing.pk, cashier)
    assert confirm_cash(closing.pk, colleague).confirmed_by == colleague
    assert confirm_cash(closing.pk, colleague).confirmed_by == colleague
    with pytest.raises(IntegrityError), transaction.atomic():
        CashClosing.objects.update(confirmed_by=cashier)


def test_a_wrong_count_is_counted_again_until_somebody_has_confirmed_it(
    alice, choice, cashier, colleague, settings
):
    """A second person says so; who counted what stays in the log."""
    settings.CASH_DIFFERENCE_ABOVE = 50
    book_by_hand(alice, choice, cash(cashier))
    closing = close_cash(cashier, 11_000, 110_000, "counted in a hurry", cashier)
    count_again(closing.pk, colleague)
    with pytest.raises(Conflict):
        confirm_cash(closing.pk, colleague)
    logged = LogEntry.objects.get()
    assert (logged.user, "₹110.00" in logged.object_repr) == (colleague, True)
    assert "counted in a hurry" in logged.change_message
    assert cashier.email not in logged.object_repr  # it would outlive the account

    closing = close_cash(cashier, 110_000, 110_000, "", cashier)
    with pytest.raises(Conflict):
        count_again(closing.pk, colleague)  # nothing is wrong with it
    assert (CashClosing.objects.get(), closing.entries.count()) == (closing, 1)


@pytest.mark.parametrize("closes", ["cashier", "colleague"])
def test_who_has_the_cash_or_has_counted_it_does_not_end_the_count(
    alice, choice, cashier, colleague, settings, closes
):
    """Else a difference that was written down goes without a second person."""
    settings.CASH_DIFFERENCE_ABOVE = 50
    book_by_hand(alice, choice, cash(cashier))
    closed_by = {"cashier": cashier, "colleague": colleague}[closes]
    closing = close_cash(cashier, 11_000, 110_000, "most of it is missing", closed_by)
    for by in {cashier, closed_by}:
        with pytest.raises(SamePerson):
            count_again(closing.pk, by)
    assert CashClosing.objects.get() == closing


@pytest.mark.postgresql
def test_confirmed_and_counted_again_at_once_is_one_of_both(alice, choice, cashier, colleague, settings):
    settings.CASH_DIFFERENCE_ABOVE = 50
    book_by_hand(alice, choice, cash(cashier))
    closing = close_cash(cashier, 11_000, 110_000, "counted in a hurry", cashier)
    third = builders.make_user("third@example.com", is_staff=True, is_superuser=True)
    answers = races.at_once(
        lambda: confirm_cash(closing.pk, colleague), lambda: count_again(closing.pk, third)
    )

    assert sum(isinstance(each, Conflict) for each in answers) == 1
    assert open_cash().exists() is not CashClosing.objects.filter(confirmed_by=colleague).exists()


def test_cash_after_midnight_is_of_the_new_day_of_india(alice, choice, cashier, monkeypatch):
    book_by_hand(alice, choice, cash(cashier))
    half_past_midnight = timezone.make_aware(datetime(2026, 12, 1, 0, 30))  # still 30 November in UTC
    monkeypatch.setattr(timezone, "now", lambda: half_past_midnight)

    assert close_cash(cashier, 110_000, 110_000, "", cashier).day == date(2026, 12, 1)


def test_cash_that_came_since_the_sum_was_shown_is_counted_again(alice, charlie, choice, cashier):
    book_by_hand(alice, choice, cash(cashier))
    book_by_hand(charlie, choice, cash(cashier))
    with pytest.raises(CashChanged):
        close_cash(cashier, 110_000, 110_000, "", cashier)


@pytest.mark.postgresql
def test_two_closings_at_once_are_one(alice, choice, cashier, colleague):
    book_by_hand(alice, choice, cash(cashier))
    answers = races.at_once(
        lambda: close_cash(cashier, 110_000, 110_000, "", cashier),
        lambda: close_cash(cashier, 110_000, 110_000, "", colleague),
    )

    assert sorted(type(each).__name__ for each in answers) == ["CashClosing", "NothingToClose"]


def test_their_export_has_it(alice, choice, cashier):
    book_by_hand(alice, choice, cash(cashier))
    assert len(export_person(alice.email)["payment.manualentry"]) == 1


def test_cash_that_nobody_has_counted_is_told_next_morning_once(
    alice, charlie, choice, cashier, colleague, settings
):
    """For each person who has some; what was counted, and what came by transfer, is not meant."""
    settings.STAFF_EMAILS = ["ops@example.com"]
    book_by_hand(alice, choice, cash(cashier))
    book_by_hand(charlie, choice, transfer(colleague))
    this_morning = timezone.localtime().replace(hour=9, minute=0, second=0, microsecond=0)

    def told(at):
        check_cash.run(at)
        return list(Notification.objects.filter(kind="alert").values_list("facts__case", flat=True))

    assert told(this_morning) == []  # taken today
    ManualEntry.objects.update(created_at=this_morning - timedelta(hours=20))
    assert told(this_morning - timedelta(minutes=1)) == []
    assert told(this_morning) == told(this_morning + timedelta(hours=1)) == [f"cash:{cashier.pk}"]
    close_cash(cashier, 110_000, 110_000, "", cashier)
    assert not uncounted_cash(this_morning).exists()
