"""Pages for the browser of a customer: the return from PhonePe, and our own status page."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, Throttled

from booking.calendar_files import place_of
from booking.fields import text_of
from booking.models import Booking, PujaService, Slot
from booking.services.checkouts import PriceChanged
from core import errors
from core.errors import Refusal
from core.language import language_of, localized
from core.money import grouped, rupees
from core.networks import client_network
from core.page_rates import find_excess
from payment.gateways import OutcomeUnknown
from payment.models import Donation, PayLink, Payment, Receipt
from payment.phonepe.enums import Channel
from payment.serializers.checkout import TryAgainRequest
from payment.serializers.sentences import user_message
from payment.services.another_try import TimeGone, can_try_again, try_again
from payment.services.booking_changes import map_url
from payment.services.checkout import pay_by_link, reopen
from payment.services.frontends import OpenedBy, landing_url
from payment.services.links import (
    RETURN,
    STATUS,
    donation_receipt_url,
    link_behind,
    offer_url,
    payment_behind,
    return_url,
    status_url,
)
from payment.services.offers import can_choose
from payment.services.receipts import ReceiptBusy, pdf, receipt_of
from payment.services.status import refresh, refresh_after_return
from payment.states import FrontendGeneration, Fulfilment

# Whatever PhonePe knows of the order: nobody pays on a page that they have not seen.
NO_PAGE_OPENED = _(
    "PhonePe's payment page did not open, so nothing was paid by this click. Please try again in a minute."
)
RETURN_SECONDS = 6
STATUS_SECONDS = 4


def sentence_of(error: APIException, language: str) -> str:
    """What the page says to whoever has clicked on a button to pay."""
    if isinstance(error, OutcomeUnknown):
        with translation.override(language):
            return str(NO_PAGE_OPENED)
    return errors.translated(error, language)


class SeeOther(HttpResponseRedirect):
    """303: the browser follows by GET, whatever its method was."""

    status_code = 303


# The token in the URL is the payer's secret, and the only action here is to pay. A CSRF cookie would protect nothing
# more, and would stop people without cookies from paying.
@method_decorator([csrf_exempt, never_cache], name="dispatch")
class PageView(View):
    """For people: an error is answered by a page, not by JSON."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return super().dispatch(request, *args, **kwargs)
        except (Http404, OperationalError, InterfaceError) as error:
            return error_page(request, error)


