"""What needs somebody of the staff: one table of cases, which Today counts and whose rows have a page each."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Q, QuerySet, Value
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from backoffice import rights
from backoffice.pages import may
from booking.models import Booking, Priest
from booking.services.priests import without_priest
from core.databases import scalars
from core.dates import spell_date, spell_time
from core.language import Text, localized
from notifications.models import Notification
from payment.models import Dispute, Payment, Refund, WebhookEvent, WorkLease
from payment.services.monitoring import (
    events_in_review,
    late_refunds,
    real_or_simulating,
    waiting_money,
)
from payment.services.refunds.amounts import REQUESTED
from payment.services.rule_words import words_of
from payment.states import Fulfilment, PaymentState, RefundState

AMOUNT_DIFFERS = "amount_differs"  # why a payment is held
APPROVAL = "approval"
UNDECIDED = timedelta(hours=1)
SOON = timedelta(days=2)
RECENT = timedelta(days=30)  # what was given up earlier has been seen, or nobody misses it
MOST_ROWS = 100


@dataclass(frozen=True)
class Row:
    """One case in a list: where it is dealt with, what and who it is, since when, and its money in paise."""

    address: str
    what: str
    who: str
    since: datetime
    paise: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Need:
    """`find`: its rows by now, oldest first. `advice`: what to do about them."""

    name: str
    title: Text
    advice: Text
    right: str
    find: Callable[[datetime], "QuerySet[Any]"]
    describe: Callable[[Any], Row]


@dataclass(frozen=True)
class CountedNeed:
    """`address`: where it is dealt with."""

    need: Need
    count: int
    address: str


def counted_needs(request: HttpRequest, now: datetime) -> list[CountedNeed]:
    """Those that have rows and that this person may see, counted in one statement."""
    allowed = [need for need in NEEDS if may(request, need.right)]
    counts = scalars([_count(need.find(now)) for need in allowed]) if allowed else []
    found = ((need, count) for need, count in zip(allowed, counts, strict=True) if count)
    return [CountedNeed(need, count, _address(request, need)) for need, count in found]


def _address(request: HttpRequest, need: Need) -> str:
    """Its rows; for who may approve refunds, the page on which the next click approves one."""
    if need.name == APPROVAL and may(request, rights.SEE_BOOKINGS, rights.REFUND):
        return reverse("desk:approvals")
    return reverse(f"desk:needs-{need.name}")


def _count(rows: "QuerySet[Any]") -> "QuerySet[Any]":
    """As a sub-select. Without a row there is no group, which reads as None."""
    return rows.order_by().annotate(group=Value(1)).values("group").annotate(n=Count("pk")).values("n")


def _payments_in_review(because: Q) -> Callable[[datetime], "QuerySet[Payment]"]:
    return lambda now: (
        Payment.objects.filter(because, fulfilment=Fulfilment.HELD_FOR_STAFF)
        .select_related("user", "checkout")
        .order_by("created_at", "pk")
    )


def _undecided(now: datetime) -> "QuerySet[Payment]":
    pending = Payment.objects.filter(
        real_or_simulating("simulated"), state=PaymentState.PENDING, created_at__lte=now - UNDECIDED
    )
    return pending.select_related("user", "checkout").order_by("created_at", "pk")


def _unfulfilled(now: datetime) -> "QuerySet[Payment]":
    due = waiting_money(now).filter(fulfilment=Fulfilment.DUE)
    return due.select_related("user", "checkout").order_by("created_at", "pk")


def _with_payments(refunds: "QuerySet[Refund]") -> "QuerySet[Refund]":
    return refunds.select_related("payment__user", "payment__checkout", "asked_by").order_by(
        "created_at", "pk"
    )


def _given_up(now: datetime) -> "QuerySet[Notification]":
    given_up = Notification.objects.filter(state=Notification.State.GIVEN_UP, created_at__gt=now - RECENT)
    return given_up.select_related("user").order_by("created_at", "pk")


def _without_priest(now: datetime) -> "QuerySet[Booking]":
    """None where no priests are kept: such a temple assigns them elsewhere."""
    lacking = Booking.objects.filter(
        Exists(Priest.objects.filter(is_active=True)), pk__in=without_priest(now, now + SOON).values("pk")
    )
    return lacking.select_related("user", "checkout").order_by("starts_at", "pk")


def _disputes(now: datetime) -> "QuerySet[Dispute]":
    """Undecided ones, and those whose news nobody has compared with PhonePe's dashboard."""
    is_over = Q(status__in=(Dispute.Status.WON, Dispute.Status.LOST), is_proven=True)
    disputes = Dispute.objects.exclude(is_over).select_related("attempt__payment__user")
    return disputes.order_by(F("due_at").asc(nulls_last=True), "pk")


def _payment(payment: Payment) -> Row:
    return Row(
        address=reverse("desk:case", args=[payment.reference]),
        what=_what(payment),
        who=_who(payment),
        since=payment.created_at,
        paise=payment.amount_paise,
        note=words_of(payment.held_because),
    )


def _booking(booking: Booking) -> Row:
    when = f"{spell_date(booking.starts_at, weekday=True, year=False)}, {spell_time(booking.starts_at)}"
    return Row(
        address=reverse("desk:assign-priest", args=[booking.book_id]),
        what=f"{localized(booking.checkout, 'puja_title')} · {when}",
        who=booking.user.full_name or booking.user.email,
        since=booking.created_at,
    )


