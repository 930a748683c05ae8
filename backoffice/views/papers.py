"""Receipts and credit notes, found by their number and printed again; donations, and their donors for Form 10BD."""

from datetime import date, datetime
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from backoffice import rights
from backoffice.donations import (
    Approval,
    donations_of_year,
    donations_with_pan,
    form_10bd,
    lacking_address,
    line_of,
)
from backoffice.pages import desk_page, may, show
from backoffice.views.exports import DATE_WIDGET, send_table
from core.language import Text
from core.printable import printable
from core.texts import plain_line
from payment.models import CreditNote, Payment, Receipt
from payment.models.receipts import FIRST_YEAR, LAST_YEAR, financial_year, read_serial_number
from payment.services.donations import write_address

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
    page = found[:ON_A_PAGE]
    return show(
        request,
        "backoffice/papers.html",
        _("Receipts and credit notes"),
        kinds=KINDS.items(),
        kind=kind,
        wanted=text,
        rows=[(paper, *_details(paper)) for paper in page],
        following=page[-1].pk if len(found) > ON_A_PAGE else None,
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

    year = forms.IntegerField(min_value=FIRST_YEAR, max_value=LAST_YEAR, widget=forms.HiddenInput)


class FileForm(YearForm):
    """What stands in each row of Form 10BD, and in no table of ours."""

    registration = forms.CharField(
        label=gettext_lazy("Number of your approval (URN)"),
        max_length=100,
        required=False,
        validators=[plain_line],
    )
    registered_on = forms.DateField(
        label=gettext_lazy("Date of your approval"), required=False, widget=DATE_WIDGET
    )


class AddressForm(forms.Form):
    address = forms.CharField(
        label=gettext_lazy("Address of the donor"), max_length=200, validators=[plain_line]
    )


@desk_page(rights.SEE_DONATIONS)
def donations(request: HttpRequest) -> HttpResponse:
    """Of a financial year, PANs masked. POST with `file` takes the donors along, by a right of its own.

    `?lacking=address`: those that Form 10BD wants an address for.
    """
    this_year = financial_year(timezone.now())
    year_form = YearForm(
        request.POST if request.method == "POST" else {"year": request.GET.get("year", this_year)}
    )
    year = year_form.cleaned_data["year"] if year_form.is_valid() else this_year
    kind, form = request.POST.get("file", ""), FileForm(initial={"year": year})
    if kind in ("csv", "xlsx"):
        if not may(request, rights.EXPORT_PANS):
            raise PermissionDenied
        if not year_form.is_valid():  # a file of this year would be taken for one of the year that was meant
            raise Http404
        form = FileForm(request.POST)
        if form.is_valid():
            fields = form.cleaned_data
            export = form_10bd(Approval(fields["registration"], fields["registered_on"]))
            return send_table(request, "form-10bd", export, kind, date(year, 4, 1), date(year + 1, 3, 31))
    below, only_lacking = _key(request.GET.get("below", "")), request.GET.get("lacking") == "address"
    rows = lacking_address(year) if only_lacking else donations_of_year(year)
    found = [*(rows.filter(payment__receipt__number__lt=below) if below else rows)[: ON_A_PAGE + 1]]
    page = found[:ON_A_PAGE]
    return show(
        request,
        "backoffice/donations.html",
        _("Donations"),
        year=year,
        years=range(this_year, this_year - 8, -1),
        lines=[line_of(each) for each in page],
        following=page[-1].payment.receipt.number if len(found) > ON_A_PAGE else None,
        may_export=may(request, rights.EXPORT_PANS),
        only_lacking=only_lacking,
        form=form,
    )


@desk_page(rights.SEE_DONATIONS, rights.EXPORT_PANS)
def donor_address(request: HttpRequest, pk: int) -> HttpResponse:
    """Of a donor with a PAN, for Form 10BD: they have told it later, or have moved."""
    donation = get_object_or_404(donations_with_pan(), pk=pk)
    form = AddressForm(request.POST or None, initial={"address": donation.address})
    back = f"{reverse('desk:donations')}?year={donation.payment.receipt.year}"
    if request.method == "POST" and form.is_valid():
        write_address(donation, form.cleaned_data["address"], cast(User, request.user))
        messages.success(request, _("The address is kept. It stands in Form 10BD."))
        return redirect(back)
    return show(
        request,
        "backoffice/donor_address.html",
        _("Address of the donor"),
        line=line_of(donation),
        form=form,
        trail=[(_("Donations"), back)],
    )


def _key(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Http404
    return int(text)
