"""Priests: who they are, when they are free, which bookings they perform; and their own day."""

from datetime import date, datetime, time, timedelta
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.phones import format_phone, read_phone
from backoffice import rights
from backoffice.pages import ask_first, desk_page, may, row_id, sentence_of, show
from backoffice.priest_forms import LeaveForm, PriestForm, ReasonForm
from booking.calendar_files import place_of
from booking.models import Assignment, Booking, Priest, PriestLeave, PujaService
from booking.services.priests import (
    NotAssignable,
    PriestAway,
    PriestBusy,
    active,
    close_feed,
    day_of,
    open_feed,
    pujas_of,
    set_leave,
    suggest,
    without_priest,
)
from core.dates import spell_date, spell_moment
from core.language import localized
from payment.services.booking_changes import map_url
from payment.services.links import priest_feed_url
from payment.services.priests import assign_priest, unassign_priest

DAYS_AHEAD = 14
MOST_ROWS = 50
MOST_PRIESTS = 200
LACKING = (  # what the page shows of a booking without a priest
    *("book_id", "starts_at", "checkout__puja_title", "checkout__puja_title_hi", "checkout__priest_count"),
    *("user__first_name", "user__last_name", "user__email"),
)
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2200, 1, 1)


@desk_page(rights.SEE_PRIESTS)
def priests(request: HttpRequest) -> HttpResponse:
    """All of them, and the bookings of the next two weeks that lack one."""
    now = timezone.now()
    until = now + timedelta(days=DAYS_AHEAD)
    rows = Priest.objects.annotate(soon=pujas_of(now, until)).prefetch_related("services")
    lacking = list(without_priest(now, until).only(*LACKING)[: MOST_ROWS + 1])
    return show(
        request,
        "backoffice/priests.html",
        _("Priests"),
        priests=list(rows.order_by("-is_active", "name")[:MOST_PRIESTS]),
        lacking=lacking[:MOST_ROWS],
        has_more=len(lacking) > MOST_ROWS,
        days_ahead=DAYS_AHEAD,
        today=timezone.localdate(),
        may_change=may(request, rights.CHANGE_PRIESTS),
        may_assign=may(request, rights.ASSIGN_PRIESTS),
    )


@desk_page(rights.SEE_PRIESTS, rights.CHANGE_PRIESTS)
def add(request: HttpRequest) -> HttpResponse:
    return _edit(request, None)


@desk_page(rights.SEE_PRIESTS, rights.CHANGE_PRIESTS)
def priest(request: HttpRequest, priest_id: int) -> HttpResponse:
    return _edit(request, get_object_or_404(Priest.objects.select_related("user"), pk=priest_id))


def _edit(request: HttpRequest, priest: Priest | None) -> HttpResponse:
    form = PriestForm(request.POST if request.method == "POST" else None, instance=priest)
    if form.is_bound and form.is_valid():
        stored = form.store()
        messages.success(request, _("%s was saved.") % stored.name)
        return redirect("desk:priest", stored.pk)
    context: dict[str, Any] = {}
    if priest is not None:
        now = timezone.now()
        rows = Assignment.objects.filter(priest=priest, freed_at=None, ends__gte=now)
        context = {
            "assignments": list(rows.select_related("booking__checkout").order_by("begins")[:MOST_ROWS]),
            "leaves": list(priest.leaves.filter(ends__gt=now)),
            "leave_form": LeaveForm(),
            "month": _month(priest),
        }
    return show(
        request,
        "backoffice/priest.html",
        localized(priest, "name") if priest else _("Add a priest"),
        form=form,
        priest=priest,
        trail=[(_("Priests"), reverse("desk:priests"))],
        **context,
    )


def _trail(priest: Priest) -> list[tuple[str, str]]:
    page = reverse("desk:priest", args=[priest.pk])
    return [(_("Priests"), reverse("desk:priests")), (localized(priest, "name"), page)]


