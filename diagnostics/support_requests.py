"""What a support message asks for, in one sentence for its receiver, who knows neither our code nor our settings."""

from collections.abc import Iterable, Mapping

from diagnostics.enums import Culprit, Finding, Verdict
from diagnostics.evidence import Evidence
from diagnostics.probes import ProbeResult
from diagnostics.targets import Role
from diagnostics.verdicts import Conclusion

ONE_FAMILY = "one family"  # IPv4 or IPv6 alone fails
# By finding or verdict, the first that fits. The {fields} are those of `_fields`.
TO_HOSTING: Mapping[str, str] = {
    Finding.NAME_SERVER_SILENT: (
        "Please let the name server {servers} answer {source} (UDP and TCP port 53), or name one that does."
    ),
    Finding.NAME_SERVER_FAILED: (
        "Please repair the name server {servers}: asked for {host} by {source}, it answers with an error "
        "(SERVFAIL or REFUSED)."
    ),
    Finding.NAME_UNKNOWN: (
        "Please correct the name server {servers}: it says that there is no {host} (NXDOMAIN), and public name "
        "servers know it."
    ),
    Finding.PRIVATE_ANSWER: (
        "Please remove the wrong address of {host} from the name server {servers}: it answers {addresses}, a private "
        "network where this host is not."
    ),
    Finding.SINKHOLE_ANSWER: (
        "Please take {host} off the block list of the name server {servers}: it answers {addresses}, which leads "
        "nowhere."
    ),
    Verdict.DNS_FAILURE: "Please make the name server {servers} resolve {host} for {source}.",
    Finding.INTERCEPTED: (
        "Please exempt {targets} from TLS inspection: connections from {source} get a certificate issued by {issuer} "
        "instead of PhonePe's own."
    ),
    Finding.CHAIN_INCOMPLETE: (
        "Please tell us whether connections from {source} to {targets} are inspected: they get a certificate issued by "
        "{issuer}, without the one of its issuer."
    ),
    Verdict.TLS_UNTRUSTED: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is issued by {issuer}."
    ),
    Verdict.PHONEPE_DOWN: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is issued by {issuer}."
    ),
    Verdict.TLS_HOSTNAME_MISMATCH: (
        "Please find out what answers in the place of {targets}, and let connections from {source} through unchanged: "
        "the certificate is for {names}."
    ),
    Finding.CAPTIVE_PORTAL: (
        "Please let {source} reach {targets} without the login or consent page of the network."
    ),
    Verdict.HTTP_BLOCKED: (
        "Please let requests from {source} to {targets} through: a page of a firewall or gateway answers instead."
    ),
    ONE_FAMILY: (
        "Please repair {family} between {source} and {targets} (often its MTU): connections are made by it, and then "
        "nothing passes; the other kind of address works."
    ),
    Verdict.TLS_HANDSHAKE_FAILED: (
        "Please allow outgoing TLS connections (TCP 443) from {source} to {targets}: they are made, and broken off or "
        "dropped as TLS begins."
    ),
    Verdict.CONNECTION_RESET: (
        "Please allow outgoing connections (TCP 443) from {source} to {targets}: something cuts them after they "
        "are made."
    ),
    Verdict.NETWORK_UNREACHABLE: ("Please give {source} a route to {targets} (outgoing, TCP port 443)."),
}
TO_HOSTING_ELSE = "Please allow outgoing TCP {ports} from {source} to {targets}."
TO_PHONEPE: Mapping[str, str] = {
    Verdict.HTTP_BLOCKED: (
        "Please unblock {public} at {targets}: our API requests are answered with 403 or a block page, not by your API."
    ),
    Verdict.RATE_LIMITED: (
        "Please tell us which limit of requests applies to our merchant at {targets}, and raise it if you can."
    ),
    Verdict.TLS_EXPIRED: "Please renew the certificate of {targets}: it is not valid at this time.",
    Verdict.TLS_UNTRUSTED: (
        "Please let {targets} send its full certificate chain: the intermediate certificate is missing."
    ),
    Verdict.DNS_FAILURE: "Please check the DNS records of {host}: name servers do not resolve it.",
    Finding.NO_ANSWER: (
        "Please check {targets}: our connections are taken, but our requests are not answered in time."
    ),
    Finding.SERVER_ERROR: "Please check {targets}: our API requests are answered with errors of the server (5xx).",
    Verdict.CONNECTION_REFUSED: "Please check {targets}: connections from {public} are refused.",
    Verdict.CONNECTION_TIMEOUT: "Please check {targets}: connections from {public} are not answered.",
    Verdict.CONNECTION_RESET: "Please check {targets}: connections from {public} are cut.",
    Verdict.NETWORK_UNREACHABLE: "Please check {targets}: there is no route from {public}.",
    Verdict.TLS_HANDSHAKE_FAILED: "Please check {targets}: the TLS handshake with {public} fails.",
}
TO_PHONEPE_ELSE = (
    "Please check {targets} and our merchant account: our API requests are not answered as documented."
)
TO_PROXY: Mapping[str, str] = {
    Finding.PROXY_WANTS_LOGIN: "Please give us a login for the proxy {proxy}: it wants one, or another, from {local}.",
    Finding.PROXY_FORBIDS: "Please allow CONNECT to {targets} through the proxy {proxy} from {local}.",
    Finding.PROXY_GETS_NOWHERE: (
        "Please make the proxy {proxy} reach {targets}: it answers our CONNECT with an error of the server (5xx)."
    ),
    Finding.PROXY_SILENT: "Please let the proxy {proxy} answer {local}: connections to it time out.",
    Finding.PROXY_NAME_UNKNOWN: "Please tell us the right address of the proxy: the name in {proxy} is not resolved.",
    Finding.PROXY_REFUSED: "Please start the proxy {proxy}, or let {local} connect to it: it refuses.",
    Finding.PROXY_UNREACHABLE: "Please give {local} a route to the proxy {proxy}.",
}
UNKNOWN = "our server"  # where no connection has shown its address
TO_PROXY_ELSE = "Please let {local} reach {targets} through the proxy {proxy}."


