"""A discrepancy between our accounts and PhonePe's: what it is about, how much, and what repairs it."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from payment.models import Payment, PaymentAttempt, Refund
from payment.services.gateway_calls import NO_ANSWER

logger = logging.getLogger(__name__)

# Hands PhonePe's answer to `apply_status`, `apply_refund_status` or `fulfil`; returns whether the rows are right now.
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

    SETTLE = "With --fix PhonePe's answer is applied; the timeline of the payment shows the result."
    ASK = "With --fix its status is fetched from PhonePe and applied."
    FULFIL = "With --fix its fulfilment is tried once more."
    REFUND = "With --fix PhonePe's answer is applied; a refund that failed is sent again under another id."
    FEE = "With --fix the fees and taxes of the settlement file are entered in the ledger."
    ROWS = (
        "No fee is entered while rows of the settlement file are unreadable: get a whole file, compare again."
    )
    ADOPT = "With --fix the status of this refund is fetched from PhonePe and applied."
    CONTRADICTION = (
        "Look it up in PhonePe's dashboard, then ask PhonePe with its id; no fee of it is entered."
    )
    DECIDE = "Open the payment in the admin: accept the money, or send it back."
    LOOK_UP = "Look the order up in PhonePe's dashboard; if no money is there, cancel the booking by hand."
    CANCEL = "The buyer has all of their money back: cancel the booking by hand, so that its place is free."
    LOOK_UP_AMOUNT = (
        "Look it up in PhonePe's dashboard; no ledger entry is ever changed, so inform the accountant."
    )
    LOOK_UP_REFUND = (
        "Look the refund up in PhonePe's dashboard; if it isn't there, write to PhonePe with its id."
    )
    APPROVE = "It waits for staff: approve or withdraw it under Refunds in the admin."
    GIVE_BACK = "The money came by hand: give it back by hand, and enter that on the desk."
    WAIT = "It is late: write to PhonePe with its id, and to the buyer."
    SEND = "It has not been sent: check that the worker runs, and the refund's last code in the admin."
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
class Discrepancy:
    """Amounts in paise, None where there is none. `repair` is what --fix does about it, if anything."""

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
    repair: Repair | None = field(default=None, repr=False, compare=False)

    @property
    def subject(self) -> tuple[Kind, str, str, int | None, str]:
        """The same for a discrepancy that two comparisons find; it is reported once. An order has several fees."""
        fee = self.detail if self.kind is Kind.FEE_DIFFERS else ""
        return self.kind, self.order, self.refund, self.payment_id, fee

    def apply_repair(self) -> "Discrepancy":
        """The discrepancy with its `mended` as it is after the repair. Unchanged when PhonePe does not answer."""
        if self.repair is None:
            return self
        try:
            is_repaired = self.repair()
        except NO_ANSWER as error:
            logger.warning(
                "a discrepancy was not repaired: no answer from PhonePe",
                extra={"order": self.order, "category": error.error_category},
            )
            return self
        return replace(self, mended=is_repaired)

    def to_json(self) -> dict[str, Any]:
        columns = asdict(replace(self, repair=None))
        del columns["repair"]
        return columns | {"kind": self.kind.value, "fix": self.fix.value}


def payment_discrepancy(payment: Payment, kind: Kind, fix: Fix, **more: Any) -> Discrepancy:
    booking_id = payment.booking.book_id if payment.booking else ""
    more.setdefault("simulated", payment.simulated)
    return Discrepancy(kind, fix, payment_id=payment.pk, booking=booking_id, **more)


def order_discrepancy(attempt: PaymentAttempt, kind: Kind, fix: Fix, **more: Any) -> Discrepancy:
    more.setdefault("ours_paise", attempt.received_paise)
    order = attempt.merchant_order_id
    return payment_discrepancy(attempt.payment, kind, fix, order=order, simulated=attempt.simulated, **more)


def refund_discrepancy(refund: Refund, kind: Kind, fix: Fix, **more: Any) -> Discrepancy:
    more.setdefault("ours_paise", refund.amount_paise)
    more.setdefault("detail", f"ours is {refund.state}")
    return order_discrepancy(refund.attempt, kind, fix, refund=refund.merchant_refund_id, **more)
