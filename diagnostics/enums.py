"""The public words of a diagnosis: scripts compare with them, so they never change.

Each member is one row: the word, what follows from it, and last its text for people. No other table maps one of these
words to another. A failed HTTP request to PhonePe has a word of its own, `ErrorCategory`; the text of a category stands
in `payment.phonepe.response_codes`.
"""

from typing import Self

from django.db import models
from django.utils.translation import gettext_noop as _

from payment.phonepe.enums import ErrorCategory
from payment.phonepe.response_codes import KEYS, SUPPORT, WITHOUT_CODE, Actor, Meaning


class Culprit(models.TextChoices):
    """Who has to act. `support`: who gets the support message, if it is somebody in particular."""

    support: str

    NONE = "none", "nobody"
    HOSTING = (
        "hosting",
        "the support of the hosting provider",
        "the hosting provider, or whoever runs this server's network",
    )
    PHONEPE = "phonepe", "PhonePe's merchant support", "PhonePe"
    CREDENTIALS = "credentials", "whoever manages our account in PhonePe's dashboard"
    CONFIGURATION = "configuration", "whoever configures this server"
    THIS_SERVER = "this_server", "whoever operates this server"

    def __new__(cls, value: str, support: str = "") -> Self:
        row = str.__new__(cls, value)
        row._value_, row.support = value, support
        return row

    @classmethod
    def of(cls, meaning: Meaning) -> "Culprit":
        """Who must act when PhonePe answers our status request with a code of this meaning.

        A code about a customer, or about nobody, is no answer to that request: PhonePe answers wrongly.
        """
        if meaning.actor is Actor.OWNER or meaning.where == KEYS:
            return cls.CREDENTIALS
        if meaning.actor is Actor.DEVELOPER and meaning.where != SUPPORT:
            return cls.CONFIGURATION
        return cls.HOSTING if meaning.actor is Actor.HOSTING else cls.PHONEPE

    @property
    def recipient(self) -> str:
        return self.support or str(self.label)


def caused_by(category: ErrorCategory) -> tuple[tuple[ErrorCategory, ...], str]:
    """The last two columns of a verdict that comes of this category alone: its text is the category's."""
    return (category,), WITHOUT_CODE[category].cause


