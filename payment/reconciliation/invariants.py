"""What the ledger must say at every moment.

Each invariant is a query for the rows that violate it. Simulated money is counted apart from real money.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Least

from booking.models import Booking
from payment.models import Dispute, LedgerEntry, Payment, PaymentAttempt, Receipt, Refund
from payment.services.refunds.amounts import MIN_REFUND_PAISE, REQUESTED
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState

Kind = LedgerEntry.Kind
Rows = QuerySet[Any]

CAME = (Kind.RECEIPT, Kind.SURPLUS, Kind.SUSPENSE)
OWED = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
REFUND_ID = "merchant_refund_id"
MAX_ROWS = 50  # rows of one violation


@dataclass(frozen=True)
class Invariant:
    """`violating_rows` returns the rows that violate it; a report names each of them."""

    says: str
    violating_rows: Callable[[], Rows]


@dataclass(frozen=True)
class Violation:
    law: str
    rows: tuple[str, ...]
    count: int


def find_violations() -> list[Violation]:
    """At most one query and a count for each invariant, however many rows there are."""
    return [found for invariant in INVARIANTS if (found := _find_violation(invariant))]


def totals(*, simulated: bool) -> dict[str, int]:
    """In paise: what came, what went, by kind of entry, and what is left. Fees are negative."""
    entries = LedgerEntry.objects.filter(simulated=simulated).values_list("kind")
    sums = dict.fromkeys(Kind.values, 0) | dict(entries.annotate(sum=Sum("amount_paise")).order_by("kind"))
    return {f"{kind.lower()}_paise": paise for kind, paise in sums.items()} | {
        "balance_paise": sum(sums.values())
    }


def _find_violation(invariant: Invariant) -> Violation | None:
    rows = invariant.violating_rows().order_by("pk")
    shown = tuple(f"{type(row)._meta.verbose_name} {row}" for row in islice(rows, MAX_ROWS))
    return Violation(invariant.says, shown, rows.count()) if shown else None


def _entered(kinds: tuple[Kind, ...], **which: Any) -> Coalesce:
    """The sum of such entries about the row of the query around it."""
    found = LedgerEntry.objects.filter(kind__in=kinds, **which).order_by().values(*which)
    return Coalesce(Subquery(found.annotate(sum=Sum("amount_paise")).values("sum")), Value(0))


def _owed(attempt: str = "attempt") -> Coalesce:
    """What goes back of the order whose number is in that column, or went. A request is nothing that is owed."""
    live = Refund.objects.filter(attempt=OuterRef(attempt)).exclude(state=RefundState.FAILED)
    return _sum_of(live.exclude(REQUESTED))


def _live(attempt: str = "attempt") -> Coalesce:
    """What is owed, and what is requested beside it."""
    return _sum_of(Refund.objects.filter(attempt=OuterRef(attempt)).exclude(state=RefundState.FAILED))


def _sum_of(refunds: "QuerySet[Refund]") -> Coalesce:
    sums = refunds.order_by().values("attempt").annotate(sum=Sum("amount_paise"))
    return Coalesce(Subquery(sums.values("sum")), Value(0))


def _orders_entered_otherwise() -> Rows:
    is_received, came = Q(state=AttemptState.COMPLETED), _entered(CAME, attempt=OuterRef("pk"))
    agrees = (is_received & Q(came=F("received_paise"))) | (~is_received & Q(came=0))
    return PaymentAttempt.objects.annotate(came=came).exclude(agrees)


def _paid_without_receipt() -> Rows:
    is_paid, receipts = Q(state=PaymentState.SUCCESS), Count("ledger", filter=Q(ledger__kind=Kind.RECEIPT))
    agrees = (is_paid & Q(receipts=1)) | (~is_paid & Q(receipts=0))
    return Payment.objects.annotate(receipts=receipts).exclude(agrees)


def _received_without_paper() -> Rows:
    """What somebody can show to the tax office is what the ledger says."""
    paper = Receipt.objects.filter(payment=OuterRef("payment"), total_paise=OuterRef("amount_paise"))
    return LedgerEntry.objects.filter(~Exists(paper), kind=Kind.RECEIPT)


def _refunds_entered_otherwise() -> Rows:
    is_done, went = Q(state=RefundState.COMPLETED), _entered((Kind.REFUND,), reference=OuterRef(REFUND_ID))
    agrees = (is_done & Q(went=-F("amount_paise"))) | (~is_done & Q(went=0))
    return Refund.objects.annotate(went=went).exclude(agrees)


def _refunds_of_nothing() -> Rows:
    known = Refund.objects.filter(merchant_refund_id=OuterRef("reference"), attempt=OuterRef("attempt"))
    return LedgerEntry.objects.filter(~Exists(known), kind=Kind.REFUND)


def _more_sent_back_than_came() -> Rows:
    promised = Refund.objects.annotate(promised=_live(), came=Coalesce("attempt__received_paise", Value(0)))
    return promised.exclude(state=RefundState.FAILED).filter(promised__gt=F("came"))


def _kept_though_nobody_booked() -> Rows:
    """Below one rupee PhonePe sends nothing back; what the buyer's bank has taken needs no refund."""
    kept = Q(kind=Kind.SURPLUS) | Q(kind=Kind.RECEIPT, payment__fulfilment__in=OWED)
    taken = LedgerEntry.objects.filter(attempt=OuterRef("attempt"), kind=Kind.CHARGEBACK)
    entries = LedgerEntry.objects.filter(kept, ~Exists(taken)).annotate(owed=_owed())
    return entries.filter(amount_paise__gte=F("owed") + MIN_REFUND_PAISE)


