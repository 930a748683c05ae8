"""Tables for the accountant: their sums are those of the ledger, and no cell of them is a formula."""

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation
from openpyxl import load_workbook

from backoffice import rights
from backoffice.exports import EXPORTS, Rupees, as_csv, as_xlsx
from backoffice.reports import DIMENSIONS, report
from backoffice.views.exports import usual_periods
from booking.models import Assignment, Checkout, Priest
from core.replica import REPLICA
from okpuja.settings import database
from payment.models import LedgerEntry, ManualEntry
from payment.reconciliation.invariants import totals
from payment.services.by_hand import ManualPayment, book_by_hand
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.harness.databases import migrated_database
from tests.integration.access.matrix import Staff
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.services.test_by_hand import choice as choice
from tests.unit.payment.services.test_credit_notes import refunded

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def real_money(settings):
    """The rows of these tests are of real money."""
    settings.PHONEPE_SIMULATION_MODE = False
    settings.GST_GSTIN = "09AAACH7409R1ZZ"


def span_of_now():
    today = timezone.localdate()
    return today - timedelta(days=1), today + timedelta(days=1)


def table(name):
    lines = csv.DictReader(io.StringIO("".join(as_csv(EXPORTS[name], *span_of_now())).lstrip("\ufeff")))
    return list(lines)


def workbook(name):
    with as_xlsx(EXPORTS[name], *span_of_now()) as file:
        return list(load_workbook(file).active.iter_rows())


def total(rows, column):
    return int(sum(Decimal(row[column] or 0) for row in rows) * 100)


@pytest.fixture
def trade(alice, charlie, cart, choice, alerts):
    """A payment with a refund of a part, cash, a donation, and a fee."""
    alice.first_name = "=HYPERLINK(1)"
    alice.save()
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    type(attempt).objects.update(simulated=False)
    apply_status(attempt.pk, completed(), "worker")
    refunded(payment, 30_000)
    gift = make_payment(amount_paise=5_001)
    type(attempt).objects.update(simulated=False)
    apply_status(gift.attempts.get().pk, completed(5_001), "worker")
    LedgerEntry.objects.create(
        payment=payment, attempt=attempt, kind="FEE", amount_paise=-2_360, reference="fee:1"
    )
    cashier = builders.make_superuser()
    manual = ManualPayment(ManualEntry.Means.CASH, "slip 1", cashier, uuid4())
    book_by_hand(charlie, choice, manual)
    return payment


@pytest.fixture
def every_kind(trade):
    """And money that came twice, that nobody has decided about, and that a bank took back."""
    attempt = trade.attempts.get()
    for kind, paise in (("SURPLUS", 70_000), ("SUSPENSE", 60_000), ("CHARGEBACK", -8_000)):
        LedgerEntry.objects.create(
            payment=trade, attempt=attempt, kind=kind, amount_paise=paise, reference=f"{kind}:1"
        )


PAID, BACK = "paid", "refund_paise"
TAXES = ("taxable value", "CGST", "SGST or UTGST", "IGST")
# What the rupees of each column add up to, by `totals` of ledger_check. Prices stand in no ledger.
SUMS: dict[str, dict[tuple[str, ...], tuple[str, ...]]] = {
    "ledger": {("amount",): ("balance_paise",)},
    "payments": {
        ("received",): (PAID,),
        ("paid twice",): ("surplus_paise",),
        ("in review",): ("suspense_paise",),
        ("refunded",): (BACK,),
        ("charged back",): ("chargeback_paise",),
        ("fees",): ("fee_paise",),
    },
    "refunds": {("amount",): ("returned",)},
    "receipts": {("total",): (PAID,), TAXES: (PAID,)},
    "credit-notes": {("total",): ("returned",), TAXES: ("returned",)},
    "gst": {("total",): (PAID, BACK), TAXES: (PAID, BACK)},
    "bookings": {("received",): (PAID, "donated")},
}
PRICES = {"price", "discount", "total", "agreed", "difference"}