class Verdict(models.TextChoices):
    """What is wrong, in one word. docs/troubleshooting.md has a section for each.

    `owner`: who has to act, unless a rule has evidence against somebody else. `categories`: failed requests that lead
    to this verdict.
    """

    owner: Culprit
    categories: tuple[ErrorCategory, ...]

    OK = "ok", Culprit.NONE, (), _("all is well")
    SIMULATED = "simulated", Culprit.NONE, (), _("PhonePe is simulated")
    DNS_FAILURE = "dns_failure", Culprit.HOSTING, *caused_by(ErrorCategory.DNS_ERROR)
    CONNECTION_REFUSED = (
        "connection_refused",
        Culprit.HOSTING,
        *caused_by(ErrorCategory.CONNECTION_REFUSED),
    )
    CONNECTION_TIMEOUT = (
        "connection_timeout",
        Culprit.HOSTING,
        *caused_by(ErrorCategory.CONNECTION_TIMEOUT),
    )
    CONNECTION_RESET = "connection_reset", Culprit.HOSTING, *caused_by(ErrorCategory.CONNECTION_RESET)
    NETWORK_UNREACHABLE = (
        "network_unreachable",
        Culprit.HOSTING,
        *caused_by(ErrorCategory.NETWORK_UNREACHABLE),
    )
    PROXY_FAILURE = "proxy_failure", Culprit.CONFIGURATION, *caused_by(ErrorCategory.PROXY_ERROR)
    TLS_UNTRUSTED = "tls_untrusted", Culprit.HOSTING, (), _("the certificate is not trusted")
    TLS_EXPIRED = "tls_expired", Culprit.PHONEPE, (), _("the certificate is not valid at this time")
    TLS_HOSTNAME_MISMATCH = (
        "tls_hostname_mismatch",
        Culprit.HOSTING,
        (),
        _("the certificate belongs to another name"),
    )
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed", Culprit.HOSTING, *caused_by(ErrorCategory.TLS_ERROR)
    CLOCK_SKEW = "clock_skew", Culprit.THIS_SERVER, (), _("the clock is wrong")
    HTTP_BLOCKED = "http_blocked", Culprit.HOSTING, *caused_by(ErrorCategory.BLOCKED_RESPONSE)
    RATE_LIMITED = "rate_limited", Culprit.PHONEPE, *caused_by(ErrorCategory.RATE_LIMITED)
    PHONEPE_DOWN = (
        "phonepe_down",
        Culprit.PHONEPE,
        (ErrorCategory.READ_TIMEOUT, ErrorCategory.GATEWAY_5XX, ErrorCategory.BAD_RESPONSE),
        _("requests are not answered properly"),
    )
    WRONG_BASE_URL = "wrong_base_url", Culprit.CONFIGURATION, *caused_by(ErrorCategory.WRONG_ENDPOINT)
    WRONG_ENVIRONMENT = "wrong_environment", Culprit.CREDENTIALS, (), _("the client id is unknown")
    BAD_CREDENTIALS = "bad_credentials", Culprit.CREDENTIALS, *caused_by(ErrorCategory.AUTHENTICATION)
    KEY_NOT_CONFIGURED = "key_not_configured", Culprit.CREDENTIALS, (), _("there is no salt key")
    SERVER_OVERLOADED = (
        "server_overloaded",
        Culprit.THIS_SERVER,
        (),
        _("this server is too busy to tell what is wrong"),
    )
    DATABASE_DOWN = "database_down", Culprit.THIS_SERVER, (), _("the database does not work")
    WORKER_DOWN = "worker_down", Culprit.THIS_SERVER, (), _("the background worker does not run")
    BROKER_DOWN = "broker_down", Culprit.THIS_SERVER, (), _("the message broker cannot be reached")
    MAIL_DOWN = "mail_down", Culprit.THIS_SERVER, (), _("the mail server cannot be used")
    DISK_FULL = "disk_full", Culprit.THIS_SERVER, (), _("the disk is full")
    WEBHOOK_UNREACHABLE = (
        "webhook_unreachable",
        Culprit.THIS_SERVER,
        (),
        _("PhonePe's webhooks do not arrive"),
    )
    MISCONFIGURED = "misconfigured", Culprit.CONFIGURATION, *caused_by(ErrorCategory.REJECTED)

    def __new__(
        cls, value: str, owner: Culprit = Culprit.NONE, categories: tuple[ErrorCategory, ...] = ()
    ) -> Self:
        row = str.__new__(cls, value)
        row._value_, row.owner, row.categories = value, owner, categories
        return row

    @classmethod
    def of(cls, category: str) -> "Verdict":
        """The verdict for a failed request. Raises ValueError for a word that is no ErrorCategory."""
        return next(row for row in cls if ErrorCategory(category) in row.categories)

    @property
    def is_well(self) -> bool:
        return self in {Verdict.OK, Verdict.SIMULATED}

    @property
    def is_minor(self) -> bool:
        """Payments go on all the same."""
        return self in {Verdict.BROKER_DOWN, Verdict.MAIL_DOWN, Verdict.WEBHOOK_UNREACHABLE}


