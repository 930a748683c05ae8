"""What is said about one call to PhonePe: protocol, operation, stage reached, what failed, what PhonePe answered."""

import enum

from django.db import models


class Generation(models.TextChoices):
    """Which of PhonePe's two protocols an attempt speaks, for its whole life."""

    V1 = "v1", "V1 (salt key)"
    V2 = "v2", "V2 (OAuth)"


class ProviderStatus(enum.Enum):
    """PhonePe's answer to "what became of it", in our words. A word we do not know is UNKNOWN."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CONFIRMED = "CONFIRMED"  # refunds only: accepted by the bank, still under way
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"


class Operation(models.TextChoices):
    """What is asked of PhonePe in one HTTP call."""

    TOKEN = "token"  # noqa: S105 - the name of a call, not a token
    PAY = "pay"
    STATUS = "status"
    REFUND = "refund"
    REFUND_STATUS = "refund_status"
    PROBE = "probe"

    @property
    def idempotent(self) -> bool:
        """May be repeated anywhere, any time. Opening an order or a refund is said once, then asked about."""
        return self not in {Operation.PAY, Operation.REFUND}


class Stage(enum.IntEnum):
    """How far one HTTP try came. Up to TLS nothing of ours can have reached PhonePe."""

    STARTED = 0
    RESOLVED = 1
    CONNECTED = 2
    PROXIED = 3
    TLS = 4
    SENT = 5  # from the first byte of the request on
    HEADERS = 6
    BODY = 7

    @property
    def nothing_sent(self) -> bool:
        return self < Stage.SENT


class ErrorCategory(models.TextChoices):
    """What went wrong between us and PhonePe, decided by exception type and stage, never by text."""

    DNS_ERROR = "DNS_ERROR"
    CONNECTION_REFUSED = "CONNECTION_REFUSED"
    CONNECTION_TIMEOUT = "CONNECTION_TIMEOUT"
    CONNECTION_RESET = "CONNECTION_RESET"
    NETWORK_UNREACHABLE = "NETWORK_UNREACHABLE"
    TLS_ERROR = "TLS_ERROR"
    PROXY_ERROR = "PROXY_ERROR"
    READ_TIMEOUT = "READ_TIMEOUT"
    BLOCKED_RESPONSE = "BLOCKED_RESPONSE"
    RATE_LIMITED = "RATE_LIMITED"
    GATEWAY_5XX = "GATEWAY_5XX"
    AUTHENTICATION = "AUTHENTICATION"
    WRONG_ENDPOINT = "WRONG_ENDPOINT"
    REJECTED = "REJECTED"
    BAD_RESPONSE = "BAD_RESPONSE"
