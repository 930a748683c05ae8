"""What PhonePe's codes mean: who must act, where, what the customer is told in their language, and if to try again.

Codes are open text, and PhonePe publishes no whole list. This table decides nothing. The few codes that do decide (the
state, not found, duplicate id, rejected, throttled, credentials refused) are listed in v1.py, v2.py and errors.py. A
code that is not here stays unknown, is shown as it came, and is listed for staff (`payment.services.timeline`).
Whatever the code says, a sentence never claims that money moved or did not; that follows from the payment's state.
"""

from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop as noop

from core.language import Text
from payment.phonepe.enums import ErrorCategory


class Actor(models.TextChoices):
    """Who must act."""

    CUSTOMER = "customer", "the customer"
    OWNER = "owner", "the shop's owner, in PhonePe's dashboard"
    DEVELOPER = "developer", "our developer"
    PHONEPE = "phonepe", "PhonePe"
    HOSTING = "hosting", "the hosting provider"
    NOBODY = "nobody", "nobody"


@dataclass(frozen=True)
class Meaning:
    """`cause` and `where` are for staff; `customer_may_retry`: whether it helps to try again at once."""

    actor: Actor
    sentence: Text
    customer_may_retry: bool
    cause: str
    where: str = ""


# What customers are told. Many codes come to the same for them.
STARTED = _("Please finish the payment on PhonePe's page.")
PAID = _("Your payment is confirmed.")
WAIT = _("Your bank has not decided yet. Please wait, and do not pay a second time.")
FAILED = _("The payment did not go through. Please try again, or pay in another way.")
DECLINED = _("The payment was declined. Please try again when you are ready.")
TOO_LATE = _("The time for this payment has run out. Please start again.")
WRONG_PIN = _("The UPI PIN was wrong. Please try again with the right PIN.")
PIN_LOCKED = _(
    "The UPI PIN was wrong too often. Please reset it in your UPI app, or pay from another account."
)
WRONG_OTP = _("The one-time password was wrong or too old. Please try again.")
NO_BALANCE = _("There is not enough money in the account. Please pay from another one.")
LIMIT = _("Your bank's limit for payments is reached. Please try tomorrow, or pay from another account.")
BANK_BUSY = _("Your bank does not answer at the moment. Please try again later, or pay from another account.")
ASK_BANK = _("Your bank does not allow this payment. Please ask your bank, or pay from another account.")
WRONG_UPI_ID = _("There is no such UPI ID. Please check it and try again.")
WRONG_CARD = _("The card's expiry date is wrong or has passed. Please check the card, or use another one.")
OUR_SIDE = _(
    "Payments are not possible at the moment because of a fault on our side. We are on it; please try later."
)
CROWDED = _("Too many people are paying at the moment. Please try again in a minute.")
ASKING = _(
    "We do not know yet whether the payment went through. We keep asking PhonePe; please do not pay again."
)
UNREACHABLE = _("PhonePe cannot be reached at the moment. Please try again in a minute.")
REFUND = _("Your refund needs a look by our staff. You need not do anything.")

CUSTOMER, OWNER, DEVELOPER = Actor.CUSTOMER, Actor.OWNER, Actor.DEVELOPER
PHONEPE, HOSTING, NOBODY = Actor.PHONEPE, Actor.HOSTING, Actor.NOBODY
RETRY, STOP = True, False

KEYS = "PhonePe dashboard, Developer Settings, API keys (test mode shows those of UAT)"
DOMAINS = "PhonePe dashboard, business profile: registered website; or write to PhonePe's merchant support"
REVIEW = "PhonePe dashboard, account status; or write to PhonePe's merchant support"
SUPPORT = "PhonePe's merchant support, with the order id"

