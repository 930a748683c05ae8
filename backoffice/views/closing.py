"""Closing a time or a day: every booking of it is shown with what can become of it, then decided at once.

Also the refunds that wait for a second person.
"""

import uuid
from datetime import date, datetime, time, timedelta
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from rest_framework.exceptions import APIException

from accounts.models import User
from backoffice import rights
from backoffice.forms import PujaField, ReasonForm
from backoffice.pages import desk_page, may, row_id, sentence_of, show
from booking.models import ClosedPeriod, PujaService, Slot
from booking.services.carts import FURTHEST
from payment.models import Closure, ClosureItem, Refund
from payment.services.closures import (
    Plan,
    PlannedBooking,
    Span,
    approve_closure,
    carry_out_at_once,
    closures_of,
    plan_closure,
    requests_of,
    sample_messages,
    start_closure,
)
from payment.services.refunds.amounts import REQUESTED
from payment.services.slot_closure import Outcome

MOST_SHOWN = 200
SECONDS_BETWEEN_LOOKS = 3
LOOK = "look"  # the button that adds up what is chosen, and decides nothing
WORDS = {
    ClosureItem.Then.MOVE: gettext_lazy("Move"),
    ClosureItem.Then.OFFER: gettext_lazy("Let them choose another time"),
    ClosureItem.Then.REFUND: gettext_lazy("Refund all"),
}

OUTCOMES = {
    ClosureItem.Outcome.WAITING: gettext_lazy("Not done yet"),
    ClosureItem.Outcome.MOVED: gettext_lazy("Moved"),
    ClosureItem.Outcome.OFFERED: gettext_lazy("Chooses another time"),
    ClosureItem.Outcome.REFUNDED: gettext_lazy("Cancelled and refunded"),
    ClosureItem.Outcome.AWAITING_APPROVAL: gettext_lazy("As it was: its refund waits for a second person"),
    ClosureItem.Outcome.NO_ROOM: gettext_lazy("As it was: its new time was taken meanwhile"),
    ClosureItem.Outcome.ENDED: gettext_lazy("Left alone: it was moved, cancelled or completed meanwhile"),
    ClosureItem.Outcome.REFUSED: gettext_lazy("As it was"),
}


