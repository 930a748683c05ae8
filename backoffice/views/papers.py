"""Receipts and credit notes, found by their number and printed again; donations, and their donors for Form 10BD."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from backoffice import rights
from backoffice.donations import FORM_10BD, donations_of_year, line_of
from backoffice.pages import desk_page, may, show
from backoffice.views.exports import send_table
from core.language import Text
from core.printable import printable
from payment.models import CreditNote, Payment, Receipt
from payment.models.receipts import FIRST_YEAR, LAST_YEAR, financial_year, read_serial_number

ON_A_PAGE = 50
LONGEST = 100  # letters of what is searched for
KINDS: dict[str, Text] = {
    "receipts": gettext_lazy("Receipts"),
    "credit-notes": gettext_lazy("Credit notes"),
}


@desk_page(rights.SEE_RECEIPTS, rights.SEE_CREDIT_NOTES)
def papers(request: HttpRequest) -> HttpResponse:
    """`?kind=` of KINDS, `?q=` a number of a paper, payment or refund, `?before=` the id of one: the older ones."""
    kind, before = request.GET.get("kind", "receipts"), _key(request.GET.get("before", ""))
    if kind not in KINDS:
        raise Http404
    text = printable(request.GET.get("q", "").strip())[:LONGEST]
    rows: QuerySet[Any] = _receipts(text) if kind == "receipts" else _credit_notes(text)
    found = [*(rows.filter(pk__lt=before) if before else rows).order_by("-pk")[: ON_A_PAGE + 1]]
    shown = found[:ON_A_PAGE]
    return show(
        request,
        "backoffice/papers.html",
        _("Receipts and credit notes"),
        kinds=KINDS.items(),
        kind=kind,
        wanted=text,
        rows=[(paper, *_details(paper)) for paper in shown],
        following=shown[-1].pk if len(found) > ON_A_PAGE else None,
    )


def _receipts(text: str) -> QuerySet[Receipt]:
    rows = Receipt.objects.select_related("payment__user", "payment__checkout")
    if serial := read_serial_number(text):
        return rows.filter(**_numbered(serial))
    return rows.filter(payment__reference=text.upper()) if text else rows


def _credit_notes(text: str) -> QuerySet[CreditNote]:
    rows = CreditNote.objects.select_related("refund__payment__user", "refund__payment__checkout", "receipt")
    if serial := read_serial_number(text):
        return rows.filter(**_numbered(serial))
    if not text:
        return rows
    by_refund = rows.filter(refund__merchant_refund_id=text)
    return by_refund if by_refund.exists() else rows.filter(refund__payment__reference=text.upper())


def _numbered(serial: tuple[str, int, int]) -> dict[str, Any]:
    return dict(zip(("series", "year", "number"), serial, strict=True))


def _details(paper: Receipt | CreditNote) -> tuple[Payment, datetime, str]:
    """The payment, when the money moved, and where the paper is printed."""
    if isinstance(paper, Receipt):
        return paper.payment, paper.received_at, reverse("admin:payment_receipt_pdf", args=[paper.pk])
    return paper.refund.payment, paper.issued_at, reverse("admin:payment_creditnote_pdf", args=[paper.pk])


class YearForm(forms.Form):
    """The financial year that begins in it."""

    year = forms.IntegerField(min_value=FIRST_YEAR, max_value=LAST_YEAR)


@desk_page(rights.SEE_DONATIONS)
def donations(request: HttpRequest) -> HttpResponse:
    """Of a financial year, PANs masked. POST with `file` takes the donors along, by a right of its own."""
    this_year = financial_year(timezone.now())
    form = YearForm(
        request.POST if request.method == "POST" else {"year": request.GET.get("year", this_year)}
    )
    year = form.cleaned_data["year"] if form.is_valid() else this_year
    kind = request.POST.get("file", "")
    if kind in ("csv", "xlsx"):
        if not may(request, rights.EXPORT_PANS):
            raise PermissionDenied
        if not form.is_valid():  # a file of this year would be taken for one of the year that was meant
            raise Http404
        first, last = date(year, 4, 1), date(year + 1, 3, 31)
        return send_table(request, "form-10bd", FORM_10BD, kind, first, last)
    below, rows = _key(request.GET.get("below", "")), donations_of_year(year)
    found = [*(rows.filter(payment__receipt__number__lt=below) if below else rows)[: ON_A_PAGE + 1]]
    shown = found[:ON_A_PAGE]
    return show(
        request,
        "backoffice/donations.html",
        _("Donations"),
        year=year,
        years=range(this_year, this_year - 8, -1),
        lines=[line_of(each) for each in shown],
        following=shown[-1].payment.receipt.number if len(found) > ON_A_PAGE else None,
        may_export=may(request, rights.EXPORT_PANS),
    )


def _key(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)
