"""Evidence decides between our network and PhonePe; of two faults the one to mend first is told first."""

import ast
import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from string import Formatter

import pytest

from diagnostics import dependencies, dependency_rules, webhook_check
from diagnostics.dependencies import DATABASE_CACHE, SQLITE, TARGETS, CheckResult
from diagnostics.dependency_rules import BLOCKING_RULES, MINOR_RULES
from diagnostics.dns import NameServerAnswer, Resolution
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.targets import STAGE_OF_LAYER, Role, Target
from diagnostics.verdicts import RULES, conclude, text_fields
from payment.phonepe.enums import Stage
from tests.unit.diagnostics.test_rules import NETWORK, PHONEPE, control, evidence, failing, probe

SANDBOX = "https://api-preprod.phonepe.com"
TABLE = {"cache": CheckResult("cache", DATABASE_CACHE, ok=False, fault="down")}


def sibling(verdict=None):
    return probe(SANDBOX, verdict, Role.SIBLING)


def with_finding(finding, verdict, resolution=None, said="", url=PHONEPE):
    found = probe(url, verdict)
    attempts = tuple(replace(attempt, finding=finding, answer_summary=said) for attempt in found.attempts)
    return replace(found, attempts=attempts, resolution=resolution or found.resolution)


def page(finding=Finding.FIREWALL_PAGE, said="HTTP 403, page 'Blocked'", url=PHONEPE, role=Role.API):
    target = Target(role, url)
    return ProbeResult(
        target,
        (
            ConnectionAttempt(
                target, "192.0.2.1", Stage.BODY, http_status=403, finding=finding, answer_summary=said
            ),
        ),
    )


def told(found):
    return [(each.verdict, each.culprit) for each in conclude(found)]


def test_a_remote_cache_does_not_stop_payments_and_a_missing_cache_table_does():
    shut = probe(verdict=Verdict.CONNECTION_REFUSED)
    elsewhere = evidence(shut, dependencies=failing("cache", "down"))
    assert [each.verdict for each in conclude(elsewhere)] == [
        Verdict.CONNECTION_REFUSED,
        Verdict.MISCONFIGURED,
    ]
    assert [each.about for each in conclude(evidence(shut, dependencies=TABLE))] == ["cache", "phonepe"]


def test_a_cache_in_a_failed_database_is_no_separate_fault():
    [conclusion] = conclude(evidence(dependencies=TABLE | failing("database", "down")))
    assert conclusion.verdict is Verdict.DATABASE_DOWN


def test_a_name_that_the_name_server_knows_is_a_fault_of_this_server():
    met = Verdict.DNS_FAILURE
    found = evidence(with_finding(Finding.SYSTEM_RESOLVER_FAILED, met), other_host=control(met))
    assert told(found) == [(met, Culprit.THIS_SERVER)]


@pytest.mark.parametrize("met", NETWORK)
def test_both_environments_unreachable_is_a_firewall_of_the_hosting(met):
    found = evidence(probe(verdict=met), siblings=(sibling(met),))
    [conclusion] = conclude(found)
    assert (conclusion.verdict, conclusion.culprit) == (met, Culprit.HOSTING)
    assert "if another network reaches api.phonepe.com:443" in conclusion.next_action


@pytest.mark.parametrize("met", NETWORK)
def test_one_environment_unreachable_while_the_other_answers_is_phonepes_fault(met):
    found = evidence(probe(verdict=met), siblings=(sibling(),))
    assert told(found) == [(met, Culprit.PHONEPE)]


@pytest.mark.parametrize("met", [*NETWORK, Verdict.TLS_EXPIRED])
def test_an_answer_of_the_other_environment_proves_that_the_network_is_open(met):
    found = evidence(
        probe(verdict=met), other_host=control(Verdict.CONNECTION_TIMEOUT), siblings=(sibling(),)
    )
    [conclusion] = conclude(found)
    assert (conclusion.verdict, conclusion.culprit) == (met, Culprit.PHONEPE)
    assert "control.example" not in conclusion.next_action  # it does not answer


def test_a_configured_address_is_at_fault_while_phonepe_answers():
    found = evidence(
        probe("https://payments.example/apis/hermes", Verdict.CONNECTION_REFUSED),
        other_host=control(Verdict.CONNECTION_TIMEOUT),
        siblings=(sibling(),),
    )
    assert told(found) == [(Verdict.CONNECTION_REFUSED, Culprit.CONFIGURATION)]


