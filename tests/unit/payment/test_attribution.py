"""Whatever fails while a customer pays names its hop: in the answer, in the log, in the diagnosis."""

import logging

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.urls import path
from rest_framework.views import APIView

from diagnostics.deadlines import result_cache
from diagnostics.runner import diagnose
from okpuja.urls import handler500  # noqa: F401 - this module is a URL configuration, too
from payment.models import Payment
from payment.services import timeline
from payment.states import PaymentState
from tests.harness.network import refusing_port
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"
SIMULATE = "/api/payments/payments/simulate-payment-success/"


class BrokenView(APIView):
    authentication_classes = permission_classes = ()

    def get(self, request):
        raise KeyError("a mistake of ours")


urlpatterns = [path("broken/", BrokenView.as_view())]


@pytest.fixture(autouse=True)
def nothing_remembered():
    result_cache.own.clear()


def hops(caplog):
    return [
        (record.hop, record.host, int(record.port)) for record in caplog.records if hasattr(record, "hop")
    ]


def test_the_story_of_the_predecessor(api, settings):
    """Its own message broker refused, payments failed, and weeks were spent on "PhonePe blocked by the hosting"."""
    broker, mail = refusing_port(), refusing_port()
    settings.BROKER_URL = f"amqp://127.0.0.1:{broker}"
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail

    started = api().post(PROCESS_CART, {"amount": 100}).json()
    paid = api().post(SIMULATE, {"payment_id": started["payment_id"]}).json()
    found = diagnose().as_json()

    assert started["success"] is True
    assert paid["status"] == PaymentState.SUCCESS
    told = [found, *found["also"]]
    assert {each["verdict"] for each in told} >= {"broker_down", "mail_down"}
    assert {each["culprit"] for each in told if each["verdict"] in ("broker_down", "mail_down")} == {
        "this_server"
    }
    assert "phonepe" not in {each["culprit"] for each in told}
    assert found["dependencies"]["broker"]["target"] == f"127.0.0.1:{broker}"
    assert found["dependencies"]["mail"]["target"] == f"127.0.0.1:{mail}"


def test_a_cache_that_refuses_fails_no_payment_and_is_named(api, settings, caplog):
    port = refusing_port()
    settings.CACHES = {
        "default": {"BACKEND": "core.cache.SharedCache", "LOCATION": f"redis://127.0.0.1:{port}/0"}
    }
    with caplog.at_level(logging.WARNING):
        answer = api().post(PROCESS_CART, {"amount": 100})

    assert answer.status_code == 201
    assert Payment.objects.get().attempts.get().page_url
    assert ("cache", "127.0.0.1", port) in hops(caplog)
    assert cache.target == f"127.0.0.1:{port}"
    found = diagnose().as_json()
    assert found["dependencies"]["cache"]["ok"] is False
    assert found["dependencies"]["cache"]["target"] == f"127.0.0.1:{port}"


def test_a_database_that_refuses_is_named_in_the_log_with_host_and_port(api, monkeypatch, caplog):
    port = refusing_port()
    gone = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port, "OPTIONS": {}}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | gone)

    [answer] = at_once(lambda: api().post(PROCESS_CART, {"amount": 100}))

    assert (answer.status_code, answer.json()["error_category"]) == (503, "DATABASE")
    assert answer.json()["request_id"]
    assert ("database", "127.0.0.1", port) in hops(caplog)


def test_phonepe_that_refuses_is_named_in_the_answer_the_log_and_the_timeline(api, settings, caplog):
    port = refusing_port()
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "M1", "a-salt-key-for-tests"
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{port}/apis/pg-sandbox"

    answer = api().post(PROCESS_CART, {"amount": 100}, headers={"Accept-Language": "hi"})

    assert (answer.status_code, answer.json()["error_category"]) == (503, "CONNECTION_REFUSED")
    assert "PhonePe से अभी संपर्क नहीं" in answer.json()["user_message"]
    assert set(hops(caplog)) == {("phonepe", "127.0.0.1", port)}
    calls = [entry for entry in timeline.for_staff(Payment.objects.get()) if entry["kind"] == "call"]
    assert {(entry["hop"], entry["who_must_act"]) for entry in calls} == {("phonepe", "hosting")}
    assert f"127.0.0.1:{port}" in calls[0]["text"]


@pytest.mark.urls(__name__)
def test_a_mistake_of_ours_is_called_ours_and_shows_no_stack(caplog):
    answer = Client(raise_request_exception=False).get("/broken/")

    said = answer.json()
    assert (answer.status_code, said["code"], said["error_category"]) == (500, "internal_error", "OWN_CODE")
    assert said["request_id"] == answer["X-Request-Id"]
    assert "KeyError" not in answer.content.decode()
    assert "own_code" in {getattr(record, "hop", "") for record in caplog.records}
