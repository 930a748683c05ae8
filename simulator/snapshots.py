"""Rows as JSON for the control API."""

from django.db.models import Q, Sum

from simulator import orders, refunds
from simulator.models import Attempt, Delivery, Fault, Merchant, Order, Refund, State
from simulator.wire import Json


def serialize_order_with_details(row: Order) -> Json:
    return serialize_order(row) | {
        "attempts": [serialize_attempt(attempt) for attempt in row.attempts.order_by("pk")],
        "refunds": [serialize_refund(refund) for refund in row.refunds.order_by("pk")],
    }


def serialize_order(row: Order) -> Json:
    return {
        "merchant_order_id": row.merchant_order_id,
        "merchant_id": row.merchant.merchant_id,
        "generation": row.merchant.generation,
        "provider_order_id": row.provider_id,
        "amount_paise": row.amount_paise,
        "state": row.state,
        "error_code": row.error_code,
        "detailed_error_code": row.detailed_error_code,
        "page_url": None if row.for_app else orders.page_url(row),
        "for_app": row.for_app,
        "redirect_url": row.redirect_url,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
        "bank_answers_at": row.bank_answers_at and row.bank_answers_at.isoformat(),
    }


def serialize_attempt(row: Attempt) -> Json:
    fields = ("provider_id", "amount_paise", "state", "mode", "utr", "error_code", "detailed_error_code")
    return {name: getattr(row, name) for name in fields}


def serialize_refund(row: Refund) -> Json:
    fields = (
        "merchant_refund_id",
        "provider_id",
        "by_dashboard",
        "amount_paise",
        "state",
        "error_code",
        "detailed_error_code",
    )
    return {name: getattr(row, name) for name in fields}


def serialize_fault(row: Fault) -> Json:
    fields = ("operation", "kind", "about", "calls_before", "times_left", "argument", "carried_out", "source")
    return {name: getattr(row, name) for name in fields}


def serialize_delivery(row: Delivery) -> Json:
    fields = ("id", "event", "about", "url", "tries", "last_status", "last_error")
    done = {"delivered": row.delivered_at is not None, "finished": row.due_at is None}
    return {name: getattr(row, name) for name in fields} | done


def serialize_account(merchant: Merchant) -> Json:
    received = Attempt.objects.filter(order__merchant=merchant, state=State.COMPLETED)
    totals = merchant.refunds.aggregate(
        done=Sum("amount_paise", filter=Q(state=State.COMPLETED)),
        open=Sum("amount_paise", filter=Q(state__in=refunds.OPEN)),
    )
    return {
        "merchant_id": merchant.merchant_id,
        "generation": merchant.generation,
        "orders": merchant.orders.count(),
        "paid_paise": received.aggregate(paise=Sum("amount_paise"))["paise"] or 0,
        "refunded_paise": totals["done"] or 0,
        "refunds_open_paise": totals["open"] or 0,
    }
