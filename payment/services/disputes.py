"""Disputes: a buyer asks their bank for the money back, and the bank decides.

PhonePe answers no question about a dispute. What its signature covers is believed; a webhook that only carries the
shop's login could be anybody's who has seen it once, so its money is entered when a person has looked it up.

The books follow a target balance: an entry is the difference between what the dispute's updates say the bank holds
and what its earlier entries add up to. All disputes of an order together take no more than it brought.
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
    """What some updates of a dispute say in sum; the same for every order in which they arrived."""

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
        """What the bank holds by this. Without an amount that is all that was paid."""
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
    """Add what this event says about a dispute of this order, and bring the books to it. Twice is once.

    Returns what of it nobody understands, for staff; "" if all is clear.
    """
    claim = read_dispute(bytes(event.body))
    attempt = _lock_attempt(disputed)
    dispute = Dispute.objects.filter(dispute_id=claim.dispute_id).first()
    is_elsewhere = dispute is not None and dispute.attempt_id != attempt.pk
    unclear = [claim.unclear, "the dispute is about another order of ours" if is_elsewhere else ""]
    if claim.dispute_id and not is_elsewhere:
        dispute = dispute or _begin(claim.dispute_id, attempt, event)
        unclear += _add_update(dispute, attempt, event, claim)
    about = claim.dispute_id or f"event {event.pk}"
    word = claim.word or Status.UNKNOWN
    alert_staff("dispute", attempt.payment, case=f"dispute:{about}:{word}", status=word)
    return "; ".join(filter(None, unclear))[:200]


@transaction.atomic
def confirm_dispute(dispute_id: int, by: User) -> Dispute:
    """A person has found it in PhonePe's dashboard.

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
    """Staff say how it stands in PhonePe's dashboard: what they leave out stays as it is.

    Later news of PhonePe counts more. Raises Conflict while nobody has said how it stands, Refusal `too_much` for
    more than the order brought, or than its other disputes leave.
    """
    dispute, attempt = _lock_dispute(dispute_id)
    said = Status(status or dispute.status)
    _refuse_unknown(said)
    if amount_paise is not None and not _is_possible(amount_paise, attempt.received_paise):
        raise Refusal("A dispute is about at least one paisa, and at most about what came.", code="too_much")
    now = max(timezone.now(), dispute.told_at + TICK)
    amount = dispute.amount_paise if amount_paise is None else amount_paise
    _add_staff_update(dispute, attempt, by, said, amount, now)
    return dispute


def book_disputes(attempt: PaymentAttempt) -> None:
    """Bring the books to what is known of all disputes of this order. Under the payment's lock."""
    for dispute in attempt.disputes.order_by("pk"):
        _update_dispute(dispute, attempt)
    _enter_shares(attempt)


def _lock_attempt(attempt: PaymentAttempt) -> PaymentAttempt:
    payment = lock_payment(pk=attempt.payment_id)
    attempt = payment.attempts.get(pk=attempt.pk)
    attempt.payment = payment
    return attempt


def _lock_dispute(dispute_id: int) -> tuple[Dispute, PaymentAttempt]:
    """Raises Dispute.DoesNotExist."""
    payment_id = Dispute.objects.values_list("attempt__payment_id", flat=True).get(pk=dispute_id)
    payment = lock_payment(pk=payment_id)
    dispute = Dispute.objects.select_related("attempt").get(pk=dispute_id)
    dispute.attempt.payment = payment
    return dispute, dispute.attempt


def _begin(dispute_id: str, attempt: PaymentAttempt, event: WebhookEvent) -> Dispute:
    return Dispute.objects.create(
        dispute_id=dispute_id,
        attempt=attempt,
        event=event,
        status=Status.UNKNOWN,
        told_at=event.received_at,
    )


def _add_update(
    dispute: Dispute, attempt: PaymentAttempt, event: WebhookEvent, claim: DisputeClaim
) -> list[str]:
    # A time that lies ahead would outrank all news that is told until then.
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
    said = {"status": status, "amount_paise": amount_paise, "told_at": told_at, "is_proven": True}
    DisputeUpdate.objects.create(dispute=dispute, said_by=by, **said)
    _update_dispute(dispute, attempt)
    if dispute.pk in _enter_shares(attempt):
        raise Refusal("The other disputes of this order leave less: correct them first.", code="too_much")


