"""Requests to PhonePe and its answers, in our own words and the same for both generations.

Amounts are paise. Input from PhonePe is not trusted: the readers here accept only values of the right type and
shape, and turn everything else into None or "", never into an exception of ours.
"""

import enum
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from payment.phonepe.credentials import Identity, host_and_port
from payment.phonepe.enums import Channel, ErrorCategory, Operation, ProviderStatus, Stage

Json = dict[str, Any]

MOBILE = re.compile(r"[0-9]{10}", re.ASCII)
IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,63}")
LARGEST_AMOUNT = 10**15
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
YEAR_2100_MS = 4_102_444_800_000
# As seconds this is the year 5138, as milliseconds 1973: no moment of ours is valid as both.
LARGEST_SECONDS = 10**11


class RequestOutcome(enum.Enum):
    """What a failed HTTP attempt means for a retry."""

    NOT_SENT = "no byte of it can have reached PhonePe: retry at the next endpoint at once"
    THROTTLED = "rejected unread: wait, then retry"
    AMBIGUOUS = "it may have arrived: fetch the status before a retry"
    DUPLICATE_ID = "PhonePe knows this id already: fetch the status"
    REJECTED = "PhonePe read it and refused it: a retry changes nothing"


class Unreadable(ValueError):
    """A message without the members that make it one."""


@dataclass(frozen=True)
class Request:
    """`path` follows the endpoint's base URL; V1 signs exactly this path."""

    operation: Operation
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What to open at PhonePe. `expire_after` in seconds; `udf` are (name, value) pairs, which V2 keeps.

    `mobile` is an Indian one in ten digits: PhonePe takes no other spelling and no other country's.
    `target_app`, `device_os` (ANDROID, IOS) and `callback_scheme` (IOS) are those of a UPI intent.
    """

    merchant_order_id: str
    amount_paise: int
    redirect_url: str
    callback_url: str
    user_reference: str
    mobile: str | None = None
    expire_after: int = 900
    message: str = ""
    udf: tuple[tuple[str, str], ...] = ()
    channel: Channel = Channel.PAGE
    target_app: str = ""
    device_os: str = ""
    callback_scheme: str = ""

    @property
    def ten_digits(self) -> str | None:
        """The mobile number as PhonePe takes it; None for every other spelling: PhonePe might refuse the order."""
        return self.mobile if self.mobile and MOBILE.fullmatch(self.mobile) else None


@dataclass(frozen=True)
class RefundOrder:
    merchant_refund_id: str
    merchant_order_id: str
    amount_paise: int
    user_reference: str
    callback_url: str


@dataclass(frozen=True)
class HttpAttempt:
    """The record of one HTTP attempt, without secrets or phone numbers. `error_category` is "" if it succeeded.

    `message`: PhonePe's own sentence about a failure; "" for orders and refunds, where it may repeat a phone number.
    """

    operation: Operation
    endpoint: str
    host: str
    port: int
    proxy: str
    stage: Stage
    milliseconds: int
    http_status: int | None
    code: str
    error_category: str
    started_at: datetime
    message: str = ""

    @property
    def hop(self) -> tuple[str, int]:
        return hop(self.error_category, self.host, self.port, self.proxy)


@dataclass(frozen=True)
class CheckoutPage:
    """Where the customer pays, by the order's channel: a page's URL, a token for the SDK, or a link to a UPI app."""

    url: str
    provider_order_id: str
    expires_at: datetime | None = None
    http_attempts: tuple[HttpAttempt, ...] = ()
    order_token: str = ""
    intent_url: str = ""


@dataclass(frozen=True)
class OrderStatus:
    """None and "" mean that PhonePe did not say. So does an amount of 0 for a completed order."""

    state: ProviderStatus
    amount_paise: int | None = None
    merchant_id: str | None = None
    merchant_order_id: str | None = None
    provider_order_id: str = ""
    provider_transaction_id: str = ""
    utr: str = ""
    code: str = ""
    message: str = ""
    expires_at: datetime | None = None
    paid_at: datetime | None = None
    http_attempts: tuple[HttpAttempt, ...] = ()

    def __post_init__(self) -> None:
        if self.state is ProviderStatus.COMPLETED and self.amount_paise == 0:
            object.__setattr__(self, "amount_paise", None)


@dataclass(frozen=True)
class RefundStatus:
    state: ProviderStatus
    amount_paise: int | None = None
    merchant_id: str | None = None
    merchant_refund_id: str | None = None
    merchant_order_id: str | None = None
    provider_refund_id: str = ""
    utr: str = ""
    code: str = ""
    message: str = ""
    http_attempts: tuple[HttpAttempt, ...] = ()


@dataclass(frozen=True)
class WebhookClaim:
    """What an authentic webhook says; only a reason to poll.

    A V1 callback names one id and does not say whether of a payment or a refund: both fields then have it.
    `identities` are all merchants whose secrets prove it: two of one shop may share their webhook login.
    `unclear` says what of it is not understood: then staff review it, whatever else it leads to.
    """

    identity: Identity
    scheme: str
    event: str
    state: ProviderStatus = ProviderStatus.UNKNOWN
    merchant_order_id: str = ""
    merchant_refund_id: str = ""
    amount_paise: int | None = None
    merchant_id: str | None = None
    identities: tuple[Identity, ...] = ()
    unclear: str = ""


@dataclass(frozen=True)
class DisputeClaim:
    """What an event about a dispute says. None and "": it did not say, or it cannot be read."""

    dispute_id: str
    word: str
    amount_paise: int | None = None
    told_at: datetime | None = None
    due_at: datetime | None = None
    merchant_order_id: str = ""
    unclear: str = ""


def hop(category: str, host: str, port: int, proxy: str) -> tuple[str, int]:
    """Host and port at which an attempt failed: those of the proxy when it opened no tunnel."""
    if category != ErrorCategory.PROXY_ERROR or not proxy:
        return host, port
    return host_and_port(proxy)


def compact(payload: Json) -> bytes:
    return json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()


def json_object(body: bytes | str) -> Json | None:
    """The JSON object in `body`; None for anything else, however deep, long or broken."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def member(value: object, name: str) -> Json:
    """The object called `name` in `value`; an empty one where there is none."""
    inner = value.get(name) if isinstance(value, dict) else None
    return inner if isinstance(inner, dict) else {}


