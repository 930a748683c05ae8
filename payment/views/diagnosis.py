"""Whose fault is it? Short for everyone, full for who operates this server."""

from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils.crypto import constant_time_compare
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import ActiveUserAuthentication, BearerScheme
from okpuja.errors import Conflict
from payment.diagnosis.runs import fresh, latest
from payment.diagnosis.words import Culprit, Verdict
from payment.views.throttles import DiagnosisThrottle

OPS_TOKEN = OpenApiParameter("X-Ops-Token", str, OpenApiParameter.HEADER, description="opens the full answer")
STRICT = OpenApiParameter("strict", bool, description="answer 503 unless all is well")


class OptionalLogin(ActiveUserAuthentication):
    """A login that can't be checked, because the database is down, is no reason to give no diagnosis."""

    def authenticate(self, request: Request) -> Any:
        try:
            return super().authenticate(request)
        except (AuthenticationFailed, DatabaseError, InterfaceError):
            return None


class OptionalLoginScheme(BearerScheme):
    name = "optionalJwtAuth"
    target_class = OptionalLogin


class EndpointSerializer(serializers.Serializer[Any]):
    endpoint = serializers.CharField(help_text="host name of PhonePe, or `configured address`")
    reachable = serializers.BooleanField()
    stage = serializers.ChoiceField(
        ["NONE", "DNS", "TCP", "PROXY", "TLS", "HTTP"], help_text="the last layer that worked"
    )


class ShortDiagnosisSerializer(serializers.Serializer[Any]):
    success = serializers.BooleanField(help_text="verdict is ok or simulated")
    verdict = serializers.ChoiceField(Verdict.values)
    culprit = serializers.ChoiceField(Culprit.values, help_text="who has to act")
    summary = serializers.CharField()
    checked_at = serializers.CharField()
    endpoints = EndpointSerializer(many=True)


class CheckSerializer(serializers.Serializer[Any]):
    layer = serializers.CharField()
    target = serializers.CharField()
    ok = serializers.BooleanField(allow_null=True, help_text="null: could not be asked")
    ms = serializers.IntegerField()
    detail = serializers.CharField()


class DependencySerializer(serializers.Serializer[Any]):
    ok = serializers.BooleanField(allow_null=True)
    detail = serializers.CharField()


class SupportMessageSerializer(serializers.Serializer[Any]):
    to = serializers.CharField()
    subject = serializers.CharField()
    body = serializers.CharField()


class DiagnosisSerializer(ShortDiagnosisSerializer):
    """The last five stand only in the answer to staff and to X-Ops-Token."""

    next_action = serializers.CharField(required=False)
    checks = CheckSerializer(many=True, required=False)
    dependencies = serializers.DictField(child=DependencySerializer(), required=False)
    config = serializers.DictField(required=False)
    support_message = SupportMessageSerializer(allow_null=True, required=False)


class TestPaymentRequest(serializers.Serializer[Any]):
    test_payment = serializers.BooleanField()

    def validate_test_payment(self, wanted: bool) -> bool:
        if not wanted:
            raise serializers.ValidationError("Only `true` asks for something.")
        return wanted


class DebugConnectivityView(APIView):
    """Takes no address: it can't be aimed at anything but what is configured. It never starts a payment."""

    authentication_classes = (OptionalLogin,)
    permission_classes = (AllowAny,)
    throttle_classes = (DiagnosisThrottle,)

    @extend_schema(
        operation_id="debug_connectivity",
        parameters=[OPS_TOKEN, STRICT],
        responses={200: DiagnosisSerializer, 503: DiagnosisSerializer},
    )
    def get(self, request: Request) -> Response:
        """The last diagnosis, at most thirty seconds old: what is wrong, and who has to act."""
        found = latest()
        is_strict = request.query_params.get("strict", "").lower() in {"1", "true"}
        form = DiagnosisSerializer if may_see_all(request) else ShortDiagnosisSerializer
        return Response(form(found).data, status=503 if is_strict and not found["success"] else 200)

    @extend_schema(
        operation_id="debug_connectivity_now",
        parameters=[OPS_TOKEN],
        request=TestPaymentRequest,
        responses=DiagnosisSerializer,
    )
    def post(self, request: Request) -> Response:
        """A new diagnosis at once, with a question to PhonePe even if it is simulated. Not in production."""
        if not may_see_all(request):
            raise PermissionDenied if request.user.is_authenticated else NotAuthenticated
        TestPaymentRequest(data=request.data).is_valid(raise_exception=True)
        if settings.PHONEPE_ENV == "PRODUCTION":
            raise Conflict("This is not done in production.", code="not_in_production")
        return Response(DiagnosisSerializer(fresh(ask_simulator=True)).data)


def may_see_all(request: Request) -> bool:
    """Staff, and whoever knows OPS_TOKEN. An empty OPS_TOKEN is known to nobody."""
    offered = request.headers.get("X-Ops-Token", "")
    knows_token = bool(settings.OPS_TOKEN) and constant_time_compare(offered, settings.OPS_TOKEN)
    return knows_token or bool(getattr(request.user, "is_staff", False))
