"""Who may request and approve a refund, and what a refund does to the booking."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from booking.models import Booking
from booking.services import cancel, forgive_hold, release
from core.errors import Conflict, Refusal
from core.money import grouped
from payment.models import PAYING, LedgerEntry, Offer, Payment, PaymentAttempt, Refund
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.services.notifications import notify_cancelled, notify_refund_started
from payment.services.refunds.amounts import (
    MIN_REFUND_PAISE,
    awaiting_refund_of_all,
    is_disputed_without_amount,
    policy_share,
    refundable_paise,
    remaining_paise,
    requested_refunds,
    sendable_paise,
)
from payment.services.refunds.approval import is_above_limit, needs_second_person
from payment.services.transitions import (
    lock_payment,
    move_fulfilment,
    move_refund,
    record_cancelled,
    record_refund,
)
from payment.services.unpaid import end_if_unpaid
from payment.states import Fulfilment, PaymentState, RefundState

Hold = Refund.Hold
UNBOOKED = (Fulfilment.DUE, Fulfilment.OFFERED)


class NotPaid(Conflict):
    default_code = "not_paid"
    default_detail = _("This payment has not been paid: there is nothing to send back.")


class NotConfirmed(Conflict):
    default_code = "not_confirmed"
    default_detail = _("This booking is no longer confirmed.")


class NothingLeft(Conflict):
    default_code = "nothing_left"
    default_detail = _("All of this payment has been sent back or promised already.")


class Simulated(Conflict):
    default_code = "simulated_payment"
    default_detail = _(
        "This payment was simulated and simulation is off: no money came, and none can go back."
    )


class Disputed(Conflict):
    default_code = "disputed"
    default_detail = _(
        "The buyer's bank disputes this payment, and nobody knows yet how much of it. Nothing is sent back until "
        "the dispute says how much, or staff do: look under Disputes and Webhook events in the admin."
    )


class SamePerson(Refusal):
    status_code = 403
    default_code = "same_person"
    default_detail = _(
        "A refund of this size must be approved by another person than the one who asked for it."
    )


def create_refund(
    attempt: PaymentAttempt,
    amount_paise: int,
    reason: str,
    *,
    asked_by: User | ApiKey | None,
    held_because: Refund.Hold = Hold.NONE,
) -> Refund:
    """A new refund of what this attempt brought: a request where it waits for a second person, else owed at once.

    An owed refund supersedes requests that no longer fit beside it. Under the payment's lock.
    Raises NothingLeft for more than is left beside what is owed.
    """
    if amount_paise > remaining_paise(attempt):
        raise NothingLeft
    requester = {"asked_by_key" if isinstance(asked_by, ApiKey) else "asked_by": asked_by}
    refund = insert_refund(attempt, amount_paise, reason, held_because=held_because, **requester)
    if refund.is_requested:
        return refund
    supersede_requests(attempt)
    if not held_because:
        _cancel_and_notify(refund)
    return refund


def insert_refund(
    attempt: PaymentAttempt, amount_paise: int, reason: str, *, held_because: Refund.Hold, **fields: Any
) -> Refund:
    """The row and its line in the timeline. The caller has checked what is left.

    Money that staff took goes back by their hands: it waits for them (`complete_by_hand`), and is never sent.
    """
    if attempt.by_hand:
        fields["origin"] = Refund.Origin.BY_HAND
        held_because = held_because or Hold.BY_HAND
    refund = Refund.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        merchant_refund_id=next_refund_id(attempt),
        amount_paise=amount_paise,
        reason=reason[:200],
        held_because=held_because,
        expected_by=expected_credit_at(),
        next_check_at=None if held_because else timezone.now(),
        **fields,
    )
    record_refund(refund, "refund_held" if held_because else "refund_promised", before="")
    return refund


def supersede_requests(attempt: PaymentAttempt, left: int | None = None) -> None:
    """Ends requests that no longer fit beside what is owed; the oldest are kept. Staff may request again.

    `left`, in paise, is 0 when something else was decided about the money: all of them end.
    """
    left = remaining_paise(attempt) if left is None else left
    for request in list(requested_refunds(attempt).order_by("pk")):
        if request.amount_paise <= left:
            left -= request.amount_paise
            continue
        request.attempt, request.payment = attempt, attempt.payment
        move_refund(request, RefundState.FAILED, "refund_superseded", code="superseded", next_check_at=None)


def awaits_refund_of_all(attempt: PaymentAttempt) -> bool:
    """A second person must approve the refund of all that is left."""
    return awaiting_refund_of_all().filter(pk=attempt.pk).exists()


def end_requests_of_all(payment: Payment) -> None:
    """The customer chose another time before a second person approved the refund. Under the payment's lock."""
    attempt = paid_attempt(payment)
    if awaits_refund_of_all(attempt):
        supersede_requests(attempt, left=0)


