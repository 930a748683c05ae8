"""From a cart, or a guest's donation, to a checkout page at PhonePe.

The intent is committed before PhonePe hears of it: `payment.services.attempts` goes on from there.
"""

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound

from accounts.models import Address, User
from accounts.serializers import AddressSerializer
from accounts.services import address_for_delivery
from booking.models import Cart, Checkout
from booking.services import PriceChanged, check_out, remember_total
from core.errors import Conflict, Refusal, Unavailable
from core.money import rupees
from payment.gateways import OutcomeUnknown
from payment.models import Payment, PaymentAttempt
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.transport import Deadline
from payment.services.attempts import (
    AlreadyPaid,
    Claim,
    PaymentClosed,
    TooManyAttempts,
    find_or_open_page,
    open_attempt,
    page_expiry,
    prefix,
    request_page,
)
from payment.services.outcomes import has_no_open_page, stop_waiting
from payment.states import PaymentState

ADDRESS_LINES = ("address_line1", "address_line2", "city", "state", "postal_code", "country")


@dataclass(frozen=True)
class Click:
    """What a customer asked for when they clicked on *Pay*. None: not said, and nothing to compare with."""

    address: Address | None
    expected_paise: int | None


class CheckoutDiffers(Conflict):
    """The payment that is open was frozen for another address than is asked for now. The answer says what it is for."""

    default_code = "checkout_differs"
    default_detail = _(
        "Your open payment is for another address: {there}. "
        "Pay it as it is, or cancel it in your cart and pay again."
    )

    def __init__(self, payment: Payment, frozen: Checkout) -> None:
        address = frozen.agreed_address
        lines = (getattr(address, name, "") for name in ADDRESS_LINES)
        there = ", ".join(filter(None, lines)) or "-"
        give_up = reverse("cart-cleanup", args=[frozen.cart_id])
        super().__init__(
            format_lazy(self.default_detail, there=there),
            payment_id=payment.pk,
            differs=["address_id"],
            address=AddressSerializer(address).data if address else None,
            starts_at=timezone.localtime(frozen.starts_at).isoformat(),
            total=rupees(frozen.total_paise),
            how_to_change=f"POST {give_up} closes the open payment; then send this request again.",
        )


@dataclass(frozen=True)
class Started:
    """`is_new` is False when the caller was given the payment that an earlier click had opened."""

    payment: Payment
    attempt: PaymentAttempt
    is_new: bool


def start_payment(
    user: User, *, cart_id: int, address_id: int | None = None, expected_paise: int | None = None
) -> Started:
    """Open, or find again, the one open payment of this user's cart.

    All that the caller says is checked before an open payment is looked for, and compared with it then.
    `expected_paise` is the total that the caller has seen; without it, the one that the cart showed last.
    Raises NotFound, ValidationError on `address_id`, Conflict (AlreadyPaid, CheckoutDiffers, PriceChanged,
    PaymentUnderWay, too_many_open, slot_full …), Refusal when the cart can't be sold, Unavailable, and
    GatewayError with `payment_id` when PhonePe could not give a page.
    """
    _refuse_if_disabled()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    cart = Cart.objects.filter(pk=cart_id, user=user).first()
    if cart is None:
        raise NotFound("Cart not found.")
    address = None if address_id is None else address_for_delivery(user, address_id)
    click = Click(address, expected_paise)
    try:
        return _start(user, cart, click, deadline)
    except PaymentClosed:  # the open one turned out to have failed: its cart is free again
        return _start(user, cart, click, deadline)


def start_donation(user: User | None, *, amount_paise: int, reference: str = "", mobile: str = "") -> Started:
    """Open a payment without a cart. Raises Unavailable, and GatewayError as `start_payment` does."""
    _refuse_if_disabled()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    with transaction.atomic():
        claim = _create_payment(
            user=user, amount_paise=amount_paise, payer_reference=reference, payer_mobile=mobile
        )
    return _open(claim, deadline)


def reopen(payment: Payment) -> PaymentAttempt:
    """An attempt with a page the customer can open now, for a payment that is still open."""
    _refuse_if_disabled()
    return find_or_open_page(payment, Deadline(settings.PHONEPE_DEADLINE))


