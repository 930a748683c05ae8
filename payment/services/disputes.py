"""Disputes: a buyer asks their bank for the money back, and the bank decides.

PhonePe has no status request for disputes. A signed webhook is believed. A webhook that carries only the shop's login
may be forged by anybody who has seen it once, so its money is entered when staff have confirmed it.

An entry is the difference between what the dispute's updates say that the bank holds and the sum of its earlier
entries. All disputes of an order together take no more than the order brought.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from booking.models import Booking
from core.clocks import SKEW
from core.errors import Conflict, Refusal
from payment.models import (
    Dispute,
    DisputeUpdate,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    WebhookEvent,
)
from payment.phonepe.schemas import DisputeClaim
from payment.phonepe.v2 import read_dispute
from payment.services.notifications import alert_staff
from payment.services.refunds.amounts import (
    MIN_REFUND_PAISE,
    charged_back_paise,
    is_returned_twice,
    refundable_paise,
)
from payment.services.refunds.outcomes import (
    cut_unsent_refunds,
    is_owed_in_full,
    mark_refunded,
    refund_remaining,
    restore_cut_refunds,
    schedule_next_refund,
)
from payment.services.refunds.requests import create_refund
from payment.services.transitions import lock_payment

BEYOND = "the other disputes of this order leave less than it takes"
BROUGHT_BACK = "the bank brought it back"
TICK = timedelta(milliseconds=1)  # the finest time that PhonePe gives
Status = Dispute.Status


@dataclass(frozen=True)
class Position:
    """The state of a dispute after some updates, in whatever order they arrived."""

    newest: DisputeUpdate
    amount_paise: int | None

    @classmethod
    def of(cls, updates: list[DisputeUpdate], received_paise: int | None) -> "Position | None":
        if not updates:
            return None
        in_order = sorted(updates, key=lambda update: update.rank)
        amounts = [each.amount_paise for each in in_order if _is_possible(each.amount_paise, received_paise)]
        return cls(in_order[-1], amounts[-1] if amounts else None)

    def held_paise(self, received_paise: int) -> int:
        """What the bank holds. Without an amount that is all that was paid."""
        if self.newest.status != Status.LOST:
            return 0
        return received_paise if self.amount_paise is None else self.amount_paise


@dataclass
class Share:
    """What one dispute takes of the money that its order brought."""

    dispute: Dispute
    wanted_paise: int  # what its proven updates say that the bank holds
    entered_paise: int  # what its entries add up to
    paise: int = 0

    @property
    def more_paise(self) -> int:
        return self.paise - self.entered_paise


@transaction.atomic
def record_dispute(event: WebhookEvent, disputed: PaymentAttempt) -> str:
    """Adds what this event says about a dispute of this order, and updates the ledger. Twice is once.

    Returns what of it is not understood, for staff; "" if all is clear.
    """
    claim = read_dispute(bytes(event.body))
    payment = lock_payment(pk=disputed.payment_id)
    attempt = payment.attempts.get(pk=disputed.pk)
    attempt.payment = payment
    dispute = Dispute.objects.filter(dispute_id=claim.dispute_id).first()
    is_elsewhere = dispute is not None and dispute.attempt_id != attempt.pk
    unclear = [claim.unclear, "the dispute is about another order of ours" if is_elsewhere else ""]
    if claim.dispute_id and not is_elsewhere:
        dispute = dispute or Dispute.objects.create(
            dispute_id=claim.dispute_id,
            attempt=attempt,
            event=event,
            status=Status.UNKNOWN,
            told_at=event.received_at,
        )
        unclear += _add_update(dispute, attempt, event, claim)
    about = claim.dispute_id or f"event {event.pk}"
    word = claim.word or Status.UNKNOWN
    alert_staff("dispute", attempt.payment, case=f"dispute:{about}:{word}", status=word)
    return "; ".join(filter(None, unclear))[:200]


@transaction.atomic
def confirm_dispute(dispute_id: int, by: User) -> Dispute:
    """Staff have found it in PhonePe's dashboard.

    Raises Conflict when there is nothing to confirm, Refusal `too_much` when its other disputes leave less.
    """
    dispute, attempt = _lock_dispute(dispute_id)
    if dispute.is_proven:
        raise Conflict("This dispute has been confirmed already.", code="confirmed_already")
    _refuse_unknown(Status(dispute.status))
    newest = max(dispute.updates.all(), key=lambda update: update.rank)
    _add_staff_update(
        dispute, attempt, by, Status(dispute.status), dispute.amount_paise, newest.told_at or timezone.now()
    )
    return dispute


@transaction.atomic
def decide_dispute(
    dispute_id: int, by: User, *, status: str | None = None, amount_paise: int | None = None
) -> Dispute:
    """Staff enter what PhonePe's dashboard says; what they leave out stays as it is.

    Later events of PhonePe count more. Raises Conflict while the status is unknown, Refusal `too_much` for more than
    the order brought, or than its other disputes leave.
    """
    dispute, attempt = _lock_dispute(dispute_id)
    new_status = Status(status or dispute.status)
    _refuse_unknown(new_status)
    if amount_paise is not None and not _is_possible(amount_paise, attempt.received_paise):
        raise Refusal("A dispute is about at least one paisa, and at most about what came.", code="too_much")
    now = max(timezone.now(), dispute.told_at + TICK)
    amount = dispute.amount_paise if amount_paise is None else amount_paise
    _add_staff_update(dispute, attempt, by, new_status, amount, now)
    return dispute


def book_disputes(attempt: PaymentAttempt) -> None:
    """Updates the rows and the ledger to all disputes of this order. Under the payment's lock."""
    for dispute in attempt.disputes.order_by("pk"):
        _update_dispute(dispute, attempt)
    _enter_shares(attempt)


