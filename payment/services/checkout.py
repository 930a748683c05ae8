"""From a cart, or a guest's gift, to a page at PhonePe where it can be paid.

The intent is committed before PhonePe hears of it. One request at a time may call PhonePe for a payment
(`call_lease_until`); whoever comes meanwhile waits a little, whoever comes after a crash asks PhonePe first.
"""

import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import NotFound

from accounts.models import User
from booking.models import Cart, Checkout
from booking.services import check_out, stretch_hold
from okpuja.errors import Conflict, Unavailable
from payment import merchants
from payment.gateways import (
    GatewayError,
    Order,
    OrderStatus,
    OutcomeUnknown,
    Page,
    PageLost,
    Rejected,
    gateway_for,
)
from payment.merchants import NotConfigured
from payment.models import Payment, PaymentAttempt
from payment.services.asking import identity_of
from payment.services.calls import call
from payment.services.changes import move_attempt, write_down_opening
from payment.services.links import return_url, webhook_url
from payment.services.schedule import MINUTE, next_question, scaled
from payment.services.settling import settle
from payment.states import AttemptState, PaymentState, Verdict
from payment.transport import Deadline

MOST_ATTEMPTS = 3
SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST = 3
# A hold outlives its page by five minutes, and is stretched by at most thirty more.
HOLD_AFTER_EXPIRY, HOLD_STRETCH = 5 * MINUTE, 30 * MINUTE


@dataclass(frozen=True)
class Started:
    """`is_new` is False when the caller was given the payment that an earlier click had opened."""

    payment: Payment
    attempt: PaymentAttempt
    is_new: bool


@dataclass(frozen=True)
class Claim:
    """The right to call PhonePe for an attempt. `sent_before`: an earlier call may have arrived."""

    attempt: PaymentAttempt
    sent_before: datetime | None


class AlreadyPaid(Conflict):
    default_code = "already_paid"
    default_detail = "This has been paid already. Please look at your bookings."


class PaymentUnderWay(Conflict):
    default_code = "payment_under_way"
    default_detail = "Your payment is just being opened. Please wait a few seconds and try again."
    retryable = True
    retry_after = 3


class TooManyAttempts(Conflict):
    default_code = "too_many_attempts"
    default_detail = (
        "The payment page could not be opened. Nothing more is charged; please try again in 15 minutes."
    )


class PaymentClosed(Conflict):
    """The payment was decided unpaid while we looked at it: a cart may start afresh, a gift may not."""

    default_code = "payment_closed"
    default_detail = "This payment is closed. Please start again."


def start_payment(user: User, *, cart_id: int, address_id: int | None = None) -> Started:
    """Open, or find again, the one open payment of this user's cart.

    Raises NotFound, Conflict (AlreadyPaid, PaymentUnderWay, too_many_open, slot_full …), Refusal when the cart
    can't be sold, Unavailable, and GatewayError with `payment_id` when PhonePe could not give a page.
    """
    _refuse_if_closed()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    cart = Cart.objects.filter(pk=cart_id, user=user).first()
    if cart is None:
        raise NotFound("Cart not found.")
    try:
        return _start(user, cart, address_id, deadline)
    except PaymentClosed:  # the open one turned out to have failed: its cart is free again
        return _start(user, cart, address_id, deadline)


def start_gift(user: User | None, *, amount_paise: int, reference: str = "", mobile: str = "") -> Started:
    """Open a payment without a cart. Raises Unavailable, and GatewayError as `start_payment` does."""
    _refuse_if_closed()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    with transaction.atomic():
        payment, claim = _write_intent(
            user=user, amount_paise=amount_paise, payer_reference=reference, payer_mobile=mobile
        )
    return Started(payment, _call_for_page(claim, deadline), is_new=True)


def reopen(payment: Payment) -> PaymentAttempt:
    """An attempt with a page the customer can open now, for a payment that is still open."""
    _refuse_if_closed()
    return _page_of(payment, Deadline(settings.PHONEPE_DEADLINE))


def _refuse_if_closed() -> None:
    if not settings.PAYMENT_ENABLED:
        raise Unavailable(
            "We are not taking payments at the moment. Please try again later.",
            code="payments_disabled",
        )


def _start(user: User, cart: Cart, address_id: int | None, deadline: Deadline) -> Started:
    if payment := _open_payment(cart):
        return Started(payment, _page_of(payment, deadline), is_new=False)
    try:
        with transaction.atomic():
            checkout = check_out(cart, address_id=address_id, expires_at=_page_expiry())
            payment, claim = _write_intent(
                user=user,
                checkout=checkout,
                amount_paise=checkout.total_paise,
                payer_mobile=_indian_mobile(user.phone or ""),
            )
    except Conflict as refusal:
        if refusal.code != "cart_not_active":
            raise
        return _after_another_click(cart, deadline)
    return Started(payment, _call_for_page(claim, deadline), is_new=True)


