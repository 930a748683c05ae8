"""The overview page of the simulator, for callers from this machine and for operators."""

import re
import time

import pytest
from django.test import Client

from simulator.control_auth import COOKIE, COOKIE_SECONDS
from simulator.models import Delivery, Order, Refund

PAGE = "/simulator/"
SIGN_IN = "/simulator/sign-in/"
OPS = {"X-Ops-Token": "tests-only-ops-token"}


@pytest.fixture
def overview(client):
    class Overview:
        def text(self):
            shown = client.get(PAGE)
            assert shown.status_code == 200
            return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown.content.decode()))

        def press(self, path, **fields):
            return client.post(PAGE, {"path": path, **fields})

    return Overview()


@pytest.fixture
def paid(v2):
    v2.pay(amount=14_990_000)
    v2.decide("V2-order-1", "attempt_failed")
    v2.decide("V2-order-1", "success")
    return v2


class TestWhatIsShown:
    def test_an_overview_without_orders(self, overview, db):
        assert "No orders yet." in overview.text()

    def test_orders_with_their_attempts_and_refunds(self, paid, overview):
        paid.refund(amount=50_000)
        shown = overview.text()
        for text in (
            "V2-order-1",
            "₹1,49,900.00",
            "COMPLETED",
            "(ZM)",
            "Refund V2-refund-1: ₹500.00 PENDING",
        ):
            assert text in shown, text

    def test_webhooks_and_when_they_go_next(self, paid, overview):
        assert "checkout.order.completed about V2-order-1" in overview.text()
        assert "next at" in overview.text()

    def test_armed_and_seeded_faults(self, v2, overview):
        v2.control("reset/", {"seed": 7, "percent": {"pay": 30}})
        v2.arm("status", "html", call=3, about="V2-order-9")
        shown = overview.text()
        assert "status: html, 1 time after 2 without a fault, about V2-order-9" in shown
        assert "pay: 30 of 100 calls, seed 7" in shown

    def test_the_account_of_the_money(self, paid, overview):
        assert "SIMMERCHANT (v2): 1 order, paid ₹1,49,900.00, refunded ₹0.00" in overview.text()

    def test_due_changes_are_applied_before_the_page_is_shown(self, v2, overview):
        v2.pay(expireAfter=300)
        v2.control("clock/", {"advance": 301})
        assert "FAILED" in overview.text()

    def test_texts_of_the_shop_are_escaped(self, v2, client):
        v2.arm("pay", "says", argument="BAD_REQUEST")
        v2.control("merchants/SIMMERCHANT/", {})
        v2.pay()
        v2.pay(merchant_order_id="a-b")
        v2.decide("a-b", "failure", reason="<script>alert(1)</script>")
        assert b"<script" not in client.get(PAGE).content


class TestButtons:
    def test_the_buttons_decide_for_the_customer(self, v2, overview):
        v2.pay()
        assert overview.press("orders/V2-order-1/decide/", outcome="success").status_code == 302
        assert Order.objects.get().state == "COMPLETED"

    def test_a_dashboard_refund_can_be_made(self, paid, overview):
        overview.press("orders/V2-order-1/refund/")
        assert Refund.objects.get().by_dashboard

    def test_any_event_is_sent(self, paid, overview):
        assert (
            overview.press("webhooks/", event="payment.dispute.created", about="V2-order-1").status_code
            == 302
        )
        assert "payment.dispute.created about V2-order-1" in overview.text()

    def test_a_webhook_is_sent_again(self, paid, overview):
        first = Delivery.objects.last()
        overview.press(f"deliveries/{first.pk}/send/")
        assert Delivery.objects.last().body == first.body
        assert Delivery.objects.last().pk != first.pk

    def test_the_clock_is_stopped_advanced_and_started(self, v2, overview):
        overview.press("clock/", stopped="yes")
        assert "(stopped)" in overview.text()
        v2.pay(expireAfter=300)
        overview.press("clock/", advance="900")
        assert Order.objects.get().state == "FAILED"
        overview.press("clock/", stopped="no")
        assert "(stopped)" not in overview.text()

    def test_a_reset_with_a_seed(self, paid, overview):
        overview.press("reset/", seed="5")
        assert not Order.objects.exists()
        assert "seed 5" in overview.text()

    def test_an_impossible_action_shows_an_error(self, paid, overview):
        refused = overview.press("orders/V2-order-1/decide/", outcome="success")
        assert refused.status_code == 409
        assert "The order is COMPLETED." in refused.content.decode()

    @pytest.mark.parametrize("path", ["", "nowhere/", "orders/nobody/decide/", "deliveries/x/send/"])
    def test_a_button_that_does_not_exist_does_nothing(self, paid, overview, path):
        assert overview.press(path).status_code in {400, 404}

    def test_a_seed_that_is_no_number_is_refused(self, paid, overview):
        assert overview.press("reset/", seed="²").status_code == 400
        assert Order.objects.exists()