MEANINGS: dict[str, Meaning] = {
    # How a V1 payment stands
    "SUCCESS": Meaning(NOBODY, STARTED, RETRY, "the request was carried out; older V1: the page was opened"),
    "PAYMENT_INITIATED": Meaning(NOBODY, STARTED, RETRY, "V1 has opened the page"),
    "PAYMENT_SUCCESS": Meaning(NOBODY, PAID, STOP, "paid"),
    "PAYMENT_PENDING": Meaning(NOBODY, WAIT, STOP, "not decided; PhonePe is asked on its schedule"),
    "TXN_STATUS_AWAITED": Meaning(NOBODY, WAIT, STOP, "the bank has not answered yet"),
    "PAYMENT_ERROR": Meaning(CUSTOMER, FAILED, RETRY, "failed permanently; PhonePe gives no closer reason"),
    "PAYMENT_FAILED": Meaning(CUSTOMER, FAILED, RETRY, "a label of PhonePe's plugins for failed"),
    "PAYMENT_DECLINED": Meaning(CUSTOMER, DECLINED, RETRY, "the customer declined it"),
    "PAYMENT_CANCELLED": Meaning(CUSTOMER, DECLINED, RETRY, "cancelled by the merchant's own call"),
    "TIMED_OUT": Meaning(CUSTOMER, TOO_LATE, RETRY, "the customer did not finish in time"),
    "TRANSACTION_NOT_FOUND": Meaning(NOBODY, ASKING, STOP, "PhonePe does not know this id, or not yet"),
    "USER_BLOCKED": Meaning(CUSTOMER, ASK_BANK, STOP, "PhonePe has blocked this customer"),
    "INVALID_VPA": Meaning(CUSTOMER, WRONG_UPI_ID, RETRY, "no such UPI id"),
    # Orders, both generations
    "INVALID_TRANSACTION_ID": Meaning(
        NOBODY, ASKING, STOP, "the id of this order is taken (or malformed); its status is asked"
    ),
    "DUPLICATE_TXN_REQUEST": Meaning(
        NOBODY, ASKING, STOP, "the same order was said twice; its status is asked"
    ),
    "ORDER_ALREADY_EXISTS": Meaning(
        NOBODY, ASKING, STOP, "the id of this order is taken; its status is asked"
    ),
    "INVALID_MERCHANT_ORDER_ID": Meaning(NOBODY, ASKING, STOP, "no order of this id; while paying: id taken"),
    "ORDER_NOT_FOUND": Meaning(NOBODY, ASKING, STOP, "PhonePe does not know this order, or not yet"),
    "MERCHANT_ORDER_MAPPING_NOT_FOUND": Meaning(NOBODY, ASKING, STOP, "PhonePe does not know this order"),
    "ORDER_EXPIRED": Meaning(CUSTOMER, TOO_LATE, RETRY, "the page was open for too long"),
    "ORDER_CANCELLED_BY_USER": Meaning(CUSTOMER, DECLINED, RETRY, "the customer left the page"),
    "TXN_AUTO_FAILED": Meaning(CUSTOMER, TOO_LATE, RETRY, "the customer did not finish on the page"),
    "TXN_NOT_COMPLETED": Meaning(CUSTOMER, TOO_LATE, RETRY, "the customer did not finish on the page"),
    # What the bank or the UPI network says
    "Z9": Meaning(CUSTOMER, NO_BALANCE, RETRY, "not enough money in the account"),
    "INSUFFICIENT_BALANCE": Meaning(CUSTOMER, NO_BALANCE, RETRY, "not enough money in the account"),
    "ZM": Meaning(CUSTOMER, WRONG_PIN, RETRY, "wrong UPI PIN"),
    "INVALID_MPIN": Meaning(CUSTOMER, WRONG_PIN, RETRY, "wrong UPI PIN"),
    "Z6": Meaning(CUSTOMER, PIN_LOCKED, STOP, "wrong UPI PIN too often"),
    "Z7": Meaning(CUSTOMER, LIMIT, STOP, "too many payments for the bank's limit"),
    "Z8": Meaning(CUSTOMER, LIMIT, STOP, "more than the bank allows in one payment"),
    "TRANSACTION_LIMIT_EXCEEDED": Meaning(
        CUSTOMER, LIMIT, STOP, "above a limit of the bank or of the mandate"
    ),
    "REQUEST_DECLINE_BY_REQUESTEE": Meaning(
        CUSTOMER, DECLINED, RETRY, "the customer declined it in the UPI app"
    ),
    "U69": Meaning(CUSTOMER, TOO_LATE, RETRY, "the request in the UPI app has expired"),
    "ZA": Meaning(CUSTOMER, DECLINED, RETRY, "the customer declined it in the UPI app"),
    "ZH": Meaning(CUSTOMER, WRONG_UPI_ID, RETRY, "no such UPI id"),
    "B3": Meaning(CUSTOMER, ASK_BANK, STOP, "the bank does not permit this on the account"),
    "K1": Meaning(CUSTOMER, ASK_BANK, STOP, "the bank suspects fraud"),
    "YE": Meaning(CUSTOMER, ASK_BANK, STOP, "the account is blocked or frozen"),
    "XH": Meaning(CUSTOMER, ASK_BANK, STOP, "the account does not exist"),
    "NO": Meaning(CUSTOMER, FAILED, RETRY, "the bank found no original request"),
    "U90": Meaning(CUSTOMER, BANK_BUSY, RETRY, "the customer's bank had a technical fault"),
    "UT": Meaning(CUSTOMER, BANK_BUSY, RETRY, "the customer's bank had a technical fault"),
    "U28": Meaning(CUSTOMER, BANK_BUSY, RETRY, "the customer's bank had a technical fault"),
    "BANK_TECHNICAL_ISSUE": Meaning(CUSTOMER, BANK_BUSY, RETRY, "the customer's bank had a technical fault"),
    "UPI_BACKBONE_ERROR": Meaning(NOBODY, BANK_BUSY, RETRY, "the UPI network had a fault"),
    "PG_BACKBONE_ERROR": Meaning(PHONEPE, BANK_BUSY, RETRY, "PhonePe's own gateway had a fault", SUPPORT),
    "AUTHORIZATION_ERROR": Meaning(CUSTOMER, FAILED, RETRY, "the bank did not authorise it"),
    "INVALID_OTP_TOKEN": Meaning(CUSTOMER, WRONG_OTP, RETRY, "wrong one-time password"),
    "INVALID_EXPIRY": Meaning(CUSTOMER, WRONG_CARD, RETRY, "wrong expiry date of a card"),
    "NOTIFICATION_ATTEMPTS_BREACHED": Meaning(
        OWNER, FAILED, STOP, "a mandate was announced too often", SUPPORT
    ),
    "OTHERS": Meaning(CUSTOMER, FAILED, RETRY, "PhonePe gives no closer reason"),
    # Who we are
    "KEY_NOT_CONFIGURED": Meaning(
        OWNER, OUR_SIDE, STOP, "a V1 call for a merchant without a salt key in this environment", KEYS
    ),
    "AUTHORIZATION_FAILED": Meaning(
        DEVELOPER,
        OUR_SIDE,
        STOP,
        "checksum or token refused: wrong key, or one of the other environment",
        KEYS,
    ),
    "INVALID_CLIENT": Meaning(OWNER, OUR_SIDE, STOP, "client id, secret or version is wrong", KEYS),
    "OIM000": Meaning(OWNER, OUR_SIDE, STOP, "client id, secret or version is wrong", KEYS),
    "OIM004": Meaning(OWNER, OUR_SIDE, STOP, "client secret or client version is wrong", KEYS),
    "401": Meaning(
        DEVELOPER,
        OUR_SIDE,
        STOP,
        "V1: wrong X-VERIFY; V2: production credentials at the sandbox, or reverse",
        KEYS,
    ),
    "FORBIDDEN": Meaning(OWNER, OUR_SIDE, STOP, "the account may not do this", REVIEW),
    "PR004": Meaning(DEVELOPER, TOO_LATE, RETRY, "the app's order token is wrong, expired or of UAT"),
    # What we said
    "BAD_REQUEST": Meaning(
        DEVELOPER,
        OUR_SIDE,
        STOP,
        "a member of the request is missing, wrong or too long",
        "docs/phonepe.md; where V2 refuses to open its page, try PHONEPE_PREFILL_PHONE=False",
    ),
    "400": Meaning(DEVELOPER, OUR_SIDE, STOP, "V1: `request` is missing or is not base64"),
    "404": Meaning(DEVELOPER, OUR_SIDE, STOP, "wrong host, path or merchant: look at PHONEPE_BASE_URL"),
    "TOO_MANY_REQUESTS": Meaning(
        DEVELOPER, CROWDED, RETRY, "asked too often, or with PhonePe's shared test account", SUPPORT
    ),
    "INVALID_SPLIT_DETAILS": Meaning(DEVELOPER, OUR_SIDE, STOP, "a split of the settlement that cannot be"),
    "SPLIT_SETTLEMENT_NOT_ENABLED": Meaning(OWNER, OUR_SIDE, STOP, "split settlement is not enabled", REVIEW),
    # What PhonePe holds against the shop
    "INTERNAL_SECURITY_BLOCK": Meaning(
        OWNER, OUR_SIDE, STOP, "refused by PhonePe's review of the shop", REVIEW
    ),
    "INTERNAL_SECURITY_BLOCK_1": Meaning(
        OWNER,
        OUR_SIDE,
        STOP,
        "the page was opened from a domain that is not registered, or from none",
        DOMAINS,
    ),
    "INTERNAL_SECURITY_BLOCK_2": Meaning(
        OWNER, OUR_SIDE, STOP, "this server's address is not the registered one", REVIEW
    ),
    "INTERNAL_SECURITY_BLOCK_3": Meaning(OWNER, OUR_SIDE, STOP, "refused; PhonePe does not say why", REVIEW),
    "INTERNAL_SECURITY_BLOCK_4": Meaning(OWNER, OUR_SIDE, STOP, "the Android app is not registered", REVIEW),
    "INTERNAL_SECURITY_BLOCK_5": Meaning(
        OWNER, OUR_SIDE, STOP, "policies are missing on the website", REVIEW
    ),
    "INTERNAL_SECURITY_BLOCK_6": Meaning(
        OWNER, OUR_SIDE, STOP, "the owner's video identification waits", REVIEW
    ),
    # PhonePe's own trouble
    "INTERNAL_SERVER_ERROR": Meaning(PHONEPE, ASKING, STOP, "not known: asked again until it is", SUPPORT),
    "500": Meaning(PHONEPE, ASKING, STOP, "not known: asked again until it is", SUPPORT),
    "R999": Meaning(PHONEPE, ASKING, STOP, "PhonePe is down: asked again until it is known", SUPPORT),
    # Refunds
    "EXCESS_REFUND_AMOUNT": Meaning(DEVELOPER, REFUND, STOP, "more than what is left of the payment"),
    "REFUND_AMOUNT_EXCEEDS_ORIGINAL": Meaning(
        DEVELOPER, REFUND, STOP, "more than what is left of the payment"
    ),
    "REFUND_NOT_FOUND": Meaning(NOBODY, REFUND, STOP, "PhonePe does not know this refund, or not yet"),
    "INVALID_MERCHANT_REFUND_ID": Meaning(NOBODY, REFUND, STOP, "no refund of this id, or the id is taken"),
}

