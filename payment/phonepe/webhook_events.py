"""PhonePe's names of webhook events, and what each family is about."""

import enum


class Family(enum.Enum):
    ORDER = "an order"
    REFUND = "a refund"
    DISPUTE = "a dispute"
    NO_MONEY = "nothing that moves an order's money"
    UNKNOWN = "not known"


def _names(family: str, words: str) -> list[str]:
    return [f"{family}.{word}" for word in words.split()]


FAMILIES: dict[Family, list[str]] = {
    Family.ORDER: [
        *_names("checkout", "order.completed order.failed transaction.attempt.failed"),
        *_names("pg", "order.completed order.failed transaction.attempt.failed transaction.failed"),
        *_names("paylink.order", "completed failed"),
        *_names("subscription.setup.order", "completed failed"),
        *_names("subscription.notification", "completed failed"),
        *_names("subscription.redemption.order", "completed failed"),
        *_names("subscription.redemption.transaction", "completed failed"),
    ],
    Family.REFUND: _names("pg.refund", "accepted completed failed"),
    Family.DISPUTE: _names("payment.dispute", "created under_review action_required won lost"),
    Family.NO_MONEY: [
        *_names("settlement", "initiated processed attempt.failed"),
        *_names("order.split.settlement", "accepted failed"),
        *_names("subscription", "paused unpaused cancelled revoked"),
        *_names("downtime.upi", "started resolved bank.started bank.resolved"),
        *_names("downtime.subscription.setup", "started resolved"),
    ],
}
DISPUTE = "payment.dispute."
# A new event of a known family belongs to that family; the longest prefix comes first.
PREFIXES = (
    (DISPUTE, Family.DISPUTE),
    ("pg.refund.", Family.REFUND),
    *((prefix, Family.ORDER) for prefix in ("checkout.", "pg.", "paylink.", "subscription.")),
)


def _normalize(name: str) -> str:
    """`CHECKOUT_ORDER_COMPLETED`, the older spelling, is `checkout.order.completed`."""
    return name.lower().replace("_", ".")


KNOWN = {_normalize(name): (name, family) for family, names in FAMILIES.items() for name in names}


def is_known(name: str) -> bool:
    return _normalize(name) in KNOWN


def canonical(name: str) -> str:
    """One spelling for each event that we know; lower case with dots for a new word of a known family."""
    plain = _normalize(name)
    if plain in KNOWN:
        return KNOWN[plain][0]
    return plain if family_of(name) is not Family.UNKNOWN else name


def family_of(name: str) -> Family:
    plain = _normalize(name)
    if plain in KNOWN:
        return KNOWN[plain][1]
    return next((family for prefix, family in PREFIXES if plain.startswith(prefix)), Family.UNKNOWN)


def is_about_dispute(name: str) -> bool:
    return family_of(name) is Family.DISPUTE


def dispute_word(name: str) -> str:
    """`LOST` of `payment.dispute.lost`."""
    return canonical(name).removeprefix(DISPUTE).replace(".", "_").upper()