def _kept_though_not_accepted() -> Rows:
    """What staff accept leaves suspense by an entry of its own; what they still look at may stay there."""
    taken = LedgerEntry.objects.filter(attempt=OuterRef("pk"), kind=Kind.CHARGEBACK)
    held = _entered((Kind.SUSPENSE,), attempt=OuterRef("pk"))
    decided = PaymentAttempt.objects.exclude(payment__fulfilment=Fulfilment.HELD_FOR_STAFF)
    told = decided.filter(~Exists(taken)).annotate(held=held, owed=_owed("pk"))
    return told.filter(held__gte=F("owed") + MIN_REFUND_PAISE)


def _disputes_entered_otherwise() -> Rows:
    """Lost: the money is gone, all of it if nobody said how much; else it is here. Two may be about the same
    money. While somebody has to confirm one, nothing can be said, nor of money that has not come by our books."""
    disputes = Dispute.objects.filter(attempt=OuterRef("pk"))
    lost = disputes.filter(status=Dispute.Status.LOST, attempt__received_paise__isnull=False)
    held = Coalesce("amount_paise", "attempt__received_paise")
    sums = lost.order_by().values("attempt").annotate(sum=Sum(held)).values("sum")
    taken = _entered((Kind.CHARGEBACK,), attempt=OuterRef("pk"))
    proven = PaymentAttempt.objects.filter(~Exists(disputes.filter(is_proven=False)))
    most = Coalesce("received_paise", Value(0))
    told = proven.annotate(lost=Least(Coalesce(Subquery(sums), Value(0)), most), taken=taken)
    return told.exclude(taken=-F("lost"))


def _more_taken_than_came() -> Rows:
    taken = _entered((Kind.CHARGEBACK,), attempt=OuterRef("pk"))
    told = PaymentAttempt.objects.annotate(taken=taken, came=_entered(CAME, attempt=OuterRef("pk")))
    return told.filter(taken__lt=-F("came"))


def _bookings_that_nothing_pays() -> Rows:
    pays = Payment.objects.filter(checkout=OuterRef("checkout"), fulfilment=Fulfilment.BOOKED)
    return Booking.objects.filter(~Exists(pays))


def _booked_without_booking() -> Rows:
    return Payment.objects.filter(fulfilment=Fulfilment.BOOKED, checkout__booking=None)


def _gifts_that_ordered_something() -> Rows:
    return Payment.objects.filter(fulfilment=Fulfilment.GIFT, checkout__isnull=False)


def _play_money_among_real() -> Rows:
    return LedgerEntry.objects.exclude(simulated=F("attempt__simulated"))


def _entries_of_another_payment() -> Rows:
    return LedgerEntry.objects.exclude(payment=F("attempt__payment"))


INVARIANTS = (
    Invariant(
        "A completed order is in the ledger with what it brought, and no other order is.",
        _orders_entered_otherwise,
    ),
    Invariant("A paid payment has one receipt, and no other payment has one.", _paid_without_receipt),
    Invariant(
        "What paid a payment is on the receipt that people are given, with its amount.",
        _received_without_paper,
    ),
    Invariant(
        "A completed refund is in the ledger with its amount, and no other refund is.",
        _refunds_entered_otherwise,
    ),
    Invariant("What went back in the ledger is a refund of that order.", _refunds_of_nothing),
    Invariant("No more goes back than came.", _more_sent_back_than_came),
    Invariant(
        "What came twice, or could not become a booking, is on its way back, whole.",
        _kept_though_nobody_booked,
    ),
    Invariant(
        "Another amount than was agreed is accepted, or on its way back, whole.", _kept_though_not_accepted
    ),
    Invariant("A lost dispute is in the ledger with its amount.", _disputes_entered_otherwise),
    Invariant("Chargebacks of an order never exceed what it brought.", _more_taken_than_came),
    Invariant("A booking is paid by a payment that says so.", _bookings_that_nothing_pays),
    Invariant("A payment that says so has its booking.", _booked_without_booking),
    Invariant("A gift is a payment for nothing that was ordered.", _gifts_that_ordered_something),
    Invariant("Simulated money stays apart from real money.", _play_money_among_real),
    Invariant("An entry belongs to the payment of its order.", _entries_of_another_payment),
)
