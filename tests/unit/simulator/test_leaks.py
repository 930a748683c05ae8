"""Simulation cannot leak: not into production, not to strangers, not into the ids and the accounts of real money."""

import hashlib

import pytest
import responses

from okpuja.environment import simulator_credentials
from payment.models import LedgerEntry, Payment
from payment.services.checkout import start_donation, start_payment
from payment.services.status import refresh
from simulator import destinations
from simulator.models import Delivery, Merchant, Order
from simulator.webhook_deliveries import send_due
from tests.harness import builders
from tests.harness.phonepe import PhonePe
from tests.unit.okpuja.test_settings import start

OPS = {"X-Ops-Token": "tests-only-ops-token"}
DOORS = [
    "/simulator/",
    "/simulator/control/account/",
    "/simulator/control/openapi.json",
    "/simulator/apis/pg-sandbox/pg/v1/status/PGTESTPAYUAT/x",
    "/simulator/transact/x/",
]


@pytest.fixture
def payment(alice, package, slot):
    return start_payment(alice, cart_id=builders.make_cart(alice, package, slot.starts_at).pk).payment


@pytest.mark.slow
def test_a_project_that_takes_real_money_does_not_start_with_simulation():
    said = start(PHONEPE_ENV="PRODUCTION", PHONEPE_SIMULATION_MODE="True")
    assert said.returncode != 0
    assert "PHONEPE_SIMULATION_MODE is on" in said.stderr


@pytest.mark.parametrize("door", DOORS)
def test_without_simulation_every_route_answers_404_even_for_the_operator(client, db, settings, door):
    settings.PHONEPE_SIMULATION_MODE = False
    for method in (client.get, client.post):
        assert method(door, headers=OPS).status_code == 404


@pytest.mark.parametrize("door", DOORS[:3])
def test_from_another_machine_the_control_api_needs_the_ops_token(client, db, door):
    assert client.get(door, REMOTE_ADDR="203.0.113.9").status_code == 403
    assert client.get(door, REMOTE_ADDR="203.0.113.9", headers=OPS).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestSimulatedMoney:
    def test_its_ids_cannot_be_mistaken_for_real_ones(self, payment):
        order = Order.objects.get()
        assert order.merchant_order_id.startswith("SIM")
        assert Payment.objects.get().reference.startswith("SIM-")

    def test_simulated_payments_are_marked(self, payment, client):
        attempt = payment.attempts.get()
        PhonePe().decide(attempt.merchant_order_id)
        client.get(f"/api/payments/payments/{payment.pk}/status/")
        assert attempt.simulated
        assert Payment.objects.get().simulated
        assert not LedgerEntry.objects.filter(simulated=False).exists()


