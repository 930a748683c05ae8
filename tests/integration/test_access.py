"""Every route and method of the URL configuration, tried by everybody: see `rules`. The admin has a file of its own."""

import re
from typing import Any

import pytest
from django.urls import URLPattern, get_resolver
from rest_framework.test import APIClient
from rest_framework.views import APIView

from accounts.models import ApiKey, User
from booking.models import Booking, WaitingEntry
from payment.models import ServerEvent
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from tests.harness import PROOFS, builders
from tests.harness.samples import sample
from tests.integration.access.matrix import Staff, written
from tests.integration.access.rules import (
    BODIES,
    BY_POST,
    CONTROL,
    DEMO,
    LOGIN,
    OPS_TOKEN,
    OWNER,
    PAGES,
    PAYMENT,
    PUBLIC,
    RULES,
    SIGNATURE,
    SIGNED,
    SIMULATOR,
    Needs,
    OwnerOr,
    Scoped,
    right,
)
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

ROUTES: dict[str, Any] = RULES | SIMULATOR
METHODS = ("get", "post", "put", "patch", "delete")
FAR = {"REMOTE_ADDR": "203.0.113.9"}
# The answer to a caller without the secret; who is logged in makes no difference.
EVERYBODY = {PUBLIC: None, SIGNED: 404, CONTROL: 403, BY_POST: 405, SIGNATURE: 401, OPS_TOKEN: 401}
EVERYBODY |= {PAGES: 303, DEMO: 404}
ANONYMOUS, OWNS, OTHER, SUPERUSER = "anonymous", "owner", "another customer", "superuser"


def routes(resolver: Any = None, prefix: str = ""):
    """`path method` of everything that is mounted, without the admin."""
    for entry in (resolver or get_resolver()).url_patterns:
        path = prefix + str(entry.pattern)
        if path.startswith("admin/"):
            continue
        if isinstance(entry, URLPattern):
            yield from (f"{plain(path) or '{root}'} {method}" for method in methods(entry.callback))
        else:
            yield from routes(entry, path)


def plain(pattern: str) -> str:
    pattern = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", pattern)
    return re.sub(r"<\w+:(\w+)>", r"{\1}", pattern).replace("^", "").replace("$", "")


def methods(view: Any) -> list[str]:
    if actions := getattr(view, "actions", None):
        return [method for method in actions if method in METHODS]
    by_class = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return [method for method in METHODS if hasattr(by_class, method)] if by_class else ["get"]


def test_every_route_has_a_rule_and_every_rule_a_route():
    assert set(routes()) == set(ROUTES)


@pytest.fixture
def filled(alice, package, slot, settings):
    """Each owner's route with the id of something that is Alice's."""
    settings.STOREFRONT = settings.DONATION_PAGE = True
    sold = builders.make_cart(alice, package, slot.starts_at)
    bought = make_payment(builders.make_checkout(sold))
    apply_status(bought.attempts.get().pk, completed(), "worker")
    booking = Booking.objects.get()
    cart = builders.make_cart(alice, package, slot.starts_at)
    started = start_payment(alice, cart_id=cart.pk)
    waiting = WaitingEntry.objects.create(user=alice, slot=slot, package=package)
    refund = create_refund(bought.attempts.get(), 100, "a gesture", asked_by=None)
    # Of somebody else: what staff do to them changes nothing for Alice.
    spare = builders.make_user("spare@example.com")
    promo = builders.make_promo("SPARE")
    builders.make_cart(spare, builders.make_package(builders.make_service()), promo_code=promo.code)
    ids = {
        "api/promo/admin/promos/": promo.pk,
        "api/puja/categories/": sold.puja_service.category_id,
        "api/puja/services/": sold.puja_service_id,
        "api/puja/packages/": package.pk,
        "api/auth/users/": spare.pk,
        "api/booking/admin/bookings/": booking.pk,
        "api/payments/refunds/": refund.pk,
        "api/puja/slots/": slot.pk,
        f"{PAYMENT}receipt/": bought.pk,
        "api/auth/addresses/": alice.addresses.get().pk,
        "api/cart/carts/": cart.pk,
        "api/booking/bookings/": booking.pk,
        "api/booking/waiting/": waiting.pk,
        "pujas/": sold.puja_service_id,
        "api/payments/payments/": alice.payments.latest("pk").pk,
        "api/server/payments/{pk}/simulate/": alice.payments.latest("pk").pk,
        "api/server/payments/": bought.pk,
    }

    def fill(path: str) -> str:
        pk = next((pk for prefix, pk in ids.items() if path.startswith(prefix)), "")
        named = {
            "ref": booking.book_id,
            "cart_id": sold.cart_id,
            "merchant_order_id": started.attempt.merchant_order_id,
            "slug": "a-post",
            "digest": "none",
            "book_id": booking.book_id,
            "event_id": ServerEvent.objects.latest("pk").event_id,
            "code": "hi",
            "root": "",
        }
        return "/" + path.format(pk=pk, token="MQ:1abcde:forged", rest="reset/", **named)

    return fill


@pytest.fixture
def clients(api):
    made: dict[int | None, APIClient] = {}

    def client(user: User | None) -> APIClient:
        return made.setdefault(user.pk if user else None, api(user))

    return client


@pytest.fixture
def everybody(alice, charlie, staff):
    return {ANONYMOUS: None, OWNS: alice, OTHER: charlie, SUPERUSER: staff}


