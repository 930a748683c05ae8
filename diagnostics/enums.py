"""The public words of a diagnosis: scripts compare with them, so they never change."""

from django.db import models

from payment.phonepe.enums import ErrorCategory


class Verdict(models.TextChoices):
    """What is wrong, in one word. docs/troubleshooting.md has a section for each."""

    OK = "ok"
    SIMULATED = "simulated"
    DNS_FAILURE = "dns_failure"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_TIMEOUT = "connection_timeout"
    CONNECTION_RESET = "connection_reset"
    NETWORK_UNREACHABLE = "network_unreachable"
    PROXY_FAILURE = "proxy_failure"
    TLS_UNTRUSTED = "tls_untrusted"
    TLS_EXPIRED = "tls_expired"
    TLS_HOSTNAME_MISMATCH = "tls_hostname_mismatch"
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed"
    CLOCK_SKEW = "clock_skew"
    HTTP_BLOCKED = "http_blocked"
    RATE_LIMITED = "rate_limited"
    PHONEPE_DOWN = "phonepe_down"
    WRONG_BASE_URL = "wrong_base_url"
    WRONG_ENVIRONMENT = "wrong_environment"
    BAD_CREDENTIALS = "bad_credentials"
    KEY_NOT_CONFIGURED = "key_not_configured"
    DATABASE_DOWN = "database_down"
    WORKER_DOWN = "worker_down"
    BROKER_DOWN = "broker_down"
    MAIL_DOWN = "mail_down"
    DISK_FULL = "disk_full"
    WEBHOOK_UNREACHABLE = "webhook_unreachable"
    MISCONFIGURED = "misconfigured"

    @property
    def is_well(self) -> bool:
        return self in {Verdict.OK, Verdict.SIMULATED}


class Culprit(models.TextChoices):
    """Who has to act."""

    NONE = "none"
    HOSTING = "hosting"
    PHONEPE = "phonepe"
    CREDENTIALS = "credentials"
    CONFIGURATION = "configuration"
    THIS_SERVER = "this_server"


class Finding(models.TextChoices):
    """What exactly happened at one layer. Several findings may lead to the same verdict."""

    NAME_UNKNOWN = "name_unknown", "the name server says that there is no such name (NXDOMAIN)"
    NAME_SERVER_FAILED = "name_server_failed", "the name server fails (SERVFAIL)"
    NAME_SERVER_SILENT = "name_server_silent", "no name server answers"
    SYSTEM_RESOLVER_FAILED = "system_resolver_failed", "the name server knows it, this system does not"
    PRIVATE_ANSWER = "private_answer", "the name leads into a private network"
    SINKHOLE_ANSWER = "sinkhole_answer", "the name leads nowhere (a sinkhole)"
    NO_ADDRESS = "no_address", "no address of this family"

    REFUSED = "refused", "the connection is refused"
    SILENT = "silent", "the connection is not answered"
    RESET = "reset", "the connection is cut"
    UNREACHABLE = "unreachable", "there is no route"

    PROXY_NAME_UNKNOWN = "proxy_name_unknown", "the proxy's name is unknown"
    PROXY_REFUSED = "proxy_refused", "the proxy refuses the connection"
    PROXY_SILENT = "proxy_silent", "the proxy does not answer"
    PROXY_UNREACHABLE = "proxy_unreachable", "there is no route to the proxy"
    PROXY_WANTS_LOGIN = "proxy_wants_login", "the proxy wants a login, or another one (407)"
    PROXY_FORBIDS = "proxy_forbids", "the proxy opens no tunnel to this host"
    PROXY_GETS_NOWHERE = "proxy_gets_nowhere", "the proxy itself cannot reach this host"

    UNTRUSTED = "untrusted", "the certificate is not trusted"
    INTERCEPTED = "intercepted", "somebody else has issued a certificate for this name"
    EXPIRED = "expired", "the certificate has expired"
    NOT_YET_VALID = "not_yet_valid", "the certificate is not valid yet"
    WRONG_HOST = "wrong_host", "the certificate belongs to another name"
    HANDSHAKE_REFUSED = "handshake_refused", "the other side breaks the TLS handshake off"
    HANDSHAKE_SILENT = "handshake_silent", "the other side says nothing in the TLS handshake"
    PROTOCOL_TOO_OLD = "protocol_too_old", "no version of TLS is spoken by both sides"
    NOT_TLS = "not_tls", "what answers does not speak TLS"

    NO_ANSWER = "no_answer", "the request is not answered"
    CUT = "cut", "the connection is cut before there is an answer"
    REDIRECT = "redirect", "the answer sends us elsewhere"
    CAPTIVE_PORTAL = "captive_portal", "a page of a network that wants something first"
    FIREWALL_PAGE = "firewall_page", "a page of somebody who keeps us out"
    FORBIDDEN = "forbidden", "403"
    TOO_MANY = "too_many", "429"
    SERVER_ERROR = "server_error", "5xx"

    CREDENTIALS_REFUSED = "credentials_refused", "the credentials are not accepted"
    NOT_AS_EXPECTED = "not_as_expected", "not the answer that an unknown order has"


