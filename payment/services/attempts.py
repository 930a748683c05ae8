"""One order at PhonePe after the other for a payment, until one has a page that can be opened.

One request at a time may call PhonePe for a payment (`call_lease_until`); another request waits a little for it.
After a crash, the next request fetches the status first.
"""

import functools
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.phones import indian_mobile
from booking.models import Checkout
from booking.services import lead_time, longest_page_life, page_life
from core.clocks import database_now, plausible_end
from core.databases import insert_rows, last_writes, update_row
from core.dates import spell_time
from core.errors import Conflict, Unavailable
from core.waiting import wait_for
from payment.gateways import (
    CheckoutPage,
    CheckoutPageLost,
    GatewayError,
    NotOffered,
    Order,
    OrderStatus,
    OutcomeUnknown,
    PhonePeGateway,
    Rejected,
    refuse_unless_offered,
)
from payment.models import (
    OPEN_ATTEMPT,
    GatewayCall,
    Payment,
    PaymentAttempt,
    longest_call,
)
from payment.models.payments import ATTEMPT_FROM, MAX_ATTEMPTS
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.enums import Channel, ErrorCategory, Operation, ProviderStatus
from payment.phonepe.schemas import hop
from payment.phonepe.transport import Deadline
from payment.services.gateway_calls import (
    call_unrecorded,
    record_calls,
    refuse_while_limited,
    reserve_call,
    seconds_limited,
)
from payment.services.holds import extend_for_page, extension_for_page
from payment.services.links import return_url, webhook_url
from payment.services.outcomes import apply_status, close_attempt
from payment.services.schedule import next_poll
from payment.services.transitions import (
    attempt_writes,
    lock_attempt,
    lock_payment,
    move_attempt,
    opening_change,
)
from payment.states import AttemptState, PaymentState

SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST = 3


OPENED_RULES = {
    Channel.PAGE: "page_opened",
    Channel.SDK: "sdk_order_opened",
    Channel.UPI_INTENT: "upi_intent_opened",
}


@dataclass(frozen=True)
class Opening:
    """Where the customer wants to pay; `target_app` and `device_os` belong to a UPI intent.

    `callback_scheme`: by which PhonePe's app on an iPhone returns to ours. It opens no other order.
    """

    channel: Channel = Channel.PAGE
    target_app: str = ""
    device_os: str = ""
    callback_scheme: str = field(default="", compare=False)

    @classmethod
    def of(cls, attempt: PaymentAttempt) -> "Opening":
        return cls(Channel(attempt.channel), attempt.target_app, attempt.device_os)


PAGE = Opening()


@dataclass(frozen=True)
class Claim:
    """The right to call PhonePe for an attempt. `sent_before`: an earlier call may have arrived.

    `opening`: where the customer wants to pay now. The attempt may have been opened elsewhere, and have expired there.
    """

    attempt: PaymentAttempt
    sent_before: datetime | None
    opening: Opening = PAGE
    taken_at: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """By the clock of the database, which the claim has read: `sent_at`, and what has passed since."""
        assert self.attempt.sent_at is not None  # noqa: S101 - each claim writes it
        return self.attempt.sent_at + timedelta(seconds=time.monotonic() - self.taken_at)


class AlreadyPaid(Conflict):
    default_code = "already_paid"
    default_detail = _("This has been paid already. Please look at your bookings.")


class PaymentUnderWay(Conflict):
    default_code = "payment_under_way"
    default_detail = _("Your payment is just being opened. Please wait a few seconds and try again.")
    retryable = True
    retry_after = 3


