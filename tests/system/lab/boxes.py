"""Rows about who is in between: one box in the place of everybody, interception, and chains that do not fit."""

from collections.abc import Callable, Iterable, Iterator

from diagnostics.enums import Culprit, Finding, Verdict
from tests.harness.certificates import Authority
from tests.system.lab import actors, installation
from tests.system.lab.case import Case
from tests.system.lab.faults import HOSTING, HTML, PAGE, PHONEPE, THIS_SERVER
from tests.system.lab.testbed import Host, Testbed

V, F = Verdict, Finding
Arrange = Callable[[Testbed], None]
PORTAL = actors.says(302, b"", "text/plain", "Location: https://portal.hosting.example/login")
# Names that authorities of the public really bear.
ISSUERS = {
    "api-preprod.phonepe.com": "DigiCert Inc",
    "api-preprod-2.phonepe.com": "DigiCert Inc",
    "api.phonepe.com": "Let's Encrypt",
    "one.one.one.one": "Cloudflare, Inc.",
    "www.google.com": "Google Trust Services",
}


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, where, arrange, verdict, culprit, finding in ROWS:
            yield Case(
                title, generation, where, arrange, verdict, culprit, finding,
                (lambda testbed: testbed.endpoints) if finding else (lambda testbed: ()),
            )  # fmt: skip


def same_certificate_everywhere(testbed: Testbed) -> None:
    """A login page of the network, at every name, with the certificate of the box."""
    shown = testbed.stranger.issue("portal.hosting.example")
    for host in testbed.everybody:
        host.certificate, host.answer = shown, PORTAL


def signed_by_itself_everywhere(testbed: Testbed) -> None:
    for host in testbed.everybody:
        host.certificate = testbed.stranger.issue_for_itself("firewall.hosting.example", host.name)


def signed_by_itself_for_each_name(testbed: Testbed) -> None:
    for host in testbed.everybody:
        host.certificate = testbed.stranger.issue_for_itself(host.name, host.name)


def valid_for_the_portal_only(testbed: Testbed) -> None:
    """Bought from a public authority, for the name of the portal."""
    shown = testbed.public.issue("portal.hosting.example")
    for host in testbed.everybody:
        host.certificate = shown


def forged_for(hosts: Callable[[Testbed], Iterable[Host]], by: str, *, with_issuer: bool = True) -> Arrange:
    """`by`: the authority in between, "trusted" by this server, or a "stranger"."""

    def arrange(testbed: Testbed) -> None:
        for host in hosts(testbed):
            host.certificate = getattr(testbed, by).issue(host.name, with_issuer=with_issuer)

    return arrange


def forged_with_a_page(hosts: Callable[[Testbed], Iterable[Host]], answer: actors.Answer) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        forged_for(hosts, "trusted")(testbed)
        for host in hosts(testbed):
            host.answer = answer

    return arrange


def everybody(testbed: Testbed) -> Iterable[Host]:
    return testbed.everybody


def phonepes(testbed: Testbed) -> Iterable[Host]:
    return testbed.phonepes


def endpoints(testbed: Testbed) -> Iterable[Host]:
    return testbed.endpoints


def public_authorities(testbed: Testbed) -> dict[str, Authority]:
    """One for each host, of the name that a real one has, and signed by one that the world trusts."""
    made = {
        organisation: testbed.authority(organisation, organisation, testbed.public)
        for organisation in dict.fromkeys(ISSUERS.values())
    }
    return {name: made[organisation] for name, organisation in ISSUERS.items()}


def chains_complete(testbed: Testbed) -> None:
    for name, authority in public_authorities(testbed).items():
        testbed.hosts[name].certificate = authority.issue(name, with_issuer=True)


def intermediate_missing(testbed: Testbed) -> None:
    """PhonePe's addresses for payments forget it; its other environment has the same issuer and sends it."""
    chains_complete(testbed)
    authority = public_authorities_of_phonepe(testbed)
    testbed.sibling.certificate = authority.issue(testbed.sibling.name, with_issuer=True)
    for host in testbed.endpoints:
        host.certificate = authority.issue(host.name)


def public_authorities_of_phonepe(testbed: Testbed) -> Authority:
    return testbed.authority("an-intermediate", "DigiCert Inc", testbed.public)


def intermediate_missing_and_nowhere_else(testbed: Testbed) -> None:
    chains_complete(testbed)
    authority = public_authorities_of_phonepe(testbed)
    for host in testbed.endpoints:
        host.certificate = authority.issue(host.name)


