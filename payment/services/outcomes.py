"""Every outcome of an order passes through `apply_status`, whoever reports it.

First the money: what PhonePe reports as paid is committed, whatever happens next. Then the fulfilment, in a transaction
of its own: when it raises, the money stays recorded, and the worker tries again. An order that brings no money is
closed; with the last open order the payment ends and its cart is free.

A late payment (late money) is booked like any other. When its slot is gone (sold out, closed or past), `fulfil` offers
other slots, or refunds it: no slot is ever overbooked.
"""

import logging
from datetime import datetime
from functools import partial

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Checkout, Slot
from booking.services import CartConverted, NotAtOnce, SlotGone, book, choice_deadline, forgive_hold, release
from core.clocks import database_now, has_passed
from core.errors import Conflict
from payment.gateways import OrderStatus
from payment.models import OPEN_ATTEMPT, LedgerEntry, Offer, PayLink, Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.services.at_once import (
    Poll,
    is_of_other_merchant,
    is_usual,
    lock_and_find_usual,
    payment_writes,
    values_when_paid,
)
from payment.services.disputes import book_disputes
from payment.services.duplicates import (
    BookedMeanwhile,
    refund_as_paid_twice,
    refuse_if_booked_meanwhile,
    slots_to_offer,
)
from payment.services.leases import close_unusable_connection, left_to_background
from payment.services.notifications import (
    alert_staff,
    notify_booked,
    notify_offer,
    notify_offer_closed,
    notify_pending,
    notify_received,
    notify_surplus,
)
from payment.services.receipts import create_receipt
from payment.services.refunds.amounts import remaining_paise, sendable_paise
from payment.services.refunds.requests import (
    NothingLeft,
    create_refund,
    end_requests_of_all,
    refund_without_booking,
    return_held_money,
    supersede_requests,
)
from payment.services.schedule import HOUR, MINUTE, scaled
from payment.services.transitions import (
    lock_attempt,
    lock_payment,
    move_attempt,
    move_fulfilment,
    move_payment,
    record_payment,
)
from payment.services.unpaid import end_if_unpaid
from payment.states import AttemptState, Fulfilment, PaymentState

logger = logging.getLogger(__name__)

SECONDS_BEFORE_NEXT_TRY = MINUTE // 2
ACCEPTED = "accepted_by_staff"
TIME_IS_GONE = _("The time is gone: send the money back.")
BOOKED_WITH_OTHER_MONEY = _("This was booked with other money meanwhile: send the money back.")
# "Not found" right after a call may mean "not yet": only after so many answers over so long a time it is final.
NOT_FOUND_ANSWERS = 3
NOT_FOUND_SECONDS = 5 * MINUTE
# When a bank takes longer than this, people tend to pay twice: they are asked not to.
LONG_SECONDS = 5 * MINUTE
# V1's code for a page that the customer left; such an order has a transaction id, too.
TIMED_OUT = "TIMED_OUT"


class OfferClosed(Conflict):
    default_code = "offer_closed"
    default_detail = _("This offer has ended. Your money goes back to you.")


class StillPayable(Conflict):
    default_code = "payment_under_way"
    default_detail = _(
        "This payment can still be paid, or is just being opened. Please wait until its page has expired."
    )
    retryable = True


class AlreadyTaken(Conflict):
    default_code = "already_paid"
    default_detail = _("This has been paid already: do not take the money, or give it back.")


class AlreadyChosen(Conflict):
    """The first choice counts, whatever is requested afterwards. The answer has its start."""

    default_code = "already_chosen"
    default_detail = _("You have chosen a time already. To give it up, cancel your booking.")


def apply_status(
    attempt_id: int, answer: OrderStatus, source: str, *, giving_up: bool = False, poll: Poll | None = None
) -> Payment:
    """Apply PhonePe's status of this attempt to the rows, under the payment's lock. Then fulfil what was paid.

    `source` says who fetched the status; it goes into the timeline. `giving_up` closes an attempt that is merely
    unpaid. `poll`: what belongs to this answer, and is written here. The same status twice, or late, or in another
    order, changes nothing.
    """
    if answer.state is ProviderStatus.COMPLETED:
        poll = poll or Poll(Payment.objects.get(attempts=attempt_id), calls=[])
        if poll.may_book() and (booked := _book_at_once(attempt_id, answer, source, poll)):
            return booked
    if poll is not None:
        poll.record_calls()
    with transaction.atomic():  # by steps: the money first, whatever happens next
        attempt = lock_attempt(attempt_id)
        _apply(attempt, answer, source, giving_up)
    return fulfil_now(attempt.payment)