class TestWhoMayLook:
    @pytest.mark.parametrize("method", ["get", "post"])
    def test_remote_callers_need_the_ops_token(self, client, db, method):
        call = getattr(client, method)
        assert call(PAGE, REMOTE_ADDR="203.0.113.9").status_code == 403
        assert call(PAGE, REMOTE_ADDR="203.0.113.9", headers=OPS).status_code != 403

    def test_behind_a_proxy_all_callers_need_the_ops_token(self, client, db, settings):
        settings.NUM_PROXIES = 1
        assert client.get(PAGE).status_code == 403

    def test_a_cross_site_post_is_refused(self, v2, client):
        v2.pay()
        pressed = client.post(PAGE, {"path": "reset/"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert pressed.status_code == 403
        assert Order.objects.exists()

    def test_a_post_without_a_csrf_token_is_refused(self, v2):
        v2.pay()
        stranger = Client(enforce_csrf_checks=True)
        assert stranger.post(PAGE, {"path": "reset/"}).status_code == 403
        assert Order.objects.exists()

    def test_an_empty_ops_token_matches_nothing(self, client, db, settings):
        settings.NUM_PROXIES, settings.OPS_TOKEN = 1, ""
        refused = client.post(SIGN_IN, {"token": ""})
        assert (refused.status_code, COOKIE in refused.cookies) == (403, False)
        assert b"set <code>OPS_TOKEN</code>" in client.get(PAGE).content

    def test_without_simulation_mode_it_answers_404(self, client, db, settings):
        settings.PHONEPE_SIMULATION_MODE = False
        assert client.get(PAGE, headers=OPS).status_code == 404


class TestSigningIn:
    @pytest.fixture
    def browser(self, db, settings):
        """From another machine, with a browser's caution."""
        settings.NUM_PROXIES = 1
        return Client(enforce_csrf_checks=True, REMOTE_ADDR="203.0.113.9")

    def sign_in(self, browser, token):
        form = browser.get(PAGE)
        assert form.status_code == 403
        return browser.post(SIGN_IN, {"token": token, "csrfmiddlewaretoken": secret(form)})

    def test_the_page_says_how(self, browser):
        shown = browser.get(PAGE).content.decode()
        assert "enter the ops token" in shown
        assert "X-Ops-Token" in shown

    def test_the_ops_token_signs_in_and_allows_actions(self, browser, v2):
        v2.pay()
        entered = self.sign_in(browser, OPS["X-Ops-Token"])
        assert (entered.status_code, entered["Location"]) == (302, PAGE)
        books = browser.get(PAGE)
        assert b"V2-order-1" in books.content
        wish = {"path": "reset/", "csrfmiddlewaretoken": secret(books)}
        assert browser.post(PAGE, wish).status_code == 302
        assert not Order.objects.exists()

    def test_the_cookie_is_not_the_token_and_is_httponly_and_strict(self, browser):
        cookie = self.sign_in(browser, OPS["X-Ops-Token"]).cookies[COOKIE]
        assert OPS["X-Ops-Token"] not in cookie.value
        assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", PAGE.rstrip("/"))
        assert cookie["max-age"] == ""  # it ends with the browser

    def test_a_wrong_token_does_not_sign_in(self, browser):
        refused = self.sign_in(browser, "guess")
        assert (refused.status_code, COOKIE in refused.cookies) == (403, False)
        assert b"This is not the ops token." in refused.content

    def test_a_form_that_another_page_has_sent_is_refused(self, browser):
        assert browser.post(SIGN_IN, {"token": OPS["X-Ops-Token"]}).status_code == 403

    def test_a_new_ops_token_ends_the_session(self, browser, settings):
        self.sign_in(browser, OPS["X-Ops-Token"])
        settings.OPS_TOKEN = "another-token-since-today"
        assert browser.get(PAGE).status_code == 403

    def test_the_session_ends_after_twelve_hours(self, browser, monkeypatch):
        self.sign_in(browser, OPS["X-Ops-Token"])
        later = time.time() + COOKIE_SECONDS + 1
        monkeypatch.setattr("django.core.signing.time.time", lambda: later)
        assert browser.get(PAGE).status_code == 403

    def test_a_forged_cookie_does_not_sign_in(self, browser):
        browser.cookies[COOKIE] = "made:up:cookie"
        assert browser.get(PAGE).status_code == 403

    def test_the_cookie_does_not_open_the_control_api(self, browser):
        self.sign_in(browser, OPS["X-Ops-Token"])
        assert browser.get("/simulator/control/account/").status_code == 403


def secret(page):
    return re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.content.decode())[1]
