"""One customer cannot take all threads: whatever they wait for, others are served meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.harness.installation import start_installation
from tests.harness.processes import eventually

pytestmark = [pytest.mark.sockets, pytest.mark.proof]

MANY = 12  # the server has eight threads


@pytest.fixture(scope="module")
def shop():
    with start_installation("v2", PAYMENT_TIME_SCALE=1, PHONEPE_DEADLINE=6) as shop:
        yield shop


def kinds(shop, number):
    """What one customer may ask for as often as they like, about one payment, while PhonePe keeps silent."""
    customer = shop.customer(number)
    started = customer.start()
    payment = f"payments/payments/{started['payment_id']}/"
    click = {"cart_id": started["cart_id"]}
    cart_id = customer.get(f"cart/carts/{started['cart_id']}/")["cart_id"]
    yield "check-booking", "GET", f"{payment}check-booking/", None
    yield "status", "GET", f"{payment}status/", None
    yield "check-and-process", "POST", f"{payment}check-and-process/", {}
    yield "process-cart", "POST", "payments/payments/process-cart/", click
    yield "cart status", "GET", f"payments/cart/status/{cart_id}/", None
    yield "order status", "GET", f"payments/status/{started['merchant_transaction_id']}/", None
    yield "verify-and-complete", "POST", "payments/verify-and-complete/", {"cart_id": cart_id}
    yield "payments/cart", "POST", "payments/cart/", {"cart_id": cart_id}
    yield "giving up", "POST", f"cart/carts/{started['cart_id']}/cleanup_old_payments/", {}
    yield "debug-connectivity", "GET", "payments/payments/debug-connectivity/", None
    yield "a new diagnosis", "POST", "payments/payments/debug-connectivity/", {}
    yield "readyz", "GET", "../readyz", None


def test_a_page_of_2026_is_answered_long_before_its_client_gives_up(shop):
    """It waits for 30 seconds."""
    shop.phonepe.inject_fault("status", "never_answer", times=10_000)
    customer = shop.customer(1)
    started = customer.start()
    cart_id = customer.get(f"cart/carts/{started['cart_id']}/")["cart_id"]
    order = started["merchant_transaction_id"]
    seconds = {}
    for method, path in (
        ("get", f"payments/cart/status/{cart_id}/"),
        ("get", f"payments/status/{order}/"),
        ("post", "payments/verify-and-complete/"),
    ):
        begin = time.monotonic()
        body = {"json": {"cart_id": cart_id}} if method == "post" else {}
        answer = requests.request(
            method,
            f"{shop.url}/api/{path}",
            headers={"Authorization": f"Bearer {shop.tokens.customers[1]}"},
            timeout=30,
            **body,
        )
        seconds[path] = time.monotonic() - begin
        assert answer.status_code == 200
        assert "FAILED" not in answer.text
    assert max(seconds.values()) < 12, seconds


def test_others_are_served_while_one_customer_waits_twelve_times(shop):
    shop.phonepe.inject_fault("status", "never_answer", times=10_000)
    headers = {"Authorization": f"Bearer {shop.tokens.customers[0]}"}
    slow = []
    for name, method, path, body in list(kinds(shop, 0)):
        url = f"{shop.urls[0]}/api/{path}".replace("/api/../", "/")
        with ThreadPoolExecutor(MANY) as crowd:
            asked = [
                crowd.submit(requests.request, method, url, json=body, headers=headers, timeout=60)
                for _ in range(MANY)
            ]
            # The server has all of them in hand or behind it when as many are left as may wait.
            eventually(lambda asked=asked: sum(not one.done() for one in asked) <= 7, "threads are free", 5)
            if not requests.get(f"{shop.urls[0]}/healthz", timeout=5).ok:
                slow.append(name)
        assert {one.result().status_code for one in asked} <= {200, 201, 401, 403, 409, 429, 503, 504}, name
    assert slow == []