class OpenElsewhere(Conflict):
    """The order can be paid in another channel until `expires_at`: a second one beside it could be paid, too.

    Giving it up withdraws nothing at PhonePe, so no step of ours ends this earlier.
    """

    default_code = "open_elsewhere"
    default_detail = _("This payment is open in our app. Pay it there, or pay here after {until}.")
    ON_PAGE = _(
        "This payment is open on PhonePe's page in a browser. Pay it there, or pay here after {until}."
    )

    def __init__(self, attempt: PaymentAttempt) -> None:
        detail = self.ON_PAGE if attempt.channel == Channel.PAGE else self.default_detail
        expires_at = timezone.localtime(attempt.expires_at)
        super().__init__(
            format_lazy(detail, until=lazy(spell_time, str)(expires_at)),
            payment_id=attempt.payment_id,
            channel=attempt.channel,
            target_app=attempt.target_app or None,
            payment_url=attempt.page_url or None,
            expires_at=expires_at.isoformat(),
            how_to_change=f"It can be paid until {expires_at.isoformat()}; send this request again after that.",
        )


class OpenInOtherApp(OpenElsewhere):
    """The link that is open was made for `target_app`; another app could not open it."""

    default_code = "open_in_other_app"
    default_detail = _("This payment is open in another UPI app. Pay it there, or pay here after {until}.")


class TooManyAttempts(Conflict):
    default_code = "too_many_attempts"
    default_detail = _(
        "The payment page could not be opened. Nothing more is charged; please try again in 15 minutes."
    )

    def __init__(self, payment_id: int, error_category: str, endpoint: tuple[str, int]) -> None:
        super().__init__(payment_id=payment_id)
        self.error_category = error_category
        self.host, self.port = endpoint


class PaymentClosed(Conflict):
    """The payment was decided as unpaid meanwhile. A cart may be paid again, a donation may not."""

    default_code = "payment_closed"
    default_detail = _("This payment is closed. Please start again.")


class StartTooNear(Conflict):
    """No page is opened again for a puja that begins before the page ends, or too soon after the click."""

    default_code = "start_too_near"
    default_detail = _(
        "The time of your puja is too near to pay for it now. "
        "Please cancel this payment in your cart, and choose another time."
    )


def find_or_open_page(payment: Payment, deadline: Deadline, opening: Opening = PAGE) -> PaymentAttempt:
    """An attempt that can be paid now in this channel, found or made.

    Raises PaymentUnderWay while another request is making it, Crowded during a pause that PhonePe asked for,
    OpenElsewhere when it is open in another channel, NotOffered, and whatever `request_page` raises.
    """
    claim = functools.partial(_claim, payment.pk, opening, seconds_limited())
    found = wait_for(claim, SECONDS_TO_WAIT_FOR_ANOTHER_REQUEST)
    if found is None:
        raise PaymentUnderWay(payment_id=payment.pk)
    attempt = found if isinstance(found, PaymentAttempt) else request_page(found, deadline)
    _refuse_if_open_elsewhere(attempt, opening)
    return attempt


def request_page(claim: Claim, deadline: Deadline) -> PaymentAttempt:
    """Send the order to PhonePe until it has a page, or what its channel has in its place.

    When that is lost, send the order of the next attempt, for the same channel.

    Raises GatewayError, NotConfigured and Unavailable with `payment_id`; AlreadyPaid, PaymentClosed, PaymentUnderWay,
    TooManyAttempts.
    """
    while True:
        attempt = claim.attempt
        try:
            order, was_sent = _build_order(attempt, claim.opening), claim.sent_before is not None
            with reserve_call():  # who opens an order again has the same chance as new buyers
                page, calls = call_unrecorded(
                    attempt, PhonePeGateway.pay, order, deadline, check_status_first=was_sent
                )
            stored = None
            try:
                stored = _store_page(claim, page, calls)
            finally:
                if stored is None:  # refused, and rolled back: the calls were made all the same
                    record_calls(calls)
            return stored
        except CheckoutPageLost as lost:
            claim = _open_next(claim, lost.status)
        except (GatewayError, NotConfigured, Unavailable) as error:
            _apply_call_error(claim, error)
            error.extra["payment_id"] = attempt.payment_id
            raise


