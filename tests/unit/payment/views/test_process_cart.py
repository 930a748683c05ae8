"""What a click on *Pay* may take and to whom it brings it: what the customer was shown, or a refusal that tells."""

from datetime import timedelta

import pytest
from django.urls import get_resolver
from django.utils import timezone

from accounts.models import Address
from booking.models import Cart, Checkout, Package, PromoCode
from payment.models import Payment
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.harness.races import at_once, while_uncommitted
from tests.unit.payment.builders import FAILED

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"
CARTS = "/api/cart/carts/"


@pytest.fixture
def client(api, alice):
    return api(alice)


def click(client, cart, **more):
    return client.post(PROCESS_CART, {"cart_id": cart.pk, "method": "PHONEPE", **more})


def look(client, cart):
    return client.get(f"{CARTS}{cart.pk}/").json()["total_price"]


def price(rupees):
    Package.objects.update(price_paise=rupees * 100)


# --- The price moves between look and click -----------------------------------------------------


def test_a_price_that_rose_after_the_look_is_told_and_taken_at_the_next_click_only(client, cart):
    assert look(client, cart) == "1100.00"
    price(2100)

    refused = click(client, cart)

    said = refused.json()
    assert (refused.status_code, said["code"]) == (409, "price_changed")
    assert (said["expected_total"], said["total"]) == ("1100.00", "2100.00")
    assert "2,100.00" in said["error"]
    assert "1,100.00" in said["error"]
    assert not Payment.objects.exists()
    assert not Checkout.objects.exists()
    assert Cart.objects.get().status == "ACTIVE"
    assert look(client, cart) == "2100.00"

    taken = click(client, cart)
    assert (taken.status_code, taken.json()["total"], taken.json()["amount"]) == (201, "2100.00", "2100.00")


def test_who_clicks_again_without_looking_has_been_told_by_the_refusal(client, cart):
    look(client, cart)
    price(2100)
    assert [click(client, cart).status_code for _ in range(3)] == [409, 201, 200]


def test_a_changed_price_is_told_in_hindi(client, cart):
    look(client, cart)
    price(2100)
    said = client.post(PROCESS_CART, {"cart_id": cart.pk}, headers={"Accept-Language": "hi"}).json()
    assert "मूल्य बदल गया है" in said["user_message"]
    assert "2,100.00" in said["user_message"]


def test_a_lower_price_just_applies(client, cart):
    look(client, cart)
    price(900)
    assert (click(client, cart).status_code, Payment.objects.get().amount_paise) == (201, 90_000)


def choice(cart):
    return {
        "puja_service": cart.puja_service_id,
        "package_id": cart.package_id,
        "selected_date": cart.selected_date.isoformat(),
        "selected_time": f"{cart.selected_time:%H:%M}",
    }


# Every answer of the cart's routes that carries a total: see the test that lists the routes.
ROUTES = {
    "cart-list GET": lambda client, cart: client.get(CARTS),
    "cart-list POST": lambda client, cart: client.post(CARTS, choice(cart)),
    "cart-detail GET": lambda client, cart: client.get(f"{CARTS}{cart.pk}/"),
    "cart-detail PATCH": lambda client, cart: client.patch(f"{CARTS}{cart.pk}/", {"promo_code": None}),
    "cart-detail PUT": lambda client, cart: client.put(f"{CARTS}{cart.pk}/", choice(cart)),
    "cart-active GET": lambda client, cart: client.get(f"{CARTS}active/"),
    "cart-apply-promo POST": lambda client, cart: client.post(
        f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": "WELCOME10"}
    ),
    "cart-remove-promo POST": lambda client, cart: client.post(f"{CARTS}{cart.pk}/remove_promo/"),
}
WITHOUT_A_TOTAL = {
    "cart-detail DELETE",
    "cart-clear-converted POST",
    "cart-deletion-status GET",
    "cart-cleanup POST",
}


def _cart_routes():
    found = get_resolver().reverse_dict
    return {name for name in found if isinstance(name, str) and name.startswith("cart-")}


def test_every_route_of_carts_is_looked_at_here():
    assert {route.split()[0] for route in {*ROUTES, *WITHOUT_A_TOTAL}} == _cart_routes()


@pytest.mark.parametrize("route", ROUTES)
def test_whatever_shows_a_total_is_what_check_out_remembers(client, cart, route):
    builders.make_promo()
    price(1500)
    answer = ROUTES[route](client, cart)
    assert answer.status_code < 300
    wire = answer.json()
    shown = (wire[0] if isinstance(wire, list) else wire)["total_price"]
    assert f"{Cart.objects.get(status='ACTIVE').shown_paise / 100:.2f}" == shown

    price(1600)
    newest = Cart.objects.get(status="ACTIVE")
    assert (click(client, newest).status_code, click(client, newest).status_code) == (409, 201)


