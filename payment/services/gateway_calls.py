"""Every call of a service to PhonePe passes through `call_gateway`, which records it."""

from collections.abc import Callable, Iterable
from threading import BoundedSemaphore
from typing import Concatenate, ParamSpec, TypeVar

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from core.errors import Unavailable
from core.logging import request_id
from payment.gateways import (
    CheckoutPage,
    GatewayError,
    HttpAttempt,
    OrderStatus,
    PhonePeGateway,
    RefundStatus,
    gateway_for,
)
from payment.models import GatewayCall, PaymentAttempt
from payment.phonepe.credentials import NotConfigured

Arguments = ParamSpec("Arguments")
Answer = TypeVar("Answer", CheckoutPage, OrderStatus, RefundStatus)

# The errors of a call without an answer. None of them says anything about the order.
NO_ANSWER = (GatewayError, NotConfigured, Unavailable)

# Half of the server's threads stay free for other requests, however long PhonePe takes.
call_permits = BoundedSemaphore(settings.PHONEPE_CALLS_AT_ONCE)


def call_gateway(
    attempt: PaymentAttempt,
    operation: Callable[Concatenate[PhonePeGateway, Arguments], Answer],
    *args: Arguments.args,
    **kwargs: Arguments.kwargs,
) -> Answer:
    """Call PhonePe for the merchant of `attempt`, and record each HTTP attempt as a GatewayCall, whatever its result.

    `operation` is a method of PhonePeGateway. Raises GatewayError as it does, NotConfigured, and Unavailable when too
    many calls are under way.
    """
    gateway = gateway_for(attempt.identity)
    if not call_permits.acquire(blocking=False):
        raise Unavailable(
            _("Too many payments are being opened at the moment. Please try again in a few seconds.")
        )
    try:
        answer = operation(gateway, *args, **kwargs)
    except GatewayError as error:
        _record_calls(error.http_attempts, attempt)
        raise
    finally:
        call_permits.release()
    _record_calls(answer.http_attempts, attempt)
    return answer


def _record_calls(http_attempts: Iterable[HttpAttempt], attempt: PaymentAttempt) -> None:
    GatewayCall.objects.bulk_create(
        GatewayCall(
            payment_id=attempt.payment_id,
            attempt=attempt,
            operation=entry.operation,
            endpoint=entry.endpoint,
            host=entry.host,
            port=entry.port,
            proxy=entry.proxy,
            stage=entry.stage.name,
            milliseconds=entry.milliseconds,
            http_status=entry.http_status,
            code=entry.code,
            error_category=entry.error_category,
            request_id=request_id.get(),
            started_at=entry.started_at,
        )
        for entry in http_attempts
    )
