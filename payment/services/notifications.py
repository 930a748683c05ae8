"""Notifications about a payment. Each function only writes into the outbox, in the caller's transaction.

A notification is sent once: its key names what it is about. Links and receipts are added when it is sent
(`payment.services.notification_delivery`).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Sum
from django.utils import timezone

from booking.models import Assignment, Booking, Checkout
from notifications import services as outbox
from notifications.models import Notification
from payment.models import (
    PAYING,
    Donation,
    LedgerEntry,
    Offer,
    PayLink,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    WebhookEvent,
)
from payment.phonepe.webhook_events import is_about_dispute
from payment.services.refunds.amounts import free_until

TO_PRIESTS = {
    Assignment.News.NEW: "priest_assigned",
    Assignment.News.MOVED: "priest_moved",
    Assignment.News.FREED: "priest_freed",
}
VALID_BOOKING = (Booking.Status.CONFIRMED, Booking.Status.COMPLETED)


def notify_received(payment: Payment) -> None:
    """The money is here, and is no booking (yet): a donation, a case for staff, a booking that has to wait.

    Once for each fulfilment: money in review may become a donation later, whose message carries the receipt.
    """
    guest = payment.payer_reference  # guests write any name here; some write a mail address
    try:
        validate_email(guest)
    except ValidationError:
        guest = ""
    _notify("received", payment, _amount_facts(payment), about=payment.fulfilment, email=guest)


def notify_booked(payment: Payment) -> None:
    """Needs the booking to exist."""
    booking = payment.booking
    until = _free_until(booking) if booking else ""
    _notify("booked", payment, _amount_facts(payment) | _booking(payment) | {"free_until": until})


def booked_notifications(payment: Payment, receipt: Receipt, booking: Booking) -> list[Notification]:
    """What `notify_booked` writes about a payment as agreed, of rows that may not be in the database yet."""
    facts = _facts_about_money(payment, receipt.received_at) | _puja(booking.checkout, booking)
    facts |= {"amount_paise": receipt.total_paise, "agreed_paise": None, "free_until": _free_until(booking)}
    facts |= _number_and_start(booking)
    kind, key, user = "booked", _key("booked", payment), payment.user
    found = (outbox.compose(kind, key, facts, user=user), outbox.compose_text(kind, key, facts, user))
    return [each for each in found if each is not None]


def notify_pay_link(link: PayLink) -> None:
    """Staff made a booking for somebody: how to pay it, and until when."""
    checkout = link.checkout
    facts = _puja(checkout, None) | {
        "link_id": link.pk,
        "amount_paise": checkout.total_paise,
        "until": _iso(link.expires_at),
    }
    outbox.notify("pay_link", f"pay_link:{link.pk}", facts, user=checkout.user)


def notify_pending(payment: Payment) -> None:
    """The customer has tried to pay and their bank takes long: they must not pay twice."""
    _notify("pending", payment)


def notify_failed(payment: Payment) -> None:
    _notify("failed", payment)


def notify_ended(payment: Payment) -> None:
    """Nobody tried to pay. Only for customers whom we have asked to wait."""
    if outbox.was_notified(_key("pending", payment)):
        _notify("failed", payment)


def notify_refund_started(refund: Refund) -> None:
    _notify_about_refund("refund_started", refund, {"expected_by": _iso(refund.expected_by)})


def notify_refund_credited(refund: Refund) -> None:
    _notify_about_refund("refund_credited", refund, {"utr": refund.utr})


def notify_offer(payment: Payment, starts: Iterable[datetime], until: datetime) -> None:
    """The place is gone: `starts` are the times to choose from, by a signed link, until `until`."""
    offered = {"offered": [_iso(start) for start in starts], "until": _iso(until)}
    _notify("offer", payment, offered | _gone_start(payment))


def notify_offer_closed(payment: Payment) -> None:
    """Nothing was chosen, or there was nothing to choose from: the money goes back."""
    _notify("offer_closed", payment, _gone_start(payment))


def notify_paid_twice(payment: Payment, kept: Booking | None) -> None:
    """All of it goes back, because `kept` was booked with other money. The refund has a notification of its own."""
    if kept is not None:
        _notify("paid_twice", payment, _amount_facts(payment) | _number_and_start(kept))


def notify_surplus(payment: Payment, attempt: PaymentAttempt) -> None:
    """Another order of a payment that had been paid. Not for donations, which have no booking to name."""
    kept = Booking.objects.filter(checkout__payment=payment, status__in=VALID_BOOKING).first()
    if kept is not None:
        facts = {"amount_paise": attempt.received_paise, **_number_and_start(kept)}
        _notify("paid_twice", payment, facts, about=attempt.merchant_order_id)


def notify_cancelled(booking: Booking, refund_paise: int, because: str = "") -> None:
    """`refund_paise`: what goes back by the policy, 0 for nothing. `because`: what the temple says about it."""
    payment = booking.checkout.payment
    facts = {**_booking(payment), "refund_paise": refund_paise, **_reason(because)}
    _notify("cancelled", payment, facts)
    notify_priests(booking)


def notify_moved(booking: Booking, before: datetime, because: str = "") -> None:
    """It was moved from `before` to the booking's time of now. Once for every move, also back to an earlier time."""
    payment = booking.checkout.payment
    facts = {
        **_booking(payment),
        "moved_from": _iso(before),
        "free_until": _free_until(booking),
        **_reason(because),
    }
    _notify("moved", payment, facts, about=f"move:{booking.moves}")
    notify_priests(booking, before)


