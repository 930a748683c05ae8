"""Filters of the lists of bookings and payments that a person keeps for themselves.

A span of days is kept as it was meant, counted from the day on which the list is opened: `created_at__span=days:0:7`.
"""

import re
from datetime import datetime, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from accounts.models import User
from backoffice import rights
from backoffice.models import SavedFilter
from backoffice.pages import desk_page, may, show
from core.texts import plain_line

# Each list with the right to read it.
LISTS = {"booking_booking": rights.SEE_BOOKINGS, "payment_payment": rights.SEE_PAYMENTS}
MOST = 20  # of one person and list
# The search holds names and phones, the page is no choice.
NOT_KEPT = ("q", "p", "e", "all")
SINCE, UNTIL, SPAN = "__gte", "__lt", "__span"
KEPT_SPAN = re.compile(r"(days|months|years):(-?[0-9]{1,3}):(-?[0-9]{1,3})")


class FilterForm(forms.Form):
    table = forms.ChoiceField(choices=[(each, each) for each in LISTS], widget=forms.HiddenInput)
    query = forms.CharField(max_length=500, required=False, widget=forms.HiddenInput)
    name = forms.CharField(max_length=40, validators=[plain_line])

    def clean_query(self) -> str:
        """Encoded, it may be longer than what was sent."""
        query = kept_query(self.cleaned_data["query"])
        SavedFilter._meta.get_field("query").run_validators(query)
        return query


def kept_query(query: str) -> str:
    """Of the query of a list: what is kept of it."""
    values = QueryDict(query, mutable=True)
    for name in NOT_KEPT:
        values.pop(name, None)
    for name in [name.removesuffix(SINCE) for name in values if name.endswith(SINCE)]:
        since, until = (_moment(values.get(name + bound, "")) for bound in (SINCE, UNTIL))
        if since and until:
            del values[name + SINCE], values[name + UNTIL]
            values[name + SPAN] = _span(since, until)
    return values.urlencode()


def list_query(kept: str) -> str:
    """The query of a list today, of what was kept."""
    values = QueryDict(kept, mutable=True)
    for name in [name for name in values if name.endswith(SPAN)]:
        if found := KEPT_SPAN.fullmatch(values.pop(name)[-1]):
            unit, since, until = found.groups()
            name = name.removesuffix(SPAN)
            values[name + SINCE], values[name + UNTIL] = (
                str(_shift(unit, int(each))) for each in (since, until)
            )
    return values.urlencode()


def _moment(text: str) -> datetime | None:
    """A midnight; None for anything else."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return None
    if moment is None or timezone.is_naive(moment):
        return None
    local = timezone.localtime(moment)
    return local if local == _midnight(local) else None


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _span(since: datetime, until: datetime) -> str:
    """In years or months where it begins and ends with one, else in days."""
    today, bounds = _midnight(timezone.localtime()), (since, until)
    is_long = until - since >= timedelta(days=28)
    if is_long and all((each.month, each.day) == (1, 1) for each in bounds):
        unit, counts = "years", [each.year - today.year for each in bounds]
    elif is_long and all(each.day == 1 for each in bounds):
        counts = [12 * (each.year - today.year) + each.month - today.month for each in bounds]
        unit = "months"
    else:
        unit, counts = "days", [(each - today).days for each in bounds]
    return ":".join([unit, *map(str, counts)])


def _shift(unit: str, count: int) -> datetime:
    """The first moment of the day, month or year that is so many after the one of now."""
    today = _midnight(timezone.localtime())
    if unit == "days":
        return today + timedelta(days=count)
    if unit == "years":
        return today.replace(year=today.year + count, month=1, day=1)
    years, month = divmod(today.month - 1 + count, 12)
    return today.replace(year=today.year + years, month=month + 1, day=1)


def list_address(table: str, kept: str) -> str:
    return f"{reverse(f'admin:{table}_changelist')}?{list_query(kept)}"


@desk_page()
def save(request: HttpRequest) -> HttpResponse:
    """The same name again: the filters are those of now."""
    form = FilterForm(request.POST or None)
    table = request.POST.get("table", "")
    if not form.is_valid():
        if request.method == "POST":
            messages.error(request, _("A name of at most 40 letters is needed."))
        return redirect(
            list_address(table, request.POST.get("query", "")) if table in LISTS else "desk:tables"
        )
    fields: dict[str, Any] = form.cleaned_data
    if not may(request, LISTS[table]):
        return show(request, "backoffice/forbidden.html", _("Not for your role"), status=403)
    own = SavedFilter.objects.filter(user=cast(User, request.user), table=table)
    if own.exclude(name=fields["name"]).count() >= MOST:
        messages.error(request, _("These are enough: remove one of your filters first."))
    else:
        own.update_or_create(
            user=request.user, table=table, name=fields["name"], defaults={"query": fields["query"]}
        )
        messages.success(request, _("The filter is kept for you, above the list."))
    return redirect(list_address(table, fields["query"]))


@desk_page()
def forget(request: HttpRequest, pk: int) -> HttpResponse:
    """Of the person who is logged in. Twice is once."""
    if request.method != "POST":
        return redirect("desk:tables")
    table = request.POST.get("table", "")
    if table not in LISTS:
        raise Http404
    SavedFilter.objects.filter(user=cast(User, request.user), pk=pk).delete()
    messages.success(request, _("The filter is removed. Nothing else changes."))
    return redirect(list_address(table, ""))