def open_attempt(payment: Payment, number: int, rule: str, opening: Opening = PAGE) -> Claim:
    """A new order for a payment that is open, with the right to call PhonePe for it. Raises NotOffered."""
    attempt = build_attempt(payment, number, opening, database_now())
    attempt.save(force_insert=True)
    opening_change(payment, attempt, rule).save(force_insert=True)
    return Claim(attempt, sent_before=None, opening=opening)


def build_attempt(payment: Payment, number: int, opening: Opening, now: datetime) -> PaymentAttempt:
    """A new order at the merchant that the settings name now, not written yet. Raises NotOffered."""
    identity = credentials.current().identity
    refuse_unless_offered(opening.channel, identity.generation)
    expires_at = now + page_life()
    return PaymentAttempt(
        payment=payment,
        number=number,
        merchant_order_id=prefix(identity.simulated) + secrets.token_hex(12),
        amount_paise=payment.amount_paise,
        generation=identity.generation,
        environment=identity.environment,
        merchant=identity.merchant,
        simulated=identity.simulated,
        channel=opening.channel,
        target_app=opening.target_app,
        device_os=opening.device_os,
        sent_at=now,
        expires_at=expires_at,
        call_lease_until=now + longest_call(),
        next_check_at=next_poll(now, expires_at, now),
    )


def refuse_beside_given_up(checkout: Checkout, opening: Opening, now: datetime) -> None:
    """An order that was given up can be paid until its page, token or link expires.

    Only where it was given up may the cart be opened again before: the customer has it in front of them. Raises
    OpenElsewhere.
    """
    given_up = PaymentAttempt.objects.filter(
        payment__checkout__cart=checkout.cart_id, state=AttemptState.EXPIRED
    )
    for attempt in given_up.filter(expires_at__gt=now):
        if attempt.is_payable_though_given_up(now):
            _refuse_if_open_elsewhere(attempt, opening)


def _refuse_if_open_elsewhere(attempt: PaymentAttempt, opening: Opening) -> None:
    if attempt.channel != opening.channel:
        raise OpenElsewhere(attempt)
    if Opening.of(attempt) != opening:
        raise OpenInOtherApp(attempt)


def prefix(simulated: bool) -> str:
    """Of the ids of orders: a simulated order never looks like a real one."""
    return "SIM" if simulated else "OKP"


def _claim(payment_id: int, opening: Opening, limited: float = 0.0) -> PaymentAttempt | Claim | None:
    """The attempt, if it can be paid; else the right to call PhonePe; None while another request has it.

    `limited`: seconds for which PhonePe wants no calls. Then there is no right to give.
    """
    with transaction.atomic():
        payment = _lock_open(payment_id)
        found = _find_or_begin(payment, opening, database_now(), limited)
    if not payment.is_open:  # raised after the commit: the payment stays closed
        raise PaymentClosed(payment_id=payment.pk)
    return found


def _find_or_begin(
    payment: Payment, opening: Opening, now: datetime, limited: float
) -> PaymentAttempt | Claim | None:
    attempt = payment.attempts.latest("number")
    if attempt.has_open_page(now):
        return attempt
    if attempt.is_being_called(now):
        return None
    refuse_while_limited(limited, payment_id=payment.pk)
    if attempt.state not in OPEN_ATTEMPT:  # an earlier attempt keeps the payment open
        _refuse_too_near(payment, now)
        return _open_after(attempt, payment, "earlier_order_ended", opening)
    others = payment.attempts.filter(state__in=OPEN_ATTEMPT).exclude(pk=attempt.pk)
    was_never_sent = attempt.sent_at is None and not others.exists()
    if payment.checkout is not None and was_never_sent and attempt.is_past_its_page(now):
        # No order can be at PhonePe, and the hold of the slot is over: the cart is checked out again. A donation
        # has no slot, and is sent late.
        close_attempt(attempt, AttemptState.EXPIRED, "never_sent", "click")
        return None
    _refuse_too_near(payment, now)
    if not opening.channel.is_offered_by(attempt.generation):  # the settings name another merchant since
        if not attempt.was_opened:
            return _open_after(attempt, payment, "merchant_changed", opening)
        opening = Opening.of(attempt)  # it may have been paid: its end is asked for first
    if not attempt.was_opened:
        attempt.channel, attempt.target_app = opening.channel, opening.target_app
        attempt.device_os = opening.device_os
    sent_before = attempt.sent_at
    if attempt.is_of_a_wrong_clock(now):  # else nothing would show it any more once it is sent now
        attempt.expires_at = min(attempt.expires_at, now)
    attempt.sent_at, attempt.call_lease_until = now, now + longest_call()
    attempt.not_found_answers = 0
    attempt.next_check_at = next_poll(now, attempt.expires_at, now)
    attempt.save(
        update_fields=[
            *("channel", "target_app", "device_os"),
            *("sent_at", "expires_at", "call_lease_until", "not_found_answers", "next_check_at"),
        ]
    )
    return Claim(attempt, sent_before, opening)


