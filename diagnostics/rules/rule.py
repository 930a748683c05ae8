"""One row of the table of rules, and the evidence that rows ask for."""

from collections.abc import Callable
from dataclasses import dataclass

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import CLOCK_TOLERANCE, Facts
from payment.phonepe.credentials import ENVIRONMENT_OF_HOST

Evidence = Callable[[Facts], bool]

BAD_CERTIFICATE = {Verdict.TLS_UNTRUSTED, Verdict.TLS_EXPIRED, Verdict.TLS_HOSTNAME_MISMATCH}
PAGES = {Finding.REDIRECT, Finding.CAPTIVE_PORTAL, Finding.FIREWALL_PAGE}
# How a firewall keeps people out, and how a host that is down looks as well.
SHUT_OUT = {
    Verdict.CONNECTION_REFUSED,
    Verdict.CONNECTION_TIMEOUT,
    Verdict.CONNECTION_RESET,
    Verdict.NETWORK_UNREACHABLE,
    Verdict.TLS_HANDSHAKE_FAILED,
}


@dataclass(frozen=True)
class Rule:
    """`about`: of the faults of one thing only the first is told. `verdict` None: the fault that was met.

    The texts may name {fields} of `diagnostics.verdicts.words`; the summary is public.
    """

    about: str
    verdict: Verdict | None
    culprit: Culprit
    applies: Evidence
    summary: str
    next_action: str


def both(*evidence: Evidence) -> Evidence:
    return lambda facts: all(each(facts) for each in evidence)


def fault(*verdicts: Verdict) -> Evidence:
    return lambda facts: facts.fault in verdicts


def found(*findings: Finding) -> Evidence:
    return lambda facts: facts.finding in findings


def hop(name: str, *faults: str) -> Evidence:
    return lambda facts: facts.failed(name, *faults)


def is_shut(facts: Facts) -> bool:
    return facts.blocked is not None


def others_are_reached(facts: Facts) -> bool:
    """By the same way: a control host, or PhonePe's other environment."""
    return facts.control_works or (facts.sibling is not None and facts.sibling.is_reached)


def everything_is_shut(facts: Facts) -> bool:
    return is_shut(facts) and not others_are_reached(facts)


def only_phonepe_is_shut(facts: Facts) -> bool:
    return is_shut(facts) and facts.is_phonepe


def nobody_listens_here(facts: Facts) -> bool:
    return is_shut(facts) and facts.is_local


def all_of_phonepe_is_shut(facts: Facts) -> bool:
    """Both environments, every address family, by the same way: and names are resolved as they should be."""
    if not only_phonepe_is_shut(facts) or facts.fault not in SHUT_OUT or facts.sibling is None:
        return False
    return not facts.sibling.is_reached and facts.sibling.verdict in SHUT_OUT


def the_other_environment_answers(facts: Facts) -> bool:
    return only_phonepe_is_shut(facts) and facts.sibling is not None and facts.sibling.is_reached


def certificate_from_the_future(facts: Facts) -> bool:
    """Not valid yet and nobody tells the time as we do, or everybody's has expired: then our clock is wrong."""
    if facts.fault is Verdict.CLOCK_SKEW:
        return True
    return facts.fault is Verdict.TLS_EXPIRED and control_says(facts, Verdict.TLS_EXPIRED)


def everyones_certificate(facts: Facts) -> bool:
    return facts.fault in BAD_CERTIFICATE and control_says(facts, *BAD_CERTIFICATE)


def phonepes_certificate(facts: Facts) -> bool:
    return facts.is_phonepe and facts.fault in BAD_CERTIFICATE - {Verdict.TLS_EXPIRED}


def misspelt_name(facts: Facts) -> bool:
    """Nobody knows it, and PhonePe has documented no such host either."""
    if not only_phonepe_is_shut(facts) or facts.finding != Finding.NAME_UNKNOWN or facts.subject is None:
        return False
    return facts.subject.target.host not in ENVIRONMENT_OF_HOST


def phonepes_name(facts: Facts) -> bool:
    return only_phonepe_is_shut(facts) and facts.fault is Verdict.DNS_FAILURE


def client_unknown_to_phonepe(facts: Facts) -> bool:
    """Whoever else says "not found" to a token does not know PhonePe's clients: it is a wrong address."""
    return facts.fault is Verdict.WRONG_ENVIRONMENT and (facts.is_phonepe or facts.is_local)


def page_of_the_network(facts: Facts) -> bool:
    """A page that cannot be PhonePe's: sent without TLS, by a network that opens TLS, or shown for other hosts too."""
    if facts.fault is not Verdict.HTTP_BLOCKED or facts.subject is None or not facts.is_phonepe:
        return False
    said = facts.subject.best.answer_summary if facts.finding in PAGES else ""
    same = bool(said) and any(probe.best.answer_summary == said for probe in facts.compared)
    return same or facts.opens_everything or not facts.subject.target.is_tls


def table_of_the_cache_is_missing(facts: Facts) -> bool:
    """It goes down with the database, and is then not to be mended by itself."""
    return facts.caches_in_database and facts.failed("cache") and not facts.failed("database", "down")


def cache_elsewhere_is_down(facts: Facts) -> bool:
    return facts.failed("cache") and not facts.caches_in_database


def clock_is_wrong(facts: Facts) -> bool:
    return abs(facts.clock_ahead) > CLOCK_TOLERANCE


def control_says(facts: Facts, *verdicts: Verdict) -> bool:
    return facts.control is not None and facts.control.verdict in verdicts
