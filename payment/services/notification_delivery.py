"""What happens to a notification at the moment it is sent: it is checked, and links and receipts are attached.

A notification states a fact about a row, and may have waited for hours for a mail server. One rule for each kind says
whether the fact still holds. If not, the notification is dropped with the reason: "your bank has not decided" must not
arrive after "booked". Links are made at that moment too, so that they are valid for long and nothing secret is stored.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from accounts.codes import code_of, digits
from accounts.models import BY_MAIL
from booking.calendar_files import calendar_file, place_of
from booking.fields import text_of
from booking.models import Assignment, Booking, Cart, PromoCode, WaitingEntry
from core.compiled import CompiledRead
from core.language import ENGLISH
from core.logging import log_about
from core.texts import one_line, safe_line
from notifications.models import Notification
from notifications.sending import Attachments
from notifications.services import AT_WORK, CODES
from payment.models import (
    OPEN_ATTEMPT,
    Offer,
    PayLink,
    Payment,
    PaymentAttempt,
    Refund,
    WebhookEvent,
    WorkLease,
)
from payment.services.booking_changes import map_url
from payment.services.links import change_url, offer_url, pay_link_url, status_url
from payment.services.notifications import notify_refund_started
from payment.services.receipts import MAIL_WAITS, pdf, receipt_of
from payment.services.transitions import NEWEST_ORDER
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState

Facts = dict[str, Any]
DropRule = Callable[[Payment, Facts], str]
ENDED_REFUND = (RefundState.COMPLETED, RefundState.FAILED)
UNFULFILLED = (Fulfilment.DUE, Fulfilment.HELD_FOR_STAFF)
CALLED_OFF = "the temple has called its time off"
GOES_BACK = (Fulfilment.REFUND_DUE, Fulfilment.REFUNDED)
WITH_BOOKING = ("booked", "paid_twice")  # a move has a notification of its own
CHANGEABLE = ("booked", "moved", "moved_by_customer", "reminder")  # with a link to cancel or move it
WITH_CALENDAR = (*CHANGEABLE, "cancelled")
WITH_RECEIPT = ("booked", "received")
CODE_OVER = "the code has expired, or another one has been sent"
WITH_CHOICE = ("offer", "called_off")


def attach(notification: Notification) -> Attachments:
    """The link, the receipt and the booking's time of now. The drop rule is checked before that and after it."""
    kind, facts = notification.kind, notification.facts
    payment: Any = _payment_of(facts)
    if payment is not None:
        log_about(payment.reference, payment.order)
    if over := _reason_to_drop(notification, payment):  # so that no receipt is numbered and made for nothing
        return Attachments(over=over)
    if kind in CODES:
        if (code := code_of(facts)) is None:
            return Attachments(over=CODE_OVER)
        return Attachments(facts={"code": digits(code), "via": getattr(code, "via", BY_MAIL)})
    if notification.channel == Notification.Channel.TEXT:
        return Attachments(
            facts=_newer_time(kind, Booking.objects.filter(book_id=facts.get("book_id")).first())
        )
    if kind == "pay_link":
        return Attachments(pay_link_url(PayLink.objects.get(pk=facts["link_id"])))
    if kind in AT_WORK:
        return Attachments(settings.PUBLIC_BASE_URL + reverse("desk:my-day"))
    if kind in DROP_RULES_WITHOUT_PAYMENT:
        return Attachments(settings.FRONTEND_BASE_URL or settings.PUBLIC_BASE_URL)
    if payment is None:
        return Attachments()
    if kind == "alert":
        return Attachments(
            settings.PUBLIC_BASE_URL + reverse("admin:payment_payment_change", args=[payment.pk])
        )
    link = offer_url(payment) if kind in WITH_CHOICE else status_url(payment)
    receipt = receipt_of(payment) if kind in WITH_RECEIPT else None
    files = dict([pdf(receipt, notification.language, MAIL_WAITS)]) if receipt else {}
    booking = _bookings_by_name.first(facts["book_id"]) if facts.get("book_id") else None
    newer, change_link, map_link = _newer_time(kind, booking), "", ""
    if booking is not None and kind in WITH_CALENDAR:
        files[f"{booking.book_id}.ics"] = calendar_file([booking], notification.language)
        if kind in CHANGEABLE:
            change_link, map_link = change_url(booking), map_url(booking)
            newer |= _how_to_come(booking)
    return Attachments(link, files, newer, reason_to_drop(notification), change_link, map_link)


def _how_to_come(booking: Booking) -> Facts:
    """Where it is, and what to bring; for whom only to an address that its owner has confirmed."""
    checkout, service = booking.checkout, booking.checkout.puja_service
    is_known = booking.user.email_confirmed_at is not None
    names = " · ".join(filter(None, (one_line(checkout.devotee_names), checkout.gotra, checkout.nakshatra)))
    return {
        "place": place_of(booking, ENGLISH),
        "place_hi": place_of(booking, "hi"),
        "devotees": safe_line(names) if is_known else "",
        "preparation": text_of(service.preparation),
        "preparation_hi": text_of(service.preparation_hi),
    }