# Without a code of PhonePe's: what stood between us. Two of PhonePe's refusals carry no code either, "Api Mapping Not
# Found" (WRONG_ENDPOINT) and "Client Not Found" (AUTHENTICATION).
WITHOUT_CODE: dict[str, Meaning] = {
    ErrorCategory.DNS_ERROR: Meaning(HOSTING, UNREACHABLE, RETRY, noop("the name could not be resolved")),
    ErrorCategory.CONNECTION_REFUSED: Meaning(
        HOSTING, UNREACHABLE, RETRY, noop("the connection was refused")
    ),
    ErrorCategory.CONNECTION_TIMEOUT: Meaning(
        HOSTING, UNREACHABLE, RETRY, noop("the connection was not answered")
    ),
    ErrorCategory.CONNECTION_RESET: Meaning(HOSTING, ASKING, STOP, noop("the connection was cut")),
    ErrorCategory.NETWORK_UNREACHABLE: Meaning(HOSTING, UNREACHABLE, RETRY, noop("there is no route")),
    ErrorCategory.TLS_ERROR: Meaning(
        HOSTING, UNREACHABLE, RETRY, noop("no trusted encrypted connection came about")
    ),
    ErrorCategory.PROXY_ERROR: Meaning(HOSTING, UNREACHABLE, RETRY, noop("the proxy opened no way")),
    ErrorCategory.READ_TIMEOUT: Meaning(
        PHONEPE, ASKING, STOP, noop("PhonePe did not answer in time"), SUPPORT
    ),
    ErrorCategory.BLOCKED_RESPONSE: Meaning(
        HOSTING, ASKING, STOP, noop("a page or redirect of somebody between PhonePe and us")
    ),
    ErrorCategory.RATE_LIMITED: Meaning(DEVELOPER, CROWDED, RETRY, noop("asked too often"), SUPPORT),
    ErrorCategory.GATEWAY_5XX: Meaning(PHONEPE, ASKING, STOP, noop("PhonePe is in trouble"), SUPPORT),
    ErrorCategory.AUTHENTICATION: Meaning(
        OWNER, OUR_SIDE, STOP, noop("PhonePe does not know these credentials in this environment"), KEYS
    ),
    ErrorCategory.WRONG_ENDPOINT: Meaning(
        DEVELOPER, OUR_SIDE, STOP, noop("no such path at this address: look at PHONEPE_BASE_URL")
    ),
    ErrorCategory.REJECTED: Meaning(
        DEVELOPER, OUR_SIDE, STOP, noop("PhonePe said no and gave no reason"), SUPPORT
    ),
    ErrorCategory.BAD_RESPONSE: Meaning(
        PHONEPE, ASKING, STOP, noop("PhonePe's answer could not be read"), SUPPORT
    ),
}


def meaning(code: str, error_category: str = "") -> Meaning | None:
    """By the code if it is known, else by what broke; None when neither says anything."""
    return MEANINGS.get(code) or WITHOUT_CODE.get(error_category)
