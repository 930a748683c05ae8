"""Actions of staff about one case. GET shows what will happen, POST does exactly that, or nothing.

What was chosen (an amount, a time) stands in the address, so that it can be looked at before; the reason is posted.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException

from accounts.models import User
from backoffice import rights
from backoffice.forms import CancelForm, MoveForm, ReasonForm, RefundForm, ToldReasonForm
from backoffice.pages import desk_page, may, sentence_of, show
from backoffice.views.case import case_or_404
from booking.models import Booking, Slot
from booking.services import earliest_move
from core.language import Text
from notifications.models import Notification
from payment.models import Refund
from payment.services.booking_changes import cancellation_now, has_any_time, move_by_staff, times_to_move
from payment.services.cases import Case, SentMessage, messages_of, resend, seen_of
from payment.services.notification_delivery import reason_to_drop
from payment.services.offers import decline
from payment.services.outcomes import accept_after_review, return_after_review
from payment.services.refunds.requests import approve_refund, cancel_booking, request_refund, withdraw_refund
from payment.services.rehearsal import Act, perform, rehearse
from payment.services.status import stop_waiting_by_staff

NOT_YET = "…"  # the reason while the page is only looked at


@desk_page(rights.SEE_BOOKINGS, rights.REFUND)
def refund(request: HttpRequest, number: str) -> HttpResponse:
    case, options = case_or_404(number), RefundForm(request.GET)
    amount = options.cleaned_data["amount"] if options.is_valid() else None

    def act(reason: str, told: str) -> Act:
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

    def act(reason: str, told: str) -> Act:
        by = _person(request)
        return lambda payment: cancel_booking(booking, reason, by=by, raised_to=raised_to, told=told)

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

    def act(reason: str, told: str) -> Act:
        wanted = cast(Slot | datetime, to)
        return lambda payment: move_by_staff(
            booking, wanted, reason, _person(request), for_customer=for_customer
        )

    more: dict[str, Any] = {"options": options, "booking": booking, "for_customer": for_customer, "to": to}
    times, notice_ends = times_to_move(booking), earliest_move()
    more |= {
        "times": [slot for slot in times if slot.starts_at >= notice_ends],
        "near_times": [slot for slot in times if slot.starts_at < notice_ends],
        "any_time": has_any_time(booking),
    }
    return _decide(request, case, _("Move"), "", act, _("Move the booking"), is_chosen=to is not None, **more)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def accept(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, told: str) -> Act:
        return lambda payment: accept_after_review(payment.pk, _person(request))

    title = _("Accept the amount")
    return _decide(request, case_or_404(number), title, "staff_accepted", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def send_back(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, told: str) -> Act:
        return lambda payment: return_after_review(payment.pk, _person(request))

    title = _("Send the amount back")
    return _decide(request, case_or_404(number), title, "staff_returned", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.DECIDE_PAYMENTS)
def stop(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, told: str) -> Act:
        return lambda payment: stop_waiting_by_staff(payment.pk, reason, _person(request))

    title = _("Stop waiting")
    return _decide(request, case_or_404(number), title, "", act, title)


@desk_page(rights.SEE_BOOKINGS, rights.END_OFFERS)
def end_offer(request: HttpRequest, number: str) -> HttpResponse:
    def act(reason: str, told: str) -> Act:
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
        except APIException as refusal:
            messages.error(request, sentence_of(refusal))
            return redirect(request.get_full_path())
        messages.success(request, _("The message is sent in a moment."))
        return redirect("desk:case", number=case.number)
    return show(
        request,
        "backoffice/case/resend.html",
        _("Send again"),
        trail=_trail(case),
        case=case,
        sent=SentMessage.of(notification),
        problem=_problem_with(notification),
        form=form if form.is_bound else ReasonForm(initial={"seen": seen_of(notification)}),
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

    def act(reason: str, told: str) -> Act:
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
    if posted is not None and posted.is_valid():
        reason, seen = posted.cleaned_data["reason"], posted.cleaned_data["seen"]
        told = reason if posted.cleaned_data.get("tell") else ""
        try:
            perform(
                case.payment.pk, act(reason, told), seen=seen, rule=rule, by=_person(request), reason=reason
            )
        except APIException as refusal:
            messages.error(request, sentence_of(refusal))
            return redirect(request.get_full_path())
        messages.success(request, _("Done: %(what)s.") % {"what": title})
        return redirect("desk:case", number=case.number)
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
        form=posted or form(initial={"seen": effects.seen if effects else ""}),
        **context,
    )


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
