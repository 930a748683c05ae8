import pytest

from simulator.models import Fault, Merchant, Order

OPS = {"X-Ops-Token": "tests-only-ops-token"}
FORWARDING_HEADERS = [
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Server"),
    *("X-Forwarded", "X-Original-Forwarded-For", "Forwarded", "Forwarded-For", "Via", "X-Real-IP"),
    *("CF-Connecting-IP", "CF-Ray", "CF-Visitor", "True-Client-IP", "X-Client-IP", "Client-IP", "CDN-Loop"),
    *("X-Cluster-Client-IP", "Fastly-Client-IP", "Fly-Client-IP", "X-Azure-ClientIP", "X-Appengine-User-IP"),
    *("X-ProxyUser-IP", "Proxy-Connection", "X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Remote-Addr"),
    *("X-Original-URL", "X-Originating-IP", "X-Host", "X-Scheme", "CloudFront-Viewer-Address", "X-Remote-IP"),
    *("X-Vercel-Forwarded-For", "X-Cloud-Trace-Context", "X-ARR-SSL", "X-Akamai-Edgescape", "X-Source-IP"),
]


def test_an_order_is_shown_with_its_attempts_and_refunds(v2):
    v2.pay()
    v2.decide("V2-order-1", "attempt_failed")
    v2.decide("V2-order-1", "success")
    v2.refund(amount=10_000)
    shown = v2.control("orders/V2-order-1/").json()
    assert (shown["state"], shown["amount_paise"], shown["generation"]) == ("COMPLETED", 110_000, "v2")
    assert [attempt["state"] for attempt in shown["attempts"]] == ["FAILED", "COMPLETED"]
    assert shown["refunds"][0]["amount_paise"] == 10_000
    assert v2.control("orders/").json()["orders"][0]["merchant_order_id"] == "V2-order-1"


def test_the_account_shows_paid_and_refunded_sums(v1, v2):
    v1.pay(amount=10_000)
    v1.decide("V1-order-1", "success")
    v2.pay("a")
    v2.pay("b")
    v2.decide("a", "success")
    v2.refund("r1", "a", 30_000)
    v2.control("clock/", {"advance": 5})
    v2.refund("r2", "a", 20_000)
    books = {merchant["merchant_id"]: merchant for merchant in v2.control("account/").json()["merchants"]}
    assert books["PGTESTPAYUAT"]["paid_paise"] == 10_000
    assert books["SIMMERCHANT"] == {
        "merchant_id": "SIMMERCHANT",
        "generation": "v2",
        "orders": 2,
        "paid_paise": 110_000,
        "refunded_paise": 30_000,
        "refunds_open_paise": 20_000,
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operation": "pay"},
        {"operation": "pay", "fault": "earthquake"},
        {"operation": "pay", "fault": "duplicate"},
        {"operation": "refuse", "fault": "pay"},
        {"operation": ["pay"], "fault": "refuse"},
        {"operation": "pay", "fault": ["refuse"]},
        {"operation": "pay", "fault": "refuse", "times": 0},
        {"operation": "pay", "fault": "refuse", "times": "2"},
        {"operation": "pay", "fault": "refuse", "argument": "-1"},
        {"operation": "pay", "fault": "refuse", "carried_out": "yes"},
        {"operation": "webhook", "fault": "forged", "carried_out": False},
        {"operation": "webhook", "fault": "duplicate", "carried_out": False},
        {"operation": "webhook", "fault": "duplicate", "argument": "0"},
    ],
)
def test_an_invalid_fault_is_not_armed(v2, body):
    assert v2.control("faults/", body).status_code == 400
    assert not Fault.objects.exists()


def test_a_fault_of_a_sent_webhook_cannot_have_carried_out_false(v2):
    told = v2.arm("webhook", "forged", carried_out=False).json()["error"]
    assert (
        told == "carried_out cannot be false for forged: it strikes a webhook that is sent. drop sends none"
    )
    assert v2.arm("webhook", "reset_after", carried_out=False).status_code == 200


def test_armed_faults_are_listed_until_they_have_struck(v2):
    v2.arm("pay", "status_500")
    assert v2.control("faults/").json()["faults"][0]["kind"] == "status_500"
    v2.pay()
    assert v2.control("faults/").json()["faults"] == []