class Finding(models.TextChoices):
    """What exactly happened at one layer. Several findings may lead to the same verdict.

    `verdict` None: not known from the finding alone. The category of the failed request decides, or, where the request
    was answered, our status request.
    """

    verdict: Verdict | None

    NAME_UNKNOWN = (
        "name_unknown",
        Verdict.DNS_FAILURE,
        "the name server says that there is no such name (NXDOMAIN)",
    )
    NAME_SERVER_FAILED = "name_server_failed", Verdict.DNS_FAILURE, "the name server fails (SERVFAIL)"
    NAME_SERVER_SILENT = "name_server_silent", Verdict.DNS_FAILURE, "no name server answers"
    NAME_SERVER_SLOW = "name_server_slow", "the name server takes more than a second to answer"
    SYSTEM_RESOLVER_FAILED = (
        "system_resolver_failed",
        Verdict.DNS_FAILURE,
        "the name server knows it, this system does not",
    )
    PRIVATE_ANSWER = "private_answer", Verdict.DNS_FAILURE, "the name leads into a private network"
    SINKHOLE_ANSWER = "sinkhole_answer", Verdict.DNS_FAILURE, "the name leads nowhere (a sinkhole)"
    NO_ADDRESS = "no_address", "no address of this family"

    REFUSED = "refused", Verdict.CONNECTION_REFUSED, Verdict.CONNECTION_REFUSED.label
    SILENT = "silent", Verdict.CONNECTION_TIMEOUT, Verdict.CONNECTION_TIMEOUT.label
    RESET = "reset", Verdict.CONNECTION_RESET, Verdict.CONNECTION_RESET.label
    UNREACHABLE = "unreachable", Verdict.NETWORK_UNREACHABLE, Verdict.NETWORK_UNREACHABLE.label

    PROXY_NAME_UNKNOWN = (
        "proxy_name_unknown",
        Verdict.PROXY_FAILURE,
        "the proxy's name is not resolved",
    )
    PROXY_REFUSED = "proxy_refused", Verdict.PROXY_FAILURE, "the proxy refuses the connection"
    PROXY_SILENT = "proxy_silent", Verdict.PROXY_FAILURE, "the proxy does not answer"
    PROXY_UNREACHABLE = "proxy_unreachable", Verdict.PROXY_FAILURE, "there is no route to the proxy"
    PROXY_WANTS_LOGIN = (
        "proxy_wants_login",
        Verdict.PROXY_FAILURE,
        "the proxy wants a login, or another one (407)",
    )
    PROXY_FORBIDS = "proxy_forbids", Verdict.PROXY_FAILURE, "the proxy opens no tunnel to this host"
    PROXY_GETS_NOWHERE = (
        "proxy_gets_nowhere",
        Verdict.PROXY_FAILURE,
        "the proxy itself cannot reach this host",
    )

    UNTRUSTED = "untrusted", Verdict.TLS_UNTRUSTED, Verdict.TLS_UNTRUSTED.label
    INTERCEPTED = "intercepted", Verdict.TLS_UNTRUSTED, "somebody else has issued a certificate for this name"
    CHAIN_INCOMPLETE = (
        "chain_incomplete",
        Verdict.TLS_UNTRUSTED,
        "the certificate comes without those that lead to a known authority",
    )
    EXPIRED = "expired", Verdict.TLS_EXPIRED, "the certificate has expired"
    NOT_YET_VALID = "not_yet_valid", Verdict.CLOCK_SKEW, "the certificate is not valid yet"
    WRONG_HOST = "wrong_host", Verdict.TLS_HOSTNAME_MISMATCH, Verdict.TLS_HOSTNAME_MISMATCH.label
    HANDSHAKE_REFUSED = (
        "handshake_refused",
        Verdict.TLS_HANDSHAKE_FAILED,
        "the other side breaks the TLS handshake off",
    )
    HANDSHAKE_SILENT = (
        "handshake_silent",
        Verdict.TLS_HANDSHAKE_FAILED,
        "the other side says nothing in the TLS handshake",
    )
    PROTOCOL_TOO_OLD = (
        "protocol_too_old",
        Verdict.TLS_HANDSHAKE_FAILED,
        "no version of TLS is spoken by both sides",
    )
    NOT_TLS = "not_tls", Verdict.TLS_HANDSHAKE_FAILED, "what answers does not speak TLS"

    NO_ANSWER = "no_answer", "the request is not answered"
    CUT = "cut", "the connection is cut before there is an answer"
    REDIRECT = "redirect", "the answer is a redirect"
    CAPTIVE_PORTAL = "captive_portal", "a page of a network that wants a login or consent first"
    FIREWALL_PAGE = "firewall_page", "a page of a firewall that blocks us"
    FORBIDDEN = "forbidden", "the answer is 403, forbidden"
    TOO_MANY = "too_many", "the answer is 429, too many requests"
    SERVER_ERROR = "server_error", "the answer is a server error (5xx)"

    CREDENTIALS_REFUSED = "credentials_refused", "the credentials are not accepted"
    NOT_AS_EXPECTED = "not_as_expected", "not the answer that an unknown order has"

    def __new__(cls, value: str, verdict: Verdict | None = None) -> Self:
        row = str.__new__(cls, value)
        row._value_, row.verdict = value, verdict
        return row


# Nobody answered in time. Lost packets look like that, and so does a server that is too busy to listen.
TIMEOUTS = frozenset(
    {
        Finding.NAME_SERVER_SILENT,
        Finding.SILENT,
        Finding.PROXY_SILENT,
        Finding.HANDSHAKE_SILENT,
        Finding.NO_ANSWER,
    }
)
