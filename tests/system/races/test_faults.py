"""Every fault that the simulated PhonePe knows, over sockets, in both protocols: what the merchant has in the end."""

from dataclasses import replace

import pytest
from django.core.cache import cache

from payment import gateways
from payment.phonepe import client, credentials, transport
from simulator import faults
from tests.harness.installation import WEBHOOK
from tests.harness.processes import Simulator
from tests.system.races.faults import PAISE, End, FaultScenario, Row, rows

pytestmark = [pytest.mark.proof(every=52), pytest.mark.sockets, pytest.mark.django_db(transaction=True)]

NEVER_LONG = "refuse connect_timeout reset_before reset_after never_answer delay"
ANSWERED = "status_500 status_502 status_503 status_429 html html=200 cut_json wrong_content_type"
WRONG_CLOCK = "clock_off clock_off=-7200"

# V2 only: in V1 every message carries its own proof.
TOKEN_ROWS = rows("token", f"{NEVER_LONG} {ANSWERED} {WRONG_CLOCK} says=OIM004")
PAY_ROWS = rows("pay", f"{NEVER_LONG} {ANSWERED} {WRONG_CLOCK} status_429=1 expired_token says=BAD_REQUEST")
STATUS_ROWS = rows("status", f"{NEVER_LONG} {ANSWERED} clock_off expired_token says=ORDER_NOT_FOUND")

REFUND_ROWS = rows("refund", f"{NEVER_LONG} {ANSWERED} clock_off expired_token says=BAD_REQUEST")
REFUND_STATUS_ROWS = rows(
    "refund_status", f"{NEVER_LONG} {ANSWERED} clock_off expired_token says=INTERNAL_SERVER_ERROR"
)
MONEY_BACK_ROWS = rows("money_back", "slow fails")

RECEIPT = ("RECEIPT", PAISE)
BOOKED = End(("CONFIRMED",), "BOOKED", (RECEIPT,), (PAISE, 0))
GIVEN_BACK = End(("CANCELLED",), "BOOKED", (RECEIPT, ("REFUND", -PAISE)), (PAISE, PAISE))

# What is kept of the webhooks: (state, how often it came, what is odd about it).
ONCE, TWICE = [("HANDLED", 1, "")], [("HANDLED", 2, "")]
KEPT = {
    # The shop has it although PhonePe does not know it, and says it again …
    **dict.fromkeys(("reset_after", "never_answer", "cut_json", "duplicate"), TWICE),
    # … or it comes late, or only when it is said again …
    **dict.fromkeys(
        ("refuse", "connect_timeout", "reset_before", "status_500", "status_503", "status_429"), ONCE
    ),
    **dict.fromkeys(("html", "delay", "reorder", "forged", "other_scheme", "huge"), ONCE),
    # … or never …
    "drop": [],
    # … or it is not true, and PhonePe's answer to our question is.
    "wrong_amount": [("HANDLED", 1, "it says 109900 paise, the order is about 110000")],
    "unknown_order": [("UNMATCHED", 1, "")],
    # … or nobody knows its word: the money is booked, and a person looks at the event.
    "unknown_event": [("NEEDS_REVIEW", 1, "")],
}

HELD = End((), "HELD_FOR_STAFF", (("SUSPENSE", PAISE - 100),), (PAISE - 100, 0))
MONEY_IN = {
    "slow": BOOKED,
    "after_expiry": BOOKED,
    "after_failure": BOOKED,
    "attempt_fails": BOOKED,
    "other_amount": HELD,
    "dashboard_refund": None,  # see below
}

# In V1 nobody can tell whose refund it was: PhonePe names only the refund. Staff must look at it.
LIES_ON_THE_DESK = End(("CONFIRMED",), "BOOKED", (RECEIPT,), (PAISE, PAISE))


def after_a_refund_by_hand(scenario: FaultScenario) -> End:
    if scenario.generation == "v2":
        return GIVEN_BACK
    assert ("UNMATCHED", 1, "") in scenario.events()
    return LIES_ON_THE_DESK


def refuses(row: Row, generation: str) -> bool:
    """PhonePe says no, and means it: the payment has failed. A token can be renewed; V1 has none."""
    return row.fault == "says" or (row.fault == "expired_token" and generation == "v1")


@pytest.fixture(scope="module")
def phonepe():
    with Simulator() as simulator:
        yield simulator


@pytest.fixture(params=["v1", "v2"])
def generation(request):
    return request.param