class SpanForm(forms.Form):
    """A day, or a part of it; of one puja or of all."""

    day = forms.DateField(label=gettext_lazy("Day"), widget=forms.DateInput(attrs={"type": "date"}))
    from_time = forms.TimeField(
        label=gettext_lazy("From"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    to_time = forms.TimeField(
        label=gettext_lazy("Until"), required=False, widget=forms.TimeInput(attrs={"type": "time"})
    )
    service = PujaField(
        PujaService.objects.order_by("title"),
        label=gettext_lazy("Puja"),
        required=False,
        empty_label=gettext_lazy("All"),
    )

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if not timezone.localdate() <= day <= timezone.localdate() + FURTHEST:
            raise ValidationError(_("Choose a day from today on, within a year."))
        return day

    def span(self) -> Span:
        fields = self.cleaned_data
        start, end = fields["from_time"] or time.min, fields["to_time"]
        starts_from = timezone.make_aware(datetime.combine(fields["day"], start))
        next_day = timezone.make_aware(datetime.combine(fields["day"] + timedelta(days=1), time.min))
        before = timezone.make_aware(datetime.combine(fields["day"], end)) if end else next_day
        return Span(starts_from, before, fields["service"].pk if fields["service"] else None)


@desk_page(rights.SEE_BOOKINGS, rights.CHANGE_SLOTS)
def closing(request: HttpRequest) -> HttpResponse:
    """`?slot=` is a short way to the time of one slot."""
    if slot := Slot.objects.filter(pk=row_id(request.GET.get("slot", ""))).first():
        start = timezone.localtime(slot.starts_at)
        end = start + timedelta(minutes=1)
        query = f"day={start:%Y-%m-%d}&from_time={start:%H:%M}&to_time={end:%H:%M}&service={slot.service_id}"
        return redirect(f"{reverse('desk:closing')}?{query}")
    form, plan, problem = SpanForm(request.GET or None), None, ""
    chosen, only_look = _choices(request), LOOK in request.POST
    reason = ReasonForm(None if only_look else request.POST or None)
    if form.is_valid():
        span, by = form.span(), cast(User, request.user)
        try:
            if request.method == "POST" and reason.is_valid():
                return _start(request, span, by, reason.cleaned_data)
        except APIException as refusal:  # the page is shown again, with what was chosen and written
            messages.error(request, sentence_of(refusal))
            reason = ReasonForm()
        try:
            plan = plan_closure(span, by)
        except APIException as refusal:
            problem = sentence_of(refusal)
    if not reason.is_bound:
        written = request.POST.get("reason", "")
        reason = ReasonForm(initial={"seen": plan.seen if plan else "", "reason": written})
    return show(
        request,
        "backoffice/closing/plan.html",
        _("Close a time"),
        trail=[(_("Today"), reverse("desk:today"))],
        form=form,
        plan=plan,
        rows=_rows(plan, chosen) if plan else [],
        sums=_sums(plan, chosen) if plan else {},
        closed=_closed_before(plan) if plan else [],
        problem=problem,
        samples=sample_messages(plan) if plan else [],
        reason=reason,
        token=uuid.uuid4(),
    )


@desk_page(rights.SEE_BOOKINGS, rights.CHANGE_SLOTS)
@require_safe
def closure(request: HttpRequest, pk: int) -> HttpResponse:
    """How far it is. Read from its rows: it may be closed, reloaded, and opened by others."""
    found = get_object_or_404(Closure.objects.select_related("by"), pk=pk)
    items = [*found.items.select_related("booking__user", "booking__checkout", "slot").order_by("pk")]
    requests = [*requests_of(found)]
    page = show(
        request,
        "backoffice/closing/progress.html",
        _("Closed time"),
        trail=[(_("Today"), reverse("desk:today")), (_("Close a time"), reverse("desk:closing"))],
        closure=found,
        items=items,
        rows=[(item, OUTCOMES[ClosureItem.Outcome(item.outcome)]) for item in items],
        waiting=sum(not item.outcome for item in items),
        done=sum(bool(item.outcome) for item in items),
        requested_paise=sum(refund.amount_paise for refund in requests),
        requests=len(requests),
        may_approve=may(request, rights.REFUND) and found.by_id != request.user.pk,
        needs_hand={Outcome.NO_ROOM.value, "refused"},
    )
    if any(not item.outcome for item in items):
        page["Refresh"] = str(SECONDS_BETWEEN_LOOKS)
    return page


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """The second person approves all refunds of a closed time at once."""
    found = get_object_or_404(Closure.objects.select_related("by"), pk=pk)
    requests = [*requests_of(found).select_related("payment__checkout__booking__user").order_by("pk")]
    seen = ",".join(str(refund.pk) for refund in requests)
    if request.method == "POST":
        try:
            if request.POST.get("seen") != seen:
                messages.error(
                    request, _("These refunds have changed since you looked: look again. Nothing was sent.")
                )
            else:
                count = approve_closure(found, cast(User, request.user))
                messages.success(request, _("%(count)d refunds are approved and sent.") % {"count": count})
        except APIException as refusal:
            messages.error(request, sentence_of(refusal))
        return (
            redirect("desk:closure", pk=pk)
            if may(request, rights.CHANGE_SLOTS)
            else redirect("desk:approvals")
        )
    return show(
        request,
        "backoffice/closing/approve.html",
        _("Approve the refunds"),
        trail=[(_("Approvals"), reverse("desk:approvals"))],
        closure=found,
        requests=requests,
        sum=sum(refund.amount_paise for refund in requests),
        seen=seen,
        is_own=found.by_id == request.user.pk,
    )


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
@require_safe
def approvals(request: HttpRequest) -> HttpResponse:
    """Refunds that wait for a second person, the oldest first."""
    refunds = Refund.objects.filter(REQUESTED).select_related(
        "asked_by", "payment__checkout__booking", "payment__user"
    )
    batches = Closure.objects.filter(items__payment__refunds__in=refunds, items__outcome="awaiting_approval")
    return show(
        request,
        "backoffice/closing/approvals.html",
        _("Approvals"),
        trail=[(_("Today"), reverse("desk:today"))],
        refunds=[*refunds.order_by("pk")[:MOST_SHOWN]],
        batches=[*batches.select_related("by").distinct().order_by("pk")[:MOST_SHOWN]],
        sees_closures=may(request, rights.CHANGE_SLOTS),
    )


def _start(request: HttpRequest, span: Span, by: User, fields: dict[str, Any]) -> HttpResponse:
    try:
        form = uuid.UUID(request.POST.get("form", ""))
    except ValueError:
        form = uuid.uuid4()
    started = start_closure(span, _choices(request), fields["reason"], by, form=form, seen=fields["seen"])
    carry_out_at_once(started)
    return redirect("desk:closure", pk=started.pk)


def _closed_before(plan: Plan) -> list[tuple[ClosedPeriod, Closure | None]]:
    """Who closed it, with what they decided about its bookings."""
    decisions = closures_of(plan.closed)
    return [(period, decisions.get(period.pk)) for period in plan.closed]


def _choices(request: HttpRequest) -> dict[int, str]:
    """What was chosen for each booking, by its id. Empty: it stays as it is."""
    return {
        int(name.removeprefix("then-")): str(then)
        for name, then in request.POST.items()
        if name.startswith("then-") and name.removeprefix("then-").isdecimal() and len(name) < 24
    }


def _rows(plan: Plan, chosen: dict[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "item": item,
            "options": [(then, WORDS[ClosureItem.Then(then)]) for then in item.options],
            "then": _then(item, chosen),
        }
        for item in plan.items
    ]


def _then(item: PlannedBooking, chosen: dict[int, str]) -> str:
    """What is chosen for it; before anybody has chosen, the first that is possible."""
    return chosen.get(item.booking.pk, item.options[0] if item.options else "")


def _sums(plan: Plan, chosen: dict[int, str]) -> dict[str, Any]:
    """In paise, of what is chosen now. The page adds them up again at each choice, where scripts run."""
    refunded, offered = (
        sum(item.left_paise for item in plan.items if item.options and _then(item, chosen) == then)
        for then in (ClosureItem.Then.REFUND, ClosureItem.Then.OFFER)
    )
    return {"refunded": refunded, "offered": offered, "waits": refunded + offered > plan.alone_paise}