# The verdict for a failed request.
VERDICT_OF = {
    ErrorCategory.DNS_ERROR: Verdict.DNS_FAILURE,
    ErrorCategory.CONNECTION_REFUSED: Verdict.CONNECTION_REFUSED,
    ErrorCategory.CONNECTION_TIMEOUT: Verdict.CONNECTION_TIMEOUT,
    ErrorCategory.CONNECTION_RESET: Verdict.CONNECTION_RESET,
    ErrorCategory.NETWORK_UNREACHABLE: Verdict.NETWORK_UNREACHABLE,
    ErrorCategory.TLS_ERROR: Verdict.TLS_HANDSHAKE_FAILED,
    ErrorCategory.PROXY_ERROR: Verdict.PROXY_FAILURE,
    ErrorCategory.READ_TIMEOUT: Verdict.PHONEPE_DOWN,
    ErrorCategory.BLOCKED_RESPONSE: Verdict.HTTP_BLOCKED,
    ErrorCategory.RATE_LIMITED: Verdict.RATE_LIMITED,
    ErrorCategory.GATEWAY_5XX: Verdict.PHONEPE_DOWN,
    ErrorCategory.AUTHENTICATION: Verdict.BAD_CREDENTIALS,
    ErrorCategory.WRONG_ENDPOINT: Verdict.WRONG_BASE_URL,
    ErrorCategory.REJECTED: Verdict.MISCONFIGURED,
    ErrorCategory.BAD_RESPONSE: Verdict.PHONEPE_DOWN,
}
# The verdict for a finding, where the error category says less.
VERDICT_OF_FINDING = {
    Finding.PRIVATE_ANSWER: Verdict.DNS_FAILURE,
    Finding.SINKHOLE_ANSWER: Verdict.DNS_FAILURE,
    Finding.PROXY_NAME_UNKNOWN: Verdict.PROXY_FAILURE,
    Finding.PROXY_REFUSED: Verdict.PROXY_FAILURE,
    Finding.PROXY_SILENT: Verdict.PROXY_FAILURE,
    Finding.PROXY_UNREACHABLE: Verdict.PROXY_FAILURE,
    Finding.PROXY_WANTS_LOGIN: Verdict.PROXY_FAILURE,
    Finding.PROXY_FORBIDS: Verdict.PROXY_FAILURE,
    Finding.PROXY_GETS_NOWHERE: Verdict.PROXY_FAILURE,
    Finding.UNTRUSTED: Verdict.TLS_UNTRUSTED,
    Finding.INTERCEPTED: Verdict.TLS_UNTRUSTED,
    Finding.EXPIRED: Verdict.TLS_EXPIRED,
    Finding.NOT_YET_VALID: Verdict.CLOCK_SKEW,
    Finding.WRONG_HOST: Verdict.TLS_HOSTNAME_MISMATCH,
}