def next_refund_id(attempt: PaymentAttempt) -> str:
    """Made of the order id and a number, so that it is the same if it is made again after a lost commit.

    A number may be taken: a refund that a restored database had lost may have been found at PhonePe.
    """
    taken = set(attempt.refunds.values_list("merchant_refund_id", flat=True))
    ids = (f"R{number}-{attempt.merchant_order_id}" for number in count(1))
    return next(each for each in ids if each not in taken)


def expected_credit_at() -> datetime:
    return timezone.now() + timedelta(days=settings.REFUND_EXPECTED_DAYS)


@transaction.atomic
def request_refund(payment_id: int, amount_paise: int | None, reason: str, asked_by: User | ApiKey) -> Refund:
    """Staff, or a server by its key, send back `amount_paise`, or all that is left. Above the limit a person must
    approve it who has not asked for it, and has not made the key.

    Its callers have required the right to refund, or the scope.

    Raises NotPaid, NothingLeft, Simulated, Disputed, Refusal (`too_much`, `too_little`).
    """
    payment = lock_payment(pk=payment_id)
    attempt = paid_attempt(payment)
    if attempt.simulated and not attempt.by_hand:
        try:
            credentials.for_identity(attempt.identity)
        except NotConfigured as error:
            raise Simulated(payment_id=attempt.payment_id) from error
    refuse_if_disputed(attempt)
    amount_paise = _validate_amount(amount_paise, refundable_paise(attempt))
    hold = Hold.SECOND_PERSON if is_above_limit(asked_by, attempt, amount_paise) else Hold.NONE
    return create_refund(attempt, amount_paise, reason, asked_by=asked_by, held_because=hold)


@transaction.atomic
def approve_refund(refund_id: int, approved_by: User) -> Refund:
    """Releases a refund that waits for staff: from then on it is owed.

    Raises Conflict `not_on_hold`, SamePerson, Disputed, Refusal `too_much` for a request that no longer fits.
    """
    refund = lock_refund(refund_id)
    if refund.state != RefundState.WAITING or refund.held_because in ("", Hold.BY_HAND):
        raise Conflict(_("This refund is not waiting for anybody."), code="not_on_hold")
    needs_two_people = refund.held_because == Hold.SECOND_PERSON
    maker_of_key = refund.asked_by_key.made_by_id if refund.asked_by_key else None
    if needs_two_people and approved_by.pk in (refund.asked_by_id, maker_of_key):
        raise SamePerson
    refuse_if_disputed(refund.attempt)
    if needs_two_people:
        left = remaining_paise(refund.attempt)  # less than at the request, where money has gone another way
        if refund.amount_paise > left:
            raise Refusal(
                format_lazy(
                    _("Only ₹{left} of this payment are left: withdraw this request, and ask for that."),
                    left=grouped(left),
                ),
                code="too_much",
            )
        refund.approved_by, refund.approved_at = approved_by, timezone.now()
    refund.held_because, refund.next_check_at = "", timezone.now()
    if refund.attempt.by_hand:
        refund.held_because, refund.next_check_at = Hold.BY_HAND, None
    refund.expected_by = expected_credit_at()
    refund.cut_paise = 0
    refund.save(
        update_fields=[
            "held_because",
            "approved_by",
            "approved_at",
            "expected_by",
            "next_check_at",
            "cut_paise",
        ]
    )
    record_refund(refund, "refund_approved", f"by user {approved_by.pk}")
    supersede_requests(refund.attempt)
    if needs_two_people:
        _cancel_and_notify(refund)
        _end_review(refund.payment)
    return refund


@transaction.atomic
def withdraw_refund(refund_id: int, by: User) -> Refund:
    """The second person refuses it. The buyer was not notified of it. Raises Conflict `not_on_hold`."""
    refund = lock_refund(refund_id)
    if refund.held_because != Hold.SECOND_PERSON:
        raise Conflict(_("This refund is not waiting for a second person."), code="not_on_hold")
    if not move_refund(refund, RefundState.FAILED, "refund_withdrawn", f"by user {by.pk}", code="withdrawn"):
        raise Conflict(_("This refund has been withdrawn already."), code="not_on_hold")
    Booking.objects.filter(checkout__payment=refund.payment_id, rejected=True).exclude(
        status=Booking.Status.CANCELLED
    ).update(rejected=False)
    return refund


