"""Receipts: one for each payment that brought money, numbered without gaps in each financial year."""

import threading
from datetime import datetime, timedelta, timezone

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone as django_timezone

from booking.models import Booking
from booking.services import set_promo
from notifications.models import Notification
from payment.models import LedgerEntry, PaymentAttempt, Receipt, ReceiptCounter
from payment.models.receipts import LAST_NUMBER, financial_year, read_serial_number, serial_number
from payment.services.outcomes import accept_after_review, apply_status
from payment.services.receipts import create_receipt, number_receipt, pdf, receipt_document, receipt_of
from payment.states import Fulfilment
from tests.harness import builders
from tests.harness.races import while_uncommitted
from tests.unit.payment.builders import FAILED, completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(series="OKP"):
    return sorted(Receipt.objects.filter(series=series).values_list("number", flat=True))


def paid(count=1, **fields):
    payments = [make_payment(**fields) for _ in range(count)]
    for payment in payments:
        apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return payments


@pytest.mark.parametrize(
    ("moment", "year"),
    [
        (datetime(2027, 3, 31, 18, 29, tzinfo=timezone.utc), 2026),
        (datetime(2027, 3, 31, 18, 30, tzinfo=timezone.utc), 2027),  # midnight in India
        (datetime(2026, 12, 31, 20, 0, tzinfo=timezone.utc), 2026),
    ],
)
def test_the_financial_year_begins_on_the_first_of_april_in_india(moment, year):
    assert financial_year(moment) == year


def test_money_that_came_has_a_receipt_with_a_number():
    (payment,) = paid()
    run_due(["receipts"])

    receipt = payment.receipt
    assert receipt.number == 1
    assert str(receipt) == f"OKP/{receipt.year % 100}-{receipt.year % 100 + 1}/000001"
    assert len(str(receipt)) <= 16


def test_a_payment_without_money_has_no_receipt():
    payment = make_payment()
    apply_status(payment.attempts.get().pk, FAILED, "worker")

    assert receipt_of(payment) is None


def test_the_number_of_a_receipt_never_changes():
    (payment,) = paid()
    first = receipt_of(payment)
    run_due(["receipts"])

    assert receipt_of(payment).number == first.number
    assert ReceiptCounter.objects.get().last == 1


def test_simulated_payments_are_counted_apart():
    paid(2, simulated=True)
    paid(1)
    while run_due(["receipts"]):
        pass

    assert numbers("SIM") == [1, 2]
    assert numbers() == [1]


def test_a_number_that_was_not_used_in_the_end_is_given_to_the_next():
    first, second = paid(2)
    with transaction.atomic():
        number_receipt(first.receipt.pk)
        transaction.set_rollback(True)

    assert receipt_of(second).number == 1
    assert receipt_of(first).number == 2


def test_each_year_begins_with_one():
    first, second = paid(2)
    Receipt.objects.filter(payment=first).update(year=2020)

    assert receipt_of(first).number == receipt_of(second).number == 1


@pytest.mark.postgresql
@pytest.mark.only_postgresql  # SQLite lets one writer in at a time
def test_numbers_have_no_gaps_though_eight_take_them_at_once_and_some_fail():
    receipts = [payment.receipt.pk for payment in paid(24)]
    together = threading.Barrier(8)

    def take(mine):
        together.wait()
        for position, receipt_id in enumerate(mine):
            with transaction.atomic():
                number_receipt(receipt_id)
                if position == 1:
                    transaction.set_rollback(True)
        connection.close()

    # Every receipt is taken by two of them.
    takers = [threading.Thread(target=take, args=(receipts[n % 4 :: 4],)) for n in range(8)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join()
    while run_due(["receipts"]):
        pass

    assert numbers() == list(range(1, 25))


@pytest.mark.postgresql
@pytest.mark.only_postgresql  # SQLite lets one writer in at a time
def test_a_worker_numbers_what_is_free_before_it_waits_for_another():
    receipts = [payment.receipt.pk for payment in paid(9)]
    of_another, meanwhile = receipts[:3], []

    def number_those_of_another():
        meanwhile.extend(Receipt.objects.exclude(number=None).values_list("pk", flat=True))
        for receipt_id in of_another:
            number_receipt(receipt_id)

    waited = while_uncommitted(
        lambda: list(Receipt.objects.select_for_update(no_key=True).filter(pk__in=of_another)),
        lambda: number_receipt(of_another[1], at_once=50),
        number_those_of_another,
    )

    assert sorted(meanwhile) == receipts[3:]
    assert waited.number == Receipt.objects.get(pk=of_another[1]).number
    assert numbers() == list(range(1, 10))


def test_a_receipt_that_is_missing_is_written_when_somebody_asks_for_it():
    (payment,) = paid()
    came_at = payment.receipt.received_at
    Receipt.objects.all().delete()

    receipt = receipt_of(type(payment).objects.get())
    assert (receipt.received_at, receipt.total_paise, receipt.number) == (came_at, 10_000, 1)


def test_owing_a_receipt_twice_is_owing_it_once():
    (payment,) = paid()
    create_receipt(payment)

    assert Receipt.objects.count() == 1


def test_a_receipt_that_the_database_refuses_is_not_passed_over_in_silence():
    (payment,) = paid()
    Receipt.objects.all().delete()
    LedgerEntry.objects.update(amount_paise=0)

    with pytest.raises(IntegrityError), transaction.atomic():
        create_receipt(payment)


# The rule: a consecutive number of at most sixteen characters, letters, digits, hyphen and slash, unique in its year.
@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1, "OKP/26-27/000001"),
        (999_999, "OKP/26-27/999999"),
        (1_000_000, "OKP/2627/1000000"),
        (9_999_999, "OKP/2627/9999999"),
        (10_000_000, "OKP2627/10000000"),
        (LAST_NUMBER, "OKP2627/99999999"),
    ],
)
def test_a_number_has_sixteen_characters_however_many_came_before(number, text):
    assert serial_number("OKP", 2026, number) == text
    assert len(text) == 16
    assert read_serial_number(text) == ("OKP", 2026, number)


