"""Actions of staff about one case. GET shows what will happen, POST does exactly that, or nothing.

What was chosen (an amount, a time) stands in the address, so that it can be looked at before; the reason is posted.
"""

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any, cast

from django.contrib import messages
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from accounts.models import User
from backoffice import rights
from backoffice.forms import CancelForm, DetailsForm, MoveForm, ReasonForm, RefundForm, ToldReasonForm
from backoffice.pages import desk_page, may, sentence_of, show
from backoffice.views.case import case_or_404
from booking.models import Booking, Slot
from booking.services import earliest_move
from core.language import Text
from notifications.models import Notification
from payment.models import Refund
from payment.services.booking_changes import (
    MOST_TIMES,
    cancellation_now,
    correct_details,
    details_of,
    has_any_time,
    move_by_staff,
    times_to_move,
)
from payment.services.cases import Case, SentMessage, messages_of, resend, seen_of
from payment.services.notification_delivery import reason_to_drop
from payment.services.offers import decline
from payment.services.outcomes import accept_after_review, return_after_review
from payment.services.refunds.requests import approve_refund, cancel_booking, request_refund, withdraw_refund
from payment.services.rehearsal import Act, decided_just_now, perform, rehearse
from payment.services.status import stop_waiting_by_staff

NOT_YET = "…"  # the reason while the page is only looked at


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
def refund(request: HttpRequest, number: str) -> HttpResponse:
    case, options = case_or_404(number), RefundForm(request.GET)
    amount = options.cleaned_data["amount"] if options.is_valid() else None

    def act(reason: str, message: str) -> Act:
        return lambda payment: request_refund(payment.pk, amount, reason, _person(request))

    return _decide(
        request,
        case,
        _("Refund"),
        "staff_refunded",
        act,
        _("Refund now"),
        is_chosen="amount"
        in request.GET,  # an empty one is all of it, by a click; no amount is no choice yet
        options=options,
    )


@desk_page(rights.SEE_BOOKINGS, rights.CHANGE_BOOKINGS)
def cancel(request: HttpRequest, number: str) -> HttpResponse:
    """By the policy; staff who may refund may give more."""
    case, options = case_or_404(number), CancelForm(request.GET)
    booking = _booking_of(case)
    may_raise, policy = may(request, rights.REFUND), cancellation_now(booking)
    chosen = options.cleaned_data if options.is_valid() else {}
    raised_to, back = 0, chosen.get("back") or "policy"
    if may_raise and policy is not None and back != "policy":
        raised_to = policy.paid_paise if back == "all" else chosen["amount"]

    def act(reason: str, message: str) -> Act:
        by = _person(request)
        return lambda payment: cancel_booking(booking, reason, by=by, raised_to=raised_to, message=message)

    more: dict[str, Any] = {"options": options, "policy": policy, "may_raise": may_raise, "back": back}
    return _decide(
        request,
        case,
        _("Cancel"),
        "staff_cancelled",
        act,
        _("Cancel the booking"),
        form=ToldReasonForm,
        **more,
    )


@desk_page(rights.SEE_BOOKINGS, rights.CHANGE_BOOKINGS)
def move(request: HttpRequest, number: str) -> HttpResponse:
    """To one of the free times; to any time where the puja has no slots."""
    case, options = case_or_404(number), MoveForm(request.GET)
    booking = _booking_of(case)
    chosen = options.cleaned_data if options.is_valid() else {}
    for_customer = chosen.get("who") == "customer"
    to: Slot | datetime | None = chosen.get("starts_at")
    if chosen.get("slot"):
        to = get_object_or_404(Slot, pk=chosen["slot"], service=booking.checkout.puja_service_id)

    def act(reason: str, message: str) -> Act:
        target = cast(Slot | datetime, to)
        return lambda payment: move_by_staff(
            booking, target, reason, _person(request), for_customer=for_customer
        )

    more: dict[str, Any] = {"options": options, "booking": booking, "for_customer": for_customer, "to": to}
    day: date | None = chosen.get("day")
    since = timezone.make_aware(datetime.combine(day, time.min)) if day else None
    times, notice_ends = times_to_move(booking, MOST_TIMES + 1, since), earliest_move()
    more |= {
        "times": [slot for slot in times[:MOST_TIMES] if slot.starts_at >= notice_ends],
        "near_times": [slot for slot in times[:MOST_TIMES] if slot.starts_at < notice_ends],
        "has_more": len(times) > MOST_TIMES or day,
        "any_time": has_any_time(booking),
    }
    return _decide(request, case, _("Move"), "", act, _("Move the booking"), is_chosen=to is not None, **more)