def _newer_time(kind: str, booking: Booking | None) -> Facts:
    """The booking may have been moved since the notification was written."""
    if kind not in WITH_BOOKING or booking is None:
        return {}
    return {"starts_at": timezone.localtime(booking.starts_at).isoformat()}


def reason_to_drop(notification: Notification) -> str:
    """Why the notification is not sent any more; "" while it is true. Reads the rows as they are now."""
    return _reason_to_drop(notification, _payment_of(notification.facts))


def _payment_of(facts: Facts) -> Payment | None:
    payment_id = facts.get("payment_id")
    return None if payment_id is None else _payments.first(payment_id)


@CompiledRead
def _payments(payment_id: int) -> QuerySet[Payment]:
    """With the newest order, as `order`."""
    payments = Payment.objects.select_related("user", "checkout__booking")
    return payments.annotate(order=NEWEST_ORDER).filter(pk=payment_id)


@CompiledRead
def _bookings_by_name(book_id: str) -> QuerySet[Booking]:
    return Booking.objects.select_related("checkout__puja_service", "user").filter(book_id=book_id)


def _reason_to_drop(notification: Notification, payment: Payment | None) -> str:
    if notification.kind in CODES:
        return "" if code_of(notification.facts) else CODE_OVER
    if notification.kind == "alert":
        alert_rule = ALERT_DROP_RULES.get(str(notification.facts.get("rule")))
        return alert_rule(notification.facts) if alert_rule else ""
    if without_payment := DROP_RULES_WITHOUT_PAYMENT.get(notification.kind):
        return without_payment(notification.facts)
    rule = DROP_RULES.get(notification.kind)
    return rule(payment, notification.facts) if rule and payment else ""


def booking_of(payment: Payment) -> Booking | None:
    """As it was when the payment was read."""
    booking: Booking | None = getattr(payment.checkout, "booking", None)
    return booking


# By kind of notification: why it is dropped, or "".
DROP_RULES: dict[str, DropRule] = {}


def drop_rule(kind: str) -> Callable[[DropRule], DropRule]:
    """Adds a function to DROP_RULES."""

    def register(rule: DropRule) -> DropRule:
        DROP_RULES[kind] = rule
        return rule

    return register


@drop_rule("received")
def received_is_outdated(payment: Payment, facts: Facts) -> str:
    """Money that waits, is in review, or is a donation: dropped when it is something else now."""
    if payment.fulfilment == facts.get("fulfilment", payment.fulfilment):
        return ""
    return f"the money is no longer {facts['fulfilment']} but {payment.fulfilment or 'returned'}"


@drop_rule("booked")
def booked_is_outdated(payment: Payment, facts: Facts) -> str:
    """Not dropped after a move: `attach` adds the new time."""
    booking = booking_of(payment)
    if booking is None or booking.status == Booking.Status.CANCELLED:
        return "the booking has been cancelled"
    return CALLED_OFF if booking.choose_until else ""


@drop_rule("pending")
def pending_is_outdated(payment: Payment, facts: Facts) -> str:
    is_undecided = payment.is_open and not payment.fulfilment
    return "" if is_undecided else f"the payment has been decided: {payment.state}"


@drop_rule("failed")
def failed_is_outdated(payment: Payment, facts: Facts) -> str:
    if payment.state == PaymentState.SUCCESS or payment.fulfilment:
        return "the money has come after all"
    if payment.checkout and payment.checkout.cart.status == Cart.Status.CONVERTED:
        return "the same cart has been booked by another payment"
    return ""


@drop_rule("offer")
def offer_is_outdated(payment: Payment, facts: Facts) -> str:
    return _choice_is_over(payment, Offer.Because.LATE, facts)


@drop_rule("called_off")
def called_off_is_outdated(payment: Payment, facts: Facts) -> str:
    return _choice_is_over(payment, Offer.Because.CALLED_OFF, facts)


def _choice_is_over(payment: Payment, because: Offer.Because, facts: Facts) -> str:
    """A later offer has another end, other times, and a message of its own."""
    can_choose = Offer.objects.filter(
        payment=payment, because=because, state=Offer.State.OPEN, expires_at__gt=timezone.now()
    )
    this_one = can_choose.filter(expires_at=datetime.fromisoformat(facts["until"]))
    return "" if this_one.exists() else "the choice is over"


@drop_rule("offer_closed")
def offer_closed_is_outdated(payment: Payment, facts: Facts) -> str:
    return "" if payment.fulfilment in GOES_BACK else f"the money has become {payment.fulfilment}"


@drop_rule("cancelled")
def cancelled_is_outdated(payment: Payment, facts: Facts) -> str:
    booking = booking_of(payment)
    return "" if booking and booking.status == Booking.Status.CANCELLED else "the booking is not cancelled"


@drop_rule("moved")
@drop_rule("moved_by_customer")
def moved_is_outdated(payment: Payment, facts: Facts) -> str:
    booking = booking_of(payment)
    if booking is None or booking.status == Booking.Status.CANCELLED:
        return "the booking has been cancelled"
    if booking.starts_at != datetime.fromisoformat(facts["starts_at"]):
        return "the booking has been moved again"
    return CALLED_OFF if booking.choose_until else ""


