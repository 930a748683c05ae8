from dataclasses import asdict, replace
from datetime import datetime, timezone

import pytest

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


SERVERS = NameServerAnswer(servers=("10.0.0.2",), finding=Finding.NAME_UNKNOWN)
SEEN = Certificate("CN=Firewall, O=Example Hosting", "", "CN=other", ("other.example",), NOW, NOW, "ab" * 32)
PROXIED = "http://user:pass-word@10.0.0.7:3128"
STAGES = {"dns": Stage.STARTED, "tcp": Stage.RESOLVED, "tls": Stage.CONNECTED, "http": Stage.TLS}


def failed_at(url, finding, role=Role.API, proxy=None):
    """A probe that this finding has ended, as real ones look."""
    finding = Finding(finding)
    verdict = finding.verdict or Verdict.PHONEPE_DOWN
    layer = "tls" if verdict.value.startswith("tls") else "http" if finding.verdict is None else "tcp"
    layer = "dns" if verdict is Verdict.DNS_FAILURE else layer
    target = Target(role, url, proxy)
    attempt = ConnectionAttempt(
        target, "" if layer == "dns" else "192.0.2.1", STAGES[layer], {"dns": 3, "tcp": 9_000}, "", verdict, finding,
        error=f"OSError: {finding.value}", source_address="10.0.0.5", certificate=SEEN if layer == "tls" else None,
    )  # fmt: skip
    is_misled = finding in {Finding.PRIVATE_ANSWER, Finding.SINKHOLE_ANSWER}
    addresses = ((2, 1, 6, "", ("10.66.0.1", 443)),) if layer != "dns" or is_misled else ()
    name_server = replace(SERVERS, finding=finding if layer == "dns" and not is_misled else "")
    resolution = Resolution(target.host, addresses, "", name_server, finding if layer == "dns" else "")
    return ProbeResult(target, (attempt,), resolution)


def letters():
    """Every message that can be written, by a name: who must act, and because of what."""
    others = {
        "all": lambda finding: failed_at("https://control.example", finding, Role.CONTROL),
        "some": lambda _: control(public_address="203.0.113.9"),
    }
    for finding in Finding:
        if finding is Finding.NO_ADDRESS or finding.verdict is Verdict.CLOCK_SKEW:
            continue
        proxy = PROXIED if finding.verdict is Verdict.PROXY_FAILURE else None
        for extent, other in others.items():
            found = evidence(
                failed_at("https://api.phonepe.com/apis/hermes", finding, proxy=proxy),
                failed_at("https://api-preprod.phonepe.com/apis/pg", finding, proxy=proxy),
                other_host=other(finding),
            )
            yield f"{finding.value}, {extent}", found
    for verdict in Verdict:
        if verdict.categories or verdict.owner.value in ("phonepe", "credentials"):
            said = "Not Found, trackingId: 00ab12cd"
            detail = f"REJECTED, HTTP 404, code 'NOT_OURS', message {said!r}: what our table knows"
            reply = StatusProbeResult(
                verdict, "api.phonepe.com:443", 12, detail, code="NOT_OURS", message=said
            )
            yield f"answer {verdict.value}", evidence(status_results=(reply,))
    for name, fault in OWN_FAULTS:
        check = CheckResult(name, f"{name}.internal:1", False, fault, "OperationalError: what it said")
        yield f"{name} {fault}", evidence(dependencies={name: check})
    yield "settings", Evidence(settings_problem="set PHONEPE_CLIENT_ID")
    yield "clock", evidence(probe(clock_ahead=900.0), other_host=control(clock_ahead=899.0))


OWN_FAULTS = [
    *(("database", fault) for fault in ("down", "locked", "readonly", "full", "migrations", "connections", "login")),
    *(("cache", fault) for fault in ("down", "login", "readonly")),
    *(("mail", fault) for fault in ("down", "login", "encryption", "certificate")),
    *(("webhook", fault) for fault in ("plain", "name_unknown", "no_secret", "redirect", "refuses", "changed",
      "chunked", "tls")),
    ("disk", "full"), ("worker", "down"), ("broker", "down"), ("webhook_silence", "silent"),
]  # fmt: skip
LETTERS = dict(letters())
OPERATORS_WORDS = (
    "PHONEPE_", "DATABASE_URL", "Wait and check", "message below", "meanwhile", "Ask the hosting", "Send PhonePe",
    "resolv.conf", "docs/",
)  # fmt: skip


@pytest.mark.parametrize("name", LETTERS)
def test_every_message_asks_its_receiver_for_one_thing(name, settings):
    settings.PHONEPE_MERCHANT_ID = "MERCHANTOKPUJA"
    made = written(LETTERS[name])
    request, blank, *rest = made["body"].split("\n")
    assert blank == ""
    assert "{" not in made["body"]
    assert "pass-word" not in made["body"]
    is_outside = made["to"].startswith(("the support of", "PhonePe's", "whoever runs the proxy"))
    if is_outside:
        assert request.startswith("Please ")
        assert request.count("Please") == 1
        assert not [word for word in OPERATORS_WORDS if word in "\n".join(rest) + request]
    if made["to"] == "PhonePe's merchant support":
        assert " ms" not in made["body"]
        assert "Merchant: MERCHANTOKPUJA" in made["body"]


def test_the_hosting_reads_from_where_to_where_in_one_sentence():
    request = written(LETTERS["silent, all"])["body"].splitlines()[0]
    assert request == (
        "Please allow outgoing TCP 443 from 10.0.0.5 to api.phonepe.com:443, api-preprod.phonepe.com:443."
    )


def test_a_name_servers_operator_gets_the_answer_and_the_command_that_shows_it():
    body = written(LETTERS["name_unknown, all"])["body"]
    assert "To see it: dig @10.0.0.2 api.phonepe.com" in body
    assert "the name server says that there is no such name (NXDOMAIN)" in body
    assert "What others know: dig @1.1.1.1 api.phonepe.com" in body


def test_phonepe_reads_its_own_sentence_with_the_tracking_id():
    made = written(LETTERS["answer phonepe_down"])
    assert made["to"] == "PhonePe's merchant support"
    assert "Your answer to our status request" in made["body"]
    assert "HTTP 404, code 'NOT_OURS', message 'Not Found, trackingId: 00ab12cd'" in made["body"]
    assert "our table" not in made["body"]


def test_a_late_answer_is_not_told_as_no_connection():
    late = failed_at("https://api.phonepe.com/apis/hermes", Finding.NO_ANSWER)
    [attempt] = late.attempts
    waited = replace(attempt, milliseconds={"dns": 3, "tcp": 20, "tls": 30, "http": 9_000})
    found = evidence(replace(late, attempts=(waited,)), other_host=control(public_address="203.0.113.9"))
    made = written(found)
    assert (
        "our connections are taken, but our requests are not answered in time" in made["body"].splitlines()[0]
    )
    assert "connected, but no answer within 9 s" in made["body"]
    assert "cannot be reached" not in made["body"]
    assert "cannot be reached" not in conclude(found).summary


def test_whoever_runs_the_proxy_gets_the_message_about_it():
    made = written(LETTERS["proxy_forbids, all"])
    assert made["to"] == "whoever runs the proxy 10.0.0.7:3128"
    assert made["body"].startswith("Please allow CONNECT to api.phonepe.com:443")
