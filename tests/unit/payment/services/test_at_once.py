"""The usual payment in one statement leaves the rows that the steps leave, and what is unusual is left to the steps."""

from datetime import datetime, timedelta

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from booking.models import Booking, Cart, Checkout, PujaService, Slot, SlotHold
from booking.services import release_hold
from notifications.models import Notification
from payment.models import (
    Dispute,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Receipt,
    ServerEvent,
    StateChange,
    WebhookEvent,
)
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_attempt, make_payment

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

TABLES = (
    *(Payment, PaymentAttempt, Checkout, Cart, SlotHold, Slot, Booking),
    *(LedgerEntry, Receipt, StateChange, ServerEvent, Notification),
)
OF_ITS_OWN = {"id", "book_id", "booking_id", "event_id"}
COUNTED = {"starts_at", "next_reminder_at", "free_until"}  # from the start of the puja, whenever it was paid


@pytest.fixture
def payment(cart):
    return make_payment(builders.make_checkout(cart))


def pay(payment, **answer):
    return apply_status(
        payment.attempts.get(number=1).pk, completed(payment.amount_paise, **answer), "webhook"
    )


def was_written_at_once(captured):
    """The payment goes to its end in one UPDATE; step by step there are two."""
    moves = [
        each["sql"] for each in captured.captured_queries if 'UPDATE "payment_payment" SET' in each["sql"]
    ]
    return len(moves) == 1 and "SUCCESS" in moves[0] and "BOOKED" in moves[0]


def plain(value):
    if isinstance(value, dict):
        own = {name: each for name, each in value.items() if name not in OF_ITS_OWN}
        return {name: each if name in COUNTED else plain(each) for name, each in own.items()}
    return "a moment" if isinstance(value, datetime) else value


def all_rows():
    """All rows, without what differs from one payment to the next."""
    found = {}
    for model in TABLES:
        rows = [plain(row) for row in model.objects.order_by("pk").values()]
        found[model.__name__] = [row for row in rows if row.get("kind") != "FEE"]
    return found


def undone(work):
    """What `work` returns, without a trace of it."""
    with transaction.atomic():
        result = work()
        transaction.set_rollback(True)
    return result


@pytest.mark.parametrize("has_slot", [True, False])
@pytest.mark.parametrize("language", ["en", "hi"])
def test_the_rows_are_those_of_the_steps(alice, slotless_service, cart, settings, has_slot, language):
    alice.language = language
    alice.save()
    settings.REMINDER_HOURS, settings.REFUND_POLICY = (24, 2), [(48, 100), (24, 50)]
    PujaService.objects.update(title_hi="गृह प्रवेश", preparation="<p>Flowers</p>", preparation_hi="<p>फूल</p>")
    if not has_slot:
        cart = builders.make_cart(alice, slotless_service.packages.get())
    payment = make_payment(builders.make_checkout(cart))
    moment = timezone.now()

    def paid():
        with CaptureQueriesContext(connection) as captured:
            pay(payment, paid_at=moment, code="SUCCESS", provider_order_id="OMO1")
        return all_rows(), was_written_at_once(captured)

    at_once, is_usual = undone(paid)
    # Another entry of its order, which no step looks at: this payment is not a usual one any more.
    attempt = payment.attempts.get()
    LedgerEntry.objects.create(payment=payment, attempt=attempt, kind="FEE", amount_paise=-1, reference="fee")
    step_by_step, is_usual_again = undone(paid)

    assert (is_usual, is_usual_again) == (True, False)
    assert at_once == step_by_step
    assert [row["fulfilment"] for row in at_once["Payment"]] == ["BOOKED"]
    [booking] = at_once["Booking"]
    assert booking["next_reminder_at"] == booking["starts_at"] - timedelta(hours=24)
    [facts] = [row["facts"] for row in at_once["Notification"] if row["kind"] == "booked"]
    assert facts["puja_hi"] == "गृह प्रवेश"
    assert facts["free_until"]
    assert len(at_once["Receipt"]) == len(at_once["LedgerEntry"]) == len(at_once["Booking"]) == 1


def test_the_payment_that_comes_back_is_as_it_was_written(payment):
    returned = pay(payment)

    stored = Payment.objects.get(pk=payment.pk)
    for column in ("state", "fulfilment", "held_because", "fulfil_at", "came_late", "decided_at"):
        assert getattr(returned, column) == getattr(stored, column), column


def test_the_booking_that_comes_back_is_whole(payment):
    """Whoever goes on with it in memory has its key, and may save it: it is no second row."""
    returned = pay(payment)

    stored = Booking.objects.get()
    columns = [field.attname for field in Booking._meta.concrete_fields]
    assert [getattr(returned.booking, name) for name in columns] == [
        getattr(stored, name) for name in columns
    ]
    assert returned.checkout.state == Checkout.objects.get().state == "BOOKED"
    returned.booking.save()
    assert Booking.objects.count() == 1


def test_the_same_answer_twice_changes_nothing(payment):
    pay(payment)
    before = all_rows()

    pay(payment)

    assert all_rows() == before


def with_a_dispute(payment):
    attempt, now = payment.attempts.get(), timezone.now()
    event = WebhookEvent.objects.create(digest="D1", body=b"", claimed_state="UNKNOWN", state="HANDLED")
    Dispute.objects.create(dispute_id="D1", attempt=attempt, event=event, status="WON", told_at=now)


def of_a_released_place(payment):
    release_hold(payment.checkout)