def _refuse_too_near(payment: Payment, now: datetime) -> None:
    """A page that is opened again may use up some of the temple's notice, never all of it."""
    checkout = payment.checkout
    if checkout is not None and checkout.starts_at < now + max(lead_time(), page_life()):
        raise StartTooNear(payment_id=payment.pk)


def _open_after(previous: PaymentAttempt, payment: Payment, rule: str, opening: Opening) -> Claim:
    if previous.number == MAX_ATTEMPTS:
        raise TooManyAttempts(payment.pk, *_last_page_error(payment.pk))
    try:
        claim = open_attempt(payment, previous.number + 1, rule, opening)
    except (NotOffered, NotConfigured) as refusal:
        refusal.extra["payment_id"] = payment.pk
        raise
    if payment.checkout:
        extend_for_page(payment.checkout, claim.attempt.expires_at)
    return claim


def _lock_open(payment_id: int) -> Payment:
    payment = lock_payment(pk=payment_id)
    _refuse_unless_open(payment)
    return payment


def _refuse_unless_open(payment: Payment) -> None:
    """Raises AlreadyPaid, PaymentClosed, Conflict. Under the payment's lock."""
    if payment.state == PaymentState.SUCCESS:
        raise AlreadyPaid(payment_id=payment.pk)
    if payment.fulfilment:
        raise Conflict(
            _("Your payment is being looked at by our staff. Please do not pay again."),
            code="held_for_staff",
            payment_id=payment.pk,
        )
    released = payment.checkout and payment.checkout.state != Checkout.State.RESERVED
    if released or not payment.is_open:
        raise PaymentClosed(payment_id=payment.pk)


def _build_order(attempt: PaymentAttempt, opening: Opening) -> Order:
    payment = attempt.payment
    return Order(
        merchant_order_id=attempt.merchant_order_id,
        amount_paise=attempt.amount_paise,
        redirect_url=return_url(payment),
        callback_url=webhook_url(),
        user_reference=f"U{payment.user_id}" if payment.user_id else f"G{payment.pk}",
        mobile=indian_mobile(payment.payer_mobile) if settings.PHONEPE_PREFILL_PHONE else None,
        expire_after=settings.PHONEPE_EXPIRE_AFTER,
        message=f"Payment {payment.reference}",
        udf=(("udf1", payment.reference),),
        channel=opening.channel,
        target_app=opening.target_app,
        device_os=opening.device_os,
        callback_scheme=opening.callback_scheme,
    )