def _refuse_if_disabled() -> None:
    if not settings.PAYMENT_ENABLED:
        raise Unavailable(
            "We are not taking payments at the moment. Please try again later.",
            code="payments_disabled",
        )


def _start(user: User, cart: Cart, click: Click, deadline: Deadline) -> Started:
    if payment := _open_payment(cart):
        return _resume(payment, click, deadline)
    try:
        with transaction.atomic():
            checkout = check_out(
                cart,
                address_id=click.address.pk if click.address else None,
                expires_at=page_expiry(),
                expected_paise=click.expected_paise,
            )
            claim = _create_payment(
                user=user,
                checkout=checkout,
                amount_paise=checkout.total_paise,
                payer_mobile=user.phone or "",
            )
    except PriceChanged as changed:  # they have been told: the next click may take it
        remember_total(cart, changed.total_paise)
        raise
    except Conflict as refusal:
        if refusal.code != "cart_not_active":
            raise
        return _after_another_click(cart, click, deadline)
    return _open(claim, deadline)


def _open(claim: Claim, deadline: Deadline) -> Started:
    return Started(claim.attempt.payment, request_page(claim, deadline), is_new=True)


def _after_another_click(cart: Cart, click: Click, deadline: Deadline) -> Started:
    """The cart was checked out between our look and our lock."""
    if payment := _open_payment(cart):
        return _resume(payment, click, deadline)
    paid = Payment.objects.filter(checkout__cart=cart, state=PaymentState.SUCCESS).first()
    if paid:
        raise AlreadyPaid(payment_id=paid.pk)
    raise Conflict("This cart is no longer active. Please reload the page.", code="cart_not_active")


def _resume(payment: Payment, click: Click, deadline: Deadline) -> Started:
    """The open payment for a click that wants the same. Raises CheckoutDiffers, PriceChanged.

    PaymentClosed: its pages have expired and none can be opened any more; the caller checks out anew.
    """
    if payment.checkout is not None:
        _refuse_if_different(payment, payment.checkout, click)
    try:
        return Started(payment, find_or_open_page(payment, deadline), is_new=False)
    except (OutcomeUnknown, TooManyAttempts, NotConfigured) as error:
        if payment.checkout is None or _is_silence(error) or not has_no_open_page(payment):
            raise
        stop_waiting(payment.pk, "given_up", "click")
        raise PaymentClosed(payment_id=payment.pk) from error


def _is_silence(error: Refusal) -> bool:
    """PhonePe did not answer: another order would not be opened either."""
    return isinstance(error, OutcomeUnknown) and bool(
        error.http_attempts and error.http_attempts[-1].error_category
    )


def _refuse_if_different(payment: Payment, frozen: Checkout, click: Click) -> None:
    """An address is compared as it reads now: its owner may have corrected it since."""
    if click.expected_paise is not None and frozen.total_paise > click.expected_paise:
        raise PriceChanged(click.expected_paise, frozen.total_paise, payment_id=payment.pk)
    if click.address is None:
        return
    agreed = frozen.agreed_address
    if any(getattr(agreed, name, None) != getattr(click.address, name) for name in ADDRESS_LINES):
        raise CheckoutDiffers(payment, frozen)


def _open_payment(cart: Cart) -> Payment | None:
    """One whose checkout was released is watched to its end, but late money for the cart has been faster."""
    reserved = Checkout.objects.filter(cart=cart, state=Checkout.State.RESERVED)
    return Payment.objects.filter(checkout__in=reserved, state=PaymentState.PENDING).first()


def _create_payment(
    *,
    user: User | None,
    amount_paise: int,
    checkout: Checkout | None = None,
    payer_reference: str = "",
    payer_mobile: str = "",
) -> Claim:
    simulated = credentials.current().identity.simulated
    payment = Payment.objects.create(
        user=user,
        checkout=checkout,
        reference=f"{prefix(simulated)}-{secrets.token_hex(8).upper()}",
        amount_paise=amount_paise,
        payer_reference=payer_reference,
        payer_mobile=payer_mobile,
        simulated=simulated,
    )
    return open_attempt(payment, 1, "first_click")
