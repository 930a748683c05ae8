"""Uses of a promo code: reserved with the checkout, used with the booking, else given back."""

from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression

from booking.models import Checkout, PromoCode
from booking.pricing import UNKNOWN_CODE
from core.errors import InvalidField
from core.language import Text

State = Checkout.PromoState


def find(code: str) -> PromoCode:
    """Raises InvalidField on `promo_code`."""
    if promo := PromoCode.objects.filter(code=code.strip().upper()).first():
        return promo
    raise refuse(UNKNOWN_CODE)


def refuse(problem: Text) -> InvalidField:
    return InvalidField("promo_code", problem)


def reserve(promo: PromoCode) -> bool:
    """False when the last use went to somebody else."""
    room = Q(usage_limit=None) | Q(usage_limit__gt=F("reserved_count") + F("used_count"))
    return PromoCode.objects.filter(room, pk=promo.pk).update(reserved_count=F("reserved_count") + 1) == 1


def use(checkout: Checkout) -> None:
    """Counts the use. A reservation given back before late money came is honoured above the limit."""
    if _change_state(checkout, State.RESERVED, State.USED):
        _add_to_counts(checkout, reserved_count=F("reserved_count") - 1, used_count=F("used_count") + 1)
    elif _change_state(checkout, State.RELEASED, State.USED):
        _add_to_counts(checkout, used_count=F("used_count") + 1)


def release(checkout: Checkout) -> None:
    if _change_state(checkout, State.RESERVED, State.RELEASED):
        _add_to_counts(checkout, reserved_count=F("reserved_count") - 1)


def _change_state(checkout: Checkout, old: str, new: str) -> bool:
    return Checkout.objects.filter(pk=checkout.pk, promo_state=old).update(promo_state=new) == 1


def _add_to_counts(checkout: Checkout, **counts: CombinedExpression) -> None:
    PromoCode.objects.filter(checkouts=checkout).update(**counts)
