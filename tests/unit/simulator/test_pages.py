import re

import pytest

from simulator.instruments import INSTRUMENTS
from simulator.models import Delivery, Order
from simulator.pages import format_rupees


@pytest.fixture
def page(client):
    class Page:
        @property
        def address(self):
            return f"/simulator/transact/{Order.objects.get().page_token}/"

        def get(self):
            return client.get(self.address)

        def choose(self, choice, **more):
            return client.post(self.address, {"choice": choice, **more})

    return Page()


def choices(page):
    return re.findall(r'value="(\w+)"', page.content.decode())


class TestThePage:
    def test_it_shows_merchant_amount_and_that_it_is_a_simulation(self, v2, page):
        v2.pay(amount=14_990_000)
        shown = page.get()
        for text in ("OkPuja (simulated)", "₹1,49,900.00", "V2-order-1", "15 minutes", "Simulation."):
            assert text in shown.content.decode(), text
        assert choices(shown) == [
            *("upi_app", "upi_id", "upi_qr", "credit_card", "debit_card", "net_banking"),
            *(
                "success",
                "attempt_failed",
                "insufficient_balance",
                "slow",
                "failure",
                "late_success",
                "close",
            ),
        ]

    def test_it_needs_no_script_and_keeps_the_referrer(self, v2, page):
        v2.pay()
        shown = page.get()
        assert b"<script" not in shown.content
        assert b"style=" not in shown.content
        assert shown["Referrer-Policy"] == "strict-origin-when-cross-origin"
        assert "no-store" in shown["Cache-Control"]

    def test_texts_of_the_shop_are_escaped(self, v2, page):
        flow = {
            "type": "PG_CHECKOUT",
            "message": "<script>alert(1)</script>",
            "merchantUrls": {"redirectUrl": "http://shop.example/back"},
        }
        v2.pay(paymentFlow=flow)
        assert b"<script" not in page.get().content

    def test_a_page_token_cannot_be_guessed(self, client, db):
        assert client.get("/simulator/transact/guess/").status_code == 404

    def test_paying_returns_the_customer_to_the_shop(self, v2, page):
        v2.pay()
        back = page.choose("success")
        assert (back.status_code, back["Location"]) == (302, "http://shop.example/back")
        assert v2.status().json()["state"] == "COMPLETED"

    def test_a_wrong_pin_may_be_tried_again(self, v2, page):
        v2.pay()
        again = page.choose("attempt_failed")
        assert (again.status_code, again["Location"]) == (302, page.address)
        assert b"Wrong PIN" in page.get().content
        page.choose("success")
        assert v2.status().json()["state"] == "COMPLETED"

    def test_a_payment_that_fails_returns_too(self, v2, page):
        v2.pay()
        assert page.choose("failure")["Location"] == "http://shop.example/back"
        assert v2.status().json()["state"] == "FAILED"

    def test_closing_the_page_leaves_the_order_open(self, v2, page):
        v2.pay()
        assert page.choose("close")["Location"] == "http://shop.example/back"
        assert v2.status().json()["state"] == "PENDING"

    def test_an_expired_order_can_only_be_paid_late(self, v2, page):
        v2.pay(expireAfter=300)
        v2.control("clock/", {"advance": 301})
        assert choices(page.get()) == ["late_success", "close"]
        assert page.choose("success").status_code == 409
        assert page.choose("late_success")["Location"] == "http://shop.example/back"
        assert v2.status().json()["state"] == "COMPLETED"

    def test_a_second_click_pays_only_once(self, v2, page):
        v2.pay()
        page.choose("success")
        assert page.choose("success").status_code == 409
        assert choices(page.get()) == ["close"]
        assert Order.objects.get().attempts.count() == 1

    def test_an_unknown_choice_changes_nothing(self, v2, page):
        v2.pay()
        assert page.choose("bribe").status_code == 409
        assert v2.status().json()["state"] == "PENDING"

    def test_insufficient_balance_may_be_retried(self, v2, page):
        v2.pay()
        page.choose("insufficient_balance")
        assert b"Insufficient balance. No money was taken" in page.get().content
        assert v2.status().json()["state"] == "PENDING"

    def test_a_slow_bank_keeps_the_customer_waiting(self, v2, page):
        v2.pay()
        assert page.choose("slow")["Location"] == page.address
        assert b"The bank has not answered yet" in page.get().content
        assert choices(page.get()) == ["late_success", "close"]
        assert page.choose("close")["Location"] == "http://shop.example/back"
        v2.control("clock/", {"advance": 30})
        assert b"This order is paid" in page.get().content

    def test_money_may_come_after_the_time_is_up(self, v2, page):
        v2.pay()
        assert page.choose("late_success")["Location"] == "http://shop.example/back"
        assert v2.status().json()["state"] == "COMPLETED"
        events = list(Delivery.objects.order_by("pk").values_list("event", flat=True))
        assert events == ["checkout.order.failed", "checkout.order.completed"]


