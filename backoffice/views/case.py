"""One case on one page: a booking and its payment, or a payment that became no booking."""

import uuid
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import User
from backoffice import rights
from backoffice.forms import NoteForm
from backoffice.pages import desk_page, may, show
from booking.models import Booking
from payment.services.booking_changes import map_url
from payment.services.cases import Case, find_case, write_note
from payment.services.refunds.amounts import MIN_REFUND_PAISE
from payment.services.support_bundle import masked_body, support_bundle
from payment.states import Fulfilment, PaymentState

Actions = list[tuple[str, str]]


@desk_page(rights.SEE_BOOKINGS)
@require_safe
def page(request: HttpRequest, number: str) -> HttpResponse:
    return _show_case(request, case_or_404(number), NoteForm(initial={"form": uuid.uuid4()}))


def _show_case(request: HttpRequest, case: Case, note_form: NoteForm) -> HttpResponse:
    sees_money = may(request, rights.SEE_PAYMENTS)
    return show(
        request,
        "backoffice/case/page.html",
        case.number,
        trail=[(_("Today"), reverse("desk:today"))],
        case=case,
        sees_money=sees_money,
        sees_evidence=sees_money and may(request, rights.SEE_WEBHOOKS),
        sees_messages=may(request, rights.SEE_MESSAGES),
        can_note=may(request, rights.WRITE_NOTES),
        evidence=[(event, masked_body(event)) for event in case.events],
        map_url=map_url(case.booking) if case.booking else "",
        actions=_actions(request, case),
        requests=[each for each in case.refunds if each.is_requested] if may(request, rights.REFUND) else [],
        note_form=note_form,
    )


@desk_page(rights.SEE_BOOKINGS, rights.WRITE_NOTES)
def note(request: HttpRequest, number: str) -> HttpResponse:
    if request.method != "POST":  # a login that was needed before the note leads here
        return redirect("desk:case", number=number)
    case, form = case_or_404(number), NoteForm(request.POST)
    if not form.is_valid():
        return _show_case(request, case, form)
    by = cast(User, request.user)
    write_note(case.payment, by, form.cleaned_data["text"], form.cleaned_data["form"])
    messages.success(request, _("The note is written."))
    return redirect("desk:case", number=case.number)


@desk_page(rights.SEE_BOOKINGS, rights.SEE_PAYMENTS, rights.SEE_WEBHOOKS)
@require_safe
def bundle(request: HttpRequest, number: str) -> HttpResponse:
    """The redacted facts of a case, for PhonePe's support or a developer."""
    case = case_or_404(number)
    headers = {"Content-Disposition": f'attachment; filename="{case.number}.json"'}
    return HttpResponse(support_bundle(case), content_type="application/json", headers=headers)


def case_or_404(number: str) -> Case:
    case = find_case(number)
    if case is None:
        raise Http404
    return case


def _actions(request: HttpRequest, case: Case) -> Actions:
    """What this person may do with this case now: address and words. The pages of the actions check it again."""
    booking, payment = case.booking, case.payment
    is_confirmed = booking is not None and booking.status == Booking.Status.CONFIRMED
    chooses = booking is not None and booking.choose_until is not None
    in_review = payment.fulfilment == Fulfilment.HELD_FOR_STAFF
    possible = (
        ("case-move", _("Move"), is_confirmed, rights.CHANGE_BOOKINGS),
        ("case-cancel", _("Cancel"), is_confirmed, rights.CHANGE_BOOKINGS),
        ("case-details", _("Correct the details"), is_confirmed, rights.CHANGE_BOOKINGS),
        (
            "case-refund",
            _("Refund"),
            payment.state == PaymentState.SUCCESS and case.sums.left >= MIN_REFUND_PAISE,
            rights.REFUND,
        ),
        ("case-accept", _("Accept the amount"), in_review, rights.DECIDE_PAYMENTS),
        ("case-return", _("Send the amount back"), in_review, rights.DECIDE_PAYMENTS),
        (
            "case-end-offer",
            _("End the offer"),
            payment.fulfilment == Fulfilment.OFFERED or (is_confirmed and chooses),
            rights.END_OFFERS,
        ),
        ("case-stop", _("Stop waiting"), payment.is_open and not in_review, rights.DECIDE_PAYMENTS),
    )
    return [
        (reverse(f"desk:{name}", args=[case.number]), words)
        for name, words, is_possible, right in possible
        if is_possible and may(request, right)
    ]
