"""What servers of the business do by their API keys: read, book for customers, refund. No login opens these routes."""

from typing import Any, ClassVar, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from accounts.authentication import ApiKeyAuthentication
from accounts.models import ApiKey
from accounts.permissions import HasScope
from booking.models import Booking
from core.errors import Refusal
from core.money import paise
from core.networks import client_address
from core.pagination import Cursor
from core.throttling import KeyThrottle
from payment.models import Payment, ServerEvent, WebhookEndpoint
from payment.serializers.booking_changes import MoveRequest
from payment.serializers.bookings import bookings_for_wire
from payment.serializers.payments import for_wire
from payment.serializers.refunds import RefundRequest, RefundSerializer
from payment.serializers.server import (
    EndpointSerializer,
    EventSerializer,
    EventWithDeliveriesSerializer,
    OpenPaymentRequest,
    ServerBookingFilter,
    ServerBookingSerializer,
    ServerCancelledSerializer,
    ServerCancelRequest,
    ServerEventFilter,
    ServerPaymentFilter,
    ServerPaymentSerializer,
)
from payment.serializers.simulation import OutcomeRequest
from payment.services.booking_changes import move_booking
from payment.services.refunds.requests import cancel_booking, request_refund
from payment.services.server_payments import open_payment
from payment.services.simulation import refuse_without_simulation, simulate
from payment.services.status import refresh
from payment.views.idempotency import idempotent

STATUS_SECONDS = 5
REQUIRED_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="the same key and body gives the same answer; a random one for each payment or refund",
)
Scope = ApiKey.Scope


class KeyMissing(Refusal):
    default_code = "idempotency_key_missing"
    default_detail = "Send an Idempotency-Key, so that a repeated request does nothing twice."


@method_decorator(never_cache, name="dispatch")
class ServerViewSet(GenericViewSet[Any]):
    """Opened by an API key with the scope of the action, and by nothing else."""

    authentication_classes = (ApiKeyAuthentication,)
    permission_classes = (HasScope,)
    throttle_classes = (KeyThrottle,)
    pagination_class = Cursor
    filter_backends: Any = (DjangoFilterBackend,)
    scopes: ClassVar[dict[str, str]]

    @property
    def api_key(self) -> ApiKey:
        return cast(ApiKey, self.request.user)


def require_key(request: Request) -> None:
    if not request.headers.get("Idempotency-Key"):
        raise KeyMissing


@extend_schema_view(
    list=extend_schema(operation_id="server_payments", summary="Payments, the newest first"),
    retrieve=extend_schema(operation_id="server_payment", summary="One payment, as PhonePe knows it now"),
)
class ServerPaymentViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ServerViewSet):
    queryset = Payment.objects.all()
    serializer_class = ServerPaymentSerializer
    filterset_class = ServerPaymentFilter
    lookup_value_regex = r"\d{1,18}"
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.READ,
        "retrieve": Scope.READ,
        "create": Scope.WRITE,
        "refunds": Scope.REFUND,
        "simulate": Scope.WRITE,
    }

    def get_queryset(self) -> QuerySet[Payment]:
        return for_wire(super().get_queryset())

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """PhonePe is asked about one that is open, at most every two seconds."""
        refresh(self.get_object(), STATUS_SECONDS, "server")
        return self._answer()

    @extend_schema(
        operation_id="server_open_payment",
        summary="Book for a customer: open a payment and get its page",
        request=OpenPaymentRequest,
        responses={200: ServerPaymentSerializer, 201: ServerPaymentSerializer},
        parameters=[REQUIRED_KEY],
    )
    def create(self, request: Request) -> Response:
        """Holds the place and opens PhonePe's page. Send the customer to `payment_url`: paid, it becomes a booking."""
        require_key(request)
        return self._open(request)

    @idempotent("server:payments")
    def _open(self, request: Request) -> Response:
        form = OpenPaymentRequest(data=request.data, context=self.get_serializer_context())
        form.is_valid(raise_exception=True)
        start = open_payment(
            self.api_key,
            form.to_book_for,
            form.choice(),
            address=form.validated_data.get("address"),
            expected_paise=form.expected_paise,
            reference=form.validated_data["reference"],
            client_address=client_address(request._request),
        )
        self.kwargs["pk"] = start.payment.pk
        return self._answer(201 if start.is_new else 200)

    @extend_schema(
        operation_id="server_refund",
        summary="Refund an amount, or all that is left",
        request=RefundRequest,
        responses={201: RefundSerializer},
        parameters=[REQUIRED_KEY],
    )
    @action(detail=True, methods=["post"])
    def refunds(self, request: Request, pk: str) -> Response:
        """A full refund cancels the booking. Above the limit it waits for a person: `waits_for` is SECOND_PERSON."""
        require_key(request)
        return self._refund(request, pk=pk)

    @transaction.atomic  # the refund and the answer under its key, or neither
    @idempotent("server:refund:{pk}")
    def _refund(self, request: Request, pk: str) -> Response:
        payment, form = self.get_object(), RefundRequest(data=request.data)
        form.is_valid(raise_exception=True)
        amount = form.validated_data.get("amount")
        amount_paise = None if amount is None else paise(str(amount))
        refund = request_refund(payment.pk, amount_paise, form.validated_data["reason"], self.api_key)
        return Response(RefundSerializer(refund).data, status=201)

    @extend_schema(
        operation_id="server_simulate",
        summary="Act as the customer at the simulated PhonePe",
        request=OutcomeRequest,
        responses=ServerPaymentSerializer,
    )
    @action(detail=True, methods=["post"])
    def simulate(self, request: Request, pk: str) -> Response:
        """404 unless PhonePe is simulated."""
        refuse_without_simulation()
        payment, form = self.get_object(), OutcomeRequest(data=request.data)
        form.is_valid(raise_exception=True)
        simulate(payment, form.validated_data["outcome"])
        return self._answer()

    def _answer(self, status: int = 200) -> Response:
        return Response(self.get_serializer(self.get_object()).data, status=status)