def test_if_no_name_is_resolved_the_name_server_is_named():
    met = Verdict.DNS_FAILURE
    resolution = Resolution(
        "api.phonepe.com",
        name_server=NameServerAnswer(servers=("10.0.0.2",)),
        finding=Finding.NAME_SERVER_SILENT,
    )
    found = evidence(with_finding(Finding.NAME_SERVER_SILENT, met, resolution), other_host=control(met))
    [conclusion] = conclude(found)
    assert conclusion.culprit is Culprit.HOSTING
    assert conclusion.summary.endswith("no name server answers.")
    assert "the name server (10.0.0.2)" in conclusion.next_action


def test_without_a_comparison_the_action_says_how_to_find_out():
    [conclusion] = conclude(evidence(probe(verdict=Verdict.CONNECTION_TIMEOUT)))
    assert "If PhonePe is reachable from other networks, a firewall" in conclusion.next_action


def test_a_host_that_only_the_proxy_reaches_is_named():
    proxied = Target(Role.API, PHONEPE, "http://10.0.0.7:3128")
    through = ProbeResult(proxied, (ConnectionAttempt(proxied, "10.0.0.7", Stage.BODY, http_status=404),))
    [conclusion] = conclude(evidence(probe(verdict=Verdict.CONNECTION_REFUSED), through))
    assert (conclusion.verdict, conclusion.culprit) == (Verdict.OK, Culprit.NONE)
    assert "only through the proxy" in conclusion.summary
    assert "ask the hosting provider" in conclusion.next_action


def test_a_second_address_with_bad_answers_is_mentioned_with_verdict_ok():
    first, second = probe(), probe("https://second.phonepe.com/apis/hermes")
    status_results = (
        StatusProbeResult(None, "api.phonepe.com:443", 12, "no such order", True, first.target),
        StatusProbeResult(
            Verdict.PHONEPE_DOWN, "second.phonepe.com:443", 12, "HTTP 500", None, second.target
        ),
    )
    [conclusion] = conclude(evidence(first, second, status_results=status_results))
    assert conclusion.verdict is Verdict.OK
    assert "second.phonepe.com:443" in conclusion.next_action
    assert conclude(evidence(first, second, status_results=status_results[::-1]))[0].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("host", "finding", "culprit"),
    [
        ("api-preprd.phonepe.com", Finding.NAME_UNKNOWN, Culprit.CONFIGURATION),
        ("api-preprd.phonepe.com", Finding.NAME_SERVER_FAILED, Culprit.HOSTING),
        ("api.phonepe.com", Finding.NAME_UNKNOWN, Culprit.HOSTING),
    ],
)
def test_an_unknown_and_undocumented_host_is_misspelt(host, finding, culprit):
    found = with_finding(finding, Verdict.DNS_FAILURE, url=f"https://{host}/apis/pg")
    [conclusion] = conclude(evidence(found))
    assert conclusion.culprit is culprit
    assert ("Correct PHONEPE_BASE_URL" in conclusion.next_action) == (culprit is Culprit.CONFIGURATION)


def test_a_private_or_sinkhole_address_is_a_dns_failure():
    resolution = Resolution(
        "api.phonepe.com", ((2, 1, 6, "", ("10.1.1.1", 443)),), finding=Finding.PRIVATE_ANSWER
    )
    found = evidence(with_finding(Finding.REFUSED, Verdict.CONNECTION_REFUSED, resolution))
    [conclusion] = conclude(found)
    assert (conclusion.verdict, conclusion.culprit) == (Verdict.DNS_FAILURE, Culprit.HOSTING)
    assert "10.1.1.1" in conclusion.next_action
    assert "10.1.1.1" not in conclusion.summary


def test_a_private_address_at_which_phonepe_answers_is_no_fault():
    resolution = Resolution(
        "api.phonepe.com", ((2, 1, 6, "", ("10.1.1.1", 443)),), finding=Finding.PRIVATE_ANSWER
    )
    assert told(evidence(replace(probe(), resolution=resolution))) == [(Verdict.OK, Culprit.NONE)]


def test_a_name_that_only_this_system_cannot_resolve_is_a_fault_of_this_server():
    resolution = Resolution(
        "api.phonepe.com",
        name_server=NameServerAnswer(("192.0.2.1",)),
        finding=Finding.SYSTEM_RESOLVER_FAILED,
    )
    found = evidence(with_finding(Finding.SYSTEM_RESOLVER_FAILED, Verdict.DNS_FAILURE, resolution))
    assert told(found) == [(Verdict.DNS_FAILURE, Culprit.THIS_SERVER)]


