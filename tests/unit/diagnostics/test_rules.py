import pytest

from diagnostics.dependencies import CheckResult
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ConnectionAttempt, ProbeResult, StatusProbeResult
from diagnostics.targets import Role, Target
from diagnostics.verdicts import RULES
from diagnostics.verdicts import conclude as conclude_all
from payment.phonepe.enums import ErrorCategory, Stage

PHONEPE = "https://api.phonepe.com/apis/hermes"
OTHER = "https://payments.example/apis/hermes"
HERE = "http://127.0.0.1:9000/simulator"
CONTROL = "https://control.example"


def conclude(found):
    """What is to be mended first."""
    return conclude_all(found)[0]


def probe(url=PHONEPE, verdict=None, role=Role.API, stage=Stage.RESOLVED, **told):
    target = Target(role, url)
    if verdict is None:
        return ProbeResult(
            target, (ConnectionAttempt(target, "192.0.2.1", Stage.BODY, http_status=404, **told),)
        )
    return ProbeResult(
        target, (ConnectionAttempt(target, "192.0.2.1", stage, verdict=verdict, error="OSError: so it was"),)
    )


def control(verdict=None, **told):
    return probe(CONTROL, verdict, Role.CONTROL, **told)


def evidence(*probes, other_host=None, **found):
    return Evidence(probes=probes or (probe(),), controls=(other_host or control(),), **found)


def verdict_and_culprit(found):
    concluded = conclude(found)
    return concluded.verdict, concluded.culprit


def failing(name, fault, **told):
    return {name: CheckResult(name, "somewhere:1", ok=False, fault=fault, detail="why", **told)}


NETWORK = [
    Verdict.CONNECTION_REFUSED,
    Verdict.CONNECTION_TIMEOUT,
    Verdict.CONNECTION_RESET,
    Verdict.NETWORK_UNREACHABLE,
    Verdict.TLS_HANDSHAKE_FAILED,
]


@pytest.mark.parametrize("met", [*NETWORK, Verdict.DNS_FAILURE])
def test_if_nothing_outside_is_reached_the_culprit_is_the_hosting(met):
    assert verdict_and_culprit(evidence(probe(verdict=met), other_host=control(met))) == (
        met,
        Culprit.HOSTING,
    )


@pytest.mark.parametrize("met", NETWORK)
def test_if_only_phonepe_is_unreachable_the_culprit_is_phonepe(met):
    assert verdict_and_culprit(evidence(probe(verdict=met))) == (met, Culprit.PHONEPE)


@pytest.mark.parametrize("met", [*NETWORK, Verdict.DNS_FAILURE, Verdict.TLS_UNTRUSTED])
def test_a_configured_address_is_never_phonepes_fault(met):
    assert verdict_and_culprit(evidence(probe(OTHER, met))) == (met, Culprit.CONFIGURATION)


@pytest.mark.parametrize("met", NETWORK)
def test_a_loopback_address_is_a_fault_of_the_configuration(met):
    found = evidence(probe(HERE, met), other_host=control(Verdict.NETWORK_UNREACHABLE))
    assert verdict_and_culprit(found) == (met, Culprit.CONFIGURATION)


def test_only_control_hosts_by_the_same_route_count():
    """The direct way is shut on purpose; what counts is that the proxy lets others through."""
    proxied = Target(Role.API, PHONEPE, "http://10.0.0.7:3128")
    other = Target(Role.CONTROL, CONTROL, proxied.proxy)
    reset = ProbeResult(
        proxied, (ConnectionAttempt(proxied, "10.0.0.7", Stage.TLS, verdict=Verdict.CONNECTION_RESET),)
    )
    found = Evidence(
        probes=(reset,),
        controls=(
            control(Verdict.CONNECTION_REFUSED),
            ProbeResult(other, (ConnectionAttempt(other, "10.0.0.7", Stage.BODY, http_status=200),)),
        ),
    )
    assert verdict_and_culprit(found) == (Verdict.CONNECTION_RESET, Culprit.PHONEPE)


def test_an_unresolved_name_of_phonepe_alone_is_a_fault_of_the_hosting():
    found = evidence(probe(verdict=Verdict.DNS_FAILURE, stage=Stage.STARTED))
    assert verdict_and_culprit(found) == (Verdict.DNS_FAILURE, Culprit.HOSTING)


@pytest.mark.parametrize("met", [Verdict.TLS_UNTRUSTED, Verdict.TLS_HOSTNAME_MISMATCH])
def test_an_untrusted_certificate_of_phonepe_is_a_fault_of_the_hosting(met):
    assert verdict_and_culprit(evidence(probe(verdict=met))) == (met, Culprit.HOSTING)


