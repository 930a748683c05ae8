"""Every outcome of an order passes through `apply_status`, whoever reports it.

The money first: what PhonePe says was paid is written down and committed, whatever happens next.
Then the fulfilment, in a transaction of its own. When it raises, the money stays, and the worker tries again.
An order that brings no money is closed; with the last open order the payment ends and its cart is free.
"""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from booking.models import Cart, Checkout, Slot
from booking.services import CartConverted, SlotGone, book, last_choice, release
from core.clocks import database_now, has_passed
from core.errors import Conflict
from payment.gateways import OrderStatus
from payment.models import OPEN_ATTEMPT, LedgerEntry, Offer, Payment, PaymentAttempt
from payment.phonepe.enums import Generation, ProviderStatus
from payment.services.disputes import book_disputes
from payment.services.duplicates import (
    BookedMeanwhile,
    refund_as_paid_twice,
    refuse_if_booked_meanwhile,
    slots_to_offer,
)
from payment.services.leases import try_now
from payment.services.notifications import (
    alert_staff,
    notify_booked,
    notify_ended,
    notify_failed,
    notify_offer,
    notify_offer_closed,
    notify_pending,
    notify_received,
    notify_surplus,
)
from payment.services.receipts import create_receipt, paid_at
from payment.services.refunds.amounts import remaining_paise, sendable_paise
from payment.services.refunds.requests import NothingLeft, create_refund, refund_without_booking
from payment.services.schedule import HOUR, MINUTE, scaled
from payment.services.transitions import (
    lock_payment,
    move_attempt,
    move_fulfilment,
    move_payment,
    record_payment,
)
from payment.states import AttemptState, Fulfilment, PaymentState

SECONDS_BEFORE_NEXT_TRY = MINUTE // 2
ACCEPTED = "accepted_by_staff"
# "Not found" right after a call may only mean "not yet": so many answers, over so long, make it a no.
NOT_FOUND_ANSWERS = 3
NOT_FOUND_SECONDS = 5 * MINUTE
# A bank that takes longer than this makes people pay twice: they are asked not to.
LONG_SECONDS = 5 * MINUTE
TIMED_OUT = "TIMED_OUT"  # V1's word for a page that was left; it has a transaction id all the same


class OfferClosed(Conflict):
    default_code = "offer_closed"
    default_detail = "This offer has ended. Your money goes back to you."


class StillPayable(Conflict):
    default_code = "payment_under_way"
    default_detail = (
        "This payment can still be paid, or is just being opened. Please wait until its page has expired."
    )
    retryable = True


def apply_status(attempt_id: int, answer: OrderStatus, source: str, *, giving_up: bool = False) -> Payment:
    """Bring what PhonePe answered about this attempt into the rows, under the payment's lock.

    `source` says who asked; it goes into the timeline. `giving_up` closes an attempt that is merely unpaid.
    Saying the same thing twice, or late, or in another order, changes nothing.
    """
    with transaction.atomic():
        payment = lock_payment(attempts=attempt_id)
        attempt = payment.attempts.select_for_update(no_key=True).get(pk=attempt_id)
        attempt.payment = payment
        if answer.state is ProviderStatus.COMPLETED:
            _apply_completed(attempt, answer, source)
        elif answer.state is ProviderStatus.FAILED:
            _apply_failed(attempt, answer, source)
        elif answer.state is ProviderStatus.PENDING:
            _apply_pending(attempt, answer, source, giving_up)
        elif answer.state is ProviderStatus.NOT_FOUND:
            _apply_not_found(attempt, source, giving_up)
    return fulfil_now(payment)


def fulfil_now(payment: Payment) -> Payment:
    """After the receipt is committed. What goes wrong is logged and left to the background: it loses the caller
    nothing, and the buyer is told that their money is here."""
    if payment.fulfilment != Fulfilment.DUE:
        return payment
    fulfilled = try_now("fulfilments", payment.pk, fulfil)
    if fulfilled is None:
        try_now("fulfilments", payment.pk, _postpone_fulfilment)
    return fulfilled or payment