def _apply(attempt: PaymentAttempt, answer: OrderStatus, source: str, giving_up: bool) -> None:
    if answer.state is ProviderStatus.COMPLETED:
        _apply_completed(attempt, answer, source)
    elif answer.state is ProviderStatus.FAILED:
        # PhonePe also calls "failed" what nobody tried to pay in time.
        was_tried = bool(answer.provider_transaction_id) and answer.code != TIMED_OUT
        rule = answer.code or "phonepe_says_failed"
        close_attempt(attempt, AttemptState.FAILED, rule, source, was_tried=was_tried)
    elif answer.state is ProviderStatus.PENDING:
        _apply_pending(attempt, answer, source, giving_up)
    elif answer.state is ProviderStatus.NOT_FOUND:
        _apply_not_found(attempt, source, giving_up)


def _book_at_once(attempt_id: int, answer: OrderStatus, source: str, poll: Poll) -> Payment | None:
    """The booked payment. None, and nothing is written, when anything is unusual, and after any error: it is logged.

    Also after one of the locks and reads: the steps record the money without the person and the checkout.
    """
    booked: Payment | None = None
    try:
        with transaction.atomic():
            with left_to_background("booked at once", poll.payment.pk):
                attempt, checkouts = lock_and_find_usual(attempt_id, poll.payment)
                if checkouts and is_usual(attempt, answer):
                    try:
                        book(checkouts[0], together=partial(payment_writes, attempt, answer, source, poll))
                        booked = attempt.payment
                    except NotAtOnce:  # staff, or another request, was faster: no error
                        row = {"row": attempt.payment_id}
                        logger.info("not booked in one transaction: the payment was changed", extra=row)
            if booked is None:
                transaction.set_rollback(True)
    except (DatabaseError, InterfaceError) as error:
        if booked is None:  # no transaction could be begun
            raise
        # Deferred constraints are checked by COMMIT, which may also be lost with its connection.
        logger.warning(
            "not booked in one transaction: the commit failed", extra={"error": type(error).__name__}
        )
        close_unusable_connection()
        return None
    if booked is not None:
        poll.is_recorded, poll.is_ended = True, poll.ending is not None
    return booked


def fulfil_now(payment: Payment) -> Payment:
    """After the receipt is committed. An error is logged and left to the background; the caller gets the payment
    as usual, and the buyer is told that their money has arrived."""
    if payment.fulfilment != Fulfilment.DUE:
        return payment
    with left_to_background("fulfilments", payment.pk):
        return fulfil(payment.pk)
    # Only after an error:
    with left_to_background("fulfilments", payment.pk):
        due = Payment.objects.filter(pk=payment.pk, fulfilment=Fulfilment.DUE)
        if due.update(fulfil_at=timezone.now() + scaled(SECONDS_BEFORE_NEXT_TRY)):
            notify_received(due.get())
    return payment