def test_no_two_receipts_have_the_same_number():
    edges = [edge + step for edge in (1, 99_999, 999_999, 9_999_999, 99_999_990) for step in range(3)]
    said = [
        serial_number(series, year, number)
        for series in Receipt.Series.values
        for year in range(2000, 2100)
        for number in edges
    ]

    assert len(set(said)) == len(said)
    assert max(map(len, said)) <= 16


@pytest.mark.parametrize("last", [999_998, 999_999, 9_999_998, 9_999_999, LAST_NUMBER - 1])
def test_the_counter_goes_on_past_every_length(last):
    (payment,) = paid()
    ReceiptCounter.objects.create(series="OKP", year=payment.receipt.year, last=last)

    receipt = receipt_of(payment)
    assert receipt.number == last + 1
    assert len(str(receipt)) == 16
    assert pdf(receipt, "en")[0] == f"receipt-{str(receipt).replace('/', '-')}.pdf"


def test_a_number_that_would_be_too_long_is_refused_by_the_database():
    (payment,) = paid()
    ReceiptCounter.objects.create(series="OKP", year=payment.receipt.year, last=LAST_NUMBER)

    with pytest.raises(IntegrityError), transaction.atomic():
        number_receipt(payment.receipt.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        Receipt.objects.update(number=LAST_NUMBER + 1)


MARCH = datetime(2026, 3, 31, 18, 0, tzinfo=timezone.utc)  # 23:30 in India
APRIL = datetime(2026, 4, 2, 5, 0, tzinfo=timezone.utc)


def opened_in_march(monkeypatch, **fields):
    payment = make_payment(**fields)
    PaymentAttempt.objects.filter(payment=payment).update(created_at=MARCH - timedelta(minutes=5))
    monkeypatch.setattr(django_timezone, "now", lambda: APRIL)
    return payment


def test_money_of_march_that_we_learn_of_in_april_is_of_march(monkeypatch):
    """PhonePe tells when it was paid; our worker was away."""
    payment = opened_in_march(monkeypatch)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise, paid_at=MARCH), "worker")

    receipt = receipt_of(payment)
    assert (receipt.received_at, str(receipt)) == (MARCH, "OKP/25-26/000001")


def test_what_staff_accept_in_april_is_dated_by_its_money(monkeypatch):
    payment = make_payment()
    PaymentAttempt.objects.update(created_at=MARCH - timedelta(minutes=5))
    apply_status(payment.attempts.get().pk, completed(9_000, paid_at=MARCH), "worker")
    monkeypatch.setattr(django_timezone, "now", lambda: APRIL)
    accept_after_review(payment.pk, builders.make_superuser())

    receipt = receipt_of(payment)
    assert (receipt.received_at, receipt.year) == (MARCH, 2025)
    told = Notification.objects.filter(kind="alert").order_by("-pk").first()
    assert told is None or told.facts["paid_at"]