def _after_another_click(cart: Cart, deadline: Deadline) -> Started:
    """The cart was checked out between our look and our lock."""
    if payment := _open_payment(cart):
        return Started(payment, _page_of(payment, deadline), is_new=False)
    paid = Payment.objects.filter(checkout__cart=cart, state=PaymentState.SUCCESS).first()
    if paid:
        raise AlreadyPaid(payment_id=paid.pk)
    raise Conflict("This cart is no longer active. Please reload the page.", code="cart_not_active")


def _indian_mobile(phone: str) -> str:
    """PhonePe takes ten digits or nothing; a number is never made up."""
    return phone if len(phone) == 10 and phone.isdigit() else ""


def _open_payment(cart: Cart) -> Payment | None:
    return Payment.objects.filter(checkout__cart=cart, state=PaymentState.PENDING).first()


def _page_expiry() -> datetime:
    return timezone.now() + scaled(settings.PHONEPE_EXPIRE_AFTER)


def _write_intent(
    *,
    user: User | None,
    amount_paise: int,
    checkout: Checkout | None = None,
    payer_reference: str = "",
    payer_mobile: str = "",
) -> tuple[Payment, Claim]:
    simulated = merchants.current().identity.simulated
    payment = Payment.objects.create(
        user=user,
        checkout=checkout,
        reference=f"{_prefix(simulated)}-{secrets.token_hex(8).upper()}",
        amount_paise=amount_paise,
        payer_reference=payer_reference,
        payer_mobile=payer_mobile,
        simulated=simulated,
    )
    return payment, _open_attempt(payment, 1, "first_click")


def _open_attempt(payment: Payment, number: int, rule: str) -> Claim:
    """A new order at the merchant that the settings name now, with the right to call PhonePe for it."""
    identity = merchants.current().identity
    now, expires_at = timezone.now(), _page_expiry()
    attempt = PaymentAttempt.objects.create(
        payment=payment,
        number=number,
        merchant_order_id=_prefix(identity.simulated) + secrets.token_hex(12),
        amount_paise=payment.amount_paise,
        generation=identity.generation,
        environment=identity.environment,
        merchant=identity.merchant,
        simulated=identity.simulated,
        sent_at=now,
        expires_at=expires_at,
        call_lease_until=_lease(now),
        next_check_at=next_question(now, expires_at, now),
    )
    write_down_opening(payment, attempt, rule)
    return Claim(attempt, sent_before=None)


def _prefix(simulated: bool) -> str:
    """An id that can't be mistaken: simulated orders never look like real ones."""
    return "SIM" if simulated else "OKP"


def _lease(now: datetime) -> datetime:
    # Not scaled: it outlives the call, and calls are never faster in tests.
    return now + timedelta(seconds=settings.PHONEPE_DEADLINE + 5)


def _page_of(payment: Payment, deadline: Deadline) -> PaymentAttempt:
    patience = Deadline(SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST)
    while not patience.expired:
        found = _claim(payment.pk)
        if isinstance(found, PaymentAttempt):
            return found
        if found is not None:
            return _call_for_page(found, deadline)
        time.sleep(0.1)
    raise PaymentUnderWay(payment_id=payment.pk)


@transaction.atomic
def _claim(payment_id: int) -> PaymentAttempt | Claim | None:
    """The attempt, if its page is open; else the right to call PhonePe; None while another request has it."""
    payment = _lock_open(payment_id)
    attempt = payment.attempts.latest("number")
    now = timezone.now()
    if attempt.has_open_page(now):
        return attempt
    if attempt.is_being_called(now):
        return None
    sent_before = attempt.sent_at
    attempt.sent_at, attempt.call_lease_until = now, _lease(now)
    attempt.not_found_answers, attempt.check_lease = 0, None
    attempt.next_check_at = next_question(now, attempt.expires_at, now)
    attempt.save(
        update_fields=["sent_at", "call_lease_until", "not_found_answers", "check_lease", "next_check_at"]
    )
    attempt.payment = payment
    return Claim(attempt, sent_before)


def _lock_open(payment_id: int) -> Payment:
    payment = Payment.objects.select_for_update().get(pk=payment_id)
    if payment.state == PaymentState.SUCCESS:
        raise AlreadyPaid(payment_id=payment.pk)
    if payment.fulfilment:
        raise Conflict(
            "Your payment is being looked at by our staff. Please do not pay again.",
            code="held_for_staff",
            payment_id=payment.pk,
        )
    if not payment.is_open:
        raise PaymentClosed(payment_id=payment.pk)
    return payment