@desk_page(rights.SEE_BOOKINGS, rights.CHANGE_BOOKINGS)
def details(request: HttpRequest, number: str) -> HttpResponse:
    """For whom the puja is: names that were misspelt, a gotra that the customer tells on the phone."""
    case = case_or_404(number)
    booking = _booking_of(case)
    details = details_of(booking)
    form = DetailsForm(request.POST or None, instance=case.checkout, initial={"seen": signing.dumps(details)})
    changed: list[tuple[Any, Any]] = []
    if form.is_bound and form.is_valid():
        fields = form.cleaned_data
        try:
            seen = signing.loads(fields["seen"])
            correct_details(booking, form.details(), fields["reason"], _person(request), seen=seen)
            messages.success(request, _("The details are corrected. The priest reads them on the day sheet."))
            return redirect("desk:case", number=case.number)
        except signing.BadSignature as error:
            raise Http404 from error
        except APIException as refusal:
            if answer := _refuse(request, case, refusal, fields["reason"]):
                return answer
            if details != seen:
                changed = [(form.fields[name].label, value) for name, value in details.items()]
            form = DetailsForm(
                {**request.POST.dict(), "seen": signing.dumps(details)}, instance=case.checkout
            )
    title = _("Correct the details")
    context: dict[str, Any] = {"case": case, "form": form, "button": title, "changed": changed}
    return show(request, "backoffice/case/details.html", title, trail=_trail(case), **context)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def accept(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, message: str) -> Act:
        return lambda payment: accept_after_review(payment.pk, _person(request))

    title = _("Accept the amount")
    return _decide(request, case_or_404(number), title, "staff_accepted", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def send_back(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, message: str) -> Act:
        return lambda payment: return_after_review(payment.pk, _person(request))

    title = _("Send the amount back")
    return _decide(request, case_or_404(number), title, "staff_returned", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def stop(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, message: str) -> Act:
        return lambda payment: stop_waiting_by_staff(payment.pk, reason, _person(request))

    title = _("Stop waiting")
    return _decide(request, case_or_404(number), title, "", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.END_OFFERS)
def end_offer(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, message: str) -> Act:
        return lambda payment: decline(payment.pk, "closed_by_staff", _person(request))

    title = _("End the offer")
    return _decide(request, case_or_404(number), title, "staff_ended_offer", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
def approve(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    """The second person; not the one who asked."""
    return _decide_refund(
        request, number, pk, _("Approve the refund"), "staff_approved", approve_refund, _("Approve")
    )


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
def refuse(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    return _decide_refund(
        request, number, pk, _("Refuse the refund"), "staff_refused", withdraw_refund, _("Refuse")
    )


@desk_page(rights.SEE_BOOKINGS, rights.RESEND_MESSAGES)
def send_again(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    case = case_or_404(number)
    notification = get_object_or_404(messages_of(case.payment), pk=pk)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        reason, seen = form.cleaned_data["reason"], form.cleaned_data["seen"]
        try:
            resend(case.payment, notification, _person(request), reason, seen)
            messages.success(request, _("The message is sent in a moment."))
            return redirect("desk:case", number=case.number)
        except APIException as refusal:
            if answer := _refuse(request, case, refusal, reason):
                return answer
            notification.refresh_from_db()
            form = ReasonForm(initial={"seen": seen_of(notification), "reason": reason})
    return show(
        request,
        "backoffice/case/resend.html",
        _("Send again"),
        trail=_trail(case),
        case=case,
        sent=SentMessage.of(notification),
        problem=_problem_with(notification),
        form=form if form.is_bound or form.initial else ReasonForm(initial={"seen": seen_of(notification)}),
    )


def _decide_refund(
    request: HttpRequest,
    number: str,
    pk: int,
    title: str,
    rule: str,
    decide: Callable[[int, User], Refund],
    button: str,
) -> HttpResponse:
    case = case_or_404(number)
    refund = get_object_or_404(case.payment.refunds.select_related("asked_by"), pk=pk)

    def act(reason: str, message: str) -> Act:
        return lambda payment: decide(refund.pk, _person(request))

    return _decide(request, case, title, rule, act, button, refund=refund)


def _decide(
    request: HttpRequest,
    case: Case,
    title: str,
    rule: str,
    act: Callable[[str, str], Act],
    button: str,
    *,
    form: type[ReasonForm] = ReasonForm,
    is_chosen: bool = True,
    options: Any = None,
    **context: Any,
) -> HttpResponse:
    """The page of an action, or its redirect. `act`: of the reason, and of what the customer is told of it."""
    is_chosen = is_chosen and (options is None or options.is_valid())
    posted = form(request.POST) if request.method == "POST" and is_chosen else None
    written: dict[str, Any] = {}  # it stays in the form of a page that is shown again
    if posted is not None and posted.is_valid():
        written = posted.cleaned_data
        reason, message = written["reason"], written["reason"] if written.get("tell") else ""
        facts: dict[str, Any] = {"seen": written["seen"], "rule": rule, "by": _person(request)}
        try:
            perform(case.payment.pk, act(reason, message), **facts, reason=reason)
            messages.success(request, _("Done: %(what)s.") % {"what": title})
            return redirect("desk:case", number=case.number)
        except APIException as refusal:
            if answer := _refuse(request, case, refusal, reason):
                return answer
            posted = None
    effects, problem = None, ""
    if is_chosen:
        try:
            effects = rehearse(case.payment.pk, act(NOT_YET, ""))
        except APIException as refusal:
            problem = sentence_of(refusal)
    return show(
        request,
        "backoffice/case/action.html",
        title,
        trail=_trail(case),
        case=case,
        action=request.resolver_match.url_name if request.resolver_match else "",
        effects=effects,
        problem=problem,
        button=_("Ask a second person") if effects and effects.requested_paise else button,
        options=options,
        form=posted or form(initial={**written, "seen": effects.seen if effects else ""}),
        **context,
    )


def _refuse(request: HttpRequest, case: Case, refusal: APIException, reason: str) -> HttpResponse | None:
    """Says why nothing was done. None: the page is shown again, with what was written.

    After a second click it is not: whoever pressed the button there would do the same twice.
    """
    if not decided_just_now(case.payment.pk, _person(request), reason):
        messages.error(request, sentence_of(refusal))
        return None
    text = _("You decided about this case with the same reason a moment ago, so this click did nothing more.")
    messages.info(request, text)
    return redirect("desk:case", number=case.number)


def _person(request: HttpRequest) -> User:
    return cast(User, request.user)


def _booking_of(case: Case) -> Booking:
    if case.booking is None:
        raise Http404
    return case.booking


def _trail(case: Case) -> list[tuple[Text, str]]:
    return [(_("Today"), reverse("desk:today")), (case.number, reverse("desk:case", args=[case.number]))]


def _problem_with(notification: Notification) -> str:
    """Why it would not be sent even now."""
    if notification.state == Notification.State.WAITING:
        return _("It is on its way already.")
    return reason_to_drop(notification)
