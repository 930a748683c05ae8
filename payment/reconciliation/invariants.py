"""What the ledger must say at every moment.

Each invariant is a sentence with the query for the rows that violate it. Simulated money is counted apart.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Count, Exists, F, Model, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Least

from booking.models import Booking
from payment.models import (
    PAYING,
    CashClosing,
    CreditNote,
    Dispute,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
)
from payment.services.refunds.amounts import MIN_REFUND_PAISE, REQUESTED
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState

Kind = LedgerEntry.Kind
Rows = QuerySet[Any]
Query = Callable[[], Rows]

RECEIVED = (*PAYING, Kind.SURPLUS, Kind.SUSPENSE)
REFUNDED = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
TAKEN_BY_HAND = (Kind.CASH, Kind.TRANSFER)
REFUND_ID = "merchant_refund_id"
MAX_ROWS = 50  # rows of one violation


@dataclass(frozen=True)
class Invariant:
    """`violating_rows` returns the rows that violate it; a report names each of them."""

    sentence: str
    violating_rows: Query


@dataclass(frozen=True)
class Violation:
    law: str
    rows: tuple[str, ...]
    count: int


INVARIANTS: list[Invariant] = []


def invariant(sentence: str) -> Callable[[Query], Query]:
    """Adds a query to INVARIANTS. A report has the order of this file."""

    def register(query: Query) -> Query:
        INVARIANTS.append(Invariant(sentence, query))
        return query

    return register


# The path from each row to its payment.
PAYMENTS: dict[type[Model], str] = {
    Payment: "pk",
    PaymentAttempt: "payment",
    Refund: "payment",
    LedgerEntry: "payment",
    Booking: "checkout__payment",
    CashClosing: "entries__entry__payment",
}


def find_violations(since: datetime | None = None) -> list[Violation]:
    """At most one query and a count for each invariant, however many rows there are.

    With `since`, of payments whose money has moved, or could have, from that moment on.
    """
    violations = []
    for each in INVARIANTS:
        rows = each.violating_rows().order_by("pk")
        if since is not None:
            moved = Q(**{f"{PAYMENTS[rows.model]}__in": _touched(since)})
            # A booking may have no payment, which is what is looked for.
            rows = rows.filter(moved | Q(created_at__gte=since) if rows.model is Booking else moved)
        names = tuple(f"{type(row)._meta.verbose_name_raw} {row}" for row in islice(rows, MAX_ROWS))
        if names:
            violations.append(Violation(each.sentence, names, rows.count()))
    return violations


def _touched(since: datetime) -> Rows:
    """Keys of payments. A row that has no moment of its own is found by its order, or its entry in the ledger."""
    in_time = Q(created_at__gte=since) | Q(decided_at__gte=since)
    rows = [model.objects.filter(in_time).values("payment") for model in (PaymentAttempt, Refund)]
    return (
        LedgerEntry.objects.filter(created_at__gte=since)
        .order_by()
        .values("payment")
        .union(*(each.order_by() for each in rows))
    )


def totals(*, simulated: bool) -> dict[str, int]:
    """In paise: the sums by kind of entry, and what is left. Fees are negative."""
    entries = LedgerEntry.objects.filter(simulated=simulated).values_list("kind")
    sums = dict.fromkeys(Kind.values, 0) | dict(entries.annotate(sum=Sum("amount_paise")).order_by("kind"))
    return {f"{kind.lower()}_paise": paise for kind, paise in sums.items()} | {
        "balance_paise": sum(sums.values())
    }


def _sum_of_entries(kinds: tuple[Kind, ...], **which: Any) -> Coalesce:
    """The sum of such ledger entries about the row of the query around it."""
    entries = LedgerEntry.objects.filter(kind__in=kinds, **which).order_by().values(*which)
    return Coalesce(Subquery(entries.annotate(sum=Sum("amount_paise")).values("sum")), Value(0))


def _sum_of_refunds(attempt: str, *, requested: bool) -> Coalesce:
    """The refunds of the attempt whose key is in that column: the owed ones, with `requested` the requests too."""
    refunds = Refund.objects.filter(attempt=OuterRef(attempt)).exclude(state=RefundState.FAILED)
    if not requested:
        refunds = refunds.exclude(REQUESTED)
    sums = refunds.order_by().values("attempt").annotate(sum=Sum("amount_paise"))
    return Coalesce(Subquery(sums.values("sum")), Value(0))


@invariant("Each completed order is in the ledger with the amount received, and no other order is.")
def orders_that_differ() -> Rows:
    is_completed = Q(state=AttemptState.COMPLETED)
    agrees = (is_completed & Q(entered=F("received_paise"))) | (~is_completed & Q(entered=0))
    entered = _sum_of_entries(RECEIVED, attempt=OuterRef("pk"))
    return PaymentAttempt.objects.annotate(entered=entered).exclude(agrees)


@invariant("A paid payment has one receipt, and no other payment has one.")
def payments_without_one_receipt() -> Rows:
    is_paid, receipts = Q(state=PaymentState.SUCCESS), Count("ledger", filter=Q(ledger__kind__in=PAYING))
    agrees = (is_paid & Q(receipts=1)) | (~is_paid & Q(receipts=0))
    return Payment.objects.annotate(receipts=receipts).exclude(agrees)


@invariant("Each ledger entry that pays a payment has a receipt with the same amount.")
def entries_without_receipt() -> Rows:
    """The receipt is shown to the tax office, so it must agree with the ledger."""
    receipt = Receipt.objects.filter(payment=OuterRef("payment"), total_paise=OuterRef("amount_paise"))
    return LedgerEntry.objects.filter(~Exists(receipt), kind__in=PAYING)


@invariant("A completed refund is in the ledger with its amount, and no other refund is.")
def refunds_that_differ() -> Rows:
    is_completed = Q(state=RefundState.COMPLETED)
    agrees = (is_completed & Q(entered=-F("amount_paise"))) | (~is_completed & Q(entered=0))
    entered = _sum_of_entries((Kind.REFUND,), reference=OuterRef(REFUND_ID))
    return Refund.objects.annotate(entered=entered).exclude(agrees)


@invariant("Each refund in the ledger has a credit note with its amount.")
def entries_without_credit_note() -> Rows:
    note = CreditNote.objects.filter(
        refund__merchant_refund_id=OuterRef("reference"), total_paise=-OuterRef("amount_paise")
    )
    return LedgerEntry.objects.filter(~Exists(note), kind=Kind.REFUND)


@invariant("Each refund in the ledger is a refund of the same order.")
def entries_without_refund() -> Rows:
    refunds = Refund.objects.filter(merchant_refund_id=OuterRef("reference"), attempt=OuterRef("attempt"))
    return LedgerEntry.objects.filter(~Exists(refunds), kind=Kind.REFUND)


@invariant("The refunds of an order are not more than was received for it.")
def refunds_of_more_than_received() -> Rows:
    refunds = Refund.objects.annotate(
        refunded=_sum_of_refunds("attempt", requested=True),
        received=Coalesce("attempt__received_paise", Value(0)),
    )
    return refunds.exclude(state=RefundState.FAILED).filter(refunded__gt=F("received"))


@invariant("Money that was paid twice, or could not be booked, is refunded in full, or will be.")
def surplus_not_refunded() -> Rows:
    """PhonePe refunds nothing below one rupee. What the buyer's bank has taken back needs no refund."""
    surplus = Q(kind=Kind.SURPLUS) | Q(kind__in=PAYING, payment__fulfilment__in=REFUNDED)
    chargeback = LedgerEntry.objects.filter(attempt=OuterRef("attempt"), kind=Kind.CHARGEBACK)
    entries = LedgerEntry.objects.filter(surplus, ~Exists(chargeback))
    entries = entries.annotate(owed=_sum_of_refunds("attempt", requested=False))
    return entries.filter(amount_paise__gte=F("owed") + MIN_REFUND_PAISE)


