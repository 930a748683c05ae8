"""Filters of the lists of bookings and payments that a person keeps for themselves."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
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


class FilterForm(forms.Form):
    table = forms.ChoiceField(choices=[(each, each) for each in LISTS], widget=forms.HiddenInput)
    query = forms.CharField(max_length=500, required=False, widget=forms.HiddenInput)
    name = forms.CharField(max_length=40, validators=[plain_line])

    def clean_query(self) -> str:
        return kept_query(self.cleaned_data["query"])


def kept_query(query: str) -> str:
    values = QueryDict(query, mutable=True)
    for name in NOT_KEPT:
        values.pop(name, None)
    return values.urlencode()


def list_address(table: str, query: str) -> str:
    return f"{reverse(f'admin:{table}_changelist')}?{query}"


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
