"""Which statements the requests run that customers and PhonePe wait for. Each list is printed when it is too long.

`pytest -s tests/integration/test_statements.py` prints them all. A round trip to the database is a statement, BEGIN and
COMMIT included: a new one must be worth its place here.
"""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payment.models import Payment, PaymentAttempt
from tests.harness import builders
from tests.harness.databases import ON_POSTGRESQL
from tests.harness.paid_phonepe import webhook
from worker.jobs import run_due

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

PAYMENTS = "/api/payments/payments/"
# With BEGIN and COMMIT. SQLite runs what PostgreSQL takes as one statement one by one: no server is far away.
MOST = {
    "webhook": 4,
    "process-cart": 8,
    "process-cart with a key": 10,
    "check-booking": 14,
    # Of the worker: one row of each kind, found, claimed, worked on and released.
    "worker: a status that books": 8,
    "worker: a mail with its receipt": 21,
    "worker: the number of a receipt": 7,
}
MORE_ON_SQLITE = 20


@pytest.fixture(autouse=True)
def phonepe_beside(settings):
    settings.SIMULATOR_ADAPTER = "tests.harness.paid_phonepe.PaidPhonePe"
    settings.PHONEPE_API_VERSION = "v2"


@pytest.fixture
def buy(api, alice, package, service):
    """Opens the payment of a new cart; other carts were paid for before."""
    client = api(alice)

    def click(hour, **headers):
        cart = builders.make_cart(alice, package, builders.make_slot(service, hour=hour).starts_at)
        answer = client.post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, headers=headers)
        assert answer.status_code == 201, answer.content
        return answer

    pay(click(9))  # fetches the token
    return click


def pay(answer):
    attempt = PaymentAttempt.objects.get(merchant_order_id=answer.json()["merchant_transaction_id"])
    headers, body = webhook(attempt.merchant_order_id, attempt.amount_paise)
    told = Client().post(
        "/api/payments/webhook/phonepe/", body, content_type="application/json", headers=headers
    )
    assert told.status_code == 200, told.content
    payment = Payment.objects.get(pk=attempt.payment_id)
    assert payment.fulfilment == "BOOKED"
    return payment


def short(statement):
    plain = re.sub(r'"', "", statement)
    plain = re.sub(r"^SELECT (?!clock).*? FROM ", "SELECT … FROM ", plain, flags=re.DOTALL)
    return re.sub(r"\s+", " ", plain)[:150]


def round_trips(captured):
    """Django logs a BEGIN and a COMMIT also when they were sent with the first or last statements of a transaction."""
    texts = ["", *(each["sql"] for each in captured), ""]
    beside = zip(captured, texts, texts[2:], strict=False)
    return [
        each
        for each, before, after in beside
        if not (each["sql"] == "BEGIN" and after.startswith("BEGIN; "))
        and not (each["sql"] == "COMMIT" and before.endswith("; COMMIT"))
    ]


def assert_few(request, captured):
    captured = round_trips(captured)
    listed = "\n".join(f"{number:3} {short(each['sql'])}" for number, each in enumerate(captured, 1))
    database = "PostgreSQL" if ON_POSTGRESQL else "SQLite"
    print(f"\n{request} on {database}: {len(captured)} round trips\n{listed}")  # noqa: T201
    most = MOST[request] + (0 if ON_POSTGRESQL else MORE_ON_SQLITE)
    assert len(captured) <= most, f"{request} on {database}\n{listed}"


def test_a_webhook_until_its_payment_is_booked(buy):
    opened = buy(10)
    with CaptureQueriesContext(connection) as captured:
        attempt = opened.json()["merchant_transaction_id"]
        headers, body = webhook(attempt, 110_000)
        Client().post(
            "/api/payments/webhook/phonepe/", body, content_type="application/json", headers=headers
        )

    assert_few("webhook", captured.captured_queries)
    assert Payment.objects.get(pk=opened.json()["payment_id"]).fulfilment == "BOOKED"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "one-click-of-alice"}])
def test_a_click_on_pay(api, alice, package, service, buy, headers):
    cart = builders.make_cart(alice, package, builders.make_slot(service, hour=11).starts_at)
    client = api(alice)
    with CaptureQueriesContext(connection) as captured:
        answer = client.post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, headers=headers)

    assert answer.status_code == 201
    assert_few("process-cart with a key" if headers else "process-cart", captured.captured_queries)


def test_a_question_whether_it_is_booked_which_books(api, alice, buy):
    opened, client = buy(12), api(alice)
    with CaptureQueriesContext(connection) as captured:
        answer = client.get(f"{PAYMENTS}{opened.json()['payment_id']}/check-booking/")

    assert answer.json()["booking_created"] is True
    assert_few("check-booking", captured.captured_queries)


def test_a_worker_that_polls_numbers_and_writes(buy, settings, mailoutbox):
    """A payment whose webhook was lost: found by asking, then its receipt's number, then the mail with the paper."""
    opened = buy(13)
    run_due(["receipts", "notifications"])  # of the payment before
    PaymentAttempt.objects.filter(payment=opened.json()["payment_id"]).update(next_check_at=timezone.now())

    for name, kind in (
        ("a status that books", "attempts"),
        ("the number of a receipt", "receipts"),
        ("a mail with its receipt", "notifications"),
    ):
        with CaptureQueriesContext(connection) as captured:
            assert run_due([kind], limit=1) == 1
        assert_few(f"worker: {name}", captured.captured_queries)

    assert Payment.objects.get(pk=opened.json()["payment_id"]).fulfilment == "BOOKED"
    assert mailoutbox[-1].attachments