def notify_moved_by_customer(booking: Booking, before: datetime) -> None:
    """Once for every move; the link to change it again is made when the notification is sent."""
    payment = booking.checkout.payment
    facts = {**_booking(payment), "moved_from": _iso(before), "free_until": _free_until(booking)}
    _notify("moved_by_customer", payment, facts, about=f"own_move:{booking.own_moves}")
    notify_priests(booking, before)


def notify_reminder(booking: Booking, due_at: datetime) -> None:
    """Once for each moment at which one was due, and for each time that the booking has had."""
    payment = booking.checkout.payment
    about = f"{booking.changes}:{due_at:%Y%m%d%H%M}"
    _notify("reminder", payment, _booking(payment), about=about)


def notify_called_off(booking: Booking, offer: Offer, starts: Iterable[datetime], because: str = "") -> None:
    """The temple has called the time off: `starts` are the ones to choose from, by a signed link."""
    facts = {
        **_booking(offer.payment),
        "offered": [_iso(start) for start in starts],
        "until": _iso(offer.expires_at),
        "wanted_at": _iso(booking.starts_at),
        "starts_at": "",
        **_reason(because),
    }
    _notify("called_off", offer.payment, facts, about=f"offer:{offer.pk}")
    notify_priests(booking)


def notify_priests(booking: Booking, before: datetime | None = None) -> None:
    """Tells the priests of this booking what they have not been told yet. `before`: its start before a move."""
    changed = Assignment.objects.filter(booking=booking).exclude(news=Assignment.News.NONE)
    untold = list(changed.select_related("priest", "booking__checkout"))
    for assignment in untold:
        kind, priest = TO_PRIESTS[Assignment.News(assignment.news)], assignment.priest
        facts = _puja(assignment.booking.checkout, None) | {
            "book_id": booking.book_id,
            "starts_at": _iso(assignment.begins),
            "moved_from": _iso(before) if kind == "priest_moved" else "",
            "assignment_id": assignment.pk,
            "changes": assignment.changes,
        }
        key = f"{kind}:assignment:{assignment.pk}:{assignment.changes}"
        outbox.notify(kind, key, facts, user=None, email=priest.email, language=priest.language)
    if untold:
        changed.update(news=Assignment.News.NONE)


def notify_priest_known(assignment: Assignment) -> None:
    """The customer hears who performs their puja, once for each priest."""
    payment, priest = assignment.booking.checkout.payment, assignment.priest
    facts = {"priest": priest.name, "priest_hi": priest.name_hi, "assignment_id": assignment.pk}
    _notify("priest_known", payment, _booking(payment) | facts, about=f"assignment:{assignment.pk}")


def alert_staff(rule: str, payment: Payment | None = None, *, case: str = "", **facts: Any) -> None:
    """Once per rule, case and day; the case is the payment where there is one. `facts` are plain JSON."""
    if payment is not None:
        case = case or f"payment:{payment.pk}"
        facts = {**_facts(payment), **_amount_facts(payment), **facts}
    outbox.alert(rule, case, facts)


