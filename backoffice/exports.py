"""What the accountant takes along: tables of a period as CSV or XLSX, row by row, so that none is held whole.

Each table is a resource of django-import-export: its columns in order. Sums are those of the ledger, so that they agree
with `ledger_check`. Days are those of India; amounts are rupees with two decimals; simulated money stays apart.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import IO, Any

from django.conf import settings
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.resources import Resource
from import_export.widgets import Widget

from backoffice import rights
from booking.models import Booking
from core.gstin import STATES
from core.language import Text
from core.replica import lines_of_replica
from core.tables import csv_lines, safe_cell
from payment.models import PAYING, CreditNote, LedgerEntry, Payment, Receipt, Refund
from payment.reconciliation.days import span

CHUNK = 1_000
Kind = LedgerEntry.Kind
CENT = Decimal("0.01")
IN_MEMORY = 1_000_000  # bytes of a workbook; a larger one is written to the disk


class Plain(Widget):
    """Text as it is: `csv_lines` and the workbook keep it from being a formula."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else str(value)


class Rupees(Widget):
    """Paise as rupees, a number for the spreadsheet."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else (Decimal(value) / 100).quantize(CENT)


class Number(Widget):
    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return "" if value is None else value


class Moment(Widget):
    """Of India, to the second."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> Any:
        return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else ""


def column(attribute: str, name: str, widget: type[Widget] = Plain) -> Field:
    return Field(attribute=attribute, column_name=name, widget=widget())


class BookingResource(Resource):
    book_id = column("book_id", "booking")
    status = column("status", "status")
    created_at = column("created_at", "booked at", Moment)
    starts_at = column("starts_at", "starts at", Moment)
    puja = column("checkout__puja_title", "puja")
    package = column("checkout__package_type", "package")
    language = column("checkout__package_language", "language")
    place = column("checkout__package_location", "place")
    city = column("checkout__address_city", "city")
    name = column("user__full_name", "name")
    email = column("user__email", "mail")
    phone = column("user__phone", "phone")
    price = column("checkout__price_paise", "price", Rupees)
    discount = column("checkout__discount_paise", "discount", Rupees)
    total = column("checkout__total_paise", "total", Rupees)
    received = column("received_paise", "received", Rupees)
    method = column("checkout__payment__method", "paid by")
    payment = column("checkout__payment__reference", "payment")


class PaymentResource(Resource):
    reference = column("reference", "payment")
    state = column("state", "state")
    fulfilment = column("fulfilment", "became")
    method = column("method", "paid by")
    created_at = column("created_at", "opened at", Moment)
    decided_at = column("decided_at", "decided at", Moment)
    puja = column("checkout__puja_title", "puja")
    email = column("user__email", "mail")
    agreed = column("amount_paise", "agreed", Rupees)
    received = column("received_paise", "received", Rupees)
    surplus = column("surplus_paise", "paid twice", Rupees)
    suspense = column("suspense_paise", "in review", Rupees)
    refunded = column("refund_paise", "refunded", Rupees)
    charged_back = column("chargeback_paise", "charged back", Rupees)
    fees = column("fee_paise", "fees", Rupees)


class RefundResource(Resource):
    refund_id = column("merchant_refund_id", "refund")
    payment = column("payment__reference", "payment")
    order = column("attempt__merchant_order_id", "order")
    origin = column("origin", "made by")
    amount = column("returned_paise", "amount", Rupees)
    completed_at = column("decided_at", "completed at", Moment)
    utr = column("utr", "bank reference")
    note = column("credit_note", "credit note")  # as its number
    reason = column("reason", "reason")
    asked_by = column("asked_by__email", "asked by")
    approved_by = column("approved_by__email", "approved by")


class LedgerResource(Resource):
    created_at = column("created_at", "entered at", Moment)
    kind = column("kind", "kind")
    amount = column("amount_paise", "amount", Rupees)
    reference = column("reference", "reference")
    payment = column("payment__reference", "payment")
    means = column("by_hand__means", "by hand")
    person = column("by_hand__person__email", "taken or given back by")
    bank = column("by_hand__reference", "slip or bank reference")


class ReceiptResource(Resource):
    number = Field(column_name="receipt")
    received_at = column("received_at", "received at", Moment)
    payment = column("payment__reference", "payment")
    payer = column("payment__user__full_name", "received from")
    price = column("price_paise", "price", Rupees)
    discount = column("discount_paise", "discount", Rupees)
    difference = column("difference_paise", "difference", Rupees)
    total = column("total_paise", "total", Rupees)
    gstin = column("gstin", "our GSTIN")
    buyer = column("buyer_gstin", "GSTIN of the buyer")
    sac = column("sac", "SAC")
    state = column("place_of_supply", "place of supply")
    taxable = column("taxable_paise", "taxable value", Rupees)
    cgst = column("cgst_paise", "CGST", Rupees)
    sgst = column("sgst_paise", "SGST or UTGST", Rupees)
    igst = column("igst_paise", "IGST", Rupees)

    def dehydrate_number(self, receipt: Receipt) -> str:
        return str(receipt)


