"""What a cart costs, and whether its promo code counts. Reads, never writes."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from booking.models import LEAST_PAISE, Cart, Checkout, PromoCode
from booking.models.catalogue import price_in_force
from core.language import Text
from core.money import rupees

UNKNOWN_CODE = _("This promo code does not exist.")
USED_UP = "This promo code has been used up."


@dataclass(frozen=True)
class Price:
    """In paise. `problem` tells a person why the promo code does not count: nothing is taken off then."""

    price_paise: int
    discount_paise: int = 0
    problem: Text = ""

    @property
    def total_paise(self) -> int:
        return self.price_paise - self.discount_paise


def with_package_price(carts: "QuerySet[Cart]") -> "QuerySet[Any]":
    """With `package_paise`, so that `package_price` needs no query."""
    return carts.annotate(package_paise=price_in_force("package", "package__price_paise"))


def package_price(cart: Cart) -> int:
    """What its package costs now, in paise."""
    if (package_paise := cart.__dict__.get("package_paise")) is not None:
        cart.package.price_now = package_paise
    return cart.package.price_now


def calculate_price(cart: Cart) -> Price:
    full = package_price(cart)
    if cart.promo_code is None:
        return Price(full)
    if problem := find_promo_problem(cart.promo_code, cart):
        return Price(full, problem=problem)
    return Price(full, calculate_discount(cart.promo_code, full))


def calculate_discount(promo: PromoCode, price_paise: int) -> int:
    """A broken paisa stays with the price."""
    discount = price_paise * promo.percent // 100 if promo.percent else promo.amount_paise or 0
    if promo.max_discount_paise is not None:
        discount = min(discount, promo.max_discount_paise)
    return min(discount, price_paise)


def find_promo_problem(promo: PromoCode, cart: Cart) -> Text:
    """A sentence for the person, empty if the code counts for this cart."""
    return judge_promo(promo, cart.user_id, package_price(cart), cart.pk)


def judge_promo(promo: PromoCode, user_id: int, price_paise: int | None, cart_id: int = 0) -> Text:
    """The same for a person without a cart, and before anybody knows the price."""
    return (
        _find_audience_problem(promo, user_id, cart_id)
        or _find_period_problem(promo)
        or (find_price_problem(promo, price_paise) if price_paise is not None else "")
    )


def _find_audience_problem(promo: PromoCode, user_id: int, cart_id: int) -> Text:
    kind = PromoCode.CodeType
    if not promo.is_active:
        return UNKNOWN_CODE
    if promo.code_type == kind.USER_SPECIFIC and not promo.assigned_users.filter(pk=user_id).exists():
        return UNKNOWN_CODE
    if promo.code_type == kind.FIRST_ORDER and has_ordered(user_id, cart_id):
        return _("This promo code is for your first order only.")
    return ""


def has_ordered(user_id: int, cart_id: int = 0) -> bool:
    """Apart from this cart, whatever is paid for or may be paid now."""
    orders = Checkout.objects.filter(user_id=user_id).exclude(state=Checkout.State.RELEASED)
    return orders.exclude(cart_id=cart_id).exists()


def _find_period_problem(promo: PromoCode) -> Text:
    now = timezone.now()
    if promo.starts_at > now:
        return _("This promo code is not valid yet.")
    if promo.expires_at is not None and promo.expires_at <= now:
        return _("This promo code has expired.")
    if promo.usage_limit is not None and promo.reserved_count + promo.used_count >= promo.usage_limit:
        return USED_UP
    return ""


def find_price_problem(promo: PromoCode, price_paise: int) -> Text:
    """Why nobody can use the code at this price, at any time."""
    if price_paise < promo.min_order_paise:
        least = rupees(promo.min_order_paise)
        return format_lazy(_("This promo code needs an order of ₹{least} or more."), least=least)
    if price_paise - calculate_discount(promo, price_paise) < LEAST_PAISE:
        falls_below = _("With this promo code the total falls below ₹{least}, the least we can take.")
        return format_lazy(falls_below, least=rupees(LEAST_PAISE))
    return ""