def expected(rule: Any, role: str, is_enough: bool = False) -> int | None:
    """The status of a refusal; None: let in. `is_enough`: of staff, whose rights are those of the rule."""
    if isinstance(rule, Scoped):
        return 401
    if rule in EVERYBODY:
        return EVERYBODY[rule]
    if role == ANONYMOUS or rule == LOGIN:
        return 401 if role == ANONYMOUS else None
    if rule == OWNER:
        return None if role == OWNS else 404
    if role == SUPERUSER or is_enough:
        return None
    if isinstance(rule, OwnerOr):
        return None if role == OWNS else 404
    return 403


def who(rule: Any, staff: Staff) -> list[tuple[User, bool]]:
    """Staff with rights that are enough, and with all that are not. Where no right is, one of each kind."""
    needs = rule if isinstance(rule, Needs) else right(rule.right) if isinstance(rule, OwnerOr) else None
    if needs is None:
        return [(staff.with_only(frozenset()), False), (staff.with_all_but(frozenset()), False)]
    nobody = staff.with_only(frozenset())
    return [(nobody, False), *((person, False) for person in staff.who_may_not(needs))] + [
        (person, True) for person in staff.who_may(needs)
    ]


def cells(everybody: dict[str, User | None], staff: Staff):
    """(row, role, person, expected status). Refusals come first, what ends rows or sessions last."""
    found = []
    for row, rule in ROUTES.items():
        found += [(row, role, person, expected(rule, role)) for role, person in everybody.items()]
        found += [
            (row, "staff", person, expected(rule, "staff", enough)) for person, enough in who(rule, staff)
        ]
    return sorted(found, key=order)


def order(cell: tuple[str, str, User | None, int | None]) -> tuple[bool, ...]:
    row, role, _, refusal = cell
    return refusal is None, "everywhere" in row, role == OWNS, row.endswith("delete")


def sampled(table):
    """A fifth in `make test`, and each customer who asks for what is somebody else's; all of them in `make proofs`."""
    every = 1 if PROOFS else 5
    return [
        cell
        for number, cell in enumerate(table)
        if number % every == 0 or (cell[1] == OTHER and cell[3] == 404)
    ]


def test_every_route_answers_everybody_by_its_rule(everybody, clients, filled, monkeypatch):
    """A refused call has a body that would be carried out, and writes nothing."""
    monkeypatch.setattr(APIView, "check_throttles", lambda *_: None)
    wrong = []
    for row, role, person, refusal in sampled(cells(everybody, Staff())):
        path, method = row.split()
        body = next((body for end, body in BODIES.items() if path.endswith(end)), {}) if refusal else {}
        how = {} if method == "get" else {"data": body}
        with written() as tables:
            answer = getattr(clients(person), method)(filled(path), **how, **FAR)
        status = answer.status_code
        if refusal is None:
            is_right = status not in (401, 403, 405) and status < 500
            is_right = (is_right and (status != 404 or ROUTES[row] in (PUBLIC, LOGIN))) or path == "readyz"
        else:
            is_right = status == refusal and not tables
        if not is_right:
            wrong.append(f"{row}: {status} for {role} {person}, not {refusal or 'let in'} {tables}")

    assert wrong == []


SCOPED = {row: rule.scope for row, rule in RULES.items() if isinstance(rule, Scoped)}


@pytest.mark.parametrize("row", sorted(SCOPED))
def test_a_route_of_servers_is_opened_by_its_scope_alone(server, filled, row):
    """A key with all other scopes may not, and nothing is written."""
    path, method = row.split()
    body = next((body for end, body in BODIES.items() if path.endswith(end)), {})
    how = {} if method == "get" else {"data": body, "headers": {"Idempotency-Key": "of-this-request"}}
    with written() as tables:
        refused = getattr(server(*set(ApiKey.Scope.values) - {SCOPED[row]}), method)(filled(path), **how)

    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert set(tables) == {"accounts_apikey"}  # the key of this test, and when it was used
    answer = getattr(server(SCOPED[row]), method)(filled(path), **how)
    assert answer.status_code not in (401, 403, 404, 405)
    assert answer.status_code < 500


def test_a_key_of_all_scopes_opens_nothing_else(server, filled, monkeypatch):
    monkeypatch.setattr(APIView, "check_throttles", lambda *_: None)
    let_in = []
    for row, rule in sample([*RULES.items()], 3):
        path, method = row.split()
        if rule in EVERYBODY or rule == PUBLIC or isinstance(rule, Scoped):
            continue
        status = getattr(server(), method)(filled(path)).status_code
        let_in += [f"{row}: {status}"] if status not in (401, 403, 404) else []

    assert let_in == []


@pytest.mark.parametrize(
    "path", ["api/auth/addresses", "api/cart/carts", "api/booking/bookings", "api/payments/payments"]
)
def test_lists_show_a_stranger_nothing_of_others(api, charlie, filled, path):
    listed = api(charlie).get(f"/{path}/").json()

    assert (listed["results"] if isinstance(listed, dict) else listed) == []


def test_what_a_person_says_about_themselves_gives_them_no_rights(api, alice):
    wishes = {"role": "ADMIN", "is_staff": True, "is_superuser": True, "user_permissions": [1], "groups": [1]}
    before = User.objects.values().get(pk=alice.pk)

    changed = api(alice).patch("/api/auth/profile/", wishes)
    registered = api().post(
        "/api/auth/register/",
        wishes | {"email": "new@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD},
    )

    assert changed.json()["fields"].keys() == wishes.keys()
    assert registered.status_code == 400
    assert list(User.objects.values()) == [before]
    assert not User.user_permissions.through.objects.exists()
