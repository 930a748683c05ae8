"""A case as JSON for those who help us: PhonePe's support, a developer. It names no person and opens nothing.

Columns are named one by one: a new one is not in it until somebody has thought of it. The whole text is redacted
after that, and what is known of the person is taken out wherever it was written.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import Model
from django.utils import timezone

from core.logging import redact
from core.printable import printable_values
from payment.models import WebhookEvent
from payment.services.cases import Case
from payment.services.timeline import Entry

UPI_ID = re.compile(r"(?<![\w.+-])[\w.+-]{2,}@[A-Za-z]{2,}\b(?!\.)")
CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
# What PhonePe tells of the payer's bank, in any spelling; `response` is the whole answer of V1 in base64.
PRIVATE_KEYS = re.compile(
    r"(?i)account|holder|vpa|upi|card|ifsc|name|mobile|phone|email|address|token|url|secret|password|udf|metainfo|meta"
)
SHORTEST = 3  # a shorter name would be found in innocent words

PAYMENT = [
    "reference",
    "amount_paise",
    "method",
    "state",
    "fulfilment",
    "held_because",
    "came_late",
    "simulated",
    "created_at",
    "decided_at",
    "asked_at",
]
ATTEMPT = [
    "number",
    "merchant_order_id",
    "state",
    "channel",
    "generation",
    "environment",
    "amount_paise",
    "received_paise",
    "provider_order_id",
    "provider_transaction_id",
    "utr",
    "code",
    "not_found_answers",
    "checks",
    "created_at",
    "sent_at",
    "expires_at",
    "paid_at",
    "decided_at",
    "next_check_at",
]
REFUND = [
    "merchant_refund_id",
    "amount_paise",
    "state",
    "origin",
    "held_because",
    "provider_refund_id",
    "utr",
    "code",
    "checks",
    "created_at",
    "sent_at",
    "decided_at",
    "next_check_at",
    "expected_by",
]
BOOKING = [
    "book_id",
    "status",
    "starts_at",
    "created_at",
    "cancelled_at",
    "moves",
    "own_moves",
    "choose_until",
]
CALL = [
    "operation",
    "host",
    "port",
    "stage",
    "milliseconds",
    "http_status",
    "code",
    "error_category",
    "request_id",
    "started_at",
]
EVENT = [
    "received_at",
    "handled_at",
    "event",
    "scheme",
    "merchant_order_id",
    "merchant_refund_id",
    "claimed_state",
    "claimed_paise",
    "state",
    "differs",
    "unclear",
    "deliveries",
    "checks",
]
MESSAGE = [
    "kind",
    "channel",
    "state",
    "language",
    "created_at",
    "sent_at",
    "checks",
    "dropped_because",
    "last_error",
]
DISPUTE = ["dispute_id", "status", "amount_paise", "is_proven", "told_at", "due_at"]
TOLD = [
    "at",
    "kind",
    "text",
    "order",
    "rule",
    "stage",
    "ms",
    "error_category",
    "means",
    "who_must_act",
    "request_id",
]


def support_bundle(case: Case) -> str:
    """JSON, two blanks deep. No secret, no PAN, no token, no name, address, mail address or phone number."""
    facts = {
        "case": case.number,
        "made_at": timezone.localtime().isoformat(),
        "payment": _columns(case.payment, PAYMENT),
        "booking": _columns(case.booking, BOOKING) if case.booking else None,
        "puja": case.checkout.puja_title if case.checkout else None,
        "orders": _all(case.attempts, ATTEMPT),
        "refunds": _all(case.refunds, REFUND),
        "disputes": _all(case.disputes, DISPUTE),
        "messages": [_columns(each.notification, MESSAGE) for each in case.messages],
        "calls": _all(case.calls, CALL),
        "webhooks": [{**_columns(each, EVENT), "body": masked_body(each)} for each in case.events],
        "timeline": [_without_reasons(entry) for entry in case.timeline],
    }
    text = redact(json.dumps(printable_values(facts), indent=2, ensure_ascii=False, default=str))
    for known in sorted(_known_of(case), key=len, reverse=True):
        text = re.sub(
            rf"(?i)(?<!\w){re.escape(json.dumps(known, ensure_ascii=False)[1:-1])}(?!\w)", "[person]", text
        )
    return text


def masked_body(event: WebhookEvent) -> Any:
    """What PhonePe sent, as JSON without what it tells of the payer; the number of bytes of what is no JSON."""
    body = bytes(event.body)
    try:
        return _masked(json.loads(body))
    except ValueError:
        return f"[{len(body)} bytes that are no JSON]"


def masked_text(event: WebhookEvent) -> str:
    """For a page of staff: also what is no JSON, which nobody could review without seeing it."""
    body = bytes(event.body)
    try:
        return json.dumps(_masked(json.loads(body)), indent=2, ensure_ascii=False)
    except ValueError:
        return mask_text(body.decode("utf-8", "replace"))


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _masked_member(str(name), item) if not isinstance(item, dict | list) else _masked(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return mask_text(value) if isinstance(value, str) else value


def _masked_member(name: str, value: Any) -> Any:
    if name == "response" and isinstance(value, str):  # encoded, it would hide from every pattern
        try:
            return _masked(json.loads(base64.b64decode(value, validate=True)))
        except (binascii.Error, ValueError):
            return "[unreadable]"
    if PRIVATE_KEYS.search(name) and value not in (None, "", True, False):
        return "[masked]"
    return _masked(value)


def mask_text(text: str) -> str:
    """Without secrets, mail addresses, phones, PANs, UPI ids and numbers of cards."""
    return CARD.sub("[number]", UPI_ID.sub("[upi id]", redact(text)))


def _without_reasons(entry: Entry) -> dict[str, Any]:
    """Without what staff wrote as a reason, which may name people; it is in the text of a refund, too."""
    facts = {name: entry[name] for name in TOLD if entry.get(name)}
    if entry["kind"] == "refund":
        del facts["text"]
    facts["decided_by_staff"] = "by" in entry or None
    return {name: value for name, value in facts.items() if value is not None}


def _all(rows: Iterable[Model], columns: Iterable[str]) -> list[dict[str, Any]]:
    return [_columns(row, columns) for row in rows]


def _columns(row: Model, columns: Iterable[str]) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in columns}
    return {
        name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()
    }


def _known_of(case: Case) -> Iterator[str]:
    """How this person may be called in any text."""
    person, checkout = case.person, case.checkout
    known = [case.payment.payer_reference, str(case.payment.payer_mobile or "")]
    if person:
        known += [
            person.email,
            str(person.phone or ""),
            person.full_name,
            person.first_name,
            person.last_name,
        ]
    if checkout:
        known += [checkout.address_line1, checkout.address_line2, checkout.address_postal_code]
        known += re.split(r"[,;\n]", checkout.devotee_names)
        known += [checkout.gotra, checkout.wishes]
    yield from {each.strip() for each in known if len(each.strip()) >= SHORTEST}
