"""Too many unpaid places over HTTP: what customers are told, and what staff are."""

import pytest

from booking.models import Cart, Slot
from notifications.models import Notification
from payment.models import Payment
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"


@pytest.fixture(autouse=True)
def defaults(settings):
    settings.HOLDS_PER_NETWORK, settings.HOLD_NETWORK_PERCENT, settings.NUM_PROXIES = 3, 100, 1


@pytest.fixture
def slots(package):
    return [builders.make_slot(package.puja_service, days=3 + day, capacity=20) for day in range(4)]


@pytest.fixture
def click(api, package):
    """A new account fills a cart and clicks on *Pay*, from this address."""

    def click(slot, address="203.0.113.7"):
        user = builders.make_user()
        cart = builders.make_cart(user, package, slot.starts_at)
        answer = api(user).post(PROCESS_CART, {"cart_id": cart.pk}, headers={"X-Forwarded-For": address})
        return answer, cart

    return click


def test_the_refusal_is_a_sentence_with_a_code_and_loses_nothing(click, slots):
    for slot in slots[:3]:
        assert click(slot)[0].status_code == 201
    answer, cart = click(slots[3])

    body = answer.json()
    assert (answer.status_code, body["code"], body["retryable"]) == (409, "too_many_holds", True)
    assert answer["Retry-After"] == "60"
    assert next(iter(body)) == "error"
    assert "Your cart is kept" in body["error"]
    assert Cart.objects.get(pk=cart.pk).status == Cart.Status.ACTIVE
    assert not Payment.objects.filter(checkout__cart=cart).exists()
    assert Slot.objects.get(pk=slots[3].pk).held == 0


@pytest.mark.parametrize(
    ("same", "other"),
    [
        ("203.0.113.7", "203.0.113.8"),
        ("2001:db8:1:2::{}", "2001:db8:1:3::1"),
    ],
)
def test_a_network_is_an_ipv4_address_or_an_ipv6_64(click, slots, same, other):
    answers = [click(slots[number], same.format(number + 1))[0] for number in range(4)]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 409]
    assert click(slots[3], other)[0].status_code == 201


def test_staff_are_told_once_a_day_for_each_network(click, slots, alerts):
    for address in ("203.0.113.7", "203.0.113.8"):
        for _ in range(6):
            click(slots[0], address)

    assert alerts() == ["places_held"] * 2
    told = Notification.objects.first().facts
    assert (told["because"], told["held"], told["most"]) == ("too_many_holds", 3, 3)
    assert "203.0.113" not in str(told)


@pytest.mark.slow  # 66 clicks
def test_staff_get_no_more_than_twenty_of_these_alerts_a_day(click, slots, alerts, settings):
    settings.HOLD_COOL_DOWN_MINUTES, settings.HOLDS_PER_NETWORK = 0, 2
    slot = builders.make_slot(slots[0].service, days=20, capacity=100)
    for number in range(22):
        for _ in range(3):
            click(slot, f"192.0.2.{number}")

    assert alerts() == ["places_held"] * 20


def test_a_donation_holds_no_place_and_is_never_refused_for_one(click, slots, api):
    for slot in slots:
        click(slot)

    given = api().post(PROCESS_CART, {"amount": "51"}, headers={"X-Forwarded-For": "203.0.113.7"})
    assert given.status_code == 201


def test_callers_whose_address_nobody_knows_do_not_share_ten_places(click, slots):
    answers = [click(slot, "no address")[0].status_code for slot in slots]

    assert answers == [201] * 4
