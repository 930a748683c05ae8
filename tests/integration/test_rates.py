"""Every route counts its callers, or stands here with the reason why not."""

import pytest
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from core.models import Counter
from core.ops_token import check_ops_token
from payment.services.links import status_url
from tests.harness import builders
from tests.harness.races import at_once
from tests.integration import test_access
from tests.integration.test_access import filled  # noqa: F401 - a fixture
from tests.unit.payment.builders import make_payment

pytestmark = [pytest.mark.proof(every=13), pytest.mark.django_db(transaction=True)]

SIGNED = "behind a signed link, which cannot be guessed; PhonePe is asked at most once in some seconds whoever calls"
CATALOGUE = "public reading, a few queries: thousands of customers share one address of a mobile provider"
NOT_SOLD = "an empty answer without a query"
PAGE = "a page without data, or a redirect to one; who has a session of the pages is counted: tests/unit/storefront"
PROBE = "called by load balancers and monitoring; nothing but a short query"
# The simulated PhonePe is not for production: its API asks for signatures, its controls for this machine or OPS_TOKEN,
# and guesses at that are counted: below.
ROUTES = {row for row in test_access.routes() if not row.startswith("simulator/")}
# Whoever calls.
COUNT_NOBODY = {
    "api/puja/categories/ get": CATALOGUE,
    "api/puja/services/ get": CATALOGUE,
    "api/puja/services/{pk}/ get": CATALOGUE,
    "api/puja/services/{pk}/slots/ get": CATALOGUE,
    "api/puja/packages/ get": CATALOGUE,
    "api/puja/packages/{pk}/ get": CATALOGUE,
    "api/puja/public/services/ get": CATALOGUE,
    "api/puja/public/services/{pk}/ get": CATALOGUE,
    "api/puja/public/services/{pk}/slots/ get": CATALOGUE,
    "api/puja/public/puja/packages/ get": CATALOGUE,
    "api/puja/public/puja/packages/{pk}/ get": CATALOGUE,
    "api/puja/pictures/{digest}/ get": CATALOGUE,
    "api/astrology/services/ get": NOT_SOLD,
    "api/astrology/bookings/book-with-payment/ post": NOT_SOLD,
    "api/misc/events/ get": NOT_SOLD,
    "api/payments/webhook/phonepe/ post": "PhonePe: a call that is refused is money that we do not hear of",
    "healthz get": PROBE,
    "readyz get": PROBE,
    "api/payments/offers/{token}/ get": SIGNED,
    "api/auth/uploads/{token}/ get": SIGNED,
    "api/payments/offers/{token}/ post": SIGNED,
    "api/payments/paying/ get": "public reading, a query at most in five seconds",
    "api/booking/changes/{token}/ get": SIGNED,
    "api/booking/changes/{token}/cancel/ post": SIGNED,
    "api/booking/changes/{token}/move/ post": SIGNED,
    "booking/{token}/ get": SIGNED,
    "booking/{token}/ post": SIGNED,
    "calendar/{token}/ get": SIGNED,
    "api/payments/return/{token}/ get": SIGNED,
    "api/payments/return/{token}/ post": SIGNED,
    "offer/{token}/ get": SIGNED,
    "offer/{token}/ post": SIGNED,
    "pay/link/{token}/ get": SIGNED,
    "pay/{token}/ get": SIGNED,
    "{root} get": CATALOGUE,
    "pujas/{pk}/ get": CATALOGUE,
    "pujas/{pk}/times/ get": CATALOGUE,
    "book/ get": CATALOGUE,
    "donate/ get": PAGE,
    "login/ get": PAGE,
    "login/code/ get": PAGE,
    "logout/ post": PAGE,
    **{f"review/{{cart_id}}/ {method}": PAGE for method in ("get", "post")},
    "bookings/ get": PAGE,
    **{f"waiting/ {method}": PAGE for method in ("get", "post")},
    "bookings/{book_id}/ get": PAGE,
    "bookings/{book_id}/receipt/ get": PAGE,
    "language/{code}/ get": PAGE,
    "outbox/ get": "in simulation only",
    "brand/colours.css get": PAGE,
    "brand/logo get": PAGE,
    "pay/{token}/receipt/ get": "counted by receipt when its link is genuine",
    "pay/link/{token}/ post": "counted by payment when its link is genuine: below",
    "pay/{token}/ post": "counted by payment when its link is genuine: below",
}
# Without a login. Those that answer 401 do nothing.
COUNT_NO_STRANGERS = {
    "api/docs/ get": "a page without data",
}
STRICT = {
    "book/ post": "register",
    "donate/ post": "guest_payment",
    "login/ post": "code",
    "login/code/ post": "login",
    "api/auth/login/ post": "login",
    "api/auth/register/ post": "register",
    "api/auth/otp/request/ post": "code",
    "api/auth/password/reset/ post": "code",
    "api/auth/refresh/ post": "session",
    "api/auth/profile/picture/ patch": "upload",
    "api/auth/pancard/ get": "upload",
    "api/auth/pancard/ patch": "upload",
    "api/cart/carts/{pk}/apply_promo/ post": "promo",
    "api/promo/promos/validate/ get": "promo",
    "api/payments/payments/process-cart/ post": "payment",
    "api/payments/cart/ post": "payment",
    "api/payments/payments/app-order/ post": "payment",
    "api/payments/payments/{pk}/receipt/ get": "receipt",
    "api/payments/payments/{pk}/try-again/ post": "payment",
    "calendar/priest/{token}/ get": "calendar",
    "calendar/feed/{token}/ get": "calendar",
    "api/payments/payments/{pk}/simulate/ post": "simulation",
    "api/payments/payments/{pk}/simulate-success/ post": "simulation",
    "api/payments/payments/simulate-payment-success/ get": "demo_payment",
    "api/payments/payments/debug-connectivity/ get": "diagnosis",
    "api/payments/payments/debug-connectivity/door/ post": "diagnosis",
    "metrics get": "diagnosis",
    "api/schema/ get": "schema",
}


