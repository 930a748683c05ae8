"""Every stored moment has its rule: what happens when it was written by a clock that was wrong.

A column that is new here, or that is compared for the first time, fails these tests until somebody has thought of it.
"""

import ast
from functools import cache

import pytest
from django.apps import apps
from django.db.models import DateTimeField

from payment.services.clock_repairs import SCHEDULES
from tests.unit.test_structure import MODULES, nodes

OURS = ("accounts", "booking", "notifications", "payment")

MENDED = {f"{each.model.__name__}.{each.column}" for each in SCHEDULES} | {
    "PaymentAttempt.expires_at",
    "PaymentAttempt.sent_at",
    "Refund.sent_at",
    "SlotHold.expires_at",
    "WebhookEvent.received_at",
}
COUNTS_AS_OVER = {
    # core.clocks: what lies further ahead than it can have been written
    "IdempotencyKey.created_at",
    "IdempotencyKey.lease_until",
    "Payment.asked_at",
    "PaymentAttempt.call_lease_until",
    "PaymentAttempt.created_at",
    "WorkLease.held_until",
    "WorkLease.taken_at",
    # ahead: its hold, or its night, is of a clock that was wrong
    "Checkout.created_at",
    "Reconciliation.started_at",
    "HoldNetwork.seen_at",
    "DiagnosisRun.started_at",
}
COSTS = {
    "ApiKey.created_at": "a rotated key lasts longer or shorter",
    "ApiKey.expires_at": "a key ends earlier or later",
    "ApiKey.last_used_at": "its use is written sooner or later",
    "Notification.sent_at": "counted among the mails of the last day",
    "OneTimeCode.created_at": "counted among the codes of the last day",
    "OneTimeCode.expires_at": "a code is good for longer or shorter",
    "Registration.created_at": "deleted sooner or later",
    "Registration.mailed_at": "a code is good for longer or shorter",
    "Upload.created_at": "files of a request that died are deleted later",
    "Session.created_at": "a login of a clock that was ahead lasts longer than the longest, by as much",
    "Session.ended_at": "removed later",
    "Session.expires_at": "a login ends earlier or later; its tokens carry the same moment",
    "Session.rotated_at": "two tabs get no grace: one of them logs in again",
    "ServerEvent.created_at": "deleted sooner or later; servers see it",
    "WebhookDelivery.next_check_at": "sent later: when its endpoint answers another one, or by hand",
    "WebhookEndpoint.failing_since": "switched off sooner or later",
    "WebhookEndpoint.former_until": "the former secret signs for longer or shorter",
    "Cart.created_at": "deleted sooner or later, when nobody has checked it out",
    "Cart.updated_at": "the same",
    "DrawnReceipt.drawn_at": "deleted sooner or later, and drawn again when somebody asks for it",
    "Booking.cancelled_at": "compared with the time of a chargeback only",
    "PayingWatch.created_at": "forgotten sooner or later",
    "PayingWatch.next_check_at": "told later",
    "Booking.next_reminder_at": "a reminder comes earlier or later, or is left out; the start is in it",
    "Booking.created_at": "late money is compared with bookings of the same hour",
    "Checkout.expires_at": "minutes that are shown; the order's page decides",
    "GatewayCall.started_at": "counted among the failures of the last minutes or days",
    "LedgerEntry.created_at": "compared with the time of a cancellation only",
    "Notification.created_at": "given up later",
    "Payment.created_at": "staff hear of it later",
    "Payment.decided_at": "counted among the payments of the last day",
    "PaymentAttempt.decided_at": "counted among the orders of the last week",
    "Receipt.received_at": "the date on the paper",
    "CreditNote.issued_at": "the same",
    "CashClosing.closed_at": "shown only",
    "CashClosing.confirmed_at": "shown only",
    "SettlementFile.uploaded_at": "shown only",
    "ManualEntry.created_at": "an alert about cash that nobody counts comes earlier or later",
    "PayLink.created_at": "shown only",
    "PayLink.ended_at": "whether it is empty counts only",
    "Refund.created_at": "looked at as a new one",
    "SlotHold.created_at": "counted among the places paid on the last day; its network is forgotten sooner or later",
    "SlotHold.released_at": "counted among the holds of the last day; a cool-down ends after an hour all the same",
}
TOLD_TO_SOMEBODY = {
    # a promise stands as it was told
    "Booking.choose_until",
    "WaitingEntry.offered_until",
    "Booking.free_until",
    "Offer.expires_at",
    "PayLink.expires_at",
    "Refund.expected_by",
}
SAID_BY_SOMEBODY = {
    # entered by people, or PhonePe's own time
    "Booking.starts_at",
    "Booking.terms_from",
    "Checkout.starts_at",
    "Assignment.begins",
    "Assignment.ends",
    "ClosedPeriod.begins",
    "ClosedPeriod.ends",
    "Closure.starts_before",
    "Closure.starts_from",
    "ClosureItem.starts_at",
    "Dispute.due_at",
    "Dispute.told_at",
    "DisputeUpdate.due_at",
    "DisputeUpdate.told_at",
    "EarlierStart.starts_at",
    "PaymentAttempt.paid_at",
    "PackagePrice.valid_from",
    "PromoCode.expires_at",
    "PriestLeave.begins",
    "PriestLeave.ends",
    "PromoCode.starts_at",
    "Slot.starts_at",
}
ONLY_SHOWN = {
    "Address.created_at",
    "ApiKey.revoked_at",  # whether there is one
    "Address.updated_at",
    "Booking.updated_at",
    "CaseNote.created_at",
    "Closure.created_at",
    "ClosureItem.done_at",  # whether there is one
    "CalendarFeed.created_at",
    "CataloguePicture.created_at",
    "Checkout.address_created_at",
    "Checkout.address_updated_at",
    "Checkout.category_created_at",
    "Checkout.category_updated_at",
    "Checkout.package_created_at",
    "Checkout.package_updated_at",
    "Checkout.puja_created_at",
    "Checkout.puja_updated_at",
    "DiagnosisRun.finished_at",
    "Assignment.created_at",
    "Assignment.freed_at",  # whether there is one
    "ClosedPeriod.created_at",
    "Priest.created_at",
    "Dispute.created_at",
    "Dispute.updated_at",
    "DisputeUpdate.created_at",
    "Offer.created_at",
    "Offer.decided_at",
    "Package.created_at",
    "Package.updated_at",
    "PackagePrice.created_at",
    "PromoCode.created_at",
    "PromoCode.updated_at",
    "PujaCategory.created_at",
    "PujaCategory.updated_at",
    "PujaService.created_at",
    "PujaService.updated_at",
    "Reconciliation.finished_at",  # whether there is one
    "Refund.approved_at",
    "Refund.decided_at",
    "StateChange.created_at",
    "Session.last_used_at",
    "User.date_joined",
    "WaitingEntry.created_at",
    "OneTimeCode.used_at",  # whether there is one
    "User.email_confirmed_at",  # whether there is one
    "User.phone_confirmed_at",  # whether there is one
    "User.last_login",
    "User.updated_at",
    "PanCard.updated_at",
    "WebhookDelivery.created_at",
    "WebhookDelivery.delivered_at",
    "WebhookEndpoint.created_at",
    "WebhookEvent.handled_at",
}
# Under a name that is compared, of models whose own is not.
NOT_COMPARED = {"created_at", "decided_at", "sent_at", "last_used_at"}
ORDERINGS = {"gt", "gte", "lt", "lte", "range"}
SAMENESS = (ast.Is, ast.IsNot, ast.Eq, ast.NotEq, ast.In, ast.NotIn)


