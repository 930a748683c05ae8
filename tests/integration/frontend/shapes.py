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
DATE, TIME = matching(r"\d{4}-\d\d-\d\d"), matching(r"\d\d:\d\d(:\d\d)?")
TEXT = matching(r"(?s).+")
UUID = matching(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
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
    "status": one_of("PENDING", "CONFIRMED", "COMPLETED", "CANCELLED", "REJECTED", "FAILED"),
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
    "address": (
        {name: shape for name, shape in ADDRESS.items() if name not in ("id", "is_default")},
        nothing,
    ),
}
CHECKED = {"payment_status": PAYMENT_STATUS, "booking_created": bool, "message": TEXT}
CHECKED_WITH_BOOKING = {"payment_status": PAYMENT_STATUS, "booking_created": bool, "booking": BOOKING}

# Today's site.
CART_PAYMENT = {
    "success": bool,
    "data": {
        "payment_order": {
            "id": (int, UUID),
            "merchant_order_id": TEXT,
            "phonepe_payment_url": matching("https?://.+"),
            "amount": int,
            "amount_in_rupees": (int, float, RUPEES),
            "cart_id": UUID,
            "status": TEXT,
            "created_at": moment,
        }
    },
}
CART_STATUS = {"data": {"payment_status": one_of("SUCCESS", "INITIATED", "FAILED"), "booking_created": bool}}
ORDER_STATUS = {
    "status": TEXT,
    "id": (int, UUID),
    "transaction_id": (str, nothing),
    "amount": (int, float, RUPEES),
    "status_display": TEXT,
    "created_at": moment,
}
PAID_BY = {"transaction_id": TEXT, "payment_method": TEXT, "status": PAYMENT_STATUS}
PAID_IN_DETAIL = PAID_BY | {"payment_id": (int, TEXT), "payment_date": moment, "amount": RUPEES}
TODAYS_BOOKING = BOOKING | {
    "payment": PAID_BY,
    "payment_details": (PAID_IN_DETAIL, nothing),
    "cart": {
        "service_type": one_of("PUJA"),
        "puja_service": {
            "title": TEXT,
            "type": one_of("HOME", "TEMPLE", "ONLINE"),
            "image_url": image,
            "duration_minutes": int,
            "category_detail": {"name": TEXT},
        },
        "package": {
            "location": str,
            "language": TEXT,
            "package_type": TEXT,
            "description": str,
            "priest_count": int,
            "includes_materials": bool,
        },
    },
}
PROFILE = {
    "first_name": str,
    "last_name": str,
    "dob": (DATE, nothing),
    "profile_picture": (matching("https?://.+"), nothing),
    "created_at": moment,
}
PAN_CARD = {
    "pan_number": TEXT,
    "is_verified": bool,
    "pan_card_image_url": (matching("https?://.+"), nothing),
    "updated_at": (moment, nothing),
}
MY_PROMO = {
    "id": int,
    "code": TEXT,
    "description": (str, nothing),
    "discount": matching(r"\d+(\.\d\d)?"),
    "discount_type": one_of("PERCENT", "FIXED"),
    "min_order_amount": (RUPEES, nothing),
    "max_discount_amount": (RUPEES, nothing),
    "start_date": (moment, nothing),
    "expiry_date": (moment, nothing),
    "usage_limit": (int, nothing),
    "user_usage_count": (int, nothing),
    "code_type": one_of("PUBLIC", "PRIVATE", "ASSIGNED", "SERVICE_SPECIFIC"),
    "is_active": bool,
    "is_used_by_user": (bool, nothing),
}
USED_PROMO = {
    "id": int,
    "promo_code": {"code": TEXT, "description": (str, nothing)},
    "used_at": moment,
    "order_amount": RUPEES,
    "discount_amount": RUPEES,
    "order_id": (str, nothing),
}
MY_PROMOS = {"results": [MY_PROMO], "count": int, "next": (str, nothing), "previous": (str, nothing)}
PROMO_ACCEPTED = {"valid": bool, "message": TEXT, "discount_amount": (int, float)}


