"""The timeline of a payment: every HTTP call, webhook, ledger entry and decision, with the rule behind it.

Also the list of codes of PhonePe that `payment.phonepe.response_codes` does not know.
"""

from datetime import datetime, timedelta
from typing import Any, TypedDict, TypeVar

from django.db.models import Count, Max, Model, QuerySet
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.money import grouped, in_rupees
from payment.models import (
    GatewayCall,
    Payment,
    PaymentAttempt,
    Refund,
    StateChange,
    WebhookEvent,
)
from payment.models.payments import unknown_code
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.response_codes import MEANINGS, Actor, meaning
from payment.states import RefundState

Entry = dict[str, Any]
Row = TypeVar("Row", bound=Model)

MAX_ENTRIES = 200  # of each kind
UNKNOWN_CODE_WINDOW = timedelta(days=90)

# The sentence for the buyer about a decision. Rules without a sentence are not shown to them.
SENTENCES = {
    "first_click": _("You started this payment."),
    "page_opened": _("The payment page was opened."),
    "sdk_order_opened": _("The payment was opened in the app."),
    "upi_intent_opened": _("The payment was opened for a UPI app."),
    "page_lost": _("The payment page was lost on the way; another one was opened."),
    "no_answer": _("PhonePe did not answer in time. We went on asking."),
    "money_received": _("PhonePe confirmed your payment."),
    "booked": _("Your booking was confirmed."),
    "gift_received": _("Your donation was received."),
    "amount_differs": _("The amount differs from what was agreed. Our staff will contact you."),
    "no_attempt_left": _("The payment ended without a booking or a donation."),
    "start_passed": _("The time had begun when your payment arrived. You were offered other times."),
    "slot_gone": _("The time was taken when your payment arrived. You were offered other times."),
    "other_place_chosen": _("You chose another time, and your booking was confirmed."),
    "offer_declined": _("You asked for your money back."),
    "offer_expired": _("No other time was chosen. Your money goes back to you."),
    "all_sent_back": _("All of your money goes back to you."),
    "closed_by_staff": _("Our staff ended the offer. Your money goes back to you."),
    "no_place_left": _(
        "The time was taken when your payment arrived, and no other was free. Your money goes back."
    ),
    "accepted_by_staff": _("Our staff accepted your payment."),
    "returned_by_staff": _("Our staff sends your money back."),
    "called_off_by_temple": _("The temple called your time off. You were offered other times."),
    "moved_by_temple": _("The temple moved your booking to another time."),
    "priest_assigned": _("The temple chose the priest for your puja."),
    "priest_unassigned": _("The temple sends another priest to your puja."),
    "completed_by_staff": _("Your puja was completed."),
    "moved_by_customer": _("You moved your booking to another time."),
    "booked_meanwhile": _(
        "You had booked the same puja for the same time meanwhile. Your money goes back to you."
    ),
    "cart_converted": _("This cart had been paid for already. Your money goes back to you."),
    "given_up": _("You gave this payment up."),
    "stopped_by_staff": _("Our staff closed this payment. Your cart is free again."),
    "released_while_held": _("Your cart is free again while our staff look at the money that came."),
    "page_expired_unpaid": _("The payment page expired."),
}


def _newest(rows: QuerySet[Row]) -> list[Row]:
    """The newest MAX_ENTRIES, oldest first. An order may be polled every day for years."""
    return list(rows.order_by("-pk")[:MAX_ENTRIES])[::-1]


def for_staff(payment: Payment) -> list[Entry]:
    """Oldest first: `[{at, kind, text, …}]`, the newest MAX_ENTRIES of each kind, in five queries."""
    entries = [
        *map(_change_entry, _newest(payment.changes.select_related("attempt"))),
        *map(_call_entry, _newest(payment.calls.select_related("attempt"))),
        *map(_event_entry, _newest(events_of(payment))),
        *(
            {
                "at": entry.created_at,
                "kind": "money",
                "text": f"{entry.get_kind_display()}: {in_rupees(entry.amount_paise)}",
                "order": entry.reference,
            }
            for entry in _newest(payment.ledger.all())
        ),
        *(
            {
                "at": refund.created_at,
                "kind": "refund",
                "text": f"refund of ₹{grouped(refund.amount_paise)} {refund.state}: {refund.reason}",
                "order": refund.merchant_refund_id,
            }
            for refund in _newest(payment.refunds.all())
        ),
    ]
    return _in_order(entries)


