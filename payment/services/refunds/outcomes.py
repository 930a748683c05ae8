"""Where every outcome of a refund ends, from wherever it is reported: `settle_refund`."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from booking.models import Booking
from payment.gateways import RefundStatus
from payment.models import OPEN_REFUND, UNSENT_REFUND, LedgerEntry, PaymentAttempt, Refund
from payment.services.changes import lock_payment, move_fulfilment, move_refund, write_down_refund
from payment.services.refunds.policy import LEAST_PAISE
from payment.services.refunds.promises import (
    give_up_what_it_paid,
    left_beside,
    lock_refund,
    next_refund_id,
    owe_refund,
    promised_by,
    refundable_paise,
)
from payment.services.schedule import MINUTE, scaled
from payment.services.telling import alert_staff, tell_refund_credited
from payment.states import Fulfilment, RefundState, Verdict

# "Not found" right after it was sent may only mean "not yet". Not scaled: calls are never faster in tests.
NOT_FOUND_AFTER = timedelta(seconds=30)
IDS_TRIED_BY_ITSELF = 3  # what the dashboard could not send, a person looks at before we try
PAUSE_AFTER_FAILURE = 5 * MINUTE
MOVES = {
    Verdict.PENDING: RefundState.PENDING,
    Verdict.CONFIRMED: RefundState.CONFIRMED,
    Verdict.UNKNOWN: RefundState.UNKNOWN,
}


@transaction.atomic
def settle_refund(refund_id: int, answer: RefundStatus, source: str) -> Refund:
    """Bring what PhonePe answered about this refund into the rows, under the payment's lock.

    Saying the same thing twice, or late, or in another order, changes nothing.
    """
    refund = lock_refund(refund_id)
    if answer.verdict is Verdict.COMPLETED:
        _complete(refund, answer, source)
    elif answer.verdict is Verdict.FAILED:
        _fail(refund, answer, source)
    elif answer.verdict is Verdict.NOT_FOUND:
        _miss(refund)
    else:
        to = MOVES[answer.verdict]
        move_refund(refund, to, f"phonepe_says_{to.lower()}", source, **_learned(refund, answer))
    return refund


@transaction.atomic
def adopt_refund(
    attempt: PaymentAttempt, merchant_refund_id: str, amount_paise: int, answer: RefundStatus, source: str
) -> Refund | None:
    """A refund that somebody made in PhonePe's dashboard gets a row, and from then on the common road.

    None for less than a rupee, which PhonePe does not refund: staff must see what that is.
    """
    if amount_paise < LEAST_PAISE:
        return None
    attempt.payment = lock_payment(pk=attempt.payment_id)
    refund = Refund.objects.filter(merchant_refund_id=merchant_refund_id).first()
    if refund is None:
        refund = Refund.objects.create(
            payment=attempt.payment,
            attempt=attempt,
            merchant_refund_id=merchant_refund_id,
            amount_paise=amount_paise,
            state=RefundState.PENDING,
            origin=Refund.Origin.DASHBOARD,
            reason="made in PhonePe's dashboard",
            sent_at=timezone.now(),
            expected_by=promised_by(),
            next_check_at=timezone.now(),
        )
        write_down_refund(refund, "refund_found", source, before="")
    refund = settle_refund(refund.pk, answer, source)
    if refund.state != RefundState.FAILED:
        withdraw_what_is_not_left(refund.attempt)
        give_up_what_it_paid(refund)
        end_debt(refund.attempt)
    return refund


def withdraw_what_is_not_left(attempt: PaymentAttempt) -> None:
    """Promises that have not been sent yet, and that somebody else has kept meanwhile, in part or whole."""
    unsent = attempt.refunds.filter(state__in=UNSENT_REFUND, sent_at=None)
    left = left_beside(attempt, attempt.refunds.exclude(state=RefundState.FAILED).exclude(pk__in=unsent))
    for refund in list(unsent.order_by("pk")):
        refund.attempt, refund.payment = attempt, attempt.payment
        if refund.amount_paise > left:
            _cut(refund, left)
        left = max(left - refund.amount_paise, 0)
    _call_next(attempt)


def _cut(refund: Refund, left: int) -> None:
    """Another amount is another refund: nobody knows for certain that this one was never heard of."""
    move_refund(refund, RefundState.FAILED, "nothing_left", code="nothing_left", next_check_at=None)
    if left >= LEAST_PAISE:
        held_because = Refund.Hold(refund.held_because)
        owe_refund(refund.attempt, left, refund.reason, asked_by=refund.asked_by, held_because=held_because)


def _complete(refund: Refund, answer: RefundStatus, source: str) -> None:
    had_failed = refund.state == RefundState.FAILED
    ended = {"decided_at": timezone.now(), "next_check_at": None}
    if not move_refund(
        refund, RefundState.COMPLETED, "money_went_back", source, **_learned(refund, answer), **ended
    ):
        return
    paise = refund.amount_paise if answer.amount_paise is None else answer.amount_paise
    _enter(refund, paise)
    if paise != refund.amount_paise:
        alert_staff("refund_differs", refund.payment, refund_id=refund.merchant_refund_id, refund_paise=paise)
    if had_failed:
        withdraw_what_is_not_left(refund.attempt)
    give_up_what_it_paid(refund)
    end_debt(refund.attempt)
    _call_next(refund.attempt)
    tell_refund_credited(refund)


def _enter(refund: Refund, paise: int) -> None:
    LedgerEntry.objects.create(
        payment=refund.payment,
        attempt=refund.attempt,
        kind=LedgerEntry.Kind.REFUND,
        amount_paise=-paise,
        reference=refund.merchant_refund_id,
        simulated=refund.attempt.simulated,
    )


def end_debt(attempt: PaymentAttempt) -> None:
    """What could not become a booking is at rest when the money has arrived where it came from."""
    entries = attempt.ledger.exclude(kind=LedgerEntry.Kind.FEE)  # which the buyer neither paid nor gets
    moved = entries.aggregate(sum=Sum("amount_paise"))["sum"]
    pays = attempt.ledger.filter(kind=LedgerEntry.Kind.RECEIPT).exists()
    if pays and moved <= 0 and attempt.payment.fulfilment == Fulfilment.REFUND_DUE:
        move_fulfilment(attempt.payment, Fulfilment.REFUNDED, "money_went_back")


def _fail(refund: Refund, answer: RefundStatus, source: str) -> None:
    """The debt stays: another row with another id takes its place. PhonePe never takes the old id again."""
    ended = {"decided_at": timezone.now(), "next_check_at": None}
    learned = _learned(refund, answer)
    if not move_refund(refund, RefundState.FAILED, "phonepe_says_failed", source, **learned, **ended):
        return
    if refund.origin == Refund.Origin.SHOP or _is_owed(refund.attempt):
        _replace(refund)
    _call_next(refund.attempt)


def _is_owed(attempt: PaymentAttempt) -> bool:
    """Nobody has a booking for it, and its owner was told that it goes back, whoever was to send it."""
    if attempt.payment.fulfilment in (Fulfilment.REFUND_DUE, Fulfilment.HELD_FOR_STAFF):
        return attempt.payment.fulfilment == Fulfilment.REFUND_DUE
    pays = attempt.ledger.filter(kind=LedgerEntry.Kind.RECEIPT).exists()
    cancelled = Booking.objects.filter(checkout__payment=attempt.payment_id, status=Booking.Status.CANCELLED)
    return not pays or cancelled.exists()


def _replace(failed: Refund) -> None:
    amount = min(failed.amount_paise, refundable_paise(failed.attempt))
    if amount < LEAST_PAISE:
        return
    tries = _ids_tried(failed)
    too_many = tries >= IDS_TRIED_BY_ITSELF or failed.origin == Refund.Origin.DASHBOARD
    refund = Refund.objects.create(
        payment_id=failed.payment_id,
        attempt=failed.attempt,
        merchant_refund_id=next_refund_id(failed.attempt),
        amount_paise=amount,
        reason=failed.reason,
        replaces=failed,
        asked_by=failed.asked_by,
        approved_by=failed.approved_by,
        approved_at=failed.approved_at,
        held_because=Refund.Hold.FAILED_OFTEN if too_many else Refund.Hold.NONE,
        expected_by=promised_by(),
        next_check_at=None if too_many else timezone.now() + tries * scaled(PAUSE_AFTER_FAILURE),
    )
    write_down_refund(refund, "refund_failed_often" if too_many else "refund_again", before="")
    if too_many:
        alert_staff("refund_failed_often", failed.payment, refund_id=refund.merchant_refund_id)


def _ids_tried(refund: Refund) -> int:
    return 1 + (_ids_tried(refund.replaces) if refund.replaces else 0)


def _miss(refund: Refund) -> None:
    """PhonePe does not know it: then it never arrived, and may be said again under the same id."""
    lately = refund.sent_at is None or timezone.now() - refund.sent_at < NOT_FOUND_AFTER
    if refund.state not in (RefundState.CREATED, RefundState.UNKNOWN) or lately:
        return
    refund.sent_at = None
    refund.save(update_fields=["sent_at"])
    write_down_refund(refund, "refund_never_arrived")


def _call_next(attempt: PaymentAttempt) -> None:
    """One at a time: what has waited for this one is due now."""
    if attempt.refunds.filter(state__in=OPEN_REFUND, origin=Refund.Origin.SHOP).exists():
        return
    in_line = attempt.refunds.filter(state=RefundState.WAITING, held_because="", replaces=None)
    in_line.update(next_check_at=timezone.now())


def _learned(refund: Refund, answer: RefundStatus) -> dict[str, str]:
    return {
        "provider_refund_id": answer.provider_refund_id or refund.provider_refund_id,
        "utr": answer.utr or refund.utr,
        "code": answer.code or refund.code,
    }
