"""Receipts: one for each payment that brought money, numbered without gaps in each financial year."""

import threading
from datetime import datetime, timezone

import pytest
from django.db import connection, transaction

from notices.receipt import Paper, render
from payment.models import Receipt, ReceiptCounter
from payment.models.receipts import financial_year
from payment.services.receipts import number_receipt, owe_receipt, receipt_of
from payment.services.settling import settle
from payment.work import run_due
from tests.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(series="OKP"):
    return sorted(Receipt.objects.filter(series=series).values_list("number", flat=True))


def paid(count=1, **fields):
    payments = [make_payment(**fields) for _ in range(count)]
    for payment in payments:
        settle(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
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
    settle(payment.attempts.get().pk, FAILED, "worker")

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
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite lets one writer in at a time")
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


def test_owing_a_receipt_twice_is_owing_it_once():
    (payment,) = paid()
    owe_receipt(payment)

    assert Receipt.objects.count() == 1


PAPER = Paper(
    number="OKP/26-27/000123",
    received_at=datetime(2026, 11, 22, 10, 0, tzinfo=timezone.utc),
    simulated=False,
    payer="राधिका शर्मा, radhika@example.com",
    address="12 Temple Road, स्टेशन रोड, प्रयागराज",
    item="Satyanarayan Katha सत्यनारायण कथा",
    starts_at=datetime(2026, 11, 28, 5, 0, tzinfo=timezone.utc),
    price_paise=14_990_000,
    discount_paise=149_000,
    total_paise=14_841_000,
    reference="OKP-1",
    transaction="T26",
    utr="426112345678",
)


@pytest.mark.parametrize("language", ["en", "hi", "xx"])
def test_a_receipt_is_a_pdf_and_the_same_at_every_print(language):
    first = render(PAPER, language)

    assert first.startswith(b"%PDF-")
    assert first == render(PAPER, language)