class CreditNoteResource(Resource):
    number = Field(column_name="credit note")
    issued_at = column("issued_at", "issued at", Moment)
    receipt = column("receipt", "corrects receipt")  # as its number
    payment = column("refund__payment__reference", "payment")
    refund = column("refund__merchant_refund_id", "refund")
    payer = column("refund__payment__user__full_name", "given to")
    total = column("total_paise", "total", Rupees)
    gstin = column("gstin", "our GSTIN")
    buyer = column("buyer_gstin", "GSTIN of the buyer")
    sac = column("sac", "SAC")
    state = column("place_of_supply", "place of supply")
    taxable = column("taxable_paise", "taxable value", Rupees)
    cgst = column("cgst_paise", "CGST", Rupees)
    sgst = column("sgst_paise", "SGST or UTGST", Rupees)
    igst = column("igst_paise", "IGST", Rupees)

    def dehydrate_number(self, note: CreditNote) -> str:
        return str(note)


@dataclass(frozen=True)
class GstGroup:
    """Papers of one kind that are taxed alike. Amounts of credit notes are negative."""

    paper: str
    gstin: str
    buyer_gstin: str
    place: str
    sac: str
    rate: Decimal
    papers: int
    total_paise: int
    taxable_paise: int
    cgst_paise: int
    sgst_paise: int
    igst_paise: int


class GstResource(Resource):
    paper = column("paper", "paper")
    gstin = column("gstin", "our GSTIN")
    buyer = column("buyer_gstin", "GSTIN of the buyer")
    place = column("place", "place of supply")
    sac = column("sac", "SAC")
    rate = column("rate", "rate in percent", Number)
    papers = column("papers", "papers", Number)
    total = column("total_paise", "total", Rupees)
    taxable = column("taxable_paise", "taxable value", Rupees)
    cgst = column("cgst_paise", "CGST", Rupees)
    sgst = column("sgst_paise", "SGST or UTGST", Rupees)
    igst = column("igst_paise", "IGST", Rupees)


def _during(first: date, last: date, moment: str) -> Q:
    """From the first moment of the first day to the last of the last one."""
    return Q(**{f"{moment}__gte": span(first)[0], f"{moment}__lt": span(last)[1]})


def _entries(first: date, last: date) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(
        _during(first, last, "created_at"), simulated=settings.PHONEPE_SIMULATION_MODE
    )


def _sum_of(entries: QuerySet[LedgerEntry], *kinds: str) -> Coalesce:
    """Of the entries about the row of the query around it."""
    sums = entries.filter(kind__in=kinds).order_by().values("payment").annotate(sum=Sum("amount_paise"))
    return Coalesce(Subquery(sums.values("sum")), 0)


def bookings(first: date, last: date) -> QuerySet[Booking]:
    paid = LedgerEntry.objects.filter(payment__checkout=OuterRef("checkout"))
    rows = Booking.objects.filter(
        _during(first, last, "created_at"), checkout__payment__simulated=settings.PHONEPE_SIMULATION_MODE
    )
    rows = rows.annotate(received_paise=_sum_of(paid, *PAYING))
    return rows.select_related("user", "checkout__payment").order_by("pk")


def payments(first: date, last: date) -> QuerySet[Payment]:
    """Of which money moved in the period, with what moved then."""
    entries = _entries(first, last)
    of_payment = entries.filter(payment=OuterRef("pk"))
    sums = {f"{kind.lower()}_paise": _sum_of(of_payment, kind) for kind in Kind.values if kind not in PAYING}
    rows = Payment.objects.filter(pk__in=entries.order_by().values("payment"))
    rows = rows.annotate(received_paise=_sum_of(of_payment, *PAYING), **sums)
    return rows.select_related("user", "checkout").order_by("pk")


def refunds(first: date, last: date) -> QuerySet[Refund]:
    """Completed in the period."""
    entries = _entries(first, last).filter(kind=Kind.REFUND)
    amount = entries.filter(reference=OuterRef("merchant_refund_id")).values("amount_paise")
    rows = Refund.objects.filter(merchant_refund_id__in=entries.values("reference"))
    rows = rows.annotate(returned_paise=-Subquery(amount))
    return rows.select_related("payment", "attempt", "credit_note", "asked_by", "approved_by").order_by("pk")