def _update_dispute(dispute: Dispute, attempt: PaymentAttempt) -> None:
    """The dispute's row to all of its updates."""
    latest = Position.of(list(dispute.updates.all()), attempt.received_paise)
    if latest is None:
        return
    newest = latest.newest
    dispute.status, dispute.told_at, dispute.is_proven = newest.status, newest.rank[0], newest.is_proven
    dispute.amount_paise, dispute.confirmed_by = latest.amount_paise, newest.said_by
    dispute.event, dispute.due_at = newest.event or dispute.event, newest.due_at or dispute.due_at
    dispute.save()


def _enter_shares(attempt: PaymentAttempt) -> set[int]:
    """Enter what each dispute takes. Returns the primary keys of those that get less than they say.

    Refunds follow the sum: what one dispute gives back and another takes was never free.
    """
    beyond: set[int] = set()
    if attempt.received_paise is not None:
        before, shares = charged_back_paise(attempt), _shares(attempt, attempt.received_paise)
        for share in shares:
            _enter(share, attempt)
        _move_refunds(attempt, charged_back_paise(attempt) - before, shares)
        beyond = {share.dispute.pk for share in shares if share.paise < share.wanted_paise}
    schedule_next_refund(attempt)  # what had to wait until somebody says how much is disputed
    return beyond


def _shares(attempt: PaymentAttempt, received_paise: int) -> list[Share]:
    """Together the disputes of an order take no more than it brought: two may be about the same money.

    What is entered stays with its dispute; what is left goes to the oldest.
    """
    shares = [_share(dispute, received_paise) for dispute in attempt.disputes.order_by("pk")]
    left = received_paise
    for share in shares:
        share.paise = min(share.wanted_paise, share.entered_paise, left)
        left -= share.paise
    for share in shares:
        more = min(share.wanted_paise - share.paise, left)
        share.paise += more
        left -= more
    return shares


def _share(dispute: Dispute, received_paise: int) -> Share:
    proven = Position.of(list(dispute.updates.filter(is_proven=True)), received_paise)
    entered = -(dispute.ledger.aggregate(sum=Sum("amount_paise"))["sum"] or 0)
    return Share(dispute, proven.held_paise(received_paise) if proven else 0, entered)


def _enter(share: Share, attempt: PaymentAttempt) -> None:
    if share.more_paise:
        LedgerEntry.objects.create(
            payment=attempt.payment,
            attempt=attempt,
            dispute=share.dispute,
            kind=LedgerEntry.Kind.CHARGEBACK,
            amount_paise=-share.more_paise,
            reference=f"dispute:{share.dispute.dispute_id}:{share.dispute.ledger.count() + 1}",
            simulated=attempt.simulated,
        )


def _move_refunds(attempt: PaymentAttempt, more_paise: int, shares: list[Share]) -> None:
    """Taken: it goes back no second time. Brought back: what was owed of it is owed again."""
    if more_paise < 0:
        _restore_refunds(attempt)
    elif more_paise > 0:
        cut_unsent_refunds(attempt)
        mark_refunded(attempt)
        if is_returned_twice(attempt):
            taking = next(share.dispute for share in shares if share.more_paise > 0)
            alert_staff("dispute_after_refund", attempt.payment, case=f"dispute:{taking.dispute_id}")


def _restore_refunds(attempt: PaymentAttempt) -> None:
    """What never became a booking is the buyer's again, and so is what was owed when the bank took it. Of a
    booking that was cancelled while the bank had the money, a person must say what is due."""
    if is_owed_in_full(attempt):
        refund_remaining(attempt, BROUGHT_BACK)
        return
    restore_cut_refunds(attempt)
    left = refundable_paise(attempt)
    if left >= MIN_REFUND_PAISE and _was_cancelled_meanwhile(attempt):
        create_refund(attempt, left, BROUGHT_BACK, asked_by=None, held_because=Refund.Hold.SECOND_PERSON)


def _was_cancelled_meanwhile(attempt: PaymentAttempt) -> bool:
    cancelled = Booking.objects.filter(checkout__payment=attempt.payment_id, status=Booking.Status.CANCELLED)
    if (booking := cancelled.first()) is None:
        return False
    before = attempt.ledger.filter(kind=LedgerEntry.Kind.CHARGEBACK, created_at__lte=booking.cancelled_at)
    return (before.aggregate(sum=Sum("amount_paise"))["sum"] or 0) < 0


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
