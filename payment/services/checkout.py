"""From a cart, or a guest's donation, to a checkout page at PhonePe.

The intent is committed before anything is sent to PhonePe; `payment.services.attempts` sends it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from accounts.models import Address, ApiKey, User
from accounts.serializers import AddressSerializer
from accounts.services import address_for_delivery, lock_active_user
from booking.models import Cart, Checkout
from booking.services import Beside, HoldRefused, PriceChanged, check_out, record_shown_total
from core.compiled import CompiledRead
from core.databases import Write, insert_rows, reserve_keys, write_together
from core.errors import Conflict, Refusal, Unavailable
from core.money import rupees
from payment.gateways import OutcomeUnknown
from payment.models import PayLink, Payment, PaymentAttempt
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.phonepe.enums import Channel
from payment.phonepe.transport import Deadline
from payment.services.attempts import (
    PAGE,
    AlreadyPaid,
    Claim,
    Opening,
    PaymentClosed,
    TooManyAttempts,
    build_attempt,
    find_or_open_page,
    prefix,
    refuse_beside_given_up,
    request_page,
)
from payment.services.donations import Donor, build_donation
from payment.services.frontends import NO_FRONTEND, OpenedBy
from payment.services.gateway_calls import reserve_call
from payment.services.holds import alert_about_holds
from payment.services.outcomes import has_no_open_page, stop_waiting
from payment.services.transitions import opening_change
from payment.states import FrontendGeneration, PaymentState

# A payment whose checkout was released is still polled, but opens no page again.
OPEN_PAYMENTS = Payment.objects.filter(checkout__state=Checkout.State.RESERVED, state=PaymentState.PENDING)
HAS_OPEN_PAYMENT = Exists(OPEN_PAYMENTS.filter(checkout__cart=OuterRef("pk")))
ADDRESS_LINES = ("address_line1", "address_line2", "city", "state", "postal_code", "country")


@dataclass(frozen=True)
class Server:
    """Which program of the business opens a payment for a customer, and what it calls the payment."""

    key: ApiKey
    reference: str = ""


@dataclass(frozen=True)
class Click:
    """What a customer sent with the click on *Pay*, and from where. None: not sent, and not compared.

    `is_deleted`: the address is one of an earlier checkout, and not in the list of its owner any more.
    """

    address: Address | None
    expected_paise: int | None
    network: str
    frontend: OpenedBy
    opening: Opening = PAGE
    server: Server | None = None
    buyer_gstin: str | None = None
    is_deleted: bool = False


class CartNotFound(Refusal):
    status_code = 404
    default_code = "not_found"
    default_detail = _("Cart not found.")


class CheckoutDiffers(Conflict):
    """The open payment is for another address than this request. The answer says for which one."""

    default_code = "checkout_differs"
    default_detail = _(
        "Your open payment is for another address: {there}. "
        "Pay it as it is, or cancel it in your cart and pay again."
    )

    def __init__(self, payment: Payment, checkout: Checkout) -> None:
        address = checkout.agreed_address
        lines = (getattr(address, name, "") for name in ADDRESS_LINES)
        there = ", ".join(filter(None, lines)) or "-"
        give_up = reverse("cart-cleanup", args=[checkout.cart_id])
        super().__init__(
            format_lazy(self.default_detail, there=there),
            payment_id=payment.pk,
            differs=["address_id"],
            address=AddressSerializer(address).data if address else None,
            starts_at=timezone.localtime(checkout.starts_at).isoformat(),
            total=rupees(checkout.total_paise),
            how_to_change=f"POST {give_up} closes the open payment; then send this request again.",
        )


class LinkOver(Conflict):
    default_code = "link_over"
    default_detail = _("This link has ended. Please call us, and we send you another one.")


@dataclass(frozen=True)
class PaymentStart:
    """`is_new` is False for a payment that an earlier click had opened."""

    payment: Payment
    attempt: PaymentAttempt
    is_new: bool


def start_payment(
    user: User,
    *,
    cart_id: int | UUID,
    address_id: int | None = None,
    expected_paise: int | None = None,
    network: str = "",
    frontend: OpenedBy = NO_FRONTEND,
    opening: Opening = PAGE,
    server: Server | None = None,
    buyer_gstin: str | None = None,
    deleted_address: Address | None = None,
) -> PaymentStart:
    """Open the payment of this user's cart, by `id` or `cart_id`, or find the open one: a cart has one at most.

    All that the caller sends is checked first, and compared with an open payment then. `expected_paise` is the total
    that the customer has seen; without it, the one that the cart showed last counts. `network`: see `check_out`. The
    customer lands on the `frontend` that clicked last. `opening`: PhonePe's page, or an order for an app.
    `server`: the program that opens it for the customer.
    `deleted_address`: instead of `address_id`, of an earlier checkout of this cart.
    `buyer_gstin`: for the receipt, checked already; None leaves what an earlier click gave.
    Raises CartNotFound, ValidationError on `address_id`, Conflict (AlreadyPaid, CheckoutDiffers, PriceChanged,
    PaymentUnderWay, OpenElsewhere, NotOffered, too_many_open, slot_full, HoldRefused …), Refusal when the cart can't be
    sold, Unavailable, and GatewayError with `payment_id` when PhonePe could not give a page.
    """
    _refuse_if_disabled()
    _refuse_without_merchant_id(opening)
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    cart = _find_cart(user, cart_id)
    address, is_deleted = deleted_address, deleted_address is not None
    if address is None and address_id is not None:
        address = address_for_delivery(user, address_id)
    click = Click(address, expected_paise, network, frontend, opening, server, buyer_gstin, is_deleted)
    try:
        return _open_or_resume(user, cart, click, deadline)
    except PaymentClosed:  # the open payment turned out to have failed: its cart is free again
        return _open_or_resume(user, _find_cart(user, cart_id), click, deadline)


def _find_cart(user: User, cart_id: int | UUID) -> Cart:
    """By `id` or `cart_id`, with `has_open_payment`. Raises CartNotFound."""
    if isinstance(cart_id, UUID):
        cart = _carts_by_uuid.first(cart_id, user.pk)
    else:
        cart = _carts_by_key.first(cart_id, user.pk)
    if cart is None:
        raise CartNotFound
    return cart


@CompiledRead
def _carts_by_key(cart_id: int, user_id: int) -> QuerySet[Cart]:
    return Cart.objects.filter(pk=cart_id, user=user_id).annotate(has_open_payment=HAS_OPEN_PAYMENT)


@CompiledRead
def _carts_by_uuid(cart_id: UUID, user_id: int) -> QuerySet[Cart]:
    return Cart.objects.filter(cart_id=cart_id, user=user_id).annotate(has_open_payment=HAS_OPEN_PAYMENT)


def start_donation(
    user: User | None,
    *,
    amount_paise: int,
    reference: str = "",
    mobile: str = "",
    donor: Donor | None = None,
) -> PaymentStart:
    """Open a payment without a cart. Raises Unavailable, AccountClosed, and GatewayError as `start_payment` does."""
    _refuse_if_disabled()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    with reserve_call():
        with transaction.atomic():
            now, (payment_key, attempt_key) = reserve_keys(Payment, PaymentAttempt)
            if user is not None:
                lock_active_user(user.pk)
            payment = _build_payment(
                payment_key,
                user=user,
                amount_paise=amount_paise,
                payer_reference=reference,
                payer_mobile=mobile,
            )
            claim, writes = _first_attempt(attempt_key, payment, PAGE, now)
            if donor is not None:
                writes.append(insert_rows(build_donation(payment, donor)))
            write_together(writes)
        return PaymentStart(claim.attempt.payment, request_page(claim, deadline), is_new=True)


def pay_by_link(link: PayLink) -> PaymentAttempt:
    """An attempt with a page to open now, for what staff have checked out. The first click opens the payment.

    Twice at once is one payment. Raises LinkOver, and what `start_payment` and `reopen` raise.
    """
    _refuse_if_disabled()
    deadline = Deadline(settings.PHONEPE_DEADLINE)
    payments = Payment.objects.filter(checkout=link.checkout_id)
    if not payments.exists():
        with reserve_call():
            claim = _open_link(link)
            if claim is not None:
                return request_page(claim, deadline)
    return find_or_open_page(payments.get(), deadline)


@transaction.atomic
def _open_link(link: PayLink) -> Claim | None:
    """The right to call PhonePe for a new payment; None when it has one. Raises LinkOver."""
    now, (payment_key, attempt_key) = reserve_keys(Payment, PaymentAttempt)
    user = link.checkout.user
    lock_active_user(user.pk)
    if Payment.objects.filter(checkout=link.checkout_id).exists():
        return None
    reserved = Checkout.objects.filter(pk=link.checkout_id, state=Checkout.State.RESERVED)
    checkout = reserved.first()
    if checkout is None or not PayLink.objects.filter(pk=link.pk, ended_at=None, expires_at__gt=now).exists():
        raise LinkOver
    payment = _build_payment(
        payment_key,
        user=user,
        checkout=checkout,
        amount_paise=checkout.total_paise,
        payer_mobile=user.phone or "",
        frontend=OpenedBy(FrontendGeneration.SHOP),
        buyer_gstin=link.buyer_gstin,
    )
    claim, writes = _first_attempt(attempt_key, payment, PAGE, now)
    write_together(writes)
    return claim


def reopen(payment: Payment) -> PaymentAttempt:
    """An attempt with a page the customer can open now, for a payment that is still open."""
    _refuse_if_disabled()
    return find_or_open_page(payment, Deadline(settings.PHONEPE_DEADLINE))


def _refuse_if_disabled() -> None:
    if not settings.PAYMENT_ENABLED:
        raise Unavailable(
            _("We are not taking payments at the moment. Please try again later."),
            code="payments_disabled",
        )


def _refuse_without_merchant_id(opening: Opening) -> None:
    """PhonePe's SDK does not start without it, and V2 works without it otherwise."""
    if opening.channel is Channel.SDK and not credentials.current().merchant_id:
        raise NotConfigured(
            _("Payment in our app is not set up yet. Please pay on our web page."), code="merchant_id_missing"
        )