def call(client, row, fill):
    """The status, and the scopes in which the call was counted."""
    path, method = row.split()
    Counter.objects.all().delete()
    status = getattr(client, method)(fill(path)).status_code
    return status, set(Counter.objects.values_list("scope", flat=True))


@pytest.mark.parametrize("row", sorted(ROUTES - COUNT_NOBODY.keys()))
def test_a_person_with_a_login_is_counted(api, alice, filled, row):  # noqa: F811
    """Who has no right, or needs an API key, is refused before, and nothing is done."""
    status, scopes = call(api(alice), row, filled)

    assert status in (401, 403) or scopes & SimpleRateThrottle.THROTTLE_RATES.keys()
    assert row not in STRICT or STRICT[row] in scopes


@pytest.mark.parametrize("row", sorted(ROUTES - COUNT_NOBODY.keys() - COUNT_NO_STRANGERS.keys()))
def test_a_stranger_is_counted_where_anything_is_done_for_them(api, filled, row):  # noqa: F811
    status, scopes = call(api(), row, filled)

    assert status == 401 or scopes & SimpleRateThrottle.THROTTLE_RATES.keys()


@pytest.mark.parametrize("row", sorted(test_access.SCOPED))
def test_an_api_key_is_counted_on_every_route_of_servers(server, filled, row):  # noqa: F811
    client = server()
    client.credentials(**client._credentials, HTTP_IDEMPOTENCY_KEY="of-this-request")

    assert "api_key" in call(client, row, filled)[1]


@pytest.mark.parametrize("row", sorted(COUNT_NOBODY))
def test_what_counts_nobody_is_a_route(api, alice, filled, row):  # noqa: F811
    assert row in ROUTES
    assert call(api(alice), row, filled)[1] == set()


@pytest.mark.parametrize("page", ["/admin/", "/admin/payment/payment/", "/admin/password_change/"])
def test_pages_of_the_admin_count_too(staff, page):
    client = Client()
    client.force_login(staff)
    client.get(page)

    assert [(each.scope, each.count) for each in Counter.objects.all()] == [("user", 1)]


def test_the_admin_and_the_api_share_the_rate_of_a_person(api, staff, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "user", "3/min")
    client = Client()
    client.force_login(staff)
    codes = [client.get("/admin/").status_code, api(staff).get("/api/payments/payments/").status_code]
    codes += [client.get("/admin/").status_code for _ in range(2)]
    refused = client.get("/admin/")

    assert codes == [200, 200, 200, 429]
    assert refused.json()["retryable"] is True
    assert 0 < int(refused["Retry-After"]) <= 61