@invariant("An amount other than the agreed one is accepted, or refunded in full, or will be.")
def suspense_not_decided() -> Rows:
    """Accepted money leaves suspense by an entry of its own; money in review may stay there."""
    chargeback = LedgerEntry.objects.filter(attempt=OuterRef("pk"), kind=Kind.CHARGEBACK)
    decided = PaymentAttempt.objects.exclude(payment__fulfilment=Fulfilment.HELD_FOR_STAFF)
    sums = decided.filter(~Exists(chargeback)).annotate(
        suspense=_sum_of_entries((Kind.SUSPENSE,), attempt=OuterRef("pk")),
        owed=_sum_of_refunds("pk", requested=False),
    )
    return sums.filter(suspense__gte=F("owed") + MIN_REFUND_PAISE)


@invariant("A lost dispute is in the ledger with its amount.")
def disputes_that_differ() -> Rows:
    """Lost: the money is gone, all of it if the amount is not known. Otherwise the money is here. Two disputes may be
    about the same money. Nothing is checked while a dispute is unconfirmed, or for an order without received money."""
    disputes = Dispute.objects.filter(attempt=OuterRef("pk"))
    lost = disputes.filter(status=Dispute.Status.LOST, attempt__received_paise__isnull=False)
    amount = Coalesce("amount_paise", "attempt__received_paise")
    sums = lost.order_by().values("attempt").annotate(sum=Sum(amount)).values("sum")
    proven = PaymentAttempt.objects.filter(~Exists(disputes.filter(is_proven=False)))
    most = Coalesce("received_paise", Value(0))
    return proven.annotate(
        lost=Least(Coalesce(Subquery(sums), Value(0)), most),
        entered=_sum_of_entries((Kind.CHARGEBACK,), attempt=OuterRef("pk")),
    ).exclude(entered=-F("lost"))