def test_if_no_certificate_is_trusted_this_server_lacks_authorities():
    found = evidence(probe(verdict=Verdict.TLS_UNTRUSTED), other_host=control(Verdict.TLS_UNTRUSTED))
    assert verdict_and_culprit(found) == (Verdict.TLS_UNTRUSTED, Culprit.THIS_SERVER)


def test_an_expired_certificate_of_phonepe_is_phonepes_fault():
    assert verdict_and_culprit(evidence(probe(verdict=Verdict.TLS_EXPIRED))) == (
        Verdict.TLS_EXPIRED,
        Culprit.PHONEPE,
    )


def test_if_all_certificates_have_expired_our_clock_is_wrong():
    found = evidence(probe(verdict=Verdict.TLS_EXPIRED), other_host=control(Verdict.TLS_EXPIRED))
    assert verdict_and_culprit(found) == (Verdict.CLOCK_SKEW, Culprit.THIS_SERVER)


def test_a_certificate_not_valid_yet_means_that_our_clock_is_wrong():
    assert verdict_and_culprit(evidence(probe(verdict=Verdict.CLOCK_SKEW)))[0] is Verdict.CLOCK_SKEW


@pytest.mark.parametrize(("url", "culprit"), [(PHONEPE, Culprit.PHONEPE), (OTHER, Culprit.CONFIGURATION)])
def test_a_certificate_not_valid_yet_is_phonepes_fault_if_our_clock_is_confirmed(url, culprit):
    found = evidence(probe(url, Verdict.CLOCK_SKEW), other_host=control(clock_ahead=2.0))
    assert verdict_and_culprit(found) == (Verdict.TLS_EXPIRED, culprit)


def test_a_certificate_not_valid_yet_is_our_fault_if_our_clock_is_contradicted():
    found = evidence(probe(verdict=Verdict.CLOCK_SKEW), other_host=control(clock_ahead=-86_000.0))
    assert verdict_and_culprit(found) == (Verdict.CLOCK_SKEW, Culprit.THIS_SERVER)


def test_a_clock_that_all_hosts_contradict_is_wrong():
    found = evidence(probe(clock_ahead=-900.0), other_host=control(clock_ahead=-899.0))
    assert verdict_and_culprit(found) == (Verdict.CLOCK_SKEW, Culprit.THIS_SERVER)
    assert "15 minutes slow" in conclude(found).next_action


def test_one_host_that_confirms_our_clock_is_enough():
    assert (
        conclude(evidence(probe(clock_ahead=900.0), other_host=control(clock_ahead=1.0))).verdict
        is Verdict.OK
    )


def test_a_proxy_failure_is_a_fault_of_the_configuration():
    found = evidence(
        probe(verdict=Verdict.PROXY_FAILURE, stage=Stage.CONNECTED), other_host=control(Verdict.PROXY_FAILURE)
    )
    assert verdict_and_culprit(found) == (Verdict.PROXY_FAILURE, Culprit.CONFIGURATION)


@pytest.mark.parametrize("fault", ["down", "migrations"])
def test_our_database_is_reported_before_everything_else(fault):
    found = evidence(probe(verdict=Verdict.CONNECTION_REFUSED), dependencies=failing("database", fault))
    assert conclude(found).culprit is Culprit.THIS_SERVER
    assert conclude(found).verdict in {Verdict.DATABASE_DOWN, Verdict.MISCONFIGURED}


def test_our_own_cache_is_not_phonepes_fault():
    assert verdict_and_culprit(evidence(dependencies=failing("cache", "down"))) == (
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
    )


def test_invalid_settings_are_described_to_operators_only():
    concluded = conclude(Evidence(settings_problem="PHONEPE_ENV is UAT, but 10.1.2.3 belongs to PRODUCTION"))
    assert concluded.verdict is Verdict.MISCONFIGURED
    assert "10.1.2.3" in concluded.next_action
    assert "10.1.2.3" not in concluded.summary


@pytest.mark.parametrize(
    ("said", "culprit"),
    [
        (Verdict.BAD_CREDENTIALS, Culprit.CREDENTIALS),
        (Verdict.KEY_NOT_CONFIGURED, Culprit.CREDENTIALS),
        (Verdict.WRONG_ENVIRONMENT, Culprit.CREDENTIALS),
        (Verdict.WRONG_BASE_URL, Culprit.CONFIGURATION),
        (Verdict.MISCONFIGURED, Culprit.CONFIGURATION),
        (Verdict.RATE_LIMITED, Culprit.PHONEPE),
        (Verdict.PHONEPE_DOWN, Culprit.PHONEPE),
        (Verdict.HTTP_BLOCKED, Culprit.PHONEPE),
        (Verdict.CONNECTION_RESET, Culprit.PHONEPE),
    ],
)
def test_phonepes_answer_to_the_status_request_decides_once_it_is_reached(said, culprit):
    reply = StatusProbeResult(said, "api.phonepe.com:443", 12, "HTTP 401")
    assert verdict_and_culprit(evidence(status_results=(reply,))) == (said, culprit)