@desk_page(rights.SEE_PRIESTS, rights.CHANGE_PRIESTS)
def leave(request: HttpRequest, priest_id: int) -> HttpResponse:
    """POST adds leave, or ends one by its id (`end`)."""
    priest = get_object_or_404(Priest, pk=priest_id)
    if request.method == "POST" and (leave_id := request.POST.get("end", "")):
        back = redirect("desk:priest", priest.pk)
        ending = PriestLeave.objects.filter(pk=row_id(leave_id), priest=priest)
        if (found := ending.first()) is None:
            return back
        consequence = _("Bookings from {begins} to {ends} can be given to them again.").format(
            begins=spell_moment(found.begins), ends=spell_moment(found.ends)
        )
        if question := ask_first(request, _("End this leave"), consequence, back.url):
            return question
        ending.delete()
        return back
    form = LeaveForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        freed_bookings = set_leave(priest, *form.span(), form.cleaned_data["reason"])
        messages.success(request, _("The leave was saved."))
        if freed_bookings:
            text = ngettext(
                "%d booking is theirs in that time: give it to another priest.",
                "%d bookings are theirs in that time: give each to another priest.",
                freed_bookings,
            )
            messages.warning(request, text % freed_bookings)
        return redirect("desk:priest", priest.pk)
    return show(
        request, "backoffice/priest_leave.html", _("Leave"), form=form, priest=priest, trail=_trail(priest)
    )


@desk_page(rights.SEE_PRIESTS, rights.CHANGE_PRIESTS)
def feed(request: HttpRequest, priest_id: int) -> HttpResponse:
    """POST makes a new address of their calendar, which is shown once; with `end` it only ends the old one."""
    priest = get_object_or_404(Priest, pk=priest_id)
    url = ""
    if request.method == "POST":
        is_end = bool(request.POST.get("end"))
        button = _("End the address") if is_end else _("Make a new address, end the old one")
        consequence = _("Calendars that read the address of now get nothing new from it.")
        if priest.feed_digest and (question := ask_first(request, button, consequence, request.path)):
            return question
        if is_end:
            close_feed(priest)
            messages.success(request, _("The address of the calendar has ended."))
            return redirect("desk:priest", priest.pk)
        url = priest_feed_url(open_feed(priest))
    return show(
        request, "backoffice/priest_feed.html", _("Calendar"), priest=priest, url=url, trail=_trail(priest)
    )


@desk_page(rights.SEE_BOOKINGS, rights.SEE_PRIESTS, rights.ASSIGN_PRIESTS)
def assign(request: HttpRequest, book_id: str) -> HttpResponse:
    """GET shows who can perform the booking, the best first; POST gives it to one of them (`priest`)."""
    booking = get_object_or_404(Booking.objects.select_related("checkout__cart", "user"), book_id=book_id)
    if request.method == "POST":
        key = request.POST.get("priest", "")
        if not key.isdecimal() or len(key) > 18:
            raise Http404
        chosen = get_object_or_404(Priest, pk=int(key))
        try:
            assign_priest(booking, chosen, cast(User, request.user))
        except (PriestBusy, PriestAway, NotAssignable) as refusal:
            messages.error(request, sentence_of(refusal))
        else:
            messages.success(
                request, _("%s performs this booking and is told so.") % localized(chosen, "name")
            )
        return redirect("desk:assign-priest", booking.book_id)
    assigned = list(active(booking).select_related("priest"))
    return show(
        request,
        "backoffice/assign_priest.html",
        _("Priest of %s") % booking.book_id,
        booking=booking,
        assigned=assigned,
        assigned_keys={each.priest_id for each in assigned},
        suggestions=suggest(booking),
        reason_form=ReasonForm(),
        is_standing=booking.status == Booking.Status.CONFIRMED and booking.choose_until is None,
        trail=[(_("Priests"), reverse("desk:priests"))],
    )


