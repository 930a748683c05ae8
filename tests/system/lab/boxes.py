"""Rows about who is in between: one box in the place of everybody, interception, and chains that do not fit."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta

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
    yield Case(
        "intermediate missing at the first", "v2", "first", intermediate_missing_at_the_first, V.OK, Culprit.NONE,
        F.CHAIN_INCOMPLETE, lambda testbed: (testbed.first,), named="api-preprod.phonepe.com",
    )  # fmt: skip
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


def signed_by_itself(hosts: Callable[[Testbed], Iterable[Host]]) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in hosts(testbed):
            host.certificate = testbed.stranger.issue_for_itself(host.name, host.name)

    return arrange


def forged_below_a_root(hosts: Callable[[Testbed], Iterable[Host]]) -> Arrange:
    """As in companies: the box signs by an authority of its own, whose root it does not send."""

    def arrange(testbed: Testbed) -> None:
        box = testbed.authority("inspection", "Hosting Ltd", testbed.stranger)
        for host in hosts(testbed):
            host.certificate = box.issue(host.name, with_issuer=True)

    return arrange


def one_of_two_intermediates_missing(testbed: Testbed) -> None:
    """The first was sent; nobody says who has signed it."""
    chains_complete(testbed)
    upper = testbed.authority("upper", "DigiCert Inc", testbed.public)
    lower = testbed.authority("lower", "DigiCert Inc", upper)
    for host in testbed.endpoints:
        host.certificate = lower.issue(host.name, with_issuer=True)


def intermediate_missing_at_the_first(testbed: Testbed) -> None:
    chains_complete(testbed)
    authority = public_authorities_of_phonepe(testbed)
    testbed.second.certificate = authority.issue(testbed.second.name, with_issuer=True)
    testbed.first.certificate = authority.issue(testbed.first.name)


def issued_by(organisation: str) -> Arrange:
    """Another name that public authorities bear: what counts is the chain."""

    def arrange(testbed: Testbed) -> None:
        authority = testbed.authority("another", organisation, testbed.public)
        for host in testbed.endpoints:
            host.certificate = authority.issue(host.name, with_issuer=True)

    return arrange


def forged_by_a_namesake(testbed: Testbed) -> None:
    """Anybody can write the name of a public authority into a certificate."""
    forger = testbed.authority("forger", "DigiCert Inc")
    for host in testbed.endpoints:
        host.certificate = forger.issue(host.name, with_issuer=True)


def expired_box(testbed: Testbed) -> None:
    """One box answers for everybody, and its own certificate has expired."""
    shown = testbed.stranger.issue("portal.hosting.example", ends=-timedelta(days=30))
    for host in testbed.everybody:
        host.certificate, host.answer = shown, PORTAL


def wildcard_everywhere(testbed: Testbed) -> None:
    shown = testbed.stranger.issue("*.hosting.example", "hosting.example")
    for host in testbed.everybody:
        host.certificate = shown


def network_wants_a_login(testbed: Testbed) -> None:
    """RFC 6585: 511."""
    forged_with_a_page(everybody, actors.says(511, PAGE, HTML))(testbed)


def changed_dates(ends: timedelta, starts: timedelta = -timedelta(days=90)) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.certificate = testbed.public.issue(host.name, starts=starts, ends=ends)

    return arrange


def for_names(*names: str) -> Arrange:
    def arrange(testbed: Testbed) -> None:
        for host in testbed.endpoints:
            host.certificate = testbed.public.issue(*names)

    return arrange


FIREWALL = actors.says(403, PAGE, HTML)
BAD_GATEWAY = actors.says(502, PAGE, HTML)
CONTENT = actors.says(200, b"<html><title>Content filter</title></html>", HTML)
ROWS: tuple[tuple[str, str, Arrange, Verdict, str, str], ...] = (
    ("portal with one certificate", "all hosts", same_certificate_everywhere, V.TLS_UNTRUSTED, HOSTING, ""),
    ("one self-signed certificate's subject", "all hosts", signed_by_itself_everywhere, V.TLS_UNTRUSTED, HOSTING, ""),
    ("each name signed by itself", "all hosts", signed_by_itself_for_each_name, V.TLS_UNTRUSTED, HOSTING, ""),
    ("portal with a valid certificate", "all hosts", valid_for_the_portal_only, V.TLS_HOSTNAME_MISMATCH, HOSTING, ""),
    ("intercepted, its authority sent", "all hosts", forged_for(everybody, "stranger"), V.TLS_UNTRUSTED, HOSTING,
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
    ("trusted interception that lets through", "all hosts", forged_for(everybody, "trusted"), V.OK, Culprit.NONE, ""),
    ("public authorities of many names", "all hosts", chains_complete, V.OK, Culprit.NONE, ""),
    ("intermediate missing, known elsewhere", "both", intermediate_missing, V.TLS_UNTRUSTED, PHONEPE,
     F.CHAIN_INCOMPLETE),
    ("intermediate missing", "both", intermediate_missing_and_nowhere_else, V.TLS_UNTRUSTED, HOSTING,
     F.CHAIN_INCOMPLETE),
    ("new authorities, old list", "all hosts", store_too_old, V.TLS_UNTRUSTED, THIS_SERVER, ""),
    ("list of payments too old", "all hosts", store_of_payments_too_old, V.TLS_UNTRUSTED, THIS_SERVER, ""),
    ("signed by itself", "both", signed_by_itself(endpoints), V.TLS_UNTRUSTED, HOSTING, F.UNTRUSTED),
    ("signed by itself", "all of PhonePe", signed_by_itself(phonepes), V.TLS_UNTRUSTED, HOSTING, F.UNTRUSTED),
    ("intercepted below a root", "all hosts", forged_below_a_root(everybody), V.TLS_UNTRUSTED, HOSTING, ""),
    ("intercepted below a root", "both", forged_below_a_root(endpoints), V.TLS_UNTRUSTED, HOSTING, F.CHAIN_INCOMPLETE),
    ("one of two intermediates missing", "both", one_of_two_intermediates_missing, V.TLS_UNTRUSTED, HOSTING,
     F.CHAIN_INCOMPLETE),
    ("forged by a namesake", "both", forged_by_a_namesake, V.TLS_UNTRUSTED, HOSTING, F.INTERCEPTED),
    ("portal whose certificate has expired", "all hosts", expired_box, V.TLS_UNTRUSTED, HOSTING, ""),
    ("portal with a wildcard certificate", "all hosts", wildcard_everywhere, V.TLS_UNTRUSTED, HOSTING, ""),
    ("network wants a login (511)", "all hosts", network_wants_a_login, V.HTTP_BLOCKED, HOSTING, F.CAPTIVE_PORTAL),
    ("certificates by Let's Encrypt", "both", issued_by("Let's Encrypt"), V.OK, Culprit.NONE, ""),
    ("certificates by ZeroSSL", "both", issued_by("ZeroSSL"), V.OK, Culprit.NONE, ""),
    ("certificates by eMudhra", "both", issued_by("eMudhra Technologies Limited"), V.OK, Culprit.NONE, ""),
    ("certificate expired an hour ago", "both", changed_dates(-timedelta(hours=1)), V.TLS_EXPIRED, PHONEPE, F.EXPIRED),
    ("certificate expired last year", "both", changed_dates(-timedelta(days=400), -timedelta(days=700)), V.TLS_EXPIRED,
     PHONEPE, F.EXPIRED),
    ("certificate valid in two days", "both", changed_dates(timedelta(days=90), timedelta(days=2)), V.TLS_EXPIRED,
     PHONEPE, F.NOT_YET_VALID),
    ("certificate ends in an hour", "both", changed_dates(timedelta(hours=1)), V.OK, Culprit.NONE, ""),
    ("certificate for *.phonepe.com", "both", for_names("*.phonepe.com"), V.OK, Culprit.NONE, ""),
    ("certificate for *.preprod.phonepe.com", "both", for_names("*.preprod.phonepe.com"), V.TLS_HOSTNAME_MISMATCH,
     HOSTING, F.WRONG_HOST),
    ("certificate for the bare domain", "both", for_names("phonepe.com"), V.TLS_HOSTNAME_MISMATCH, HOSTING,
     F.WRONG_HOST),
    ("PhonePe's page, unknown authorities", "both", authorities_of_a_laboratory(FIREWALL), V.HTTP_BLOCKED, PHONEPE,
     F.FIREWALL_PAGE),
    ("PhonePe's 502, unknown authorities", "both", authorities_of_a_laboratory(actors.says(502, b"{}")),
     V.PHONEPE_DOWN, PHONEPE, F.SERVER_ERROR),
)  # fmt: skip