def _lock_dispute(dispute_id: int) -> tuple[Dispute, PaymentAttempt]:
    """Raises Dispute.DoesNotExist."""
    payment_id = Dispute.objects.values_list("attempt__payment_id", flat=True).get(pk=dispute_id)
    payment = lock_payment(pk=payment_id)
    dispute = Dispute.objects.select_related("attempt").get(pk=dispute_id)
    dispute.attempt.payment = payment
    return dispute, dispute.attempt


def _add_update(
    dispute: Dispute, attempt: PaymentAttempt, event: WebhookEvent, claim: DisputeClaim
) -> list[str]:
    # A time in the future would outrank all updates until then.
    is_believable = claim.told_at is None or claim.told_at <= event.received_at + SKEW
    DisputeUpdate.objects.get_or_create(
        event=event,
        defaults={
            "dispute": dispute,
            "status": claim.word or Status.UNKNOWN,
            "amount_paise": claim.amount_paise,
            "told_at": claim.told_at if is_believable else None,
            "due_at": claim.due_at,
            "is_proven": event.scheme == "hmac",
        },
    )
    _update_dispute(dispute, attempt)
    is_beyond = dispute.pk in _enter_shares(attempt)
    is_silent = dispute.amount_paise is None and dispute.status != Status.WON
    is_possible = claim.amount_paise is None or _is_possible(claim.amount_paise, attempt.received_paise)
    return [
        "" if is_believable else "its time lies in the future",
        "" if is_possible else "it disputes more than came",
        BEYOND if is_beyond else "",
        "it does not say how much is disputed" if is_silent and claim.amount_paise is None else "",
    ]


def _add_staff_update(
    dispute: Dispute,
    attempt: PaymentAttempt,
    by: User,
    status: Dispute.Status,
    amount_paise: int | None,
    told_at: datetime,
) -> None:
    DisputeUpdate.objects.create(
        dispute=dispute,
        said_by=by,
        status=status,
        amount_paise=amount_paise,
        told_at=told_at,
        is_proven=True,
    )
    _update_dispute(dispute, attempt)
    if dispute.pk in _enter_shares(attempt, by):
        raise Refusal("The other disputes of this order leave less: correct them first.", code="too_much")


def _update_dispute(dispute: Dispute, attempt: PaymentAttempt) -> None:
    """Sets the columns of the dispute to the state after all of its updates."""
    latest = Position.of(list(dispute.updates.all()), attempt.received_paise)
    if latest is None:
        return
    newest = latest.newest
    dispute.status, dispute.told_at, dispute.is_proven = newest.status, newest.rank[0], newest.is_proven
    dispute.amount_paise, dispute.confirmed_by = latest.amount_paise, newest.said_by
    dispute.event, dispute.due_at = newest.event or dispute.event, newest.due_at or dispute.due_at
    dispute.save()