def test_a_foreign_host_with_bad_answers_is_a_wrong_address():
    reply = StatusProbeResult(Verdict.PHONEPE_DOWN, "payments.example:443", 12, "HTTP 500")
    assert conclude(evidence(probe(OTHER), status_results=(reply,))).culprit is Culprit.CONFIGURATION


def test_only_phonepe_can_say_that_a_client_is_unknown():
    reply = StatusProbeResult(Verdict.WRONG_ENVIRONMENT, "payments.example:443", 12, "HTTP 404")
    assert conclude(evidence(probe(OTHER), status_results=(reply,))).culprit is Culprit.CONFIGURATION
    assert conclude(evidence(probe(HERE), status_results=(reply,))).culprit is Culprit.CREDENTIALS


def test_one_reached_target_is_enough_and_the_unreachable_one_is_mentioned():
    concluded = conclude(evidence(probe(verdict=Verdict.CONNECTION_TIMEOUT), probe(OTHER)))
    assert concluded.verdict is Verdict.OK
    assert "not by every configured address" in concluded.summary


def test_a_page_host_that_cannot_be_reached_stops_no_payment():
    page = probe("https://mercury-t2.phonepe.com", Verdict.CONNECTION_REFUSED, Role.PAGE)
    assert verdict_and_culprit(evidence(probe(), page)) == (Verdict.OK, Culprit.NONE)
    assert conclude(evidence(probe(), page)) == conclude(evidence(probe()))


def test_an_unreachable_token_host_stops_payments():
    token = probe("https://identity.phonepe.com", Verdict.CONNECTION_REFUSED, Role.TOKEN)
    assert conclude(evidence(probe(), token)).verdict is Verdict.CONNECTION_REFUSED


def test_tokens_from_the_payment_address_are_enough():
    """The first address has its tokens from a host that is shut; the second one gives them itself."""
    shut = probe("https://identity.phonepe.com", Verdict.CONNECTION_REFUSED, Role.TOKEN)
    second = Target(Role.API, OTHER, issues_tokens=True)
    open_one = ProbeResult(second, (ConnectionAttempt(second, "192.0.2.2", Stage.BODY, http_status=404),))
    concluded = conclude(evidence(probe(), shut, open_one))
    assert concluded.verdict is Verdict.OK
    assert "not by every configured address" in concluded.summary


def test_overdue_work_is_reported_when_all_else_is_well():
    assert verdict_and_culprit(evidence(dependencies=failing("worker", "down"))) == (
        Verdict.WORKER_DOWN,
        Culprit.THIS_SERVER,
    )


def test_simulation_never_gets_the_verdict_ok():
    assert conclude(Evidence(is_simulated=True)).verdict is Verdict.SIMULATED


def test_without_a_fault_the_verdict_is_ok():
    assert verdict_and_culprit(evidence()) == (Verdict.OK, Culprit.NONE)


@pytest.mark.parametrize(
    "met", sorted({verdict for verdict in Verdict if verdict.categories} - {Verdict.PROXY_FAILURE})
)
@pytest.mark.parametrize("url", [PHONEPE, OTHER, HERE])
def test_public_summaries_contain_no_address_of_ours(met, url):
    summary = conclude(evidence(probe(url, met))).summary
    assert not any(inside in summary for inside in ("192.0.2.1", "127.0.0.1", "payments.example", "OSError"))


def test_each_category_of_a_failed_request_leads_to_exactly_one_verdict():
    listed = [category for verdict in Verdict for category in verdict.categories]
    assert sorted(listed) == sorted(ErrorCategory)


def test_every_verdict_has_a_rule_that_can_give_it():
    by_request = {verdict for verdict in Verdict if verdict.categories}
    by_finding = {finding.verdict for finding in Finding}
    assert set(Verdict) <= {rule.verdict for rule in RULES} | by_request | by_finding


@pytest.mark.parametrize(
    ("name", "fault"),
    [("webhook", "redirect"), ("webhook", "refuses"), ("webhook", "tls"), ("webhook_silence", "silent")]
    + [("mail", "down"), ("broker", "down")],
)
def test_a_minor_fault_beside_a_grave_one_does_not_claim_that_payments_work(name, fault):
    shut = evidence(probe(verdict=Verdict.CONNECTION_REFUSED), dependencies=failing(name, fault))
    grave, small = conclude_all(shut)

    assert grave.verdict is Verdict.CONNECTION_REFUSED
    assert "Payments work," not in small.summary
    assert "PhonePe" in small.summary  # as who calls us, or as who is not concerned
