"""Bookings on the phone and at the counter, links to pay them, and money that staff have in their hands."""

from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from rest_framework.exceptions import APIException, ValidationError

from accounts.models import User
from accounts.services import find_or_add_address
from backoffice import rights
from backoffice.pages import ask_first, desk_page, may, row_id, sentence_of, show
from backoffice.phone_forms import (
    LINK,
    BookingForm,
    CountForm,
    HandedOverForm,
    PersonForm,
    TakenForm,
    known_customer,
)
from booking.models import Booking
from core.dates import spell_moment
from core.language import Text, localized
from core.money import grouped, paise
from payment.models import CashClosing, ManualEntry, PayLink, Refund
from payment.services.by_hand import (
    ManualPayment,
    book_by_hand,
    cash_by_person,
    close_cash,
    confirm_cash,
    count_again,
    give_back_by_hand,
    open_cash,
    pay_link_by_hand,
    unconfirmed_closings,
)
from payment.services.links import pay_link_url
from payment.services.pay_links import make_pay_link, take_back_link
from payment.services.server_payments import Customer, find_or_create_customer
from payment.states import RefundState

MOST_SHOWN = 50
MOST_ENTRIES = 200
BOOKED = gettext_lazy("Booked: {number}. The confirmation and the receipt go out by mail.")
PAID, ENDED = gettext_lazy("paid"), gettext_lazy("ended")
OPENED = gettext_lazy("opened, not paid yet")
FIELDS = {
    "selected_time": "start",
    "selected_date": "start",
    "reference": "reference",
    "promo_code": "promo_code",
}


@desk_page(rights.MAKE_BOOKINGS)
def phone_booking(request: HttpRequest) -> HttpResponse:
    """First who and what, then when and how it is paid. The same form twice is one booking."""
    first = PersonForm(request.POST or None, initial=_person_of_page(request))
    if request.method != "POST" or not first.is_valid():
        links = PayLink.objects.filter(ended_at=None).select_related("checkout__user", "checkout__payment")
        return show(
            request,
            "backoffice/phone_booking.html",
            _("Booking on the phone"),
            form=first,
            links=[(link, _state_of(link)) for link in links[:MOST_SHOWN]],
        )
    package, may_take_money = first.cleaned_data["package"], may(request, rights.TAKE_MONEY)
    is_last = "means" in request.POST
    person, values = first.cleaned_data, request.POST.copy()
    known = known_customer(person["email"]) if may(request, rights.SEE_PEOPLE) else {}
    person["name"] = person["name"] or known.get("name", "")
    for field in ("email", "phone", "name"):
        values[field] = person[field]
    initial = {**known, **values.dict(), "means": LINK}
    more: dict[str, Any] = {"not_before": person["day"], "may_take_money": may_take_money}
    form = BookingForm(package, values if is_last else None, initial=initial, **more)
    if is_last and form.is_valid():
        try:
            return _book(request, form)
        except APIException as refusal:
            _show_refusal(form, refusal)
    return show(
        request,
        "backoffice/phone_booking_time.html",
        _("Booking on the phone"),
        form=form,
        package=package,
        person=person,
    )


def _person_of_page(request: HttpRequest) -> dict[str, str]:
    """`?person=`, as the page of a person leads here: nobody writes down again how to reach them."""
    key = row_id(request.GET.get("person", ""))
    person = User.objects.filter(pk=key).first() if key and may(request, rights.SEE_PEOPLE) else None
    return {"phone": person.phone or "", "name": person.full_name, "email": person.email} if person else {}


def _book(request: HttpRequest, form: BookingForm) -> HttpResponse:
    fields, by = form.cleaned_data, cast(User, request.user)
    person = find_or_create_customer(Customer(fields["email"], fields["name"], fields["phone"], "en"))
    address = form.address()
    where = find_or_add_address(person, **address).pk if address else None
    more: dict[str, Any] = {"address_id": where, "buyer_gstin": fields["gstin"]}
    if fields["means"] == LINK:
        link = make_pay_link(person, form.choice(), by=by, key=fields["key"], **more)
        return redirect("desk:pay-link", link.pk)
    if not may(request, rights.TAKE_MONEY):
        raise PermissionDenied
    manual = ManualPayment(ManualEntry.Means(fields["means"]), fields["reference"], by, fields["key"])
    booking = book_by_hand(person, form.choice(), manual, **more)
    messages.success(request, BOOKED.format(number=booking.book_id))
    return redirect("desk:booked", booking.book_id)


