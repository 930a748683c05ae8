"""Disputes: a buyer asks his bank for the money back, and the bank decides.

PhonePe answers no question about a dispute. What its signature covers is believed; a webhook that only carries the
shop's login could be anybody's who has seen it once, so its money is entered when a person has looked it up.
"""

from datetime import datetime

from django.db import transaction

from accounts.models import User
from booking.models import Booking
from okpuja.errors import Conflict
from payment.messages import Json, identifier, json_object, member, moment, paise
from payment.models import Dispute, LedgerEntry, Payment, PaymentAttempt, Refund, WebhookEvent
from payment.services.changes import lock_payment
from payment.services.refunds.outcomes import end_debt, withdraw_what_is_not_left
from payment.services.refunds.policy import LEAST_PAISE
from payment.services.refunds.promises import owe_refund, refundable_paise
from payment.services.telling import alert_staff
from payment.states import Fulfilment

EVENTS = "payment.dispute."
OWED = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
Status = Dispute.Status


def is_about_dispute(event: WebhookEvent) -> bool:
    return event.event.startswith(EVENTS)


@transaction.atomic
def note_dispute(event: WebhookEvent) -> None:
    """The dispute as this event tells it, unless newer news has come first. Twice is once."""
    told = member(json_object(bytes(event.body)), "payload")
    dispute_id, status = identifier(told.get("disputeId")), event.event.removeprefix(EVENTS).upper()
    if not dispute_id or status not in Status.values or event.attempt is None:
        return
    payment = lock_payment(pk=event.attempt.payment_id)
    told_at = moment(told.get("updatedAt")) or event.received_at
    dispute = Dispute.objects.filter(dispute_id=dispute_id).first()
    if dispute is not None and dispute.told_at >= told_at:
        return
    dispute = dispute or Dispute(dispute_id=dispute_id, attempt=event.attempt)
    _write(dispute, event, status, told, told_at)
    alert_staff("dispute", payment, case=f"dispute:{dispute_id}:{status}", status=status)
    if dispute.is_proven:
        _enter(dispute, payment)


@transaction.atomic
def confirm_dispute(dispute_id: int, by: User) -> Dispute:
    """A person has found it in PhonePe's dashboard. Raises Conflict when there is nothing to confirm."""
    payment_id = Dispute.objects.values_list("attempt__payment_id", flat=True).get(pk=dispute_id)
    payment = lock_payment(pk=payment_id)
    dispute = Dispute.objects.select_related("attempt").get(pk=dispute_id)
    if dispute.is_proven:
        raise Conflict("This dispute has been confirmed already.", code="confirmed_already")
    dispute.is_proven, dispute.confirmed_by = True, by
    dispute.save(update_fields=["is_proven", "confirmed_by", "updated_at"])
    _enter(dispute, payment)
    return dispute


def _write(dispute: Dispute, event: WebhookEvent, status: str, told: Json, told_at: datetime) -> None:
    dispute.event, dispute.status, dispute.told_at = event, status, told_at
    dispute.amount_paise = paise(told.get("disputeAmount")) or dispute.amount_paise
    dispute.due_at = moment(told.get("dueDate")) or dispute.due_at
    dispute.is_proven, dispute.confirmed_by = event.scheme == "hmac", None
    dispute.save()


def _enter(dispute: Dispute, payment: Payment) -> None:
    """Lost: the bank has taken the money, and it goes back no second time. Won after that: it is here again."""
    dispute.attempt.payment = payment
    taken = LedgerEntry.objects.filter(reference=dispute.dispute_id).first()
    if dispute.status == Status.LOST and taken is None and dispute.amount_paise:
        _add(dispute, -dispute.amount_paise, dispute.dispute_id)
        withdraw_what_is_not_left(dispute.attempt)
        end_debt(dispute.attempt)
    if dispute.status == Status.WON and taken is not None:
        _add(dispute, -taken.amount_paise, f"{dispute.dispute_id}:returned"[:64])
        _return_what_is_owed(dispute.attempt)


def _return_what_is_owed(attempt: PaymentAttempt) -> None:
    """The bank has brought back what never became a booking: then it is the buyer's again. Of a booking that was
    cancelled while the bank had its money, a person must say what is due."""
    left, reason = refundable_paise(attempt), "the bank brought it back"
    if left < LEAST_PAISE:
        return
    is_surplus = attempt.ledger.filter(kind=LedgerEntry.Kind.SURPLUS).exists()
    cancelled = Booking.objects.filter(checkout__payment=attempt.payment_id, status=Booking.Status.CANCELLED)
    if is_surplus or attempt.payment.fulfilment in OWED:
        owe_refund(attempt, left, reason, asked_by=None)
    elif cancelled.exists():
        owe_refund(attempt, left, reason, asked_by=None, held_because=Refund.Hold.SECOND_PERSON)


def _add(dispute: Dispute, amount_paise: int, reference: str) -> None:
    attempt = dispute.attempt
    LedgerEntry.objects.get_or_create(
        reference=reference,
        defaults={
            "payment_id": attempt.payment_id,
            "attempt": attempt,
            "kind": LedgerEntry.Kind.CHARGEBACK,
            "amount_paise": amount_paise,
            "simulated": attempt.simulated,
        },
    )
