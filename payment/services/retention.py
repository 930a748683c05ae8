"""Deletes records that nobody needs any more, a few at a time, so that the database grows with the money only.

Payments, orders, ledger, receipts, refunds, disputes, changes of state and bookings stay for ever. Nothing of a payment
that is not over yet is deleted, however old it is. Idempotency keys, sessions, registrations, counters, diagnoses and
comparisons have bounds of their own.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from accounts.codes import KEPT as CODES_KEPT
from accounts.models import OneTimeCode
from booking.models import Cart, Checkout
from notifications.models import Notification
from payment.models import (
    OPEN_REFUND,
    Dispute,
    DisputeUpdate,
    DrawnReceipt,
    GatewayCall,
    Payment,
    PaymentAttempt,
    Refund,
    ServerEvent,
    WebhookEvent,
)
from payment.models.payments import UNFINISHED
from payment.states import PaymentState, RefundState

logger = logging.getLogger(__name__)

LEAST_DAYS = 30  # whatever the settings say: a week-old order is still asked about
BATCH = 2_000  # of each rule in a minute: about a second of work
LOOKED_AT = 20_000  # the oldest rows; more of them than that are never kept for long

Rows = QuerySet[Any]
DECIDED_DISPUTE = (Dispute.Status.WON, Dispute.Status.LOST)
DONE_EVENT = (
    *(WebhookEvent.State.HANDLED, WebhookEvent.State.UNMATCHED),
    *(WebhookEvent.State.NOTED, WebhookEvent.State.CLOSED),
)


@dataclass(frozen=True)
class Rule:
    """Rows of `model` are deleted so many days after `moment`, except for those that `deletable` leaves out.

    `days`: the name of a setting, where 0 keeps them for ever. `among`: only these are looked at.
    """

    model: type[Model]
    moment: str
    days: str
    deletable: Callable[[Rows], Rows] = lambda rows: rows
    among: Q = field(default_factory=Q)

    def end(self, now: datetime) -> datetime | None:
        days = getattr(settings, self.days) if self.days else CODES_KEPT.days
        return now - timedelta(days=max(days, LEAST_DAYS)) if days else None

    def oldest_is_old(self, now: datetime) -> Rows:
        """The oldest row, if it is old: a sign only, it may have to stay."""
        rows = self.model._default_manager.filter(self.among)
        oldest = rows.order_by("pk").values("pk")[:1]
        return self.model._default_manager.filter(pk__in=oldest, **{f"{self.moment}__lt": self.end(now)})

    def rows_to_delete(self, now: datetime) -> Rows:
        """Of the oldest LOOKED_AT rows, the oldest first.

        Up to a key that is looked up before: PostgreSQL would read the whole table for keys of a subquery.
        """
        rows, end = self.model._default_manager.filter(self.among).order_by("pk"), self.end(now)
        if end is None:
            return rows.none()
        last = rows.values_list("pk", flat=True)[LOOKED_AT - 1 : LOOKED_AT].first()
        bounded = rows if last is None else rows.filter(pk__lte=last)
        return self.deletable(bounded.filter(**{f"{self.moment}__lt": end}))


def of_payments_under_way(payments: "QuerySet[Payment]") -> "QuerySet[Payment]":
    """Those that are open or in review, polled, disputed, or have a refund under way."""
    refunds = Refund.objects.filter(payment=OuterRef("pk"), state__in=(RefundState.WAITING, *OPEN_REFUND))
    disputes = Dispute.objects.filter(attempt__payment=OuterRef("pk")).exclude(status__in=DECIDED_DISPUTE)
    polled = PaymentAttempt.objects.filter(payment=OuterRef("pk"), next_check_at__isnull=False)
    is_under_way = Q(state=PaymentState.PENDING) | Q(fulfilment__in=UNFINISHED)
    return payments.filter(is_under_way | Q(Exists(refunds)) | Q(Exists(disputes)) | Q(Exists(polled)))


def _of_what_is_over(payment: str) -> Callable[[Rows], Rows]:
    """`payment`: the path to it. Rows of no payment are over, too."""
    under_way = of_payments_under_way(Payment.objects.filter(pk=OuterRef(payment)))
    return lambda rows: rows.filter(~Exists(under_way))


def _told_and_of_no_dispute(events: Rows) -> Rows:
    """Disputes are the sum of their webhooks, which are their only source."""
    updates = DisputeUpdate.objects.filter(event=OuterRef("pk"))
    last = Dispute.objects.filter(event=OuterRef("pk"))
    done = events.filter(~Exists(updates), ~Exists(last), state__in=DONE_EVENT, next_check_at=None)
    return _of_what_is_over("refund__payment")(_of_what_is_over("attempt__payment")(done))


RULES = {
    "gateway calls": Rule(GatewayCall, "started_at", "KEEP_GATEWAY_CALLS_DAYS", _of_what_is_over("payment")),
    "webhooks": Rule(WebhookEvent, "received_at", "KEEP_WEBHOOKS_DAYS", _told_and_of_no_dispute),
    "notifications": Rule(
        *(Notification, "created_at", "KEEP_NOTIFICATIONS_DAYS"),
        lambda rows: rows.filter(next_check_at=None).exclude(state=Notification.State.WAITING),
    ),
    "server events": Rule(
        *(ServerEvent, "created_at", "KEEP_SERVER_EVENTS_DAYS"),
        lambda rows: rows.exclude(deliveries__next_check_at__isnull=False),  # with their deliveries
    ),
    # Drawn again when somebody asks for one.
    "drawn receipts": Rule(DrawnReceipt, "drawn_at", "KEEP_DRAWN_RECEIPTS_DAYS"),
    # What was checked out belongs to a payment, and stays: enough of it would hide the rows behind it.
    "carts": Rule(
        *(Cart, "updated_at", "KEEP_CARTS_DAYS"),
        among=Q(~Exists(Checkout.objects.filter(cart=OuterRef("pk"))), status=Cart.Status.ACTIVE),
    ),
    "codes": Rule(OneTimeCode, "created_at", "", lambda rows: rows.filter(is_sent=True)),
}


def old_records(now: datetime) -> list[Rows]:
    """Whether there may be something to delete."""
    return [rule.oldest_is_old(now) for rule in RULES.values() if rule.end(now) is not None]


def delete_old_records(now: datetime) -> int:
    """At most BATCH rows of each rule; returns how many."""
    deleted = 0
    for name, rule in RULES.items():
        keys = list(rule.rows_to_delete(now).values_list("pk", flat=True)[:BATCH])
        if keys:
            deleted += rule.model._default_manager.filter(pk__in=keys).delete()[0]
            logger.info("old records deleted", extra={"records": name, "rows": len(keys)})
    return deleted
