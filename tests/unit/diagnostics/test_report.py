"""The contract of the answer: its words and its fields, which scripts read."""

from datetime import datetime, timezone

import pytest

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.history import PastRuns
from diagnostics.report import build_report
from diagnostics.serializers import DiagnosisSerializer
from tests.unit.diagnostics.test_rules import control, evidence, failing, probe

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=timezone.utc)
VERDICTS = """
    ok simulated dns_failure connection_refused connection_timeout connection_reset network_unreachable proxy_failure
    tls_untrusted tls_expired tls_hostname_mismatch tls_handshake_failed clock_skew http_blocked rate_limited
    phonepe_down wrong_base_url wrong_environment bad_credentials key_not_configured server_overloaded
    database_down worker_down broker_down mail_down disk_full webhook_unreachable misconfigured
"""
FINDINGS = """
    name_unknown name_server_failed name_server_silent name_server_slow system_resolver_failed
    private_answer sinkhole_answer no_address
    refused silent reset unreachable
    proxy_name_unknown proxy_refused proxy_silent proxy_unreachable proxy_wants_login proxy_forbids proxy_gets_nowhere
    untrusted intercepted chain_incomplete expired not_yet_valid wrong_host handshake_refused handshake_silent
    protocol_too_old not_tls
    no_answer cut redirect captive_portal firewall_page forbidden too_many server_error
    credentials_refused not_as_expected
"""


def answer(found):
    return build_report(found, None, PastRuns(), NOW).as_json()


def test_the_public_words_do_not_change():
    assert Verdict.values == VERDICTS.split()
    assert Finding.values == FINDINGS.split()
    assert Culprit.values == ["none", "hosting", "phonepe", "credentials", "configuration", "this_server"]


def test_the_answer_has_the_fields_that_the_schema_describes():
    assert answer(Evidence()).keys() == DiagnosisSerializer().fields.keys()


def test_checks_list_dependencies_then_the_layers_of_each_endpoint():
    refused = probe(verdict=Verdict.CONNECTION_REFUSED)
    made = answer(evidence(refused, other_host=control(), dependencies=failing("mail", "down")))
    [endpoint] = made["endpoints"]
    assert {name: value for name, value in endpoint.items() if name != "ladder"} == {
        "endpoint": "api.phonepe.com",
        "reachable": False,
        "stage": "DNS",
        "role": "payments",
        "target": "api.phonepe.com:443",
        "way": "directly",
    }
    assert endpoint["ladder"][-1] == {
        "layer": "tcp",
        "family": "ipv4",
        "target": "api.phonepe.com:443 (payments, directly)",
        "ok": False,
        "ms": 0,
        "finding": "",
        "detail": "192.0.2.1 : OSError: so it was",
    }
    [compared] = made["controls"]
    [mail] = [check for check in made["checks"] if check["layer"] == "mail"]
    assert made["checks"] == [mail, *compared["ladder"], *endpoint["ladder"]]


@pytest.mark.parametrize("found", [Evidence(), evidence(probe(verdict=Verdict.CONNECTION_REFUSED))])
def test_the_report_is_cached_and_stored_as_plain_types(found):
    made = answer(found)
    assert {type(made["verdict"]), type(made["culprit"])} == {str}
    assert {type(each["verdict"]) for each in made["also"]} <= {str}
