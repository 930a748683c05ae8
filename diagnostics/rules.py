"""The table of rules: which evidence leads to which verdict, culprit and advice, most urgent and specific first."""

from diagnostics.dependency_rules import HAMPERING, STOPPING
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import CLOCK_TOLERANCE, Evidence
from diagnostics.rule import Condition, Rule, all_of, fault_is, finding_is
from diagnostics.well_rules import WELL
from payment.phonepe.credentials import ENVIRONMENT_OF_HOST

BAD_CERTIFICATE = {Verdict.TLS_UNTRUSTED, Verdict.TLS_EXPIRED, Verdict.TLS_HOSTNAME_MISMATCH}
PAGES = {Finding.REDIRECT, Finding.CAPTIVE_PORTAL, Finding.FIREWALL_PAGE}
# How a firewall rejects connections. A host that is down looks the same.
CONNECTION_FAULTS = {
    Verdict.CONNECTION_REFUSED,
    Verdict.CONNECTION_TIMEOUT,
    Verdict.CONNECTION_RESET,
    Verdict.NETWORK_UNREACHABLE,
    Verdict.TLS_HANDSHAKE_FAILED,
}


def is_unreachable(evidence: Evidence) -> bool:
    return evidence.unreachable is not None


def others_are_reached(evidence: Evidence) -> bool:
    return evidence.is_network_open