def _show_refusal(form: BookingForm, refusal: APIException) -> None:
    """Beside its field where it has one."""
    if isinstance(refusal, ValidationError) and isinstance(refusal.detail, dict):
        for name, problems in refusal.detail.items():
            field = FIELDS.get(name, name)
            field = "at" if field == "start" and "start" not in form.fields else field
            for problem in problems:
                form.add_error(field if field in form.fields else None, str(problem))
        return
    form.add_error(None, sentence_of(refusal))


@desk_page(rights.MAKE_BOOKINGS)
def pay_link(request: HttpRequest, pk: int) -> HttpResponse:
    """A link with its end, to copy or to send by WhatsApp; POST takes it back, or enters its money, with `means`."""
    link = get_object_or_404(PayLink.objects.select_related("checkout__user", "checkout__payment"), pk=pk)
    may_take_money = may(request, rights.TAKE_MONEY)
    form = TakenForm(request.POST if "means" in request.POST else None)
    if form.is_bound:
        if not may_take_money:
            raise PermissionDenied
        if form.is_valid() and (answer := _take_money(request, link, form)):
            return answer
    elif request.method == "POST":
        return _take_back(request, link)
    checkout, address, state = link.checkout, pay_link_url(link), _state_of(link)
    with override(checkout.user.language):  # the customer reads it, not the desk
        text = _("Namaste! Please pay ₹{amount} for {puja}, {time}: {link} (good until {until})").format(
            amount=grouped(checkout.total_paise),
            puja=localized(checkout, "puja_title"),
            time=spell_moment(checkout.starts_at),
            link=address,
            until=spell_moment(link.expires_at),
        )
    phone = (checkout.user.phone or "").lstrip("+")
    return show(
        request,
        "backoffice/pay_link.html",
        _("Link to pay"),
        link=link,
        checkout=checkout,
        address=address,
        state=state,
        whatsapp=f"https://wa.me/{phone}?{urlencode({'text': text})}" if phone else "",
        form=form if may_take_money and state not in (PAID, ENDED) else None,
        is_opened=state == OPENED,
    )


def _take_back(request: HttpRequest, link: PayLink) -> HttpResponse:
    button, consequence = (
        _("Take the link back and free the place"),
        _("The customer cannot pay by this link any more, and others can book the time."),
    )
    if question := ask_first(request, button, consequence, request.path):
        return question
    try:
        take_back_link(link.pk)
        messages.success(request, _("The link has ended, and the place is free."))
    except APIException as refusal:
        messages.warning(request, sentence_of(refusal))
    return redirect("desk:pay-link", link.pk)


def _take_money(request: HttpRequest, link: PayLink, form: TakenForm) -> HttpResponse | None:
    """None: the form says why not."""
    fields, by = form.cleaned_data, cast(User, request.user)
    manual = ManualPayment(ManualEntry.Means(fields["means"]), fields["reference"], by, fields["key"])
    try:
        booking = pay_link_by_hand(link.pk, manual)
    except APIException as refusal:
        if PayLink.objects.filter(pk=link.pk, ended_at=None, checkout__booking=None).exists():
            form.add_error(None, _first_sentence(refusal))
            return None
        messages.warning(request, _first_sentence(refusal))
        return redirect("desk:pay-link", link.pk)
    messages.success(request, BOOKED.format(number=booking.book_id))
    return redirect("desk:booked", booking.book_id)


@desk_page(rights.MAKE_BOOKINGS)
def booked(request: HttpRequest, number: str) -> HttpResponse:
    """What was just booked at the counter."""
    booking = Booking.objects.select_related("user", "checkout__payment").filter(book_id=number).first()
    if booking is None:
        raise Http404
    payment = booking.checkout.payment
    means = dict(ManualEntry.Means.choices).get(payment.method, "PhonePe")
    return show(request, "backoffice/booked.html", _("Booked"), booking=booking, payment=payment, means=means)


