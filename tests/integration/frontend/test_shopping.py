"""The frontend from the list of services up to PhonePe's page, and what it shows when something is refused."""

from functools import partial

import jwt
import pytest

from tests.harness.customers import arrive, pay
from tests.harness.databases import PASSWORD
from tests.harness.environment import WANTED
from tests.harness.processes import eventually
from tests.harness.races import at_once
from tests.integration.frontend import pages
from tests.integration.frontend.browser import Browser

pytestmark = pytest.mark.sockets


def expired(access):
    """The same token, a day later."""
    said = jwt.decode(access, options={"verify_signature": False})
    return jwt.encode({**said, "exp": said["iat"]}, WANTED["SECRET_KEY"], algorithm="HS256")


def test_a_visitor_sees_every_service_with_its_packages(tab):
    cards = pages.service_list(tab)
    assert len(cards) == 8
    assert all(card["packages"] for card in cards)


@pytest.mark.parametrize(
    "ordering", ["title", "-title", "price", "-price", "duration", "created_at", "-created_at"]
)
def test_a_visitor_orders_the_list(tab, ordering):
    assert len(pages.service_list(tab, ordering=ordering, is_active="true")) == 8


def test_a_visitor_narrows_the_list_and_empty_choices_narrow_nothing(tab):
    empty = {"search": "", "category": "", "type": "", "location": "", "language": ""}
    assert len(pages.service_list(tab, **empty)) == 8
    narrow = {"search": "ganesh", "type": "HOME", "location": "Patna", "language": "HINDI"}
    assert [card["title"] for card in pages.service_list(tab, **narrow)] == ["Ganesh Puja"]


@pytest.mark.parametrize("token", ["stale", "expired"])
def test_a_visitor_with_a_dead_token_may_reload_a_service(member, token):
    service = pages.service_list(member)[0]
    dead = {"stale": "no.such.token", "expired": expired(member.storage["access"])}[token]
    member.storage.clear()
    member.storage["access"] = dead
    assert pages.service_detail(member, service["id"])["title"] == service["title"]
    assert pages.service_list(member)
    assert member.location != "/login"


def test_a_service_that_is_not_there_leads_back_to_the_list(tab):
    assert pages.service_detail(tab, 10**9) is None
    assert tab.location == "/pujaservice"


def test_wrong_credentials_are_told_on_the_page_and_not_lost_in_a_reload(tab, email):
    pages.log_in(tab, email, "not-the-password")
    assert tab.toasts == ["Invalid email or password."]
    assert tab.location != "/login"


def test_who_registers_twice_reads_which_field_is_taken(tab, email):
    pages.register(tab, email=email.upper(), phone="", password=PASSWORD, password2=PASSWORD)
    assert tab.toasts == ["An account with this email already exists."]


def test_an_expired_session_goes_on_by_itself(shopper):
    access, refresh = shopper.storage["access"], shopper.storage["refresh"]
    shopper.storage["access"] = expired(access)
    assert pages.cart(shopper)
    assert shopper.storage["refresh"] != refresh
    assert pages.addresses(shopper)


def test_two_tabs_that_refresh_at_once_both_go_on(shopper):
    for _ in range(5):
        shopper.storage["access"] = expired(shopper.storage["access"])
        tabs = [shopper.browser.tab(), shopper.browser.tab()]
        assert at_once(*[tab.refresh for tab in tabs]) == [True, True]
        assert all(at_once(*[partial(pages.cart, tab) for tab in tabs]))
        assert [tab.location for tab in tabs] == ["/", "/"]


def test_two_tabs_with_an_expired_token_both_show_the_cart(shopper):
    shopper.storage["access"] = expired(shopper.storage["access"])
    tabs = [shopper.browser.tab(), shopper.browser.tab()]
    assert all(at_once(*[partial(pages.cart, tab) for tab in tabs]))


def test_a_session_that_has_ended_leads_to_the_login(member):
    refresh = member.storage["refresh"]
    assert member.call("POST", "/auth/logout/", {"refresh": refresh}).status_code == 205
    member.storage["access"] = expired(member.storage["access"])
    member.call("GET", "/cart/carts/active/")
    assert (member.location, member.storage) == ("/login", {})


def test_without_a_cart_the_cart_page_is_empty(member):
    assert pages.cart(member) is None


def test_a_cart_in_the_past_is_refused_with_a_sentence_and_the_old_one_stays(shopper, offer):
    service, package, _, time = offer
    before = pages.cart(shopper)
    pages.add_to_cart(shopper, service, package, "2024-01-31", time)
    assert shopper.toasts == ["This date has passed."]
    assert pages.cart(shopper) == before


def test_a_promo_code_changes_the_total_and_goes_again(shopper):
    full = pages.cart(shopper)["total_price"]
    pages.apply_promo(shopper, "welcome10")
    discounted = pages.cart(shopper)
    assert (full, discounted["total_price"]) == ("2100.00", "1890.00")
    assert (discounted["promo_code"]["discount"], discounted["promo_code"]["discount_type"]) == (
        "10",
        "PERCENTAGE",
    )
    assert discounted["promo_code"]["is_valid"] is True
    pages.remove_promo(shopper)
    assert pages.cart(shopper)["total_price"] == full


def test_an_unknown_promo_code_is_told(shopper):
    pages.apply_promo(shopper, "NONESUCH")
    assert shopper.toasts == ["This promo code does not exist."]


def test_a_deleted_cart_is_gone(shopper):
    pages.delete_cart(shopper)
    assert shopper.toasts == []
    assert pages.cart(shopper) is None


def test_an_address_with_a_wrong_pin_is_told(member):
    pages.add_address(
        member, address_line1="1 Ghat", city="Gaya", state="Bihar", postal_code="12", is_default=False
    )
    assert member.toasts == ["Give the PIN code as six digits."]
    assert [one["city"] for one in pages.addresses(member)] == ["Patna"]


def test_back_from_the_payment_page_the_cart_is_there_and_says_how_long_it_waits(shopper):
    started = pages.checkout(shopper)
    pages.delete_cart(shopper)
    assert shopper.toasts[0].endswith("Wait 15 minutes, or close the payment.")
    pages.close_open_payment(shopper)
    pages.delete_cart(shopper)
    assert len(shopper.toasts) == 1
    assert pages.cart(shopper) is None
    assert started["status"] == "PENDING"


def test_a_cart_paid_in_one_tab_tells_the_other_that_it_is_paid(shopper):
    late = shopper.browser.tab()
    cart = pages.cart(late)
    pages.follow(shopper, arrive(pay(pages.checkout(shopper)["payment_url"])))
    assert pages.pay_for(late, cart["id"]) is None
    assert late.toasts == ["This has been paid already. Please look at your bookings."]


def test_a_cart_of_somebody_else_is_not_found(shopper, shop):
    stranger = Browser(shop.url, {"access": shop.tokens.customers[0]}).tab()
    assert pages.pay_for(stranger, pages.cart(shopper)["id"]) is None
    assert stranger.toasts == ["Cart not found."]


def test_without_a_session_paying_leads_to_the_login(tab):
    assert pages.pay_for(tab, 1) is None
    assert tab.location == "/login"


def test_a_phonepe_that_is_down_is_told_and_a_later_click_pays(shopper, shop):
    shop.phonepe.inject_fault("pay", "html", times=8)
    assert pages.checkout(shopper) is None
    eventually(lambda: pages.checkout(shopper), "PhonePe is up again, and the payment has its page")
    assert set(shopper.toasts) <= set(pages.PAY_TROUBLE.values())