@extend_schema_view(
    list=extend_schema(operation_id="server_bookings", summary="Bookings, the newest first"),
    retrieve=extend_schema(operation_id="server_booking", summary="One booking by its book_id"),
)
class ServerBookingViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ServerViewSet):
    queryset = Booking.objects.all()
    serializer_class = ServerBookingSerializer
    filterset_class = ServerBookingFilter
    lookup_field = "book_id"
    lookup_value_regex = "[A-Za-z0-9-]{1,11}"
    scopes: ClassVar[dict[str, str]] = {
        "list": Scope.READ,
        "retrieve": Scope.READ,
        "cancel": Scope.WRITE,
        "move": Scope.WRITE,
    }

    def get_queryset(self) -> QuerySet[Booking]:
        return bookings_for_wire(super().get_queryset())

    @extend_schema(
        operation_id="server_cancel_booking",
        summary="Cancel a booking for its customer",
        request=ServerCancelRequest,
        responses=ServerCancelledSerializer,
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, book_id: str) -> Response:
        """As its customer would: what goes back, the refund policy says."""
        booking, form = self.get_object(), ServerCancelRequest(data=request.data)
        form.is_valid(raise_exception=True)
        refund = cancel_booking(booking, form.validated_data["reason"])
        answer = {"booking": self.get_object(), "refund": refund}
        return Response(ServerCancelledSerializer(answer, context=self.get_serializer_context()).data)

    @extend_schema(
        operation_id="server_move_booking",
        summary="Move a booking for its customer",
        request=MoveRequest,
        responses=ServerBookingSerializer,
    )
    @action(detail=True, methods=["post"])
    def move(self, request: Request, book_id: str) -> Response:
        """To another free time of the same puja, within the bounds of its customer's own moves."""
        booking, form = self.get_object(), MoveRequest(data=request.data)
        form.is_valid(raise_exception=True)
        move_booking(booking, **form.validated_data)
        return Response(self.get_serializer(self.get_object()).data)


@extend_schema_view(list=extend_schema(operation_id="server_webhook_endpoints", summary="Webhook endpoints"))
class ServerEndpointViewSet(mixins.ListModelMixin, ServerViewSet):
    """Made and changed by staff in the admin."""

    queryset = WebhookEndpoint.objects.all()
    serializer_class = EndpointSerializer
    filter_backends = ()
    scopes: ClassVar[dict[str, str]] = {"list": Scope.WEBHOOKS}


@extend_schema_view(
    list=extend_schema(operation_id="server_events", summary="Events, the newest first"),
    retrieve=extend_schema(
        operation_id="server_event",
        summary="One event with its deliveries",
        responses=EventWithDeliveriesSerializer,
    ),
)
class ServerEventViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, ServerViewSet):
    queryset = ServerEvent.objects.all()
    serializer_class = EventSerializer
    filterset_class = ServerEventFilter
    lookup_field = "event_id"
    lookup_value_regex = "evt_[a-f0-9]{24}"
    scopes: ClassVar[dict[str, str]] = {"list": Scope.WEBHOOKS, "retrieve": Scope.WEBHOOKS}

    def get_serializer_class(self) -> Any:
        return EventWithDeliveriesSerializer if self.action == "retrieve" else EventSerializer

    def get_queryset(self) -> QuerySet[ServerEvent]:
        events = super().get_queryset()
        return events.prefetch_related("deliveries") if self.action == "retrieve" else events