def fulfil(payment_id: int) -> Payment:
    """What was paid becomes what was ordered, under the payment's lock. If the slot is gone, other slots are offered,
    or the money is refunded. A second call changes nothing.

    Raises any error: the background pushes the payment back, and alerts staff.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        if payment.fulfilment != Fulfilment.DUE:
            return payment
        if payment.checkout is None:
            move_fulfilment(payment, Fulfilment.DONATION, "gift_received", fulfil_at=None)
            notify_received(payment)
            return payment
        try:
            _book(payment, payment.checkout)
        except CartConverted as refusal:
            refund_as_paid_twice(payment, refusal.code, "the cart was paid twice")
        except BookedMeanwhile as refusal:
            refund_as_paid_twice(payment, refusal.code)
        except SlotGone as refusal:
            _offer_other_slots(payment, payment.checkout, refusal.code)
        if payment.fulfilment != Fulfilment.BOOKED:
            forgive_hold(payment.checkout)  # late, but paid
    return payment


@transaction.atomic
def _book(payment: Payment, checkout: Checkout) -> None:
    """Raises CartConverted, BookedMeanwhile, SlotGone; nothing is changed then."""
    refuse_if_booked_meanwhile(payment, checkout)
    book(checkout)
    move_fulfilment(payment, Fulfilment.BOOKED, "booked", fulfil_at=None)
    notify_booked(payment)


def _offer_other_slots(payment: Payment, checkout: Checkout, rule: str) -> None:
    """A late payment (late money) whose slot is gone: the buyer chooses another free slot, or gets a refund."""
    slots = slots_to_offer(checkout)
    if not slots:
        refund_without_booking(payment, "no_place_left", "the time was gone when the money came")
        notify_offer_closed(payment)
        return
    release(checkout)
    until = choice_end(checkout)
    Offer.objects.create(payment=payment, expires_at=until)
    move_fulfilment(payment, Fulfilment.OFFERED, rule, fulfil_at=None)
    notify_offer(payment, [slot.starts_at for slot in slots], until)


def choice_end(checkout: Checkout) -> datetime:
    """Until when another slot may be chosen; never later than the last one that can be reached."""
    until = timezone.now() + scaled(settings.OFFER_HOURS * HOUR)
    return min(until, choice_deadline(checkout) or until)


def is_same_choice(offer: Offer, slot: Slot | None) -> bool:
    """Whether this choice was made before. Raises AlreadyChosen for another one; no slot is the choice of a refund."""
    if offer.state != Offer.State.TAKEN or offer.slot is None:
        return False
    if offer.slot == slot:
        return True
    starts_at = timezone.localtime(offer.slot.starts_at).isoformat()
    raise AlreadyChosen(payment_id=offer.payment_id, starts_at=starts_at)


def fulfil_with_slot(payment_id: int, slot: Slot) -> Payment:
    """Book the slot that the buyer has chosen from their offer. The same choice twice is one booking.

    Raises SlotGone when somebody was faster, OfferClosed when it is too late to choose, BookedMeanwhile for a time
    that they have booked by another payment.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        offer = Offer.objects.select_for_update(of=("self",)).filter(payment=payment).first()
        if offer is not None and is_same_choice(offer, slot):
            return payment
        if offer is None or payment.checkout is None or payment.fulfilment != Fulfilment.OFFERED:
            raise OfferClosed(payment_id=payment.pk)
        refuse_if_booked_meanwhile(payment, payment.checkout, slot)
        book(payment.checkout, slot)
        end_requests_of_all(payment)
        offer.state, offer.slot, offer.decided_at = Offer.State.TAKEN, slot, timezone.now()
        offer.save(update_fields=["state", "slot", "decided_at"])
        move_fulfilment(payment, Fulfilment.BOOKED, "other_place_chosen")
        notify_booked(payment)
    return payment


def accept_after_review(payment_id: int, by: User) -> Payment:
    """Staff take what came as the payment, though another amount was agreed. What lies beside it is refunded, by them.

    Accepting never sends the accepted money back: it stays in review when its time is gone (Conflict `slot_gone`) or
    was booked with other money (`cart_converted`, `booked_meanwhile`). Raises Conflict `not_held`, NothingLeft when
    all of it has been refunded, or is about to be.
    """
    with transaction.atomic():
        payment = _lock_in_review(payment_id)
        entries = payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE)
        for entry in entries.order_by("-pk"):
            if remaining_paise(entry.attempt) == entry.amount_paise:
                break
        else:
            raise NothingLeft(payment_id=payment.pk)
        entry.attempt.payment = payment
        supersede_requests(entry.attempt, left=0)
        _decide_paid(payment, ACCEPTED)
        # The newest one that has not been refunded. Ledger entries are added, never changed.
        _add_ledger_entry(entry.attempt, LedgerEntry.Kind.SUSPENSE, -entry.amount_paise, suffix=":accepted")
        _add_ledger_entry(entry.attempt, LedgerEntry.Kind.RECEIPT, entry.amount_paise, suffix=":receipt")
        create_receipt(payment)
        held = [each.attempt for each in entries.exclude(attempt=entry.attempt)]
        return_held_money(payment, held, "another order was accepted", by)
        if payment.checkout:
            _book_accepted(payment, payment.checkout)
    return fulfil_now(payment)


def return_after_review(payment_id: int, by: User) -> Payment:
    """Staff refund what was held; the payment ends, or waits for the right amount if a page is still open.

    It stays in review while its refunds wait for a second person. Raises Conflict `not_held`.
    """
    with transaction.atomic():
        payment = _lock_in_review(payment_id)
        entries = payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE)
        attempts = {entry.attempt_id: entry.attempt for entry in entries}.values()
        return_held_money(payment, [*attempts], "another amount was agreed", by)
    return payment