@desk_page(rights.TAKE_MONEY)
def handed_over(request: HttpRequest) -> HttpResponse:
    """Refunds of money that staff had taken: they wait until somebody enters that it was given back."""
    form = HandedOverForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        fields, by = form.cleaned_data, cast(User, request.user)
        manual = ManualPayment(ManualEntry.Means(fields["means"]), fields["reference"], by, fields["key"])
        try:
            give_back_by_hand(get_object_or_404(Refund, pk=fields["refund"]).pk, manual)
            messages.success(request, _("Entered. The customer is told, and the credit note is made."))
            return redirect("desk:handed-over")
        except APIException as refusal:
            messages.warning(request, _first_sentence(refusal))
    waiting = Refund.objects.filter(held_because=Refund.Hold.BY_HAND, state=RefundState.WAITING)
    rows = waiting.select_related("payment__user", "payment__checkout").order_by("pk")[:MOST_SHOWN]
    forms = [
        (
            refund,
            HandedOverForm(
                initial=_typed(request, "refund", refund.pk) | {"refund": refund.pk},
                auto_id=f"id_{refund.pk}_%s",
            ),
        )
        for refund in rows
    ]
    return show(request, "backoffice/handed_over.html", _("Money to give back"), forms=forms)


@desk_page(rights.CLOSE_CASH)
def cash(request: HttpRequest) -> HttpResponse:
    """What each person should have and of what, to be counted; differences that wait for a second person."""
    if request.method == "POST" and (answer := _close_or_confirm(request)):
        return answer
    rows = cash_by_person()
    people = User.objects.in_bulk([row["person"] for row in rows])
    entries: dict[int, list[ManualEntry]] = {key: [] for key in people}
    for entry in open_cash().select_related("entry__payment__checkout__booking")[:MOST_ENTRIES]:
        entries.setdefault(entry.person_id, []).append(entry)
    uncounted = [
        (
            people[row["person"]],
            row,
            entries[row["person"]],
            CountForm(
                initial=_typed(request, "person", row["person"])
                | {"person": row["person"], "shown": row["expected_paise"]},
                auto_id=f"id_{row['person']}_%s",
            ),
        )
        for row in rows
    ]
    closed = CashClosing.objects.select_related("person", "closed_by", "confirmed_by")
    return show(
        request,
        "backoffice/cash.html",
        _("Cash"),
        uncounted=uncounted,
        waiting=closed.filter(pk__in=unconfirmed_closings().values("pk"))[:MOST_SHOWN],
        closed=closed[:MOST_SHOWN],
        may_confirm=may(request, rights.CONFIRM_CASH),
    )


def _typed(request: HttpRequest, field: str, key: int) -> dict[str, str]:
    """What was written into the form of this row, of several on a page, and refused."""
    return request.POST.dict() if request.POST.get(field) == str(key) else {}


def _close_or_confirm(request: HttpRequest) -> HttpResponse | None:
    """The redirect when it is done, or a page that asks first. None: a message says why not."""
    by, form = cast(User, request.user), CountForm(request.POST)
    try:
        confirmed, wrong = request.POST.get("confirm", ""), request.POST.get("again", "")
        if (confirmed or wrong) and not may(request, rights.CONFIRM_CASH):
            raise PermissionDenied
        if confirmed:
            confirm_cash(row_id(confirmed), by)
            messages.success(request, _("Confirmed."))
        elif wrong:
            return _count_again(request, row_id(wrong), by)
        elif form.is_valid():
            fields = form.cleaned_data
            person = get_object_or_404(User, pk=fields["person"])
            closing = close_cash(
                person, paise(f"{fields['counted']:f}"), fields["shown"], fields["reason"], by
            )
            text = (
                _("Closed. A second person must confirm the difference.")
                if closing.needs_second_person
                else _("Closed.")
            )
            messages.success(request, text)
        else:
            messages.warning(request, _("Enter the counted sum in rupees."))
            return None
    except APIException as refusal:
        messages.warning(request, _first_sentence(refusal))
        return None
    return redirect("desk:cash")


def _count_again(request: HttpRequest, pk: int, by: User) -> HttpResponse | None:
    if closing := unconfirmed_closings().select_related("person").filter(pk=pk).first():
        consequence = _("What was counted is forgotten, and the cash of {who} has to be counted again.")
        who = closing.person.full_name or closing.person.email
        question = ask_first(request, _("Wrong: count again"), consequence.format(who=who), request.path)
        if question:
            return question
    count_again(pk, by)
    messages.success(request, _("The cash is open again. Please count it once more."))
    return None


def _first_sentence(refusal: APIException) -> str:
    detail: Any = refusal.detail
    while isinstance(detail, dict | list):
        detail = next(iter(detail.values() if isinstance(detail, dict) else detail), "")
    return str(detail)


def _state_of(link: PayLink) -> Text:
    payment = getattr(link.checkout, "payment", None)
    if payment is not None and payment.fulfilment:
        return PAID
    if link.ended_at is not None:
        return ENDED
    return OPENED if payment is not None else _("not opened yet")