def alert_not_understood(event: WebhookEvent) -> None:
    """Once a day for each kind, since a new word of PhonePe may come with every order; once for each dispute."""
    payment = event.attempt.payment if event.attempt else None
    is_single = is_about_dispute(event.event)
    case = f"event:{event.pk}" if is_single else f"events:{event.event}:{event.unclear}"[:100]
    facts = {"event": event.event, "order": event.merchant_order_id, "refund_id": event.merchant_refund_id}
    alert_staff("event_not_understood", payment, case=case, unclear=event.unclear, event_id=event.pk, **facts)


def _notify(
    kind: str, payment: Payment, facts: outbox.Facts | None = None, *, about: str = "", email: str = ""
) -> None:
    """A donor without an account hears of their money only: anybody may have typed the address."""
    key = f"{_key(kind, payment)}:{about}" if about else _key(kind, payment)
    all_facts, language = _facts(payment) | (facts or {}), ""
    donation = Donation.objects.filter(payment=payment).first() if payment.checkout_id is None else None
    if donation is not None:
        all_facts |= {"purpose": donation.purpose, "purpose_hi": donation.purpose_hi}
        email, language = donation.email if kind in outbox.MONEY_CAME else "", donation.language
    outbox.notify(kind, key, all_facts, user=payment.user, email=email, language=language)


def _notify_about_refund(kind: str, refund: Refund, more: outbox.Facts) -> None:
    facts = {"refund_paise": refund.amount_paise, "refund_id": refund.merchant_refund_id, **more}
    if refund.attempt.by_hand:
        facts["by_hand"] = True
    _notify(kind, refund.payment, facts, about=refund.merchant_refund_id)


def _key(kind: str, payment: Payment) -> str:
    return f"{kind}:payment:{payment.pk}"


def _facts(payment: Payment) -> outbox.Facts:
    # The time of the money, as on the receipt: staff may have accepted it much later.
    received_at = Receipt.objects.filter(payment=payment).values_list("received_at", flat=True).first()
    about_money, checkout = _facts_about_money(payment, received_at or payment.decided_at), payment.checkout
    if checkout is None:
        return about_money
    return about_money | _puja(checkout, Booking.objects.filter(checkout=checkout).first())


def _facts_about_money(payment: Payment, paid_at: datetime | None) -> outbox.Facts:
    return {
        "payment_id": payment.pk,
        "reference": payment.reference,
        "amount_paise": payment.amount_paise,
        "paid_at": _iso(paid_at),
        "simulated": payment.simulated,
        "held_because": payment.held_because,
        "fulfilment": payment.fulfilment,
    }


def _amount_facts(payment: Payment) -> outbox.Facts:
    """The received amount, which may differ from the agreed one: what paid it, else what is in suspense."""
    sums = dict(payment.ledger.order_by().values_list("kind").annotate(sum=Sum("amount_paise")))
    agreed = payment.amount_paise
    paid = sum(sums.get(kind, 0) for kind in PAYING)
    received = paid or sums.get(LedgerEntry.Kind.SUSPENSE) or agreed
    return {"amount_paise": received, "agreed_paise": agreed if received != agreed else None}


def _puja(checkout: Checkout, booking: Booking | None) -> outbox.Facts:
    """The time that it has now: another one may have been chosen, or the temple has moved it."""
    return {
        "puja": checkout.puja_title,
        "puja_hi": checkout.puja_title_hi,
        "place": checkout.package_location,
        "place_hi": checkout.package_location_hi,
        "starts_at": _iso((booking or checkout).starts_at),
    }


def _booking(payment: Payment) -> outbox.Facts:
    booking = Booking.objects.filter(checkout=payment.checkout).first()
    return {"book_id": booking.book_id, "starts_at": _iso(booking.starts_at)} if booking else {}


def _number_and_start(booking: Booking) -> outbox.Facts:
    return {"book_id": booking.book_id, "starts_at": _iso(booking.starts_at)}


def _free_until(booking: Booking) -> str:
    """Until when a cancellation gives everything back; empty when it does not any more."""
    until = free_until(booking)
    return _iso(until) if until is not None and until > timezone.now() else ""


def _gone_start(payment: Payment) -> outbox.Facts:
    """The start that is gone, under a name of its own: it is no time to come at."""
    return {"wanted_at": _iso(payment.checkout.starts_at) if payment.checkout else "", "starts_at": ""}


def _reason(because: str) -> outbox.Facts:
    """Only where there is one: messages about the same fact are compared by their facts."""
    return {"because": because} if because else {}


def _iso(moment: datetime | None) -> str:
    return timezone.localtime(moment).isoformat() if moment else ""