def of_a_time_that_has_begun(payment):
    begun = timezone.now() - timedelta(minutes=1)
    Slot.objects.update(starts_at=begun.replace(second=0, microsecond=0))


def of_a_cart_that_was_booked(payment):
    other = Checkout.objects.get(pk=payment.checkout_id)
    other.pk, other.state = None, Checkout.State.BOOKED
    other.save()


def of_a_released_cart(payment):
    Checkout.objects.update(state=Checkout.State.RELEASED)


def of_an_order_that_had_failed(payment):
    payment.attempts.update(state="FAILED")
    Payment.objects.update(state="FAILED")


@pytest.mark.parametrize(
    "unusual",
    [
        with_a_dispute,
        of_a_released_place,
        of_a_time_that_has_begun,
        of_a_cart_that_was_booked,
        of_a_released_cart,
        of_an_order_that_had_failed,
    ],
)
def test_what_is_unusual_is_left_to_the_steps_and_no_money_is_lost(payment, unusual):
    unusual(payment)

    with CaptureQueriesContext(connection) as captured:
        pay(payment)

    assert not was_written_at_once(captured)
    assert LedgerEntry.objects.filter(kind="RECEIPT").count() == 1
    assert Payment.objects.get().fulfilment != "DUE"


def test_another_amount_is_left_to_staff(payment):
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise - 100), "webhook")

    assert Payment.objects.get().fulfilment == "HELD_FOR_STAFF"
    assert not Booking.objects.exists()


def test_a_second_open_order_stays_open_to_be_polled(payment):
    make_attempt(payment, number=2)

    pay(payment)

    assert payment.attempts.get(number=2).state == "PENDING"
    assert Payment.objects.get().fulfilment == "BOOKED"


def test_money_is_taken_when_what_is_looked_at_first_cannot_be_read(payment, caplog):
    """The steps record it without the person, whose row others may hold for too long, and without the checkout."""
    failed = []

    def fail_once(execute, sql, params, many, context):
        if "booking_checkout" in sql and "came_late" in sql and not failed:
            failed.append(sql)
            raise OperationalError("canceling statement due to lock timeout")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail_once):
        pay(payment)

    assert failed
    assert "booked at once" in [getattr(record, "kind", "") for record in caplog.records]
    assert LedgerEntry.objects.get().kind == "RECEIPT"
    assert Payment.objects.get().fulfilment == "BOOKED"


@pytest.mark.django_db(transaction=True)
def test_money_stays_when_the_booking_cannot_be_written(payment, caplog):
    """A statement that fails takes all of it back; then the steps commit the money first."""
    with connection.cursor() as cursor:
        for statement in refuse_bookings():
            cursor.execute(statement)
    try:
        pay(payment)
    finally:
        with connection.cursor() as cursor:
            for statement in accept_bookings():
                cursor.execute(statement)

    payment = Payment.objects.get()
    assert (payment.state, payment.fulfilment) == ("SUCCESS", "DUE")
    assert LedgerEntry.objects.get().kind == "RECEIPT"
    assert "booked at once" in [getattr(record, "kind", "") for record in caplog.records]
    assert not Booking.objects.exists()


def refuse_bookings():
    if connection.vendor == "sqlite":
        return [
            "CREATE TRIGGER refuse BEFORE INSERT ON booking_booking BEGIN SELECT RAISE(ABORT, 'refused'); END"
        ]
    return [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT ON booking_booking FOR EACH ROW EXECUTE FUNCTION refuse()",
    ]


def accept_bookings():
    if connection.vendor == "sqlite":
        return ["DROP TRIGGER refuse"]
    return ["DROP TRIGGER refuse ON booking_booking", "DROP FUNCTION refuse()"]


def test_a_place_that_staff_take_back_meanwhile_is_no_error(payment, caplog):
    taken = []

    def take_back(execute, sql, params, many, context):
        if "INSERT INTO" in sql and "booking_booking" in sql and not taken:
            taken.append(SlotHold.objects.update(state=SlotHold.State.RELEASED))
        return execute(sql, params, many, context)

    with caplog.at_level("INFO"), connection.execute_wrapper(take_back):
        pay(payment)

    assert taken == [1]
    message = "not booked in one transaction: the payment was changed"
    lines = [record for record in caplog.records if record.getMessage() == message]
    assert [(line.levelname, line.exc_info) for line in lines] == [("INFO", None)]
    assert Payment.objects.get().state == "SUCCESS"


@pytest.fixture
def bookings_fail_at_commit(transactional_db):
    """As a deferred constraint that a later migration adds: every statement succeeds, and COMMIT does not."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION fail_late() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'refused at commit' USING ERRCODE = 'check_violation'; END $$"
        )
        cursor.execute(
            "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON booking_booking "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail_late()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER late ON booking_booking")
        cursor.execute("DROP FUNCTION fail_late()")


@pytest.mark.only_postgresql  # SQLite has no triggers that wait for COMMIT
@pytest.mark.django_db(transaction=True)
def test_money_stays_when_the_booking_fails_at_commit(bookings_fail_at_commit, payment):
    pay(payment)

    payment = Payment.objects.get()
    assert (payment.state, payment.fulfilment) == ("SUCCESS", "DUE")
    assert payment.attempts.get().state == "COMPLETED"
    assert [(entry.kind, entry.amount_paise) for entry in LedgerEntry.objects.exclude(kind="FEE")] == [
        ("RECEIPT", payment.amount_paise)
    ]
    assert Receipt.objects.count() == 1
    assert not Booking.objects.exists()
