"""`[Errno 111] Connection refused` says nothing about who refused; whoever reads our answer must learn it."""

import pytest
from django.db import connections

from payment.models import Payment
from simulator.models import Order
from tests.harness.network import refusing_port
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"


@pytest.fixture
def refusing_database(monkeypatch):
    """For every connection that is opened from now on."""
    gone = {
        **connections.settings["default"],
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": refusing_port(),
        "OPTIONS": {},
    }
    monkeypatch.setitem(connections.settings, "default", gone)


def test_a_database_that_refuses_is_never_called_phonepe(api, refusing_database):
    [answer] = at_once(lambda: api().post(PROCESS_CART, {"amount": 100}))

    said = answer.json()
    assert answer.status_code == 503
    assert (said["code"], said["error_category"]) == ("database_down", "DATABASE")
    assert "PhonePe" not in answer.content.decode()
    assert "Errno" not in answer.content.decode()


def test_phonepe_that_refuses_is_called_phonepe(api, settings):
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "M1", "a-salt-key-for-tests"
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"

    answer = api().post(PROCESS_CART, {"amount": 100})

    said = answer.json()
    assert answer.status_code == 503
    assert (said["code"], said["error_category"]) == ("phonepe_unreachable", "CONNECTION_REFUSED")


def test_nobody_is_told_that_phonepe_failed_after_it_has_opened_the_order(api):
    said = api().post(PROCESS_CART, {"amount": 100}).json()

    assert said["success"] is True
    assert Order.objects.get().merchant_order_id == said["merchant_transaction_id"]
    assert Payment.objects.get().attempts.get().page_url == said["payment_url"]
