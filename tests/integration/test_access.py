"""Who may do what: one row for every route and method that the URL configuration has, and no route without a row."""

import re

import pytest
from django.urls import URLPattern, get_resolver

from booking.models import Booking
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = [pytest.mark.proof(every=2), pytest.mark.django_db(transaction=True)]

PUBLIC, LOGIN, OWNER, OWNER_AND_STAFF = "public", "login", "owner", "owner and staff"
STAFF, SIGNED = "staff", "signed link"

PAYMENT = "api/payments/payments/{pk}/"
CART = "api/cart/carts/{pk}/"
RULES = {
    "api/auth/register/ post": PUBLIC,
    "api/auth/login/ post": PUBLIC,
    "api/auth/refresh/ post": PUBLIC,
    "api/auth/logout/ post": PUBLIC,
    "api/auth/logout/everywhere/ post": LOGIN,
    "api/auth/password/change/ post": LOGIN,
    "api/auth/profile/ get": LOGIN,
    "api/auth/profile/ patch": LOGIN,
    "api/auth/addresses/ get": LOGIN,
    "api/auth/addresses/ post": LOGIN,
    **{f"api/auth/addresses/{{pk}}/ {method}": OWNER for method in ("get", "put", "patch", "delete")},
    "api/puja/categories/ get": PUBLIC,
    "api/puja/services/ get": PUBLIC,
    "api/puja/services/{pk}/ get": PUBLIC,
    "api/puja/services/{pk}/slots/ get": PUBLIC,
    "api/puja/slots/{pk}/close/ post": STAFF,
    "api/puja/packages/ get": PUBLIC,
    "api/puja/packages/{pk}/ get": PUBLIC,
    "api/cart/carts/ get": LOGIN,
    "api/cart/carts/ post": LOGIN,
    "api/cart/carts/active/ get": LOGIN,
    "api/cart/carts/clear_converted/ post": LOGIN,
    **{f"{CART} {method}": OWNER for method in ("get", "put", "patch", "delete")},
    f"{CART}apply_promo/ post": OWNER,
    f"{CART}remove_promo/ post": OWNER,
    f"{CART}deletion_status/ get": OWNER,
    f"{CART}cleanup_old_payments/ post": OWNER,
    "api/booking/bookings/ get": LOGIN,
    "api/booking/bookings/latest/ get": LOGIN,
    "api/booking/bookings/{pk}/ get": OWNER,
    "api/booking/bookings/by-id/{book_id}/ get": OWNER,
    "api/booking/bookings/{pk}/status/ post": OWNER,
    "api/payments/payments/ get": LOGIN,
    "api/payments/payments/process-cart/ post": PUBLIC,  # a cart in it needs a login: test_payments
    "api/payments/payments/simulate-payment-success/ get": PUBLIC,
    "api/payments/payments/simulate-payment-success/ post": PUBLIC,  # others' payments: test_payments
    "api/payments/payments/debug-connectivity/ get": PUBLIC,  # short; in full for staff: test_diagnosis
    "api/payments/payments/debug-connectivity/ post": STAFF,
    "api/payments/payments/debug-connectivity/door/ post": PUBLIC,  # to those who know OPS_TOKEN
    f"{PAYMENT} get": OWNER,
    f"{PAYMENT}status/ get": OWNER,
    f"{PAYMENT}check-booking/ get": OWNER,
    f"{PAYMENT}timeline/ get": OWNER_AND_STAFF,
    f"{PAYMENT}refund/ post": STAFF,
    f"{PAYMENT}refunds/ get": OWNER_AND_STAFF,
    f"{PAYMENT}resolve/ post": STAFF,
    "api/payments/offers/{token}/ get": SIGNED,
    "api/payments/offers/{token}/ post": SIGNED,
    f"{PAYMENT}receipt/ get": OWNER_AND_STAFF,
    "api/payments/refunds/{pk}/approve/ post": STAFF,
    "api/payments/refunds/{pk}/withdraw/ post": STAFF,
    **{
        f"{PAYMENT}{action}/ post": OWNER
        for action in (
            *("check-and-create-booking", "create-booking", "retry-webhook", "check-and-process"),
            *("simulate", "simulate-success"),
        )
    },
    "api/payments/webhook/phonepe/ post": PUBLIC,  # proves itself by PhonePe's signature: test_webhooks
    "api/payments/return/{token}/ get": SIGNED,
    "api/payments/return/{token}/ post": SIGNED,
    "offer/{token}/ get": SIGNED,
    "offer/{token}/ post": SIGNED,
    "pay/{token}/ get": SIGNED,
    "pay/{token}/ post": SIGNED,
    "api/schema/ get": PUBLIC,
    "api/docs/ get": PUBLIC,
    "healthz get": PUBLIC,
    "readyz get": PUBLIC,
}
METHODS = ("get", "post", "put", "patch", "delete")
# Doors with guards of their own: tests/unit/simulator/test_views.py, and Django's admin.
APART = ("admin/", "simulator/")


