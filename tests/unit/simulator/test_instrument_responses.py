"""Payments whose way the shop has chosen: V1's instruments, V2's custom checkout."""

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from simulator import orders
from simulator.models import Delivery, Order

BACK = "http://shop.example/back"
ACCEPTED = {
    "UPI_INTENT": {"targetApp": "com.phonepe.app"},
    "UPI_COLLECT": {"vpa": "radhika@ybl"},
    "UPI_QR": {},
    "CARD": {"cardDetails": {"encryptedCardNumber": "x"}},
    "SAVED_CARD": {"savedCardDetails": {"cardId": "x"}},
    "TOKEN": {"tokenDetails": {"encryptedToken": "x"}},
    "NET_BANKING": {"bankId": "SBIN"},
}
CUSTOM = {
    "UPI_INTENT": {"targetApp": "com.phonepe.app"},
    "UPI_COLLECT": {"details": {"type": "VPA", "vpa": "radhika@ybl"}, "message": "Puja"},
    "UPI_QR": {},
    "CARD": {"cardDetails": {"encryptedCardNumber": "x"}, "authMode": "3DS"},
    "TOKEN": {"tokenDetails": {"encryptedToken": "x"}, "authMode": "3DS"},
    "NET_BANKING": {"bankId": "SBIN"},
}


def custom(v2, mode, merchant_order_id="V2-order-1", **changes):
    flow = {"type": "PG", "paymentMode": {"type": mode, **CUSTOM.get(mode, {})}}
    if mode in {"CARD", "TOKEN", "NET_BANKING"}:
        flow["merchantUrls"] = {"redirectUrl": BACK}
    order = {"merchantOrderId": merchant_order_id, "amount": 110_050, "paymentFlow": flow}
    return v2.authorized("POST", "/payments/v2/pay", json=order | changes)


def in_v1(v1, kind, **changes):
    instrument = {"type": kind, **ACCEPTED[kind]}
    if kind == "UPI_INTENT":
        changes = {"deviceContext": {"deviceOS": "ANDROID"}} | changes
    return v1.pay(paymentInstrument=instrument, amount=110_050, **changes)


