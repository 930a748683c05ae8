"""The settlement file beside our rows, and PhonePe's fees on their way into the ledger."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from booking.models import Booking
from payment.models import LedgerEntry, Payment, Refund
from payment.reconciliation.settlement import read
from payment.reconciliation.settlement_rows import BATCH, compare_settlement
from payment.states import Fulfilment, RefundState
from simulator.models import Refund as SimulatedRefund
from tests.harness import PROOFS
from tests.unit.payment.reconciliation.test_settlement import file, row
from tests.unit.payment.wire import GOLDEN

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def settlement(day, opened):
    """What PhonePe's file says of that payment."""

    def made(*more, **fields):
        return read(file(row(reference=day.order(opened).merchant_order_id, **fields), *more))

    return made


@pytest.mark.usefixtures("generation")
def test_fees_and_taxes_are_entered_once_and_only_when_asked(day, paid, settlement):
    assert day.found(settlement()) == ["fee not entered"]
    assert not LedgerEntry.objects.filter(kind="FEE").exists()

    day.mends(settlement())
    assert list(LedgerEntry.objects.filter(kind="FEE").values_list("amount_paise", flat=True)) == [
        -2_200,
        -396,
    ]
    assert Payment.objects.get().state == "SUCCESS"


def test_a_fee_is_no_part_of_what_a_customer_has_got_back(day, paid, settlement):
    day.mends(settlement(igst="0"))
    Payment.objects.update(fulfilment=Fulfilment.REFUND_DUE)
    Booking.objects.update(status=Booking.Status.CANCELLED)
    day.refunds(paid, 110_000 - 2_200)
    day.phonepe.advance_clock(10)
    day.compare(fix=True)

    assert Refund.objects.get().state == RefundState.COMPLETED
    assert Payment.objects.get().fulfilment == Fulfilment.REFUND_DUE  # ₹22 are still owed to them


def test_two_people_who_hand_in_the_same_file_at_once_enter_its_fees_once(day, paid, settlement):
    both = [day.compare(settlement()).discrepancies[0] for _ in range(2)]

    assert [found.apply_repair().mended for found in both] == [True, True]
    assert LedgerEntry.objects.filter(kind="FEE").count() == 2  # a fee, and the tax on it


def test_a_fee_that_another_file_told_otherwise_is_found(day, paid, settlement):
    day.mends(settlement())

    (found,) = day.compare(settlement(fee="-30.00")).discrepancies
    assert (found.kind.value, found.ours_paise, found.theirs_paise) == ("fee differs", -2_200, -3_000)


def test_a_fee_and_a_tax_of_one_order_that_both_differ_are_both_told(day, paid, settlement):
    day.mends(settlement())

    both = day.compare(settlement(fee="-30.00", igst="-5.40")).discrepancies
    assert [found.ours_paise for found in both] == [-2_200, -396]
    assert [found.theirs_paise for found in both] == [-3_000, -540]


@pytest.mark.usefixtures("generation")
def test_what_is_settled_and_not_paid_with_us_is_asked_about(day, opened, settlement):
    day.pays(opened)
    Payment.objects.update(created_at="2026-01-01T00:00Z")
    opened.attempts.update(created_at="2026-01-01T00:00Z")

    assert day.found(settlement(fee="0", igst="0")) == ["paid without booking"]
    day.mends(settlement(fee="0", igst="0"))
    assert Booking.objects.get()


def test_what_phonepe_has_not_decided_when_it_is_asked_is_not_mended(day, opened, settlement):
    (found,) = day.compare(settlement(fee="0", igst="0"), fix=True).discrepancies

    assert (found.kind.value, found.mended) == ("paid without booking", False)
    assert Payment.objects.get().is_open


def test_a_refund_that_phonepe_still_has_under_way_is_not_mended(day, paid, settlement):
    row_of_refund = row("REFUND", day.refunds(paid).merchant_refund_id, "300.00", fee="0", igst="0")
    (found,) = day.compare(settlement(row_of_refund, fee="0", igst="0"), fix=True).discrepancies

    assert (found.kind.value, found.mended) == ("refund not credited", False)


def test_the_file_says_another_amount(day, paid, settlement):
    report = day.compare(settlement(amount="1000.00", fee="0", igst="0"))

    (found,) = report.discrepancies
    assert (found.kind.value, found.ours_paise, found.theirs_paise) == ("amount differs", 110_000, 100_000)


