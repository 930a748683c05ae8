from dataclasses import asdict, replace
from datetime import datetime, timezone

from diagnostics.dependencies import CheckResult
from diagnostics.dns import NameServerAnswer, Resolution
from diagnostics.enums import Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.support_message import write_support_message
from diagnostics.targets import Role, Target
from diagnostics.tls import Certificate
from payment.phonepe.enums import Stage
from tests.unit.diagnostics.test_rules import conclude, control, evidence, probe

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=timezone.utc)


def written(found):
    message = write_support_message(conclude(found), found, NOW)
    return message and asdict(message)


def test_the_hosting_gets_target_stage_error_and_both_clocks():
    refused = probe(verdict=Verdict.CONNECTION_REFUSED)
    made = written(evidence(refused, other_host=control(Verdict.CONNECTION_REFUSED)))
    assert made["to"] == "the support of the hosting provider"
    assert "api.phonepe.com:443" in made["subject"]
    assert "2026-03-01 20:00:00 UTC (2026-03-02 01:30:00 IST)" in made["body"]
    assert "stopped at tcp: OSError: so it was" in made["body"]


def test_the_message_to_phonepe_names_what_works(settings):
    settings.PHONEPE_MERCHANT_ID = "MERCHANTOKPUJA"
    made = written(evidence(probe(verdict=Verdict.CONNECTION_TIMEOUT)))
    assert made["to"] == "PhonePe's merchant support"
    assert "For comparison: control.example:443" in made["body"]
    assert "Merchant: MERCHANTOKPUJA (UAT)" in made["body"]


def test_a_fault_of_this_server_is_described_without_network_details():
    down = CheckResult(
        "database", "db.internal:5432", ok=False, fault="down", detail="OperationalError: refused"
    )
    made = written(evidence(dependencies={"database": down}))
    assert made["to"] == "whoever operates this server"
    assert "database (db.internal:5432): OperationalError: refused" in made["body"]
    assert "phonepe.com" not in made["body"]


def test_without_a_fault_there_is_no_message():
    assert written(evidence()) is None
    assert written(Evidence(is_simulated=True)) is None


def test_the_message_to_the_hosting_contains_a_command_to_reproduce():
    """Who, from where, to where, what exactly, what works meanwhile, and how to see it oneself."""
    target = Target(Role.API, "https://api.phonepe.com/apis/hermes")
    shut = ConnectionAttempt(
        target,
        "192.0.2.1",
        Stage.RESOLVED,
        {"dns": 3},
        verdict=Verdict.CONNECTION_REFUSED,
        finding=Finding.REFUSED,
        error="ConnectionRefusedError: [Errno 111] Connection refused",
        source_address="10.0.0.5",
    )
    resolution = Resolution(
        "api.phonepe.com",
        ((2, 1, 6, "", ("192.0.2.1", 443)),),
        name_server=NameServerAnswer(servers=("10.0.0.2",)),
    )
    found = evidence(
        ProbeResult(target, (shut,), resolution),
        other_host=control(public_address="203.0.113.9"),
        siblings=(probe("https://api-preprod.phonepe.com", Verdict.CONNECTION_REFUSED, Role.SIBLING),),
    )
    made = written(found)
    assert made["to"] == "the support of the hosting provider"
    assert made["subject"].endswith("from 10.0.0.5 (public: 203.0.113.9) to api.phonepe.com:443")
    for line in (
        "Source address: 10.0.0.5 (public: 203.0.113.9)",
        "Target: api.phonepe.com:443, directly",
        "api.phonepe.com is 192.0.2.1 (name server 10.0.0.2)",
        "stopped at tcp: ConnectionRefusedError: [Errno 111] Connection refused",
        "To repeat: curl -sv --max-time 10 -o /dev/null https://api.phonepe.com/apis/hermes",
        "For comparison: control.example:443, directly",
        "For comparison: api-preprod.phonepe.com:443, directly",
    ):
        assert line in made["body"]


def test_the_message_to_phonepe_lists_failed_orders():
    reply = StatusProbeResult(
        Verdict.PHONEPE_DOWN, "api.phonepe.com:443", 12, "GATEWAY_5XX, HTTP 500, code ''"
    )
    made = written(
        evidence(
            status_results=(reply,), failed_calls=("2026-03-01 19:59:58 UTC, pay of order OKP1: HTTP 500",)
        )
    )
    assert made["to"] == "PhonePe's merchant support"
    assert "pay of order OKP1: HTTP 500" in made["body"]


def test_the_message_contains_the_certificate():
    attempt = probe(verdict=Verdict.TLS_UNTRUSTED, stage=Stage.CONNECTED).attempts[0]
    shown = Certificate("CN=a firewall", "", "CN=api.phonepe.com", ("api.phonepe.com",), NOW, NOW, "ab" * 32)
    forged = replace(attempt, finding=Finding.INTERCEPTED, certificate=shown)
    made = written(evidence(ProbeResult(attempt.target, (forged,))))
    assert made["to"] == "the support of the hosting provider"
    assert "issued by CN=a firewall" in made["body"]


def test_the_message_contains_no_login_of_a_proxy():
    target = Target(Role.API, "https://api.phonepe.com/apis/hermes", "http://user:pass-word@10.0.0.7:3128")
    shut = ConnectionAttempt(
        target, "10.0.0.7", Stage.CONNECTED, verdict=Verdict.PROXY_FAILURE, finding=Finding.PROXY_FORBIDS
    )
    made = written(evidence(ProbeResult(target, (shut,))))
    assert "--proxy http://10.0.0.7:3128 https://api.phonepe.com" in made["body"]
    assert "pass-word" not in made["body"]
