"""The tables that `bench.trade` fills: which columns each row gives, and what is the same in all rows of a table."""

from typing import Any

import psycopg
from django.db import connection, models
from django.db.models.expressions import DatabaseDefault
from psycopg import sql

from accounts.models import Address, OneTimeCode, Session, User
from booking.models import (
    Assignment,
    Booking,
    Cart,
    Checkout,
    Package,
    Priest,
    PromoCode,
    PujaCategory,
    PujaService,
    Slot,
    SlotHold,
)
from notifications.models import Notification
from payment.models import (
    CreditNote,
    DiagnosisRun,
    Dispute,
    DisputeUpdate,
    Donation,
    GatewayCall,
    IdempotencyKey,
    LedgerEntry,
    Offer,
    Payment,
    PaymentAttempt,
    Receipt,
    ReceiptCounter,
    Reconciliation,
    Refund,
    StateChange,
    WebhookEvent,
)

DESCRIPTION = "<p>Katha and puja for peace at home, with flowers, lamps and prasad for the whole family.</p>"
HOST = "api.phonepe.com"
MERCHANT = {"generation": "v2", "environment": "PRODUCTION", "merchant": "OKPUJAONLINE"}
IMAGE_URL = "https://ik.imagekit.io/okpuja/puja.jpg"
MOMENTS = "created_at updated_at"


class Rows:
    """Rows of one table until they are copied. Columns that are the same in all of them have a default meanwhile."""

    def __init__(self, model: type[models.Model], names: str, **same: Any) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        given = [fields[name].column for name in names.split()]
        self.table = model._meta.db_table
        self.columns, self.lines, self.count = given, [], 0
        values = {name: same.get(name, field.get_default()) for name, field in fields.items()}
        self.defaults = {
            field.column: field.get_db_prep_save(values[name], connection)
            for name, field in fields.items()
            if field.column not in given and values[name] is not None and not field.primary_key
            if not isinstance(values[name], DatabaseDefault)  # the table has it
        }
        self.model = model

    def add(self, *cells: Any) -> None:
        self.lines.append("\t".join(map(str, cells)))

    def copy(self, cursor: psycopg.Cursor) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN (FREEZE)").format(
            sql.Identifier(self.table), sql.SQL(", ").join(map(sql.Identifier, self.columns))
        )
        with cursor.copy(statement) as copy:
            copy.write("\n".join([*self.lines, ""]))
        self.count += len(self.lines)
        self.lines = []

    def set_defaults(self, cursor: psycopg.Cursor) -> None:
        for column, value in self.defaults.items():
            cursor.execute(self._alter(column, sql.SQL("SET DEFAULT {}").format(sql.Literal(value))))

    def drop_defaults(self, cursor: psycopg.Cursor) -> None:
        for column in self.defaults:
            cursor.execute(self._alter(column, sql.SQL("DROP DEFAULT")))

    def _alter(self, column: str, what: sql.Composable) -> sql.Composed:
        names = sql.Identifier(self.table), sql.Identifier(column)
        return sql.SQL("ALTER TABLE {} ALTER COLUMN {} ").format(*names) + what


def make_tables() -> dict[str, Rows]:
    """In the order of the models."""
    return _people() | _catalogue() | _sales() | _payments() | _money() | _records()


def _people() -> dict[str, Rows]:
    """Customers, with what lets them in."""
    return {
        "user": Rows(
            User,
            "id email phone first_name last_name date_joined updated_at email_confirmed_at",
            password="!" + "x" * 40,
        ),
        "address": Rows(
            Address,
            f"user_id address_line1 city state postal_code {MOMENTS}",
            is_default=True,
            country="India",
        ),
        "session": Rows(
            Session, "user_id key refresh_digest user_hash created_at last_used_at expires_at", network="1"
        ),
        "code": Rows(
            OneTimeCode, "user_id created_at expires_at used_at", purpose="CONFIRM", is_sent=True, nonce="n"
        ),
    }


def _catalogue() -> dict[str, Rows]:
    """What is offered, and when."""
    return {
        "category": Rows(PujaCategory, f"id name {MOMENTS}"),
        "service": Rows(
            *(PujaService, f"id title {MOMENTS}"),
            category_id=1,
            type="HOME",
            duration_minutes=90,
            description=DESCRIPTION,
            image_url=IMAGE_URL,
        ),
        "package": Rows(
            *(Package, f"id puja_service_id price_paise {MOMENTS}"),
            location="Patna",
            language="HINDI",
            package_type="STANDARD",
            description="Two priests",
        ),
        "promo": Rows(
            *(PromoCode, "id code percent starts_at used_count reserved_count created_at"),
            discount_type="PERCENT",
            min_order_paise=0,
        ),
        "priest": Rows(Priest, "id name created_at"),
        "slot": Rows(Slot, "id service_id starts_at held booked", capacity=1_000),
    }


