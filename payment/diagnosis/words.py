"""The words of an answer. Whoever scripts against the diagnosis reads these two lists."""

from django.db import models

from payment.states import ErrorCategory


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


# What a failed try to reach somebody comes to. Certificates are told apart in `payment.diagnosis.knocks`.
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