def apply_payment_by_hand(attempt: PaymentAttempt, kind: LedgerEntry.Kind, detail: str) -> LedgerEntry:
    """Staff have the money of this new attempt, `by_hand`: the payment is paid and booked, or nothing is.

    In the transaction that has made the payment. Raises SlotGone, CartConverted, BookedMeanwhile, AlreadyTaken.
    """
    payment, now = attempt.payment, timezone.now()
    paid = {"received_paise": attempt.amount_paise, "paid_at": now, "decided_at": now, "next_check_at": None}
    move_attempt(attempt, AttemptState.COMPLETED, "paid_by_hand", detail, **paid)
    if payment.checkout is None or not _decide_paid(payment, "paid_by_hand"):
        raise AlreadyTaken(payment_id=payment.pk)
    _add_ledger_entry(attempt, kind, attempt.amount_paise)
    create_receipt(payment)
    _book(payment, payment.checkout)
    return payment.ledger.get(kind=kind)


def _book_accepted(payment: Payment, checkout: Checkout) -> None:
    """In the transaction of the acceptance. Raises Conflict, which undoes both; other errors go to the background."""
    refusal: Conflict | None = None
    with left_to_background("fulfilments", payment.pk):
        try:
            _book(payment, checkout)
        except SlotGone:
            refusal = Conflict(TIME_IS_GONE, code="slot_gone", payment_id=payment.pk)
        except (CartConverted, BookedMeanwhile) as error:
            refusal = Conflict(BOOKED_WITH_OTHER_MONEY, code=error.code, payment_id=payment.pk)
    if refusal:
        raise refusal
    payment.refresh_from_db(fields=["fulfilment"])  # DUE again after an error


def _lock_in_review(payment_id: int) -> Payment:
    payment = lock_payment(pk=payment_id)
    if payment.fulfilment != Fulfilment.HELD_FOR_STAFF:
        raise Conflict(_("This payment is not waiting for staff."), code="not_held", payment_id=payment.pk)
    return payment


def _apply_completed(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> None:
    payment, paise, now = attempt.payment, answer.amount_paise, timezone.now()
    if paise is None:
        if attempt.state != AttemptState.COMPLETED:
            alert_staff("amount_missing", payment, order=attempt.merchant_order_id)
        return
    has_moved = move_attempt(
        attempt,
        AttemptState.COMPLETED,
        "phonepe_says_completed",
        source,
        **values_when_paid(attempt, answer, paise, now),
    )
    if not has_moved:
        return
    is_as_agreed = paise == attempt.amount_paise and not is_of_other_merchant(attempt, answer)
    if is_as_agreed and _decide_paid(payment, "money_received"):
        _add_ledger_entry(attempt, LedgerEntry.Kind.RECEIPT, paise)
        create_receipt(payment)
        _return_suspense(payment, "it was paid as agreed meanwhile")
    elif payment.state == PaymentState.SUCCESS:
        _add_ledger_entry(attempt, LedgerEntry.Kind.SURPLUS, paise)
        _return(attempt, "paid twice")
        notify_surplus(payment, attempt)
    else:
        _add_ledger_entry(attempt, LedgerEntry.Kind.SUSPENSE, paise)
        rule = "amount_differs"
        if move_fulfilment(payment, Fulfilment.HELD_FOR_STAFF, rule, held_because=rule, fulfil_at=None):
            notify_received(payment)
            alert_staff(rule, payment)
            if payment.checkout:
                forgive_hold(payment.checkout)
    book_disputes(attempt)  # the bank may have been faster


def _decide_paid(payment: Payment, rule: str) -> bool:
    """False when the payment was paid before.

    Money is late when its cart was free again, and when staff had to accept it.
    """
    now, checkout = timezone.now(), payment.checkout
    is_released = checkout is not None and checkout.state == Checkout.State.RELEASED
    return move_payment(
        payment,
        PaymentState.SUCCESS,
        rule,
        fulfilment=Fulfilment.DUE,
        held_because="",
        fulfil_at=now,
        decided_at=now,
        came_late=is_released or rule == ACCEPTED,
    )


def _add_ledger_entry(
    attempt: PaymentAttempt, kind: LedgerEntry.Kind, amount_paise: int, suffix: str = ""
) -> None:
    LedgerEntry.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        kind=kind,
        amount_paise=amount_paise,
        reference=f"{attempt.merchant_order_id}{suffix}",
        simulated=attempt.simulated,
    )


