import json
import logging

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from core import logging as logs
from core.logging import (
    JsonFormatter,
    RequestIdFilter,
    RequestIdMiddleware,
    access,
    events,
    log_about,
    log_scope,
    order_logged_for,
)


@pytest.fixture(autouse=True)
def outside_of_requests():
    """An earlier test may have left the scope of its last request in this thread, as a server does between two."""
    token = logs._scope.set(None)
    yield
    logs._scope.reset(token)


@pytest.fixture
def said():
    """What a log collector gets."""
    lines = []

    class Collector(logging.Handler):
        def emit(self, record):
            lines.append(json.loads(JsonFormatter().format(record)))

    collector = Collector()
    collector.addFilter(RequestIdFilter())
    levels = {logger: logger.level for logger in (access, events)}
    for logger in levels:
        logger.addHandler(collector)
        logger.setLevel(logging.INFO)
    yield lines
    for logger, level in levels.items():
        logger.removeHandler(collector)
        logger.setLevel(level)


def keys(line):
    return line.get("payment"), line.get("order")


def test_lines_after_the_payment_is_known_carry_it_until_the_work_on_the_row_ends(said):
    with log_scope():
        events.info("before")
        log_about("OKP-1", "order-1")
        log_about("OKP-1")  # the lock of the payment knows no order
        events.info("during")
    events.info("after")

    assert [keys(line) for line in said] == [(None, None), ("OKP-1", "order-1"), (None, None)]


def test_a_line_that_names_its_own_payment_keeps_it(said):
    with log_scope():
        log_about("OKP-1", "order-1")
        events.info("paid", extra={"payment": "OKP-2", "order": "order-2"})

    assert keys(said[0]) == ("OKP-2", "order-2")


def test_the_order_of_one_payment_is_never_said_of_another():
    with log_scope():
        log_about("OKP-1", "order-1")
        log_about("OKP-2")
        assert (order_logged_for("OKP-1"), order_logged_for("OKP-2")) == ("", "")


@pytest.mark.parametrize(
    ("payments", "expected"),
    [
        (["OKP-1"], ("OKP-1", "")),
        (["OKP-1", "OKP-1"], ("OKP-1", "")),
        (["OKP-1", "OKP-2"], (None, None)),
        ([], (None, None)),
    ],
)
def test_the_access_line_belongs_to_the_one_payment_of_its_request(said, payments, expected):
    def view(request):
        for payment in payments:
            log_about(payment)
        return HttpResponse()

    middleware = RequestIdMiddleware(view)
    middleware(RequestFactory().get("/other"))
    middleware(RequestFactory().get("/"))

    assert keys(said[-1]) == expected


def test_a_request_knows_nothing_of_the_one_before_it(said):
    RequestIdMiddleware(lambda request: log_about("OKP-1") or HttpResponse())(RequestFactory().get("/"))
    RequestIdMiddleware(lambda request: HttpResponse())(RequestFactory().get("/"))

    assert [keys(line) for line in said] == [("OKP-1", ""), (None, None)]


def test_outside_of_requests_and_work_nothing_is_remembered(said):
    log_about("OKP-1", "order-1")
    events.info("the reconciliation found differences")

    assert keys(said[0]) == (None, None)