@invariant("The chargebacks of an order are not more than was received for it.")
def chargebacks_of_more_than_received() -> Rows:
    sums = PaymentAttempt.objects.annotate(
        charged_back=_sum_of_entries((Kind.CHARGEBACK,), attempt=OuterRef("pk")),
        received=_sum_of_entries(RECEIVED, attempt=OuterRef("pk")),
    )
    return sums.filter(charged_back__lt=-F("received"))


@invariant("Each entry about money by hand names the member of staff who had it, and no other entry does.")
def entries_by_hand_that_differ() -> Rows:
    taken = Q(kind__in=TAKEN_BY_HAND, attempt__by_hand=True, amount_paise__gt=0)
    given_back = Q(kind=Kind.REFUND, attempt__by_hand=True, amount_paise__lt=0)
    agrees = ((taken | given_back) & Q(by_hand__isnull=False)) | Q(attempt__by_hand=False, by_hand=None)
    return LedgerEntry.objects.exclude(agrees & ~Q(kind__in=TAKEN_BY_HAND, attempt__by_hand=False))


@invariant("The expected amount of each cash closing is the sum of its entries.")
def closings_that_differ() -> Rows:
    entries = (
        LedgerEntry.objects.filter(by_hand__closing=OuterRef("pk")).order_by().values("by_hand__closing")
    )
    sums = Coalesce(Subquery(entries.annotate(sum=Sum("amount_paise")).values("sum")), Value(0))
    return CashClosing.objects.annotate(entered=sums).exclude(entered=F("expected_paise"))


@invariant("Each booking has a payment whose fulfilment is BOOKED.")
def bookings_without_payment() -> Rows:
    payment = Payment.objects.filter(checkout=OuterRef("checkout"), fulfilment=Fulfilment.BOOKED)
    return Booking.objects.filter(~Exists(payment))


@invariant("Each payment whose fulfilment is BOOKED has a booking.")
def payments_without_booking() -> Rows:
    return Payment.objects.filter(fulfilment=Fulfilment.BOOKED, checkout__booking=None)


@invariant("No payment whose fulfilment is DONATION has a checkout.")
def donations_with_checkout() -> Rows:
    return Payment.objects.filter(fulfilment=Fulfilment.DONATION, checkout__isnull=False)


@invariant("Entries of simulated orders are simulated, and no other entries are.")
def simulated_entries_of_real_attempts() -> Rows:
    return LedgerEntry.objects.exclude(simulated=F("attempt__simulated"))


@invariant("Each entry names the payment to which its order belongs.")
def entries_of_another_payment() -> Rows:
    return LedgerEntry.objects.exclude(payment=F("attempt__payment"))
