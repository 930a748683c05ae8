"""A case: a booking and its payment, or a payment without a booking, with all that staff need to know about it.

Read in the same number of queries however much has happened.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Assignment, Booking, Checkout
from core.errors import Conflict
from notifications.messages import Message, Unwritable, write
from notifications.models import Notification
from notifications.services import send_again
from payment.models import (
    PAYING,
    CaseNote,
    Dispute,
    GatewayCall,
    LedgerEntry,
    Offer,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    WebhookEvent,
)
from payment.services.rehearsal import ChangedMeanwhile
from payment.services.rule_words import words_of
from payment.services.timeline import Entry, events_of, for_staff
from payment.services.transitions import lock_payment, record_decision
from payment.states import RefundState

MOST_MESSAGES = MOST_EVENTS = 50
BY_USER = re.compile(r"by user (\d{1,18}): ?(.*)", re.DOTALL)


@dataclass(frozen=True)
class SentMessage:
    """A message to the customer. `message`: its text in their language, without links and files; None: unwritable."""

    notification: Notification
    message: Message | None

    @classmethod
    def of(cls, notification: Notification) -> "SentMessage":
        try:
            return cls(notification, write(notification))
        except Unwritable:
            return cls(notification, None)


@dataclass(frozen=True)
class Sums:
    """In paise, by the ledger: what came and went. `owed` and `requested` are refunds that have not gone yet."""

    received: int
    refunded: int
    charged_back: int
    owed: int
    requested: int

    @property
    def left(self) -> int:
        """What can still be requested."""
        return max(self.received - self.refunded - self.charged_back - self.owed - self.requested, 0)


def find_case(number: str) -> "Case | None":
    """By the number of a booking, or the reference of a payment."""
    payments, number = Payment.objects.order_by().values("pk"), number.strip()
    booked = payments.filter(checkout__booking__book_id=number.upper())
    key = payments.filter(reference=number).union(booked).first()
    if key is None:
        return None
    # By the key: how PostgreSQL joins nine tables by the number of a booking takes it longer to plan than the page.
    whole = Payment.objects.select_related(
        "user", "checkout__user", "checkout__booking", "checkout__cart", "checkout__promo_code", "receipt"
    )
    return Case(whole.get(**key))


@dataclass(frozen=True)
class Case:
    payment: Payment

    @property
    def booking(self) -> Booking | None:
        return self.payment.booking

    @property
    def checkout(self) -> Checkout | None:
        return self.payment.checkout

    @property
    def person(self) -> User | None:
        return self.checkout.user if self.checkout else self.payment.user

    @property
    def number(self) -> str:
        """What people call it."""
        return self.booking.book_id if self.booking else self.payment.reference

    @property
    def receipt(self) -> Receipt | None:
        return getattr(self.payment, "receipt", None)

    @cached_property
    def attempts(self) -> list[PaymentAttempt]:
        return [*self.payment.attempts.order_by("number")]

    @cached_property
    def refunds(self) -> list[Refund]:
        return [*self.payment.refunds.select_related("asked_by", "approved_by").order_by("pk")]

    @cached_property
    def offers(self) -> list[Offer]:
        return [*self.payment.offers.select_related("slot", "called_off_by").order_by("pk")]

    @cached_property
    def disputes(self) -> list[Dispute]:
        return [*Dispute.objects.filter(attempt__payment=self.payment).order_by("pk")]

    @cached_property
    def assignments(self) -> list[Assignment]:
        """Who performs it."""
        standing = Assignment.objects.filter(booking__checkout__payment=self.payment, freed_at=None)
        return [*standing.select_related("priest").order_by("pk")]

    @cached_property
    def notes(self) -> list[CaseNote]:
        return [*self.payment.notes.select_related("author").order_by("-pk")]

    @cached_property
    def sums(self) -> Sums:
        kinds = LedgerEntry.Kind
        ledger = dict(self.payment.ledger.order_by().values_list("kind").annotate(sum=Sum("amount_paise")))
        open_refunds = [
            each for each in self.refunds if each.state not in (RefundState.COMPLETED, RefundState.FAILED)
        ]
        return Sums(
            received=sum(ledger.get(kind, 0) for kind in (*PAYING, kinds.SURPLUS, kinds.SUSPENSE)),
            refunded=-ledger.get(kinds.REFUND, 0),
            charged_back=-ledger.get(kinds.CHARGEBACK, 0),
            owed=sum(each.amount_paise for each in open_refunds if not each.is_requested),
            requested=sum(each.amount_paise for each in open_refunds if each.is_requested),
        )

    @cached_property
    def messages(self) -> list[SentMessage]:
        """The newest first."""
        return [*map(SentMessage.of, messages_of(self.payment)[:MOST_MESSAGES])]

    @cached_property
    def timeline(self) -> list[Entry]:
        """Oldest first, each decision with its rule in words and, where staff decided, by whom and why."""
        entries = for_staff(self.payment)
        decided = {int(found[1]) for entry in entries if (found := BY_USER.match(entry.get("detail", "")))}
        people = {user.pk: user for user in User.objects.filter(pk__in=[0, *decided])}
        for entry in entries:
            if rule := entry.get("rule"):
                entry["words"] = words_of(rule)
            if found := BY_USER.match(entry.get("detail", "")):
                entry["by"], entry["why"] = people.get(int(found[1])), found[2]
        return entries

    @cached_property
    def events(self) -> list[WebhookEvent]:
        return [*events_of(self.payment).order_by("-pk")[:MOST_EVENTS]]

    @cached_property
    def calls(self) -> list[GatewayCall]:
        return [*self.payment.calls.order_by("-pk")[:MOST_EVENTS]]


def messages_of(payment: Payment) -> QuerySet[Notification]:
    """To the customer about this payment, the newest first; found by their account, or by the address of a guest."""
    mail = payment.payer_reference if "@" in payment.payer_reference else ""
    reader = Q(user=payment.user_id) if payment.user_id else Q(user=None, email=mail.lower())
    about = Notification.objects.filter(reader, facts__payment_id=payment.pk)
    return about.filter(channel=Notification.Channel.PERSON).select_related("user").order_by("-pk")


def write_note(payment: Payment, author: User, text: str, form: UUID) -> CaseNote:
    """The same form twice is one note."""
    note, _is_new = CaseNote.objects.get_or_create(
        form=form, defaults={"payment": payment, "author": author, "text": text}
    )
    return note


@transaction.atomic
def resend(payment: Payment, notification: Notification, by: User, reason: str, seen: str) -> None:
    """Raises ChangedMeanwhile when it was sent since `seen`, Conflict while it is on its way anyway."""
    lock_payment(pk=payment.pk)
    current = Notification.objects.select_for_update().get(pk=notification.pk)
    if seen_of(current) != seen:
        raise ChangedMeanwhile
    if not send_again(current):
        raise Conflict(_("This message is on its way already."), code="on_its_way")
    record_decision(payment, "message_sent_again", by, f"{current.kind}: {reason}")


def seen_of(notification: Notification) -> str:
    """The same as long as it was not sent, or sent again, since somebody looked."""
    sent_at = notification.sent_at
    return f"{notification.state}:{timezone.localtime(sent_at).isoformat() if sent_at else ''}"
