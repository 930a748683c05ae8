"""The transport of the clients: what they stumble over is what a browser and axios stumble over."""

import json

import pytest
import requests

from tests.harness.customers import FRONTEND
from tests.harness.network import Server, answers, is_silent
from tests.integration.frontend import july, shop_pages, today
from tests.integration.frontend.browser import (
    NETWORK,
    SOMETHING,
    Browser,
    Client,
    Clock,
    NoAnswer,
    first,
    query_of,
    reader,
    side_by_side,
)


def refusal(body):
    answer = requests.Response()
    answer.status_code, answer._content = 400, json.dumps(body).encode()
    return answer


def raw(*headers):
    return "\r\n".join(("HTTP/1.1 200 OK", "Content-Length: 2", *headers, "", "{}")).encode()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"error": "Too late.", "detail": "x"}, "Too late."),
        ({"city": ["Give a city.", "x"]}, "Give a city."),
        ({"code": {"x": 1}, "error": "Too late."}, SOMETHING),
        ({}, SOMETHING),
        (["Too late."], "Too late."),
    ],
)
def test_a_screen_shows_the_first_value_if_it_is_a_sentence(body, told):
    assert first(refusal(body)) == told


def test_a_screen_shows_the_first_key_that_it_knows():
    read = reader("detail", "email")
    assert read(refusal({"error": "x", "email": ["Taken."]})) == "Taken."
    assert read(refusal({"error": "x"})) == SOMETHING


def test_parameters_are_read_as_a_browser_reads_them():
    assert query_of("/confirmbooking?=BK-1&cart_id=&a=1&a=2") == {"": "BK-1", "cart_id": "", "a": "1"}


def test_what_happens_while_a_page_waits_happens_in_order_and_takes_no_time():
    clock, seen = Clock(), []
    clock.after(40, lambda: seen.append(("late", clock.now)))
    clock.after(5, lambda: seen.append(("soon", clock.now)))
    clock.wait(30)
    clock.wait(30)
    assert seen == [("soon", 5), ("late", 40)]
    assert clock.now == 60


@pytest.mark.sockets
@pytest.mark.parametrize("site", [july, today])
def test_pay_without_an_answer_in_time_is_a_fault_of_the_network(site):
    assert site.MAIN.seconds == 30
    with Server(is_silent) as server:
        tab = Browser(f"http://127.0.0.1:{server.port}", Client(0.1)).tab()
        assert shop_pages.click_pay(tab, "/payments/cart/", {}, {}) is None
    assert tab.toasts == [NETWORK]


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ((), "CORS refuses"),
        (("Access-Control-Allow-Methods: PATCH",), "CORS refuses"),
        (
            ("Access-Control-Allow-Methods: GET, PATCH", "Access-Control-Allow-Headers: content-type"),
            "CORS hides",
        ),
    ],
)
def test_what_cors_does_not_allow_is_no_answer(headers, told):
    allowed = (*headers, f"Access-Control-Allow-Origin: {FRONTEND}") if told == "CORS refuses" else headers
    with Server(answers(raw(*allowed))) as server:
        tab = Browser(f"http://127.0.0.1:{server.port}", july.MAIN).tab()
        with pytest.raises(NoAnswer, match=told):
            tab.call("PATCH", "/auth/profile/", {})


@pytest.mark.sockets
def test_a_refused_refresh_ends_every_waiting_call_at_the_login():
    refused = raw(f"Access-Control-Allow-Origin: {FRONTEND}", "Access-Control-Allow-Methods: GET, POST")
    refused = refused.replace(b"200 OK", b"401 Unauthorized").replace(
        b"\r\n\r\n", b"\r\nAccess-Control-Allow-Headers: authorization, content-type\r\n\r\n"
    )
    with Server(answers(refused)) as server:
        tokens = {"access": "old", "refresh": "old"}
        tab = Browser(f"http://127.0.0.1:{server.port}", today.MAIN, tokens).tab()
        told = side_by_side(*[lambda: tab.call("GET", "/cart/carts/")] * 3)
        refreshes = [head for head in server.requests if head.startswith(b"POST /api/auth/refresh/")]
    assert [one.status_code for one in told] == [401] * 3
    assert len(refreshes) == 1
    assert (tab.location, tab.storage) == ("/login", {})


@pytest.mark.sockets
def test_a_page_of_the_catalogue_never_leads_to_the_login():
    refused = raw(
        f"Access-Control-Allow-Origin: {FRONTEND}",
        "Access-Control-Allow-Methods: GET",
        "Access-Control-Allow-Headers: authorization",
    ).replace(b"200 OK", b"401 Unauthorized")
    with Server(answers(refused)) as server:
        tab = Browser(f"http://127.0.0.1:{server.port}", today.MAIN, {"access": "old"}).tab()
        assert tab.call("GET", "/puja/services/7/").status_code == 401
    assert tab.location == "/"
