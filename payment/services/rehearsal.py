"""What an action of staff will do, shown before it is done: it runs in a transaction that is rolled back.

The confirmed action runs once more under the payment's lock, and is undone if it would do anything else than was shown.
"""

import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from booking.models import Booking
from core.errors import Conflict
from notifications.messages import Message, Unwritable, write
from notifications.models import Notification
from payment.models import Payment, Refund, StateChange
from payment.services.transitions import lock_payment, record_decision
from payment.states import PaymentState, RefundState

Act = Callable[[Payment], object]
# Facts of a message that pass with time, that staff write after they have looked, or that are drawn for a new booking.
VOLATILE = ("expected_by", "until", "because", "book_id")
CANCELLED = Booking.Status.CANCELLED
NO_NUMBER_YET = "BK-…"
SECOND_CLICK = timedelta(minutes=1)  # a repeated click or sent form comes within it


class ChangedMeanwhile(Conflict):
    """Somebody else, or the same person by a double click, was faster: nothing is done."""

    default_code = "changed_meanwhile"
    default_detail = _(
        "This case has changed since you looked at it, so nothing was done now. Look at it again, and decide anew."
    )


@dataclass(frozen=True)
class MessagePreview:
    """A message that somebody gets, as they will read it, without its links and files."""

    email: str
    message: Message


@dataclass(frozen=True)
class Position:
    """What of a case an action may change."""

    payment: tuple[str, str]  # state, fulfilment
    booking: tuple[str, str, str] | None  # status, start, until when another time is chosen
    refunds: dict[str, tuple[int, str, str]]  # by id: paise, state, why it is held


@dataclass(frozen=True)
class Effects:
    """`refunds`: new ones. `seen` names all of it in a form; it is the same as long as the action would do the same."""

    before: Position
    after: Position
    refunds: list[Refund]
    notifications: list[Notification] = field(default_factory=list)

    @property
    def seen(self) -> str:
        messages = sorted(
            (each.kind, {name: fact for name, fact in each.facts.items() if name not in VOLATILE})
            for each in self.notifications
        )
        positions = [
            (each.payment, each.booking, sorted(each.refunds.items())) for each in (self.before, self.after)
        ]
        text = json.dumps([positions, messages], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @functools.cached_property
    def message_previews(self) -> list[MessagePreview]:
        """In the language of each reader. A message that cannot be written is not sent either."""
        previews = []
        for notification in self.notifications:
            if self.before.booking is None and notification.kind == "booked":
                notification.facts |= {"book_id": NO_NUMBER_YET}
            try:
                previews.append(MessagePreview(notification.email, write(notification)))
            except Unwritable:
                continue
        return previews

    @property
    def sent_back_paise(self) -> int:
        """What goes back without anybody else's approval."""
        return sum(refund.amount_paise for refund in self.refunds if not refund.held_because)

    @property
    def released_paise(self) -> int:
        """What had waited for somebody, and is sent now."""
        pairs = [(old, self.after.refunds[name]) for name, old in self.before.refunds.items()]
        return sum(new[0] for old, new in pairs if old[2] and not new[2])

    @property
    def ended_paise(self) -> int:
        """What had been requested, and is not sent."""
        pairs = [(old, self.after.refunds[name]) for name, old in self.before.refunds.items()]
        return sum(
            new[0] for old, new in pairs if (old[1], new[1]) == (RefundState.WAITING, RefundState.FAILED)
        )

    @property
    def cancels(self) -> bool:
        return (
            self.after.booking is not None
            and self.after.booking[0] == CANCELLED
            and self.before != self.after
        )

    @property
    def books(self) -> bool:
        return self.before.booking is None and self.after.booking is not None

    @property
    def moves(self) -> bool:
        return self.old_start is not None and self.old_start != self.new_start

    @property
    def keeps_booking(self) -> bool:
        return self.before.booking is not None and self.before.booking == self.after.booking

    @property
    def frees_cart(self) -> bool:
        ended = (PaymentState.FAILED, PaymentState.CANCELLED)
        return self.before.payment[0] == PaymentState.PENDING and self.after.payment[0] in ended

    @property
    def old_start(self) -> datetime | None:
        return datetime.fromisoformat(self.before.booking[1]) if self.before.booking else None

    @property
    def new_start(self) -> datetime | None:
        return datetime.fromisoformat(self.after.booking[1]) if self.after.booking else None

    @property
    def requested_paise(self) -> int:
        """What waits for a second person."""
        return sum(refund.amount_paise for refund in self.refunds if refund.is_requested)


def rehearse(payment_id: int, act: Act) -> Effects:
    """What `act` would do now. Raises its Refusal. Nothing stays of it, neither rows nor lines in the log."""
    with transaction.atomic():
        effects = _observe(payment_id, act)
        transaction.set_rollback(True)
    return effects


def perform(payment_id: int, act: Act, *, seen: str, rule: str, by: User, reason: str) -> Effects:
    """Does what was shown, with a record of who did it and why. Raises ChangedMeanwhile, and the Refusal of `act`.

    Nothing is changed then. Without `rule` the record is made by `act`.
    """
    with transaction.atomic():
        effects = _observe(payment_id, act)
        if effects.seen != seen:
            raise ChangedMeanwhile(payment_id=payment_id)
        if rule:
            record_decision(lock_payment(pk=payment_id), rule, by, reason)
    return effects


def decided_just_now(payment_id: int, by: User, reason: str) -> bool:
    """Whether they decided about it with the same reason a moment ago, such as by the first of two clicks."""
    lines = StateChange.objects.filter(payment=payment_id, created_at__gte=timezone.now() - SECOND_CLICK)
    return lines.filter(detail__startswith=f"by user {by.pk}: ", detail__endswith=f": {reason}").exists()


def _observe(payment_id: int, act: Act) -> Effects:
    payment = lock_payment(pk=payment_id)
    before, newest = (
        _position(payment_id),
        Notification.objects.order_by("-pk").values_list("pk", flat=True).first(),
    )
    act(payment)
    after = _position(payment_id)
    written = Notification.objects.filter(pk__gt=newest or 0, facts__payment_id=payment_id)
    to_people = written.filter(channel=Notification.Channel.PERSON).select_related("user").order_by("pk")
    new = Refund.objects.filter(payment=payment_id).exclude(merchant_refund_id__in=before.refunds)
    return Effects(before, after, [*new.order_by("pk")], [*to_people])


def _position(payment_id: int) -> Position:
    payment = Payment.objects.values_list("state", "fulfilment").get(pk=payment_id)
    found = Booking.objects.filter(checkout__payment=payment_id).first()
    booking = None
    if found is not None:
        booking = (found.status, found.starts_at.isoformat(), "" if found.choose_until is None else "open")
    rows: list[Any] = [*Refund.objects.filter(payment=payment_id).order_by("pk")]
    refunds = {row.merchant_refund_id: (row.amount_paise, row.state, row.held_because) for row in rows}
    return Position(payment, booking, refunds)
