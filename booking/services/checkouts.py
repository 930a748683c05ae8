"""A cart frozen at a price, with its place and its promo use reserved; and the way back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, Model, QuerySet, Subquery
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

import booking.services.places as places
import booking.services.promos as promos
from accounts.models import Address, User
from accounts.services import (
    AccountClosed,
    finding_address,
    lock_active_user,
    lock_user,
    locking_user,
    require_address,
)
from booking.agreed import (
    AGREED_ADDRESS,
    AGREED_CATEGORY,
    AGREED_PACKAGE,
    AGREED_PROMO,
    AGREED_SERVICE,
)
from booking.devotees import AGREED_DEVOTEES
from booking.models import Cart, Checkout
from booking.pricing import USED_UP, Price, calculate_price
from booking.services.carts import (
    fill_cart,
    finding_slot,
    locked_carts,
    read_again_if_changed,
    refuse_unless_active,
    require_bookable,
    slot_full,
)
from booking.services.hold_limits import bookings_that_stand, counting_holds, refuse_excess_of_slot
from core.compiled import CompiledRead
from core.databases import Write, insert_rows, read_together, reserving_keys, update_row, write_together
from core.errors import Conflict
from core.language import Text
from core.money import grouped, rupees

OPEN_PER_USER = 2
State = Checkout.State


class TooManyOpen(Conflict):
    default_code = "too_many_open"
    default_detail = _("You have two payments open already. Finish or cancel one of them first.")


class PriceChanged(Conflict):
    """The total is higher than the one that the customer saw. The answer carries both, in rupees."""

    default_code = "price_changed"
    default_detail = _(
        "The price has changed: it is ₹{total} now, not ₹{seen}. Please look at it and pay again."
    )

    def __init__(self, seen_paise: int, total_paise: int, problem: Text = "", **extra: Any) -> None:
        """`problem`: why the promo code of the cart does not count any more."""
        self.total_paise = total_paise
        message = format_lazy(self.default_detail, seen=grouped(seen_paise), total=grouped(total_paise))
        totals = {"expected_total": rupees(seen_paise), "total": rupees(total_paise)}
        reason: dict[str, Any] = {"promo_code": [str(problem)]} if problem else {}
        super().__init__(message, **totals, **reason, **extra)


@dataclass(frozen=True)
class Beside:
    """Rows of `models` that the caller writes together with a checkout, with primary keys that are reserved for them.

    `writes` gets the checkout, whether its cart was checked out before, the time, and the keys.
    """

    models: tuple[type[Model], ...]
    writes: Callable[[Checkout, bool, datetime, list[int]], list[Write]]


NOTHING_BESIDE = Beside((), lambda *_: [])


@transaction.atomic
def check_out(
    cart: Cart,
    *,
    address_id: int | None,
    agreed_address: Address | None = None,
    expires_at: datetime | None = None,
    expected_paise: int | None = None,
    network: str = "",
    beside: Beside = NOTHING_BESIDE,
    by_staff: bool = False,
) -> Checkout:
    """Freezes the cart until `expires_at` (when its payment expires; without it, after the life of a page).

    `expected_paise` is the total that the caller has seen; without it, the one that the cart showed last. `network` is
    where the caller is (core.networks). The row of the slot is locked last, because all of its customers wait for it.
    `by_staff`: the bounds on holds that nobody pays for do not count, they are for strangers.
    `agreed_address`: of an earlier checkout; its owner may have deleted it since.
    Raises Conflict `cart_not_active`, AccountClosed, TooManyOpen, SlotFull, HoldRefused, PriceChanged, or
    ValidationError on the field that has become wrong since it was chosen. Nothing is changed then.
    """
    now, (key, *keys), current, addresses, history, *slots = _lock_and_read(cart, address_id, beside.models)
    if (current.open_checkouts or 0) >= OPEN_PER_USER:
        raise TooManyOpen
    slot = require_bookable(current, *slots)
    price = _agreed_price(current, expected_paise)
    address = agreed_address or require_address(addresses, address_id)
    checkout = _build_checkout(current, price, address, expires_at or now + places.page_life())
    checkout.pk = key
    total_paise = price.total_paise
    frozen = {"status": Cart.Status.CHECKED_OUT, "shown_paise": total_paise, "updated_at": timezone.now()}
    writes = [
        update_row(Cart, {"id": current.pk}, frozen),
        insert_rows(checkout),
        *beside.writes(checkout, current.was_checked_out, now, keys),
    ]
    hold, holding = None, list[Write]()
    if slot is not None:
        is_new = not (current.has_booked or by_staff)
        hold, holding = places.hold_place(
            checkout, slot, network, new_customer=is_new, history=None if by_staff else history
        )
    is_written = write_together(writes + holding)[-1]
    if not is_written and not (slot and places.hold_kept_place(cart.user_id, slot)):  # somebody was faster
        raise slot_full(current)
    if hold is not None:
        refuse_excess_of_slot(hold)
    if checkout.promo_code is not None and not promos.reserve(checkout.promo_code):
        # Somebody else had the last use.
        _refuse_dearer(Price(price.price_paise, problem=USED_UP), _seen_paise(current, expected_paise))
        raise promos.refuse(USED_UP)
    return checkout


def _lock_and_read(cart: Cart, address_id: int | None, models: tuple[type[Model], ...]) -> list[Any]:
    """All that a checkout looks at, in one round trip: the time and the keys of its rows, the cart under its lock and
    that of its owner, addresses, the holds of the account, and the slot. Raises AccountClosed, `cart_not_active`.
    """
    person, (now, keys), carts, *others = read_together(
        locking_user(cart.user_id),
        reserving_keys(Checkout, *models),
        _carts_with_history.query(cart.pk, cart.user_id),
        finding_address(cart.user_id, address_id),
        counting_holds(cart.user_id),
        *finding_slot(cart),
    )
    if not person.is_active:
        raise AccountClosed
    current = read_again_if_changed(cart, _carts_with_history, next(iter(carts), None))
    refuse_unless_active(current)
    return [now, keys, current, *others]


@CompiledRead
def _carts_with_history(cart_id: int, user_id: int) -> QuerySet[Cart]:
    mine = Checkout.objects.filter(user=user_id)
    others = mine.filter(state=State.RESERVED).values("user").annotate(number=Count("pk")).values("number")
    return locked_carts.build(cart_id, user_id).annotate(
        open_checkouts=Subquery(others.order_by()),
        has_booked=Exists(bookings_that_stand(user_id)),
        was_checked_out=Exists(mine.filter(cart=cart_id)),
    )


@transaction.atomic
def check_out_for(
    user: User, choice: dict[str, Any], *, address_id: int | None, expires_at: datetime, beside: Beside
) -> Checkout:
    """Staff check out what somebody has told them, named as in `fill_cart`. A cart that this person is filling stays.

    Raises as `fill_cart` and `check_out` do; nothing is changed then.
    """
    lock_active_user(user.pk)
    mine = Cart.objects.filter(user=user)
    own = mine.filter(status=Cart.Status.ACTIVE).values_list("pk", flat=True).first()
    cart = fill_cart(user, **choice)
    checkout = check_out(cart, address_id=address_id, expires_at=expires_at, beside=beside, by_staff=True)
    if own is not None:
        mine.filter(pk=own, status=Cart.Status.ABANDONED).update(status=Cart.Status.ACTIVE)
    return checkout


@transaction.atomic
def release(checkout: Checkout, page_expires_at: datetime | None = None) -> None:
    """Decided unpaid: place, promo use and cart go back. Twice is once; what is booked is left alone.

    `page_expires_at`: of the last page, when it is not the first one.
    """
    lock_user(checkout.user_id)
    if not Checkout.objects.filter(pk=checkout.pk, state=State.RESERVED).update(state=State.RELEASED):
        return
    _reopen_cart(checkout)
    places.release_hold(checkout, page_expires_at)
    promos.release(checkout)


def _build_checkout(cart: Cart, price: Price, address: Address | None, expires_at: datetime) -> Checkout:
    """Keeps what is offered at this moment: later changes of the catalogue do not reach this customer."""
    offered = (
        (cart.puja_service, AGREED_SERVICE),
        (cart.puja_service.category, AGREED_CATEGORY),
        (cart.package, AGREED_PACKAGE),
        (cart.promo_code, AGREED_PROMO),
        (cart, AGREED_DEVOTEES),
        (address, AGREED_ADDRESS),
    )
    agreed = {
        kept: getattr(row, column)
        for row, columns in offered
        if row is not None
        for column, kept in columns.items()
    }
    return Checkout(
        cart=cart,
        user=cart.user,
        price_paise=price.price_paise,
        discount_paise=price.discount_paise,
        total_paise=price.total_paise,
        promo_state=Checkout.PromoState.RESERVED if cart.promo_code else Checkout.PromoState.NONE,
        starts_at=cart.starts_at,
        expires_at=expires_at,
        **agreed,
    )


def _agreed_price(cart: Cart, expected_paise: int | None) -> Price:
    """What the person saw, or less: never silently more.

    A promo code that does not count any more is left out once the person has seen the total without it.
    """
    price = calculate_price(cart)
    _refuse_dearer(price, _seen_paise(cart, expected_paise))
    if price.problem:
        cart.promo_code = None
    return price


def _seen_paise(cart: Cart, expected_paise: int | None) -> int | None:
    return cart.shown_paise if expected_paise is None else expected_paise


def _refuse_dearer(price: Price, seen_paise: int | None) -> None:
    """Whoever has seen no total at all has not seen either that their promo code does not count."""
    if seen_paise is not None and price.total_paise > seen_paise:
        raise PriceChanged(seen_paise, price.total_paise, price.problem)
    if seen_paise is None and price.problem:
        raise promos.refuse(price.problem)


def _reopen_cart(checkout: Checkout) -> None:
    """ACTIVE again, unless the person has filled another cart meanwhile."""
    carts = Cart.objects.filter(user_id=checkout.user_id)
    another = carts.filter(status=Cart.Status.ACTIVE).exists()
    status = Cart.Status.ABANDONED if another else Cart.Status.ACTIVE
    frozen = carts.filter(pk=checkout.cart_id, status=Cart.Status.CHECKED_OUT)
    frozen.update(status=status, updated_at=timezone.now())
