"""Every code of PhonePe that our table knows leads to whom the table names, in the table's words."""

from dataclasses import replace

import pytest

from diagnostics.enums import Culprit, Verdict
from diagnostics.probes import probe_status
from diagnostics.verdicts import conclude
from payment.gateways import PhonePeGateway
from payment.phonepe import credentials
from payment.phonepe.response_codes import MEANINGS, Actor
from payment.phonepe.transport import Deadline, Session
from payment.phonepe.v1 import STATUS_CODES
from tests.harness.fake_phonepe import FakePhonePe
from tests.unit.diagnostics.test_rules import evidence, failing, probe

pytestmark = pytest.mark.sockets


@pytest.fixture(scope="module")
def phonepe():
    with FakePhonePe() as server:
        yield server


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("code", MEANINGS)
def test_a_known_code_takes_culprit_and_words_from_the_table(settings, phonepe, code, status):
    settings.PHONEPE_SIMULATION_MODE, settings.PHONEPE_API_VERSION = False, "v1"
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "MERCHANTOKPUJA", "a-salt-key"
    settings.PHONEPE_BASE_URL, settings.PHONEPE_MAX_RETRIES = f"http://127.0.0.1:{phonepe.port}", 0
    phonepe.answer = (status, {"success": False, "code": code, "message": "PhonePe's own sentence"})
    found = probe_status(PhonePeGateway(credentials.current(), session=Session()), Deadline(5))
    is_about_orders = MEANINGS[code].actor in {Actor.CUSTOMER, Actor.NOBODY}
    if (code in STATUS_CODES and status < 500) or (is_about_orders and status == 200):
        assert found.verdict is None  # how an order stands: PhonePe has read the request
        return
    [conclusion] = conclude(evidence(probe(), status_results=(replace(found, target=probe().target),)))
    known = MEANINGS[code]
    assert conclusion.culprit is Culprit.of(known)
    assert known.cause in conclusion.next_action
    assert known.where in conclusion.next_action
    assert status == 200 or "PhonePe's own sentence" in conclusion.next_action
    assert (conclusion.verdict is Verdict.PHONEPE_DOWN) <= (conclusion.culprit is Culprit.PHONEPE)


@pytest.fixture
def v2(settings, phonepe):
    settings.PHONEPE_SIMULATION_MODE, settings.PHONEPE_API_VERSION = False, "v2"
    settings.PHONEPE_CLIENT_ID, settings.PHONEPE_CLIENT_SECRET = "CLIENTOKPUJA", "a-client-secret"
    settings.PHONEPE_BASE_URL, settings.PHONEPE_MAX_RETRIES = f"http://127.0.0.1:{phonepe.port}", 0


@pytest.mark.parametrize(
    ("status", "said", "verdict"),
    [
        (401, {}, Verdict.BAD_CREDENTIALS),
        (401, {"code": "TOKEN_REVOKED"}, Verdict.BAD_CREDENTIALS),
        (
            400,
            {"error": "invalid_client", "error_description": "Bad client credentials"},
            Verdict.BAD_CREDENTIALS,
        ),
        (400, {"message": "Client does not exist"}, Verdict.WRONG_ENVIRONMENT),
        (404, {"message": "Merchant Not Found"}, Verdict.WRONG_ENVIRONMENT),
        (404, {"message": "Client id not found"}, Verdict.WRONG_ENVIRONMENT),
        (403, {"message": "Forbidden"}, Verdict.HTTP_BLOCKED),
        (403, {}, Verdict.HTTP_BLOCKED),
        (403, {"code": "FORBIDDEN"}, Verdict.MISCONFIGURED),
        (405, {"message": "Method Not Allowed"}, Verdict.WRONG_BASE_URL),
        (410, {"message": "gone"}, Verdict.WRONG_BASE_URL),
        (400, {"error": "Api Mapping Not Found"}, Verdict.WRONG_BASE_URL),
        (404, {"message": "no route and no API found with those values"}, Verdict.WRONG_BASE_URL),
        (307, {}, Verdict.HTTP_BLOCKED),
    ],
)
def test_an_answer_without_a_known_code_is_judged_by_status_and_words(v2, phonepe, status, said, verdict):
    phonepe.answer = (status, said)
    found = probe_status(PhonePeGateway(credentials.current(), session=Session()), Deadline(5))
    assert found.verdict is verdict
    assert found.is_redirect is (status == 307)


def test_a_status_request_that_had_no_time_accuses_nobody_outside(v2, phonepe):
    late = probe_status(PhonePeGateway(credentials.current(), session=Session()), Deadline(0))
    assert late.is_late
    assert late.failure is None
    late = replace(late, target=probe().target)
    [conclusion] = conclude(evidence(probe(), status_results=(late,)))
    assert (conclusion.verdict, conclusion.culprit) == (Verdict.SERVER_OVERLOADED, Culprit.THIS_SERVER)


@pytest.mark.parametrize(("hop", "fault"), [("database", "down"), ("cache", "hangs")])
def test_a_hop_of_ours_that_took_the_time_is_told_alone(v2, phonepe, hop, fault):
    late = probe_status(PhonePeGateway(credentials.current(), session=Session()), Deadline(0))
    found = evidence(
        probe(),
        status_results=(replace(late, target=probe().target),),
        dependencies=failing(hop, fault),
    )
    [conclusion] = conclude(found)
    assert (conclusion.verdict, conclusion.culprit) != (Verdict.SERVER_OVERLOADED, Culprit.THIS_SERVER)
    assert conclusion.about == hop


def test_an_address_that_was_not_asked_in_time_is_not_degraded(v2, phonepe):
    late = probe_status(PhonePeGateway(credentials.current(), session=Session()), Deadline(0))
    other = probe("https://second.example.com")
    well = replace(late, verdict=None, is_late=False, target=other.target)
    found = evidence(probe(), other, status_results=(replace(late, target=probe().target), well))
    assert found.degraded is None