def _open_or_resume(user: User, cart: Cart, click: Click, deadline: Deadline) -> PaymentStart:
    if cart.has_open_payment and (payment := _find_open_payment(cart)):  # type: ignore[attr-defined]
        return _resume(payment, click, deadline)
    with reserve_call():
        try:
            claim = _open(user, cart, click)
        except Conflict as refusal:
            if refusal.code != "cart_not_active":
                raise
            return _follow_other_click(cart, click, deadline, refusal)
        return PaymentStart(claim.attempt.payment, request_page(claim, deadline), is_new=True)


def _open(user: User, cart: Cart, click: Click) -> Claim:
    """Check out, and write the payment with its first attempt, which nobody has sent yet, in the same transaction."""
    claims: list[Claim] = []

    def payment_writes(
        checkout: Checkout, was_checked_out: bool, now: datetime, keys: list[int]
    ) -> list[Write]:
        if was_checked_out:
            refuse_beside_given_up(checkout, click.opening, now)
        payment_key, attempt_key = keys
        payment = _build_payment(
            payment_key,
            user=user,
            checkout=checkout,
            amount_paise=checkout.total_paise,
            payer_mobile=user.phone or "",
            frontend=click.frontend,
            server=click.server,
            buyer_gstin=click.buyer_gstin or "",
        )
        claim, writes = _first_attempt(attempt_key, payment, click.opening, now)
        claims.append(claim)
        return writes

    try:
        check_out(
            cart,
            address_id=click.address.pk if click.address else None,
            agreed_address=click.address if click.is_deleted else None,
            expected_paise=click.expected_paise,
            network=click.network,
            beside=Beside((Payment, PaymentAttempt), payment_writes),
        )
    except HoldRefused as refusal:  # its transaction is rolled back; the alert stays
        alert_about_holds(refusal)
        raise
    except PriceChanged as changed:  # the answer names the new price: the next click accepts it
        record_shown_total(cart, changed.total_paise)
        raise
    return claims[0]


