"""The first page: what happens today, what needs somebody, and how the money does."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from backoffice import figures, rights
from backoffice.agenda import agenda, next_day_with_bookings
from backoffice.attention import MOST_ROWS, Need, counted_needs
from backoffice.navigation import entries_of
from backoffice.pages import View, desk_page, may, show
from core.dates import spell_date, spell_time


@desk_page(rights.SEE_BOOKINGS)
def today(request: HttpRequest) -> HttpResponse:
    """`?day=2026-11-28` shows the agenda of another day. Whatever its right is missing for is left out."""
    now, this_day = timezone.now(), timezone.localdate()
    day = _asked_day(request) or this_day
    hours = agenda(day)
    lines = [line for hour in hours for line in hour.lines]
    context: dict[str, Any] = {
        "day": day,
        "is_today": day == this_day,
        "day_before": day - timedelta(days=1),
        "day_after": day + timedelta(days=1),
        "agenda": hours,
        "bookings": len(lines),
        "paid_paise": sum((line.paid_paise or 0) - line.back_paise for line in lines),
        "without_priest": sum(line.lacks_priest for line in lines),
        "sees_money": may(request, rights.SEE_PAYMENTS),
        "may_assign": may(request, rights.SEE_PRIESTS, rights.ASSIGN_PRIESTS),
        "next_day": None if hours else next_day_with_bookings(day),
        "needs": counted_needs(request, now),
    }
    if may(request, rights.SEE_PAYMENTS):
        context |= _money_context(now)
    if may(request, rights.SEE_DIAGNOSES) and (run := figures.last_diagnosis()):
        context |= {"diagnosis": run, "verdict": figures.verdict_of(run), "hops": figures.hops(run)}
    return show(request, "backoffice/today.html", _("Today"), **context)


def _asked_day(request: HttpRequest) -> date | None:
    try:
        return parse_date(request.GET.get("day", ""))
    except ValueError:  # the form of a date, as 2026-02-31
        return None


def _money_context(now: Any) -> dict[str, Any]:
    money, hours = figures.money(timezone.localdate(now)), figures.hours(now)
    in_rupees = [paise / 100 for _, paise in money.by_day]
    return {
        "spans": [
            (span, money.came[span], money.went_back[span], money.payments[span]) for span in figures.SPANS
        ],
        "money": money,
        "chart_of_days": figures.chart(
            [spell_date(day, year=False) for day, _ in money.by_day],
            (_("Received (₹)"), "primary-600", in_rupees),
            unit="₹",
        ),
        "chart_of_pujas": figures.chart(
            [puja for puja, _ in money.by_puja],
            (_("Received (₹)"), "primary-600", [paise / 100 for _, paise in money.by_puja]),
            unit="₹",
        ),
        "hours": hours,
        "chart_of_hours": figures.chart(
            [spell_time(hour.starts_at) for hour in hours],
            (_("Paid (%)"), "primary-600", [round(100 * (hour.rate or 0)) for hour in hours]),
            unit="%",
        ),
        "news": figures.news_of_payments(now),
        "risk": figures.risk(),
    }


def needs(need: Need) -> View:
    """The page of one kind of case: the oldest rows, each with a link to where it is dealt with."""

    @desk_page(need.right)
    def page(request: HttpRequest) -> HttpResponse:
        found = [*need.find(timezone.now())[: MOST_ROWS + 1]]
        return show(
            request,
            "backoffice/needs.html",
            need.title,
            need=need,
            rows=[need.describe(row) for row in found[:MOST_ROWS]],
            has_more=len(found) > MOST_ROWS,
            trail=[(_("Today"), reverse("desk:today"))],
        )

    return page


@desk_page()
def tables(request: HttpRequest) -> HttpResponse:
    """The rows behind the desk, as far as the rights of this person go."""
    app_list = admin.site.get_app_list(request)
    return show(request, "backoffice/tables.html", _("All tables"), app_list=app_list)


def start(request: HttpRequest) -> HttpResponse:
    """What the address of the admin itself shows: Today, or the first page that this person may open."""
    if may(request, rights.SEE_BOOKINGS):
        return today(request)
    entries = entries_of(request)
    return redirect(entries[0].page if entries else "desk:tables")