class TestV1:
    @pytest.mark.parametrize("kind", ["UPI_INTENT", "UPI_QR"])
    def test_the_upi_link_names_payee_and_rupees(self, v1, kind):
        said = in_v1(v1, kind).json()["data"]["instrumentResponse"]
        link = urlsplit(said["intentUrl"])
        members = {name: values[0] for name, values in parse_qs(link.query).items()}
        assert (said["type"], link.scheme, link.netloc) == (kind, "upi", "pay")
        assert (members["am"], members["mam"], members["tr"]) == ("1100.50", "1100.50", "V1-order-1")
        assert (members["mode"], members["purpose"], members["utm_campaign"]) == ("04", "00", "B2B_PG")
        assert (members["utm_medium"], members["utm_source"]) == ("PGTESTPAYUAT", "V1-order-1")

    def test_a_qr_code_comes_as_a_png(self, v1):
        said = in_v1(v1, "UPI_QR").json()["data"]["instrumentResponse"]
        assert base64.b64decode(said["qrData"]).startswith(b"\x89PNG\r\n\x1a\n")

    def test_a_collect_request_needs_no_link(self, v1):
        assert in_v1(v1, "UPI_COLLECT").json()["data"]["instrumentResponse"] == {"type": "UPI_COLLECT"}

    @pytest.mark.parametrize("kind", ["CARD", "SAVED_CARD", "TOKEN", "NET_BANKING"])
    def test_cards_and_banks_get_a_page_for_that_mode_only(self, v1, client, kind):
        said = in_v1(v1, kind).json()["data"]["instrumentResponse"]
        assert said == {
            "type": kind,
            "redirectInfo": {"url": orders.page_url(Order.objects.get()), "method": "GET"},
        }
        shown = client.get(urlsplit(said["redirectInfo"]["url"]).path).content.decode()
        assert "upi_app" not in shown
        assert ("net_banking" in shown) == (kind == "NET_BANKING")

    @pytest.mark.parametrize(
        ("kind", "told"),
        [
            ("UPI_INTENT", "UPI"),
            ("UPI_COLLECT", "UPI"),
            ("SAVED_CARD", "CARD"),
            ("NET_BANKING", "NETBANKING"),
        ],
    )
    def test_it_is_paid_with_what_the_shop_has_named(self, v1, kind, told):
        in_v1(v1, kind)
        v1.decide("V1-order-1", "success")
        assert v1.status().json()["data"]["paymentInstrument"]["type"] == told

    def test_upi_needs_neither_user_nor_redirect_url(self, v1):
        assert in_v1(v1, "UPI_QR", without=["merchantUserId", "redirectUrl"]).status_code == 200
        assert (
            in_v1(v1, "CARD", merchant_order_id="V1-order-2", without=["merchantUserId"]).status_code == 400
        )
        assert in_v1(v1, "CARD", merchant_order_id="V1-order-3", without=["redirectUrl"]).status_code == 400

    def test_an_invalid_upi_id_is_refused(self, v1):
        refused = v1.pay(paymentInstrument={"type": "UPI_COLLECT", "vpa": "nobody"})
        assert (refused.status_code, refused.json()["code"]) == (417, "INVALID_VPA")

    @pytest.mark.parametrize(
        "instrument",
        [
            {"type": "CASH"},
            {"type": ["UPI_QR"]},
            {"type": "UPI_COLLECT"},
            {"type": "UPI_COLLECT", "vpa": 7},
            {"type": "NET_BANKING"},
            {"type": "PAY_PAGE", "targetApp": "x"},
            {"type": "UPI_INTENT", "targetApp": 7},
            {"type": "CARD"},
            "UPI_QR",
        ],
    )
    def test_an_invalid_instrument_is_refused(self, v1, instrument):
        refused = v1.pay(paymentInstrument=instrument)
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize(
        ("device", "status"),
        [
            ({"deviceOS": "IOS"}, 200),
            ({"deviceOS": "IOS", "merchantCallBackScheme": "shop"}, 200),
            ({"deviceOS": "PALM"}, 400),
            ({}, 400),
        ],
    )
    def test_a_device_is_one_of_two(self, v1, device, status):
        assert in_v1(v1, "UPI_INTENT", deviceContext=device).status_code == status

    def test_what_can_be_paid_with(self, v1):
        path = "/pg/v1/options/PGTESTPAYUAT"
        headers = {"X-VERIFY": v1.seal(path)}
        said = v1("GET", v1.base + path, headers=headers).json()
        assert (said["code"], "allBanks" in said["data"]["netBanking"]) == ("SUCCESS", False)
        everything = v1("GET", v1.base + path + "?includeNetBankingBanksList=true", headers=headers).json()
        assert everything["data"]["netBanking"]["allBanks"]  # the query is no part of the seal
        assert v1("GET", v1.base + path, headers={"X-VERIFY": "x"}).status_code == 401