def _follow_other_click(cart: Cart, click: Click, deadline: Deadline, refusal: Conflict) -> PaymentStart:
    """Another click has checked the cart out after we looked for an open payment, and before our lock."""
    if payment := _find_open_payment(cart):
        return _resume(payment, click, deadline)
    if link := PayLink.objects.filter(checkout__cart=cart, ended_at=None).first():  # made by staff
        attempt = pay_by_link(link)
        return PaymentStart(attempt.payment, attempt, is_new=False)
    paid = Payment.objects.filter(checkout__cart=cart, state=PaymentState.SUCCESS).first()
    if paid is not None:
        raise AlreadyPaid(payment_id=paid.pk) from refusal
    raise Conflict(
        _("This cart is no longer active. Please reload the page."), code="cart_not_active"
    ) from refusal


def _resume(payment: Payment, click: Click, deadline: Deadline) -> PaymentStart:
    """The open payment, for a click that wants the same. Raises CheckoutDiffers, PriceChanged.

    PaymentClosed: its pages have expired and none can be opened any more; the caller checks out again.
    """
    checkout = payment.checkout
    if checkout is not None:
        _refuse_if_different(payment, checkout, click)
    _record_frontend(payment, click.frontend)
    if click.buyer_gstin is not None and click.buyer_gstin != payment.buyer_gstin:
        # Not once it is paid: then its receipt is written.
        unpaid = Payment.objects.filter(pk=payment.pk, state=PaymentState.PENDING)
        unpaid.update(buyer_gstin=click.buyer_gstin)
    try:
        return PaymentStart(payment, find_or_open_page(payment, deadline, click.opening), is_new=False)
    except (OutcomeUnknown, TooManyAttempts, NotConfigured) as error:
        attempts = error.http_attempts if isinstance(error, OutcomeUnknown) else ()
        is_silent = bool(
            attempts and attempts[-1].error_category
        )  # then another order would not be opened either
        if checkout is None or is_silent or not has_no_open_page(payment):
            raise
        stop_waiting(payment.pk, "given_up", "click")
        raise PaymentClosed(payment_id=payment.pk) from error


