"""The words about one call to PhonePe: protocol, operation, stage, error category, PhonePe's status."""

import enum

from django.db import models


class Generation(models.TextChoices):
    """Which of PhonePe's two protocols an attempt uses; it never changes."""

    V1 = "v1", "V1 (salt key)"
    V2 = "v2", "V2 (OAuth)"


class Channel(models.TextChoices):
    """Where the customer pays an order. PhonePe opens an order for one channel."""

    PAGE = "page", "PhonePe's page in a browser"
    SDK = "sdk", "PhonePe's SDK in an app"
    UPI_INTENT = "upi_intent", "a UPI app on the phone"

    def is_offered_by(self, generation: str) -> bool:
        """Mobile SDKs take the order token of V2. V2's UPI intent needs custom checkout, which we do not use."""
        if self is Channel.PAGE:
            return True
        return generation == (Generation.V2 if self is Channel.SDK else Generation.V1)


class ProviderStatus(enum.Enum):
    """PhonePe's status of an order or a refund, in our words. A word that we do not know is UNKNOWN."""

    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CONFIRMED = "CONFIRMED"  # refunds only: accepted by the bank, not credited yet
    NOT_FOUND = "NOT_FOUND"
    UNKNOWN = "UNKNOWN"


class Operation(models.TextChoices):
    """The kind of an HTTP request to PhonePe."""

    TOKEN = "token"  # noqa: S105 - the name of a call, not a token
    PAY = "pay"
    STATUS = "status"
    REFUND = "refund"
    REFUND_STATUS = "refund_status"
    PROBE = "probe"

    @property
    def idempotent(self) -> bool:
        """May be sent again at any endpoint, any time. An order or a refund is opened once, then polled."""
        return self not in {Operation.PAY, Operation.REFUND}


class Stage(enum.IntEnum):
    """How far one HTTP attempt came. Up to TLS nothing of the request can have reached PhonePe."""

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
    """Why an HTTP attempt failed, decided by exception type and stage, never by text."""

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