class TestCustomCheckout:
    @pytest.mark.parametrize(
        ("mode", "members", "seconds"),
        [
            ("UPI_INTENT", {"intentUrl"}, 600),
            ("UPI_QR", {"intentUrl", "qrData"}, 480),
            ("UPI_COLLECT", set(), 480),
            ("CARD", {"redirectUrl"}, 720),
            ("TOKEN", {"redirectUrl"}, 720),
            ("NET_BANKING", {"redirectUrl"}, 480),
        ],
    )
    def test_each_mode_has_its_response_and_lifetime(self, v2, mode, members, seconds):
        said = custom(v2, mode).json()
        assert said.keys() == {"orderId", "state", "expireAt"} | members
        order = Order.objects.get()
        assert (order.expires_at - order.created_at).total_seconds() == seconds

    @pytest.mark.parametrize("mode", list(CUSTOM))
    def test_it_is_paid_with_what_the_shop_has_named(self, v2, mode):
        custom(v2, mode)
        v2.decide("V2-order-1", "success")
        paid = v2.status().json()["paymentDetails"][0]
        assert (paid["paymentMode"], paid["state"]) == (mode, "COMPLETED")
        assert paid["rail"]["type"] == ("UPI" if mode.startswith("UPI") else "PG")

    def test_the_upi_id_is_shown_masked(self, v2):
        custom(v2, "UPI_COLLECT")
        v2.decide("V2-order-1", "success")
        assert v2.status().json()["paymentDetails"][0]["rail"]["vpa"] == "ra****ka@ybl"

    def test_its_events_have_the_prefix_pg(self, v2):
        custom(v2, "UPI_QR")
        v2.decide("V2-order-1", "attempt_failed")
        v2.decide("V2-order-1", "success")
        custom(v2, "UPI_QR", "V2-order-2")
        v2.decide("V2-order-2", "failure")
        assert list(Delivery.objects.order_by("pk").values_list("event", flat=True)) == [
            "pg.transaction.attempt.failed",
            "pg.order.completed",
            "pg.order.failed",
        ]

    def test_it_may_expire_after_two_months(self, v2):
        assert custom(v2, "UPI_QR", expireAfter=5_184_000).status_code == 200
        assert custom(v2, "UPI_QR", "V2-order-2", expireAfter=5_184_001).status_code == 400
        assert custom(v2, "UPI_QR", "V2-order-3", expireAfter=299).status_code == 400

    def test_an_unknown_order_has_another_error(self, v2):
        refused = v2.authorized("GET", "/payments/v2/order/nobody/status")
        assert refused.status_code == 404
        assert refused.json() == {
            "success": False,
            "code": "ORDER_NOT_FOUND",
            "message": "No entry found for SIMMERCHANT, nobody",
            "data": {},
        }

    def test_its_status_and_its_attempt_can_be_read(self, v2):
        custom(v2, "UPI_QR")
        v2.decide("V2-order-1", "success")
        said = v2.authorized("GET", "/payments/v2/order/V2-order-1/status").json()
        attempt = said["paymentDetails"][0]["transactionId"]
        assert v2.authorized("GET", f"/payments/v2/transaction/{attempt}/status").json() == said

    def test_an_id_can_be_used_once_in_both_families(self, v2):
        custom(v2, "UPI_QR")
        assert custom(v2, "UPI_QR").status_code == 417
        assert v2.pay().status_code == 417

    @pytest.mark.parametrize(
        "mode",
        [
            {"type": "CASH"},
            {"type": ["UPI_QR"]},
            {"type": "UPI_QR", "vpa": "x@ybl"},
            {"type": "UPI_COLLECT"},
            {"type": "UPI_COLLECT", "details": {"type": "VPA", "phoneNumber": "9000000001"}},
            {"type": "UPI_COLLECT", "details": {"type": "VPA", "vpa": ""}},
            {"type": "CARD", "cardDetails": {}},
            {"type": "CARD", "cardDetails": {"x": 1}, "savedCard": "yes"},
            {"type": "NET_BANKING", "bankId": 7},
            None,
        ],
    )
    def test_an_invalid_mode_is_refused(self, v2, mode):
        flow = {"type": "PG", "paymentMode": mode, "merchantUrls": {"redirectUrl": BACK}}
        refused = custom(v2, "UPI_QR", paymentFlow=flow)
        assert (refused.status_code, refused.json()["code"]) == (400, "BAD_REQUEST")

    @pytest.mark.parametrize(
        "change",
        [
            {"paymentFlow": {"type": "PG_CHECKOUT", "paymentMode": {"type": "UPI_QR"}}},
            {"paymentFlow": {"type": "PG", "paymentMode": {"type": "NET_BANKING", "bankId": "SBIN"}}},
            {"deviceContext": {"deviceOS": "PALM"}},
            {"constraints": [7]},
            {"undocumented": 1},
            {"amount": 99},
        ],
    )
    def test_what_is_out_of_limits_is_refused(self, v2, change):
        assert custom(v2, "UPI_QR", **change).status_code == 400
        assert not Order.objects.exists()


