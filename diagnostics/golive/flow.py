"""Real payment flows, in simulation or the sandbox only."""

import time

from django.conf import settings

from core.errors import Refusal
from diagnostics.golive.site import Result, Site, failed, json_object, not_run, passed
from payment.models import WebhookEvent
from payment.services.checkout import start_donation

SMALLEST_PAISE = 100
WEBHOOK_WITHIN = 10.0  # seconds
NO_REAL_MONEY = "no program moves real money: pay one rupee yourself, and check its timeline"


def payment_initiation(site: Site) -> Result:
    if settings.PHONEPE_ENV == "PRODUCTION" and not settings.PHONEPE_SIMULATION_MODE:
        return not_run(NO_REAL_MONEY)
    try:
        start = start_donation(None, amount_paise=SMALLEST_PAISE, reference="golive")
    except Refusal as refusal:
        return failed(f"{refusal.detail} ({refusal.error_category})", "See `manage.py doctor`.")
    return passed(f"order {start.attempt.merchant_order_id} has a page")


def full_flow(site: Site) -> Result:
    """From a cart to a booking, and PhonePe's webhook about it."""
    if not settings.PHONEPE_SIMULATION_MODE:
        return not_run("no program can pay on PhonePe's page: do it once by hand, in the sandbox")
    # Behind a proxy a caller on this machine is not known as one; the token says that we operate this server.
    token = {"X-Ops-Token": settings.OPS_TOKEN} if settings.OPS_TOKEN else {}
    answer = site.request("GET", "/api/payments/payments/simulate-payment-success/", headers=token)
    body = json_object(answer) if answer.status_code == 200 else {}
    if not body.get("booking_created"):
        return failed(f"the demo payment ended with {answer.status_code}", "Look at the server's log.")
    order = str(body["merchant_transaction_id"])
    until = time.monotonic() + WEBHOOK_WITHIN
    while not WebhookEvent.objects.filter(merchant_order_id=order).exists():
        if time.monotonic() >= until:
            return failed(f"paid and booked, but no webhook came about {order}", "Is SIMULATOR_DELIVERS on?")
        time.sleep(0.1)
    return passed(f"booked as {body['booking_reference']}, and the webhook came")