def ledger(first: date, last: date) -> QuerySet[LedgerEntry]:
    return _entries(first, last).select_related("payment", "by_hand__person").order_by("pk")


def receipts(first: date, last: date) -> QuerySet[Receipt]:
    series = Receipt.Series.SIMULATION
    rows = Receipt.objects.filter(_during(first, last, "received_at"))
    rows = rows.filter(series=series) if settings.PHONEPE_SIMULATION_MODE else rows.exclude(series=series)
    return rows.select_related("payment__user").order_by("series", "year", "number")


def credit_notes(first: date, last: date) -> QuerySet[CreditNote]:
    rows = CreditNote.objects.filter(
        _during(first, last, "issued_at"), refund__attempt__simulated=settings.PHONEPE_SIMULATION_MODE
    )
    return rows.select_related("refund__payment__user", "receipt").order_by("series", "year", "number")


def gst(first: date, last: date) -> Iterator[GstGroup]:
    """Receipts by the day of the money, credit notes by the day of the refund. Untaxed papers have an empty GSTIN."""
    papers = ("receipt", 1, receipts(first, last)), ("credit note", -1, credit_notes(first, last))
    for paper, sign, rows in papers:
        alike = ("gstin", "buyer_gstin", "place_of_supply", "sac", "gst_basis_points")
        taxes = ("cgst_paise", "sgst_paise", "igst_paise")
        sums = {f"sum_{name}": Sum(name) for name in ("total_paise", *taxes)}
        groups = rows.order_by().select_related(None).values(*alike).annotate(papers=Count("pk"), **sums)
        for group in groups.order_by(*alike):
            amounts = {name: sign * group[f"sum_{name}"] for name in ("total_paise", *taxes)}
            state = group["place_of_supply"]
            yield GstGroup(
                paper=paper,
                gstin=group["gstin"],
                buyer_gstin=group["buyer_gstin"],
                place=f"{state}-{STATES.get(state, '')}" if state else "",
                sac=group["sac"],
                rate=Decimal(group["gst_basis_points"]) / 100,
                papers=group["papers"],
                taxable_paise=amounts["total_paise"] - sum(amounts[name] for name in taxes),
                **amounts,
            )


@dataclass(frozen=True)
class Export:
    title: Text
    resource: type[Resource]
    rows: Callable[[date, date], Iterable[Any]]
    right: str = rights.SEE_LEDGER  # to take it along, beside that of the page

    def table(self, first: date, last: date) -> Iterator[list[Any]]:
        """The head, and one row after the other."""
        resource, rows = self.resource(), self.rows(first, last)
        yield resource.get_export_headers()
        for row in rows.iterator(CHUNK) if isinstance(rows, QuerySet) else rows:
            yield resource.export_resource(row)


EXPORTS: dict[str, Export] = {
    "gst": Export(_("GST summary"), GstResource, gst),
    "receipts": Export(_("Receipts"), ReceiptResource, receipts, rights.SEE_RECEIPTS),
    "credit-notes": Export(_("Credit notes"), CreditNoteResource, credit_notes, rights.SEE_CREDIT_NOTES),
    "payments": Export(_("Payments"), PaymentResource, payments, rights.SEE_PAYMENTS),
    "refunds": Export(_("Refunds"), RefundResource, refunds, rights.SEE_REFUNDS),
    "ledger": Export(_("Ledger"), LedgerResource, ledger),
    "bookings": Export(_("Bookings"), BookingResource, bookings, rights.SEE_BOOKINGS),
}


def as_csv(export: Export, first: date, last: date) -> Iterator[str]:
    return csv_lines(lines_of_replica(export.table(first, last)))


def as_xlsx(export: Export, first: date, last: date) -> IO[bytes]:
    """A file to be read from its beginning. Rows go to the disk as they come."""
    # It loads Pillow, which no process needs before somebody takes a file along.
    from openpyxl import Workbook  # noqa: PLC0415
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415

    book = Workbook(write_only=True)
    sheet = book.create_sheet(str(export.title)[:31])
    for row in lines_of_replica(export.table(first, last)):
        sheet.append([_formatted(WriteOnlyCell(sheet, value=safe_cell(value)), value) for value in row])
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the sender closes it
    book.save(file)
    file.seek(0)
    return file


def _formatted(cell: Any, value: Any) -> Any:
    """Text is never a formula, amounts have two decimals."""
    if isinstance(value, Decimal):
        cell.number_format = "0.00"
    else:
        cell.data_type = "n" if isinstance(value, int) else "s"
    return cell