@pytest.mark.parametrize(
    "worse",
    [
        {"expires_at": timezone.now() - timedelta(days=1)},
        {"is_active": False},
        {"percent": 5},
        {"max_discount_paise": 1_000},
        {"min_order_paise": 200_000},
        {"usage_limit": 3, "used_count": 3},
        {"starts_at": timezone.now() + timedelta(days=1)},
    ],
    ids=lambda worse: next(iter(worse)),
)
def test_a_promo_code_that_ends_or_shrinks_after_the_look_is_told_with_both_totals(client, cart, worse):
    builders.make_promo()
    client.post(f"{CARTS}{cart.pk}/apply_promo/", {"promo_code": "WELCOME10"})
    PromoCode.objects.update(**worse)

    refused = click(client, cart)

    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert refused.json()["expected_total"] == "990.00"
    assert refused.json()["total"] == look(client, cart)
    taken = click(client, cart)
    assert (taken.status_code, taken.json()["total"]) == (201, refused.json()["total"])
    reserved = PromoCode.objects.get().reserved_count
    assert reserved == (Checkout.objects.get().promo_code is not None)


def test_between_release_and_retry_the_price_may_not_rise_unseen(client, cart):
    """The checkout took less than the cart had shown: that, too, was a look."""
    price(2100)
    look(client, cart)
    price(1100)
    payment = Payment.objects.get(pk=click(client, cart).json()["payment_id"])
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    price(2100)

    refused = click(client, cart).json()

    assert (refused["code"], refused["expected_total"], refused["total"]) == (
        "price_changed",
        "1100.00",
        "2100.00",
    )


@pytest.mark.parametrize(
    ("expected", "status"), [("1100.00", 201), ("1500", 201), ("1099.99", 409), (None, 201)]
)
def test_a_client_may_say_what_it_expects_whatever_another_tab_has_shown(client, cart, expected, status):
    look(client, cart)
    answer = click(client, cart, expected_total=expected)
    assert answer.status_code == status
    if status == 409:
        assert (answer.json()["code"], answer.json()["total"]) == ("price_changed", "1100.00")


def test_the_limit_of_donations_is_none_for_what_a_cart_costs(client, cart, settings):
    price(60_000)
    settings.PAYMENT_GUEST_MAX_RUPEES = 50_000
    look(client, cart)
    assert click(client, cart, amount="60000.00").status_code == 201


def test_the_second_tab_that_still_shows_the_old_price_is_told(client, cart):
    look(client, cart)  # the first tab
    price(2100)
    look(client, cart)  # the second tab
    assert click(client, cart, expected_total="1100.00").json()["code"] == "price_changed"
    assert click(client, cart, expected_total="2100.00").status_code == 201


def test_an_open_payment_that_asks_for_more_than_expected_is_no_answer(client, cart):
    first = click(client, cart).json()
    refused = click(client, cart, expected_total="900.00")
    assert (refused.status_code, refused.json()["code"]) == (409, "price_changed")
    assert refused.json()["payment_id"] == first["payment_id"]
    assert click(client, cart, expected_total="1100.00").status_code == 200


def test_looking_again_writes_nothing(client, cart, django_assert_num_queries):
    look(client, cart)
    with django_assert_num_queries(4):  # who asks, how often, the cart, what froze it
        look(client, cart)


def test_a_price_that_changes_while_somebody_checks_out_is_never_taken_unseen(alice, client, cart):
    look(client, cart)
    result = while_uncommitted(lambda: price(2100), lambda: start_payment(alice, cart_id=cart.pk))
    taken = Payment.objects.values_list("amount_paise", flat=True).first()
    assert taken == 110_000 or result.code == "price_changed"


def test_of_a_price_change_and_two_clicks_at_once_no_payment_is_above_what_was_told(alice, client, cart):
    look(client, cart)
    results = at_once(lambda: price(2100), lambda: start_payment(alice, cart_id=cart.pk))
    paid = Payment.objects.first()
    assert (paid and paid.amount_paise == 110_000) or results[1].code == "price_changed"


# --- A second click with other data -------------------------------------------------------------


@pytest.fixture
def other_address(alice):
    return builders.make_address(alice, address_line1="7 River Lane", is_default=False)


@pytest.fixture
def foreign_address(charlie):
    return builders.make_address(charlie, address_line1="Secret House 1")


