"""Another slot for late money, behind a signed link: as JSON for programs, as a page without scripts for people."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from core.errors import Refusal
from core.language import language_of
from payment.models import Offer, Payment
from payment.serializers.offers import ChoiceRequest, OfferSerializer
from payment.serializers.sentences import message
from payment.services.links import OFFER, payment_behind
from payment.services.offers import can_choose, choose, decline, slots_to_choose
from payment.views.pages import PageView, SeeOther, grouped


class OfferViewSet(ViewSet):
    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(operation_id="offer_look", responses=OfferSerializer)
    def retrieve(self, request: Request, token: str) -> Response:
        """The times that can be chosen now, and until when."""
        return Response(OfferSerializer(offer_behind(token)).data)

    @extend_schema(operation_id="offer_choose", request=ChoiceRequest, responses=OfferSerializer)
    def choose(self, request: Request, token: str) -> Response:
        """Choose a time, or decline and get a refund."""
        offer = offer_behind(token)
        form = ChoiceRequest(data=request.data)
        form.is_valid(raise_exception=True)
        answer_offer(offer.payment, form.validated_data.get("slot"))
        return Response(OfferSerializer(offer_behind(token)).data)


class OfferPageView(PageView):
    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._show(request, offer_behind(token))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Each time has a button; the button without a time declines."""
        slot = request.POST.get("slot", "")
        form = ChoiceRequest(data={"slot": slot} if slot else {"decline": True})
        if not form.is_valid():
            raise Http404
        try:
            answer_offer(offer_behind(token).payment, form.validated_data.get("slot"))
        except Refusal as refusal:
            notice = refusal.user_message(language_of(request))
            return self._show(request, offer_behind(token), notice, refusal.status_code)
        return SeeOther(request.path)

    def _show(self, request: HttpRequest, offer: Offer, notice: str = "", status: int = 200) -> HttpResponse:
        payment, booking = offer.payment, offer.payment.booking
        language = language_of(request)
        with translation.override(language):
            context: dict[str, Any] = {
                "language": language,
                "offer": offer,
                "payment": payment,
                "amount": grouped(payment.amount_paise),
                "message": message(payment),
                "booking": booking,
                "choosing": can_choose(payment),
                "had": booking.starts_at if booking else payment.checkout and payment.checkout.starts_at,
                "places": slots_to_choose(payment),
                "notice": notice,
            }
            return render(request, "payment/offer.html", context, status=status)


def offer_behind(token: str) -> Offer:
    """Raises Http404 for forged and expired links, and for a payment that never had an offer."""
    payment = payment_behind(token, OFFER)
    offers = Offer.objects.select_related(
        "payment__checkout__booking", "payment__checkout__cart__puja_service"
    )
    offer = offers.filter(payment=payment).first()
    if offer is None:
        raise Http404
    return offer


def answer_offer(payment: Payment, slot_id: int | None) -> None:
    if slot_id is None:
        decline(payment.pk, "offer_declined", by=None)
    else:
        choose(payment, slot_id)
