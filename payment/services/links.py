"""Signed links to one payment. A return link only leads back to the payment; each purpose has its own salt."""

from django.conf import settings
from django.core import signing
from django.http import Http404
from django.urls import reverse

from payment.models import Payment

DAY = 86_400
RETURN, STATUS, OFFER = "payment.return", "payment.status", "payment.offer"
# Late money may come for seven days, and people open old links.
LIFE_SECONDS = {RETURN: 8 * DAY, STATUS: 60 * DAY, OFFER: 60 * DAY}


def return_url(payment: Payment) -> str:
    return _absolute(reverse("payment-return", args=[_token(payment, RETURN)]))


def status_url(payment: Payment) -> str:
    return _absolute(reverse("payment-status-page", args=[_token(payment, STATUS)]))


def offer_url(payment: Payment) -> str:
    """The holder of this link may choose. It gives access to nothing else of the payment."""
    return _absolute(reverse("payment-offer-page", args=[_token(payment, OFFER)]))


def webhook_url() -> str:
    return _absolute(reverse("webhook-phonepe"))


def payment_behind(token: str, purpose: str) -> Payment:
    """The payment that a token names. Raises Http404 for forged, expired and foreign tokens alike."""
    try:
        payment_id = signing.loads(token, salt=purpose, max_age=LIFE_SECONDS[purpose])
    except signing.BadSignature as error:
        raise Http404 from error
    payment = Payment.objects.select_related("checkout").filter(pk=payment_id).first()
    if payment is None:
        raise Http404
    return payment


def _token(payment: Payment, purpose: str) -> str:
    return signing.dumps(payment.pk, salt=purpose)


def _absolute(path: str) -> str:
    return settings.PUBLIC_BASE_URL + path
