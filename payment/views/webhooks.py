import logging

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from drf_spectacular.utils import OpenApiTypes, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from core.errors import Refusal
from payment.gateways import NotAuthentic, authenticate_webhook
from payment.models import WebhookEvent
from payment.phonepe.webhooks import SELF_TEST_HEADER, is_self_test, self_test_proof
from payment.services.webhooks import FIRST_POLL, process_now, receive_webhook

logger = logging.getLogger(__name__)

DAY = 86_400
REFUSED_COUNTER = "webhooks-refused"


class EmptyCall(Refusal):
    """V2's login header is valid for any body: a call whose body was lost on the way would be stored as nothing."""

    default_code = "empty_body"
    default_detail = "This call has no body. Nothing was kept; please send it again."


class KeptResponse(HttpResponse):
    """Processes the event after the answer is sent: PhonePe waits three seconds at most and must not wait for us."""

    def __init__(self, event: WebhookEvent) -> None:
        super().__init__(b'{"success":true,"message":"kept"}', content_type="application/json")
        self.event = event

    def close(self) -> None:
        try:
            process_now(self.event)
        finally:
            super().close()  # gives the database connection back


class WebhookViewSet(ViewSet):
    """No login of a user: `authenticate_webhook` checks the header by which PhonePe authenticates itself."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()  # a call that is refused is money that we do not hear of
    parser_classes = ()

    @extend_schema(
        request={"application/json": OpenApiTypes.OBJECT},
        responses={200: OpenApiTypes.OBJECT},
        description=(
            "Called by PhonePe. Answers 200 only after the event is committed; 401 when not authentic, "
            "400 without a body."
        ),
    )
    @action(detail=False, methods=["post"])
    def phonepe(self, request: Request) -> HttpResponse:
        raw: HttpRequest = request._request
        if not raw.body.strip():
            raise EmptyCall
        test_token = raw.headers.get(SELF_TEST_HEADER, "")
        if is_self_test(test_token):  # the self-test is authenticated as strictly; nothing of it is stored
            authenticate_webhook(raw.headers, raw.body)
            return Response({"success": True, "proof": self_test_proof(test_token, raw.body)})
        try:
            event = receive_webhook(raw.headers, raw.body, FIRST_POLL)
        except NotAuthentic:
            if not cache.add(REFUSED_COUNTER, 1, DAY):  # only the number of such calls is stored
                cache.incr(REFUSED_COUNTER)
            logger.warning("webhook refused: not authentic")
            raise
        return KeptResponse(event)