def _refuse_if_different(payment: Payment, checkout: Checkout, click: Click) -> None:
    """Addresses are compared by their text now: the owner may have corrected theirs since the checkout."""
    if click.expected_paise is not None and checkout.total_paise > click.expected_paise:
        raise PriceChanged(click.expected_paise, checkout.total_paise, payment_id=payment.pk)
    if click.address is None:
        return
    agreed = checkout.agreed_address
    if any(getattr(agreed, name, None) != getattr(click.address, name) for name in ADDRESS_LINES):
        raise CheckoutDiffers(payment, checkout)


def _record_frontend(payment: Payment, frontend: OpenedBy) -> None:
    if NO_FRONTEND != frontend != OpenedBy(payment.frontend, payment.frontend_url):
        payment.frontend, payment.frontend_url = frontend.generation, frontend.base_url
        payment.save(update_fields=["frontend", "frontend_url"])


def _find_open_payment(cart: Cart) -> Payment | None:
    return OPEN_PAYMENTS.filter(checkout__cart=cart).first()


def _build_payment(
    key: int,
    *,
    user: User | None,
    amount_paise: int,
    checkout: Checkout | None = None,
    payer_reference: str = "",
    payer_mobile: str = "",
    frontend: OpenedBy = NO_FRONTEND,
    server: Server | None = None,
    buyer_gstin: str = "",
) -> Payment:
    simulated = credentials.current().identity.simulated
    return Payment(
        pk=key,
        user=user,
        checkout=checkout,
        reference=f"{prefix(simulated)}-{secrets.token_hex(8).upper()}",
        amount_paise=amount_paise,
        payer_reference=payer_reference,
        payer_mobile=payer_mobile,
        buyer_gstin=buyer_gstin,
        frontend=frontend.generation,
        frontend_url=frontend.base_url,
        api_key=server.key if server else None,
        server_reference=server.reference if server else "",
        simulated=simulated,
    )


def _first_attempt(key: int, payment: Payment, opening: Opening, now: datetime) -> tuple[Claim, list[Write]]:
    """The right to call PhonePe for a new payment, and what writes both. Raises NotOffered."""
    attempt = build_attempt(payment, 1, opening, now)
    attempt.pk = key
    change = opening_change(payment, attempt, "first_click")
    return Claim(attempt, None, opening), [insert_rows(payment), insert_rows(attempt), insert_rows(change)]