def test_a_payment_and_a_refund_that_are_in_no_book_of_ours_are_unknown_to_us(day, paid, settlement):
    strangers = (row(reference="OTHERSHOP1"), row("REFUND", "R9-OTHER"))

    assert day.found(settlement(*strangers, fee="0", igst="0")) == ["unknown to us", "unknown to us"]


@pytest.mark.usefixtures("generation")
def test_a_refund_that_is_settled_is_asked_about_and_entered(day, paid, settlement):
    refund = day.refunds(paid)
    Refund.objects.update(created_at="2026-01-01T00:00Z")
    day.phonepe.advance_clock(10)
    both = settlement(
        row("REFUND", refund.merchant_refund_id, "300.00", fee="0", igst="0"), fee="0", igst="0"
    )

    assert day.found(both) == ["refund not credited"]
    day.mends(both)
    assert Refund.objects.get().state == RefundState.COMPLETED


def test_money_of_the_day_that_the_file_leaves_out_is_told(day, paid):
    assert day.found(read(file())) == ["not in the settlement file"]


def test_bad_rows_are_told_and_keep_a_comparison_from_being_clean(day, paid, settlement):
    report = day.compare(settlement("PAYMENT,too,short", fee="0", igst="0"))

    assert report.discrepancies == []
    assert [line for line, _ in report.bad_rows] == [3]
    assert not report.is_clean


def test_no_fee_is_entered_from_a_file_that_cannot_be_read_whole(day, paid, settlement):
    (found,) = day.compare(settlement("PAYMENT,too,short"), fix=True).discrepancies

    assert (found.kind.value, found.mended) == ("fee not entered", False)
    assert "unreadable" in found.fix.value
    assert not LedgerEntry.objects.filter(kind="FEE").exists()


def test_an_order_of_which_one_row_is_unreadable_is_told_by_that_row_alone(day, paid, settlement):
    part = row(reference=day.order(paid).merchant_order_id, amount="l00.00", instrument="WALLET")

    report = day.compare(settlement(part, amount="1000.00"), fix=True)
    assert report.discrepancies == []
    assert [line for line, _ in report.bad_rows] == [3]
    assert not LedgerEntry.objects.filter(kind="FEE").exists()


@pytest.mark.usefixtures("generation")
def test_the_export_of_v2_brings_the_fees_of_our_orders_into_the_ledger(day, paid):
    """Its rows of other shops stand beside ours, and its first row once more at its end."""
    text = (GOLDEN / "g26_v2_settlement_report.csv").read_text(encoding="utf-8")
    refund = day.refunds(paid)
    day.phonepe.advance_clock(10)
    day.compare(fix=True)
    text = text.replace("R1-OKPMADEUP0001", refund.merchant_refund_id)
    ours = read(text.replace("OKPMADEUP0001", day.order(paid).merchant_order_id).splitlines(keepends=True))

    assert day.found(ours) == ["unknown to us", "fee not entered"]
    report = day.compare(ours, fix=True)
    assert (report.settled_rows, report.settled_repeats, report.bad_rows) == (4, 1, [])
    assert day.found(ours) == ["unknown to us"]
    fees = LedgerEntry.objects.filter(kind="FEE").values_list("amount_paise", flat=True)
    assert sorted(fees) == [-2_200, -396]


def test_rows_that_stand_there_twice_keep_no_fee_out_of_the_ledger(day, paid, settlement):
    twice = row(reference=day.order(paid).merchant_order_id)

    day.mends(settlement(twice))
    assert LedgerEntry.objects.filter(kind="FEE").count() == 2


@pytest.mark.parametrize("is_heard_of", [True, False])
@pytest.mark.parametrize("exports", [1, 2])
def test_two_equal_halves_of_one_payment_bring_both_of_their_fees(
    day, opened, settlement, is_heard_of, exports
):
    (day.receives if is_heard_of else day.pays)(opened)
    half = row(reference=day.order(opened).merchant_order_id, amount="550.00")

    day.mends(settlement(*[half] * (2 * exports - 1), amount="550.00"))

    fees = LedgerEntry.objects.filter(kind="FEE").values_list("amount_paise", flat=True)
    assert sorted(fees) == [2 * -2_200, 2 * -396]


def test_two_equal_halves_of_a_refund_are_the_refund(day, paid, settlement):
    refund = day.refunds(paid)
    day.phonepe.advance_clock(10)
    day.compare(fix=True)
    half = row("REFUND", refund.merchant_refund_id, "-150.00", fee="3.00", igst="0")

    day.mends(settlement(half, half))

    assert (
        LedgerEntry.objects.get(kind="FEE", reference__contains=refund.merchant_refund_id).amount_paise == 600
    )


