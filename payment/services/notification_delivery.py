"""What happens to a notification at the moment it is sent: it is checked, and links and receipts are attached.

A notification states a fact about a row, and may have waited for hours for a mail server. One rule for each kind says
whether the fact still holds. If not, the notification is dropped with the reason: "your bank has not decided" must not
arrive after "booked". Links are made at that moment too, so that they live long and nothing secret is stored.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from booking.models import Booking, Cart
from notifications.models import Notification
from notifications.sending import Attachments
from payment.models import OPEN_ATTEMPT, Offer, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease
from payment.services.links import offer_url, status_url
from payment.services.notifications import notify_refund_started
from payment.services.receipts import pdf, receipt_of
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState

Facts = dict[str, Any]
ENDED_REFUND = (RefundState.COMPLETED, RefundState.FAILED)
UNFULFILLED = (Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF)
CALLED_OFF = "the temple has called its time off"
GOES_BACK = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
WITH_BOOKING = ("booked", "paid_twice")  # one that stands; a move is told by itself
WITH_RECEIPT = ("booked", "received")
WITH_CHOICE = ("offer", "called_off")


def attach(notification: Notification) -> Attachments:
    """The link to go on, the receipt, the time that the booking has now; and last, whether all of it is still so."""
    if over := reason_to_drop(notification):  # no receipt is numbered and drawn for nothing
        return Attachments(over=over)
    payment = Payment.objects.filter(pk=notification.facts.get("payment_id")).first()
    if payment is None:
        return Attachments()
    if notification.kind == "alert":
        return Attachments(
            settings.PUBLIC_BASE_URL + reverse("admin:payment_payment_change", args=[payment.pk])
        )
    link, files, facts = _link(notification, payment), _receipt(notification, payment), _newest(notification)
    return Attachments(link, files, facts, over=reason_to_drop(notification))


def _newest(notification: Notification) -> dict[str, str]:
    """A booking that was moved before this was sent is told with the time that it has now."""
    book_id = notification.facts.get("book_id") if notification.kind in WITH_BOOKING else None
    booking = Booking.objects.filter(book_id=book_id).first() if book_id else None
    return {"starts_at": timezone.localtime(booking.starts_at).isoformat()} if booking else {}


def _link(notification: Notification, payment: Payment) -> str:
    return offer_url(payment) if notification.kind in WITH_CHOICE else status_url(payment)


def _receipt(notification: Notification, payment: Payment) -> dict[str, bytes]:
    receipt = receipt_of(payment) if notification.kind in WITH_RECEIPT else None
    return dict([pdf(receipt, notification.language)]) if receipt else {}


def reason_to_drop(notification: Notification) -> str:
    """Why the message is not sent any more; empty while what it says is true. Reads the rows as they are now."""
    if notification.kind == "alert":
        alert_rule = ALERT_DROP_RULES.get(str(notification.facts.get("rule")))
        return alert_rule(notification.facts) if alert_rule else ""
    payment = Payment.objects.filter(pk=notification.facts.get("payment_id")).first()
    rule = DROP_RULES.get(notification.kind)
    return rule(payment, notification.facts) if rule and payment else ""


def booking_of(payment: Payment) -> Booking | None:
    return Booking.objects.filter(checkout__payment=payment).first()


def _received(payment: Payment, facts: Facts) -> str:
    """Money that waits, is held, or is a gift: as long as it is just that."""
    if payment.fulfilment == facts.get("fulfilment", payment.fulfilment):
        return ""
    return f"the money is no longer {facts['fulfilment']} but {payment.fulfilment or 'returned'}"


def _booked(payment: Payment, facts: Facts) -> str:
    """Moved in the meantime, it is sent with the time of now."""
    booking = booking_of(payment)
    if booking is None or booking.status == Booking.Status.CANCELLED:
        return "the booking has been cancelled"
    return CALLED_OFF if booking.choose_until else ""


def _pending(payment: Payment, facts: Facts) -> str:
    is_undecided = payment.is_open and not payment.fulfilment
    return "" if is_undecided else f"the payment has been decided: {payment.state}"


def _failed(payment: Payment, facts: Facts) -> str:
    if payment.state == PaymentState.SUCCESS or payment.fulfilment:
        return "the money has come after all"
    if payment.checkout and payment.checkout.cart.status == Cart.Status.CONVERTED:
        return "the same cart has been booked by another payment"
    return ""


def _offer(payment: Payment, facts: Facts) -> str:
    return _choice(payment, Offer.Because.LATE)


def _called_off(payment: Payment, facts: Facts) -> str:
    return _choice(payment, Offer.Because.CALLED_OFF)


def _choice(payment: Payment, because: Offer.Because) -> str:
    can_choose = Offer.objects.filter(
        payment=payment, because=because, state=Offer.State.OPEN, expires_at__gt=timezone.now()
    )
    return "" if can_choose.exists() else "the choice is over"


def _offer_closed(payment: Payment, facts: Facts) -> str:
    return "" if payment.fulfilment in GOES_BACK else f"the money has become {payment.fulfilment}"


def _cancelled(payment: Payment, facts: Facts) -> str:
    booking = booking_of(payment)
    return "" if booking and booking.status == Booking.Status.CANCELLED else "the booking is not cancelled"


def _moved(payment: Payment, facts: Facts) -> str:
    booking = booking_of(payment)
    if booking is None or booking.status == Booking.Status.CANCELLED:
        return "the booking has been cancelled"
    if booking.starts_at != datetime.fromisoformat(facts["starts_at"]):
        return "the booking has been moved again"
    return CALLED_OFF if booking.choose_until else ""


def _paid_twice(payment: Payment, facts: Facts) -> str:
    """It says that the other booking stays as it is."""
    kept = Booking.objects.filter(book_id=facts.get("book_id")).exclude(status=Booking.Status.CANCELLED)
    return "" if kept.exists() else "the booking that it names has been cancelled"


def _refund_started(payment: Payment, facts: Facts) -> str:
    """The debt of a refund that failed goes on under another id, which is told instead."""
    refund = Refund.objects.filter(merchant_refund_id=facts.get("refund_id")).first()
    if refund is None or refund.state not in ENDED_REFUND:
        return ""
    if refund.state == RefundState.COMPLETED:
        return "the money has gone back"
    last = refund
    while successor := Refund.objects.filter(replaces=last).first():
        last = successor
    if last.state in ENDED_REFUND:
        return "the refund has failed"
    notify_refund_started(last)
    return f"the refund has failed; {last.merchant_refund_id} has taken its place"


def _refund_credited(payment: Payment, facts: Facts) -> str:
    refund = Refund.objects.filter(merchant_refund_id=facts.get("refund_id")).first()
    return "" if refund is None or refund.state == RefundState.COMPLETED else "the refund is not credited"


DROP_RULES: dict[str, Callable[[Payment, Facts], str]] = {
    "received": _received,
    "booked": _booked,
    "pending": _pending,
    "failed": _failed,
    "offer": _offer,
    "offer_closed": _offer_closed,
    "called_off": _called_off,
    "cancelled": _cancelled,
    "moved": _moved,
    "paid_twice": _paid_twice,
    "refund_started": _refund_started,
    "refund_credited": _refund_credited,
}


def _happened(facts: Facts) -> str:
    """A single occurrence, which staff must hear of however late."""
    return ""


def _fulfilment(*waiting: Fulfilment) -> Callable[[Facts], str]:
    def rule(facts: Facts) -> str:
        moved = (
            Payment.objects.filter(pk=facts.get("payment_id") or 0).exclude(fulfilment__in=waiting).first()
        )
        return f"the payment is {moved.fulfilment or moved.state}" if moved else ""

    return rule


def _attempt(*waiting: AttemptState) -> Callable[[Facts], str]:
    def rule(facts: Facts) -> str:
        moved = PaymentAttempt.objects.filter(merchant_order_id=facts.get("order")).exclude(state__in=waiting)
        return "".join(f"the order is {attempt.state}" for attempt in moved)

    return rule


def _refund(facts: Facts) -> str:
    ended = Refund.objects.filter(merchant_refund_id=facts.get("refund_id"), state__in=ENDED_REFUND)
    return "".join(f"the refund is {refund.state}" for refund in ended)


def _refund_not_sent(facts: Facts) -> str:
    sent = Refund.objects.filter(merchant_refund_id=facts.get("refund_id"), sent_at__isnull=False)
    return "the refund has been sent" if sent.exists() else _refund(facts)


def _refund_held(facts: Facts) -> str:
    released = Refund.objects.filter(merchant_refund_id=facts.get("refund_id"), held_because="")
    return "the refund has been released" if released.exists() else _refund(facts)


def _event(facts: Facts) -> str:
    event = str(facts.get("case", "")).removeprefix("event:")
    ended = WebhookEvent.objects.exclude(state=WebhookEvent.State.RECEIVED).filter(pk=int(event or 0)).first()
    return f"the event is {ended.state}" if ended else ""


def _in_review(facts: Facts) -> str:
    kind = {"event": facts.get("event", ""), "unclear": facts.get("unclear", "")}
    waiting = WebhookEvent.objects.filter(state=WebhookEvent.State.NEEDS_REVIEW, **kind)
    return "" if waiting.exists() else "the events have been closed"


def _work(facts: Facts) -> str:
    failing = WorkLease.objects.filter(kind=facts.get("work"), row=facts.get("row") or 0, tries__gt=0)
    return "" if failing.exists() else "the row has gone through"


ALERT_DROP_RULES: dict[str, Callable[[Facts], str]] = {
    "amount_differs": _fulfilment(Fulfilment.HELD_FOR_STAFF),
    "amount_missing": _attempt(*OPEN_ATTEMPT, AttemptState.FAILED, AttemptState.EXPIRED),
    "payment_stuck": _attempt(*OPEN_ATTEMPT),
    "money_waits": _fulfilment(*UNFULFILLED),
    "refund_stuck": _refund,
    "refund_failed_often": _refund_held,
    "refund_not_sent": _refund_not_sent,
    "refund_differs": _happened,
    "event_unconfirmed": _event,
    "work_fails": _work,
    "books_differ": _happened,
    "worker_overdue": _happened,
    "webhook_silence": _happened,
    "dispute": _happened,
    "dispute_unmatched": _happened,
    "dispute_after_refund": _happened,
    "event_not_understood": _in_review,
    "events_in_review": _in_review,
    "messages_wait": _happened,
    "message_given_up": _happened,
}