def _enter_shares(attempt: PaymentAttempt, by: User | None = None) -> set[int]:
    """Enters what each dispute takes. Returns the primary keys of those that get less than they claim.

    Refunds follow the sum of all disputes, since one may take what another gives back.
    """
    beyond: set[int] = set()
    if attempt.received_paise is not None:
        before, shares = charged_back_paise(attempt), _divide(attempt, attempt.received_paise)
        for share in shares:
            if not share.more_paise:
                continue
            LedgerEntry.objects.create(
                payment=attempt.payment,
                attempt=attempt,
                dispute=share.dispute,
                kind=LedgerEntry.Kind.CHARGEBACK,
                amount_paise=-share.more_paise,
                reference=f"dispute:{share.dispute.dispute_id}:{share.dispute.ledger.count() + 1}",
                simulated=attempt.simulated,
            )
        paise = charged_back_paise(attempt) - before
        if paise < 0:
            _restore_refunds(attempt, by)
        elif paise > 0:
            cut_unsent_refunds(attempt)
            mark_refunded(attempt)
            if is_returned_twice(attempt):
                dispute = next(share.dispute for share in shares if share.more_paise > 0)
                alert_staff("dispute_after_refund", attempt.payment, case=f"dispute:{dispute.dispute_id}")
        beyond = {share.dispute.pk for share in shares if share.paise < share.wanted_paise}
    schedule_next_refund(attempt)  # refunds had to wait while the disputed amount was not known
    return beyond


def _divide(attempt: PaymentAttempt, received_paise: int) -> list[Share]:
    """Together the disputes of an order take no more than it brought: two may be about the same money.

    What is entered stays with its dispute; what is left goes to the oldest.
    """
    shares = []
    for dispute in attempt.disputes.order_by("pk"):
        proven = Position.of(list(dispute.updates.filter(is_proven=True)), received_paise)
        entered = -(dispute.ledger.aggregate(sum=Sum("amount_paise"))["sum"] or 0)
        shares.append(Share(dispute, proven.held_paise(received_paise) if proven else 0, entered))
    left = received_paise
    for share in shares:
        share.paise = min(share.wanted_paise, share.entered_paise, left)
        left -= share.paise
    for share in shares:
        more = min(share.wanted_paise - share.paise, left)
        share.paise += more
        left -= more
    return shares


def _restore_refunds(attempt: PaymentAttempt, by: User | None) -> None:
    """The bank has brought money back: what was owed of it is owed again, and all of it where there is no booking.

    Staff must approve the refund of a booking that was cancelled while the bank had the money. `by`: who has
    decided the dispute, and so is not who approves it.
    """
    if is_owed_in_full(attempt):
        refund_remaining(attempt, BROUGHT_BACK, by)
        return
    restore_cut_refunds(attempt, by)
    left = refundable_paise(attempt)
    cancelled = Booking.objects.filter(checkout__payment=attempt.payment_id, status=Booking.Status.CANCELLED)
    booking = cancelled.first()
    if booking is None or left < MIN_REFUND_PAISE:
        return
    taken_before = attempt.ledger.filter(
        kind=LedgerEntry.Kind.CHARGEBACK, created_at__lte=booking.cancelled_at
    )
    if (taken_before.aggregate(sum=Sum("amount_paise"))["sum"] or 0) < 0:
        create_refund(attempt, left, BROUGHT_BACK, asked_by=by, held_because=Refund.Hold.SECOND_PERSON)


def _is_possible(amount_paise: int | None, received_paise: int | None) -> bool:
    if amount_paise is None or amount_paise < 1:
        return False
    return received_paise is None or amount_paise <= received_paise


def _refuse_unknown(status: Dispute.Status) -> None:
    if status == Status.UNKNOWN:
        raise Conflict(
            "PhonePe's word for it is not known: look it up in the dashboard, and say whether it is lost or won.",
            code="not_understood",
        )
