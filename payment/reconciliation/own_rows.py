"""Contradictions among our own rows of a day, found without PhonePe."""

from collections.abc import Iterator
from datetime import date, timedelta

from django.db.models import Exists, F, OuterRef, Q, Sum

from booking.models import Booking
from payment.models import PAYING, LedgerEntry, Payment, WebhookEvent
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.webhook_events import Family, family_of
from payment.reconciliation.days import on
from payment.reconciliation.discrepancies import Discrepancy, Fix, Kind, payment_discrepancy
from payment.states import PaymentState

VALID_BOOKING = (Booking.Status.CONFIRMED, Booking.Status.COMPLETED)
Entry = LedgerEntry.Kind
# Payouts to us, PhonePe's health, announced debits. New words with these beginnings move no order's money either.
NO_MONEY_PREFIXES = ("settlement.", "order.split.settlement.", "downtime.", "subscription.notification.")


def find_unpaid_bookings(day: date) -> Iterator[Discrepancy]:
    """Bookings of that day without a payment received in the ledger."""
    received = LedgerEntry.objects.filter(payment__checkout=OuterRef("checkout"), kind__in=PAYING)
    unpaid = Booking.objects.filter(on(day, "created_at"), ~Exists(received), status__in=VALID_BOOKING)
    for booking in unpaid.select_related("checkout__payment"):
        payment = getattr(booking.checkout, "payment", None)
        yield Discrepancy(
            Kind.BOOKING_WITHOUT_MONEY,
            Fix.LOOK_UP,
            booking=booking.book_id,
            payment_id=payment and payment.pk,
            ours_paise=0,
            simulated=payment is not None and payment.simulated,
            detail="no receipt in the ledger",
        )


def find_refunded_bookings(day: date) -> Iterator[Discrepancy]:
    """All of the money went back, by refunds and the buyer's bank together, and the puja is still to come."""
    returns = (Entry.REFUND, Entry.CHARGEBACK)
    returned = Sum("ledger__amount_paise", filter=Q(ledger__kind__in=returns))
    received = Sum("ledger__amount_paise", filter=~Q(ledger__kind__in=(*returns, Entry.FEE)))
    moved = Payment.objects.filter(on(day, "ledger__created_at"), state=PaymentState.SUCCESS).values("pk")
    booked = Payment.objects.filter(pk__in=moved, checkout__booking__status=Booking.Status.CONFIRMED)
    booked = booked.select_related("checkout__booking").annotate(returned=returned, received=received)
    for payment in booked.filter(returned__lte=-F("received")):
        yield payment_discrepancy(
            payment,
            Kind.BOOKING_WITHOUT_MONEY,
            Fix.CANCEL,
            ours_paise=payment.received,
            theirs_paise=payment.received + payment.returned,
            detail="all of it went back",
        )


def find_unconfirmed_events(day: date) -> Iterator[Discrepancy]:
    """Webhooks about orders and refunds that are not in our accounts, or that PhonePe's status has never confirmed."""
    that_day, day_before = on(day, "received_at"), on(day - timedelta(days=1), "received_at")
    # An event is polled for a day: polling one of the evening ends when the night after it has been compared.
    given_up = Q(that_day | day_before, state=WebhookEvent.State.RECEIVED, next_check_at=None)
    for_staff = Q(that_day, state__in=(WebhookEvent.State.UNMATCHED, WebhookEvent.State.NEEDS_REVIEW))
    for event in WebhookEvent.objects.filter(given_up | for_staff).order_by("pk"):
        if _may_move_money(event):
            yield Discrepancy(
                Kind.UNKNOWN_TO_US,
                Fix.STRANGER,
                order=event.merchant_order_id,
                refund=event.merchant_refund_id,
                theirs_paise=event.claimed_paise,
                detail=f"webhook {event.event}",
            )


def _may_move_money(event: WebhookEvent) -> bool:
    """Whether money of some order comes or goes by it. A word that we do not know may mean anything."""
    name = event.event.lower().replace("_", ".")  # the older way: SUBSCRIPTION_PAUSED
    if (
        family_of(name) is Family.NO_MONEY
        or name.startswith(NO_MONEY_PREFIXES)
        or name.endswith(".attempt.failed")
    ):
        return False
    failed = event.claimed_state == ProviderStatus.FAILED.value and name.endswith(".failed")
    return not failed or event.state != WebhookEvent.State.UNMATCHED
