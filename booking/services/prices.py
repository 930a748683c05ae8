"""Prices of packages, now and from a moment to come.

A price that comes into force changes no cart silently: checkout takes what its owner has seen, or asks (`checkouts`).
"""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from booking.models import Package, PackagePrice
from core.clocks import database_now


@transaction.atomic
def change_price(package: Package, price_paise: int) -> None:
    """From now on, until the next planned price. Raises ValidationError."""
    current = Package.objects.select_for_update(no_key=True).get(pk=package.pk)
    current.price_paise = price_paise
    current.validate_constraints()
    end_prices_in_force(current)
    current.save(update_fields=["price_paise", "updated_at"])
    package.price_paise = package.price_now = price_paise


def end_prices_in_force(package: Package) -> None:
    """`price_paise` of the package counts from now on, in the transaction of its caller."""
    PackagePrice.objects.filter(package=package, valid_from__lte=database_now()).delete()
    package.price_now = package.price_paise


@transaction.atomic
def plan_price(package: Package, price_paise: int, valid_from: datetime) -> PackagePrice:
    """Twice is once. Raises ValidationError: a moment that has passed, or that has another price already."""
    Package.objects.select_for_update(no_key=True).only("pk").get(pk=package.pk)
    if (
        there := planned_prices()
        .filter(package=package, price_paise=price_paise, valid_from=valid_from)
        .first()
    ):
        return there
    price = PackagePrice(package=package, price_paise=price_paise, valid_from=valid_from)
    if valid_from <= timezone.now():
        raise ValidationError({"valid_from": [_("Choose a moment to come, or change the price of now.")]})
    price.full_clean()
    price.save(force_insert=True)
    return price


def cancel_price(price: PackagePrice) -> bool:
    """False when its moment has come: then the price of now can be changed."""
    deleted, _rows = planned_prices().filter(pk=price.pk).delete()
    return deleted == 1


def planned_prices() -> QuerySet[PackagePrice]:
    """Those to come, the nearest first."""
    return PackagePrice.objects.filter(valid_from__gt=database_now()).order_by("valid_from")
