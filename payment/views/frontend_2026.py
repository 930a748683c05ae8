"""The routes by which the frontend of 2026 pays and waits, over the same services as `process-cart`.

The frontend of July 2025 uses those of `payment.views.payments`. The words that a page may be told are in
`payment.services.page_status`.
"""

from collections.abc import Iterable
from typing import cast

from django.db.models import Q, QuerySet
from django.urls.converters import UUIDConverter
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from accounts.models import User
from core.errors import Conflict
from core.language import in_both_languages
from payment.models import Payment
from payment.serializers.frontend_2026 import (
    CartPaidSerializer,
    CartStatusSerializer,
    OrderStatusSerializer,
    PayCartRequest,
    RetryOfNothingSerializer,
    VerifiedSerializer,
    VerifyRequest,
)
from payment.serializers.payments import for_wire
from payment.services.frontends import opened_by
from payment.services.page_status import (
    PageStatus,
    most_telling,
    page_status,
    payments_beside,
    payments_of_cart,
    that_may_tell,
)
from payment.services.status import ENDED_UNPAID, refresh, refresh_after_return, refresh_each
from payment.states import FrontendGeneration, Fulfilment, PaymentState
from payment.views.idempotency import IDEMPOTENCY_KEY, idempotent
from payment.views.payments import (
    CHECK_BOOKING_SECONDS,
    STATUS_SECONDS,
    PaymentThrottle,
    start_payment_of,
)

# Each click on *Pay* after a failure is a payment of its own. The newest of them are polled.
UNDECIDED_AT_ONCE = 5
UNDECIDED = Q(state__in=(PaymentState.PENDING, *ENDED_UNPAID)) | Q(fulfilment=Fulfilment.DUE)


class Frontend2026ViewSet(ViewSet):
    throttle_scope = "user"

    @extend_schema(
        operation_id="payments_cart",
        request=PayCartRequest,
        responses={200: CartPaidSerializer, 201: CartPaidSerializer},
        parameters=[IDEMPOTENCY_KEY],
    )
    @action(detail=False, methods=["post"], throttle_classes=(PaymentThrottle,))
    @idempotent("payments-cart")
    def cart(self, request: Request) -> Response:
        """Open the payment of a cart, or find the open one, as process-cart does.

        What is 409 there is 400 here, with the same code: the page shows the sentence of no other status.
        """
        form = PayCartRequest(data=request.data)
        form.is_valid(raise_exception=True)
        frontend = opened_by(FrontendGeneration.YEAR_2026, request.headers.get("Origin", ""))
        try:
            start = start_payment_of(request, form.validated_data, frontend)
        except Conflict as refusal:
            refusal.status_code = 400
            raise
        return Response(CartPaidSerializer(start).data, status=201 if start.is_new else 200)

    @extend_schema(operation_id="payments_cart_status", responses=CartStatusSerializer)
    @action(detail=False, url_path=f"cart/status/(?P<cart_id>{UUIDConverter.regex})")
    def cart_status(self, request: Request, cart_id: str) -> Response:
        """Whether the cart became a booking. An open payment is polled first. 404: nobody has paid for this cart."""
        payments = payments_of_cart(cast(User, request.user), UUIDConverter().to_python(cart_id))
        payment = _refreshed(payments, "cart status")
        return Response(CartStatusSerializer(payment, context={"request": request}).data)

    @extend_schema(operation_id="payments_order_status", responses=OrderStatusSerializer)
    @action(detail=False, url_path="status/(?P<merchant_order_id>[A-Za-z0-9_-]{1,64})")
    def order_status(self, request: Request, merchant_order_id: str) -> Response:
        """What became of the cart of this order. An open payment is polled first."""
        payments = payments_beside(cast(User, request.user), merchant_order_id)
        payment = _refreshed(payments, "order status")
        return Response(OrderStatusSerializer(payment, context={"request": request}).data)

    @extend_schema(
        operation_id="payments_verify_and_complete", request=VerifyRequest, responses=VerifiedSerializer
    )
    @action(detail=False, methods=["post"], url_path="verify-and-complete")
    def verify_and_complete(self, request: Request) -> Response:
        """Fetches the status from PhonePe, also of payments that ended unpaid: their customer says that they paid.

        The click proves nothing. 200 also when nothing is booked: read `success`.
        """
        form = VerifyRequest(data=request.data)
        form.is_valid(raise_exception=True)
        payments = payments_of_cart(cast(User, request.user), form.validated_data["cart_id"])
        was_booked = page_status(_most_telling_or_404(that_may_tell(payments))) == PageStatus.SUCCESS
        if not was_booked:
            newest = payments.filter(UNDECIDED).order_by("-pk")[:UNDECIDED_AT_ONCE]
            refresh_each(newest, CHECK_BOOKING_SECONDS, "verify and complete", refresh_after_return)
        payment = _most_telling_or_404(for_wire(that_may_tell(payments)))
        context = {"request": request, "was_booked": was_booked}
        return Response(VerifiedSerializer(payment, context=context).data)

    @extend_schema(operation_id="payments_retry_of_nothing", request=None, responses=RetryOfNothingSerializer)
    @action(detail=False, methods=["post"], url_path="payments/NaN/retry-webhook")
    def retry_of_nothing(self, request: Request) -> Response:
        """A page that knows no payment id sends NaN. `success: false` leads to the checkout, where an open payment is
        found again; `true` would show the customer's latest booking as this payment's."""
        sentence = _(
            "We do not know which payment this is. Please look at your bookings before you pay again."
        )
        return Response({"success": False, **in_both_languages(request, sentence)})


def _refreshed(payments: QuerySet[Payment], source: str) -> Payment:
    """The most telling of these payments, after a poll of those that can be paid. Raises NotFound without any."""
    known = list(that_may_tell(payments))
    decisive = most_telling(known)
    if decisive is not None and page_status(decisive) != PageStatus.SUCCESS:
        refresh_each(sorted(known, key=lambda each: -each.pk), STATUS_SECONDS, source, refresh)
    return _most_telling_or_404(for_wire(that_may_tell(payments)))


def _most_telling_or_404(payments: Iterable[Payment]) -> Payment:
    payment = most_telling(payments)
    if payment is None:
        raise NotFound(_("Nobody has paid for this yet."))
    return payment