def test_a_late_receipt_of_last_year_leaves_no_gap_in_either(monkeypatch):
    payments = [opened_in_march(monkeypatch) for _ in range(4)]
    for payment, moment in zip(payments, (MARCH, APRIL, MARCH, APRIL), strict=True):
        apply_status(payment.attempts.get().pk, completed(payment.amount_paise, paid_at=moment), "worker")
    while run_due(["receipts"]):
        pass

    said = sorted(map(str, Receipt.objects.all()))
    assert said == [f"OKP/{year}/00000{number}" for year in ("25-26", "26-27") for number in (1, 2)]


@pytest.mark.parametrize(
    "told",
    [
        None,
        datetime(1970, 1, 21, tzinfo=timezone.utc),  # seconds that were meant as milliseconds
        datetime(2025, 1, 1, tzinfo=timezone.utc),  # before the order was opened
        datetime(2031, 1, 1, tzinfo=timezone.utc),
    ],
)
def test_a_time_that_cannot_be_true_is_not_the_date_of_a_receipt(told):
    before = django_timezone.now()
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise, paid_at=told), "worker")

    assert before <= payment.receipt.received_at <= django_timezone.now()


def test_a_clock_that_is_a_little_ahead_dates_nothing_in_the_future():
    payment = make_payment()
    ahead = django_timezone.now() + timedelta(seconds=30)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise, paid_at=ahead), "worker")

    assert payment.receipt.received_at < ahead


def test_the_year_is_that_of_india_whatever_the_time_zone_of_the_server(settings):
    settings.TIME_ZONE = "America/New_York"

    assert financial_year(datetime(2026, 3, 31, 18, 30, tzinfo=timezone.utc)) == 2026


def printed(payment):
    """What stands on the paper: it can only be made if it adds up."""
    return receipt_document(receipt_of(payment))


@pytest.fixture
def with_discount(alice, cart):
    type(cart.package).objects.update(price_paise=120_000)
    set_promo(cart, builders.make_promo(amount_paise=10_000).code)
    return make_payment(builders.make_checkout(cart))


@pytest.mark.parametrize("came", [110_000, 90_000, 130_000, 100])
def test_price_less_discount_and_the_difference_is_what_came(with_discount, came):
    apply_status(with_discount.attempts.get().pk, completed(came), "worker")
    if came != 110_000:
        accept_after_review(with_discount.pk, builders.make_superuser())

    paper = printed(with_discount)
    assert (paper.price_paise, paper.discount_paise, paper.total_paise) == (120_000, 10_000, came)
    assert paper.difference_paise == came - 110_000


def test_a_donation_has_no_price_but_what_came():
    (payment,) = paid()

    paper = printed(payment)
    assert (paper.price_paise, paper.difference_paise, paper.total_paise) == (10_000, 0, 10_000)


@pytest.mark.parametrize("column", ["price_paise", "discount_paise", "difference_paise", "total_paise"])
def test_a_receipt_that_does_not_add_up_is_refused_by_the_database(column):
    paid()
    with pytest.raises(IntegrityError), transaction.atomic():
        Receipt.objects.update(**{column: 1})


def test_what_went_back_stands_on_the_receipt_and_what_came_twice_does_not(with_discount):
    attempt = with_discount.attempts.get()
    apply_status(attempt.pk, completed(110_000), "worker")
    for kind, paise, reference in (
        (LedgerEntry.Kind.REFUND, -30_000, "R1"),
        (LedgerEntry.Kind.CHARGEBACK, -80_000, "D1"),
        (LedgerEntry.Kind.CHARGEBACK, 80_000, "D1:won"),
    ):
        LedgerEntry.objects.create(
            payment=with_discount, attempt=attempt, kind=kind, amount_paise=paise, reference=reference
        )

    paper = printed(with_discount)
    assert [(each.amount_paise, each.reference) for each in paper.reversals] == [(30_000, "R1")]
    assert paper.left_paise == 80_000


def test_the_time_on_the_receipt_is_that_of_the_booking(with_discount):
    apply_status(with_discount.attempts.get().pk, completed(110_000), "worker")
    moved = django_timezone.now() + timedelta(days=30)
    Booking.objects.update(starts_at=moved, status=Booking.Status.CANCELLED)

    paper = printed(with_discount)
    assert (paper.starts_at, paper.is_cancelled) == (moved, True)


def test_a_time_that_is_gone_is_not_on_the_receipt(with_discount):
    apply_status(with_discount.attempts.get().pk, completed(110_000), "worker")
    Booking.objects.all().delete()
    type(with_discount).objects.update(fulfilment=Fulfilment.OFFERED)

    assert printed(type(with_discount).objects.get()).starts_at is None