def test_a_status_page_opens_only_so_many_orders(cart, phonepe, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "payment", "2/min")
    payment = make_payment(builders.make_checkout(cart))
    path = status_url(payment).removeprefix("http://testserver")
    codes = [Client(REMOTE_ADDR=f"198.51.100.{number}").post(path).status_code for number in range(4)]

    assert codes[2:] == [429, 429]
    assert 429 not in codes[:2]
    assert Client().get(path).status_code == 200


def test_a_person_opens_only_so_many_payments_from_whatever_address(alice, api, phonepe, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "payment", "3/min")
    client = api(alice)
    codes = [
        client.post("/api/payments/payments/process-cart/", {"amount": 5}, REMOTE_ADDR=f"198.51.100.{number}")
        for number in range(5)
    ]

    assert [answer.status_code for answer in codes] == [201, 201, 201, 429, 429]
    assert codes[-1].json()["code"] == "throttled"


def test_wrong_promo_codes_are_stopped_wherever_they_are_given(alice, api, cart, package, slot):
    builders.make_promo("RIGHT10")
    client, url = api(alice), f"/api/cart/carts/{cart.pk}/"
    choice = {"puja_service": cart.puja_service_id, "package_id": package.pk}
    choice |= {"selected_date": f"{cart.selected_date}", "selected_time": f"{cart.selected_time}"}
    guesses = [
        client.post(f"{url}apply_promo/", {"promo_code": "WRONG1"}),
        client.patch(url, {"promo_code": "WRONG2"}),
        client.put(url, choice | {"promo_code": "WRONG3"}),
        client.post("/api/cart/carts/", choice | {"promo_code": "WRONG4"}),
    ]
    assert [answer.status_code for answer in guesses] == [400] * 4
    for number in range(6):
        client.post(f"{url}apply_promo/", {"promo_code": f"WRONG{number}"})

    for answer in (
        client.post(f"{url}apply_promo/", {"promo_code": "RIGHT10"}),
        client.patch(url, {"promo_code": "RIGHT10"}),
        client.post("/api/cart/carts/", choice | {"promo_code": "RIGHT10"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
    assert client.patch(url, {"selected_time": choice["selected_time"]}).status_code == 200


def test_right_promo_codes_are_no_guesses(alice, api, cart):
    builders.make_promo("RIGHT10")
    client = api(alice)
    codes = {
        client.post(f"/api/cart/carts/{cart.pk}/apply_promo/", {"promo_code": "right10"}).status_code
        for _ in range(15)
    }

    assert codes == {200}


@pytest.mark.parametrize("way", ["header", "form"])
def test_the_ops_token_cannot_be_guessed_at_the_diagnosis(settings, way):
    client = Client(REMOTE_ADDR="198.51.100.7")
    door = "/api/payments/payments/debug-connectivity/"

    def offer(token):
        if way == "header":
            return client.get(door, headers={"X-Ops-Token": token}).status_code
        form = {"data": f"ops_token={token}", "content_type": "application/x-www-form-urlencoded"}
        return client.post(f"{door}door/", **form).status_code

    for number in range(10):
        assert offer(f"wrong-{number}") in (200, 303)
    assert offer("wrong-again") == 429
    assert offer(settings.OPS_TOKEN) == 429


def test_right_uses_of_the_ops_token_do_not_stop_each_other(settings):
    """Many programs behind one address use it at once: none has been answered when the others ask."""
    for _ in range(3):
        assert at_once(*[lambda: check_ops_token(settings.OPS_TOKEN, "198.51.100.7")] * 20) == [True] * 20
    assert not Counter.objects.exists()


def test_the_ops_token_cannot_be_guessed_at_the_simulator(settings):
    client = Client(REMOTE_ADDR="198.51.100.7")

    def offer(token):
        return client.get("/simulator/control/orders/", headers={"X-Ops-Token": token}).status_code

    settled = offer(settings.OPS_TOKEN)
    assert settled != 403
    assert {offer(f"wrong-{number}") for number in range(10)} == {403}
    assert offer(settings.OPS_TOKEN) == 403
    Counter.objects.update(free_at=0)
    assert offer(settings.OPS_TOKEN) == settled