@pytest.mark.parametrize("others", [None, Verdict.TLS_UNTRUSTED])
def test_interception_of_tls_is_a_fault_of_the_hosting(others):
    found = evidence(with_finding(Finding.INTERCEPTED, Verdict.TLS_UNTRUSTED), other_host=control(others))
    assert told(found) == [(Verdict.TLS_UNTRUSTED, Culprit.HOSTING)]


@pytest.mark.parametrize(
    ("finding", "needed"),
    [
        (Finding.PROXY_WANTS_LOGIN, "user:password@host"),
        (Finding.PROXY_FORBIDS, "must allow CONNECT to api.phonepe.com:443"),
        (Finding.PROXY_REFUSED, "Start the proxy"),
    ],
)
def test_the_action_for_a_proxy_depends_on_its_failure(finding, needed):
    [conclusion] = conclude(evidence(with_finding(finding, Verdict.PROXY_FAILURE)))
    assert conclusion.culprit is Culprit.CONFIGURATION
    assert needed in conclusion.next_action


REFUSED = StatusProbeResult(
    Verdict.HTTP_BLOCKED, "api.phonepe.com:443", 12, "BLOCKED_RESPONSE, HTTP 403, code ''"
)


def test_a_page_with_phonepes_certificate_is_phonepes_fault():
    assert told(evidence(page(), status_results=(REFUSED,))) == [(Verdict.HTTP_BLOCKED, Culprit.PHONEPE)]


def test_the_same_page_for_all_hosts_is_a_fault_of_the_network():
    found = evidence(
        page(), other_host=page(url="https://control.example", role=Role.CONTROL), status_results=(REFUSED,)
    )
    assert told(found) == [(Verdict.HTTP_BLOCKED, Culprit.HOSTING)]


def test_an_unencrypted_page_is_a_fault_of_the_network():
    found = evidence(page(url="http://api.phonepe.com/apis/hermes"), status_results=(REFUSED,))
    assert told(found) == [(Verdict.HTTP_BLOCKED, Culprit.HOSTING)]


def test_a_redirect_is_a_fault_of_the_configuration():
    found = evidence(page(Finding.REDIRECT, "HTTP 301, to www.phonepe.com"), status_results=(REFUSED,))
    assert told(found) == [(Verdict.HTTP_BLOCKED, Culprit.CONFIGURATION)]


@pytest.mark.parametrize(
    ("name", "fault", "verdict", "culprit"),
    [
        ("disk", "full", Verdict.DISK_FULL, Culprit.THIS_SERVER),
        ("database", "readonly", Verdict.DATABASE_DOWN, Culprit.THIS_SERVER),
        ("mail", "down", Verdict.MAIL_DOWN, Culprit.THIS_SERVER),
        ("broker", "down", Verdict.BROKER_DOWN, Culprit.THIS_SERVER),
        ("webhook", "redirect", Verdict.WEBHOOK_UNREACHABLE, Culprit.CONFIGURATION),
        ("webhook", "no_secret", Verdict.WEBHOOK_UNREACHABLE, Culprit.CONFIGURATION),
        ("webhook", "refuses", Verdict.WEBHOOK_UNREACHABLE, Culprit.THIS_SERVER),
        ("webhook", "tls", Verdict.WEBHOOK_UNREACHABLE, Culprit.THIS_SERVER),
        ("webhook_silence", "silent", Verdict.WEBHOOK_UNREACHABLE, Culprit.CONFIGURATION),
    ],
)
def test_each_dependency_of_ours_has_a_verdict_that_does_not_blame_phonepe(name, fault, verdict, culprit):
    assert told(evidence(dependencies=failing(name, fault))) == [(verdict, culprit)]