def request_to(conclusion: Conclusion, evidence: Evidence) -> str:
    """For people outside; for our own what the conclusion says they should do."""
    probe = evidence.subject
    if conclusion.about != "phonepe" or probe is None:
        return conclusion.next_action
    if conclusion.verdict is Verdict.PROXY_FAILURE:
        texts, otherwise = TO_PROXY, TO_PROXY_ELSE
    elif conclusion.culprit is Culprit.HOSTING:
        texts, otherwise = TO_HOSTING, TO_HOSTING_ELSE
    elif conclusion.culprit is Culprit.PHONEPE:
        texts, otherwise = TO_PHONEPE, TO_PHONEPE_ELSE
    else:
        return conclusion.next_action
    words = (ONE_FAMILY if evidence.failed_family else "", str(evidence.finding), conclusion.verdict.value)
    text = next((texts[word] for word in words if word in texts), otherwise)
    return text.format(**_fields(evidence, probe))


def source_of(evidence: Evidence) -> str:
    """Where our connections come from, for people."""
    local, public = evidence.source_address or UNKNOWN, evidence.public_address
    return f"{local} (public: {public})" if public else local


def _fields(evidence: Evidence, probe: ProbeResult) -> dict[str, str]:
    certificate, public = probe.best.certificate, evidence.public_address
    local = evidence.source_address or UNKNOWN
    servers = ", ".join(probe.resolution.name_server.servers)
    host, port = probe.target.peer
    unreached = _payment_targets(evidence.probes, reached=False) or _payment_targets(
        evidence.probes, reached=True
    )
    return {
        "targets": ", ".join(dict.fromkeys(each.target.host_port for each in unreached))
        or probe.target.host_port,
        "ports": ", ".join(dict.fromkeys(str(each.target.port) for each in unreached))
        or str(probe.target.port),
        "host": probe.resolution.host or probe.target.host,
        "proxy": f"{host}:{port}",
        "source": source_of(evidence),
        "family": evidence.failed_family,
        "local": local,
        "public": f"our address {public or local}" if public or local != UNKNOWN else UNKNOWN,
        "servers": servers or "of this server",
        "addresses": ", ".join(probe.resolution.all_addresses),
        "issuer": certificate.issuer if certificate else "somebody else",
        "names": ", ".join(certificate.names[:3]) if certificate else "another name",
    }


def _payment_targets(probes: Iterable[ProbeResult], *, reached: bool) -> list[ProbeResult]:
    return [each for each in probes if each.is_reached is reached and each.target.role is not Role.PAGE]
