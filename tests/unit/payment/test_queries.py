"""What a request asks of the database does not grow with the rows. Few against many, in one test."""

import itertools
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payment.models import GatewayCall, Payment, PaymentAttempt, WebhookEvent
from payment.services.links import return_url, status_url
from payment.services.outcomes import apply_status
from simulator.webhook_deliveries import authentication_headers
from tests.harness import builders
from tests.unit.payment.builders import completed, make_attempt, make_payment
from worker.jobs import run_due

pytestmark = [pytest.mark.proof(every=5), pytest.mark.django_db(transaction=True)]

PAYMENTS = "/api/payments/payments/"
WEBHOOK = "/api/payments/webhook/phonepe/"
MANY = 7
numbers = itertools.count(1)


def cost(request):
    """How many statements a request runs, and its answer."""
    with CaptureQueriesContext(connection) as queries:
        answer = request()
    assert answer.status_code < 400, answer.content
    return len(queries), answer


def add_catalogue(service):
    number = next(numbers)
    builders.make_package(builders.make_service(category=f"Category {number}"))
    builders.make_package(service, rupees=500 + number)
    return builders.make_slot(service, days=4 + number % 9, hour=(number // 9) % 24)


def add_purchase(user, service):
    """A booked and paid puja with all that hangs on it; a new slot, package, service and category."""
    slot = add_catalogue(service)
    promo = builders.make_promo(f"PROMO{next(numbers)}")
    cart = builders.make_cart(user, service.packages.first(), slot.starts_at, promo.code)
    payment = make_payment(builders.make_checkout(cart))
    make_attempt(payment, number=2)
    add_history(payment)
    apply_status(payment.attempts.get(number=1).pk, completed(payment.amount_paise), "worker")
    builders.make_address(user, is_default=False)
    return payment


def add_history(payment, times=1):
    attempt = payment.attempts.first()
    for _ in range(times):
        number = next(numbers)
        GatewayCall.objects.create(
            payment=payment,
            attempt=attempt,
            operation="status",
            host="h",
            port=1,
            stage="BODY",
            milliseconds=1,
            started_at=timezone.now(),
            http_status=200,
        )
        WebhookEvent.objects.create(
            digest=f"{number}",
            scheme="hmac",
            body=b"{}",
            attempt=attempt,
            claimed_state="COMPLETED",
            merchant_order_id=attempt.merchant_order_id,
            state="HANDLED",
        )
        payment.changes.create(attempt=attempt, subject="attempt", after="PENDING", rule="no_answer")


def call_us(delivery):
    body = delivery.body.encode()
    return Client().post(
        WEBHOOK, body, content_type="application/json", headers=authentication_headers(delivery)
    )


def two_seconds_pass():
    Payment.objects.update(asked_at=None)


@pytest.fixture
def purchases(alice, service, package):
    """Another so many purchases of Alice's."""

    def add(times=1):
        return [add_purchase(alice, service) for _ in range(times)]

    return add


def rows(answer):
    found = answer.json()
    return len(found if isinstance(found, list) else found.get("results", found.get("entries")))


@pytest.mark.parametrize(
    "path",
    [
        PAYMENTS,
        "/api/booking/bookings/",
        "/api/auth/addresses/",
        "/api/puja/categories/",
        "/api/puja/services/?page_size=100",
        "/api/puja/packages/",
        "/api/puja/services/{service}/slots/",
    ],
)
def test_a_list_costs_the_same_however_long_it_is(api, alice, service, purchases, path):
    get = lambda: api(alice).get(path.format(service=service.pk))  # noqa: E731
    purchases()
    get()
    few, short = cost(get)
    purchases(MANY)

    many, long = cost(get)

    assert rows(long) >= rows(short) + MANY
    assert many == few


def test_the_list_of_carts_costs_the_same_however_many_are_being_paid(api, alice, service, package):
    def cart():
        promo = builders.make_promo(f"PROMO{next(numbers)}")
        return builders.make_cart(alice, package, add_catalogue(service).starts_at, promo.code)

    builders.make_checkout(cart())
    get = lambda: api(alice).get("/api/cart/carts/")  # noqa: E731
    few, short = cost(get)
    builders.make_checkout(cart())

    many, long = cost(get)

    assert rows(long) == rows(short) + 1
    assert many == few


def test_a_click_costs_the_same_whatever_its_customer_has_bought(generation, api, alice, service, purchases):
    def click(cart):
        return cost(lambda: api(alice).post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, format="json"))

    def first_and_second():
        cart = builders.make_cart(alice, service.packages.first(), add_catalogue(service).starts_at)
        (first, opened), (second, again) = click(cart), click(cart)
        assert (opened.status_code, again.status_code) == (201, 200)
        attempt = PaymentAttempt.objects.get(merchant_order_id=opened.json()["merchant_transaction_id"])
        apply_status(attempt.pk, completed(attempt.amount_paise), "worker")
        return first, second

    purchases()
    first_and_second()  # fetches the token
    few = first_and_second()
    purchases(MANY)

    assert first_and_second() == few


@pytest.fixture
def opened(generation, api, alice, cart, phonepe):
    """A payment that Alice has opened and not paid."""
    answer = api(alice).post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, format="json")
    return Payment.objects.get(pk=answer.json()["payment_id"])


