"""A rush on Pay at a real server, while PhonePe is slow: others are served, and who is sent away has lost nothing."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from bench.buyers import call
from tests.harness.installation import Installation
from tests.harness.processes import Process, eventually
from tests.harness.webhooks import webhook

pytestmark = [pytest.mark.sockets, pytest.mark.proof]

SECONDS_AT_PHONEPE, BUYERS = 2, 200
PROCESS_CART, DONATION = "/api/payments/payments/process-cart/", {"amount": "101.00"}


@pytest.fixture(scope="module")
def shop():
    stub = Process("stub", "-m", "bench.phonepe_stub", str(SECONDS_AT_PHONEPE), environment={"PATH": ""})
    address = eventually(lambda: stub.output.partition("ready on ")[2].strip(), "PhonePe is ready")
    base_url = f"{address}/simulator/apis/pg-sandbox"
    with Installation(PHONEPE_API_VERSION="v1", PHONEPE_BASE_URL=base_url) as shop:
        shop.generation = "v1"
        shop.serve()
        requests.get(f"{shop.url}/api/puja/services/", timeout=60).raise_for_status()
        requests.get(f"{shop.url}/healthz", timeout=60).raise_for_status()
        yield shop
    stub.kill()


def test_a_rush_keeps_neither_the_health_nor_the_catalogue_nor_webhooks_waiting(shop):
    host, _, port = shop.url.removeprefix("http://").partition(":")
    address = host, int(port)

    async def rush():
        clicks = [
            asyncio.create_task(call(address, "POST", PROCESS_CART, body=DONATION)) for _ in range(BUYERS)
        ]
        await asyncio.sleep(3)
        others = {}
        for path in ("/healthz", "/api/puja/services/"):
            began = time.monotonic()
            status, _, _ = await call(address, "GET", path)
            others[path] = status, time.monotonic() - began
        began = time.monotonic()
        status, _, _ = await call(
            address, "POST", "/api/payments/webhook/phonepe/", body={"response": "e30="}
        )
        others["webhook"] = status, time.monotonic() - began
        answers = [click.result() for click in clicks if click.done()]
        for click in clicks:
            click.cancel()
        await asyncio.gather(*clicks, return_exceptions=True)
        return answers, others

    answers, others = asyncio.run(rush())

    assert [status for status, _ in others.values()] == [200, 200, 401]
    assert max(seconds for _, seconds in others.values()) < SECONDS_AT_PHONEPE
    refused = [(headers, json.loads(body)) for status, headers, body in answers if status == 503]
    assert {status for status, _, _ in answers} <= {201, 503}
    assert len(refused) > BUYERS / 4
    assert {body["code"] for _, body in refused} == {"busy"}
    waits = [int(headers["retry-after"]) for headers, _ in refused]
    assert min(waits) >= 1
    assert len(set(waits)) > 3
    [[opened]] = shop.query("SELECT count(*) FROM payment_payment")
    assert opened <= 6 * 4  # whoever is not served yet has nothing that would have to be undone


def test_ten_webhooks_at_once_are_each_answered_while_phonepe_is_slow(shop):
    def click(_):
        def opened():
            answer = requests.post(shop.url + PROCESS_CART, json=DONATION, timeout=60)
            return answer.json() if answer.status_code == 201 else None

        return eventually(opened, "the order is opened", seconds=60)

    def call_back(started):
        answer = webhook(shop, started)
        return answer.status_code, answer.elapsed.total_seconds()

    with ThreadPoolExecutor(10) as people:
        orders = list(people.map(click, range(10)))
        answers = list(people.map(call_back, orders))

    assert {status for status, _ in answers} == {200}
    assert max(seconds for _, seconds in answers) < SECONDS_AT_PHONEPE / 2
    [[stored]] = shop.query("SELECT count(*) FROM payment_webhookevent WHERE attempt_id IS NOT NULL")
    assert stored == 10
