"""What people are told who ask why a payment is where it is."""

import pytest
from django.utils import timezone

from payment.models import GatewayCall
from payment.services import timeline
from tests.payment.builders import make_payment

pytestmark = pytest.mark.django_db


def call(payment, **fields):
    tried = {
        "operation": "pay",
        "endpoint": "https://api.phonepe.com/apis/hermes",
        "host": "api.phonepe.com",
        "port": 443,
        "stage": "BODY",
        "milliseconds": 120,
        "http_status": 200,
        "started_at": timezone.now(),
    }
    GatewayCall.objects.create(payment=payment, attempt=payment.attempts.get(), **tried | fields)


def test_a_try_through_a_proxy_names_the_proxy():
    payment = make_payment()
    call(payment, proxy="http://way.out:3128", http_status=None, error_category="PROXY_ERROR")

    (entry,) = timeline.for_staff(payment)

    assert entry["text"] == "pay to api.phonepe.com:443 through http://way.out:3128: PROXY_ERROR"


def test_a_direct_try_names_no_proxy():
    payment = make_payment()
    call(payment, code="PAYMENT_INITIATED")

    (entry,) = timeline.for_staff(payment)

    assert entry["text"] == "pay to api.phonepe.com:443: HTTP 200 PAYMENT_INITIATED"