def lock_refund(refund_id: int) -> Refund:
    """Under the payment's lock, which comes first. Raises Refund.DoesNotExist."""
    payment_id = Refund.objects.values_list("payment_id", flat=True).get(pk=refund_id)
    payment = lock_payment(pk=payment_id)
    refund = (
        payment.refunds.select_for_update(of=("self",), no_key=True)
        .select_related("attempt")
        .get(pk=refund_id)
    )
    refund.payment = refund.attempt.payment = payment
    return refund


@transaction.atomic
def cancel_booking(
    booking: Booking,
    reason: str,
    *,
    by: User | None = None,
    in_full: bool = False,
    rejected: bool = False,
    batch_paise: int = 0,
    raised_to: int = 0,
    message: str = "",
) -> Refund | None:
    """Cancels a booking, frees its place, and creates the refund that the policy gives, or a refund of all of it.

    `in_full`: the temple causes the cancellation, at any time. `by`: the member of the staff who decided so. If a
    second person must approve the refund, it is only requested, and the approval cancels the booking. `batch_paise`:
    what this person refunds together, see `needs_second_person`. Where a refund of all had been requested, what the
    policy does not give stays requested. `raised_to`, in paise: `by` gives more than the policy; what they add may
    have to wait for a second person. `message`: the reason as the customer reads it. `rejected`: it is to
    be shown as rejected by the temple.

    Raises Refusal once the puja has begun, and for an amount that cannot be given; Conflict when the booking is not
    CONFIRMED any more.
    """
    payment = lock_payment(checkout=booking.checkout_id)
    # It may have been moved since the caller read it, or its time called off.
    booking.refresh_from_db(fields=["status", "starts_at", "terms_from", "free_until", "choose_until"])
    now = timezone.now()
    in_full = in_full or booking.choose_until is not None
    if not in_full and booking.starts_at <= now:
        raise Refusal(_("This puja has already begun; it can't be cancelled any more."), code="too_late")
    if booking.status != Booking.Status.CONFIRMED:
        raise NotConfirmed
    attempt = paid_attempt(payment)
    left = sendable_paise(attempt)
    if by and left and raised_to == left and raised_to > policy_share(booking, left, now):
        in_full = True
    # The sum of the policy is the rule's: the customer could take it by themselves.
    if by and in_full and left and needs_second_person(by, attempt, left, batch_paise):
        Booking.objects.filter(pk=booking.pk).update(rejected=rejected)  # once it is approved
        return request_the_rest(attempt, reason, by)
    share = left if in_full else policy_share(booking, left, now)
    more = _validate_amount(raised_to, left) - share if by and raised_to > share else 0
    waits = by is not None and more > 0 and needs_second_person(by, attempt, more, batch_paise)
    if not cancel(booking, reason, rejected=rejected):
        raise NotConfirmed
    share = share if waits else share + more
    record_cancelled(payment)
    _end_offer(payment)
    notify_cancelled(booking, share, message)
    request = requested_refunds(attempt).latest("pk") if awaits_refund_of_all(attempt) else None
    refund = None
    if share:
        refund = create_refund(attempt, share, f"cancelled: {reason}", asked_by=by or booking.user)
    if waits:
        if more < MIN_REFUND_PAISE:
            raise Refusal(_("What is added must be at least one rupee."), code="too_little")
        create_refund(attempt, more, reason, asked_by=by, held_because=Hold.SECOND_PERSON)
    elif request and (asked_by := request.asked_by or request.asked_by_key) and 0 < share < left:
        request_the_rest(attempt, request.reason, asked_by)
    return refund


def refund_without_booking(payment: Payment, rule: str, reason: str, *, by: User | None = None) -> bool:
    """What was paid can't become a booking any more: all of it goes back. Under the payment's lock.

    `by`: the member of the staff who decided so. False: it is only requested, and ends when a second person approves.
    """
    attempt = paid_attempt(payment)
    left = sendable_paise(attempt)
    if by and left and needs_second_person(by, attempt, left):
        request_the_rest(attempt, reason, by)
        return False
    _end_without_booking(payment, rule)
    if left:
        create_refund(attempt, left, reason, asked_by=by)
    return True