def _store_page(claim: Claim, page: CheckoutPage, calls: list[GatewayCall]) -> PaymentAttempt:
    """The answer of the pay call fills in the page; it never decides the payment. `calls` are recorded with it.

    A webhook may have been faster: nobody is sent to a page that has been paid or has failed. The time to pay begins
    now, also for an order that was sent before and did not arrive.
    """
    known_for, opening = claim.attempt.channel, claim.opening
    with last_writes() as writes:
        attempt = lock_attempt(claim.attempt.pk, "payment__checkout")
        payment = attempt.payment
        _refuse_unless_open(payment)
        if attempt.channel != known_for:  # our lease had ended, and another request opens it elsewhere
            raise PaymentUnderWay(payment_id=payment.pk)
        now = claim.now()
        given = {
            "channel": opening.channel,
            "target_app": opening.target_app,
            "device_os": opening.device_os,
            "page_url": page.url,
            "order_token": page.order_token,
            "intent_url": page.intent_url,
            "provider_order_id": attempt.provider_order_id or page.provider_order_id,
            "expires_at": plausible_end(page.expires_at, now, longest_page_life()) or now + page_life(),
            "call_lease_until": None,
        }
        if attempt.state in ATTEMPT_FROM[AttemptState.PENDING]:
            rule = OPENED_RULES[opening.channel]
            writes += attempt_writes(attempt, AttemptState.PENDING, rule, "pay call", **given)
        else:
            writes.append(update_row(PaymentAttempt, {"id": attempt.pk}, given))
            for name, value in given.items():
                setattr(attempt, name, value)
        if calls:
            writes.append(insert_rows(*calls))
        if payment.checkout:
            writes.append(extension_for_page(payment.checkout, attempt.expires_at))
    return attempt


def _open_next(claim: Claim, status: OrderStatus | None) -> Claim:
    """PhonePe knows the order, but its page cannot be had again: poll that order, and open another one."""
    lost = claim.attempt
    if status is not None:
        apply_status(lost.pk, status, "pay call")
    with transaction.atomic():
        # The lease stays ours: another click must not call for this order, and open the next one beside us.
        lock_payment(pk=lost.payment_id)
        move_attempt(lost, AttemptState.UNKNOWN, "page_lost", "pay call")
    if lost.number == MAX_ATTEMPTS:
        _end_lease(lost)
        raise TooManyAttempts(lost.payment_id, *_last_page_error(lost.payment_id))
    try:
        with transaction.atomic():
            payment = _lock_open(lost.payment_id)
            if payment.attempts.latest("number").number > lost.number:  # our lease had ended
                raise PaymentUnderWay(payment_id=payment.pk)
            _end_lease(lost)
            return _open_after(lost, payment, "page_lost", claim.opening)
    except (NotOffered, NotConfigured):
        _end_lease(lost)  # what the transaction did is undone; the next click asks for something else
        raise


def _last_page_error(payment_id: int) -> tuple[str, tuple[str, int]]:
    """Category, and host with port, of the last pay call that failed. Without a row, the process died during the call.

    "This id exists already" (REJECTED) does not count: it is the consequence of an earlier failure.
    """
    calls = GatewayCall.objects.filter(payment_id=payment_id, operation=Operation.PAY)
    last = calls.exclude(error_category__in=["", ErrorCategory.REJECTED]).last()
    if last is None:
        return ErrorCategory.READ_TIMEOUT.value, ("", 0)
    return last.error_category, hop(last.error_category, last.host, last.port, last.proxy)


def _end_lease(attempt: PaymentAttempt) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(call_lease_until=None)


def _apply_call_error(claim: Claim, error: GatewayError | NotConfigured | Unavailable) -> None:
    """What the failed call means for the attempt: rejected, ambiguous, or never sent."""
    attempt = claim.attempt
    if isinstance(error, Rejected):
        code = next((each.code for each in reversed(error.http_attempts) if each.code), error.code)
        apply_status(attempt.pk, OrderStatus(state=ProviderStatus.FAILED, code=code), "pay call")
        return
    is_ambiguous = isinstance(error, OutcomeUnknown)
    with transaction.atomic():
        lock_payment(pk=attempt.payment_id)
        sent_at = attempt.sent_at if is_ambiguous else claim.sent_before
        # Not if our lease has ended and another request has sent the order since.
        unchanged = PaymentAttempt.objects.filter(pk=attempt.pk, sent_at=attempt.sent_at)
        unchanged.update(call_lease_until=None, sent_at=sent_at)
        if is_ambiguous:
            move_attempt(attempt, AttemptState.UNKNOWN, "no_answer", error.error_category)