def _return_suspense(payment: Payment, reason: str, kept: PaymentAttempt | None = None) -> None:
    held = payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE)
    for entry in held.exclude(attempt=kept):
        entry.attempt.payment = payment
        _return(entry.attempt, reason)


def _return(attempt: PaymentAttempt, reason: str) -> None:
    if left := sendable_paise(attempt):
        create_refund(attempt, left, reason, asked_by=None)


def _apply_pending(attempt: PaymentAttempt, answer: OrderStatus, source: str, giving_up: bool) -> None:
    is_with_bank = bool(answer.provider_transaction_id)  # the customer has paid; their bank has not decided
    move_attempt(
        attempt,
        AttemptState.PENDING,
        "phonepe_says_pending",
        source,
        provider_order_id=answer.provider_order_id or attempt.provider_order_id,
        code=answer.code,
    )
    if giving_up:
        close_attempt(attempt, AttemptState.EXPIRED, "given_up", source)
    elif attempt.is_past_its_page(database_now()) and not is_with_bank:
        close_attempt(attempt, AttemptState.EXPIRED, "page_expired_unpaid", source)
    elif is_with_bank and attempt.created_at <= timezone.now() - scaled(LONG_SECONDS):
        notify_pending(attempt.payment)


def _apply_not_found(attempt: PaymentAttempt, source: str, giving_up: bool) -> None:
    now = database_now()
    if attempt.state not in OPEN_ATTEMPT or attempt.is_being_called(now):
        return
    attempt.not_found_answers += 1
    attempt.save(update_fields=["not_found_answers"])
    was_known = attempt.state == AttemptState.PENDING
    if was_known and not attempt.is_past_its_page(now):
        return  # the page can still be open
    if giving_up:
        close_attempt(attempt, AttemptState.EXPIRED, "given_up", source)
        return
    since = attempt.sent_at or attempt.created_at
    is_long_ago = has_passed(since, now, scaled(NOT_FOUND_SECONDS))
    if is_long_ago and attempt.not_found_answers >= NOT_FOUND_ANSWERS:
        rule = "forgotten_by_phonepe" if was_known else "never_reached_phonepe"
        close_attempt(attempt, AttemptState.EXPIRED, rule, source)


def close_attempt(
    attempt: PaymentAttempt, to: AttemptState, rule: str, source: str, *, was_tried: bool = False
) -> None:
    """`was_tried`: the customer tried to pay."""
    if move_attempt(attempt, to, rule, source, code=rule, decided_at=timezone.now(), call_lease_until=None):
        end_if_unpaid(attempt, was_tried=was_tried)


def stop_waiting(payment_id: int, rule: str, detail: str) -> Payment:
    """Close the open orders of this payment; its cart and slot are free.

    PhonePe is still polled about them, and what it reports as paid is late money. What staff hold stays with staff,
    without the cart. Raises Conflict `payment_under_way` while an order can still be paid or is being opened.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        if not payment.is_open:
            return payment
        if not has_no_open_page(payment):
            raise StillPayable(payment_id=payment.pk)
        PayLink.objects.filter(checkout=payment.checkout_id, ended_at=None).update(ended_at=timezone.now())
        for attempt in payment.attempts.select_for_update(no_key=True).filter(state__in=OPEN_ATTEMPT):
            attempt.payment = payment
            close_attempt(attempt, AttemptState.EXPIRED, rule, detail)
        last = payment.attempts.latest("number")
        last.payment = payment
        end_if_unpaid(last)
        if payment.checkout:  # of what staff hold
            release(payment.checkout)
            if payment.fulfilment:
                forgive_hold(payment.checkout)
        record_payment(payment, rule, detail)
    return payment


def has_no_open_page(payment: Payment) -> bool:
    """No order of this payment has a page that can be paid, and no request is opening one."""
    now = database_now()
    attempts = payment.attempts.filter(state__in=(*OPEN_ATTEMPT, AttemptState.COMPLETED))
    return all(each.is_past_its_page(now) and not each.is_being_called(now) for each in attempts)
