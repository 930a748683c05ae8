"""What people see of the layers."""

import pytest

from diagnostics import render
from diagnostics.enums import Culprit, Verdict


def layer_json(layer, ok, family="", detail=""):
    return {
        "layer": layer,
        "ok": ok,
        "family": family,
        "detail": detail,
        "target": "x:443",
        "ms": 1,
        "finding": "",
    }


def short(stage, reachable=False):
    return {"endpoint": "api.phonepe.com", "stage": stage, "reachable": reachable}


def states(route):
    return [(each.name, each.state) for each in route.steps]


@pytest.mark.parametrize(
    ("stage", "reachable", "drawn"),
    [
        ("NONE", False, ["bad", "unseen", "unseen", "unseen"]),
        ("DNS", False, ["good", "bad", "unseen", "unseen"]),
        ("TCP", False, ["good", "good", "bad", "unseen"]),
        ("PROXY", False, ["good", "good", "bad", "unseen"]),
        ("TLS", False, ["good", "good", "good", "bad"]),
        ("HTTP", True, ["good"] * 4),
    ],
)
def test_the_first_failed_step_is_marked_in_the_short_form_too(stage, reachable, drawn):
    [route] = render.routes(short(stage, reachable))
    assert [state for _, state in states(route)] == drawn


def test_each_address_family_has_a_route_of_its_own_with_the_common_steps_in_both():
    layers = [
        layer_json("dns", True, "ipv4"),
        layer_json("dns", True, "ipv6"),
        layer_json("tcp", False, "ipv6"),
        layer_json("tcp", True, "ipv4"),
        layer_json("credentials", True),
    ]
    four, six = render.routes({"endpoint": "x", "ladder": layers})

    assert (four.family, six.family) == ("IPv4", "IPv6")
    assert states(four) == [("Find the address", "good"), ("Connect", "good"), ("Be recognised", "good")]
    assert states(six)[:2] == [("Find the address", "good"), ("Connect", "bad")]


def test_steps_that_were_not_reached_are_neutral():
    [route] = render.routes({"endpoint": "x", "ladder": [layer_json("dns", True), layer_json("tcp", False)]})

    assert states(route)[2:] == [("Encrypt", "unseen"), ("Get an answer", "unseen")]


def test_a_check_without_a_result_is_neutral():
    [route] = render.routes({"endpoint": "x", "ladder": [layer_json("http", None)]})
    assert states(route) == [("Get an answer", "unseen")]


@pytest.mark.parametrize("culprit", Culprit.values)
def test_every_culprit_has_a_plain_label(culprit):
    assert render.who_acts({"culprit": culprit})


@pytest.mark.parametrize(
    ("verdict", "success", "severity"),
    [
        (Verdict.OK, True, "good"),
        (Verdict.SIMULATED, True, "simulated"),
        (Verdict.MAIL_DOWN, False, "hampered"),
        (Verdict.BROKER_DOWN, False, "hampered"),
        (Verdict.DATABASE_DOWN, False, "bad"),
    ],
)
def test_minor_faults_are_shown_as_minor(verdict, success, severity):
    assert render.severity({"verdict": verdict.value, "success": success}) == severity


def test_times_are_formatted_for_people():
    assert render.format_time("2026-11-23T05:46:58+05:30") == "23 Nov 2026, 05:46:58 (IST)"
