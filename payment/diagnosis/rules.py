"""From facts to one verdict: the first rule that applies, the most specific ones first.

A control host tells whose fault a closed way is: if it cannot be reached either, nothing is wrong with PhonePe.
"""

from collections.abc import Callable
from dataclasses import dataclass

from payment.diagnosis.facts import Facts
from payment.diagnosis.words import Culprit, Verdict

CLOCK_TOLERANCE = 300  # seconds; PhonePe's tokens and everybody's certificates are about time
BAD_CERTIFICATE = {Verdict.TLS_UNTRUSTED, Verdict.TLS_EXPIRED, Verdict.TLS_HOSTNAME_MISMATCH}
WHAT = {
    Verdict.DNS_FAILURE: "the name cannot be resolved",
    Verdict.CONNECTION_REFUSED: "the connection is refused",
    Verdict.CONNECTION_TIMEOUT: "the connection is not answered",
    Verdict.CONNECTION_RESET: "the connection is cut",
    Verdict.NETWORK_UNREACHABLE: "there is no route",
    Verdict.TLS_HANDSHAKE_FAILED: "no encrypted connection comes about",
    Verdict.TLS_UNTRUSTED: "the certificate is not trusted",
    Verdict.TLS_EXPIRED: "the certificate has expired",
    Verdict.TLS_HOSTNAME_MISMATCH: "the certificate belongs to another name",
    Verdict.PHONEPE_DOWN: "requests are not answered properly",
}


@dataclass(frozen=True)
class Rule:
    """`verdict` None: the fault that was met. The texts may name {fields} of `_words`; the summary is public."""

    verdict: Verdict | None
    culprit: Culprit
    applies: Callable[[Facts], bool]
    summary: str
    next_action: str


@dataclass(frozen=True)
class Judgement:
    verdict: Verdict
    culprit: Culprit
    summary: str
    next_action: str


def judge(facts: Facts) -> Judgement:
    rule = next(rule for rule in RULES if rule.applies(facts))
    words = _words(facts)
    return Judgement(
        rule.verdict or facts.fault or Verdict.PHONEPE_DOWN,
        rule.culprit,
        rule.summary.format(**words),
        rule.next_action.format(**words),
    )


def _fault(*verdicts: Verdict) -> Callable[[Facts], bool]:
    return lambda facts: facts.fault in verdicts


def _hop(name: str, fault: str) -> Callable[[Facts], bool]:
    return lambda facts: facts.failed(name, fault)


def _is_shut(facts: Facts) -> bool:
    return facts.blocked is not None


def _everything_is_shut(facts: Facts) -> bool:
    return _is_shut(facts) and not facts.control_works


def _only_phonepe_is_shut(facts: Facts) -> bool:
    return _is_shut(facts) and facts.is_phonepe


def _nobody_listens_here(facts: Facts) -> bool:
    return _is_shut(facts) and facts.is_local


def _certificate_from_the_future(facts: Facts) -> bool:
    """Not valid yet, or everybody's has expired: then it is our clock that is wrong."""
    if facts.fault is Verdict.CLOCK_SKEW:
        return True
    return facts.fault is Verdict.TLS_EXPIRED and _control_says(facts, Verdict.TLS_EXPIRED)


def _everyones_certificate(facts: Facts) -> bool:
    return facts.fault in BAD_CERTIFICATE and _control_says(facts, *BAD_CERTIFICATE)


def _phonepes_certificate(facts: Facts) -> bool:
    return facts.is_phonepe and facts.fault in BAD_CERTIFICATE - {Verdict.TLS_EXPIRED}


def _phonepes_name(facts: Facts) -> bool:
    return _only_phonepe_is_shut(facts) and facts.fault is Verdict.DNS_FAILURE


def _control_says(facts: Facts, *verdicts: Verdict) -> bool:
    return facts.control is not None and facts.control.best.verdict in verdicts


