"""The table of rules: which evidence leads to which verdict, culprit and advice, most urgent and specific first."""

from diagnostics.dependency_rules import BLOCKING_RULES, MINOR_RULES
from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import (
    Rule,
    address_is_from_hosts_file,
    all_certificates_are_rejected,
    all_of,
    all_of_phonepe_is_unreachable,
    chain_is_incomplete,
    client_is_unknown_to_phonepe,
    clock_invalidates_certificates,
    clock_is_wrong,
    code_is_for,
    fault_is,
    finding_is,
    host_is_misspelt,
    is_answered_by_an_interceptor,
    is_redirected,
    is_unreachable,
    local_phonepe_is_unreachable,
    nothing_is_reached,
    one_box_answers_for_all,
    one_family_fails,
    other_environment_is_reached,
    page_is_from_network,
    phonepe_certificate_is_rejected,
    phonepe_is_unreachable,
    phonepe_name_is_unresolved,
    tunnel_leads_nowhere,
    webhook_is_unsure,
)

# No fault has been found: what is worth telling all the same.
NO_FAULT_RULES: tuple[Rule, ...] = (
    Rule(
        "",
        Verdict.SIMULATED,
        lambda evidence: evidence.is_simulated,
        "PhonePe is simulated: everything can be tried, no money moves.",
        "Nothing. To take real money, set the credentials and PHONEPE_SIMULATION_MODE=False.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.proxied_alternative is not None,
        "PhonePe is reached and accepts our credentials, though only through the proxy: the direct route is blocked.",
        "Nothing now: payments use the proxy. As the same host answers there, something in the network of this "
        "server blocks the direct route; ask the hosting provider. {degraded}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.degraded is not None,
        "PhonePe is reached and accepts our credentials, though not by every configured address.",
        "Nothing now: payments use the others. {degraded}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.slow_resolution is not None,
        "PhonePe is reached and accepts our credentials, though names are resolved slowly.",
        "Nothing stops payments; they wait for names.",
    ),
    Rule(
        "",
        Verdict.OK,
        webhook_is_unsure,
        "PhonePe is reached and accepts our credentials. Whether it reaches us cannot be seen from here.",
        "Try our webhook from another network, for example a phone: `{try_webhook}`. 401 is the good answer: our own "
        "server refuses a call without credentials. From here: {webhook}",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.webhook_fault in {"chunked", "slash", "limit"},
        "PhonePe is reached and accepts our credentials.",
        "Nothing has to be done for PhonePe's webhooks. {webhook_target} {webhook}.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda evidence: evidence.webhook_fault == "local",
        "PhonePe is reached and accepts our credentials.",
        "Nothing, on a machine of developers: PhonePe cannot call {webhook_url}, so payments are found by status "
        "requests. Set PUBLIC_BASE_URL to the public https:// address before customers pay.",
    ),
    Rule(
        "",
        Verdict.OK,
        lambda _: True,
        "PhonePe is reached and accepts our credentials.",
        "Nothing.",
    ),
)


RULES: tuple[Rule, ...] = (
    *BLOCKING_RULES,
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
        "This server has no open files or threads left: before it has some, nothing can be said about others.",
        "Look at this process first: {load}. Then check again.",
    ),
    Rule(
        "phonepe",
        Verdict.SERVER_OVERLOADED,
        lambda evidence: evidence.is_too_busy_to_tell,
        "This server is too busy to tell what is wrong: answers may have come, and it was not there to read them.",
        "Give this server more CPU time, or stop what takes it, and check again: {load}. What timed out meanwhile may "
        "be in order. The error was: {error}",
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
        "answers by the same route. To be certain: if another network "
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
        all_of(is_unreachable, lambda evidence: evidence.is_network_open),
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
        "Correct this at PhonePe: {where}. PhonePe said: {status}",
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
        "Wait and check again; meanwhile the status of open payments is polled. If it goes on, write to {where}. "
        "PhonePe said: {status}",
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
    *MINOR_RULES,
    *NO_FAULT_RULES,
)