@pytest.mark.parametrize(
    ("person", "route"),
    [
        ("alice", "{id}/"),
        ("alice", "{id}/status/"),
        ("alice", "{id}/check-booking/"),
        ("alice", "{id}/timeline/"),
        ("staff", "{id}/timeline/"),
    ],
)
def test_looking_at_a_payment_costs_the_same_however_long_its_timeline_is(
    request, api, purchases, opened, person, route
):
    viewer = request.getfixturevalue(person)
    path = PAYMENTS + route.format(id=opened.pk)
    get = lambda: (two_seconds_pass(), api(viewer).get(path))[1]  # noqa: E731
    add_history(opened)
    get()
    few, _ = cost(get)
    purchases(MANY)
    add_history(opened, MANY)

    many, _ = cost(get)

    assert many == few


@pytest.mark.parametrize("link", [return_url, status_url])
def test_the_pages_of_a_payment_cost_the_same_however_long_its_timeline_is(purchases, opened, link):
    get = lambda: (two_seconds_pass(), Client().get(link(opened)))[1]  # noqa: E731
    get()
    few, _ = cost(get)
    purchases(MANY)
    add_history(opened, MANY)

    many, _ = cost(get)

    assert many == few


@pytest.mark.parametrize(
    "generation", ["v2"], indirect=True
)  # V1 tells of an order's end only, and that once
def test_a_webhook_costs_the_same_however_many_came_before(purchases, opened, phonepe):
    def call():
        phonepe.decide(opened.attempts.get().merchant_order_id, "attempt_failed")
        two_seconds_pass()
        spent, _ = cost(lambda: call_us(phonepe.webhooks[-1]))
        return spent

    call()
    few = call()
    purchases(MANY)
    add_history(opened, MANY)

    assert call() == few


def test_the_webhook_that_brings_the_money_costs_the_same_however_many_came_before(
    generation, api, alice, service, purchases, phonepe
):
    def paid():
        cart = builders.make_cart(alice, service.packages.first(), add_catalogue(service).starts_at)
        answer = api(alice).post(PAYMENTS + "process-cart/", {"cart_id": cart.pk}, format="json")
        phonepe.decide(answer.json()["merchant_transaction_id"])
        spent, _ = cost(lambda: call_us(phonepe.webhooks[-1]))
        assert Payment.objects.get(pk=answer.json()["payment_id"]).fulfilment == "BOOKED"
        return spent

    paid()
    few = paid()
    purchases(MANY)

    assert paid() == few


@pytest.mark.parametrize(
    "model", ["payment", "webhookevent", "paymentattempt", "gatewaycall", "ledgerentry", "statechange"]
)
def test_the_desk_costs_the_same_however_much_lies_on_it(client, staff, purchases, model):
    client.force_login(staff)
    get = lambda: client.get(f"/admin/payment/{model}/")  # noqa: E731
    purchases()
    get()
    few, _ = cost(get)
    purchases(MANY)

    many, page = cost(get)

    assert page.context["cl"].result_count > MANY
    assert many == few


def test_the_worker_costs_the_same_for_each_order_however_many_wait(opened, purchases):
    def one_question():
        PaymentAttempt.objects.filter(payment=opened).update(
            next_check_at=timezone.now() - timedelta(hours=1)
        )
        with CaptureQueriesContext(connection) as queries:
            assert run_due(["attempts"], limit=1) == 1
        return len(queries)

    one_question()
    few = one_question()
    purchases(MANY)

    assert one_question() == few