def test_each_column_of_each_table_adds_up_to_the_ledger(every_kind):
    """A new table, or a column of rupees in one, needs a line in SUMS."""
    ours = totals(simulated=False)
    ours[PAID] = ours["receipt_paise"] + ours["cash_paise"] + ours["transfer_paise"]
    assert ours[PAID] == 110_000 + 5_001 + 110_000
    assert all(ours[f"{kind.lower()}_paise"] for kind in LedgerEntry.Kind.values if kind != "TRANSFER")
    ours |= {"returned": -ours[BACK], "donated": -5_001}  # a donation is no booking
    for name, export in EXPORTS.items():
        rows = table(name)
        for columns, sums in SUMS[name].items():
            added = sum(total(rows, column) for column in columns)
            assert added == sum(ours[each] for each in sums), (name, columns)
        summed = {column for columns in SUMS[name] for column in columns}
        assert rupees_of(export) - summed <= PRICES, name


def rupees_of(export) -> set[str]:
    fields = export.resource().get_export_fields()
    return {each.column_name for each in fields if isinstance(each.widget, Rupees)}


def test_each_report_adds_up_to_the_ledger(every_kind):
    ours = totals(simulated=False)
    for by in DIMENSIONS:
        found = report(by, *span_of_now())
        assert found.total.left_paise == ours["balance_paise"] - ours["fee_paise"], by
        assert sum(row.came_paise for row in found.rows) == found.total.came_paise, by


def test_the_money_of_a_booking_counts_for_its_first_priest(trade, django_assert_num_queries):
    booking = trade.checkout.booking
    ends = booking.starts_at + timedelta(hours=1)
    namesakes = [Priest.objects.create(name="Pandit Ravi") for _ in range(2)]
    freed = Priest.objects.create(name="Pandit Gopal")
    for priest, freed_at in ((freed, timezone.now()), *((each, None) for each in namesakes)):
        Assignment.objects.create(
            booking=booking, priest=priest, begins=booking.starts_at, ends=ends, freed_at=freed_at
        )

    with django_assert_num_queries(2):  # the sums, the names
        found = report("priest", *span_of_now())
    assert [(row.name, row.came_paise, row.back_paise) for row in found.rows] == [
        ("without a priest", 110_000 + 5_001, 0),
        ("Pandit Ravi", 110_000, 30_000),
    ]


def test_pujas_and_priests_of_a_report_are_named_in_the_language_of_the_reader(trade):
    booking = trade.checkout.booking
    Checkout.objects.filter(pk=trade.checkout.pk).update(puja_title_hi="गृह प्रवेश")
    Assignment.objects.create(
        booking=booking,
        priest=Priest.objects.create(name="Pandit Ravi", name_hi="पंडित रवि"),
        begins=booking.starts_at,
        ends=booking.starts_at + timedelta(hours=1),
    )
    with translation.override("hi"):
        pujas, priests, packages, means = (
            {row.name for row in report(by, *span_of_now()).rows}
            for by in ("puja", "priest", "package", "means")
        )
    assert "गृह प्रवेश" in pujas
    assert "पंडित रवि" in priests
    assert f"गृह प्रवेश, साधारण, {trade.checkout.package_location}" in packages
    assert {"PhonePe", "नक़द"} <= means
    assert "गृह प्रवेश" not in {row.name for row in report("puja", *span_of_now()).rows}


def test_no_cell_is_a_formula_and_amounts_are_numbers_with_two_decimals(trade):
    names = {row["name"] for row in table("bookings")}
    assert any(name.startswith("'=HYPERLINK(1)") for name in names)
    assert {row["amount"] for row in table("refunds")} == {"300.00"}
    assert "-300.00" in {row["amount"] for row in table("ledger")}  # a number, and no text

    rows = [[cell.value for cell in row] for row in workbook("ledger")]
    assert rows[0][:3] == ["entered at", "kind", "amount"]
    assert sum(round(row[2] * 100) for row in rows[1:]) == totals(simulated=False)["balance_paise"]
    assert {cell.data_type for row in workbook("bookings") for cell in row} <= {"s", "n", "inlineStr"}


def test_what_moved_outside_of_the_period_is_not_in_it(trade):
    assert list(EXPORTS["ledger"].table(date(2020, 1, 1), date(2020, 12, 31)))[1:] == []


def test_a_table_is_taken_along_by_who_may_see_its_rows(client):
    """The right to see the ledger opens the page; a table of people and papers needs its own."""
    client.force_login(Staff().with_only(frozenset({rights.SEE_LEDGER, rights.SEE_REFUNDS})))
    page = client.get(reverse("desk:exports")).content.decode()
    period = dict(zip(("first", "last"), map(str, span_of_now()), strict=True))
    answers = {
        name: client.post(reverse("desk:exports"), period | {"file": f"{name}:csv"}) for name in EXPORTS
    }
    opened = {name for name, answer in answers.items() if answer.status_code == 200}

    assert opened == {"gst", "ledger", "refunds"} == {name for name in EXPORTS if f'value="{name}:' in page}
    assert {answers[name].status_code for name in EXPORTS if name not in opened} == {403}
    assert LogEntry.objects.count() == 3


