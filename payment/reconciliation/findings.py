"""One difference between two books: what it is about, how much, and what mends it."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from payment.models import Payment, PaymentAttempt, Refund
from payment.services.gateway_calls import NO_ANSWER

logger = logging.getLogger(__name__)

# Hands what was learned to `apply_status`, `apply_refund_status` or `fulfil`; says whether the rows are right now.
Repair = Callable[[], bool]


class Kind(str, Enum):
    PAID_WITHOUT_BOOKING = "paid without booking"
    BOOKING_WITHOUT_MONEY = "booking without money"
    AMOUNT_DIFFERS = "amount differs"
    REFUND_NOT_CREDITED = "refund not credited"
    UNKNOWN_TO_US = "unknown to us"
    UNKNOWN_TO_THEM = "unknown to them"
    FEE_NOT_ENTERED = "fee not entered"
    FEE_DIFFERS = "fee differs"
    ROW_CONTRADICTS = "settlement row contradicts"
    NOT_SETTLED = "not in the settlement file"
    NOT_ASKED = "PhonePe was not asked"


class Fix(str, Enum):
    """What to do, as a sentence. Those that begin with "With --fix" are done by it."""

    SETTLE = "With --fix PhonePe's answer is taken in; what became of the payment stands in its timeline."
    ASK = "With --fix PhonePe is asked about this one, and its answer taken in."
    FULFIL = "With --fix it is tried once more to fulfil it."
    REFUND = "With --fix PhonePe's answer is taken in; a refund that failed is sent again under another id."
    FEE = "With --fix the fees and taxes of the settlement file are entered in the ledger."
    ROWS = (
        "No fee is entered while rows of the settlement file are unreadable: get a whole file, compare again."
    )
    ADOPT = "With --fix PhonePe is asked about this refund, and what it says is taken in."
    CONTRADICTION = (
        "Look it up in PhonePe's dashboard, then ask PhonePe with its id; no fee of it is entered."
    )
    DECIDE = "Open the payment in the admin: take what came, or send it back."
    LOOK_UP = "Look the order up in PhonePe's dashboard; if no money is there, cancel the booking by hand."
    CANCEL = "The buyer has all of their money back: cancel the booking by hand, so that its place is free."
    LOOK_UP_AMOUNT = (
        "Look it up in PhonePe's dashboard; the ledger is only ever added to, so tell the accountant."
    )
    LOOK_UP_REFUND = (
        "Look the refund up in PhonePe's dashboard; if it isn't there, write to PhonePe with its id."
    )
    APPROVE = "It waits for a person: approve or withdraw it under Refunds in the admin."
    WAIT = "It is later than promised: write to PhonePe with its id, and to the buyer."
    SEND = "It has not been sent: look whether the worker runs, and at the refund's last code in the admin."
    STRANGER = (
        "Look it up in PhonePe's dashboard: another shop or system uses the same merchant, or rows were lost."
    )
    WRITE = "PhonePe must know it: check PHONEPE_ENV and the merchant, then write to PhonePe with its id."
    NEXT_FILE = "Look into the next settlement file; after three working days write to PhonePe with its id."
    CREDENTIALS = "Put the credentials it was opened with into PHONEPE_PREVIOUS, then compare again."
    LATER = (
        "Compare this day again when PhonePe answers; the worker repeats its nightly comparison by itself."
    )


@dataclass(frozen=True)
class Finding:
    """Amounts in paise, None where there is none. `mend` is there when --fix can do something about it."""

    kind: Kind
    fix: Fix
    order: str = ""
    refund: str = ""
    payment_id: int | None = None
    booking: str = ""
    ours_paise: int | None = None
    theirs_paise: int | None = None
    simulated: bool = False
    detail: str = ""
    mended: bool = False
    mend: Repair | None = field(default=None, repr=False, compare=False)

    @property
    def subject(self) -> tuple[Kind, str, str, int | None, str]:
        """The same difference may be seen from two sides; it is told once. An order has several fees."""
        which_fee = self.detail if self.kind is Kind.FEE_DIFFERS else ""
        return self.kind, self.order, self.refund, self.payment_id, which_fee

    def mend_it(self) -> "Finding":
        if self.mend is None:
            return self
        try:
            is_mended = self.mend()
        except NO_ANSWER as error:
            logger.warning(
                "not mended: no answer", extra={"order": self.order, "category": error.error_category}
            )
            return self
        return replace(self, mended=is_mended)

    def wire(self) -> dict[str, Any]:
        told = asdict(replace(self, mend=None))
        del told["mend"]
        return told | {"kind": self.kind.value, "fix": self.fix.value}


def about_payment(payment: Payment, kind: Kind, fix: Fix, **more: Any) -> Finding:
    booking = getattr(payment.checkout, "booking", None) if payment.checkout_id else None
    more.setdefault("simulated", payment.simulated)
    return Finding(kind, fix, payment_id=payment.pk, booking=booking.book_id if booking else "", **more)


def about_order(attempt: PaymentAttempt, kind: Kind, fix: Fix, **more: Any) -> Finding:
    more.setdefault("ours_paise", attempt.received_paise)
    order = attempt.merchant_order_id
    return about_payment(attempt.payment, kind, fix, order=order, simulated=attempt.simulated, **more)


def about_refund(refund: Refund, kind: Kind, fix: Fix, **more: Any) -> Finding:
    more.setdefault("ours_paise", refund.amount_paise)
    more.setdefault("detail", f"ours is {refund.state}")
    return about_order(refund.attempt, kind, fix, refund=refund.merchant_refund_id, **more)