class ReturnView(PageView):
    """PhonePe sends the browser back to this view. Its parameters are ignored; the status is fetched from PhonePe."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        payment = refresh_after_return(payment_behind(token, RETURN), RETURN_SECONDS, "return page")
        return SeeOther(landing_url(payment))

    post = get  # V1's redirectMode POST


class StatusPageView(PageView):
    """For guests, and where there is no frontend: the state of this payment, and a button to pay it."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        payment = refresh(payment_behind(token, STATUS), STATUS_SECONDS, "status page")
        return self._show(request, payment)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Redirects to the page at PhonePe."""
        payment = payment_behind(token, STATUS)
        wait = find_excess("payment", f"payment {payment.pk}")
        if wait is not None:
            return error_page(request, Throttled(wait))
        try:
            if can_try_again(payment):
                form = TryAgainRequest(
                    data={name: request.POST.get(name) or None for name in ("slot", "expected_total")}
                )
                if not form.is_valid():
                    raise Http404
                slot, network = form.validated_data["slot"], client_network(request)
                where = OpenedBy(payment.frontend, payment.frontend_url)  # they land there again
                seen = form.expected_paise
                start = try_again(payment, slot, expected_paise=seen, network=network, frontend=where)
                return SeeOther(start.attempt.page_url)
            return SeeOther(reopen(payment).page_url)
        except Refusal as refusal:
            payment.refresh_from_db()
            answer = self._show(
                request,
                payment,
                notice=sentence_of(refusal, language_of(request)),
                status=refusal.status_code,
                times=refusal.times if isinstance(refusal, TimeGone) else (),
                total_paise=refusal.total_paise if isinstance(refusal, PriceChanged) else None,
            )
            errors.add_retry_after(answer, refusal)
            return answer

    def _show(
        self,
        request: HttpRequest,
        payment: Payment,
        notice: str = "",
        status: int = 200,
        times: Iterable[Slot] = (),
        total_paise: int | None = None,
    ) -> HttpResponse:
        language = language_of(request)
        is_moving = payment.is_open or payment.fulfilment == Fulfilment.DUE
        with translation.override(language):
            context = {
                "language": language,
                "payment": payment,
                "amount": grouped(payment.amount_paise),
                "message": user_message(payment),
                "booking": payment.booking,
                "offer": offer_url(payment) if can_choose(payment) else "",
                "notice": notice,
                "again": can_try_again(payment),
                "times": times,
                # Agreed to by the next click.
                "total": None if total_paise is None else rupees(total_paise),
                "total_shown": "" if total_paise is None else f"₹{grouped(total_paise)}",
                "is_over": not payment.is_open and payment.fulfilment not in ("DUE", "BOOKED"),
                # Whoever waits here in the place of a page of the shop is led there when the payment has moved.
                "next": return_url(payment) if is_moving else "",
                "in_app": payment.is_open and _is_open_in_app(payment),
                "booking_url": _booking_url(payment),
                **_donation_facts(payment, language),
                **_booking_facts(payment.booking, language),
            }
            return render(request, "payment/status.html", context, status=status)


class DonationReceiptView(PageView):
    """The receipt of a donation, for whoever has the link of its status. That of a booking asks for a login."""

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        payment = payment_behind(token, STATUS)
        if payment.checkout_id is not None:
            raise Http404
        wait = find_excess("receipt", f"payment {payment.pk}")
        if wait is not None:
            return error_page(request, Throttled(wait))
        try:
            receipt = receipt_of(payment)
            if receipt is None:
                raise Http404
            return receipt_file(receipt, language_of(request))
        except ReceiptBusy as busy:
            return error_page(request, busy)


def receipt_file(receipt: Receipt, language: str) -> HttpResponse:
    """The PDF of a numbered receipt. Raises ReceiptBusy and Unwritable."""
    name, content = pdf(receipt, language)
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


class PayLinkView(PageView):
    """What staff have booked for somebody, how much it is and until when, and a button to pay it at PhonePe.

    Once it was clicked on, the page of the payment says the rest.
    """

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = link_behind(token)
        payment = Payment.objects.filter(checkout=link.checkout_id).first()
        return SeeOther(status_url(payment)) if payment else self._show(request, link)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Redirects to the page at PhonePe."""
        link = link_behind(token)
        wait = find_excess("payment", f"link {link.pk}")
        if wait is not None:
            return error_page(request, Throttled(wait))
        try:
            return SeeOther(pay_by_link(link).page_url)
        except Refusal as refusal:
            payment = Payment.objects.filter(checkout=link.checkout_id).first()
            if payment is not None:
                return SeeOther(status_url(payment))
            sentence = sentence_of(refusal, language_of(request))
            answer = self._show(request, link, notice=sentence, status=refusal.status_code)
            errors.add_retry_after(answer, refusal)
            return answer

    def _show(self, request: HttpRequest, link: PayLink, notice: str = "", status: int = 200) -> HttpResponse:
        language = language_of(request)
        is_over = link.ended_at is not None or link.expires_at <= timezone.now()
        with translation.override(language):
            context = {
                "language": language,
                "link": link,
                "checkout": link.checkout,
                "amount": grouped(link.checkout.total_paise),
                "is_over": is_over,
                "notice": notice,
            }
            return render(request, "payment/pay_link.html", context, status=status)


def _booking_url(payment: Payment) -> str:
    """The page of the booking in our own shop, for those who paid there."""
    if not settings.STOREFRONT or payment.frontend != FrontendGeneration.SHOP or payment.booking is None:
        return ""
    return reverse("shop-booking", args=[payment.booking.book_id])


def _booking_facts(booking: Booking | None, language: str) -> dict[str, str]:
    """How to come, for whoever holds the link: not the address of a puja at home."""
    if booking is None or booking.status != Booking.Status.CONFIRMED or booking.starts_at <= timezone.now():
        return {}
    is_at_home = booking.checkout.puja_type == PujaService.Type.HOME
    return {
        "place": "" if is_at_home else place_of(booking, language),
        "map_url": "" if is_at_home else map_url(booking),
        "preparation": text_of(localized(booking.checkout.puja_service, "preparation", language)),
    }


def _donation_facts(payment: Payment, language: str) -> dict[str, str]:
    if payment.checkout_id is not None:
        return {}
    donation = Donation.objects.filter(payment=payment).first()
    has_receipt = payment.fulfilment == Fulfilment.DONATION
    return {
        "purpose": localized(donation, "purpose", language) if donation else "",
        "receipt_url": donation_receipt_url(payment) if has_receipt else "",
    }


def _is_open_in_app(payment: Payment) -> bool:
    """Then the button of this page would be refused: there is an order to pay already."""
    newest, now = payment.attempts.latest("number"), timezone.now()
    return newest.channel != Channel.PAGE and newest.has_open_page(now)


def error_page(request: HttpRequest, error: Exception) -> HttpResponse:
    """The error page, with the sentence and the status code of the API."""
    answer = errors.handle_exception(error, {"request": request})
    if answer is None:
        raise error
    language = language_of(request)
    context = {
        "language": language,
        "is_missing": answer.status_code == 404,
        "sentence": answer.data["user_message"],
    }
    with translation.override(language):
        page = render(request, "payment/trouble.html", context, status=answer.status_code)
    if "Retry-After" in answer:
        page["Retry-After"] = answer["Retry-After"]
    return page