def nothing_is_reached(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and not evidence.is_network_open


def phonepe_is_unreachable(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and evidence.is_phonepe


def local_phonepe_is_unreachable(evidence: Evidence) -> bool:
    return is_unreachable(evidence) and evidence.is_local


def all_of_phonepe_is_unreachable(evidence: Evidence) -> bool:
    """Both environments, every address family, by the same route, though their names are resolved."""
    sibling = evidence.sibling
    if not phonepe_is_unreachable(evidence) or evidence.fault not in CONNECTION_FAULTS or sibling is None:
        return False
    return not sibling.is_reached and sibling.verdict in CONNECTION_FAULTS


def other_environment_is_reached(evidence: Evidence) -> bool:
    sibling = evidence.sibling
    return phonepe_is_unreachable(evidence) and sibling is not None and sibling.is_reached


def clock_invalidates_certificates(evidence: Evidence) -> bool:
    """Not valid yet and no host has our time, or the control's has expired as well: then our clock is wrong."""
    if evidence.fault is Verdict.CLOCK_SKEW:
        return True
    return evidence.fault is Verdict.TLS_EXPIRED and control_fails_with(evidence, Verdict.TLS_EXPIRED)


def all_certificates_are_rejected(evidence: Evidence) -> bool:
    return evidence.fault in BAD_CERTIFICATE and control_fails_with(evidence, *BAD_CERTIFICATE)


def one_box_answers_for_all(evidence: Evidence) -> bool:
    """A name that fits nowhere shows it as well: the authority is trusted, so it is not our list that is too old."""
    if not all_certificates_are_rejected(evidence):
        return False
    is_misnamed = evidence.fault is Verdict.TLS_HOSTNAME_MISMATCH
    misnamed_too = is_misnamed and control_fails_with(evidence, Verdict.TLS_HOSTNAME_MISMATCH)
    return misnamed_too or evidence.one_box_answers_for_all


def is_answered_by_an_interceptor(evidence: Evidence) -> bool:
    """Of an authority that this server trusts: PhonePe itself has not been heard."""
    is_answer = evidence.fault in {Verdict.HTTP_BLOCKED, Verdict.PHONEPE_DOWN, Verdict.CONNECTION_RESET}
    return is_answer and evidence.is_phonepe and evidence.intercepts_phonepe_only


def chain_is_incomplete(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.finding == Finding.CHAIN_INCOMPLETE


def code_is_for(culprit: Culprit) -> Condition:
    """PhonePe's code is in our table, and the verdict is none that a code has of its own."""

    def applies(evidence: Evidence) -> bool:
        is_open = evidence.fault in {Verdict.MISCONFIGURED, Verdict.PHONEPE_DOWN}
        return is_open and evidence.meaning is not None and Culprit.of(evidence.meaning) is culprit

    return applies


def phonepe_certificate_is_rejected(evidence: Evidence) -> bool:
    return evidence.is_phonepe and evidence.fault in BAD_CERTIFICATE - {Verdict.TLS_EXPIRED}


def host_is_misspelt(evidence: Evidence) -> bool:
    """No name server knows it, and PhonePe has documented no such host either."""
    if not phonepe_is_unreachable(evidence) or evidence.finding != Finding.NAME_UNKNOWN:
        return False
    return evidence.subject is not None and evidence.subject.target.host not in ENVIRONMENT_OF_HOST


def phonepe_name_is_unresolved(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.fault is Verdict.DNS_FAILURE


def client_is_unknown_to_phonepe(evidence: Evidence) -> bool:
    """A host that is not PhonePe's and answers 404 to a token request is a wrong address."""
    return evidence.fault is Verdict.WRONG_ENVIRONMENT and (evidence.is_phonepe or evidence.is_local)


def page_is_from_network(evidence: Evidence) -> bool:
    """A page that cannot be PhonePe's: sent without TLS, through intercepted TLS, or sent for other hosts too."""
    if evidence.fault is not Verdict.HTTP_BLOCKED or evidence.subject is None or not evidence.is_phonepe:
        return False
    page = evidence.subject.best.answer_summary if evidence.finding in PAGES else ""
    controls = evidence.comparable_controls
    is_everywhere = bool(page) and any(probe.best.answer_summary == page for probe in controls)
    return is_everywhere or evidence.intercepts_all_tls or not evidence.subject.target.is_tls


def is_redirected(evidence: Evidence) -> bool:
    """The probe may be answered well, and the status request be sent elsewhere."""
    is_answer = evidence.status is not None and evidence.status.is_redirect
    return evidence.fault is Verdict.HTTP_BLOCKED and (is_answer or evidence.finding == Finding.REDIRECT)


def address_is_from_hosts_file(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and evidence.is_from_hosts_file


def tunnel_leads_nowhere(evidence: Evidence) -> bool:
    """The proxy says that it has opened the way, and for no host anything comes back."""
    is_tunnel = evidence.subject is not None and evidence.subject.target.has_tunnel
    is_dead = evidence.fault in {Verdict.TLS_HANDSHAKE_FAILED, Verdict.CONNECTION_RESET}
    return is_tunnel and is_dead and nothing_is_reached(evidence)


def one_family_fails(evidence: Evidence) -> bool:
    return phonepe_is_unreachable(evidence) and bool(evidence.failed_family)


def clock_is_wrong(evidence: Evidence) -> bool:
    return abs(evidence.clock_ahead) > CLOCK_TOLERANCE


def control_fails_with(evidence: Evidence, *verdicts: Verdict) -> bool:
    return evidence.control is not None and evidence.control.verdict in verdicts


RULES: tuple[Rule, ...] = (
    *STOPPING,
    Rule(
        "settings",
        Verdict.MISCONFIGURED,
        lambda evidence: bool(evidence.settings_problem),
        "The settings for PhonePe are missing or contradict each other.",
        "Correct the environment and restart: {problem}",
    ),
    Rule(
        "phonepe",
        Verdict.SERVER_OVERLOADED,
        lambda evidence: evidence.is_too_busy_to_tell and bool(evidence.load.exhausted),
        "This server has no open files or threads left: nothing can be told about others before it has.",
        "Look at this process first: {load}. Then check again.",
    ),
    Rule(
        "phonepe",
        Verdict.SERVER_OVERLOADED,
        lambda evidence: evidence.is_too_busy_to_tell,
        "This server is too busy to tell what is wrong: answers may have come, and it was not there to read them.",
        "Give this server more CPU time, or stop what takes it, and check again: {load}. What timed out meanwhile may "
        "be well. The error was: {error}",
    ),
    # The proxy.
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        finding_is(Finding.PROXY_WANTS_LOGIN),
        "The proxy to {name} requires a login, or rejects ours.",
        "Put the proxy's login into PHONEPE_PROXY_URL (http://user:password@host:port; {route}). It said: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        finding_is(Finding.PROXY_FORBIDS),
        "The proxy to {name} is reached, but refuses to connect to that host.",
        "Whoever runs the proxy must allow CONNECT to {target} ({route}). It said: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        finding_is(
            Finding.PROXY_REFUSED, Finding.PROXY_SILENT, Finding.PROXY_UNREACHABLE, Finding.PROXY_NAME_UNKNOWN
        ),
        "The proxy to {name} cannot be reached: {finding}.",
        "Start the proxy, or correct PHONEPE_PROXY_URL ({route}). The error was: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        tunnel_leads_nowhere,
        "The proxy to {name} says that it has connected us, and nothing comes back, for no host: {finding}.",
        "Whoever runs the proxy must see why it passes nothing on: neither {target} nor {control} answers "
        "({route}). The error was: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        fault_is(Verdict.PROXY_FAILURE),
        "The proxy to {name} does not connect us.",
        "Check that the proxy runs, accepts our login, allows {target} and reaches it ({route}). It said: {error}",
    ),
    # Certificates, and a simulated PhonePe on this machine.
    Rule(
        "phonepe",
        Verdict.CLOCK_SKEW,
        clock_invalidates_certificates,
        "Certificates seem not to be valid at this time: the clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`) and check again. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        local_phonepe_is_unreachable,
        "The address configured for PhonePe is on this machine, and there {what}.",
        "Start what should listen at {target}, or correct PHONEPE_BASE_URL. The error was: {error}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "phonepe",
        None,
        all_of(phonepe_is_unreachable, finding_is(Finding.INTERCEPTED)),
        "Something between this server and {name} intercepts encrypted connections.",
        "Ask the hosting provider not to intercept {target}: its certificate is issued by {interceptor}. If that is "
        "intended, put that authority into PHONEPE_CA_BUNDLE. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        is_answered_by_an_interceptor,
        "Something between this server and {name} intercepts encrypted connections, and answers in its place.",
        "Ask the hosting provider, or whoever runs the gateway of this network, to let {target} through: its "
        "certificate is issued by {interceptor}, which this server trusts and the public does not. The answer was: "
        "{answer}. The status request got: {status}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        one_box_answers_for_all,
        "One box in this server's network answers in the place of every host, PhonePe's and others: {what}.",
        "Ask the hosting provider whether the network wants a login first, or who intercepts connections: {target} and "
        "{control} show certificates that neither of them has ({certificate}). The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        all_certificates_are_rejected,
        "This server trusts no certificates, neither PhonePe's nor others.",
        "Update the CA certificates. If a proxy intercepts encrypted traffic, put its certificate into "
        "PHONEPE_CA_BUNDLE. The error was: {error}",
        culprit=Culprit.THIS_SERVER,
    ),
    # The network. Control hosts tell our network from PhonePe.
    Rule(
        "phonepe",
        None,
        address_is_from_hosts_file,
        "This server has an address of its own for {name} in /etc/hosts, and at that address {what}.",
        "Take {host} out of /etc/hosts, where it is {found}; the name server says: {addresses}. The error was: {error}",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "phonepe",
        None,
        all_of(is_unreachable, finding_is(Finding.SYSTEM_RESOLVER_FAILED)),
        "The name server knows {name}, but this server does not resolve it.",
        "Check /etc/resolv.conf (its `search` domains may get no answer), /etc/nsswitch.conf and the local resolver: "
        "{error}. The name server says: {addresses}",
        culprit=Culprit.THIS_SERVER,
    ),
    Rule(
        "phonepe",
        None,
        all_of(nothing_is_reached, fault_is(Verdict.DNS_FAILURE)),
        "This server resolves no names, neither PhonePe's nor others: {finding}.",
        "Check /etc/resolv.conf, and ask the hosting provider why the name server ({servers}) does not answer this "
        "server properly (UDP and TCP port 53). Neither {target} nor {control} is resolved. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        nothing_is_reached,
        "This server reaches nothing outside, neither PhonePe nor a host that has nothing to do with it: {what}.",
        "Ask the hosting provider to allow outgoing connections to port 443, and names to be resolved. Neither "
        "{target} nor the control host {control} can be reached. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        all_of(chain_is_incomplete, lambda evidence: evidence.issuer_is_genuine),
        "{name} does not send the certificates that lead from its own to a known authority.",
        "Send PhonePe the message below: the certificate is issued by a public authority ({certificate}), and the "
        "intermediate certificate is missing. Until then add that one to PHONEPE_CA_BUNDLE. The error was: {error}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        chain_is_incomplete,
        "The certificate of {name} cannot be checked: its chain is incomplete, or somebody is in between.",
        "Compare with another network: `openssl s_client -connect {target} -servername {host} -showcerts`. If the "
        "same certificate comes there ({certificate}), PhonePe does not send its intermediate certificate: write to "
        "PhonePe. If another one comes, ask the hosting provider who intercepts {target}. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        phonepe_certificate_is_rejected,
        "Something between this server and {name} answers in its place: {what}.",
        "Ask the hosting provider who intercepts connections to {target}. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        all_of(phonepe_is_unreachable, finding_is(Finding.PRIVATE_ANSWER, Finding.SINKHOLE_ANSWER)),
        "The name server of this server gives a wrong address for {name}: {finding}.",
        "Ask the hosting provider, or whoever edits /etc/hosts, why {target} has this address. Found: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        host_is_misspelt,
        "There is no host {name}: {finding}. Most likely the address configured for PhonePe is misspelt.",
        "Correct PHONEPE_BASE_URL (or wherever the settings name {target}), or leave it empty for PhonePe's own. The "
        "error was: {error}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "phonepe",
        None,
        phonepe_name_is_unresolved,
        "The name server of this server does not resolve {name}, while other names are resolved: {finding}.",
        "Ask the hosting provider why {target} is not resolved, or use another name server. If no name server knows it "
        "(`dig @1.1.1.1 {host}`), it is PhonePe's own fault. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        one_family_fails,
        "{name} is reached by one kind of address only, and this server tries the other one first: {what}.",
        "By {failed_family} connections to {target} begin and nothing follows, the other kind works. Ask the hosting "
        "provider to repair {failed_family}, or switch it off on this server until then (for IPv6: `sysctl "
        "net.ipv6.conf.all.disable_ipv6=1`, or `precedence ::ffff:0:0/96 100` in /etc/gai.conf). The error was: "
        "{error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        all_of_phonepe_is_unreachable,
        "From here no address of PhonePe can be reached, in neither of its environments, while other hosts can: "
        "{what}. Most likely a firewall of the hosting provider blocks PhonePe only.",
        "Ask the hosting provider first whether a firewall blocks {target}: the control host {control} "
        "answers by the same route. What settles it: if another network "
        "reaches {target} at this time, it is the hosting; if none does, it is PhonePe. The error was: {error}",
        culprit=Culprit.HOSTING,
    ),
    Rule(
        "phonepe",
        None,
        all_of(phonepe_is_unreachable, finding_is(Finding.NO_ANSWER)),
        "{name} takes our connections, but does not answer requests in time.",
        "Wait and check again: {target} is reached, and answered nothing within the time of the diagnosis ({error}). "
        "Meanwhile the status of open payments is polled. If it stays so, send PhonePe the message below.",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        other_environment_is_reached,
        "{name} cannot be reached: {what}. Another host of PhonePe's can.",
        "Wait and check again: {sibling} answers by the same route, {target} does not. If another network reaches "
        "{target}, ask the hosting provider; else send PhonePe the message below. The error was: {error}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        phonepe_is_unreachable,
        "{name} cannot be reached: {what}. Other hosts can.",
        "Wait and check again: the control host {control} answers by the same route, {target} does not. If PhonePe is "
        "reachable from other networks, a firewall of the hosting provider blocks us: ask there; else send PhonePe "
        "the message below. The error was: {error}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        all_of(is_unreachable, others_are_reached),
        "The address configured for PhonePe cannot be reached: {what}. Other hosts can.",
        "Correct PHONEPE_BASE_URL ({target}), or leave it empty for PhonePe's own. The error was: {error}",
        culprit=Culprit.CONFIGURATION,
    ),
    # The clock.
    Rule(
        "clock",
        Verdict.CLOCK_SKEW,
        clock_is_wrong,
        "The clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`): it is {clock}.",
    ),
    # The answers of PhonePe, or of something in its place.
    Rule(
        "phonepe",
        Verdict.BAD_CREDENTIALS,
        fault_is(Verdict.BAD_CREDENTIALS),
        "PhonePe is reached, but does not accept our credentials.",
        "Copy the credentials again from PhonePe's dashboard, without spaces, and compare PHONEPE_ENV. "
        "PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.KEY_NOT_CONFIGURED,
        fault_is(Verdict.KEY_NOT_CONFIGURED),
        "PhonePe is reached, but has no salt key for our merchant.",
        "Use the client id and secret (PHONEPE_CLIENT_ID) if the account is a V2 one; else check that merchant id "
        "and PHONEPE_ENV belong together. PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.WRONG_ENVIRONMENT,
        client_is_unknown_to_phonepe,
        "PhonePe is reached, but does not know us in this environment.",
        "Use the credentials of PHONEPE_ENV: those of the sandbox and of production differ. PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.WRONG_BASE_URL,
        fault_is(Verdict.WRONG_BASE_URL),
        "PhonePe is reached, but not at the address for payments.",
        "Leave PHONEPE_BASE_URL empty, or correct its path for PHONEPE_API_VERSION. PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        None,
        code_is_for(Culprit.CREDENTIALS),
        "PhonePe is reached, but does not serve our account: {cause}.",
        "See to it at PhonePe: {where}. PhonePe said: {status}",
        culprit=Culprit.CREDENTIALS,
    ),
    Rule(
        "phonepe",
        None,
        code_is_for(Culprit.CONFIGURATION),
        "PhonePe is reached, but rejects our requests: {cause}.",
        "Compare PHONEPE_API_VERSION, PHONEPE_BASE_URL and the credentials with PhonePe's dashboard. PhonePe said: "
        "{status}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "phonepe",
        None,
        all_of(code_is_for(Culprit.PHONEPE), lambda evidence: evidence.is_phonepe),
        "{name} is reached, but does not answer properly: {cause}.",
        "Wait and check again; meanwhile the status of open payments is polled. If it stays, write to {where}. PhonePe "
        "said: {status}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        Verdict.MISCONFIGURED,
        fault_is(Verdict.MISCONFIGURED),
        "PhonePe is reached, but rejects our requests.",
        "Compare PHONEPE_API_VERSION and the credentials with PhonePe's dashboard. PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.RATE_LIMITED,
        fault_is(Verdict.RATE_LIMITED),
        "PhonePe is reached, but accepts no more requests from us at the moment.",
        "Wait a minute. If these are the shared test credentials, ask PhonePe for your own. PhonePe said: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        page_is_from_network,
        "A page of this server's network is returned instead of {name}: {finding}.",
        "Ask the hosting provider to let this server through to {target} unchanged. The answer was: {answer}. "
        "The status request got: {status}",
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        is_redirected,
        "{name} is reached, but redirects to another address, which payments do not follow.",
        "Leave PHONEPE_BASE_URL empty, or set it to the final address ({target}). The answer was: {answer}. The status "
        "request got: {status}",
        culprit=Culprit.CONFIGURATION,
    ),
    Rule(
        "phonepe",
        Verdict.HTTP_BLOCKED,
        all_of(fault_is(Verdict.HTTP_BLOCKED), lambda evidence: evidence.is_phonepe),
        "{name} is reached, but blocks our requests.",
        "Send PhonePe the message below: the certificate is PhonePe's own, so the refusal is as well. Most likely a "
        "firewall of PhonePe blocks our address. The answer was: {answer}. The status request got: {status}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        lambda evidence: evidence.fault is not None and evidence.is_phonepe,
        "{name} is reached, but does not answer properly.",
        "Wait and check again; meanwhile the status of open payments is polled. PhonePe said: {status}",
        culprit=Culprit.PHONEPE,
    ),
    Rule(
        "phonepe",
        None,
        lambda evidence: evidence.fault is not None,
        "The address configured for PhonePe is reached, but its answers are not those of PhonePe.",
        "Check what listens at {target}. It said: {status}",
        culprit=Culprit.CONFIGURATION,
    ),
    *HAMPERING,
    *WELL,
)