class TestUpiAddresses:
    @pytest.mark.parametrize(
        ("asked", "valid"),
        [
            ({"type": "VPA", "vpa": "radhika@ybl"}, True),
            ({"type": "VPA", "vpa": "radhika"}, False),
            ({"type": "UPI_NUMBER", "upiNumber": "9000000001"}, True),
            ({"type": "UPI_NUMBER", "upiNumber": "12"}, False),
        ],
    )
    def test_whether_there_is_one_like_this(self, v2, asked, valid):
        assert v2.authorized("POST", "/v2/validate/upi", json=asked).json()["valid"] is valid

    def test_an_invalid_request_is_refused(self, v2):
        for asked in ({}, {"type": "VPA"}, {"type": "UPI_NUMBER", "vpa": "radhika@ybl"}):
            assert v2.authorized("POST", "/v2/validate/upi", json=asked).status_code == 400


class TestThePagesLimits:
    def with_config(self, v2, config):
        flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": BACK}, "paymentModeConfig": config}
        return v2.pay(paymentFlow=flow)

    def test_hiding_every_mode_is_refused(self, v2):
        kinds = ("UPI_INTENT", "UPI_COLLECT", "UPI_QR", "NET_BANKING")
        hidden = [{"type": kind} for kind in kinds]
        cards = {"type": "CARD", "cardTypes": ["DEBIT_CARD", "CREDIT_CARD"]}
        assert self.with_config(v2, {"disabledPaymentModes": [*hidden, cards]}).status_code == 400
        assert self.with_config(v2, {"enabledPaymentModes": []}).status_code == 400
        # A card without card types hides nothing: cards are left.
        assert self.with_config(v2, {"disabledPaymentModes": [*hidden, {"type": "CARD"}]}).status_code == 200

    @pytest.mark.parametrize(
        ("number", "status"), [("9000000001", 200), ("+919000000001", 200), ("12", 400), (7, 400)]
    )
    def test_the_login_number_must_be_an_indian_mobile(self, v2, number, status):
        assert v2.pay(prefillUserLoginDetails={"phoneNumber": number}).status_code == status

    def test_retries_can_be_disabled_in_either_place(self, v2):
        flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": BACK}, "disablePaymentRetry": True}
        v2.pay(paymentFlow=flow)
        v2.decide("V2-order-1", "attempt_failed")
        assert v2.status().json()["state"] == "FAILED"

    def test_an_app_needs_no_redirect_url(self, v2):
        wanted = {"merchantOrderId": "app-1", "amount": 110_000, "paymentFlow": {"type": "PG_CHECKOUT"}}
        for family in ("checkout", "payments"):
            wanted["merchantOrderId"] = f"app-{family}"
            assert v2.authorized("POST", f"/{family}/v2/sdk/order", json=wanted).json()["token"]

    def test_settlement_details_are_returned_on_request(self, v2):
        v2.pay()
        assert "settlementDetails" not in v2.status().json()
        said = v2.status(settlementDetails="True").json()["settlementDetails"]
        assert said == {
            "state": "NOT_INITIATED",
            "splitSettlementDetails": [],
            "accountsSettlementDetails": [],
        }


def test_telemetry_of_the_sdks_is_accepted_and_ignored(v2):
    for path in ("apis/pg-ingestion/client/v1/backend/events/batch", "apis/hermes/plugin/ingest-event"):
        assert v2("POST", path, json={"events": []}).status_code == 200
