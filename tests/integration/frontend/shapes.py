"""Every field that the frontend reads, with the type it expects. Ids are integers: it runs them through parseInt."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

IMAGE_HOSTS = ("https://ik.imagekit.io/", "https://example.com/", "https://randomuser.me/")


def matching(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and value in words


def moment(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None


def image(value: Any) -> bool:
    """next/image throws the whole page away for an empty address or an unknown host."""
    return isinstance(value, str) and value.startswith(IMAGE_HOSTS)


def nothing(value: Any) -> bool:
    return value is None


RUPEES = matching(r"\d+\.\d\d")
DATE, TIME = matching(r"\d{4}-\d\d-\d\d"), matching(r"\d\d:\d\d")
TEXT = matching(r"(?s).+")
PAYMENT_STATUS = one_of("PENDING", "SUCCESS", "FAILED", "CANCELLED", "REFUNDED", "PARTIALLY_REFUNDED")

LOGIN = {
    "access": TEXT,
    "refresh": TEXT,
    "id": int,
    "role": one_of("USER", "ADMIN", "EMPLOYEE"),
    "account_status": one_of("ACTIVE"),
    "email_verified": bool,
    "full_name": str,
    "first_name": str,
    "last_name": str,
    "phone": (str, nothing),
    "avatar": (str, nothing),
}
CATEGORY = {"id": int, "name": TEXT}
SERVICE = {
    "id": int,
    "title": TEXT,
    "image_url": image,
    "description": str,
    "category_detail": CATEGORY,
    "type": one_of("HOME", "TEMPLE", "ONLINE"),
    "duration_minutes": int,
    "is_active": bool,
}
PACKAGE = {
    "id": int,
    "location": str,
    "language": one_of("HINDI", "ENGLISH", "SANSKRIT", "REGIONAL"),
    "package_type": one_of("BASIC", "STANDARD", "PREMIUM", "CUSTOM"),
    "price": RUPEES,
    "description": str,
    "includes_materials": bool,
    "priest_count": int,
}
PROMO = {
    "id": int,
    "code": TEXT,
    "description": str,
    "discount": matching(r"\d+(\.\d\d)?"),
    "discount_type": one_of("PERCENTAGE", "FIXED"),
    "min_order_amount": RUPEES,
    "max_discount_amount": (RUPEES, nothing),
    "is_valid": bool,
    "validity_message": str,
}
CART = {
    "id": int,
    "cart_id": TEXT,
    "user": int,
    "service_type": one_of("PUJA", "ASTROLOGY"),
    "puja_service": SERVICE,
    "package": PACKAGE,
    "astrology_service": nothing,
    "selected_date": DATE,
    "selected_time": TIME,
    "promo_code": (PROMO, nothing),
    "status": one_of("ACTIVE"),
    "created_at": moment,
    "updated_at": moment,
    "total_price": RUPEES,
    "can_delete": bool,
}
ADDRESS = {
    "id": int,
    "address_line1": TEXT,
    "address_line2": str,
    "city": TEXT,
    "state": TEXT,
    "postal_code": TEXT,
    "country": TEXT,
    "is_default": bool,
}
STARTED = {
    "success": bool,
    "payment_id": int,
    "payment_url": matching("https?://.+"),
    "merchant_transaction_id": TEXT,
    "transaction_id": TEXT,
    "amount": RUPEES,
    "currency": one_of("INR"),
    "status": PAYMENT_STATUS,
    "cart_id": int,
}
PAYMENT = {
    "id": int,
    "transaction_id": TEXT,
    "booking_id": (matching("BK-.{8}"), nothing),
    "amount": RUPEES,
    "currency": one_of("INR"),
    "method": TEXT,
    "method_display": TEXT,
    "status": PAYMENT_STATUS,
    "status_display": TEXT,
    "created_at": moment,
}
BOOKING = {
    "id": int,
    "book_id": matching("BK-.{8}"),
    "status": one_of("CONFIRMED", "COMPLETED", "CANCELLED"),
    "total_amount": RUPEES,
    "created_at": moment,
    "selected_date": DATE,
    "selected_time": TIME,
    "cart": {
        "puja_service": {"title": TEXT},
        "package": {
            "location": str,
            "language": TEXT,
            "package_type": TEXT,
            "description": str,
        },
    },
    "user": {"username": TEXT, "email": TEXT, "phone": (str, nothing)},
    "address": {name: shape for name, shape in ADDRESS.items() if name not in ("id", "is_default")},
}
UNPAID = {"payment_status": PAYMENT_STATUS, "booking_created": bool, "message": TEXT}
BOOKED = {"payment_status": PAYMENT_STATUS, "booking_created": bool, "booking": BOOKING}


def misfits(value: Any, shape: Any, where: str = "") -> list[str]:
    """Where `value` is not as the frontend expects it. A tuple of shapes means any of them."""
    if isinstance(shape, tuple):
        return [] if any(not misfits(value, one) for one in shape) else [f"{where} is {value!r}"]
    if isinstance(shape, list):
        rows = value if isinstance(value, list) else []
        wrong = [] if isinstance(value, list) else [f"{where} is no array"]
        return wrong + [
            fault for n, row in enumerate(rows) for fault in misfits(row, shape[0], f"{where}[{n}]")
        ]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is {value!r}"]
        return [
            fault
            for name, inner in shape.items()
            for fault in (
                misfits(value[name], inner, f"{where}.{name}")
                if name in value
                else [f"{where}.{name} is missing"]
            )
        ]
    fits = type(value) is shape if isinstance(shape, type) else shape(value)
    return [] if fits else [f"{where} is {value!r}"]


def fitting(value: Any, shape: Any) -> Any:
    assert misfits(value, shape) == []
    return value
