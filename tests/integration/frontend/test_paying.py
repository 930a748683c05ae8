"""From the registration to the end of a booking, on both sites. Whatever comes of a payment, no screen is untrue.

The person has an older booking: no page may show that as the new one.
"""

from functools import partial

import pytest

from tests.harness.databases import PASSWORD
from tests.harness.processes import eventually
from tests.integration.frontend import account_pages, shop_pages
from tests.integration.frontend.browser import Browser
from tests.integration.frontend.people import Person
from tests.integration.frontend.rows import BOTH
from tests.integration.frontend.truth import judge, newest_payment

BY_CODE = {"REGISTRATION_BY_CODE": True}
SHOPS = [("v1", {}), ("v2", BY_CODE)]
pytestmark = [
    pytest.mark.sockets,
    pytest.mark.proof,  # `make test` plays each call of both sites (test_rows.py)
    # Each site with each of PhonePe's protocols.
    pytest.mark.parametrize("shop", SHOPS, ids=["v1", "v2-by-code"], indirect=True, scope="module"),
    pytest.mark.parametrize("era", BOTH, scope="module"),
]


@pytest.fixture(scope="module")
def buyer(shop, era):
    """Registers, confirms the address by the code of the mail, and buys once."""
    person = Person(shop, era)
    person.join()
    person.fill_cart()
    person.check_out()
    person.press("success")
    person.older = newest_payment(person).book_id
    assert person.tab.screen.book_id == person.older
    person.tab.browser.looks = partial(judge, person)
    return person


@pytest.fixture(autouse=True)
def fresh_tab(buyer):
    buyer.tab = buyer.tab.browser.tab()
    yield
    if shop_pages.cart(buyer.tab):  # only after a failure
        shop_pages.close_open_payment(buyer.tab)
        shop_pages.clear_cart(buyer.tab)


def expect_booked(buyer):
    """The screen names the booking of the newest payment, which the history has, too; the cart is empty."""
    newest = newest_payment(buyer)
    assert (newest.state, newest.booking) == ("SUCCESS", "CONFIRMED")
    assert buyer.tab.screen.says in ("confirmed", "our page")
    assert buyer.history()[0]["book_id"] == newest.book_id
    assert shop_pages.cart(buyer.tab) is None


def test_who_logs_in_before_the_code_is_told_where_the_code_makes_the_account(shop, era):
    newcomer = Person(shop, era)
    account_pages.register(newcomer.tab, newcomer.email, "", PASSWORD)
    account_pages.log_in(newcomer.tab, newcomer.email, PASSWORD)
    is_told = shop.environment.get("REGISTRATION_BY_CODE") == "True"
    assert newcomer.tab.toasts == (["Your account is PENDING."] if is_told else [])
    assert ("access" in newcomer.tab.storage) is not is_told


def test_from_the_catalogue_to_the_end_of_the_booking(buyer):
    cart = buyer.fill_cart(days=4)
    shop_pages.apply_promo(buyer.tab, "WELCOME10")
    shown = shop_pages.cart(buyer.tab)["total_price"]
    assert shown == f"{float(cart['total_price']) * 0.9:.2f}"
    buyer.check_out()
    buyer.press("success")
    assert buyer.tab.screen.says == "confirmed"
    expect_booked(buyer)
    booking = buyer.history()[0]
    assert (booking["total_amount"], booking["selected_date"], booking["selected_time"][:5]) == (
        shown,
        cart["selected_date"],
        cart["selected_time"][:5],
    )
    assert booking["address"]["city"] == "Patna"
    told = buyer.cancel(booking["id"])
    assert told["refund"]["amount"] == shown
    assert buyer.history()[0]["status"] == "CANCELLED"


def test_a_wrong_pin_costs_nothing_and_the_next_try_books(buyer):
    buyer.fill_cart()
    buyer.check_out()
    buyer.press("attempt_failed")
    assert buyer.tab.screen.says == "PhonePe"
    buyer.press("success")
    expect_booked(buyer)


def test_who_closes_the_page_is_told_to_wait_and_pays_through_the_cart(buyer):
    buyer.fill_cart()
    buyer.check_out()
    page = buyer.tab.location
    buyer.tab.browser.clock.after(20, lambda: buyer.pay_elsewhere(page))
    buyer.press("close")
    buyer.look_again()
    assert "waiting" in buyer.states() or "Waiting for your payment" in buyer.states()
    expect_booked(buyer)


def test_a_slow_bank_is_waited_for(buyer):
    buyer.fill_cart()
    buyer.check_out()
    buyer.press("slow")
    buyer.tab.browser.clock.after(40, lambda: buyer.shop.phonepe.advance_clock(30))
    buyer.press("close")
    buyer.look_again()
    assert "waiting" in buyer.states() or "Waiting for your payment" in buyer.states()
    expect_booked(buyer)


def test_a_failure_is_told_and_a_new_payment_books(buyer):
    cart = buyer.fill_cart()
    buyer.check_out()
    buyer.press("failure")
    assert buyer.tab.screen.says == "failed"
    assert "PAYMENT_FAILED" in buyer.tab.screen.text
    assert shop_pages.cart(buyer.tab)["id"] == cart["id"]
    buyer.check_out()
    buyer.press("success")
    expect_booked(buyer)


def test_no_page_needs_the_webhook_or_the_tab_that_paid(buyer):
    buyer.fill_cart()
    buyer.check_out()
    buyer.shop.phonepe.inject_fault("webhook", "drop")
    landing = buyer.press_and_leave()
    buyer.tab = buyer.tab.browser.tab()
    buyer.arrive(landing)
    expect_booked(buyer)


def test_who_comes_back_logged_out_is_led_to_the_login_and_nothing_untrue_is_shown(buyer):
    buyer.fill_cart()
    buyer.check_out()
    landing = buyer.press_and_leave()
    here, buyer.tab = buyer.tab, Browser(buyer.shop.url, buyer.site.MAIN, looks=partial(judge, buyer)).tab()
    buyer.arrive(landing)
    assert "confirmed" not in buyer.states()
    assert buyer.tab.location == "/login"
    buyer.tab = here
    buyer.site.go(here, buyer.landings[-1])
    expect_booked(buyer)


def test_who_never_comes_back_finds_the_booking_in_the_history(buyer):
    before = len(buyer.history())
    buyer.fill_cart()
    buyer.check_out()
    buyer.press_and_leave()
    eventually(lambda: len(buyer.history()) == before + 1, "the booking is made", 20)


def test_a_cart_paid_in_one_tab_tells_the_other_that_it_is_paid(buyer):
    late = buyer.tab.open_tab()
    cart = buyer.fill_cart()
    buyer.check_out()
    buyer.press("success")
    assert buyer.pay_again(late, cart) is None
    assert late.toasts == ["This has been paid already. Please look at your bookings."]


def test_a_phonepe_that_is_down_is_told_and_a_later_click_pays(buyer):
    buyer.fill_cart()
    buyer.shop.phonepe.inject_fault("pay", "html", times=8)
    assert buyer.site.checkout(buyer.tab) is None
    eventually(lambda: buyer.site.checkout(buyer.tab), "PhonePe is up again, and the payment has its page")
    assert set(buyer.tab.toasts) <= set(shop_pages.PAY_TROUBLE.values())
    buyer.press("success")
    expect_booked(buyer)