def columns() -> dict[str, str]:
    """`Model.column` of every stored moment of ours, with the column."""
    models = (model for app in OURS for model in apps.get_app_config(app).get_models())
    return {
        f"{model.__name__}.{field.name}": field.name
        for model in models
        for field in model._meta.concrete_fields
        if isinstance(field, DateTimeField)
    }


@cache
def compared() -> set[str]:
    """Names of columns that some line compares by a lookup, an operator or a difference."""
    names = set(columns().values())
    found = set()
    for path in MODULES:
        for keyword in nodes(path, ast.keyword):
            *_, column, lookup = ["", *(keyword.arg or "").split("__")]
            found |= {column} if lookup in ORDERINGS else set()
        for node in nodes(path, ast.Compare, ast.BinOp):
            found |= {side.attr for side in sides(node) if isinstance(side, ast.Attribute)}
    return found & names


def sides(node: ast.Compare | ast.BinOp) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right] if isinstance(node.op, ast.Sub) else []
    return [] if all(isinstance(op, SAMENESS) for op in node.ops) else [node.left, *node.comparators]


def test_every_stored_moment_has_one_rule():
    rules = [MENDED, COUNTS_AS_OVER, COSTS.keys(), TOLD_TO_SOMEBODY, SAID_BY_SOMEBODY, ONLY_SHOWN]
    assert sorted(moment for rule in rules for moment in rule) == sorted(columns())


@pytest.mark.slow
def test_what_is_only_shown_is_not_compared():
    shown = {columns()[moment] for moment in ONLY_SHOWN}
    assert shown & compared() <= NOT_COMPARED


@pytest.mark.parametrize(
    "name", ["next_check_at", "fulfil_at", "asked_at", "taken_at", "starts_at", "told_at"]
)
def test_the_search_finds_what_is_compared(name):
    assert name in compared()
