"""Simulation cannot leak: not into production, not to strangers, not into the ids and the books of real money."""

import pytest

from payment.models import LedgerEntry, Payment
from payment.services.checkout import start_payment
from simulator.models import Order
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
