"""Times of pujas: the week with its fill, slots in bulk, closed days, opening hours."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from backoffice import rights
from backoffice.pages import desk_page, may, sentence_of, show
from backoffice.slot_forms import CalendarForm, ClosingForm, HoursForm, SeriesForm
from booking.models import ClosedPeriod, OpeningHours, PujaService, Slot
from booking.services.calendar_import import LARGEST_FILE, UnreadableCalendar, read_periods
from booking.services.openings import (
    HoursOverlap,
    Period,
    close_periods,
    open_again,
    plan_closing,
    set_hours,
)
from booking.services.slot_series import SeriesTooLong, make_series, plan_series
from booking.services.week_grid import grid_of
from core.dates import spell_date
from core.language import localized

MOST_SHOWN = 50
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)
SALT = "desk.closed-periods"
FORM_LIFE = timedelta(hours=2)


@desk_page(rights.SEE_SLOTS)
def grid(request: HttpRequest) -> HttpResponse:
    """Seven days from `?day=` on, else from today; `?only=day` that day alone, `?service=` one puja."""
    first = _asked_day(request)
    is_day = request.GET.get("only") == "day"
    days = 1 if is_day else 7
    service = _asked_service(request)
    grid = grid_of(first, days, service.pk if service else None)
    names = PujaService.objects.order_by("title")
    return show(
        request,
        "backoffice/slots.html",
        _("Times"),
        days=[(each, spell_date(each.date, weekday=True, year=False)) for each in grid.days],
        is_cut=grid.is_cut,
        is_day=is_day,
        today=timezone.localdate(),
        service=service,
        services=list(names[:500]),
        before=_grid_address(first - timedelta(days=days), service, is_day),
        after=_grid_address(first + timedelta(days=days), service, is_day),
        other=_grid_address(first, service, not is_day),
        title_of_span=spell_date(first, weekday=is_day),
        last=first + timedelta(days=days - 1),
        may_add=may(request, rights.ADD_SLOTS),
        may_close=may(request, rights.CHANGE_SLOTS),
    )


@desk_page(rights.SEE_SLOTS, rights.ADD_SLOTS)
def series(request: HttpRequest) -> HttpResponse:
    """GET shows what would be made, POST makes it."""
    values = request.POST if request.method == "POST" else request.GET
    form = SeriesForm(values if "first" in values else None)
    plan = None
    if form.is_bound and form.is_valid():
        series = form.series()
        try:
            plan = make_series(series) if request.method == "POST" else plan_series(series)
        except SeriesTooLong as refusal:
            form.add_error(None, sentence_of(refusal))
    if plan is not None and request.method == "POST":
        made = len(plan.new)
        text = ngettext("%d time was added.", "%d times were added.", made) % made
        messages.success(request, text)
        first = timezone.localdate(plan.new[0]) if made else form.cleaned_data["first"]
        return redirect(_grid_address(first, form.cleaned_data["service"], False))
    return show(
        request,
        "backoffice/slot_series.html",
        _("Add times"),
        form=form,
        plan=plan,
        values=_repeat(form) if plan else [],
        most_shown=MOST_SHOWN,
        trail=[(_("Times"), reverse("desk:slots"))],
    )


@desk_page(rights.SEE_SLOTS, rights.CHANGE_SLOTS)
def closed_days(request: HttpRequest) -> HttpResponse:
    """GET lists them, and shows what closing the asked days would do. POST closes them."""
    values = request.POST if request.method == "POST" else request.GET
    form = ClosingForm(values if "first" in values else None)
    if form.is_bound and form.is_valid():
        periods = form.periods()
        if request.method == "POST":
            return _close(request, periods)
        return _show_plan(request, periods, hidden=_repeat(form))
    return _show_closed_days(request, form)


@desk_page(rights.SEE_SLOTS, rights.CHANGE_SLOTS)
def closed_days_file(request: HttpRequest) -> HttpResponse:
    """A POST with a file shows what it says; a POST with the signed periods closes them."""
    if request.method != "POST":
        return redirect("desk:closed-days")
    if signed := request.POST.get("periods"):
        try:
            rows = signing.loads(signed, salt=SALT, max_age=FORM_LIFE)
        except signing.BadSignature:
            messages.error(request, _("This page is too old. Please upload the file once more."))
            return redirect("desk:closed-days")
        return _close(request, [_unpack(row) for row in rows])
    form = CalendarForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show_closed_days(request, ClosingForm(), file_form=form)
    try:
        periods = read_periods(form.cleaned_data["file"].read(LARGEST_FILE + 1))
    except UnreadableCalendar as refusal:
        form.add_error("file", sentence_of(refusal))
        return _show_closed_days(request, ClosingForm(), file_form=form)
    packed = [
        [each.begins.isoformat(), each.ends.isoformat(), each.service, each.reason]
        for each in periods.periods
    ]
    return _show_plan(
        request,
        periods.periods,
        left_out=periods.left_out,
        hidden=[("periods", signing.dumps(packed, salt=SALT, compress=True))],
        target=reverse("desk:closed-days-file"),
    )


@desk_page(rights.SEE_SLOTS, rights.CHANGE_SLOTS)
def open_days(request: HttpRequest, period_id: int) -> HttpResponse:
    period = ClosedPeriod.objects.select_related("service").filter(pk=period_id).first()
    if period is None:
        messages.info(request, _("These days are open already."))  # by another click, or somebody else
        return redirect("desk:closed-days")
    if request.method == "POST":
        count = open_again(period)
        text = ngettext("Open again: %d time is sold.", "Open again: %d times are sold.", count) % count
        messages.success(request, text)
        return redirect("desk:closed-days")
    trail = [(_("Times"), reverse("desk:slots")), (_("Closed days"), reverse("desk:closed-days"))]
    return show(request, "backoffice/open_days.html", _("Open again"), period=period, trail=trail)


@desk_page(rights.SEE_SLOTS, rights.CHANGE_SLOTS)
def hours(request: HttpRequest) -> HttpResponse:
    """`?service=`: the hours of one puja, in place of those of all."""
    service = _asked_service(request)
    if request.method == "POST":
        form = HoursForm(request.POST)
        if form.is_valid() and _set_hours(form, service):
            messages.success(request, _("The opening hours were saved. Bookings stay as they are."))
            return redirect(_address("desk:opening-hours", service=service.pk if service else ""))
    else:
        form = HoursForm(initial=_hours_of(service))
    outside = Slot.objects.filter(is_suspended=True, is_open=True, starts_at__gt=timezone.now())
    return show(
        request,
        "backoffice/opening_hours.html",
        _("Opening hours"),
        form=form,
        service=service,
        services=list(PujaService.objects.order_by("title")[:500]),
        unsold=(outside.filter(service=service) if service else outside).count(),
        trail=[(_("Times"), reverse("desk:slots"))],
    )


def _close(request: HttpRequest, periods: list[Period]) -> HttpResponse:
    done = close_periods(periods, cast(User, request.user))
    made = len(done.made)
    messages.success(
        request, ngettext("%d closed period was added.", "%d closed periods were added.", made) % made
    )
    if done.bookings:
        text = ngettext(
            "%d booking still takes place in them: move or refund it.",
            "%d bookings still take place in them: move or refund each.",
            done.bookings,
        )
        messages.warning(request, text % done.bookings)
    return redirect("desk:closed-days")


def _show_closed_days(
    request: HttpRequest, form: ClosingForm, file_form: CalendarForm | None = None
) -> HttpResponse:
    rows = ClosedPeriod.objects.select_related("service").filter(ends__gt=timezone.now())
    periods = list(rows.order_by("begins", "pk")[: MOST_SHOWN + 1])
    return show(
        request,
        "backoffice/closed_days.html",
        _("Closed days"),
        form=form,
        file_form=file_form or CalendarForm(),
        periods=periods[:MOST_SHOWN],
        has_more=len(periods) > MOST_SHOWN,
        affected=_affected(periods[:MOST_SHOWN]),
        trail=[(_("Times"), reverse("desk:slots"))],
    )


def _show_plan(request: HttpRequest, periods: Sequence[Period], **context: Any) -> HttpResponse:
    plan = plan_closing(periods)
    bookings = list(plan.bookings[: MOST_SHOWN + 1])
    names: dict[int | None, str] = {
        puja.pk: localized(puja, "title") for puja in PujaService.objects.only("pk", "title", "title_hi")
    }
    return show(
        request,
        "backoffice/closing_plan.html",
        _("Close days"),
        periods=[(each, names.get(each.service)) for each in periods[:MOST_SHOWN]],
        more_periods=max(len(periods) - MOST_SHOWN, 0),
        plan=plan,
        affected=_with_addresses(bookings[:MOST_SHOWN]),
        has_more=len(bookings) > MOST_SHOWN,
        trail=[(_("Times"), reverse("desk:slots")), (_("Closed days"), reverse("desk:closed-days"))],
        **context,
    )


def _affected(periods: Sequence[ClosedPeriod]) -> list[tuple[Any, str]]:
    """Bookings that stand in a closed period: staff move or refund each."""
    spans = [Period(each.begins, each.ends, each.service_id) for each in periods]
    return _with_addresses(list(plan_closing(spans).bookings[:MOST_SHOWN])) if spans else []


def _with_addresses(bookings: list[Any]) -> list[tuple[Any, str]]:
    """Each with the page on which its time is closed: there it is moved, or refunded."""
    return [
        (
            booking,
            _closing_address(timezone.localdate(booking.starts_at), booking.checkout.puja_service_id),
        )
        for booking in bookings
    ]


def _closing_address(day: date, service: int) -> str:
    try:
        return _address("desk:closing", day=day.isoformat(), service=service)
    except NoReverseMatch:
        return reverse("admin:booking_booking_changelist")


def _set_hours(form: HoursForm, service: PujaService | None) -> bool:
    try:
        set_hours(service.pk if service else None, form.week())
    except HoursOverlap as refusal:
        form.add_error(None, sentence_of(refusal))
        return False
    return True


def _hours_of(service: PujaService | None) -> dict[str, Any]:
    initial: dict[str, Any] = {}
    for row in OpeningHours.objects.filter(service=service):
        if row.opens is None or row.closes is None:
            initial[f"closed_{row.weekday}"] = True
            continue
        before = initial.get(f"hours_{row.weekday}", "")
        initial[f"hours_{row.weekday}"] = (
            f"{before}, " * bool(before) + f"{row.opens:%H:%M}-{row.closes:%H:%M}"
        )
    return initial


def _repeat(form: SeriesForm | ClosingForm) -> list[tuple[str, str]]:
    """The values of a checked form, for the hidden fields of the form that does it."""
    data = cast(Any, form.data)
    return [(name, value) for name in form.fields for value in data.getlist(name)]


def _unpack(row: Any) -> Period:
    begins, ends, service, reason = row
    return Period(datetime.fromisoformat(begins), datetime.fromisoformat(ends), service, reason)


def _asked_day(request: HttpRequest) -> date:
    try:
        day = parse_date(request.GET.get("day", ""))
    except ValueError:
        day = None
    return day if day and FIRST_DAY <= day <= LAST_DAY else timezone.localdate()


def _asked_service(request: HttpRequest) -> PujaService | None:
    """Raises Http404 for a puja that there is not."""
    key = request.GET.get("service", "")
    if not key:
        return None
    if not key.isdecimal() or len(key) > 18:
        raise Http404
    return get_object_or_404(PujaService, pk=int(key))


def _grid_address(day: date, service: PujaService | None, is_day: bool) -> str:
    query: dict[str, Any] = {"day": day.isoformat()}
    if service:
        query["service"] = service.pk
    if is_day:
        query["only"] = "day"
    return _address("desk:slots", **query)


def _address(name: str, **query: Any) -> str:
    return f"{reverse(name)}?{urlencode(query)}"