def fulfil(payment_id: int) -> Payment:
    """What was paid becomes what was ordered, or goes back, under the payment's lock. Twice is once.

    Raises what goes wrong: the background pushes the payment back, and alerts staff.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        if payment.fulfilment == Fulfilment.DUE:
            _fulfil_or_send_back(payment)
    return payment


def _postpone_fulfilment(payment_id: int) -> None:
    later = timezone.now() + scaled(SECONDS_BEFORE_NEXT_TRY)
    waiting = Payment.objects.filter(pk=payment_id, fulfilment=Fulfilment.DUE)
    if waiting.update(fulfil_at=later):
        notify_received(waiting.get())


class AlreadyChosen(Conflict):
    """The first choice stands, whatever is asked for afterwards. The answer carries its start."""

    default_code = "already_chosen"
    default_detail = _("You have chosen a time already. To give it up, cancel your booking.")


def is_same_choice(offer: Offer, slot: Slot | None) -> bool:
    """The same choice again. Raises AlreadyChosen for another one; no slot is the choice of the money."""
    if offer.state != Offer.State.TAKEN or offer.slot is None:
        return False
    if offer.slot == slot:
        return True
    starts_at = timezone.localtime(offer.slot.starts_at).isoformat()
    raise AlreadyChosen(payment_id=offer.payment_id, starts_at=starts_at)


def fulfil_with_slot(payment_id: int, slot: Slot) -> Payment:
    """The place that the buyer has chosen from their offer. The same choice twice is one booking.

    Raises SlotGone when somebody was faster, OfferClosed when it is too late to choose, BookedMeanwhile for a time
    that they have booked with other money.
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
        offer.state, offer.slot, offer.decided_at = Offer.State.TAKEN, slot, timezone.now()
        offer.save(update_fields=["state", "slot", "decided_at"])
        move_fulfilment(payment, Fulfilment.BOOKED, "other_place_chosen")
        notify_booked(payment)
    return payment


def accept_after_review(payment_id: int) -> Payment:
    """Staff take what came as the payment, though another amount was agreed.

    Raises Conflict `not_held`, NothingLeft when it has gone back meanwhile.
    """
    with transaction.atomic():
        payment = _lock_in_review(payment_id)
        _accept_suspense(payment)
    return fulfil_now(payment)


def return_after_review(payment_id: int) -> Payment:
    """Staff send back what was held; the payment ends, or waits for the right amount if a page is still open.

    Raises Conflict `not_held`.
    """
    with transaction.atomic():
        payment = _lock_in_review(payment_id)
        _return_suspense(payment, "another amount was agreed")
        move_fulfilment(payment, Fulfilment.NONE, "returned_by_staff", held_because="")
        last = payment.attempts.latest("number")
        last.payment = payment
        _end_if_unpaid(last)
    return payment


def _lock_in_review(payment_id: int) -> Payment:
    payment = lock_payment(pk=payment_id)
    if payment.fulfilment != Fulfilment.HELD_FOR_STAFF:
        raise Conflict("This payment is not waiting for staff.", code="not_held", payment_id=payment.pk)
    return payment


def _accept_suspense(payment: Payment) -> None:
    """What lay in suspense becomes the receipt; entries are added, never changed. What lay beside it goes back."""
    held = _newest_still_here(payment)
    _decide_paid(payment, ACCEPTED)
    _add_ledger_entry(held.attempt, LedgerEntry.Kind.SUSPENSE, -held.amount_paise, because=":accepted")
    _add_ledger_entry(held.attempt, LedgerEntry.Kind.RECEIPT, held.amount_paise, because=":receipt")
    create_receipt(payment)
    _return_suspense(payment, "another order was accepted", kept=held.attempt)


def _newest_still_here(payment: Payment) -> LedgerEntry:
    """Raises NothingLeft when all of it has gone back meanwhile, or is promised."""
    for entry in (
        payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE).order_by("-pk")
    ):
        if remaining_paise(entry.attempt) == entry.amount_paise:
            entry.attempt.payment = payment
            return entry
    raise NothingLeft(payment_id=payment.pk)