@pytest.mark.parametrize("name", EXPORTS)
def test_a_table_takes_as_many_queries_for_many_rows_as_for_few(trade, name, settings):
    def count():
        with CaptureQueriesContext(connection) as queries:
            rows = sum(1 for _ in as_csv(EXPORTS[name], *span_of_now()))
        return len(queries), rows

    few, _ = count()
    for _ in range(5):
        gift = make_payment(amount_paise=5_001)
        type(gift.attempts.get()).objects.update(simulated=False)
        apply_status(gift.attempts.get().pk, completed(5_001), "worker")
    many, _ = count()

    assert few == many <= 2


def test_the_page_gives_the_tables_and_notes_who_took_them(desk, trade):
    accountant = desk("Accountant")
    page = reverse("desk:exports")
    assert accountant.get(page).status_code == 200
    period = dict(zip(("first", "last"), map(str, span_of_now()), strict=True))
    answer = accountant.post(page, {**period, "file": "gst:csv"})

    assert answer.headers["Content-Disposition"].startswith('attachment; filename="gst-')
    assert b"09AAACH7409R1ZZ" in b"".join(answer.streaming_content)
    assert LogEntry.objects.get().object_repr.endswith(".csv")
    sheets = accountant.post(page, {**period, "file": "receipts:xlsx"})
    assert b"".join(sheets.streaming_content)[:2] == b"PK"
    sheets.close()
    assert desk("Support").post(page, {**period, "file": "gst:csv"}).status_code == 403
    assert accountant.get(reverse("desk:reports"), period).status_code == 200


@pytest.mark.parametrize(
    ("today", "title", "first", "last"),
    [
        ("2026-11-28", "Last month", "2026-10-01", "2026-10-31"),
        ("2026-11-28", "This financial year", "2026-04-01", "2026-11-28"),
        ("2027-03-31", "Last financial year", "2025-04-01", "2026-03-31"),
        ("2027-01-01", "Last month", "2026-12-01", "2026-12-31"),
    ],
)
def test_the_usual_periods_are_those_of_an_indian_accountant(today, title, first, last):
    assert dict(usual_periods(date.fromisoformat(today)))[title] == {
        "first": date.fromisoformat(first),
        "last": date.fromisoformat(last),
    }


@pytest.mark.parametrize("page", ["exports", "reports"])
def test_a_usual_period_is_one_click_and_stays_chosen(desk, page):
    accountant, address = desk("Accountant"), reverse(f"desk:{page}")
    _title, query, _is_chosen = accountant.get(address).context["periods"][3]
    chosen = accountant.get(f"{address}?{query}").context["periods"]

    assert [is_chosen for *_, is_chosen in chosen].index(True) in (1, 3)  # in April both are the same


@pytest.fixture(scope="module")
def replica():
    """A standby that has not heard of any payment yet. Of the module, so that it is there before a test may use it."""
    with migrated_database() as url:
        connections.settings[REPLICA] = connections.settings["default"] | database(url)
        yield
        connections[REPLICA].close()
        if pool := getattr(connections[REPLICA], "pool", None):
            pool.close()
        del connections[REPLICA], connections.settings[REPLICA]


@pytest.mark.django_db(transaction=True, databases=["default", REPLICA])
def test_exports_and_reports_read_the_replica_and_all_else_the_database(
    replica, trade, staff, client, settings
):
    settings.DATABASE_ROUTERS = ["core.replica.Router"]
    client.force_login(staff)
    first, last = span_of_now()
    answer = client.post(
        reverse("desk:exports"), {"first": f"{first}", "last": f"{last}", "file": "ledger:csv"}
    )

    assert len(b"".join(answer.streaming_content).splitlines()) == 1  # the head
    assert workbook("ledger")[1:] == []
    assert "₹2,100" not in client.get(reverse("desk:reports")).content.decode()
    assert LedgerEntry.objects.count() == 5
    assert LogEntry.objects.get(change_message="exported").user_id == staff.pk
