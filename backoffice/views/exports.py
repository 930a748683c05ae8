"""Tables for the accountant, and reports of a period. Whoever takes a table along stands in the log."""

import logging
from datetime import date, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from backoffice import rights
from backoffice.exports import EXPORTS, Export, as_csv, as_xlsx
from backoffice.pages import desk_page, may, show
from backoffice.reports import DIMENSIONS, report
from core.replica import reading_replica
from payment.models import LedgerEntry

logger = logging.getLogger(__name__)
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LONGEST = timedelta(days=3 * 366)
DATE_WIDGET = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class PeriodForm(forms.Form):
    first = forms.DateField(label=gettext_lazy("From"), widget=DATE_WIDGET)
    last = forms.DateField(label=gettext_lazy("To, this day included"), widget=DATE_WIDGET)

    def clean(self) -> dict[str, Any]:
        fields = super().clean() or {}
        first, last = fields.get("first"), fields.get("last")
        if first and last and not first <= last <= first + LONGEST:
            raise forms.ValidationError(_("The period ends before it begins, or is longer than three years."))
        return fields


def last_month(today: date) -> dict[str, date]:
    end = today.replace(day=1) - timedelta(days=1)
    return {"first": end.replace(day=1), "last": end}


def usual_periods(today: date) -> list[tuple[str, dict[str, date]]]:
    """Those that accountants ask for most, with their titles. Financial years begin in April."""
    year = date(today.year - (today.month < 4), 4, 1)
    year_before = {"first": year.replace(year=year.year - 1), "last": year - timedelta(days=1)}
    return [
        (_("Today"), {"first": today, "last": today}),
        (_("This month"), {"first": today.replace(day=1), "last": today}),
        (_("Last month"), last_month(today)),
        (_("This financial year"), {"first": year, "last": today}),
        (_("Last financial year"), year_before),
    ]


def period_links(form: PeriodForm) -> list[tuple[str, str, bool]]:
    """Title, query, whether the form shows this period."""
    of_form = {name: str(form[name].value()) for name in ("first", "last")}
    return [
        (title, urlencode(period), of_form == {name: str(day) for name, day in period.items()})
        for title, period in usual_periods(timezone.localdate())
    ]


@desk_page(rights.SEE_LEDGER)
def exports(request: HttpRequest) -> HttpResponse:
    """GET chooses a period, last month at first; POST with `file`, as in "gst:csv", takes a table along."""
    if request.method == "POST":
        form = PeriodForm(request.POST)
    else:
        form = (
            PeriodForm(request.GET)
            if "first" in request.GET
            else PeriodForm(initial=last_month(timezone.localdate()))
        )
    allowed = {name: export for name, export in EXPORTS.items() if may(request, export.right)}
    name, _colon, kind = request.POST.get("file", "").partition(":")
    if name in EXPORTS and name not in allowed:
        raise PermissionDenied
    if request.method == "POST" and name in allowed and kind in ("csv", "xlsx") and form.is_valid():
        return send_table(
            request, name, allowed[name], kind, form.cleaned_data["first"], form.cleaned_data["last"]
        )
    tables = [(key, export.title) for key, export in allowed.items()]
    return show(
        request, "backoffice/exports.html", _("Exports"), form=form, tables=tables, periods=period_links(form)
    )


def send_table(
    request: HttpRequest, name: str, export: Export, kind: str, first: date, last: date
) -> HttpResponse:
    """As `kind`, csv or xlsx, and in the log."""
    file_name = f"{name}-{first:%Y-%m-%d}-{last:%Y-%m-%d}.{kind}"
    by = cast(User, request.user)
    LogEntry.objects.create(
        user_id=by.pk,
        content_type=ContentType.objects.get_for_model(LedgerEntry),
        object_repr=file_name,
        action_flag=ADDITION,
        change_message="exported",
    )
    logger.info("exported", extra={"table": name, "user": by.pk, "first": str(first), "last": str(last)})
    headers = {"Cache-Control": "private, no-store"}
    if kind == "xlsx":
        sheet = as_xlsx(export, first, last)
        return FileResponse(sheet, as_attachment=True, filename=file_name, content_type=XLSX, headers=headers)  # type: ignore[return-value]
    headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
    lines = as_csv(export, first, last)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)  # type: ignore[return-value]


@desk_page(rights.SEE_LEDGER)
def reports(request: HttpRequest) -> HttpResponse:
    """What came and went back in a period, by one of DIMENSIONS."""
    form = PeriodForm(request.GET) if "first" in request.GET else PeriodForm(last_month(timezone.localdate()))
    grouping = request.GET.get("by", "")
    by = grouping if grouping in DIMENSIONS else "puja"
    with reading_replica():
        found = report(by, form.cleaned_data["first"], form.cleaned_data["last"]) if form.is_valid() else None
    return show(
        request,
        "backoffice/reports.html",
        _("Reports"),
        form=form,
        periods=period_links(form),
        by=by,
        dimensions=[(key, dimension.title) for key, dimension in DIMENSIONS.items()],
        found=found,
        trail=[(_("Exports"), reverse("desk:exports"))],
    )
