import logging
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.db import OperationalError
from django.http import HttpRequest
from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import Refusal
from payment.gateways import NotAuthentic, authenticate_webhook
from payment.models import WebhookEvent
from payment.phonepe import self_test
from payment.services.webhooks import process_now, receive_webhook

logger = logging.getLogger(__name__)

DAY = 86_400


class EmptyCall(Refusal):
    """V2's login header stands for any body: a call whose body was lost on the way would be kept as nothing."""

    default_code = "empty_body"
    default_detail = "This call has no body. Nothing was kept; please send it again."


class AnswerThen(Response):
    """Does `afterwards` when the answer has been sent: PhonePe waits three seconds at most and must not wait for us."""

    def __init__(self, data: Any, afterwards: Callable[[], None]) -> None:
        super().__init__(data)
        self.afterwards = afterwards

    def close(self) -> None:
        try:
            self.afterwards()
        finally:
            super().close()  # gives the database connection back


class PhonePeWebhookView(APIView):
    """PhonePe calls here. Framework authentication is off: the header is PhonePe's, not a login."""

    authentication_classes = ()
    permission_classes = ()
    parser_classes = ()

    @extend_schema(
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: OpenApiTypes.OBJECT},
        description=(
            "Called by PhonePe. Answers 200 only after the event is committed; 401 when not authentic, "
            "400 without a body."
        ),
    )
    def post(self, request: Request) -> Response:
        raw: HttpRequest = request._request
        if not raw.body.strip():
            raise EmptyCall
        if self_test.is_ours(raw.headers.get(self_test.HEADER, "")):
            return _answer_self_test(raw)
        try:
            event = receive_webhook(raw.headers, raw.body)
        except NotAuthentic:
            _count_refusal()
            raise
        return AnswerThen({"success": True, "message": "kept"}, afterwards=lambda: _process_now(event))


def _answer_self_test(raw: HttpRequest) -> Response:
    """The self-test of the diagnosis: authenticated as strictly as PhonePe's calls; nothing is stored."""
    authenticate_webhook(raw.headers, raw.body)
    return Response({"success": True, "proof": self_test.proof(raw.headers[self_test.HEADER], raw.body)})


def _process_now(event: WebhookEvent) -> None:
    """A quick first poll; what it leaves undecided, the worker polls within half a second."""
    try:
        process_now(event)
    except OperationalError:
        logger.warning("the database is busy; left to the worker", extra={"event": event.pk})


def _count_refusal() -> None:
    """Of a call that is not authentic nothing is kept but its number."""
    key = "webhooks-refused"
    if not cache.add(key, 1, DAY):
        cache.incr(key)
    logger.warning("webhook refused: not authentic")