def test_the_answer_says_where_when_and_how_much(client, cart, slot, alice):
    for status in (201, 200):
        answer = click(client, cart)
        said = answer.json()
        assert answer.status_code == status
        assert said["address"]["address_line1"] == "12 Temple Road"
        assert said["starts_at"] == timezone.localtime(slot.starts_at).isoformat()
        assert said["total"] == "1100.00"


def test_another_address_at_the_second_click_is_told_and_can_be_had_by_giving_up(client, cart, other_address):
    first = click(client, cart).json()
    refused = click(client, cart, address_id=other_address.pk)

    said = refused.json()
    assert (refused.status_code, said["code"]) == (409, "checkout_differs")
    assert (said["payment_id"], said["total"]) == (first["payment_id"], "1100.00")
    assert said["address"]["address_line1"] == "12 Temple Road"
    assert "12 Temple Road" in said["error"]
    change = said["how_to_change"].split()[1]
    hindi = client.post(
        PROCESS_CART,
        {"cart_id": cart.pk, "address_id": other_address.pk},
        headers={"Accept-Language": "hi"},
    ).json()
    assert "किसी और पते के लिए है: 12 Temple Road" in hindi["user_message"]

    assert client.post(change).status_code == 200
    again = click(client, cart, address_id=other_address.pk)
    assert (again.status_code, again.json()["address"]["address_line1"]) == (201, "7 River Lane")


@pytest.mark.parametrize("status", [201, 200], ids=["first click", "second click"])
def test_the_address_of_somebody_else_is_unknown_at_every_click(client, cart, foreign_address, status):
    if status == 200:
        click(client, cart)
    refused = click(client, cart, address_id=foreign_address.pk)
    unknown = click(client, cart, address_id=foreign_address.pk + 1_000)
    assert refused.status_code == unknown.status_code == 400
    assert (
        refused.json()["fields"]
        == unknown.json()["fields"]
        == {"address_id": ["This address does not exist."]}
    )
    assert "Secret House" not in refused.content.decode()


@pytest.mark.parametrize(
    "wrong",
    [
        {"address_id": "x"},
        {"address_id": 0},
        {"method": "CASH"},
        {"method": None},
        {"expected_total": "much"},
        {"expected_total": "-5"},
        {"expected_total": "1100.001"},
        {"amount": "0"},
        {"amount": "900.00", "expected_total": "1100.00"},
    ],
    ids=str,
)
def test_what_is_wrong_at_the_first_click_is_wrong_at_the_second_one(client, cart, wrong):
    first = client.post(PROCESS_CART, {"cart_id": cart.pk, **wrong})
    assert first.status_code == 400
    assert not Payment.objects.exists()
    click(client, cart)
    second = client.post(PROCESS_CART, {"cart_id": cart.pk, **wrong})
    assert (second.status_code, second.json()["fields"]) == (400, first.json()["fields"])


def test_an_address_that_was_corrected_since_is_another_one(client, cart, alice):
    mine = Address.objects.get(user=alice)
    click(client, cart, address_id=mine.pk)
    assert click(client, cart, address_id=mine.pk).status_code == 200
    Address.objects.update(address_line1="14 Temple Road")
    assert click(client, cart, address_id=mine.pk).json()["code"] == "checkout_differs"
    assert click(client, cart).status_code == 200  # nothing is said about an address


def test_the_same_lines_under_another_id_are_the_same_place(client, cart, alice):
    click(client, cart)
    twin = builders.make_address(alice, is_default=False)
    assert click(client, cart, address_id=twin.pk).status_code == 200


def test_an_amount_beside_a_cart_is_what_it_is_expected_to_cost(client, cart):
    assert click(client, cart, amount="900.00").json()["code"] == "price_changed"
    assert click(client, cart, amount="1100.00").status_code == 201


def test_a_donation_is_brought_to_no_address(client, alice):
    mine = Address.objects.get(user=alice)
    refused = client.post(PROCESS_CART, {"amount": "51.00", "address_id": mine.pk})
    assert (refused.status_code, list(refused.json()["fields"])) == (400, ["address_id"])
    given = client.post(PROCESS_CART, {"amount": "51.00"}).json()
    assert (given["address"], given["starts_at"], given["total"]) == (None, None, "51.00")


def test_of_two_first_clicks_with_two_addresses_at_once_the_slower_one_is_told(alice, cart, other_address):
    mine = Address.objects.get(user=alice, is_default=True)
    results = at_once(
        lambda: start_payment(alice, cart_id=cart.pk, address_id=mine.pk),
        lambda: start_payment(alice, cart_id=cart.pk, address_id=other_address.pk),
    )
    assert Payment.objects.count() == 1
    codes = sorted(getattr(result, "code", "opened") for result in results)
    assert codes == ["checkout_differs", "opened"]
