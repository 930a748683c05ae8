"""Promo codes: who may use them. A use is reserved with the checkout, used with the booking, else given back."""

from dataclasses import dataclass

from django.db.models import BooleanField, Count, ExpressionWrapper, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.expressions import CombinedExpression
from django.db.models.functions import Coalesce
from django.utils import timezone

from booking.models import Cart, Checkout, PromoCode
from booking.pricing import (
    UNKNOWN_CODE,
    calculate_discount,
    has_ordered,
    judge_promo,
    package_price,
    with_package_price,
)
from core.errors import InvalidField
from core.language import Text

State = Checkout.PromoState
ANY_PRICE = 2**63  # paise: an order that is dear enough for all that a fixed code takes off
WITH_ROOM = Q(usage_limit=None) | Q(usage_limit__gt=F("reserved_count") + F("used_count"))


def find(code: str) -> PromoCode:
    """Raises InvalidField on `promo_code`."""
    if promo := PromoCode.objects.filter(code=code.strip().upper()).first():
        return promo
    raise refuse(UNKNOWN_CODE)


def refuse(problem: Text) -> InvalidField:
    return InvalidField("promo_code", problem)


@dataclass(frozen=True)
class Discount:
    """What a code takes off, in paise. None: a percentage of a price that nobody knows yet."""

    promo: PromoCode
    paise: int | None


def judge(user_id: int, code: str, order_paise: int | None = None) -> Discount:
    """What the code would take off an order of this price; without one, off the ACTIVE cart.

    Raises InvalidField on `promo_code`, with the sentence that the cart would be refused with.
    """
    active = Cart.objects.select_related("package").filter(user_id=user_id, status=Cart.Status.ACTIVE)
    cart = with_package_price(active).first()
    promo, price = find(code), order_paise
    if price is None and cart is not None:
        price = package_price(cart)
    if problem := judge_promo(promo, user_id, price, cart.pk if cart else 0):
        raise refuse(problem)
    if price is None and promo.percent:
        return Discount(promo, None)
    return Discount(promo, calculate_discount(promo, ANY_PRICE if price is None else price))


def for_customer(user_id: int) -> QuerySet[PromoCode]:
    """All codes on sale or used by them, also those that they may not know of, with three columns of theirs.

    `uses`: how often they have used it. `is_told`: it is for everybody, or assigned to them. `counts`: it would be
    taken now, from an order that is dear enough.
    """
    kind, now = PromoCode.CodeType, timezone.now()
    open_kinds = [kind.PUBLIC] if has_ordered(user_id) else [kind.PUBLIC, kind.FIRST_ORDER]
    used = Checkout.objects.filter(promo_code=OuterRef("pk"), user_id=user_id, promo_state=State.USED)
    number = used.order_by().values("promo_code").annotate(number=Count("pk")).values("number")
    assigned = PromoCode.assigned_users.through.objects.filter(user_id=user_id).values("promocode")
    is_told = Q(code_type__in=open_kinds) | Q(code_type=kind.USER_SPECIFIC, pk__in=assigned)
    lasts = Q(expires_at=None) | Q(expires_at__gt=now)
    on_sale = Q(is_active=True, starts_at__lte=now)
    counts = on_sale & (is_told | Q(code_type=kind.PRIVATE)) & lasts & WITH_ROOM
    return PromoCode.objects.annotate(
        uses=Coalesce(Subquery(number), 0),
        is_told=ExpressionWrapper(is_told, BooleanField()),
        counts=ExpressionWrapper(counts, BooleanField()),
    ).filter(on_sale | Q(uses__gt=0))


def visible_to(user_id: int) -> QuerySet[PromoCode]:
    """What they were told of, and what they have used. PRIVATE codes are passed on by people, never listed."""
    return for_customer(user_id).filter(Q(is_told=True) | Q(uses__gt=0))


def reserve(promo: PromoCode) -> bool:
    """False when the last use went to somebody else."""
    return (
        PromoCode.objects.filter(WITH_ROOM, pk=promo.pk).update(reserved_count=F("reserved_count") + 1) == 1
    )


def use(checkout: Checkout) -> None:
    """Counts the use. A reservation given back before late money came is honoured above the limit."""
    was_reserved = _change_state(checkout, State.RESERVED, State.USED)
    if was_reserved or _change_state(checkout, State.RELEASED, State.USED):
        _add_to_counts(
            checkout,
            reserved_count=F("reserved_count") - int(was_reserved),
            used_count=F("used_count") + 1,
            summed_count=F("summed_count") + 1,
            summed_discount_paise=F("summed_discount_paise") + checkout.discount_paise,
            summed_total_paise=F("summed_total_paise") + checkout.total_paise,
        )


def release(checkout: Checkout) -> None:
    if _change_state(checkout, State.RESERVED, State.RELEASED):
        _add_to_counts(checkout, reserved_count=F("reserved_count") - 1)


def wrong_sums() -> QuerySet[PromoCode]:
    """Codes with a use that is not in their sums: it was counted by a release that had none."""
    return PromoCode.objects.exclude(summed_count=F("used_count")).order_by("pk")


def repair_sums(promo_id: int) -> None:
    """Adds the uses of this code up again. Nobody waits for that: what is counted meanwhile is added to the result."""
    used = Checkout.objects.filter(promo_code=OuterRef("pk"), promo_state=State.USED).order_by()
    sums = used.values("promo_code").annotate(discount=Sum("discount_paise"), total=Sum("total_paise"))
    rows = PromoCode.objects.annotate(
        discount=Coalesce(Subquery(sums.values("discount")), 0),
        total=Coalesce(Subquery(sums.values("total")), 0),
    )
    promo = rows.get(pk=promo_id)  # one statement: the counts and the checkouts of one moment
    left_out = promo.used_count - promo.summed_count
    # Else the older release has counted another use, or another worker was faster.
    unchanged = PromoCode.objects.filter(pk=promo_id, used_count=F("summed_count") + left_out)
    unchanged.update(
        summed_count=F("summed_count") + left_out,
        summed_discount_paise=F("summed_discount_paise") + promo.discount - promo.summed_discount_paise,
        summed_total_paise=F("summed_total_paise") + promo.total - promo.summed_total_paise,
    )


def _change_state(checkout: Checkout, old: str, new: str) -> bool:
    if checkout.promo_code_id is None:
        return False
    return Checkout.objects.filter(pk=checkout.pk, promo_state=old).update(promo_state=new) == 1


def _add_to_counts(checkout: Checkout, **counts: CombinedExpression) -> None:
    PromoCode.objects.filter(checkouts=checkout).update(**counts)