@pytest.fixture
def scenario(generation, phonepe, live_server, settings, monkeypatch):
    gateways._gateway.cache_clear()
    cache.clear()
    monkeypatch.setattr(client, "BACKOFF_BASE_SECONDS", 0)
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = generation
    settings.PHONEPE_BASE_URL = phonepe.base_url
    for name, value in (credentials.SIMULATED_V1 if generation == "v1" else credentials.SIMULATED).items():
        setattr(settings, f"PHONEPE_{name.upper()}", value)
    settings.PHONEPE_READ_TIMEOUT = 1
    settings.PUBLIC_BASE_URL = live_server.url
    phonepe.control("reset/", {})
    phonepe.control("clock/", {"stopped": True})
    for merchant in ("PGTESTPAYUAT", "SIMMERCHANT"):
        phonepe.control(f"merchants/{merchant}/", {"webhook_url": live_server.url + WEBHOOK})
    yield FaultScenario(generation, phonepe, live_server.url)
    transport.session().close()


def test_every_fault_that_phonepe_knows_has_a_row_here():
    called = (*TOKEN_ROWS, *PAY_ROWS, *STATUS_ROWS, *REFUND_ROWS, *REFUND_STATUS_ROWS, *MONEY_BACK_ROWS)
    covered = {(row.operation, row.fault) for row in called}
    covered |= {("webhook", fault) for fault in KEPT} | {("money_in", fault) for fault in MONEY_IN}
    assert covered == {(operation, fault) for operation, known in faults.KINDS.items() for fault in known}


@pytest.mark.parametrize("generation", ["v2"])
@pytest.mark.parametrize("row", TOKEN_ROWS, ids=str)
def test_whatever_breaks_while_a_token_is_fetched_there_is_one_booking_and_one_receipt(scenario, row):
    scenario.inject_fault(row)
    assert scenario.click() == (502 if refuses(row, scenario.generation) else 201)
    scenario.pay()
    assert scenario.faults_left() == []
    assert scenario.end_state() == BOOKED


@pytest.mark.parametrize("row", PAY_ROWS, ids=str)
def test_whatever_breaks_while_an_order_is_opened_there_is_one_booking_and_one_receipt(scenario, row):
    scenario.inject_fault(row)
    assert scenario.click() == (502 if refuses(row, scenario.generation) else 201)
    scenario.pay()
    assert scenario.faults_left() == []
    assert scenario.end_state() == BOOKED


@pytest.mark.parametrize("row", STATUS_ROWS, ids=str)
def test_whatever_breaks_while_phonepe_is_asked_there_is_one_booking_and_one_receipt(scenario, row):
    assert scenario.click() == 201
    scenario.inject_fault(row)
    scenario.pay()
    assert scenario.faults_left() == []
    assert scenario.end_state() == BOOKED


@pytest.mark.parametrize("fault", KEPT)
def test_whatever_becomes_of_a_webhook_there_is_one_booking_and_one_receipt(scenario, fault):
    assert scenario.click() == 201
    scenario.inject_fault(Row("webhook", fault))
    scenario.pay(comes_back=False)
    assert scenario.faults_left() == []
    assert scenario.end_state() == BOOKED
    assert scenario.events() == KEPT[fault]


@pytest.mark.parametrize("fault", MONEY_IN)
def test_however_money_comes_it_is_booked_or_waits_for_staff(scenario, fault):
    assert scenario.click() == 201
    scenario.inject_fault(Row("money_in", fault))
    scenario.pay()
    assert scenario.faults_left() == []
    end = scenario.end_state()
    assert end == (MONEY_IN[fault] or after_a_refund_by_hand(scenario))


@pytest.mark.parametrize("row", REFUND_ROWS + MONEY_BACK_ROWS, ids=str)
def test_whatever_breaks_while_money_is_sent_back_it_goes_back_once_and_whole(scenario, row):
    scenario.click()
    scenario.pay()
    scenario.inject_fault(row)
    scenario.cancel()
    assert scenario.end_state() == GIVEN_BACK
    assert scenario.faults_left() == []


@pytest.mark.parametrize("row", REFUND_STATUS_ROWS, ids=str)
def test_whatever_breaks_while_a_refund_is_asked_about_it_goes_back_once_and_whole(scenario, row):
    """V1 asks about refunds where it asks about payments."""
    scenario.click()
    scenario.pay()
    scenario.inject_fault(replace(row, operation="status") if scenario.generation == "v1" else row)
    scenario.cancel()
    assert scenario.end_state() == GIVEN_BACK
    assert scenario.faults_left() == []


def test_a_failure_that_is_told_after_the_success_takes_nothing_away(scenario):
    scenario.click()
    scenario.inject_fault(Row("money_in", "after_failure"))
    scenario.inject_fault(Row("webhook", "reorder"))
    scenario.pay(comes_back=False)
    assert scenario.end_state() == BOOKED
    assert len(scenario.events()) == 2


def test_a_refund_that_is_told_before_its_payment_is_in_the_books_all_the_same(scenario):
    scenario.click()
    scenario.inject_fault(Row("money_in", "dashboard_refund"))
    scenario.inject_fault(Row("webhook", "reorder"))
    scenario.pay(comes_back=False)
    end = scenario.end_state()
    assert end == after_a_refund_by_hand(scenario)