class TestDestinations:
    """Whoever calls the API names addresses; the simulator inside a site must not reach others by them."""

    FOREIGN = [
        "http://169.254.169.254/latest/meta-data/",
        "http://127.0.0.1:6379/",
        "http://localhost/admin/",
        "http://testserver:8080/",
        "https://testserver/",
        "http://testserver@evil.example/",
        "http://evil.example#@testserver/",
        "http://testserver\\@evil.example/",
        "http://testserver.evil.example/",
        "http://evil.example\\@testserver/",
        "//evil.example/",
    ]

    MALFORMED = [
        "http://x@169.254.169.254/",
        "http://shop@169.254.169.254/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1/ x",
        "ftp://evil/",
        "//evil.example/",
        "http:///path",
        "http://[::1/",
        "",
    ]

    @pytest.fixture(autouse=True)
    def addresses_of_the_site(self, settings, own_addresses):
        settings.PUBLIC_BASE_URL, settings.FRONTEND_BASE_URL = "http://testserver", "http://frontend.example"

    @pytest.mark.parametrize("url", FOREIGN)
    def test_no_webhook_leaves_the_site(self, v1, v2, url):
        v1.pay()
        v1.decide("V1-order-1", "success")
        v2.pay()
        v2.decide("V2-order-1", "success")
        Delivery.objects.update(url=url)
        with responses.RequestsMock():  # fails for every request
            send_due()
        assert set(Delivery.objects.values_list("last_error", flat=True)) == {
            "not sent: this is no address of the shop"
        }

    @pytest.mark.parametrize("url", FOREIGN)
    def test_no_webhook_address_of_others_is_registered(self, v2, url):
        v2.pay()
        assert v2.control("merchants/SIMMERCHANT/", {"webhook_url": url}).status_code == 400
        assert not Merchant.objects.exclude(webhook_url="").exists()

    def test_a_v1_callback_goes_to_the_site_only(self, v1):
        v1.pay(callbackUrl="http://10.0.0.1/internal")
        v1.decide("V1-order-1", "success")
        with responses.RequestsMock():
            send_due()
        assert Delivery.objects.get().tries == 1

    @pytest.mark.parametrize("url", FOREIGN)
    @pytest.mark.parametrize("mode", ["REDIRECT", "POST"])
    def test_the_page_sends_nobody_elsewhere(self, client, v1, url, mode):
        v1.pay(redirectMode=mode)
        Order.objects.update(redirect_url=url)
        order = Order.objects.get()
        answer = client.post(f"/simulator/transact/{order.page_token}/", {"choice": "success"})
        assert (answer.status_code, answer.get("Location")) == (409, None)
        assert b"<script" not in answer.content
        assert b'action="http' not in answer.content

    @pytest.mark.parametrize("site", ["http://testserver", "http://frontend.example"])
    def test_the_customer_returns_to_the_shop(self, client, v2, site):
        flow = {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": f"{site}/back?order=1"}}
        v2.pay(paymentFlow=flow)
        order = Order.objects.get()
        answer = client.post(f"/simulator/transact/{order.page_token}/", {"choice": "success"})
        assert answer["Location"] == f"{site}/back?order=1"

    @pytest.mark.parametrize(
        ("url", "allowed"),
        [
            ("http://127.0.0.1:8001/hook", True),
            ("http://[::1]/hook", True),
            ("http://shop:8000/hook", True),
            ("http://localhost.evil.example/", False),
            ("http://10.0.0.1/", False),
        ],
    )
    def test_a_process_of_its_own_reaches_this_machine_and_named_hosts(self, settings, url, allowed):
        settings.SIMULATOR_ALLOWED_HOSTS = {"shop"}
        assert destinations.is_allowed(url) is allowed

    @pytest.mark.parametrize("hosts", [set(), {""}, {"shop", ""}, {"evil", "169.254.169.254"}])
    @pytest.mark.parametrize("url", MALFORMED)
    def test_what_is_no_plain_address_is_never_called(self, settings, hosts, url):
        settings.SIMULATOR_ALLOWED_HOSTS = hosts
        assert not destinations.is_allowed(url)


class TestKeys:
    """Of the simulator inside a site: random in each installation, known to the shop."""

    @pytest.fixture
    def own_keys(self, settings):
        settings.SIMULATOR_CREDENTIALS = simulator_credentials("the-secret-key-of-this-installation")

    @pytest.mark.django_db(transaction=True)
    def test_the_shop_pays_with_them(self, own_keys, alice, cart, generation):
        payment = start_payment(alice, cart_id=cart.pk).payment
        PhonePe().decide(payment.attempts.get().merchant_order_id)
        assert refresh(payment, 5, "test").state == "SUCCESS"

    def test_the_published_ones_open_nothing(self, own_keys, v1, v2):
        assert v1.pay().status_code == 401
        assert v2.fetch_token().status_code == 401

    def test_rows_of_an_earlier_release_follow(self, v1, v2, settings):
        assert v1.pay("before").status_code == v2.fetch_token().status_code == 200
        settings.SIMULATOR_CREDENTIALS = simulator_credentials("the-secret-key-of-this-installation")
        assert v1.pay("after").status_code == v2.fetch_token().status_code == 401
        assert Merchant.objects.get(generation="v2").webhook_secret != "sim-hmac-secret"

    def test_a_forged_webhook_with_the_published_login_is_refused(self, own_keys, client, db):
        login = hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
        answer = client.post(
            "/api/payments/webhook/phonepe/",
            {"event": "checkout.order.completed", "payload": {}},
            content_type="application/json",
            headers={"Authorization": login},
        )
        assert answer.status_code == 401

    def test_each_installation_has_others(self):
        one, other = simulator_credentials("one"), simulator_credentials("other")
        for generation in ("v1", "v2"):
            secrets = one[generation].keys() - {"merchant_id"}
            assert all(one[generation][name] != other[generation][name] for name in secrets)
            assert all(len(one[generation][name]) >= 20 for name in secrets)


@pytest.mark.django_db(transaction=True)
class TestStrangers:
    DEMO = "/api/payments/payments/simulate-payment-success/"

    def test_behind_a_proxy_strangers_run_no_demo(self, client, alice, api):
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        assert client.get(self.DEMO, headers=forwarded).status_code == 401
        assert api(alice).get(self.DEMO, headers=forwarded).status_code == 403
        assert not Payment.objects.exists()

    def test_a_guests_payment_is_decided_by_nobody_else(self, client, alice, api):
        payment = start_donation(None, amount_paise=110_000).payment
        forwarded = {"X-Forwarded-For": "203.0.113.9"}
        for caller in (api(), api(alice)):
            assert caller.post(self.DEMO, {"payment_id": payment.pk}, headers=forwarded).status_code == 404
        payment.refresh_from_db()
        assert payment.state != "SUCCESS"

    def test_the_ops_token_runs_it_from_anywhere(self, client):
        answer = client.get(self.DEMO, headers={"X-Forwarded-For": "203.0.113.9", **OPS})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
