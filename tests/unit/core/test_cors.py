"""What browsers ask before they send, and what they may read afterwards."""

import runpy

import pytest
from django.test import Client

from tests.harness import ROOT

FRONTEND = "http://frontend.example"
SETTINGS = ROOT / "okpuja/settings.py"
SENT = {
    "the shop": "accept, authorization, content-type",
    "a click that is said twice": "idempotency-key",
    "jQuery and axios instances": "x-requested-with",
    "a form with Django's token": "x-csrftoken",
    "a hard reload": "cache-control, pragma, expires",
    "a client that remembers": "if-modified-since, if-none-match",
    "Sentry": "baggage, sentry-trace",
    "OpenTelemetry": "traceparent, tracestate",
    "Datadog": "x-datadog-origin, x-datadog-parent-id, x-datadog-sampling-priority, x-datadog-trace-id",
    "New Relic": "newrelic",
    "Elastic": "elastic-apm-traceparent",
    "Zipkin": "b3, x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, x-b3-flags",
    "a caller who names the request": "x-request-id",
    "a program that names itself": "user-agent",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def preflight(names, method="POST", path="/api/payments/payments/process-cart/", origin=FRONTEND):
    asked = {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": names,
    }
    return Client().options(path, headers=asked)


def listed(answer, header):
    return {name.strip().lower() for name in answer.get(header, "").split(",")}


@pytest.mark.parametrize("who", SENT)
def test_what_ordinary_clients_send_is_let_through(who):
    answer = preflight(SENT[who])

    assert answer.status_code == 200
    assert answer["access-control-allow-origin"] == FRONTEND
    assert set(SENT[who].split(", ")) <= listed(answer, "access-control-allow-headers")


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_api_may_be_used(method):
    assert method.lower() in listed(preflight("authorization", method), "access-control-allow-methods")


def test_a_header_of_ones_own_is_a_setting(monkeypatch):
    monkeypatch.setenv("CORS_EXTRA_HEADERS", "X-Shop-Version, x-tenant")
    assert {"x-shop-version", "x-tenant", "authorization"} <= set(
        runpy.run_path(str(SETTINGS))["CORS_ALLOW_HEADERS"]
    )


def test_other_headers_and_other_origins_are_not_let_through():
    assert "x-shop-version" not in listed(preflight("x-shop-version"), "access-control-allow-headers")
    assert "access-control-allow-origin" not in preflight("authorization", origin="http://evil.example")


@pytest.mark.parametrize(
    "header", ["retry-after", "x-request-id", "content-disposition", "idempotent-replayed", "link"]
)
def test_what_clients_need_of_an_answer_can_be_read(db, header):
    answer = Client().get("/api/puja/categories/", headers={"origin": FRONTEND})
    assert header in listed(answer, "access-control-expose-headers")


@pytest.mark.parametrize("path", ["/api/nothing/", "/api/auth/profile/", "/api/auth/login"])
def test_a_refusal_can_be_read_too(db, path):
    assert Client().get(path, headers={"origin": FRONTEND})["access-control-allow-origin"] == FRONTEND
