from datetime import datetime, timezone

from payment.diagnosis.facts import Facts
from payment.diagnosis.hops import Hop
from payment.diagnosis.letters import letter
from payment.diagnosis.words import Verdict
from tests.payment.diagnosis.test_rules import control, facts, judge, knock

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=timezone.utc)


def written(found):
    return letter(judge(found), found, NOW)


def test_the_hosting_gets_target_stage_error_and_both_clocks():
    refused = knock(verdict=Verdict.CONNECTION_REFUSED)
    made = written(facts(refused, other_host=control(Verdict.CONNECTION_REFUSED)))
    assert made["to"] == "the support of the hosting provider"
    assert "api.phonepe.com:443" in made["subject"]
    assert "2026-03-01 20:00:00 UTC (2026-03-02 01:30:00 IST)" in made["body"]
    assert "stopped at tcp: OSError: so it was" in made["body"]


def test_phonepe_learns_what_works_meanwhile(settings):
    settings.PHONEPE_MERCHANT_ID = "MERCHANTOKPUJA"
    made = written(facts(knock(verdict=Verdict.CONNECTION_TIMEOUT)))
    assert made["to"] == "PhonePe's merchant support"
    assert "For comparison: control.example:443" in made["body"]
    assert "Merchant: MERCHANTOKPUJA (UAT)" in made["body"]


def test_a_fault_of_this_server_is_told_without_blaming_the_network():
    down = Hop("database", "db.internal:5432", ok=False, fault="down", detail="OperationalError: refused")
    made = written(facts(hops={"database": down}))
    assert made["to"] == "whoever operates this server"
    assert "database (db.internal:5432): OperationalError: refused" in made["body"]
    assert "phonepe.com" not in made["body"]


def test_nobody_is_written_to_when_all_is_well():
    assert written(facts()) is None
    assert written(Facts(is_simulated=True)) is None
