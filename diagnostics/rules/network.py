"""Rules about the way to PhonePe, as far as the first answer. Controls tell our network from PhonePe."""

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.rules.rule import (
    Rule,
    all_of_phonepe_is_shut,
    both,
    certificate_from_the_future,
    everyones_certificate,
    everything_is_shut,
    fault,
    found,
    is_shut,
    misspelt_name,
    nobody_listens_here,
    only_phonepe_is_shut,
    others_are_reached,
    phonepes_certificate,
    phonepes_name,
    the_other_environment_answers,
)

PROXY = (
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        Culprit.CONFIGURATION,
        found(Finding.PROXY_WANTS_LOGIN),
        "The proxy on the way to {name} wants a login, or another one.",
        "Put the proxy's login into PHONEPE_PROXY_URL (http://user:password@host:port; {way}). It said: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        Culprit.CONFIGURATION,
        found(Finding.PROXY_FORBIDS),
        "The proxy on the way to {name} is reached, but opens no way there.",
        "Whoever runs the proxy must allow CONNECT to {target} ({way}). It said: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        Culprit.CONFIGURATION,
        found(
            Finding.PROXY_REFUSED, Finding.PROXY_SILENT, Finding.PROXY_UNREACHABLE, Finding.PROXY_NAME_UNKNOWN
        ),
        "The proxy on the way to {name} cannot be reached: {found}.",
        "Start the proxy, or correct PHONEPE_PROXY_URL ({way}). The error was: {error}",
    ),
    Rule(
        "phonepe",
        Verdict.PROXY_FAILURE,
        Culprit.CONFIGURATION,
        fault(Verdict.PROXY_FAILURE),
        "The proxy on the way to {name} does not let us through.",
        "Check that the proxy runs, knows our login, allows {target} and reaches it ({way}). It said: {error}",
    ),
)

CERTIFICATES = (
    Rule(
        "phonepe",
        Verdict.CLOCK_SKEW,
        Culprit.THIS_SERVER,
        certificate_from_the_future,
        "Certificates seem not to be valid at this time: the clock of this server is wrong.",
        "Set the clock (`timedatectl set-ntp true`) and check again. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.CONFIGURATION,
        nobody_listens_here,
        "PhonePe is configured to be on this machine, and there {what}.",
        "Start what should listen at {target}, or correct PHONEPE_BASE_URL. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        both(only_phonepe_is_shut, found(Finding.INTERCEPTED)),
        "Somebody between this server and {name} opens encrypted connections and answers in its place.",
        "Ask the hosting provider to leave {target} alone: its certificate is issued by {interceptor}. If that is "
        "meant to be so, name that authority in PHONEPE_CA_BUNDLE. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.THIS_SERVER,
        everyones_certificate,
        "This server trusts nobody's certificates, PhonePe's or others.",
        "Bring the CA certificates up to date. If there is a proxy that opens encrypted traffic, name its "
        "certificate in PHONEPE_CA_BUNDLE. The error was: {error}",
    ),
)

WAY = (
    Rule(
        "phonepe",
        None,
        Culprit.THIS_SERVER,
        both(is_shut, found(Finding.SYSTEM_RESOLVER_FAILED)),
        "The name server knows {name}, and this server does not find it all the same.",
        "See /etc/nsswitch.conf, /etc/hosts and the local resolver: {error}. The name server says: {told}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        both(everything_is_shut, fault(Verdict.DNS_FAILURE)),
        "This server resolves no names, neither PhonePe's nor others: {found}.",
        "See /etc/resolv.conf, and ask the hosting provider why the name server ({servers}) does not answer this "
        "server properly (UDP and TCP port 53). Neither {target} nor {control} is resolved. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        everything_is_shut,
        "This server reaches nothing outside, neither PhonePe nor a host that has nothing to do with it: {what}.",
        "Ask the hosting provider to allow outgoing connections to port 443, and names to be resolved. Neither "
        "{target} nor the control host {control} can be reached. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        phonepes_certificate,
        "Somebody between this server and {name} answers in its place: {what}.",
        "Ask the hosting provider who intercepts connections to {target}. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        both(only_phonepe_is_shut, found(Finding.PRIVATE_ANSWER, Finding.SINKHOLE_ANSWER)),
        "The name server of this server leads {name} astray: {found}.",
        "Ask the hosting provider, or whoever writes /etc/hosts, why {target} leads there. Found: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.CONFIGURATION,
        misspelt_name,
        "There is no host {name}: {found}. Most likely the address configured for PhonePe is misspelt.",
        "Correct PHONEPE_BASE_URL (or wherever the settings name {target}), or leave it empty for PhonePe's own. The "
        "error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        phonepes_name,
        "The name server of this server does not resolve {name}, while other names are resolved: {found}.",
        "Ask the hosting provider why {target} is not resolved, or use another name server. If no name server knows it "
        "(`dig @1.1.1.1 {host}`), it is PhonePe's own fault. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.HOSTING,
        all_of_phonepe_is_shut,
        "From here no address of PhonePe can be reached, in neither of its environments, while other hosts can: "
        "{what}. Most likely a firewall of the hosting provider closes the way to PhonePe alone.",
        "Ask the hosting provider first whether a firewall keeps this server from {target}: the control host {control} "
        "answers by the same way, and so does every other part of the network. What settles it: if another network "
        "reaches {target} at this time, it is the hosting; if nobody does, it is PhonePe. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.PHONEPE,
        the_other_environment_answers,
        "{name} cannot be reached: {what}. Another host of PhonePe's can.",
        "Wait and check again: {sibling} answers by the same way, {target} does not. If another network reaches "
        "{target}, ask the hosting provider; else send PhonePe the message below. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.PHONEPE,
        only_phonepe_is_shut,
        "{name} cannot be reached: {what}. Other hosts can.",
        "Wait and check again: the control host {control} answers by the same way, {target} does not. If PhonePe is "
        "reachable from other networks, a firewall at the hosting provider keeps us out: ask there; else send PhonePe "
        "the message below. The error was: {error}",
    ),
    Rule(
        "phonepe",
        None,
        Culprit.CONFIGURATION,
        both(is_shut, others_are_reached),
        "The address configured for PhonePe cannot be reached: {what}. Other hosts can.",
        "Correct PHONEPE_BASE_URL ({target}), or leave it empty for PhonePe's own. The error was: {error}",
    ),
)