def _words(facts: Facts) -> dict[str, str]:
    database = facts.hops.get("database")
    cache = facts.hops.get("cache")
    worker = facts.hops.get("worker")
    return {
        "problem": facts.problem,
        "name": facts.subject.door.name if facts.subject else "",
        "target": facts.subject.door.target if facts.subject else "",
        "way": facts.subject.door.way if facts.subject else "",
        "what": WHAT.get(facts.fault, "it fails") if facts.fault else "",
        "error": facts.subject.best.error if facts.subject else "",
        "reply": facts.reply.detail if facts.reply else "",
        "control": facts.control.door.target if facts.control else "",
        "clock": f"{abs(facts.clock_ahead) / 60:.0f} minutes {'fast' if facts.clock_ahead > 0 else 'slow'}",
        "database": database.target if database else "",
        "database_error": database.detail if database else "",
        "cache": cache.detail if cache else "",
        "worker": worker.detail if worker else "",
    }


RULES = (
    Rule(
        Verdict.DATABASE_DOWN,
        Culprit.THIS_SERVER,
        _hop("database", "down"),
        "Our own database does not answer. PhonePe has nothing to do with it.",
        "Start the database ({database}) or correct DATABASE_URL. It said: {database_error}",
    ),
    Rule(
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
        _hop("database", "migrations"),
        "Our own database is older than the code that is running.",
        "Run `python manage.py migrate`: {database_error}.",
    ),
    Rule(
        Verdict.MISCONFIGURED,
        Culprit.THIS_SERVER,
        _hop("cache", "down"),
        "Our own cache does not work. PhonePe has nothing to do with it.",
        "Run `python manage.py createcachetable`, or correct CACHE_URL. It said: {cache}",
    ),
    Rule(
        Verdict.MISCONFIGURED,
        Culprit.CONFIGURATION,
        lambda facts: bool(facts.problem),
        "The settings for PhonePe are missing or contradict each other.",
        "Correct the environment and restart: {problem}",
    ),
    Rule(
        Verdict.CLOCK_SKEW,
        Culprit.THIS_SERVER,
        _certificate_from_the_future,
        "Certificates seem not to be valid at this time: the clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`) and check again. The error was: {error}",
    ),
    Rule(
        Verdict.PROXY_FAILURE,
        Culprit.CONFIGURATION,
        _fault(Verdict.PROXY_FAILURE),
        "The proxy on the way to {name} does not let us through.",
        "Check that the proxy runs, knows our login and allows {target} ({way}). It said: {error}",
    ),
    Rule(
        None,
        Culprit.CONFIGURATION,
        _nobody_listens_here,
        "PhonePe is configured to be on this machine, and there {what}.",
        "Start what should listen at {target}, or correct PHONEPE_BASE_URL. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.THIS_SERVER,
        _everyones_certificate,
        "This server trusts nobody's certificates, PhonePe's or others.",
        "Bring the CA certificates up to date. If there is a proxy that opens encrypted traffic, name its "
        "certificate in PHONEPE_CA_BUNDLE. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.HOSTING,
        _everything_is_shut,
        "This server reaches nothing outside, neither PhonePe nor a host that has nothing to do with it: {what}.",
        "Ask the hosting provider to allow outgoing connections to port 443. Neither {target} nor the control host "
        "{control} can be reached. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.HOSTING,
        _phonepes_certificate,
        "Somebody between this server and {name} answers in its place: {what}.",
        "Ask the hosting provider who intercepts connections to {target}. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.HOSTING,
        _phonepes_name,
        "The name server of this server does not resolve {name}, while other names are resolved.",
        "Ask the hosting provider why {target} is not resolved, or use another name server. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.PHONEPE,
        _only_phonepe_is_shut,
        "{name} cannot be reached: {what}. Other hosts can.",
        "Wait and check again: the control host {control} answers by the same way, {target} does not. If PhonePe "
        "is reachable from other networks, send them the message below. The error was: {error}",
    ),
    Rule(
        None,
        Culprit.CONFIGURATION,
        _is_shut,
        "The address configured for PhonePe cannot be reached: {what}. Other hosts can.",
        "Correct PHONEPE_BASE_URL ({target}), or leave it empty for PhonePe's own. The error was: {error}",
    ),
    Rule(
        Verdict.BAD_CREDENTIALS,
        Culprit.CREDENTIALS,
        _fault(Verdict.BAD_CREDENTIALS),
        "PhonePe is reached, but does not accept our credentials.",
        "Copy the credentials again from PhonePe's dashboard, without spaces, and compare PHONEPE_ENV. "
        "PhonePe said: {reply}",
    ),
    Rule(
        Verdict.KEY_NOT_CONFIGURED,
        Culprit.CREDENTIALS,
        _fault(Verdict.KEY_NOT_CONFIGURED),
        "PhonePe is reached, but has no salt key for our merchant.",
        "Use the client id and secret (PHONEPE_CLIENT_ID) if the account is a V2 one; else check that merchant id "
        "and PHONEPE_ENV belong together. PhonePe said: {reply}",
    ),
    Rule(
        Verdict.WRONG_ENVIRONMENT,
        Culprit.CREDENTIALS,
        _fault(Verdict.WRONG_ENVIRONMENT),
        "PhonePe is reached, but does not know us in this environment.",
        "Use the credentials of PHONEPE_ENV: those of the sandbox and of production differ. PhonePe said: {reply}",
    ),
    Rule(
        Verdict.WRONG_BASE_URL,
        Culprit.CONFIGURATION,
        _fault(Verdict.WRONG_BASE_URL),
        "PhonePe is reached, but not at the address where it takes payments.",
        "Leave PHONEPE_BASE_URL empty, or correct its path for PHONEPE_API_VERSION. PhonePe said: {reply}",
    ),
    Rule(
        Verdict.MISCONFIGURED,
        Culprit.CONFIGURATION,
        _fault(Verdict.MISCONFIGURED),
        "PhonePe is reached, but refuses the way we ask.",
        "Compare PHONEPE_API_VERSION and the credentials with PhonePe's dashboard. PhonePe said: {reply}",
    ),
    Rule(
        Verdict.RATE_LIMITED,
        Culprit.PHONEPE,
        _fault(Verdict.RATE_LIMITED),
        "PhonePe is reached, but takes no more questions from us for the moment.",
        "Wait a minute. If these are the shared test credentials, ask PhonePe for your own. PhonePe said: {reply}",
    ),
    Rule(
        None,
        Culprit.PHONEPE,
        lambda facts: facts.fault is not None and facts.is_phonepe,
        "{name} is reached, but does not answer properly.",
        "Wait and check again; payments under way are asked about by themselves. PhonePe said: {reply}",
    ),
    Rule(
        None,
        Culprit.CONFIGURATION,
        lambda facts: facts.fault is not None,
        "The address configured for PhonePe is reached, but what answers there is not PhonePe as we know it.",
        "Check what listens at {target}. It said: {reply}",
    ),
    Rule(
        Verdict.CLOCK_SKEW,
        Culprit.THIS_SERVER,
        lambda facts: abs(facts.clock_ahead) > CLOCK_TOLERANCE,
        "The clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`): it is {clock}.",
    ),
    Rule(
        Verdict.WORKER_DOWN,
        Culprit.THIS_SERVER,
        _hop("worker", "down"),
        "Nothing works off what is due on our side: the background worker does not run.",
        "Start the background worker (`python manage.py work`): {worker}.",
    ),
    Rule(
        Verdict.SIMULATED,
        Culprit.NONE,
        lambda facts: facts.is_simulated,
        "PhonePe is simulated: everything can be tried, no money moves.",
        "Nothing. To take real money, set the credentials and PHONEPE_SIMULATION_MODE=False.",
    ),
    Rule(
        Verdict.OK,
        Culprit.NONE,
        lambda facts: facts.spare_doors_shut,
        "PhonePe is reached and knows us, though not by every configured address.",
        "Nothing now. See in `checks` which address is shut, and why.",
    ),
    Rule(
        Verdict.OK,
        Culprit.NONE,
        lambda facts: True,
        "PhonePe is reached and knows us.",
        "Nothing.",
    ),
)
