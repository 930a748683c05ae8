"""A cart frozen at a price, with its place and its promo use reserved; and the way back."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

import booking.services.places as places
import booking.services.promos as promos
from accounts.models import User
from accounts.serializers import AddressSerializer
from accounts.services import address_for_delivery, lock_user
from booking.models import Cart, Checkout
from booking.pricing import Price, price_of
from booking.serializers import SNAPSHOT, CartSerializer
from booking.services.carts import lock_active, require_bookable
from okpuja.errors import Conflict

OPEN_PER_USER = 2
State = Checkout.State


class TooManyOpen(Conflict):
    default_code = "too_many_open"
    default_detail = "You have two payments open already. Finish or cancel one of them first."
    hindi = "आपके दो भुगतान पहले से खुले हैं। कृपया पहले उनमें से एक को पूरा या रद्द करें।"


@transaction.atomic
def check_out(cart: Cart, *, address_id: int | None, expires_at: datetime) -> Checkout:
    """Freezes the cart until `expires_at` (when its payment expires), inside the caller's transaction.

    Raises Conflict `cart_not_active`, TooManyOpen, SlotFull, or ValidationError on the field that has
    become wrong since it was chosen. Nothing is changed then.
    """
    lock_user(cart.user_id)
    current = lock_active(cart)
    _refuse_third(current.user)
    slot = require_bookable(current)
    checkout = _freeze(current, _address(current.user, address_id), expires_at)
    Cart.objects.filter(pk=current.pk).update(status=Cart.Status.CHECKED_OUT, updated_at=timezone.now())
    if slot is not None:
        places.hold(checkout, slot)
    if checkout.promo_code is not None:
        promos.reserve(checkout.promo_code)
    return checkout


@transaction.atomic
def release(checkout: Checkout) -> None:
    """Decided unpaid: place, promo use and cart go back. Twice is once; what is booked is left alone."""
    lock_user(checkout.user_id)
    if not Checkout.objects.filter(pk=checkout.pk, state=State.RESERVED).update(state=State.RELEASED):
        return
    _reopen(checkout)
    places.release_hold(checkout)
    promos.give_back(checkout)


def _refuse_third(user: User) -> None:
    if Checkout.objects.filter(user=user, state=State.RESERVED).count() >= OPEN_PER_USER:
        raise TooManyOpen


def _freeze(cart: Cart, address: dict[str, Any] | None, expires_at: datetime) -> Checkout:
    price = _price(cart)
    wire = CartSerializer(cart).data
    return Checkout.objects.create(
        cart=cart,
        user=cart.user,
        price_paise=price.price_paise,
        discount_paise=price.discount_paise,
        total_paise=price.total_paise,
        promo_code=cart.promo_code,
        promo_state=Checkout.PromoState.RESERVED if cart.promo_code else Checkout.PromoState.NONE,
        starts_at=cart.starts_at,
        snapshot={name: wire[name] for name in SNAPSHOT},
        address=address,
        expires_at=expires_at,
    )


def _price(cart: Cart) -> Price:
    """What the person saw, or a refusal: never silently the full price."""
    price = price_of(cart)
    if price.problem:
        raise promos.refuse(price.problem)
    return price


def _address(user: User, address_id: int | None) -> dict[str, Any] | None:
    address = address_for_delivery(user, address_id)
    return dict(AddressSerializer(address).data) if address else None


def _reopen(checkout: Checkout) -> None:
    """ACTIVE again, unless the person has filled another cart meanwhile."""
    carts = Cart.objects.filter(user_id=checkout.user_id)
    another = carts.filter(status=Cart.Status.ACTIVE).exists()
    status = Cart.Status.ABANDONED if another else Cart.Status.ACTIVE
    frozen = carts.filter(pk=checkout.cart_id, status=Cart.Status.CHECKED_OUT)
    frozen.update(status=status, updated_at=timezone.now())