@pytest.mark.parametrize(
    ("found", "first", "second"),
    [
        (
            evidence(probe(verdict=Verdict.CONNECTION_REFUSED), dependencies=failing("database", "down")),
            Verdict.DATABASE_DOWN,
            Verdict.CONNECTION_REFUSED,
        ),
        (
            evidence(probe(verdict=Verdict.CONNECTION_REFUSED), dependencies=failing("broker", "down")),
            Verdict.CONNECTION_REFUSED,
            Verdict.BROKER_DOWN,
        ),
        (
            evidence(
                probe(clock_ahead=900.0),
                other_host=control(clock_ahead=900.0),
                status_results=(
                    StatusProbeResult(Verdict.BAD_CREDENTIALS, "api.phonepe.com:443", 1, "HTTP 401"),
                ),
            ),
            Verdict.CLOCK_SKEW,
            Verdict.BAD_CREDENTIALS,
        ),
        (
            evidence(dependencies=failing("mail", "down") | failing("worker", "down")),
            Verdict.WORKER_DOWN,
            Verdict.MAIL_DOWN,
        ),
        (
            evidence(dependencies=failing("database", "down") | failing("disk", "full")),
            Verdict.DISK_FULL,
            Verdict.DATABASE_DOWN,
        ),
    ],
)
def test_of_two_faults_the_more_urgent_one_is_first(found, first, second):
    assert [conclusion.verdict for conclusion in conclude(found)] == [first, second]


def test_a_minor_fault_is_reported_in_simulation_too():
    assert told(Evidence(is_simulated=True, dependencies=failing("broker", "down"))) == [
        (Verdict.BROKER_DOWN, Culprit.THIS_SERVER)
    ]


def test_every_verdict_has_a_section_in_troubleshooting():
    sections = Path("docs/troubleshooting.md").read_text(encoding="utf-8").splitlines()
    assert {f"### {verdict}" for verdict in Verdict.values} <= set(sections)


def rows_of_words():
    """By layer or check: the words of the table in docs/troubleshooting.md."""
    table = Path("docs/troubleshooting.md").read_text(encoding="utf-8").partition("## All findings")[2]
    rows = [
        line.split("|")[1:3] for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")
    ]
    return [(re.findall(r"`(\w+)`", first), re.findall(r"`(\w+)`", words)) for first, words in rows]


def test_every_finding_of_a_layer_stands_in_troubleshooting_and_no_other():
    layers = {*STAGE_OF_LAYER, "credentials", "contract"}
    told = [word for first, words in rows_of_words() if layers & set(first) for word in words]
    assert sorted(told) == sorted(Finding.values)


def test_every_finding_of_a_check_of_ours_stands_in_troubleshooting():
    """The words are literals in the code of the checks, wherever a result is made."""
    told = {word for first, words in rows_of_words() if set(first) & set(TARGETS) for word in words}
    said = set()
    for module in (dependencies, webhook_check):
        calls = ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8")))
        for call in calls:
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "failed":
                said |= {each.value for each in ast.walk(call.args[0]) if isinstance(each, ast.Constant)}
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "unknown":
                said |= {each.value for each in call.args[1:] if isinstance(each, ast.Constant)}
    assert len(said) > 20
    assert said - {""} <= told


def literals(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def words_of_checks():
    return {word for word in literals(dependencies) | literals(webhook_check) if word.isidentifier()}


def test_rules_about_dependencies_wait_for_no_word_that_no_check_says():
    named = {word for word in literals(dependency_rules) if re.fullmatch(r"[a-z_]+", word)}
    assert len(named) > 20
    assert named - words_of_checks() == set()


def test_each_rule_about_a_dependency_is_the_first_for_some_result_of_its_check():
    rules, chosen = (*BLOCKING_RULES, *MINOR_RULES), set()
    for name, word, target in product(TARGETS, words_of_checks(), ("host:1", f"{SQLITE} db", DATABASE_CACHE)):
        for fault, cause in ((word, ""), ("down", word)):
            check = CheckResult(name, target, ok=False, fault=fault, cause=cause)
            found = Evidence(dependencies={name: check})
            chosen |= set([place for place, rule in enumerate(rules) if rule.applies(found)][:1])
    assert [rule.summary for place, rule in enumerate(rules) if place not in chosen] == []


@pytest.mark.parametrize("found", [evidence(), Evidence()])
def test_the_texts_of_rules_use_only_known_fields(found):
    said = text_fields(found)
    texts = [text for rule in RULES for text in (rule.summary, rule.next_action)]
    assert all(text.format(**said) for text in texts)


def test_public_summaries_use_only_words_that_anybody_may_read():
    """`cause` is what our own table says of a code."""
    names = {name for rule in RULES for _, name, _, _ in Formatter().parse(rule.summary) if name}
    assert names <= {"name", "what", "finding", "cause"}
