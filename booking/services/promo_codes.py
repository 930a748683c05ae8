"""Promo codes as staff make, change and remove them: the admin and the desk refuse by the same rules."""

import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    F,
    OuterRef,
    ProtectedError,
    Q,
    QuerySet,
    Subquery,
    Sum,
    When,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from simple_history.utils import bulk_create_with_history

from accounts.models import User
from booking.models import Checkout, Package, PromoCode
from booking.models.bookings import BOOK_ID_LETTERS
from booking.pricing import find_price_problem
from core.language import Text
from core.money import grouped, rupees

# Ten letters of thirty are 49 bits: at sixty guesses an hour from each network nobody finds one of a hundred codes.
RANDOM_LETTERS = 10
LONGEST_CODE = 30
LONGEST_PREFIX = LONGEST_CODE - RANDOM_LETTERS
MOST_AT_ONCE = 100
EXPORTED = (
    *("code", "description", "for", "discount_type", "discount", "least order (₹)", "most discount (₹)"),
    *("starts", "ends", "usage_limit", "used", "taken off (₹)", "paid with it (₹)", "active"),
)


@transaction.atomic
def create_code(people: Iterable[User] = (), **columns: Any) -> PromoCode:
    """Raises ValidationError, by column."""
    promo = PromoCode(**columns)
    _require_sensible(promo)
    promo.save(force_insert=True)
    promo.assigned_users.set(people)
    return promo


@transaction.atomic
def change_code(promo: PromoCode, people: Iterable[User] | None = None, **columns: Any) -> PromoCode:
    """Writes these columns and nothing else: its uses are counted meanwhile. `people`: None leaves them as they are.

    Raises ValidationError, by column.
    """
    current = PromoCode.objects.select_for_update(no_key=True).get(pk=promo.pk)
    for name, value in columns.items():
        setattr(current, name, value)
    _require_sensible(current, of=columns)
    if columns:
        current.save(update_fields=[*columns, "updated_at"])
    if people is not None:
        current.assigned_users.set(people)
    return current


def remove_code(promo: PromoCode) -> None:
    """A code that stands in a cart or in a checkout is switched off: what was bought with it keeps it."""
    try:
        with transaction.atomic():
            promo.delete()
    except ProtectedError:
        _switch_off(promo)


@transaction.atomic
def _switch_off(promo: PromoCode) -> None:
    current = PromoCode.objects.select_for_update(no_key=True).get(pk=promo.pk)
    if current.is_active:
        current.is_active = False
        current.save(update_fields=["is_active", "updated_at"])


@transaction.atomic
def create_codes(prefix: str, count: int, **columns: Any) -> list[PromoCode]:
    """`count` codes that nobody can guess, each for its holder. Raises ValidationError, by column."""
    kind = PromoCode.CodeType.PRIVATE  # as PUBLIC ones all of them would stand on every customer's page
    codes = [PromoCode(code=code, code_type=kind, **columns) for code in _random_codes(prefix, count)]
    _require_sensible(codes[0])
    return bulk_create_with_history(codes, PromoCode)


def find_unusable(promo: PromoCode) -> tuple[str, Text] | None:
    """Why nobody could use this active code now: the column, or NON_FIELD_ERRORS, and a sentence."""
    if not promo.is_active:
        return None
    if promo.expires_at is not None and promo.expires_at <= timezone.now():
        return "expires_at", _("This code has ended. Give a later end, or make it inactive.")
    on_sale = Package.objects.priced().filter(is_active=True, puja_service__is_active=True)
    prices = {*on_sale.values_list("current_paise", flat=True)}
    if prices and all(find_price_problem(promo, price) for price in prices):
        too_cheap = _("No package costs enough for this code: the dearest on sale costs ₹{dearest}.")
        return NON_FIELD_ERRORS, format_lazy(too_cheap, dearest=grouped(max(prices)))
    return None


def figures() -> dict[str, int]:
    """How many codes there are, and what they have taken off all bookings, cancelled ones included; in paise."""
    is_over = Q(expires_at__lte=timezone.now())
    codes = PromoCode.objects.aggregate(
        total_promos=Count("pk"),
        active_promos=Count("pk", filter=~is_over & Q(is_active=True)),
        expired_promos=Count("pk", filter=is_over),
    )
    used = with_use(PromoCode.objects.order_by()).aggregate(
        total_usage=Coalesce(Sum("used_count"), 0), total_discount_given=Coalesce(Sum("given_paise"), 0)
    )
    return codes | used


def with_use(codes: QuerySet[PromoCode]) -> QuerySet[Any]:
    """With `given_paise`, what each has taken off bookings, and `sold_paise`, what these cost after it."""
    used = Checkout.objects.filter(promo_code=OuterRef("pk"), promo_state=Checkout.PromoState.USED).order_by()
    sums = used.values("promo_code").annotate(given=Sum("discount_paise"), sold=Sum("total_paise"))
    is_summed = Q(summed_count=F("used_count"))
    return codes.annotate(
        given_paise=_known_or(is_summed, "summed_discount_paise", sums.values("given")),
        sold_paise=_known_or(is_summed, "summed_total_paise", sums.values("sold")),
    )


def _known_or(is_known: Q, column: str, sum_of_rows: QuerySet[Any]) -> Case:
    counted = Coalesce(Subquery(sum_of_rows), 0, output_field=BigIntegerField())
    return Case(When(is_known, then=F(column)), default=counted)


def export_rows() -> Iterator[tuple[object, ...]]:
    """The names of the columns, then each code with its use."""
    yield EXPORTED
    for promo in with_use(PromoCode.objects.order_by("pk")).iterator(chunk_size=1_000):
        discount = f"{promo.percent} %" if promo.percent else rupees(promo.amount_paise or 0)
        most = promo.max_discount_paise
        yield (
            *(promo.code, promo.description, promo.code_type, promo.discount_type, discount),
            *(rupees(promo.min_order_paise), rupees(most) if most else ""),
            *(_day(promo.starts_at), _day(promo.expires_at), promo.usage_limit or "", promo.used_count),
            *(rupees(promo.given_paise), rupees(promo.sold_paise), "yes" if promo.is_active else "no"),
        )


def _day(moment: datetime | None) -> str:
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}" if moment else ""


def _require_sensible(promo: PromoCode, of: Iterable[str] | None = None) -> None:
    """`of`: the columns that are changed. What was stored before it was refused must not stop a change of others."""
    unchanged = {field.name for field in promo._meta.fields} - {*of} if of is not None else None
    promo.clean_fields(exclude=unchanged)
    promo.clean()
    promo.validate_unique()
    promo.validate_constraints()
    if unusable := find_unusable(promo):
        raise ValidationError({unusable[0]: [unusable[1]]})


def _random_codes(prefix: str, count: int) -> list[str]:
    codes: set[str] = set()
    while len(codes) < count:
        codes.add(prefix + "".join(secrets.choice(BOOK_ID_LETTERS) for _ in range(RANDOM_LETTERS)))
    return [*codes]
