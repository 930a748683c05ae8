"""Many requests at the same moment: on PostgreSQL to two servers, on SQLite to one with eight threads."""

from functools import partial

import psycopg
import pytest
import requests

from tests.harness.customers import arrive, pay
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.installation import start_installation
from tests.harness.processes import eventually
from tests.harness.races import at_once
from tests.harness.webhooks import webhook

pytestmark = [pytest.mark.sockets, pytest.mark.proof(every=2)]  # a generation on each database

ONE_PLACE = """
UPDATE booking_slot SET capacity = 1
WHERE service_id = (SELECT id FROM booking_pujaservice WHERE title = 'Ganesh Puja')
"""


@pytest.fixture(scope="module", params=["v1", "v2"])
def shop(request):
    with start_installation(request.param, servers=2 if ON_POSTGRESQL else 1) as shop:
        yield shop


def test_ten_clicks_at_once_open_one_payment_and_one_order(shop):
    customer = shop.customer(0)
    cart = customer.choose()
    before = len(shop.phonepe.orders())
    answers = at_once(*[partial(customer.check_out, cart)] * 10)
    codes = sorted(answer.status_code for answer in answers)
    assert codes.count(201) == 1
    assert set(codes) <= {200, 201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"payment_under_way"}
    assert len({answer.json()["payment_id"] for answer in answers}) == 1
    assert len(shop.phonepe.orders()) - before == 1


def test_webhook_questions_and_return_page_at_once_make_one_booking(shop):
    customer = shop.customer(1)
    started = customer.start()
    payment_id = started["payment_id"]
    shop.phonepe.inject_fault("webhook", "drop")
    back = pay(started["payment_url"])
    answers = at_once(
        *[partial(webhook, shop, started)] * 5,
        *[partial(arrive, back)] * 3,
        *[partial(customer.call, "GET", f"payments/payments/{payment_id}/status/")] * 3,
        *[partial(customer.call, "GET", f"payments/payments/{payment_id}/check-booking/")] * 3,
    )
    assert {answer.status_code for answer in answers if not isinstance(answer, str)} == {200}
    eventually(lambda: customer.get("booking/bookings/"), "the booking is made")
    assert len(customer.get("booking/bookings/")) == 1
    assert len(shop.timeline(payment_id, "money")) == 1
    (event,) = shop.timeline(payment_id, "webhook")
    assert event["deliveries"] == 5


def test_the_last_place_of_a_slot_goes_to_exactly_one_of_eight(shop):
    customers = [shop.customer(number) for number in range(2, 10)]
    carts = [customer.choose("Ganesh Puja") for customer in customers]
    shop.query(ONE_PLACE)
    answers = at_once(*map(partial, [customer.check_out for customer in customers], carts))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"slot_full"}
    slots = customers[0].get(f"puja/services/{carts[0]['puja_service']['id']}/slots/")
    assert [slot["available"] for slot in slots].count(0) == 1


@pytest.mark.only_postgresql
def test_while_a_payment_is_locked_its_payer_reads_that_they_need_not_pay_again_and_webhooks_are_kept(shop):
    started = shop.customer(1).start()
    back = pay(started["payment_url"], "close")
    with psycopg.connect(shop.database_url) as somebody:
        somebody.execute("SELECT 1 FROM payment_payment FOR UPDATE")
        assert webhook(shop, started).status_code == 200
        page = requests.get(back, timeout=30)
    assert (page.status_code, page.headers["Retry-After"]) == (503, "2")
    assert "you need not pay again" in page.text
    assert "/pay/" in arrive(back)