@desk_page(rights.SEE_BOOKINGS, rights.SEE_PRIESTS, rights.ASSIGN_PRIESTS)
def unassign(request: HttpRequest, assignment_id: int) -> HttpResponse:
    rows = Assignment.objects.select_related("priest", "booking__checkout")
    assignment = get_object_or_404(rows, pk=assignment_id)
    form = ReasonForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        if unassign_priest(assignment, form.cleaned_data["reason"], cast(User, request.user)):
            messages.success(
                request,
                _("%s is told that the booking is not theirs.") % localized(assignment.priest, "name"),
            )
        return redirect("desk:assign-priest", assignment.booking.book_id)
    address = reverse("desk:assign-priest", args=[assignment.booking.book_id])
    trail = [(_("Priests"), reverse("desk:priests")), (assignment.booking.book_id, address)]
    return show(
        request,
        "backoffice/unassign_priest.html",
        _("Take away"),
        form=form,
        assignment=assignment,
        trail=trail,
    )


@desk_page(rights.SEE_BOOKINGS, rights.SEE_PRIESTS)
def day_sheet(request: HttpRequest) -> HttpResponse:
    """To print: `?day=`, `?priest=` one of them."""
    day, chosen = _asked_day(request), None
    if key := request.GET.get("priest", ""):
        if not key.isdecimal() or len(key) > 18:
            raise Http404
        chosen = get_object_or_404(Priest, pk=int(key))
    address = reverse("desk:day-sheet")
    return _show_day(request, day, chosen, address, {"priest": chosen.pk} if chosen else {})


@desk_page(rights.OWN_DAY)
def my_day(request: HttpRequest) -> HttpResponse:
    """The day of the priest who is logged in, and of nobody else."""
    priest = Priest.objects.filter(user=cast(User, request.user)).first()
    if priest is None:
        return show(request, "backoffice/no_priest.html", _("My day"))
    return _show_day(request, _asked_day(request), priest, reverse("desk:my-day"), {})


def _show_day(
    request: HttpRequest, day: date, priest: Priest | None, address: str, query: dict[str, Any]
) -> HttpResponse:
    def other(shift: int) -> str:
        moved = {"day": (day + timedelta(days=shift)).isoformat(), **query}
        return f"{address}?{urlencode(moved)}"

    return show(
        request,
        "backoffice/day_sheet.html",
        spell_date(day, weekday=True),
        priest=priest,
        lines=[_line(each) for each in day_of(day, priest)],
        before=other(-1),
        after=other(1),
    )


def _line(assignment: Assignment) -> dict[str, Any]:
    booking = assignment.booking
    phone = read_phone(booking.user.phone or "") or ""
    return {
        "assignment": assignment,
        "booking": booking,
        "checkout": booking.checkout,
        "name": booking.user.full_name or booking.user.email,
        "phone": phone,
        "phone_shown": format_phone(phone) or phone,
        "place": place_of(booking, "en"),
        "map_url": map_url(booking),
        "is_online": booking.checkout.puja_type == PujaService.Type.ONLINE,
    }


def _month(priest: Priest) -> list[dict[str, Any]]:
    """Their next four weeks: what they perform each day, and on which days they are away."""
    today = timezone.localdate()
    since = timezone.make_aware(datetime.combine(today, time.min))
    until = since + timedelta(days=28)
    rows = Assignment.objects.filter(priest=priest, freed_at=None, begins__gte=since, begins__lt=until)
    days: dict[date, list[Assignment]] = {today + timedelta(days=ahead): [] for ahead in range(28)}
    for row in rows.select_related("booking__checkout").order_by("begins"):
        days[timezone.localdate(row.begins)].append(row)
    away = list(priest.leaves.filter(begins__lt=until, ends__gt=since))
    return [
        {
            "date": day,
            "rows": performed,
            "is_away": any(
                timezone.localdate(each.begins) <= day <= timezone.localdate(each.ends - timedelta(minutes=1))
                for each in away
            ),
        }
        for day, performed in days.items()
    ]


def _asked_day(request: HttpRequest) -> date:
    try:
        day = parse_date(request.GET.get("day", ""))
    except ValueError:
        day = None
    return day if day and FIRST_DAY <= day <= LAST_DAY else timezone.localdate()