@drop_rule("reminder")
def reminder_is_outdated(payment: Payment, facts: Facts) -> str:
    has_begun = datetime.fromisoformat(facts["starts_at"]) <= timezone.now()
    return moved_is_outdated(payment, facts) or ("the puja has begun" if has_begun else "")


@drop_rule("priest_known")
def priest_is_another(payment: Payment, facts: Facts) -> str:
    comes = Assignment.objects.filter(pk=facts["assignment_id"], freed_at=None)
    return "" if comes.exists() else "this priest does not come"


@drop_rule("paid_twice")
def paid_twice_is_outdated(payment: Payment, facts: Facts) -> str:
    """It names the other booking as one that stays."""
    kept = Booking.objects.filter(book_id=facts.get("book_id")).exclude(status=Booking.Status.CANCELLED)
    return "" if kept.exists() else "the booking that it names has been cancelled"


@drop_rule("refund_started")
def refund_started_is_outdated(payment: Payment, facts: Facts) -> str:
    """A refund that failed is replaced by another one: then that one is announced instead."""
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


@drop_rule("refund_credited")
def refund_credited_is_outdated(payment: Payment, facts: Facts) -> str:
    refund = Refund.objects.filter(merchant_refund_id=facts.get("refund_id")).first()
    return "" if refund is None or refund.state == RefundState.COMPLETED else "the refund is not credited"


def _happened(facts: Facts) -> str:
    """An event of the past: staff are alerted however late it is."""
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


def _place_is_given_away(facts: Facts) -> str:
    """An offer that was withdrawn and made again has another number, and a message of its own."""
    number = {"offers": facts["offer"]} if "offer" in facts else {}  # the last release wrote none
    until = datetime.fromisoformat(facts["until"])
    entry = WaitingEntry.objects.filter(pk=facts["waiting_id"], state=WaitingEntry.State.OFFERED)
    return "" if entry.filter(offered_until=until, **number).exists() else "the place is not kept any more"


def _link_is_over(facts: Facts) -> str:
    good = PayLink.objects.filter(pk=facts["link_id"], ended_at=None, expires_at__gt=timezone.now())
    return "" if good.exists() else "the link has ended"


def _time_has_passed(facts: Facts) -> str:
    has_begun = datetime.fromisoformat(facts["starts_at"]) <= timezone.now()
    return "the puja has begun" if has_begun else ""


def _assignment_has_changed(facts: Facts) -> str:
    """A later change has a message of its own."""
    assignment = Assignment.objects.filter(pk=facts["assignment_id"]).first()
    return "" if assignment and assignment.changes == facts["changes"] else "it has changed again"


def _priest_has_it_again(facts: Facts) -> str:
    freed = Assignment.objects.filter(pk=facts["assignment_id"], freed_at__isnull=False).first()
    if freed is None:
        return "it is theirs"
    again = Assignment.objects.filter(booking=freed.booking_id, priest=freed.priest_id, freed_at=None)
    return "it is theirs again" if again.exists() else ""


def _code_is_over(facts: Facts) -> str:
    lasts = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    code = PromoCode.objects.filter(lasts, pk=facts["promo_id"], is_active=True)
    return "" if code.exists() else "the promo code is not valid any more"


# By kind of notification to a customer who has not paid, or to a priest.
DROP_RULES_WITHOUT_PAYMENT: dict[str, Callable[[Facts], str]] = {
    "pay_link": _link_is_over,
    "paying_works": _happened,
    "promo_code": _code_is_over,
    "waiting_offer": _place_is_given_away,
    "waiting_over": _time_has_passed,
    "priest_assigned": _assignment_has_changed,
    "priest_moved": _assignment_has_changed,
    "priest_freed": _priest_has_it_again,
}
ALERT_DROP_RULES: dict[str, Callable[[Facts], str]] = {
    "amount_differs": _fulfilment(Fulfilment.HELD_FOR_STAFF),
    "amount_missing": _attempt(*OPEN_ATTEMPT, AttemptState.FAILED, AttemptState.EXPIRED),
    "payment_stuck": _attempt(*OPEN_ATTEMPT),
    "places_held": _happened,
    "money_waits": _fulfilment(*UNFULFILLED),
    "refund_stuck": _refund,
    "refunds_await_approval": _happened,
    "refund_failed_often": _refund_held,
    "refund_not_sent": _refund_not_sent,
    "refund_differs": _happened,
    "event_unconfirmed": _event,
    "work_fails": _work,
    "books_differ": _happened,
    "worker_overdue": _happened,
    "backup_overdue": _happened,
    "cash_not_counted": _happened,
    "webhook_silence": _happened,
    "guessing": _happened,
    "dispute": _happened,
    "dispute_unmatched": _happened,
    "dispute_after_refund": _happened,
    "event_not_understood": _in_review,
    "events_in_review": _in_review,
    "messages_wait": _happened,
    "message_given_up": _happened,
    "webhook_endpoint_off": _happened,
}
