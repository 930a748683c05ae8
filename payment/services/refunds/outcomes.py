"""Every outcome of a refund passes through `apply_refund_status`: of a webhook, a poll, or the refund call."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Booking
from core.clocks import has_passed
from core.errors import Conflict
from payment.gateways import RefundStatus
from payment.models import OPEN_REFUND, PAYING, UNSENT_REFUND, LedgerEntry, PaymentAttempt, Refund
from payment.phonepe.enums import ProviderStatus
from payment.services.notifications import alert_staff, notify_refund_credited, notify_refund_started
from payment.services.receipts import create_credit_note
from payment.services.refunds.amounts import (
    MIN_REFUND_PAISE,
    cut_paise,
    owed_refunds,
    remaining_beside,
    remaining_paise,
    requested_refunds,
    sendable_paise,
)
from payment.services.refunds.approval import needs_second_person
from payment.services.refunds.requests import (
    cancel_if_fully_refunded,
    create_refund,
    expected_credit_at,
    insert_refund,
    lock_refund,
    next_refund_id,
    request_the_rest,
    supersede_requests,
)
from payment.services.schedule import MINUTE, scaled
from payment.services.transitions import lock_payment, move_fulfilment, move_refund, record_refund
from payment.states import Fulfilment, RefundState

# "Not found" right after it was sent may only mean "not yet". Not scaled: calls are never faster in tests.
NOT_FOUND_AFTER = timedelta(seconds=30)
IDS_TRIED_BY_ITSELF = 3  # then staff decide; at once where PhonePe's dashboard could not send it
PAUSE_AFTER_FAILURE = 5 * MINUTE
DASHBOARD = "made in PhonePe's dashboard"
OWED_WHOLE = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
MOVES = {
    ProviderStatus.PENDING: RefundState.PENDING,
    ProviderStatus.CONFIRMED: RefundState.CONFIRMED,
    ProviderStatus.UNKNOWN: RefundState.UNKNOWN,
}


@transaction.atomic
def apply_refund_status(refund_id: int, answer: RefundStatus, source: str) -> Refund:
    """Writes PhonePe's answer about this refund into the rows, under the payment's lock.

    The same answer twice, or late, or in another order, changes nothing.
    """
    refund = lock_refund(refund_id)
    if answer.state is ProviderStatus.COMPLETED:
        _apply_completed(refund, answer, source)
    elif answer.state is ProviderStatus.FAILED:
        _apply_failed(refund, answer, source)
    elif answer.state is ProviderStatus.NOT_FOUND:
        # It never arrived, and may be sent again under the same id.
        lately = refund.sent_at is None or not has_passed(refund.sent_at, timezone.now(), NOT_FOUND_AFTER)
        if refund.state in (RefundState.CREATED, RefundState.UNKNOWN) and not lately:
            refund.sent_at = None
            refund.save(update_fields=["sent_at"])
            record_refund(refund, "refund_never_arrived")
    else:
        to = MOVES[answer.state]
        move_refund(refund, to, f"phonepe_says_{to.lower()}", source, **_provider_fields(refund, answer))
    return refund


@transaction.atomic
def complete_by_hand(refund_id: int, *, utr: str, detail: str) -> LedgerEntry:
    """Staff have given it back. Under the payment's lock. Raises Conflict `not_by_hand` for any other refund."""
    refund = lock_refund(refund_id)
    if refund.state != RefundState.WAITING or refund.held_because != Refund.Hold.BY_HAND:
        raise Conflict(_("This refund does not wait for staff to give it back."), code="not_by_hand")
    begun = {"held_because": "", "next_check_at": timezone.now()}
    move_refund(refund, RefundState.CREATED, "given_back_by_hand", detail, **begun)
    _apply_completed(refund, RefundStatus(ProviderStatus.COMPLETED, utr=utr), detail)
    return refund.attempt.ledger.get(reference=refund.merchant_refund_id)


@transaction.atomic
def adopt_refund(
    attempt: PaymentAttempt, merchant_refund_id: str, amount_paise: int, answer: RefundStatus, source: str
) -> Refund | None:
    """A refund that was made in PhonePe's dashboard gets a row, and is then treated as any other.

    None for less than a rupee, which PhonePe does not refund: staff must see what that is.
    """
    if amount_paise < MIN_REFUND_PAISE:
        return None
    payment = lock_payment(pk=attempt.payment_id)
    attempt.refresh_from_db()  # `received_paise` may have been written since the caller read it
    attempt.payment = payment
    refund = Refund.objects.filter(merchant_refund_id=merchant_refund_id).first()
    if refund is None:
        refund = Refund.objects.create(
            payment=attempt.payment,
            attempt=attempt,
            merchant_refund_id=merchant_refund_id,
            amount_paise=amount_paise,
            state=RefundState.PENDING,
            origin=Refund.Origin.DASHBOARD,
            reason=DASHBOARD,
            sent_at=timezone.now(),
            expected_by=expected_credit_at(),
            next_check_at=timezone.now(),
        )
        record_refund(refund, "refund_found", source, before="")
    refund = apply_refund_status(refund.pk, answer, source)
    if refund.state != RefundState.FAILED:
        cut_unsent_refunds(refund.attempt)
        cancel_if_fully_refunded(refund)
        mark_refunded(refund.attempt)
    return refund


