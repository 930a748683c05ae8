"""The server that is measured: ours, and beside it the least that a payment could be.

`floor/` inserts one row. `naive/` books what a webhook says as a plain Django view does: it asks PhonePe and writes the
rows that ours writes, one ORM statement each, without leases, conditions, duplicates and late money.
"""

import json
import secrets
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()  # from here on Django is set up, and models can be imported

import requests  # noqa: E402
from django.contrib.sessions.models import Session  # noqa: E402
from django.db import transaction  # noqa: E402
from django.db.models import F  # noqa: E402
from django.http import HttpRequest, HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django.utils import timezone  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

from booking.models import Booking, Slot  # noqa: E402
from notifications.models import Notification  # noqa: E402
from payment.models import (  # noqa: E402
    GatewayCall,
    LedgerEntry,
    PaymentAttempt,
    Receipt,
    ServerEvent,
    StateChange,
    WebhookEvent,
)


@csrf_exempt
def floor(request: HttpRequest) -> HttpResponse:
    Session.objects.create(session_key=secrets.token_hex(16), session_data="", expire_date=timezone.now())
    return HttpResponse("inserted", status=201)


@csrf_exempt
def naive(request: HttpRequest) -> HttpResponse:
    order_id = json.loads(request.body)["payload"]["merchantOrderId"]
    with requests.Session() as phonepe:
        phonepe.mount("http://", import_string(settings.SIMULATOR_ADAPTER)())
        status = phonepe.get(f"http://phonepe.example/checkout/v2/order/{order_id}/status").json()
    attempts = PaymentAttempt.objects.select_related("payment__checkout__hold", "payment__user")
    with transaction.atomic():
        attempt = attempts.select_for_update(of=("self", "payment")).get(merchant_order_id=order_id)
        if status["state"] == "COMPLETED" and status["amount"] == attempt.amount_paise:
            book(attempt, status, request.body)
    return JsonResponse({"success": True})


def book(attempt: Any, status: dict[str, Any], body: bytes) -> None:
    now, payment, paise = timezone.now(), attempt.payment, attempt.amount_paise
    checkout, hold = payment.checkout, payment.checkout.hold
    attempt.state, attempt.received_paise, attempt.next_check_at = "COMPLETED", paise, None
    attempt.paid_at = attempt.decided_at = payment.decided_at = now
    payment.state, payment.fulfilment, checkout.state, hold.state = "SUCCESS", "BOOKED", "BOOKED", "TAKEN"
    checkout.cart.status = "CONVERTED"
    for row in (attempt, payment, checkout, checkout.cart, hold):
        row.save()
    Slot.objects.filter(pk=hold.slot_id).update(held=F("held") - 1, booked=F("booked") + 1)
    booking = Booking.objects.create(user=payment.user, checkout=checkout, starts_at=checkout.starts_at)
    reference = attempt.merchant_order_id
    LedgerEntry.objects.create(
        payment=payment, attempt=attempt, kind="RECEIPT", amount_paise=paise, reference=reference
    )
    Receipt.objects.create(
        payment=payment,
        series="OKP",
        year=now.year,
        received_at=now,
        price_paise=paise,
        total_paise=paise,
    )
    ServerEvent.objects.create(type="payment.paid", payment=payment, data={})
    ServerEvent.objects.create(type="booking.confirmed", payment=payment, data={})
    for subject in ("attempt", "payment", "fulfilment"):
        StateChange.objects.create(payment=payment, subject=subject, after="X", rule="bench")
    Notification.objects.create(
        kind="booked",
        key=f"booked:{payment.pk}",
        user=payment.user,
        email=payment.user.email,
        message_id=reference,
        facts={"book_id": booking.book_id},
    )
    GatewayCall.objects.create(
        payment=payment,
        attempt=attempt,
        operation="status",
        host="h",
        port=1,
        stage="BODY",
        milliseconds=1,
        http_status=200,
        started_at=now,
    )
    WebhookEvent.objects.create(
        digest=reference,
        scheme="authorization",
        body=body,
        attempt=attempt,
        claimed_state=status["state"],
        state="HANDLED",
        handled_at=now,
    )


urlpatterns = [path("floor/", floor), path("naive/", naive), path("", include("okpuja.urls"))]
settings.ROOT_URLCONF = __name__