def test_an_open_order_with_another_amount_brings_no_fee(day, opened, settlement):
    """Nobody knows yet how much of it has come, and so how often a row that stands there twice counts."""
    half = row(reference=day.order(opened).merchant_order_id, amount="500.00")

    assert day.found(settlement(half, amount="500.00"), fix=True) == ["paid without booking"]
    assert not LedgerEntry.objects.filter(kind="FEE").exists()


def test_an_order_whose_amount_differs_brings_no_fee(day, paid, settlement):
    """Exports that overlap may tell it twice in other words: half of that fee is none."""
    again = row(reference=day.order(paid).merchant_order_id, instrument="WALLET")

    (found,) = day.compare(settlement(again), fix=True).discrepancies
    assert (found.kind.value, found.theirs_paise) == ("amount differs", 220_000)
    assert not LedgerEntry.objects.filter(kind="FEE").exists()


@pytest.fixture
def v2(day, paid):
    """A row of V2's export for each of these: cells by column."""
    columns = (
        *("Payment Type", "Merchant Reference ID", "Original Merchant Order ID", "Transaction Amount"),
        *("Fee", "IGST", "Net Amount"),
    )

    def made(*rows):
        payment = {
            "Payment Type": "PAYMENT",
            "Merchant Reference ID": day.order(paid).merchant_order_id,
            "Transaction Amount": "1100.00",
        }
        cells = ([(payment | each).get(column, "") for column in columns] for each in rows)
        return read([f"{','.join(each)}\n" for each in (columns, *cells)])

    return made


def test_a_row_that_contradicts_itself_is_told_and_brings_no_fee(day, paid, v2):
    (found,) = day.compare(
        v2({"Fee": "-22", "IGST": "-3.96", "Net Amount": "1075.04"}), fix=True
    ).discrepancies

    assert (found.kind.value, found.order, found.mended) == (
        "settlement row contradicts",
        day.order(paid).merchant_order_id,
        False,
    )
    assert "line 2: Net Amount is 1075.04, amount, Fee and taxes make 1074.04" in found.detail
    assert not LedgerEntry.objects.filter(kind="FEE").exists()


def test_a_refund_of_another_order_than_ours_is_told(day, paid, v2):
    refund = day.refunds(paid)
    day.phonepe.advance_clock(10)
    day.compare(fix=True)
    named = {"Payment Type": "REFUND", "Merchant Reference ID": refund.merchant_refund_id}
    amounts = {"Transaction Amount": "-300.00", "Original Merchant Order ID": "OTHER1"}

    (found,) = day.compare(v2({}, named | amounts)).discrepancies
    assert (found.kind.value, found.refund) == ("settlement row contradicts", refund.merchant_refund_id)
    assert found.detail == "the file names the order OTHER1"


def test_a_refund_of_the_dashboard_that_no_webhook_told_is_found_by_its_order(day, paid, v2):
    order = day.order(paid)
    day.phonepe.refund_in_dashboard(order.merchant_order_id, 30_000)
    reference = SimulatedRefund.objects.get().merchant_refund_id
    Refund.objects.all().delete()
    day.phonepe.advance_clock(10)
    told = {
        "Payment Type": "REFUND",
        "Merchant Reference ID": reference,
        "Original Merchant Order ID": order.merchant_order_id,
        "Transaction Amount": "-300.00",
    }

    (found,) = day.compare(v2({}, told)).discrepancies
    assert (found.kind.value, found.order, found.theirs_paise) == (
        "unknown to us",
        order.merchant_order_id,
        30_000,
    )
    day.mends(v2({}, told))
    refund = Refund.objects.get()
    assert (refund.merchant_refund_id, refund.state, refund.origin) == (reference, "COMPLETED", "DASHBOARD")
    assert sum(LedgerEntry.objects.values_list("amount_paise", flat=True)) == 80_000


def test_a_long_file_costs_the_same_few_queries_for_each_batch(day, paid):
    rows = 50_000 if PROOFS else 10_000
    strangers = read(file(*(row(reference=f"OTHER{n}") for n in range(rows))))

    with CaptureQueriesContext(connection) as queries:
        found = sum(1 for _ in compare_settlement(day.day, strangers))

    assert found == rows + 1  # all of them are strangers, and our payment is not among them
    assert len(queries) <= 2 * (rows // BATCH) + 1