def cut_unsent_refunds(attempt: PaymentAttempt) -> None:
    """Less is left than is owed: what is not sent yet is cut, the oldest last. Requests end before that."""
    unsent = owed_refunds(attempt).filter(state__in=UNSENT_REFUND, sent_at=None)
    left = remaining_beside(attempt, owed_refunds(attempt).exclude(pk__in=unsent))
    remainders = []
    for refund in list(unsent.order_by("pk")):
        kept = min(refund.amount_paise, left)
        if kept < refund.amount_paise:
            kept = kept if kept >= MIN_REFUND_PAISE else 0
            refund.attempt, refund.payment = attempt, attempt.payment
            remainders.append((refund, kept))
            move_refund(
                refund,
                RefundState.FAILED,
                "nothing_left",
                code="nothing_left",
                cut_paise=refund.amount_paise - kept,
                next_check_at=None,
            )
        left -= kept
    for refund, kept in remainders:
        if not kept:
            continue
        # Another amount is another refund: PhonePe may know this id already, with the old amount.
        remainder = insert_refund(
            attempt,
            kept,
            refund.reason,
            held_because=Refund.Hold(refund.held_because),
            asked_by=refund.asked_by,
            asked_by_key=refund.asked_by_key,
            approved_by=refund.approved_by,
            approved_at=refund.approved_at,
        )
        if not refund.held_because:
            notify_refund_started(remainder)
    supersede_requests(attempt)
    schedule_next_refund(attempt)


def restore_cut_refunds(attempt: PaymentAttempt, by: User | None) -> None:
    """Money that had gone another way is here again: what was owed before is owed again.

    The booking was decided when the refund was first owed, and is not decided again. `by`: the member of the staff
    who says that the money is here; None where PhonePe says it. A request keeps in `cut_paise` what it restores, so
    that this stays a debt if the request ends unapproved.
    """
    for request in list(requested_refunds(attempt).filter(cut_paise__gt=0)):
        request.attempt, request.payment = attempt, attempt.payment
        move_refund(request, RefundState.FAILED, "refund_superseded", code="superseded", next_check_at=None)
    amount = min(cut_paise(attempt), remaining_paise(attempt))
    if amount < MIN_REFUND_PAISE:
        return
    cut = _clear_cuts(attempt, amount)
    if by and needs_second_person(by, attempt, amount):
        insert_refund(
            attempt,
            amount,
            cut.reason,
            held_because=Refund.Hold.SECOND_PERSON,
            asked_by=by,
            cut_paise=amount,
        )
        return
    restored = insert_refund(
        attempt,
        amount,
        cut.reason,
        held_because=Refund.Hold.NONE,
        asked_by=by or cut.asked_by,
        asked_by_key=None if by else cut.asked_by_key,
        approved_by=None if by else cut.approved_by,
        approved_at=None if by else cut.approved_at,
    )
    supersede_requests(attempt)
    notify_refund_started(restored)


def refund_remaining(attempt: PaymentAttempt, reason: str, by: User | None) -> None:
    """All that is left goes back: there is no booking for it. `by` as in `restore_cut_refunds`."""
    if cut := cut_paise(attempt):
        _clear_cuts(attempt, cut)
    left = sendable_paise(attempt)
    if by and left and needs_second_person(by, attempt, left):
        request_the_rest(attempt, reason, by)
    elif left:
        create_refund(attempt, left, reason, asked_by=by)


def _clear_cuts(attempt: PaymentAttempt, paise: int) -> Refund:
    """So much of the cut amounts is owed again, the newest first. Returns the newest; there is one."""
    cut = list(attempt.refunds.filter(cut_paise__gt=0).order_by("-pk"))
    for refund in cut:
        restored = min(refund.cut_paise, paise)
        paise -= restored
        refund.cut_paise -= restored
        refund.save(update_fields=["cut_paise"])
    return cut[0]


def _apply_completed(refund: Refund, answer: RefundStatus, source: str) -> None:
    had_failed = refund.state == RefundState.FAILED
    ended = {"decided_at": timezone.now(), "next_check_at": None, "cut_paise": 0}
    if not move_refund(
        refund, RefundState.COMPLETED, "money_went_back", source, **_provider_fields(refund, answer), **ended
    ):
        return
    paise = refund.amount_paise if answer.amount_paise is None else answer.amount_paise
    LedgerEntry.objects.create(
        payment=refund.payment,
        attempt=refund.attempt,
        kind=LedgerEntry.Kind.REFUND,
        amount_paise=-paise,
        reference=refund.merchant_refund_id,
        simulated=refund.attempt.simulated,
    )
    create_credit_note(refund, paise)
    if paise != refund.amount_paise:
        alert_staff("refund_differs", refund.payment, refund_id=refund.merchant_refund_id, refund_paise=paise)
    if had_failed:
        cut_unsent_refunds(refund.attempt)
        cancel_if_fully_refunded(refund)
    mark_refunded(refund.attempt)
    schedule_next_refund(refund.attempt)
    notify_refund_credited(refund)