def _what(payment: Payment) -> str:
    title = localized(payment.checkout, "puja_title") if payment.checkout else _("Donation")
    return f"{title} · {payment.reference}"


def _who(payment: Payment) -> str:
    if payment.user:
        return payment.user.full_name or payment.user.email
    return payment.payer_reference or str(_("a guest"))


def _refund(refund: Refund) -> Row:
    asked_by = refund.asked_by
    requester = (
        str(_("asked for by %(person)s") % {"person": asked_by.full_name or asked_by}) if asked_by else ""
    )
    return Row(
        address=reverse("desk:case", args=[refund.payment.reference]),
        what=_what(refund.payment),
        who=_who(refund.payment),
        since=refund.created_at,
        paise=refund.amount_paise,
        note=": ".join(filter(None, (requester, refund.reason))),
    )


def _message(message: Notification) -> Row:
    return Row(
        address=reverse("admin:notifications_notification_change", args=[message.pk]),
        what=message.kind.replace("_", " "),
        who=message.email or message.get_channel_display(),
        since=message.created_at,
        note=message.last_error,
    )


def _dispute(dispute: Dispute) -> Row:
    return Row(
        address=reverse("admin:payment_dispute_change", args=[dispute.pk]),
        what=f"{dispute.get_status_display()} · {dispute.dispute_id}",
        who=_who(dispute.attempt.payment),
        since=dispute.created_at,
        paise=dispute.amount_paise,
    )


def _event(event: WebhookEvent) -> Row:
    return Row(
        address=reverse("admin:payment_webhookevent_change", args=[event.pk]),
        what=event.event or str(_("event without a name")),
        who=event.merchant_order_id or event.merchant_refund_id,
        since=event.received_at,
        note=event.unclear,
    )


def _work(lease: WorkLease) -> Row:
    return Row(
        address=reverse("admin:payment_worklease_change", args=[lease.pk]),
        what=f"{lease.kind} {lease.row}",
        who=str(_("background work")),
        since=lease.taken_at,
        note=lease.error,
    )


NEEDS = (
    Need(
        "amount",
        _("Another amount came than agreed"),
        _("Accept it as the payment, or send it back."),
        rights.SEE_PAYMENTS,
        _payments_in_review(Q(held_because=AMOUNT_DIFFERS)),
        _payment,
    ),
    Need(
        "review",
        _("Money in review"),
        _("The note says why. Accept it as the payment, or send it back."),
        rights.SEE_PAYMENTS,
        _payments_in_review(~Q(held_because=AMOUNT_DIFFERS)),
        _payment,
    ),
    Need(
        APPROVAL,
        _("Refunds that wait for a second person"),
        _("Approve or withdraw. Whoever asked for one cannot approve it."),
        rights.SEE_REFUNDS,
        lambda now: _with_payments(Refund.objects.filter(REQUESTED)),
        _refund,
    ),
    Need(
        "refund-failed",
        _("Refunds that failed several times"),
        _("Find out why at PhonePe, then approve it to be sent again."),
        rights.SEE_REFUNDS,
        lambda now: _with_payments(
            Refund.objects.filter(state=RefundState.WAITING, held_because=Refund.Hold.FAILED_OFTEN)
        ),
        _refund,
    ),
    Need(
        "refund-late",
        _("Refunds that are late"),
        _("The customer was given an earlier date. Ask PhonePe with the reference of the refund."),
        rights.SEE_REFUNDS,
        lambda now: _with_payments(late_refunds(now)),
        _refund,
    ),
    Need(
        "dispute",
        _("Disputes"),
        _("PhonePe wants evidence until the date of each, in its dashboard."),
        rights.SEE_DISPUTES,
        _disputes,
        _dispute,
    ),
    Need(
        "undecided",
        _("Payments undecided for over an hour"),
        _("PhonePe is asked again by itself. The diagnosis says whether the connection works."),
        rights.SEE_PAYMENTS,
        _undecided,
        _payment,
    ),
    Need(
        "unfulfilled",
        _("Paid for over an hour, and no booking yet"),
        _("The worker tries again by itself. The history of the payment says what stops it."),
        rights.SEE_PAYMENTS,
        _unfulfilled,
        _payment,
    ),
    Need(
        "priest",
        _("Bookings of the next two days without a priest"),
        _("Choose one for each. Who can perform it stands first."),
        rights.ASSIGN_PRIESTS,
        _without_priest,
        _booking,
    ),
    Need(
        "message",
        _("Messages given up within 30 days"),
        _("Correct the address with the customer, and send it once more."),
        rights.SEE_MESSAGES,
        _given_up,
        _message,
    ),
    Need(
        "event",
        _("News of PhonePe that nobody understood"),
        _("Compare with PhonePe's dashboard, and close it with a reason."),
        rights.SEE_WEBHOOKS,
        lambda now: events_in_review().order_by("received_at", "pk"),
        _event,
    ),
    Need(
        "work",
        _("Background work that fails"),
        _("It is tried again by itself. The error is for whoever keeps the server."),
        rights.SEE_WORK,
        lambda now: WorkLease.objects.exclude(error="").order_by("taken_at", "pk"),
        _work,
    ),
)