def first(value: object) -> Json:
    """The first object of a list; an empty one where there is none."""
    inner = value[0] if isinstance(value, list) and value else None
    return inner if isinstance(inner, dict) else {}


def whole(value: object) -> int | None:
    """A whole number as an int. JSON does not distinguish 150000 from 150000.0, so some servers send the latter.

    A bool, a fraction, NaN, an infinity and text are no whole number.
    """
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def paise(value: object) -> int | None:
    """The one reader of PhonePe's amounts: a whole number of paise, 0 to LARGEST_AMOUNT; else None.

    A few of PhonePe's samples carry the digits as a string. "1500.00" may mean rupees: it is no amount.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 16:
        value = int(value)
    number = whole(value)
    return number if number is not None and 0 <= number <= LARGEST_AMOUNT else None


def identifier(value: object) -> str:
    return value if isinstance(value, str) and IDENTIFIER.fullmatch(value) else ""


def unread_identifier(holder: Json, name: str, what: str) -> str:
    """Why the id under this name cannot be used; "" if it can."""
    if holder.get(name) is None:
        return f"it names no {what}"
    return "" if identifier(holder[name]) else f"its {what} id cannot be read"


def unread_amount(holder: Json, name: str = "amount") -> str:
    """Why the amount under this name cannot be used; "" if it can, or if there is none."""
    amount = holder.get(name)
    return "its amount cannot be read" if amount is not None and paise(amount) is None else ""


def is_same(text: str, expected: str) -> bool:
    """Compares two proofs in hexadecimal, in constant time."""
    return hmac.compare_digest(text.strip().lower().encode("utf-8", "replace"), expected.encode())


def words(value: object, at_most: int = 200) -> str:
    """Text that any database can store: no NUL, no half of a surrogate pair, at most so many characters."""
    if not isinstance(value, str):
        return ""
    return value.replace("\0", "").encode("utf-8", "replace").decode()[:at_most]


def provider_status(word: object, vocabulary: Mapping[str, ProviderStatus]) -> ProviderStatus:
    """Only the exact word counts; every other value, whatever its type, is UNKNOWN."""
    return vocabulary.get(word, ProviderStatus.UNKNOWN) if isinstance(word, str) else ProviderStatus.UNKNOWN


def code(answer: Json) -> str:
    """PhonePe's code. Rejections of token requests have the precise one in `errorCode`."""
    code = answer.get("errorCode") or answer.get("code")
    return words(str(code) if isinstance(code, int) else code, 64)


def moment(value: object) -> datetime | None:
    """An aware datetime, to the second, from milliseconds since 1970, or from seconds, as PhonePe's tokens have them.

    Only the reading: `core.clocks` decides whether the moment can be true.
    """
    moment = fine_moment(value)
    return moment.replace(microsecond=0) if moment else None


def fine_moment(value: object) -> datetime | None:
    """As `moment`, to the millisecond: the finest time that PhonePe gives shows which of two events was later."""
    number = whole(value)
    if number is None or not 0 < number < YEAR_2100_MS:
        return None
    milliseconds = number if number >= LARGEST_SECONDS else number * 1000
    return EPOCH + timedelta(milliseconds=milliseconds)