def routes(resolver=None, prefix=""):
    """`path method` of everything that is mounted."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith(APART):
            continue
        if isinstance(entry, URLPattern):
            yield from (f"{plain(path)} {method}" for method in methods(entry.callback))
        else:
            yield from routes(entry, path)


def plain(pattern: str) -> str:
    pattern = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern)
    return re.sub(r"<\w+:(\w+)>", r"{\1}", pattern).replace("^", "").replace("$", "")


def methods(view) -> list[str]:
    if actions := getattr(view, "actions", None):
        return [method for method in actions if method in METHODS]
    by_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return [method for method in METHODS if hasattr(by_class, method)] if by_class else ["get"]


def test_every_route_has_a_rule_and_every_rule_a_route():
    assert set(routes()) == set(RULES)


@pytest.fixture
def filled(alice, package, slot):
    """Each owner's route with the id of something that is Alice's."""
    sold = builders.make_cart(alice, package, slot.starts_at)
    bought = make_payment(builders.make_checkout(sold))
    apply_status(bought.attempts.get().pk, completed(), "worker")
    booking = Booking.objects.get()
    cart = builders.make_cart(alice, package, slot.starts_at)
    start_payment(alice, cart_id=cart.pk)
    refund = create_refund(bought.attempts.get(), 100, "a gesture", asked_by=None)
    ids = {
        "api/payments/refunds/": refund.pk,
        "api/puja/slots/": slot.pk,
        f"{PAYMENT}receipt/": bought.pk,
        "api/auth/addresses/": alice.addresses.get().pk,
        "api/cart/carts/": cart.pk,
        "api/booking/bookings/": booking.pk,
        "api/payments/payments/": alice.payments.latest("pk").pk,
    }

    def fill(path: str) -> str:
        pk = next((pk for prefix, pk in ids.items() if path.startswith(prefix)), "")
        return "/" + path.format(pk=pk, book_id=booking.book_id, token="forged")

    return fill


def rows(*rules: str) -> list:
    return [row for row, rule in RULES.items() if rule in rules]


def ask(client, row: str, fill) -> int:
    path, method = row.split()
    return getattr(client, method)(fill(path)).status_code


@pytest.mark.parametrize("row", rows(LOGIN, OWNER, OWNER_AND_STAFF, STAFF))
def test_without_a_login_there_is_nothing(api, filled, row):
    assert ask(api(), row, filled) == 401


@pytest.mark.parametrize("row", rows(OWNER, OWNER_AND_STAFF))
def test_to_a_stranger_it_does_not_exist(api, charlie, filled, row):
    assert ask(api(charlie), row, filled) == 404


@pytest.mark.parametrize("row", rows(OWNER))
def test_to_staff_it_does_not_exist_here_either(api, staff, filled, row):
    assert ask(api(staff), row, filled) == 404


@pytest.mark.parametrize("row", rows(OWNER, OWNER_AND_STAFF))
def test_its_owner_finds_it(api, alice, filled, row):
    assert ask(api(alice), row, filled) not in (401, 403, 404, 405, 500)


@pytest.mark.parametrize("row", rows(STAFF))
def test_what_is_for_staff_is_refused_to_others(api, alice, filled, row):
    assert ask(api(alice), row, filled) == 403


@pytest.mark.parametrize("row", rows(OWNER_AND_STAFF))
def test_staff_sees_it_too(api, staff, filled, row):
    assert ask(api(staff), row, filled) == 200


@pytest.mark.parametrize("row", rows(SIGNED))
def test_a_forged_link_leads_nowhere(api, row):
    assert ask(api(), row, lambda path: "/" + path.format(token="MQ:1abcde:forged")) == 404


@pytest.mark.parametrize(
    "path", ["api/auth/addresses", "api/cart/carts", "api/booking/bookings", "api/payments/payments"]
)
def test_lists_show_a_stranger_nothing_of_others(api, charlie, filled, path):
    listed = api(charlie).get(f"/{path}/").json()

    assert (listed["results"] if isinstance(listed, dict) else listed) == []


def test_the_admin_is_for_staff_alone(api, alice, staff, client):
    client.force_login(alice)
    assert client.get("/admin/").status_code == 302
    client.force_login(staff)
    assert client.get("/admin/").status_code == 200
