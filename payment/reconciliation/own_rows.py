"""Contradictions among our own rows of a day, found without PhonePe."""

from collections.abc import Iterator
from datetime import date, timedelta

from django.db.models import Exists, F, OuterRef, Q, Sum

from booking.models import Booking
from payment.models import LedgerEntry, Payment, WebhookEvent
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.webhook_events import Family, family_of
from payment.reconciliation.days import on
from payment.reconciliation.findings import Finding, Fix, Kind, about_payment
from payment.states import PaymentState

BOOKING_STANDS = (Booking.Status.CONFIRMED, Booking.Status.COMPLETED)
Entry = LedgerEntry.Kind
# Payouts to us, PhonePe's health, debits that are only announced: whatever new word PhonePe has for them.
NO_ORDERS_MONEY = ("settlement.", "order.split.settlement.", "downtime.", "subscription.notification.")


def compare_rows(day: date) -> Iterator[Finding]:
    yield from _bookings_without_receipt(day)
    yield from _bookings_whose_money_went_back(day)
    yield from _unknown_events(day)


def _bookings_without_receipt(day: date) -> Iterator[Finding]:
    receipt = LedgerEntry.objects.filter(payment__checkout=OuterRef("checkout"), kind=Entry.RECEIPT)
    made = Booking.objects.filter(on(day, "created_at"), ~Exists(receipt), status__in=BOOKING_STANDS)
    for booking in made.select_related("checkout__payment"):
        payment = getattr(booking.checkout, "payment", None)
        yield Finding(
            Kind.BOOKING_WITHOUT_MONEY,
            Fix.LOOK_UP,
            booking=booking.book_id,
            payment_id=payment and payment.pk,
            ours_paise=0,
            simulated=payment is not None and payment.simulated,
            detail="no receipt in the ledger",
        )


def _bookings_whose_money_went_back(day: date) -> Iterator[Finding]:
    """All of it, by refunds and the buyer's bank together, and the puja is still to come."""
    gone = Sum("ledger__amount_paise", filter=Q(ledger__kind__in=(Entry.REFUND, Entry.CHARGEBACK)))
    came = Sum(
        "ledger__amount_paise", filter=~Q(ledger__kind__in=(Entry.REFUND, Entry.CHARGEBACK, Entry.FEE))
    )
    moved = Payment.objects.filter(on(day, "ledger__created_at"), state=PaymentState.SUCCESS).values("pk")
    booked = Payment.objects.filter(pk__in=moved, checkout__booking__status=Booking.Status.CONFIRMED)
    booked = booked.select_related("checkout__booking")
    for payment in booked.annotate(gone=gone, came=came).filter(gone__lte=-F("came")):
        yield about_payment(
            payment,
            Kind.BOOKING_WITHOUT_MONEY,
            Fix.CANCEL,
            ours_paise=payment.came,
            theirs_paise=payment.came + payment.gone,
            detail="all of it went back",
        )


def _unknown_events(day: date) -> Iterator[Finding]:
    """PhonePe called about orders and refunds that are not in our books, or that it has never confirmed."""
    that_day, day_before = on(day, "received_at"), on(day - timedelta(days=1), "received_at")
    # PhonePe is asked for a day: one of the evening is given up when the night of its day has been compared.
    given_up = Q(that_day | day_before, state=WebhookEvent.State.RECEIVED, next_check_at=None)
    for_staff = Q(that_day, state__in=(WebhookEvent.State.UNMATCHED, WebhookEvent.State.NEEDS_REVIEW))
    told = WebhookEvent.objects.filter(given_up | for_staff)
    for event in told.order_by("pk"):
        if not _may_move_money(event):
            continue
        yield Finding(
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
        or name.startswith(NO_ORDERS_MONEY)
        or name.endswith(".attempt.failed")
    ):
        return False
    failed = event.claimed_state == ProviderStatus.FAILED.value and name.endswith(".failed")
    return not failed or event.state != WebhookEvent.State.UNMATCHED
