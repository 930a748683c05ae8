"""PhonePe at its documented address, played by the simulator's core for merchants of ours: real money, as we see it."""

import re
from contextlib import contextmanager
from urllib.parse import parse_qsl, urlsplit

import responses
from requests.structures import CaseInsensitiveDict

from simulator import orders, router
from simulator.models import Merchant, Order
from simulator.wire import Request

SANDBOX = "https://api-preprod.phonepe.com/apis/pg-sandbox"


@contextmanager
def phonepe_answers():
    """Everything said to PhonePe's sandbox is answered by the simulator; the calls are in `.calls`."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        for method in ("GET", "POST"):
            mock.add_callback(method, re.compile(re.escape(SANDBOX) + "/.*"), callback=_answer)
        yield mock


def open_account(merchant_id: str = "M2OURS", salt_index: int = 1) -> Merchant:
    return Merchant.objects.create(generation="v1", **credentials(merchant_id, salt_index))


def credentials(merchant_id: str = "M2OURS", salt_index: int = 1) -> dict[str, object]:
    """What PhonePe gives a merchant; a new salt has a new index."""
    salt_key = f"salt {salt_index} of {merchant_id}"
    return {"merchant_id": merchant_id, "salt_key": salt_key, "salt_index": salt_index}


def pay(merchant_order_id: str) -> None:
    orders.decide(
        Order.objects.select_related("merchant").get(merchant_order_id=merchant_order_id), "success"
    )


def _answer(request):
    url = urlsplit(request.url)
    path = url.path.replace("/apis/", router.PREFIX, 1)
    headers = CaseInsensitiveDict(request.headers)
    body = request.body or b""
    answer = router.handle(Request(request.method, path, dict(parse_qsl(url.query)), headers, body))
    return answer.status, dict(answer.headers), answer.body