def test_an_impossible_outcome_is_refused(v2):
    v2.pay()
    assert v2.decide("nobody", "success").status_code == 404
    assert v2.decide("V2-order-1", "teleport").status_code == 400
    assert v2.decide("V2-order-1", "success", amount_paise="lots").status_code == 400
    assert v2.control("refunds/nobody/decide/", {"outcome": "success"}).status_code == 404
    assert v2.control("nothing/").status_code == 404
    assert v2("POST", "control/clock/", data=b"[").status_code == 400
    assert v2.control("clock/", {"advance": -1}).status_code == 400
    assert Order.objects.get().state == "PENDING"


def test_the_webhook_url_of_a_merchant_can_be_changed(v2):
    v2.pay()
    change = {"webhook_url": "http://shop.example/hook", "webhook_scheme": "hmac"}
    assert v2.control("merchants/SIMMERCHANT/", change).status_code == 200
    merchant = Merchant.objects.get(merchant_id="SIMMERCHANT")
    assert (merchant.webhook_url, merchant.webhook_scheme) == ("http://shop.example/hook", "hmac")
    assert v2.control("merchants/SIMMERCHANT/", {"webhook_scheme": "none"}).status_code == 400
    assert v2.control("merchants/NOBODY/", change).status_code == 404


def test_a_reset_deletes_everything_but_the_merchants(v2):
    v2.pay()
    v2.decide("V2-order-1", "success")
    v2.refund()
    v2.arm("pay", "refuse")
    v2.control("clock/", {"advance": 3600})
    v2.control("reset/", {})
    assert v2.control("orders/").json() == {"orders": []}
    assert v2.control("faults/").json() == {"faults": []}
    assert Merchant.objects.exists()
    v2.token = ""
    assert v2.pay().status_code == 200


class TestWhoMayControl:
    PATH = "/simulator/control/account/"

    def test_local_callers_may_control(self, client, db):
        assert client.get(self.PATH).status_code == 200

    @pytest.mark.parametrize("address", ["203.0.113.9", "", "nonsense"])
    def test_remote_callers_need_the_ops_token(self, client, db, address):
        assert client.get(self.PATH, REMOTE_ADDR=address).status_code == 403
        assert client.get(self.PATH, REMOTE_ADDR=address, headers=OPS).status_code == 200

    def test_behind_a_proxy_all_callers_need_the_ops_token(self, client, db, settings):
        settings.NUM_PROXIES = 1
        assert client.get(self.PATH).status_code == 403
        assert client.get(self.PATH, headers={"X-Ops-Token": "guess"}).status_code == 403
        assert client.get(self.PATH, headers=OPS).status_code == 200

    def test_an_empty_ops_token_matches_nothing(self, client, db, settings):
        settings.NUM_PROXIES, settings.OPS_TOKEN = 1, ""
        assert client.get(self.PATH, headers={"X-Ops-Token": ""}).status_code == 403

    @pytest.mark.parametrize("name", FORWARDING_HEADERS)
    def test_whoever_is_forwarded_is_not_near(self, client, db, name):
        assert client.get(self.PATH, headers={name: "127.0.0.1"}).status_code == 403
        assert client.get(self.PATH, headers={name: "127.0.0.1", **OPS}).status_code == 200

    @pytest.mark.parametrize("name", ["User-Agent", "Traceparent", "X-Request-Id", "Origin", "If-None-Match"])
    def test_headers_of_plain_clients_forward_nothing(self, client, db, name):
        value = "http://testserver" if name == "Origin" else "anything"
        assert client.get(self.PATH, headers={name: value}).status_code == 200

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "8.8.8.8", "[2001:db8::1]:80"]
    )
    def test_a_foreign_name_that_leads_to_this_machine_is_not_near(self, client, db, settings, host):
        settings.ALLOWED_HOSTS = ["*"]
        assert client.get(self.PATH, headers={"Host": host}).status_code == 403

    @pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "shop.localhost:80"])
    def test_names_of_this_machine_are_near(self, client, db, settings, host):
        settings.ALLOWED_HOSTS = ["*"]
        assert client.get(self.PATH, headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://testserver:81"])
    def test_a_page_of_another_origin_is_refused_without_fetch_metadata(self, client, db, origin):
        assert client.post("/simulator/control/reset/", headers={"Origin": origin}).status_code == 403

    def test_a_cross_site_request_is_refused(self, client, db):
        assert (
            client.post("/simulator/control/reset/", headers={"Sec-Fetch-Site": "cross-site"}).status_code
            == 403
        )

    def test_without_simulation_mode_it_answers_404(self, client, db, settings):
        settings.PHONEPE_SIMULATION_MODE = False
        for path in (self.PATH, "/simulator/apis/pg/checkout/v2/pay", "/simulator/transact/x/"):
            assert client.get(path, headers=OPS).status_code == 404