def _call_for_page(claim: Claim, deadline: Deadline) -> PaymentAttempt:
    """Says the order to PhonePe until a page is there, opening the next attempt when a page is lost."""
    while True:
        try:
            return _keep_page(claim.attempt, _pay(claim, deadline))
        except PageLost as lost:
            claim = _open_next(claim.attempt, lost.status)
        except (GatewayError, NotConfigured, Unavailable) as error:
            _end_call(claim, error)
            error.extra["payment_id"] = claim.attempt.payment_id
            raise


def _pay(claim: Claim, deadline: Deadline) -> Page:
    attempt = claim.attempt
    gateway = gateway_for(identity_of(attempt))
    return call(attempt, gateway.pay, _order(attempt), deadline, ask_first=claim.sent_before is not None)


def _order(attempt: PaymentAttempt) -> Order:
    payment = attempt.payment
    return Order(
        merchant_order_id=attempt.merchant_order_id,
        amount_paise=attempt.amount_paise,
        redirect_url=return_url(payment),
        callback_url=webhook_url(),
        user_reference=f"U{payment.user_id}" if payment.user_id else f"G{payment.pk}",
        mobile=payment.payer_mobile or None,
        expire_after=settings.PHONEPE_EXPIRE_AFTER,
        message=f"Payment {payment.reference}",
        udf=(("udf1", payment.reference),),
    )


@transaction.atomic
def _keep_page(attempt: PaymentAttempt, page: Page) -> PaymentAttempt:
    """The pay call's own answer: it may fill in the page, never decide anything."""
    payment = Payment.objects.select_for_update().get(pk=attempt.payment_id)
    attempt = payment.attempts.select_for_update().get(pk=attempt.pk)
    attempt.payment = payment
    attempt.page_url = page.url
    attempt.provider_order_id = attempt.provider_order_id or page.provider_order_id
    attempt.expires_at = min(attempt.expires_at, page.expires_at or attempt.expires_at)
    attempt.call_lease_until = None
    attempt.save(update_fields=["page_url", "provider_order_id", "expires_at", "call_lease_until"])
    move_attempt(attempt, AttemptState.PENDING, "page_opened", "pay call")
    return attempt


def _open_next(lost: PaymentAttempt, status: OrderStatus | None) -> Claim:
    """The id of `lost` is taken and its page can't be had again: watch it, and open another one."""
    if status is not None:
        settle(lost.pk, status, "pay call")
    _watch(lost)
    if lost.number == MOST_ATTEMPTS:
        raise TooManyAttempts(payment_id=lost.payment_id)
    with transaction.atomic():
        payment = _lock_open(lost.payment_id)
        claim = _open_attempt(payment, lost.number + 1, "page_lost")
        _keep_slot_until(payment, claim.attempt.expires_at)
    return claim


@transaction.atomic
def _watch(lost: PaymentAttempt) -> None:
    Payment.objects.select_for_update().get(pk=lost.payment_id)
    move_attempt(lost, AttemptState.UNKNOWN, "page_lost", "pay call")
    PaymentAttempt.objects.filter(pk=lost.pk).update(call_lease_until=None, page_url="")


def _keep_slot_until(payment: Payment, expires_at: datetime) -> None:
    if payment.checkout is None:
        return
    most = payment.checkout.expires_at + scaled(HOLD_AFTER_EXPIRY + HOLD_STRETCH)
    stretch_hold(payment.checkout, min(expires_at + scaled(HOLD_AFTER_EXPIRY), most))


def _end_call(claim: Claim, error: GatewayError | NotConfigured | Unavailable) -> None:
    """What the failed call says about the attempt: refused for good, perhaps arrived, or never sent."""
    attempt = claim.attempt
    if isinstance(error, Rejected):
        settle(attempt.pk, OrderStatus(verdict=Verdict.FAILED, code=error.code), "pay call")
        return
    perhaps_arrived = isinstance(error, OutcomeUnknown)
    with transaction.atomic():
        Payment.objects.select_for_update().get(pk=attempt.payment_id)
        sent_at = attempt.sent_at if perhaps_arrived else claim.sent_before
        PaymentAttempt.objects.filter(pk=attempt.pk).update(call_lease_until=None, sent_at=sent_at)
        if perhaps_arrived:
            move_attempt(attempt, AttemptState.UNKNOWN, "no_answer", error.error_category)