def store_too_old(testbed: Testbed) -> None:
    """Every host has a public authority of its own, and this server's list knows none of them yet."""
    for name, organisation in ISSUERS.items():
        folder = f"new {name}"
        authority = testbed.authority(folder, organisation)
        testbed.hosts[name].certificate = authority.issue(name)


def store_of_payments_too_old(testbed: Testbed) -> None:
    """The list of PHONEPE_CA_BUNDLE, where the built-in one knows everybody."""
    chains_complete(testbed)
    testbed.settings["PHONEPE_CA_BUNDLE"] = str(testbed.trusted.bundle)


def authorities_of_a_laboratory(answer: actors.Answer) -> Arrange:
    """Of names that public ones bear, in PHONEPE_CA_BUNDLE only: PhonePe's own page stays PhonePe's."""

    def arrange(testbed: Testbed) -> None:
        testbed.files[installation.PUBLIC_AUTHORITIES] = testbed.stranger.bundle.read_text()
        chains_complete(testbed)
        for host in testbed.endpoints:
            host.answer = answer

    return arrange


FIREWALL = actors.says(403, PAGE, HTML)
BAD_GATEWAY = actors.says(502, PAGE, HTML)
CONTENT = actors.says(200, b"<html><title>Content filter</title></html>", HTML)
ROWS: tuple[tuple[str, str, Arrange, Verdict, str, str], ...] = (
    ("portal with one certificate", "everybody", same_certificate_everywhere, V.TLS_UNTRUSTED, HOSTING, ""),
    ("one self-signed certificate's subject", "everybody", signed_by_itself_everywhere, V.TLS_UNTRUSTED, HOSTING, ""),
    ("each name signed by itself", "everybody", signed_by_itself_for_each_name, V.TLS_UNTRUSTED, HOSTING, ""),
    ("portal with a valid certificate", "everybody", valid_for_the_portal_only, V.TLS_HOSTNAME_MISMATCH, HOSTING, ""),
    ("intercepted, its authority sent", "everybody", forged_for(everybody, "stranger"), V.TLS_UNTRUSTED, HOSTING,
     F.INTERCEPTED),
    ("intercepted, its authority sent", "all of PhonePe", forged_for(phonepes, "stranger"), V.TLS_UNTRUSTED, HOSTING,
     F.INTERCEPTED),
    ("intercepted, its authority sent", "both", forged_for(endpoints, "stranger"), V.TLS_UNTRUSTED, HOSTING,
     F.INTERCEPTED),
    ("trusted interception, firewall's page", "both", forged_with_a_page(endpoints, FIREWALL), V.HTTP_BLOCKED, HOSTING,
     F.FIREWALL_PAGE),
    ("trusted interception, filter's page", "all of PhonePe", forged_with_a_page(phonepes, CONTENT), V.HTTP_BLOCKED,
     HOSTING, F.CAPTIVE_PORTAL),
    ("trusted interception, 502", "both", forged_with_a_page(endpoints, BAD_GATEWAY), V.PHONEPE_DOWN, HOSTING,
     F.SERVER_ERROR),
    ("trusted interception, no answer", "both", forged_with_a_page(endpoints, actors.wait_for_ever), V.PHONEPE_DOWN,
     HOSTING, F.NO_ANSWER),
    ("trusted interception that lets through", "everybody", forged_for(everybody, "trusted"), V.OK, Culprit.NONE, ""),
    ("public authorities of many names", "everybody", chains_complete, V.OK, Culprit.NONE, ""),
    ("intermediate missing, known elsewhere", "both", intermediate_missing, V.TLS_UNTRUSTED, PHONEPE,
     F.CHAIN_INCOMPLETE),
    ("intermediate missing", "both", intermediate_missing_and_nowhere_else, V.TLS_UNTRUSTED, HOSTING,
     F.CHAIN_INCOMPLETE),
    ("new authorities, old list", "everybody", store_too_old, V.TLS_UNTRUSTED, THIS_SERVER, ""),
    ("list of payments too old", "everybody", store_of_payments_too_old, V.TLS_UNTRUSTED, THIS_SERVER, ""),
    ("PhonePe's page, unknown authorities", "both", authorities_of_a_laboratory(FIREWALL), V.HTTP_BLOCKED, PHONEPE,
     F.FIREWALL_PAGE),
    ("PhonePe's 502, unknown authorities", "both", authorities_of_a_laboratory(actors.says(502, b"{}")),
     V.PHONEPE_DOWN, PHONEPE, F.SERVER_ERROR),
)  # fmt: skip
