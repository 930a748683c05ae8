"""The control door is described as it is."""

import pytest
from drf_spectacular.validation import validate_schema

from simulator import control, openapi

OPS = {"X-Ops-Token": "tests-only-ops-token"}


def test_the_description_is_valid_openapi():
    validate_schema(openapi.document())


def test_every_route_has_a_description():
    described = openapi.paths()
    assert sum(len(methods) for methods in described.values()) == len(control.ROUTES)
    for route in control.ROUTES:
        if route.method == "POST":
            assert route.handler.__name__ in openapi.BODIES


def test_a_body_made_of_described_members_is_understood(v2):
    v2.pay()
    wishes = {
        "faults/": {
            "operation": "pay",
            "fault": "html",
            "times": 1,
            "call": 2,
            "about": "x",
            "argument": "403",
        },
        "orders/V2-order-1/decide/": {"outcome": "slow", "seconds": 5, "reason": "ZM", "amount_paise": 500},
        "clock/": {"advance": 1, "stopped": False},
        "reset/": {"seed": 1, "percent": {"pay": 1}},
    }
    for path, wish in wishes.items():
        assert v2.control(path, wish).status_code == 200, path


def test_it_is_served_to_the_operator_only(client, db, settings):
    path = "/simulator/control/openapi.json"
    assert client.get(path).json()["openapi"] == "3.0.3"
    assert client.get(path, REMOTE_ADDR="203.0.113.9").status_code == 403
    settings.PHONEPE_SIMULATION_MODE = False
    assert client.get(path, headers=OPS).status_code == 404


@pytest.mark.parametrize(
    "path", ["/simulator/control/faults/", "/simulator/control/orders/{merchant_order_id}/"]
)
def test_the_schema_of_the_site_contains_it(client, db, path):
    said = client.get("/api/schema/", headers={"Accept": "application/vnd.oai.openapi+json"}).json()
    assert path in said["paths"]


def test_without_simulation_the_schema_of_the_site_omits_it(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    assert openapi.add_control({"paths": {}}) == {"paths": {}}
