"""One of each message, as the code fills them in."""

from datetime import datetime, timezone

from accounts.models import User
from notifications.models import Notification
from notifications.receipt import ReceiptDocument

CONFIRMED = datetime(2026, 11, 1, tzinfo=timezone.utc)
PAYMENT = {
    "payment_id": 17,
    "reference": "OKP-7F3K9M2Q4T6V",
    "amount_paise": 14_841_000,
    "paid_at": "2026-11-22T10:04:11+05:30",
    "simulated": False,
    "held_because": "",
    "fulfilment": "BOOKED",
    "puja": "Satyanarayan Katha",
    "place": "Varanasi",
    "starts_at": "2026-11-28T10:30:00+05:30",
}
BOOKING = {**PAYMENT, "book_id": "BK-7KQ2MN4T"}
GONE = {**PAYMENT, "wanted_at": PAYMENT["starts_at"], "starts_at": ""}
REFUND = {
    **PAYMENT,
    "refund_paise": 14_841_000,
    "refund_id": "R1-OKP20261122A0001",
}
FACTS = {
    "received": {**PAYMENT, "fulfilment": "HELD_FOR_STAFF"},
    "booked": BOOKING,
    "pending": PAYMENT,
    "failed": {**PAYMENT, "simulated": True},
    "refund_started": {**REFUND, "expected_by": "2026-11-29T10:04:11+05:30"},
    "refund_credited": {**REFUND, "utr": "426112345678"},
    "offer": {
        **GONE,
        "offered": [f"2026-11-{day}T10:30:00+05:30" for day in (29, 30)] + ["2026-12-01T17:00:00+05:30"],
        "until": "2026-11-23T10:04:11+05:30",
    },
    "called_off": {
        **BOOKING,
        "wanted_at": PAYMENT["starts_at"],
        "starts_at": "",
        "offered": ["2026-11-28T15:00:00+05:30"],
        "until": "2026-11-27T10:30:00+05:30",
        "because": "The Ganga is in flood.",
    },
    "pay_link": {**PAYMENT, "link_id": 1, "until": "2026-11-27T10:30:00+05:30"},
    "offer_closed": GONE,
    "paid_twice": BOOKING,
    "cancelled": {**BOOKING, "refund_paise": 14_841_000},
    "confirm": {"code_id": 1, "code": "042917"},
    "reset": {"code_id": 2, "code": "583310"},
    "login": {"code_id": 3, "code": "271828"},
    "registered": {},
    "reminder": BOOKING,
    "paying_works": {"at": PAYMENT["paid_at"]},
    "promo_code": {
        "promo_id": 1,
        "code": "DIWALI25",
        "percent": None,
        "discount_paise": 25_000,
        "least_order_paise": 110_000,
        "until": "2026-11-27T10:30:00+05:30",
    },
    "waiting_offer": {
        **{name: PAYMENT[name] for name in ("puja", "place", "starts_at")},
        "waiting_id": 1,
        "offer": 1,
        "until": "2026-11-27T10:30:00+05:30",
    },
    "waiting_over": {
        **{name: PAYMENT[name] for name in ("puja", "place", "starts_at")},
        "waiting_id": 1,
        "is_free": True,
    },
    **{
        kind: {
            **{name: BOOKING[name] for name in ("puja", "place", "starts_at", "book_id")},
            "moved_from": "2026-11-27T10:30:00+05:30",
            "assignment_id": 1,
            "changes": 0,
        }
        for kind in ("priest_assigned", "priest_moved", "priest_freed")
    },
    "priest_known": {**BOOKING, "priest": "Pandit Ravi Shastri", "assignment_id": 1},
    "moved_by_customer": {**BOOKING, "moved_from": "2026-11-27T10:30:00+05:30"},
    "moved": {**BOOKING, "moved_from": "2026-11-27T10:30:00+05:30"},
}
ALERT = {**PAYMENT, "rule": "amount_differs", "case": "payment:17", "held_because": "amount_differs"}
PAPER = ReceiptDocument(
    number="OKP/26-27/000123",
    received_at=datetime(2026, 11, 22, 4, 34, tzinfo=timezone.utc),
    simulated=False,
    payer="राधिका शर्मा, radhika@example.com",
    address="12 Temple Road, स्टेशन रोड, प्रयागराज, Uttar Pradesh, 211001",
    item="Satyanarayan Katha सत्यनारायण कथा",
    starts_at=datetime(2026, 11, 28, 5, 0, tzinfo=timezone.utc),
    price_paise=14_990_000,
    discount_paise=149_000,
    total_paise=14_841_000,
    reference="OKP-7F3K9M2Q4T6V",
    transaction="T2611221530123456789012",
    utr="426112345678",
)


def notifications():
    """Every kind in both languages, and one alert; no row is written."""
    reader = User(
        email="radhika@example.com", first_name="राधिका", last_name="शर्मा", email_confirmed_at=CONFIRMED
    )
    for language in ("en", "hi"):
        for kind, facts in FACTS.items():
            yield Notification(
                kind=kind, facts=facts, user=reader, language=language, key=f"{kind}-{language}"
            )
    yield Notification(kind="alert", facts=ALERT, channel=Notification.Channel.STAFF, key="alert-en")