def _apply_completed(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> None:
    paise = answer.amount_paise
    if paise is None:
        if attempt.state != AttemptState.COMPLETED:
            alert_staff("amount_missing", attempt.payment, order=attempt.merchant_order_id)
        return
    if not _complete(attempt, answer, source):
        return
    payment = attempt.payment
    if _as_agreed(attempt, answer) and _decide_paid(payment, "money_received"):
        _add_ledger_entry(attempt, LedgerEntry.Kind.RECEIPT, paise)
        create_receipt(payment)
        _return_suspense(payment, "it was paid as agreed meanwhile")
    elif payment.state == PaymentState.SUCCESS:
        _add_ledger_entry(attempt, LedgerEntry.Kind.SURPLUS, paise)
        _return(attempt, "paid twice")
        notify_surplus(payment, attempt)
    else:
        _add_ledger_entry(attempt, LedgerEntry.Kind.SUSPENSE, paise)
        _send_to_review(payment, "amount_differs")
    book_disputes(attempt)  # the bank may have been faster


def _complete(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> bool:
    now = timezone.now()
    return move_attempt(
        attempt,
        AttemptState.COMPLETED,
        "phonepe_says_completed",
        source,
        received_paise=answer.amount_paise,
        paid_at=paid_at(attempt, answer, now),
        provider_order_id=answer.provider_order_id or attempt.provider_order_id,
        provider_transaction_id=answer.provider_transaction_id,
        utr=answer.utr,
        code=answer.code,
        next_check_at=None,
        decided_at=now,
    )


def _decide_paid(payment: Payment, rule: str) -> bool:
    """False when the payment was paid before. Late is what comes for a cart that was free again, or what staff take
    after they have looked at it."""
    now, checkout = timezone.now(), payment.checkout
    is_given_up = checkout is not None and checkout.state == Checkout.State.RELEASED
    return move_payment(
        payment,
        PaymentState.SUCCESS,
        rule,
        fulfilment=Fulfilment.DUE,
        held_because="",
        fulfil_at=now,
        decided_at=now,
        came_late=is_given_up or rule == ACCEPTED,
    )


def _as_agreed(attempt: PaymentAttempt, answer: OrderStatus) -> bool:
    """V2 has no merchant id to compare: there the token says whose order it is."""
    if attempt.generation == Generation.V1 and answer.merchant_id not in (None, attempt.merchant):
        return False
    return answer.amount_paise == attempt.amount_paise


def _add_ledger_entry(
    attempt: PaymentAttempt, kind: LedgerEntry.Kind, amount_paise: int, because: str = ""
) -> None:
    LedgerEntry.objects.create(
        payment=attempt.payment,
        attempt=attempt,
        kind=kind,
        amount_paise=amount_paise,
        reference=f"{attempt.merchant_order_id}{because}",
        simulated=attempt.simulated,
    )


def _fulfil_or_send_back(payment: Payment) -> None:
    try:
        with transaction.atomic():
            _fulfil(payment)
    except CartConverted as refusal:
        refund_as_paid_twice(payment, refusal.code, "the cart was paid twice")
    except BookedMeanwhile as refusal:
        refund_as_paid_twice(payment, refusal.code)
    except SlotGone as refusal:
        _offer_other_slots(payment, refusal.code)


def _fulfil(payment: Payment) -> None:
    if payment.checkout is None:
        move_fulfilment(payment, Fulfilment.GIFT, "gift_received", fulfil_at=None)
        notify_received(payment)
        return
    refuse_if_booked_meanwhile(payment, payment.checkout)
    book(payment.checkout)
    move_fulfilment(payment, Fulfilment.BOOKED, "booked", fulfil_at=None)
    notify_booked(payment)


def _offer_other_slots(payment: Payment, rule: str) -> None:
    """The money came too late for its place. The buyer chooses among those that are left, or gets it back."""
    places = slots_to_offer(payment.checkout) if payment.checkout else []
    if not places or payment.checkout is None:
        refund_without_booking(payment, "no_place_left", "the time was gone when the money came")
        notify_offer_closed(payment)
        return
    release(payment.checkout)
    until = choice_end(payment.checkout)
    Offer.objects.create(payment=payment, expires_at=until)
    move_fulfilment(payment, Fulfilment.OFFERED, rule, fulfil_at=None)
    notify_offer(payment, [place.starts_at for place in places], until)


def choice_end(checkout: Checkout) -> datetime:
    """Until when another place may be chosen; no longer than there is one to be reached."""
    until = timezone.now() + scaled(settings.OFFER_HOURS * HOUR)
    return min(until, last_choice(checkout) or until)


def _return_suspense(payment: Payment, reason: str, kept: PaymentAttempt | None = None) -> None:
    held = payment.ledger.select_related("attempt").filter(kind=LedgerEntry.Kind.SUSPENSE)
    for entry in held.exclude(attempt=kept):
        entry.attempt.payment = payment
        _return(entry.attempt, reason)


def _return(attempt: PaymentAttempt, reason: str) -> None:
    if left := sendable_paise(attempt):
        create_refund(attempt, left, reason, asked_by=None)


def _send_to_review(payment: Payment, rule: str) -> None:
    if move_fulfilment(payment, Fulfilment.HELD_FOR_STAFF, rule, held_because=rule, fulfil_at=None):
        notify_received(payment)
        alert_staff(rule, payment)


def _apply_pending(attempt: PaymentAttempt, answer: OrderStatus, source: str, giving_up: bool) -> None:
    under_way = bool(answer.provider_transaction_id)  # the customer has tried; their bank has not decided
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
    elif attempt.is_past_its_page(database_now()) and not under_way:
        close_attempt(attempt, AttemptState.EXPIRED, "page_expired_unpaid", source)
    elif under_way and attempt.created_at <= timezone.now() - scaled(LONG_SECONDS):
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
    elif _was_not_found_for_long(attempt, now):
        rule = "forgotten_by_phonepe" if was_known else "never_reached_phonepe"
        close_attempt(attempt, AttemptState.EXPIRED, rule, source)


def _apply_failed(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> None:
    """PhonePe also calls failed what nobody tried to pay in time."""
    tried = bool(answer.provider_transaction_id) and answer.code != TIMED_OUT
    close_attempt(attempt, AttemptState.FAILED, answer.code or "phonepe_says_failed", source, tried=tried)


def close_attempt(
    attempt: PaymentAttempt, to: AttemptState, rule: str, source: str, *, tried: bool = False
) -> None:
    """`tried`: the customer has, and it came to nothing."""
    if move_attempt(attempt, to, rule, source, code=rule, decided_at=timezone.now(), call_lease_until=None):
        _end_if_unpaid(attempt, tried=tried)


def stop_waiting(payment_id: int, rule: str, detail: str) -> Payment:
    """Nobody waits for this payment any more: its open orders are closed, its cart and place are free.

    PhonePe is still asked about them, and what it reports as paid is late money. What staff hold stays with staff,
    without the cart. Raises Conflict `payment_under_way` while an order can still be paid or is being opened.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        if not payment.is_open:
            return payment
        if not has_no_open_page(payment):
            raise StillPayable(payment_id=payment.pk)
        for attempt in payment.attempts.select_for_update(no_key=True).filter(state__in=OPEN_ATTEMPT):
            attempt.payment = payment
            close_attempt(attempt, AttemptState.EXPIRED, rule, detail)
        last = payment.attempts.latest("number")
        last.payment = payment
        _end_if_unpaid(last)
        if payment.checkout:  # of what staff hold
            release(payment.checkout)
        record_payment(payment, rule, detail)
    return payment


def has_no_open_page(payment: Payment) -> bool:
    """No order of this payment has a page that can be paid, and no request is opening one."""
    now = database_now()
    asked_to_wait = payment.attempts.filter(state__in=(*OPEN_ATTEMPT, AttemptState.COMPLETED))
    return all(each.is_past_its_page(now) and not each.is_being_called(now) for each in asked_to_wait)


def _end_if_unpaid(last: PaymentAttempt, *, tried: bool = False) -> None:
    """The payment ends when none of its attempts can bring money any more, and its cart is free again."""
    payment = last.payment
    if payment.fulfilment or payment.attempts.filter(state__in=OPEN_ATTEMPT).exists():
        return
    to = PaymentState.FAILED if last.state == AttemptState.FAILED else PaymentState.CANCELLED
    if not move_payment(payment, to, "no_attempt_left", decided_at=timezone.now()):
        return
    if payment.checkout:
        release(payment.checkout)
    _notify_end(payment, tried)


def _notify_end(payment: Payment, tried: bool) -> None:
    """Nobody whose cart was booked by other money is told that nothing is booked."""
    if payment.checkout and payment.checkout.cart.status == Cart.Status.CONVERTED:
        return
    tell = notify_failed if tried else notify_ended
    tell(payment)


def _was_not_found_for_long(attempt: PaymentAttempt, now: datetime) -> bool:
    since = attempt.sent_at or attempt.created_at
    return attempt.not_found_answers >= NOT_FOUND_ANSWERS and has_passed(
        since, now, scaled(NOT_FOUND_SECONDS)
    )