class TestMeansOfPayment:
    @pytest.mark.parametrize(
        ("name", "mode", "rail", "instrument"),
        [
            ("upi_app", "UPI_INTENT", "UPI", "ACCOUNT"),
            ("credit_card", "CARD", "PG", "CREDIT_CARD"),
            ("debit_card", "CARD", "PG", "DEBIT_CARD"),
            ("net_banking", "NET_BANKING", "PG", "NET_BANKING"),
            ("", "UPI_QR", "UPI", "ACCOUNT"),
        ],
    )
    def test_the_shop_reads_the_payment_instrument(self, v2, page, name, mode, rail, instrument):
        v2.pay()
        page.choose("success", means=name)
        paid = v2.status().json()["paymentDetails"][0]
        assert (paid["paymentMode"], paid["rail"]["type"], paid["instrument"]["type"]) == (
            mode,
            rail,
            instrument,
        )

    @pytest.mark.parametrize(
        ("name", "said"), [("upi_app", "UPI"), ("credit_card", "CARD"), ("net_banking", "NETBANKING")]
    )
    def test_v1_has_its_own_codes_for_instruments(self, v1, page, name, said):
        v1.pay()
        page.choose("success", means=name)
        assert v1.status().json()["data"]["paymentInstrument"]["type"] == said

    def test_a_upi_id_is_shown_masked(self, v2, page):
        v2.pay()
        page.choose("success", means="upi_id", upi_id=" radhika@ybl ")
        assert v2.status().json()["paymentDetails"][0]["rail"]["vpa"] == "ra****ka@ybl"

    @pytest.mark.parametrize("address", ["", "radhika", "radhika@", "rad hika@ybl", "<b>@ybl"])
    def test_an_invalid_upi_id_shows_the_form_again(self, v2, page, address):
        v2.pay()
        again = page.choose("success", means="upi_id", upi_id=address)
        assert again.status_code == 200
        assert "Incorrect UPI details" in again.content.decode()
        assert 'value="upi_id" checked' in again.content.decode()
        assert v2.status().json()["state"] == "PENDING"

    @pytest.mark.parametrize(
        ("config", "shown"),
        [
            ({"enabledPaymentModes": [{"type": "NET_BANKING"}]}, ["net_banking"]),
            ({"enabledPaymentModes": [{"type": "UPI_QR"}]}, ["upi_qr"]),
            ({"enabledPaymentModes": [{"type": "CARD"}]}, ["credit_card", "debit_card"]),
            ({"enabledPaymentModes": [{"type": "CARD", "cardTypes": ["DEBIT_CARD"]}]}, ["debit_card"]),
            (
                {"disabledPaymentModes": [{"type": "CARD"}, {"type": "UPI_INTENT"}]},
                ["upi_id", "upi_qr", "credit_card", "debit_card", "net_banking"],
            ),
            (
                {"disabledPaymentModes": [{"type": "CARD", "cardTypes": ["CREDIT_CARD"]}]},
                ["upi_app", "upi_id", "upi_qr", "debit_card", "net_banking"],
            ),
        ],
    )
    def test_a_shop_may_choose_what_is_offered(self, v2, page, config, shown):
        urls = {"redirectUrl": "http://shop.example/back"}
        v2.pay(paymentFlow={"type": "PG_CHECKOUT", "merchantUrls": urls, "paymentModeConfig": config})
        assert [choice for choice in choices(page.get()) if choice in INSTRUMENTS] == shown


class TestTheWayBackInV1:
    def test_redirect_is_a_plain_get(self, v1, page):
        v1.pay()
        assert page.choose("success")["Location"] == "http://shop.example/back"

    def test_post_is_a_form_with_checksum_and_a_button(self, v1, page):
        v1.pay(redirectMode="POST")
        form = page.choose("success").content.decode()
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        assert 'action="http://shop.example/back"' in form
        assert "<button" in form
        assert (fields["code"], fields["transactionId"]) == ("PAYMENT_SUCCESS", "V1-order-1")
        parts = ("code", "merchantId", "transactionId", "amount", "providerReferenceId")
        assert fields["checksum"] == v1.seal("".join(fields[name] for name in parts))


@pytest.mark.parametrize(
    ("paise", "shown"),
    [
        (100, "1.00"),
        (5, "0.05"),
        (99_999, "999.99"),
        (100_000, "1,000.00"),
        (10_000_000, "1,00,000.00"),
        (1_234_567_890, "1,23,45,678.90"),
    ],
)
def test_rupees_are_grouped_the_indian_way(paise, shown):
    assert format_rupees(paise) == shown