def mark_refunded(attempt: PaymentAttempt) -> None:
    """Ends the fulfilment of a payment without a booking, when all of its money has gone back."""
    entries = attempt.ledger.exclude(kind=LedgerEntry.Kind.FEE)  # which the buyer neither paid nor gets
    moved = entries.aggregate(sum=Sum("amount_paise"))["sum"]
    pays = attempt.ledger.filter(kind__in=PAYING).exists()
    if pays and moved <= 0 and attempt.payment.fulfilment == Fulfilment.REFUND_DUE:
        move_fulfilment(attempt.payment, Fulfilment.REFUNDED, "money_went_back")


def _apply_failed(refund: Refund, answer: RefundStatus, source: str) -> None:
    """The refund stays owed: another row with another id takes its place. PhonePe never takes the old id again."""
    ended = {"decided_at": timezone.now(), "next_check_at": None}
    fields = _provider_fields(refund, answer)
    if move_refund(refund, RefundState.FAILED, "phonepe_says_failed", source, **fields, **ended):
        _replace(refund)
        schedule_next_refund(refund.attempt)


def is_owed_in_full(attempt: PaymentAttempt) -> bool:
    """There is no booking for it, and its owner was told that all of it goes back."""
    if attempt.payment.fulfilment in (*OWED_WHOLE, Fulfilment.HELD_FOR_STAFF):
        return attempt.payment.fulfilment != Fulfilment.HELD_FOR_STAFF
    return not attempt.ledger.filter(kind__in=PAYING).exists()


def _replace(failed: Refund) -> None:
    attempt, tries = failed.attempt, _count_ids(failed)
    is_ours = failed.origin == Refund.Origin.SHOP
    due = failed.amount_paise if is_ours else _replacement_paise(failed)
    amount = min(due, remaining_paise(attempt))
    amount = amount if amount >= MIN_REFUND_PAISE else 0
    if is_ours and amount < due:
        failed.cut_paise = due - amount
        failed.save(update_fields=["cut_paise"])
    if not amount:
        return
    if not is_ours and cut_paise(attempt):
        _clear_cuts(attempt, amount)
    too_many = tries >= IDS_TRIED_BY_ITSELF or not is_ours
    refund = Refund.objects.create(
        payment_id=failed.payment_id,
        attempt=attempt,
        merchant_refund_id=next_refund_id(attempt),
        amount_paise=amount,
        reason=failed.reason,
        replaces=failed,
        asked_by=failed.asked_by,
        asked_by_key=failed.asked_by_key,
        approved_by=failed.approved_by,
        approved_at=failed.approved_at,
        held_because=Refund.Hold.FAILED_OFTEN if too_many else Refund.Hold.NONE,
        expected_by=expected_credit_at(),
        next_check_at=None if too_many else timezone.now() + tries * scaled(PAUSE_AFTER_FAILURE),
    )
    record_refund(refund, "refund_failed_often" if too_many else "refund_again", before="")
    supersede_requests(attempt)
    if too_many:
        alert_staff("refund_failed_often", failed.payment, refund_id=refund.merchant_refund_id)


def _replacement_paise(failed: Refund) -> int:
    """Of a failed dashboard refund: what it had cut from ours, or ended a booking for, and did not pay back."""
    if is_owed_in_full(failed.attempt):
        return remaining_paise(failed.attempt)
    cancelled = Booking.objects.filter(checkout__payment=failed.payment_id, status=Booking.Status.CANCELLED)
    ended_by_it = cancelled.filter(cancellation_reason=DASHBOARD)
    return max(cut_paise(failed.attempt), failed.amount_paise if ended_by_it.exists() else 0)


def _count_ids(refund: Refund) -> int:
    return 1 + (_count_ids(refund.replaces) if refund.replaces else 0)


def schedule_next_refund(attempt: PaymentAttempt) -> None:
    """One at a time: what has waited for this one is due now."""
    if attempt.refunds.filter(state__in=OPEN_REFUND, origin=Refund.Origin.SHOP).exists():
        return
    in_line = attempt.refunds.filter(state=RefundState.WAITING, held_because="", replaces=None)
    in_line.update(next_check_at=timezone.now())


def _provider_fields(refund: Refund, answer: RefundStatus) -> dict[str, str]:
    return {
        "provider_refund_id": answer.provider_refund_id or refund.provider_refund_id,
        "utr": answer.utr or refund.utr,
        "code": answer.code or refund.code,
    }