# Today's admin pages. Rates must be numbers: `toFixed` is called on them.
NUMBER = (int, float)
DESK_STATUS = one_of("PENDING", "CONFIRMED", "IN_PROGRESS", "COMPLETED", "CANCELLED", "REJECTED", "FAILED")
DESK_BOOKING = {
    "id": int,
    "book_id": matching("BK-.{8}"),
    "user": {"username": TEXT, "email": TEXT, "phone": (str, nothing)},
    "user_name": TEXT,
    "user_email": TEXT,
    "user_phone": (str, nothing),
    "service_title": TEXT,
    "total_amount": RUPEES,
    "address_full": TEXT,
    "selected_date": DATE,
    "selected_time": TIME,
    "assigned_to": (int, nothing),
    "assigned_to_name": (TEXT, nothing),
    "status": DESK_STATUS,
    "payment_status": str,
    "special_request": str,
    "created_at": moment,
}
DASHBOARD = {
    "overview": {
        **{
            f"{name}_bookings": int
            for name in (
                *("total", "confirmed", "completed", "pending", "cancelled", "rejected", "failed"),
                *("assigned", "unassigned", "today", "overdue"),
            )
        },
        "active_employees": int,
        "active_services": int,
        "total_revenue": RUPEES,
        "average_booking_value": RUPEES,
    },
    "recent_bookings": [
        {
            "id": int,
            "book_id": matching("BK-.{8}"),
            "user_name": TEXT,
            "selected_date": DATE,
            "total_amount": RUPEES,
            "status": DESK_STATUS,
            "assigned_to_name": (TEXT, nothing),
            "is_overdue": bool,
            "booking_age": TEXT,
        }
    ],
}


def daily(value: Any) -> bool:
    return all(
        DATE(day) and RUPEES(each["revenue"]) and type(each["bookings"]) is int for day, each in value.items()
    )


def breakdown(value: Any) -> bool:
    return all(
        isinstance(each["display_name"], str) and type(each["count"]) is int for each in value.values()
    )


REPORTS = {
    "revenue": {
        "total_revenue": RUPEES,
        "total_bookings": int,
        "average_booking_value": RUPEES,
        "daily_breakdown": daily,
    },
    "performance": {"completion_rate": NUMBER, "cancellation_rate": NUMBER, "status_breakdown": breakdown},
    "assignments": {
        "total_bookings": int,
        "assigned_bookings": int,
        "unassigned_bookings": int,
        "assignment_rate": NUMBER,
        "employee_performance": [
            {
                "employee_id": (int, nothing),  # of a priest without an account
                "name": TEXT,
                "email": str,
                "total_assigned": int,
                "completed": int,
                "completion_rate": NUMBER,
            }
        ],
    },
}
DESK_PROMO = {
    "id": int,
    "code": TEXT,
    "description": str,
    "discount": RUPEES,
    "discount_type": one_of("PERCENT", "FIXED"),
    "min_order_amount": (RUPEES, nothing),
    "max_discount_amount": (RUPEES, nothing),
    "start_date": (moment, nothing),
    "expiry_date": moment,
    "usage_limit": (int, nothing),
    "usage_count": int,
    "code_type": one_of("PUBLIC", "PRIVATE", "ASSIGNED", "SERVICE_SPECIFIC"),
    "is_active": bool,
    "created_at": moment,
    "updated_at": moment,
}
EMPLOYEE = {
    "id": int,
    "username": TEXT,
    "email": TEXT,
    "role": one_of("EMPLOYEE", "ADMIN"),
    "is_active": bool,
    "first_name": str,
    "last_name": str,
}
PERSON_AT_DESK = {
    "id": int,
    "username": TEXT,
    "email": TEXT,
    "phone": (str, nothing),
    "role": one_of("USER", "EMPLOYEE", "ADMIN"),
    "account_status": one_of("ACTIVE", "INACTIVE", "SUSPENDED", "PENDING"),
    "date_joined": moment,
}


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