def for_owner(payment: Payment) -> list[Entry]:
    """As `for_staff`, in sentences for the buyer, in the active language: `[{at, text}]`."""
    entries: list[Entry] = []
    for change in _newest(payment.changes.all()):
        # The rule of a failed attempt is PhonePe's code.
        rule = change.rule
        text = str(MEANINGS[rule].sentence if rule in MEANINGS else SENTENCES.get(rule, ""))
        if text:
            entries.append({"at": change.created_at, "text": text})
    for refund in _newest(payment.refunds.all()):
        amount = {"amount": f"₹{grouped(refund.amount_paise)}"}
        # A replacement is no other refund for the buyer. A request is none yet; this one may have ended as well.
        is_request = refund.held_because == Refund.Hold.SECOND_PERSON
        if refund.replaces_id is None and not is_request and refund.code != "nothing_left":
            arranged = gettext("A refund of %(amount)s was arranged.") % amount
            entries.append({"at": refund.created_at, "text": arranged})
        if refund.state == RefundState.COMPLETED and refund.decided_at:
            credited = gettext("The refund of %(amount)s was credited.") % amount
            entries.append({"at": refund.decided_at, "text": credited})
    return _in_order(entries)


def events_of(payment: Payment) -> QuerySet[WebhookEvent]:
    """PhonePe's webhooks about its orders and refunds. Found by either index: an OR over both would read all events."""
    of_orders = WebhookEvent.objects.order_by().filter(attempt__payment=payment).values("pk")
    of_refunds = WebhookEvent.objects.order_by().filter(refund__payment=payment).values("pk")
    return WebhookEvent.objects.filter(pk__in=of_orders.union(of_refunds))


def _in_order(entries: list[Entry]) -> list[Entry]:
    """Oldest first, in our time zone."""
    ordered = sorted(entries, key=lambda entry: entry["at"])
    return [{**entry, "at": timezone.localtime(entry["at"])} for entry in ordered]


def _change_entry(change: StateChange) -> Entry:
    order = change.attempt.merchant_order_id if change.attempt else None
    text = f"{change.subject}: {change.before or 'new'} → {change.after}, because {change.rule}"
    return {
        "at": change.created_at,
        "kind": "decision",
        "text": text,
        "order": order,
        "rule": change.rule,
        "detail": change.detail,
        "request_id": change.request_id,
        **_explained(change.rule),
    }


def _call_entry(call: GatewayCall) -> Entry:
    outcome = call.error_category or f"HTTP {call.http_status} {call.code}".strip()
    route = f" through {call.proxy}" if call.proxy else ""
    return {
        "at": call.started_at,
        "kind": "call",
        "text": f"{call.operation} to {call.host}:{call.port}{route}: {outcome}",
        "order": call.attempt.merchant_order_id if call.attempt else None,
        "endpoint": call.endpoint,
        "stage": call.stage,
        "ms": call.milliseconds,
        "error_category": call.error_category,
        "hop": "proxy" if call.error_category == ErrorCategory.PROXY_ERROR else "phonepe",
        "request_id": call.request_id,
        **_explained(call.code, call.error_category),
    }


def _explained(code: str, error_category: str = "") -> Entry:
    """What PhonePe's code or the error category means, and who must act; {} where nobody must."""
    found = meaning(code, error_category)
    if found is None or found.actor is Actor.NOBODY:
        return {}
    return {"means": found.cause, "who_must_act": found.actor.value, "where": found.where}


def _event_entry(event: WebhookEvent) -> Entry:
    return {
        "at": event.received_at,
        "kind": "webhook",
        "text": f"PhonePe called: {event.event or event.scheme}, {event.claimed_state}",
        "order": event.merchant_order_id,
        "deliveries": event.deliveries,
        "state": event.state,
        "differs": event.differs,
        "unclear": event.unclear,
        "closed_because": event.closed_because,
    }


class UnknownCode(TypedDict):
    code: str
    times: int
    last_seen: datetime


def unknown_codes() -> list[UnknownCode]:
    """Those of the last ninety days, the most frequent first. Two queries."""
    since = timezone.now() - UNKNOWN_CODE_WINDOW
    calls = _count_codes(GatewayCall.objects.filter(started_at__gte=since), "started_at")
    orders = _count_codes(PaymentAttempt.objects.filter(created_at__gte=since), "created_at")
    # The calls of an order and its row have the same code: the larger count of the two is taken.
    codes: dict[str, UnknownCode] = {}
    for row in sorted(calls + orders, key=lambda row: row["times"]):
        earlier = codes.get(row["code"], row)
        codes[row["code"]] = {**row, "last_seen": max(row["last_seen"], earlier["last_seen"])}
    return sorted(codes.values(), key=lambda row: (-row["times"], row["code"]))


def _count_codes(rows: QuerySet[GatewayCall] | QuerySet[PaymentAttempt], moment: str) -> list[UnknownCode]:
    counted = (
        rows.filter(unknown_code())
        .order_by()
        .values("code")
        .annotate(times=Count("pk"), last_seen=Max(moment))
    )
    return [{"code": row["code"], "times": row["times"], "last_seen": row["last_seen"]} for row in counted]
