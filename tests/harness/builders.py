"""Builders of rows for tests: plain functions with sensible defaults."""

import itertools
from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Address, User
from booking.models import Cart, Checkout, Package, PromoCode, PujaCategory, PujaService, Slot
from booking.services import check_out, fill_cart

PASSWORD = "a-long-lotus-pond-47"
numbers = itertools.count(1)


def make_user(email: str | None = None, **fields) -> User:
    return User.objects.create_user(email or f"devotee{next(numbers)}@example.com", PASSWORD, **fields)


def make_superuser() -> User:
    return User.objects.create_superuser(f"staff{next(numbers)}@example.com", PASSWORD)


def make_staff(role: str, **fields) -> User:
    """Staff with one of the roles that the migrations of `backoffice` have made."""
    user = make_user(is_staff=True, **fields)
    user.groups.add(Group.objects.get(name=role))
    return user


def make_address(user: User, **fields) -> Address:
    defaults = {
        "address_line1": "12 Temple Road",
        "city": "Patna",
        "state": "Bihar",
        "postal_code": "800001",
        "is_default": True,
    }
    return Address.objects.create(user=user, **defaults | fields)


def make_service(title: str | None = None, category: str = "Festivals", **fields) -> PujaService:
    defaults = {
        "title": title or f"Satyanarayan Puja {next(numbers)}",
        "category": PujaCategory.objects.get_or_create(name=category)[0],
        "type": PujaService.Type.HOME,
        "image_url": "https://ik.imagekit.io/okpuja/puja.jpg",
        "description": "<p>For peace at home.</p>",
        "duration_minutes": 90,
    }
    return PujaService.objects.create(**defaults | fields)


def make_package(service: PujaService, rupees: int = 1100, **fields) -> Package:
    defaults = {
        "location": "Patna",
        "language": Package.Language.HINDI,
        "package_type": Package.PackageType.BASIC,
        "description": "<p>One priest.</p>",
    }
    return Package.objects.create(puja_service=service, price_paise=rupees * 100, **defaults | fields)


def in_days(days: int, hour: int = 10) -> datetime:
    """A full hour, on the clock people in our time zone read."""
    return (timezone.localtime() + timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)


def make_slot(service: PujaService, days: int = 3, hour: int = 10, capacity: int = 2, **fields) -> Slot:
    return Slot.objects.create(service=service, starts_at=in_days(days, hour), capacity=capacity, **fields)


def make_promo(code: str = "WELCOME10", **fields) -> PromoCode:
    discount = {} if "amount_paise" in fields else {"discount_type": "PERCENT", "percent": 10}
    if not discount:
        discount = {"discount_type": "FIXED"}
    return PromoCode.objects.create(code=code, **discount | fields)


def make_cart(
    user: User, package: Package, start: datetime | None = None, promo_code: str | None = None
) -> Cart:
    """An ACTIVE cart, made as a person makes one."""
    start = timezone.localtime(start or in_days(3))
    return fill_cart(
        user,
        puja_service=package.puja_service_id,
        package_id=package.pk,
        selected_date=start.date(),
        selected_time=start.time(),
        promo_code=promo_code,
    )


def make_checkout(cart: Cart, address_id: int | None = None, minutes: int = 15) -> Checkout:
    return check_out(cart, address_id=address_id, expires_at=timezone.now() + timedelta(minutes=minutes))
