"""Signing in by a code, and the bookings of whoever is signed in."""

from http import HTTPStatus
from typing import Any, ClassVar

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from rest_framework.exceptions import Throttled

from accounts import codes
from accounts.models import OneTimeCode, User
from accounts.services import log_in
from booking.models import Booking, Cart, Checkout, PujaService
from booking.services.calendar_feeds import close_feed, find_feed, open_feed
from core.errors import Refusal
from payment.models import Payment
from payment.serializers.sentences import cancellation_sentence, refund_sentence
from payment.services.booking_changes import cancellation_now, map_url
from payment.services.links import calendar_url, change_url, feed_url, offer_url, status_url
from payment.services.offers import can_choose
from payment.services.receipts import receipt_of
from payment.views.pages import SeeOther
from payment.views.payments import download
from storefront.drafts import waiting_draft
from storefront.forms import CodeForm, LoginForm
from storefront.sessions import CODE_EMAIL, DRAFT, NEXT, sign_in, sign_out
from storefront.views.booking import to_review
from storefront.views.page import CustomerPage, Page

MOST_BOOKINGS = 50


class LoginPage(Page):
    """A code by mail, or the password of an account that has one. Nobody learns here who has an account."""

    template: ClassVar[str] = "storefront/login.html"
    parameters = ("next",)

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.customer:
            return SeeOther(safe_next(request.GET.get("next", "")))
        return self.show(form=LoginForm(), next=request.GET.get("next", ""))

    def post(self, request: HttpRequest) -> HttpResponse:
        form, target = LoginForm(request.POST), request.POST.get("next", "")
        wants_code = request.POST.get("do") != "password"
        try:
            self.count("code" if wants_code else "login")
            if not form.is_valid():
                return self.show(HTTPStatus.BAD_REQUEST, form=form, next=target)
            email = form.cleaned_data["email"]
            if wants_code:
                codes.request(email, OneTimeCode.Purpose.LOGIN, self.address)
                request.session[CODE_EMAIL], request.session[NEXT] = email, safe_next(target)
                request.session.pop(DRAFT, None)
                return SeeOther(reverse("shop-code"))
            person = log_in(email, form.cleaned_data["password"], self.address)
        except (Refusal, Throttled) as refusal:
            return self.refuse(refusal, form=form, next=target)
        sign_in(request, person)
        return SeeOther(safe_next(target))


class CodePage(Page):
    """The code that was sent. It opens the account of its address, and the booking that was begun goes on."""

    template: ClassVar[str] = "storefront/code.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        email = request.session.get(CODE_EMAIL, "") if self.has_session else ""
        return self._show(CodeForm()) if email else SeeOther(reverse("shop-login"))

    def post(self, request: HttpRequest) -> HttpResponse:
        email = request.session.get(CODE_EMAIL, "") if self.has_session else ""
        form = CodeForm(request.POST)
        try:
            self.count("login")
            if not email:
                return SeeOther(reverse("shop-login"))
            if request.POST.get("do") == "again":
                return self._send_again(email)
            if not form.is_valid():
                return self._show(form, HTTPStatus.BAD_REQUEST)
            person = codes.log_in(email, form.cleaned_data["code"], self.address)
        except (Refusal, Throttled) as refusal:
            return self.refuse(refusal, **self._facts(form))
        draft, target = waiting_draft(request, person.email), safe_next(request.session.get(NEXT, ""))
        sign_in(request, person)
        return to_review(request, person, draft, self.language) if draft else SeeOther(target)

    def _send_again(self, email: str) -> HttpResponse:
        self.count("code")
        codes.request(email, OneTimeCode.Purpose.LOGIN, self.address)
        messages.success(self.request, _("If another code can be sent already, it is on its way."))
        return SeeOther(reverse("shop-code"))

    def _show(self, form: CodeForm, status: int = HTTPStatus.OK) -> HttpResponse:
        return self.show(status, **self._facts(form))

    def _facts(self, form: CodeForm) -> dict[str, Any]:
        email = self.request.session[CODE_EMAIL]
        return {"form": form, "email": email, "goes_on": waiting_draft(self.request, email) is not None}


class LogoutPage(Page):
    def post(self, request: HttpRequest) -> HttpResponse:
        if self.has_session:
            sign_out(request)
        return SeeOther(reverse("shop-catalogue"))


class BookingsPage(CustomerPage):
    """What was booked and what is open; and the secret address by which a calendar reads it all."""

    template: ClassVar[str] = "storefront/bookings.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show()

    def post(self, request: HttpRequest) -> HttpResponse:
        """`do` is the button that was pressed. The address is shown by this answer alone."""
        match request.POST.get("do"):
            case "calendar":
                return self._show(feed_url(open_feed(self.person)))
            case "no-calendar":
                close_feed(self.person)
                messages.success(request, _("The address for your calendar has ended."))
                return SeeOther(request.path)
        raise Http404

    def _show(self, calendar: str = "") -> HttpResponse:
        mine = bookings_of(self.person)[:MOST_BOOKINGS]
        waiting = Payment.objects.select_related("checkout__cart").filter(
            user=self.person, checkout__state=Checkout.State.RESERVED
        )
        carts = Cart.objects.select_related("puja_service", "package")
        return self.show(
            bookings=mine,
            waiting=[(payment, status_url(payment)) for payment in waiting.order_by("-pk")],
            cart=carts.filter(user=self.person, status=Cart.Status.ACTIVE).first(),
            now=timezone.now(),
            calendar=calendar,
            has_calendar=bool(calendar) or find_feed(self.person) is not None,
        )


class BookingPage(CustomerPage):
    template: ClassVar[str] = "storefront/booking.html"

    def get(self, request: HttpRequest, book_id: str) -> HttpResponse:
        return self.show(**booking_facts(get_object_or_404(bookings_of(self.person), book_id=book_id)))


class ReceiptPage(CustomerPage):
    def get(self, request: HttpRequest, book_id: str) -> HttpResponse:
        self.count("receipt")
        payments = Payment.objects.filter(user=self.person, checkout__booking__book_id=book_id)
        receipt = receipt_of(get_object_or_404(payments))
        if receipt is None:
            raise Http404
        return download(receipt)


def bookings_of(person: User) -> QuerySet[Booking]:
    whole = Booking.objects.select_related("checkout__payment", "checkout__puja_service", "checkout__package")
    return whole.filter(user=person).order_by("-starts_at", "-pk")


def booking_facts(booking: Booking) -> dict[str, Any]:
    """What its owner is shown. Moving and cancelling are pages of their own, behind the signed link of the mails."""
    checkout = booking.checkout
    return {
        "booking": booking,
        "checkout": checkout,
        "payment": checkout.payment,
        "where": checkout.agreed_address if checkout.puja_type == PujaService.Type.HOME else None,
        "is_coming": booking.status == Booking.Status.CONFIRMED and booking.starts_at > timezone.now(),
        "sentence": cancellation_sentence(cancellation_now(booking)),
        "change_url": change_url(booking),
        "calendar_url": calendar_url(booking),
        "map_url": map_url(booking),
        "refund": refund_sentence(checkout.payment) if booking.status == Booking.Status.CANCELLED else "",
        "choose_url": offer_url(checkout.payment) if can_choose(checkout.payment) else "",
    }


def safe_next(target: str) -> str:
    """Only a page of ours; the bookings if there is none."""
    is_ours = target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if is_ours else reverse("shop-bookings")