def return_held_money(payment: Payment, attempts: list[PaymentAttempt], reason: str, by: User) -> None:
    """What these attempts brought goes back, and the review ends, unless a second person must approve it first."""
    amounts = {attempt: paise for attempt in attempts if (paise := sendable_paise(attempt))}
    batch = sum(amounts.values())
    is_requested = any(needs_second_person(by, attempt, paise, batch) for attempt, paise in amounts.items())
    for attempt, paise in amounts.items():
        attempt.payment = payment
        if is_requested:
            request_the_rest(attempt, reason, by)
        else:
            create_refund(attempt, paise, reason, asked_by=by)
    _end_review(payment)


def request_the_rest(attempt: PaymentAttempt, reason: str, by: User | ApiKey) -> Refund:
    """A request of all that is left. If all of it is requested already, the last of those requests."""
    left = refundable_paise(attempt)
    if left < MIN_REFUND_PAISE:
        return requested_refunds(attempt).latest("pk")
    return create_refund(attempt, left, reason, asked_by=by, held_because=Hold.SECOND_PERSON)


def _end_review(payment: Payment) -> None:
    """All that was in review is owed: the payment ends, or waits for the right amount if a page is still open."""
    if payment.fulfilment != Fulfilment.HELD_FOR_STAFF:
        return
    held = payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE)
    if any(sendable_paise(entry.attempt) for entry in held):
        return
    move_fulfilment(payment, Fulfilment.NONE, "returned_by_staff", held_because="")
    last = payment.attempts.latest("number")
    last.payment = payment
    end_if_unpaid(last)


def paid_attempt(payment: Payment) -> PaymentAttempt:
    """Raises NotPaid."""
    receipt = payment.ledger.select_related("attempt").filter(kind__in=PAYING).first()
    if receipt is None or payment.state != PaymentState.SUCCESS:
        raise NotPaid(payment_id=payment.pk)
    receipt.attempt.payment = payment
    return receipt.attempt


def cancel_if_fully_refunded(refund: Refund) -> None:
    """Cancels the booking, or ends the offer, of a payment that is refunded whole. Twice is once.

    Only what is owed counts: a request that waits for a second person may still be refused.
    """
    pays = refund.attempt.ledger.filter(kind__in=PAYING).exists()
    if not pays or remaining_paise(refund.attempt):
        return
    confirmed = Booking.objects.filter(status=Booking.Status.CONFIRMED)
    if booking := confirmed.filter(checkout__payment=refund.payment_id).first():
        cancel(booking, refund.reason, rejected=booking.rejected)
        record_cancelled(refund.payment)
        _end_offer(refund.payment)
        notify_cancelled(booking, refund.amount_paise)
    elif refund.payment.fulfilment in UNBOOKED:
        _end_without_booking(refund.payment, "all_sent_back")


def _end_without_booking(payment: Payment, rule: str) -> None:
    """It becomes no booking: its offer ends, and its cart, place and promo use are released."""
    move_fulfilment(payment, Fulfilment.REFUND_DUE, rule, fulfil_at=None, held_because="")
    _end_offer(payment)
    if payment.checkout:
        release(payment.checkout)
        forgive_hold(payment.checkout)


def _end_offer(payment: Payment) -> None:
    """Nothing can be chosen any more."""
    open_offer = Offer.objects.filter(payment=payment, state=Offer.State.OPEN)
    open_offer.update(state=Offer.State.CLOSED, decided_at=timezone.now())


def _cancel_and_notify(refund: Refund) -> None:
    cancel_if_fully_refunded(refund)
    notify_refund_started(refund)


def refuse_if_disputed(attempt: PaymentAttempt) -> None:
    """Raises Disputed."""
    if is_disputed_without_amount(attempt):
        raise Disputed(payment_id=attempt.payment_id)


def _validate_amount(amount_paise: int | None, left: int) -> int:
    """PhonePe refunds nothing below a rupee: neither what goes nor what stays may be less."""
    if left < MIN_REFUND_PAISE:
        raise NothingLeft
    if amount_paise is None or amount_paise == left:
        return left
    if amount_paise > left:
        sentence = _("Only ₹{left} of this payment are left.")
        raise Refusal(format_lazy(sentence, left=grouped(left)), code="too_much")
    if amount_paise < MIN_REFUND_PAISE or left - amount_paise < MIN_REFUND_PAISE:
        raise Refusal(_("What goes back and what stays must each be at least one rupee."), code="too_little")
    return amount_paise
