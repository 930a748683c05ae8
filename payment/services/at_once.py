"""The usual payment, in three statements: paid as agreed and in time, for a place that is still held.

Step by step (`payment.services.outcomes`), the same rows take forty statements of the ORM, and compiling those takes
most of a webhook's time. Here two SELECTs look whether everything is as usual, and one statement writes all rows:
money, booking, reasons and message are committed together, or none of them is; then the steps begin, the money first.
Whatever is unusual, and any error, is left to the steps. A test compares the rows of both, on both databases.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.services import locking_user
from booking.models import Booking, Checkout
from booking.services import held_checkouts
from core.compiled import CompiledRead
from core.databases import Write, insert_rows, read_together, update_row
from payment.gateways import OrderStatus
from payment.models import (
    OPEN_ATTEMPT,
    Dispute,
    GatewayCall,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    ServerEvent,
)
from payment.phonepe.enums import Generation
from payment.services.gateway_calls import record_calls
from payment.services.notifications import booked_notifications
from payment.services.receipts import build_receipt, paid_at
from payment.services.server_events import booking_event, payment_event
from payment.services.transitions import attempt_writes, locking_attempt, state_change
from payment.states import AttemptState, Fulfilment, PaymentState

ONCE = "ON CONFLICT (key) DO NOTHING"


@dataclass
class Poll:
    """What a poll knew before PhonePe answered, and what is written with its answer.

    `calls` are recorded whatever becomes of the answer; `ending` ends what the poll was about, if the answer books.
    """

    payment: Payment
    calls: list[GatewayCall]
    ending: Callable[[], list[Write]] | None = None
    is_recorded: bool = False
    is_ended: bool = False

    def record_calls(self) -> None:
        if not self.is_recorded:
            record_calls(self.calls)
            self.is_recorded = True

    def may_book(self) -> bool:
        """Whether it is worth to look if its answer is a usual one."""
        payment = self.payment
        return payment.is_open and payment.user_id is not None and payment.checkout_id is not None


def lock_and_find_usual(attempt_id: int, payment: Payment) -> tuple[PaymentAttempt, list[Checkout]]:
    """The attempt with its payment as `lock_attempt` gives it, and the checkout if nothing about it is unusual.

    All in one round trip, with the lock of the person. `payment`: as it was read before.
    """
    assert payment.user_id is not None and payment.checkout_id is not None  # noqa: S101, PT018 - Poll.may_book
    attempt, _, found = read_together(
        locking_attempt(attempt_id),
        locking_user(payment.user_id),
        _usual_checkouts.query(attempt_id, payment.pk, payment.checkout_id, payment.user_id, timezone.now()),
    )
    is_same = (
        attempt.payment.user_id == payment.user_id and attempt.payment.checkout_id == payment.checkout_id
    )
    return attempt, found if is_same else []


def is_usual(attempt: PaymentAttempt, answer: OrderStatus) -> bool:
    """Of the rows that are locked: paid as agreed, while the payment is open."""
    payment = attempt.payment
    is_open = payment.is_open and payment.fulfilment == Fulfilment.NONE and attempt.state in OPEN_ATTEMPT
    is_as_agreed = answer.amount_paise == attempt.amount_paise == payment.amount_paise
    return is_open and is_as_agreed and not is_of_other_merchant(attempt, answer)


def is_of_other_merchant(attempt: PaymentAttempt, answer: OrderStatus) -> bool:
    """V2 has no merchant id to compare: there the token says whose order it is."""
    return attempt.generation == Generation.V1 and answer.merchant_id not in (None, attempt.merchant)


@CompiledRead
def _usual_checkouts(
    attempt_id: int, payment_id: int, checkout_id: int, user_id: int, now: datetime
) -> QuerySet[Checkout]:
    """The checkout, unless other money, a dispute or late money of the same person may have to do with it.

    With few joins: PostgreSQL plans this statement again each time, and for longer than it reads.
    """
    entries, disputes = (
        LedgerEntry.objects.filter(payment=payment_id),
        Dispute.objects.filter(attempt=attempt_id),
    )
    came_late = Payment.objects.filter(came_late=True).values("checkout")
    late = Booking.objects.filter(user=user_id, checkout__in=came_late, created_at__gt=OuterRef("created_at"))
    mine = Checkout.objects.filter(pk=checkout_id, user=user_id)
    return held_checkouts(mine.exclude(Exists(entries)).exclude(Exists(disputes)).exclude(Exists(late)), now)


def values_when_paid(
    attempt: PaymentAttempt, answer: OrderStatus, paise: int, now: datetime
) -> dict[str, Any]:
    """The columns of a paid attempt, written at once or by steps."""
    return {
        "received_paise": paise,
        "paid_at": paid_at(attempt, answer, now),
        "provider_order_id": answer.provider_order_id or attempt.provider_order_id,
        "provider_transaction_id": answer.provider_transaction_id,
        "utr": answer.utr,
        "code": answer.code,
        "next_check_at": None,
        "decided_at": now,
    }


def payment_writes(
    attempt: PaymentAttempt, answer: OrderStatus, source: str, poll: Poll, booking: Booking
) -> list[Write]:
    """What the steps write about the money, the payment and the message, with the booking that the money becomes."""
    payment, now, paise = attempt.payment, timezone.now(), attempt.amount_paise
    payment.checkout = booking.checkout
    of_attempt = attempt_writes(
        attempt,
        AttemptState.COMPLETED,
        "phonepe_says_completed",
        source,
        **values_when_paid(attempt, answer, paise, now),
    )
    of_payment = {
        "state": PaymentState.SUCCESS,
        "fulfilment": Fulfilment.BOOKED,
        "held_because": "",
        "fulfil_at": None,
        "decided_at": now,
        "came_late": False,
    }
    for name, value in of_payment.items():
        setattr(payment, name, value)
    receipt = build_receipt(payment, attempt.paid_at or now, paise)
    entry = LedgerEntry(
        payment=payment,
        attempt=attempt,
        kind=LedgerEntry.Kind.RECEIPT,
        amount_paise=paise,
        reference=attempt.merchant_order_id,
        simulated=attempt.simulated,
    )
    changes = [
        state_change(payment, None, "payment", PaymentState.PENDING, payment.state, "money_received"),
        state_change(payment, None, "fulfilment", Fulfilment.DUE, payment.fulfilment, "booked"),
    ]
    events = [payment_event(payment), booking_event(ServerEvent.Type.BOOKING_CONFIRMED, payment, booking)]
    notifications = booked_notifications(payment, receipt, booking)
    opened = {"id": payment.pk, "state": PaymentState.PENDING, "fulfilment": Fulfilment.NONE}
    return [
        *of_attempt,
        update_row(Payment, opened, of_payment),
        insert_rows(entry),
        insert_rows(receipt),
        insert_rows(*changes),
        insert_rows(*events),
        *([insert_rows(*notifications, conflict=ONCE)] if notifications else []),
        *([insert_rows(*poll.calls)] if poll.calls and not poll.is_recorded else []),
        *(poll.ending() if poll.ending else []),
    ]