def _sales() -> dict[str, Rows]:
    """What was chosen, held and booked."""
    puja = {"puja_image_url": IMAGE_URL, "puja_description": DESCRIPTION}
    puja |= {"puja_type": "HOME", "puja_duration_minutes": 90}
    puja |= {"category_id": 1, "category_name": "Home and family"}
    package = {"package_location": "Patna", "package_language": "HINDI", "package_type": "STANDARD"}
    package |= {
        "package_description": "Two priests, all materials.",
        "includes_materials": True,
        "priest_count": 2,
    }
    return {
        "cart": Rows(
            Cart,
            f"id user_id cart_id puja_service_id package_id selected_date selected_time status {MOMENTS}",
        ),
        "checkout": Rows(
            Checkout,
            "id cart_id user_id state expires_at created_at price_paise discount_paise total_paise starts_at"
            " puja_service_id puja_title package_id promo_code_id promo_state promo_code_text promo_percent"
            " promo_min_order_paise address_id address_line1 address_city address_state address_postal_code"
            " address_created_at address_updated_at puja_created_at puja_updated_at category_created_at"
            " category_updated_at package_created_at package_updated_at",
            **puja | package | {"address_country": "India", "address_is_default": True},
        ),
        "hold": Rows(SlotHold, "id checkout_id slot_id state expires_at created_at released_at"),
        "booking": Rows(Booking, f"id book_id user_id checkout_id starts_at status cancelled_at {MOMENTS}"),
        "assignment": Rows(Assignment, "booking_id priest_id begins ends created_at"),
    }


def _payments() -> dict[str, Rows]:
    """What PhonePe was asked for, and what it said."""
    call = {"endpoint": f"https://{HOST}/apis/pg", "host": HOST, "port": 443, "stage": "BODY"}
    return {
        "payment": Rows(
            Payment,
            "id user_id checkout_id reference amount_paise state fulfilment held_because payer_mobile created_at"
            " asked_at decided_at",
            frontend="2026",
        ),
        "attempt": Rows(
            PaymentAttempt,
            "id payment_id number merchant_order_id state amount_paise received_paise paid_at page_url"
            " provider_order_id provider_transaction_id utr sent_at expires_at next_check_at created_at decided_at",
            **MERCHANT,
        ),
        "call": Rows(
            GatewayCall,
            "payment_id attempt_id operation milliseconds http_status error_category code started_at",
            **call,
        ),
        "change": Rows(StateChange, "payment_id attempt_id subject before after rule created_at"),
        "event": Rows(
            WebhookEvent,
            "id digest body event merchant_order_id claimed_state claimed_paise attempt_id received_at handled_at",
            scheme="sha256",
            state="HANDLED",
            deliveries=1,
            checks=1,
        ),
    }


def _money() -> dict[str, Rows]:
    """What came, its papers, and what went back."""
    return {
        "ledger": Rows(LedgerEntry, "payment_id attempt_id kind amount_paise reference created_at"),
        "receipt": Rows(
            Receipt,
            "id payment_id series year number received_at price_paise discount_paise total_paise",
        ),
        "donation": Rows(Donation, "payment_id email purpose"),
        "note": Rows(CreditNote, "refund_id receipt_id year number issued_at total_paise", series="OKC"),
        "counter": Rows(ReceiptCounter, "series year last"),
        "refund": Rows(
            Refund,
            "id payment_id attempt_id merchant_refund_id amount_paise provider_refund_id utr sent_at created_at"
            " decided_at",
            state="COMPLETED",
            reason="cancelled",
        ),
        "offer": Rows(Offer, "payment_id state expires_at created_at decided_at"),
        "dispute": Rows(
            Dispute, f"id dispute_id attempt_id event_id told_at {MOMENTS}", status="WON", is_proven=True
        ),
        "update": Rows(DisputeUpdate, "dispute_id event_id told_at created_at", status="WON", is_proven=True),
    }


def _records() -> dict[str, Rows]:
    """Messages, and what the server notes of itself."""
    sent = {"state": "SENT", "next_check_at": None, "checks": 1, "language": "en"}
    return {
        "notification": Rows(
            Notification, "kind key user_id email facts message_id created_at sent_at", **sent
        ),
        "key": Rows(
            IdempotencyKey,
            "caller key_digest body_digest lease lease_until created_at",
            route="process-cart",
            status_code=201,
            answer={"payment_id": 1},
        ),
        "reconciliation": Rows(
            Reconciliation, "day occasion started_at finished_at", asked_by="worker", is_clean=True
        ),
        "diagnosis": Rows(
            *(DiagnosisRun, "occasion started_at finished_at"),
            asked_by="worker",
            success=True,
            verdict="ok",
            culprit="none",
            summary="All is well.",
        ),
    }
