"""Two addresses of PhonePe, the first of which refuses or keeps silent. Four seconds are all a click has here."""

import socket
import time
from contextlib import closing

import pytest

from tests.harness.installation import start_installation

pytestmark = [pytest.mark.sockets, pytest.mark.proof(every=2)]

DEADLINE = 4


class Entrance:
    """The first address of PhonePe: a port of ours where nobody listens, or where nobody ever answers."""

    def __init__(self):
        self._socket = self._closed(0)
        self.port = self._socket.getsockname()[1]

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.port}/simulator/apis/pg-sandbox"

    def refuse(self):
        self._socket.close()
        self._socket = self._closed(self.port)

    def keep_silent(self):
        self._socket.listen(64)  # the kernel takes the call, and nobody ever reads it

    def close(self):
        self._socket.close()

    @staticmethod
    def _closed(port):
        """Bound, so that the port is ours, and not listening, so that callers are refused."""
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made


@pytest.fixture(scope="module")
def entrance():
    entrance = Entrance()
    yield entrance
    entrance.close()


@pytest.fixture(scope="module", params=["v1", "v2"])
def shop(request, entrance):
    with start_installation(
        request.param, first_address=entrance.base_url, PHONEPE_DEADLINE=DEADLINE
    ) as shop:
        yield shop


@pytest.fixture(params=["v1", "v2"])
def silent_shop(request):
    """A server that has just started: it does not know yet that its first address keeps silent."""
    with closing(Entrance()) as entrance:
        entrance.keep_silent()
        with start_installation(
            request.param, first_address=entrance.base_url, PHONEPE_DEADLINE=DEADLINE
        ) as shop:
            yield shop


def test_when_the_first_address_refuses_the_second_takes_the_payment_at_once(shop, entrance):
    entrance.refuse()
    answer, seconds = timed_click(shop.customer(0))
    assert (answer.status_code, seconds < 2) == (201, True)
    assert_one_order(shop, answer)
    assert categories(shop, answer)[0] == "CONNECTION_REFUSED"


def test_when_the_first_address_keeps_silent_the_second_takes_the_payment_in_time(shop, entrance):
    entrance.keep_silent()
    answer, seconds = timed_click(shop.customer(1))
    assert (answer.status_code, seconds < DEADLINE) == (201, True)
    assert_one_order(shop, answer)
    assert "READ_TIMEOUT" in categories(shop, answer)


@pytest.mark.proof
def test_when_nobody_answers_the_click_is_told_so_in_time_and_the_next_click_can_pay(silent_shop):
    shop = silent_shop
    shop.phonepe.inject_fault("status", "never_answer")
    if (
        shop.generation == "v2"
    ):  # the token has been lost at the first address already: the order goes to the second
        shop.phonepe.inject_fault("pay", "never_answer", carried_out=False)
    customer = shop.customer(2)
    answer, seconds = timed_click(customer)
    told = answer.json()
    assert (answer.status_code, told["code"], told["error_category"]) == (
        504,
        "outcome_unknown",
        "READ_TIMEOUT",
    )
    assert seconds < DEADLINE + 1
    assert not shop.phonepe.pending_faults()

    again = customer.check_out(customer.get("cart/carts/active/"))
    assert (again.status_code, again.json()["payment_id"]) == (200, told["payment_id"])
    assert_one_order(shop, again)


def timed_click(customer):
    cart = customer.choose()
    began = time.monotonic()
    return customer.check_out(cart), time.monotonic() - began


def assert_one_order(shop, answer):
    """However often it was said, PhonePe knows of one order for this payment."""
    said = answer.json()["merchant_transaction_id"]
    before = {entry["order"] for entry in shop.timeline(answer.json()["payment_id"], "call")}
    assert [
        order["merchant_order_id"] for order in shop.phonepe.orders() if order["merchant_order_id"] in before
    ] == [said]


def categories(shop, answer):
    return [call["error_category"] for call in shop.timeline(answer.json()["payment_id"], "call")]
