"""An order that brings no money: it is waited for, missed, closed; and with the last one the payment ends."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from booking.models import Cart
from booking.services import release
from core.clocks import database_now, has_passed
from core.errors import Conflict
from payment.gateways import OrderStatus
from payment.models import OPEN_ATTEMPT, Payment, PaymentAttempt
from payment.services.notifications import tell_ended, tell_failed, tell_pending
from payment.services.schedule import MINUTE, scaled
from payment.services.transitions import lock_payment, move_attempt, move_payment, write_down_payment
from payment.states import AttemptState, PaymentState

# "Not found" right after a call may only mean "not yet": so many answers, over so long, make it a no.
NOT_FOUND_ANSWERS = 3
NOT_FOUND_SECONDS = 5 * MINUTE
# A bank that takes longer than this makes people pay twice: they are asked not to.
LONG_SECONDS = 5 * MINUTE


class StillPayable(Conflict):
    default_code = "payment_under_way"
    default_detail = (
        "This payment can still be paid, or is just being opened. Please wait until its page has expired."
    )
    retryable = True


TIMED_OUT = "TIMED_OUT"  # V1's word for a page that was left; it has a transaction id all the same


def wait(attempt: PaymentAttempt, answer: OrderStatus, source: str, giving_up: bool) -> None:
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
        close(attempt, AttemptState.EXPIRED, "given_up", source)
    elif attempt.is_past_its_page(database_now()) and not under_way:
        close(attempt, AttemptState.EXPIRED, "page_expired_unpaid", source)
    elif under_way and attempt.created_at <= timezone.now() - scaled(LONG_SECONDS):
        tell_pending(attempt.payment)


def miss(attempt: PaymentAttempt, source: str, giving_up: bool) -> None:
    now = database_now()
    if attempt.state not in OPEN_ATTEMPT or attempt.is_being_called(now):
        return
    attempt.not_found_answers += 1
    attempt.save(update_fields=["not_found_answers"])
    was_known = attempt.state == AttemptState.PENDING
    if was_known and not attempt.is_past_its_page(now):
        return  # the page can still be open
    if giving_up:
        close(attempt, AttemptState.EXPIRED, "given_up", source)
    elif _missed_for_long(attempt, now):
        rule = "forgotten_by_phonepe" if was_known else "never_reached_phonepe"
        close(attempt, AttemptState.EXPIRED, rule, source)


def fail(attempt: PaymentAttempt, answer: OrderStatus, source: str) -> None:
    """PhonePe also calls failed what nobody tried to pay in time."""
    tried = bool(answer.provider_transaction_id) and answer.code != TIMED_OUT
    close(attempt, AttemptState.FAILED, answer.code or "phonepe_says_failed", source, tried=tried)


def close(attempt: PaymentAttempt, to: AttemptState, rule: str, source: str, *, tried: bool = False) -> None:
    """`tried`: the customer has, and it came to nothing."""
    if move_attempt(attempt, to, rule, source, code=rule, decided_at=timezone.now(), call_lease_until=None):
        end_if_unpaid(attempt, tried=tried)


def stop_waiting(payment_id: int, rule: str, detail: str) -> Payment:
    """Nobody waits for this payment any more: its open orders are closed, its cart and place are free.

    PhonePe is still asked about them, and what it reports as paid is late money. What staff hold stays with staff,
    without the cart. Raises Conflict `payment_under_way` while an order can still be paid or is being opened.
    """
    with transaction.atomic():
        payment = lock_payment(pk=payment_id)
        if not payment.is_open:
            return payment
        if not is_past_its_pages(payment):
            raise StillPayable(payment_id=payment.pk)
        for attempt in payment.attempts.select_for_update(no_key=True).filter(state__in=OPEN_ATTEMPT):
            attempt.payment = payment
            close(attempt, AttemptState.EXPIRED, rule, detail)
        last = payment.attempts.latest("number")
        last.payment = payment
        end_if_unpaid(last)
        if payment.checkout:  # of what staff hold
            release(payment.checkout)
        write_down_payment(payment, rule, detail)
    return payment


def is_past_its_pages(payment: Payment) -> bool:
    """No order of this payment has a page that can be paid, and no request is opening one."""
    now = database_now()
    asked_to_wait = payment.attempts.filter(state__in=(*OPEN_ATTEMPT, AttemptState.COMPLETED))
    return all(each.is_past_its_page(now) and not each.is_being_called(now) for each in asked_to_wait)


def end_if_unpaid(last: PaymentAttempt, *, tried: bool = False) -> None:
    """The payment ends when none of its attempts can bring money any more, and its cart is free again."""
    payment = last.payment
    if payment.fulfilment or payment.attempts.filter(state__in=OPEN_ATTEMPT).exists():
        return
    to = PaymentState.FAILED if last.state == AttemptState.FAILED else PaymentState.CANCELLED
    if not move_payment(payment, to, "no_attempt_left", decided_at=timezone.now()):
        return
    if payment.checkout:
        release(payment.checkout)
    _tell_end(payment, tried)


def _tell_end(payment: Payment, tried: bool) -> None:
    """Nobody whose cart was booked by other money is told that nothing is booked."""
    if payment.checkout and payment.checkout.cart.status == Cart.Status.CONVERTED:
        return
    tell = tell_failed if tried else tell_ended
    tell(payment)


def _missed_for_long(attempt: PaymentAttempt, now: datetime) -> bool:
    since = attempt.sent_at or attempt.created_at
    return attempt.not_found_answers >= NOT_FOUND_ANSWERS and has_passed(
        since, now, scaled(NOT_FOUND_SECONDS)
    )
