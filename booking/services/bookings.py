"""A paid checkout becomes a booking, once; a booking is cancelled, once."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import booking.services.places as places
import booking.services.promos as promos
from accounts.services import lock_user
from booking.models import Booking, Cart, Checkout, ClosedPeriod, EarlierStart, Slot, SlotHold
from booking.services.checkouts import release
from booking.services.priests import free_priests, move_priests
from core.databases import NothingWritten, Write, insert_rows, update_row, write_together
from core.errors import Conflict

Status = Booking.Status
Together = Callable[[Booking], list[Write]]


class CartConverted(Conflict):
    """Another checkout of the same cart has been paid and booked: this money is a surplus."""

    default_code = "cart_converted"
    default_detail = _("This cart has been booked already.")


class NotAtOnce(Exception):
    """Something about a checkout is unusual after all, and it must be booked by steps."""


class NoticeTooShort(Conflict):
    """The temple moves nobody to a start that is so near: its customer must choose it."""

    default_code = "notice_too_short"
    default_detail = _("This time is too near to move anybody to it without asking.")


def book(checkout: Checkout, other_slot: Slot | None = None, together: Together | None = None) -> Booking:
    """The booking of a paid checkout, made now or before, inside the caller's transaction.

    `other_slot` is the slot a person chose because their money came late and their own slot was gone.
    A later checkout of the same cart that is still open gives back what it holds: the cart is booked once.
    Raises SlotGone or CartConverted; nothing is changed then.

    `together`: what the caller writes in the same statement, about a checkout of `held_checkouts`. They end the
    caller's transaction. Raises NotAtOnce when it is not as it was found, and the errors of the database; the caller
    rolls back.
    """
    return _book_by_steps(checkout, other_slot) if together is None else _book_together(checkout, together)


@transaction.atomic
def _book_by_steps(checkout: Checkout, other_slot: Slot | None) -> Booking:
    lock_user(checkout.user_id)
    current = Checkout.objects.select_for_update(no_key=True).get(pk=checkout.pk)
    if existing := Booking.objects.filter(checkout=current).first():
        return existing
    _convert_cart(current)
    starts_at = places.take_place(current, other_slot)
    promos.use(current)
    Checkout.objects.filter(pk=current.pk).update(state=Checkout.State.BOOKED)
    return Booking.objects.create(
        user_id=current.user_id,
        checkout=current,
        starts_at=starts_at,
        next_reminder_at=next_reminder(starts_at, timezone.now()),
    )


def held_checkouts(checkouts: QuerySet[Checkout], now: datetime) -> QuerySet[Checkout]:
    """Those that `book` can write together with the caller's rows.

    Each is open, has no promo code, its place is held, its time has not begun, and its cart was not booked. Under the
    lock of the person; that staff take its place back meanwhile is noticed when it is written.
    """
    others = Checkout.objects.filter(cart=OuterRef("cart")).exclude(pk=OuterRef("pk"))
    of_cart = others.exclude(state=Checkout.State.RELEASED)
    periods = ClosedPeriod.objects.of(OuterRef("puja_service")).covering(OuterRef("starts_at"))
    held = Q(hold__state=SlotHold.State.HELD, hold__slot__starts_at__gt=now)
    has_place = held | Q(~Exists(periods), hold=None)
    usual = checkouts.filter(has_place, ~Exists(of_cart), state=Checkout.State.RESERVED, promo_code=None)
    return usual.filter(starts_at__gt=now, booking=None).select_related("hold__slot")


def _book_together(checkout: Checkout, together: Together) -> Booking:
    hold: SlotHold | None = getattr(checkout, "hold", None)
    starts_at = hold.slot.starts_at if hold else checkout.starts_at
    booking = Booking(
        user_id=checkout.user_id,
        checkout=checkout,
        starts_at=starts_at,
        next_reminder_at=next_reminder(starts_at, timezone.now()),
    )
    converted = {"status": Cart.Status.CONVERTED, "updated_at": timezone.now()}
    reserved = {"id": checkout.pk, "state": Checkout.State.RESERVED}
    writes = [
        *together(booking),
        update_row(Checkout, reserved, {"state": Checkout.State.BOOKED}),
        update_row(Cart, {"id": checkout.cart_id}, converted),
        insert_rows(booking),
        *(places.taking_writes(hold) if hold else []),  # the slot last: all of its customers wait for its row
    ]
    try:
        write_together(writes, commits=True, each=True)
    except NothingWritten:
        raise NotAtOnce from None
    checkout.state = Checkout.State.BOOKED
    return booking


@transaction.atomic
def cancel(booking: Booking, reason: str, *, rejected: bool = False) -> bool:
    """CONFIRMED -> CANCELLED, and its place is free again. Says whether we moved it. `rejected`: by the temple."""
    now = timezone.now()
    confirmed = Booking.objects.filter(pk=booking.pk, status=Status.CONFIRMED)
    fields = {
        "status": Status.CANCELLED,
        "cancellation_reason": reason,
        "cancelled_at": now,
        "rejected": rejected,
        "choose_until": None,
        "next_reminder_at": None,
        "updated_at": now,
    }
    if not confirmed.update(**fields):
        return False
    places.release_place(booking.checkout)
    free_priests(booking, "the booking was cancelled")
    return True


@transaction.atomic
def move(booking: Booking, to: Slot | datetime, reason: str, *, chosen: bool = False) -> bool:
    """A confirmed booking gets another time of the same puja, in the caller's transaction. Says whether we moved it.

    `to`: a slot; a start where the puja has none. `chosen`: by its customer. The temple alone moves nobody to a start
    within MOVE_NOTICE_HOURS: NoticeTooShort. Raises SlotGone when that time has no place left. Nothing is changed then.
    """
    starts_at = to.starts_at if isinstance(to, Slot) else to
    if not chosen and starts_at < earliest_move():
        raise NoticeTooShort()
    confirmed = Booking.objects.select_for_update(no_key=True).filter(pk=booking.pk, status=Status.CONFIRMED)
    before = confirmed.first()
    if before is None:
        return False
    EarlierStart.objects.get_or_create(booking=before, starts_at=before.starts_at)
    fields: dict[str, Any] = {
        "starts_at": starts_at,
        "moved_because": reason,
        "moves": F("moves") + 1,
        "terms_from": None,
        "choose_until": None,
        "next_reminder_at": next_reminder(starts_at, timezone.now()),
        "updated_at": timezone.now(),
    }
    if settings.MOVED_REFUND_IN_FULL:
        fields["free_until"] = starts_at
    Booking.objects.filter(pk=before.pk).update(**fields)
    if isinstance(to, Slot):
        places.exchange_place(booking.checkout, to)
    move_priests(before, starts_at)
    return True


@transaction.atomic
def move_by_customer(booking: Booking, to: Slot | datetime) -> bool:
    """A confirmed booking gets another time of the same puja by the wish of its customer, in the caller's transaction.

    `to`: a slot; a start where the puja has none. Says whether we moved it. Raises SlotGone; nothing is changed then.
    """
    confirmed = Booking.objects.select_for_update(no_key=True).filter(
        pk=booking.pk, status=Status.CONFIRMED, choose_until=None
    )
    before = confirmed.first()
    if before is None:
        return False
    starts_at = to.starts_at if isinstance(to, Slot) else to
    EarlierStart.objects.get_or_create(booking=before, starts_at=before.starts_at)
    Booking.objects.filter(pk=before.pk).update(
        starts_at=starts_at,
        moved_because="",
        own_moves=F("own_moves") + 1,
        terms_from=before.policy_start,
        next_reminder_at=next_reminder(starts_at, timezone.now()),
        updated_at=timezone.now(),
    )
    if isinstance(to, Slot):
        places.exchange_place(booking.checkout, to)
    move_priests(before, starts_at)
    return True


def next_reminder(starts_at: datetime, after: datetime) -> datetime | None:
    """The first moment after this one at which a customer is reminded of a puja with this start."""
    moments = (starts_at - timedelta(hours=hours) for hours in settings.REMINDER_HOURS)
    return min((moment for moment in moments if moment > after), default=None)


def earliest_move() -> datetime:
    """The nearest start to which the temple may move somebody without asking."""
    return timezone.now() + timedelta(hours=settings.MOVE_NOTICE_HOURS)


@transaction.atomic
def call_off_time(booking: Booking, choose_until: datetime, reason: str) -> bool:
    """Its time does not take place; its customer chooses until then. Says whether we called it off."""
    confirmed = Booking.objects.filter(pk=booking.pk, status=Status.CONFIRMED, choose_until=None)
    now = timezone.now()
    if not confirmed.update(choose_until=choose_until, moved_because=reason, updated_at=now):
        return False
    free_priests(booking, "its time was called off")
    return True


def complete(booking: Booking) -> bool:
    """CONFIRMED -> COMPLETED, once the puja has begun. Says whether we moved it."""
    now = timezone.now()
    begun = Booking.objects.filter(
        pk=booking.pk, status=Status.CONFIRMED, starts_at__lte=now, choose_until=None
    )
    return begun.update(status=Status.COMPLETED, updated_at=now) == 1


def _convert_cart(checkout: Checkout) -> None:
    """Whatever became of the cart since: its choice is the one that was paid for (`carts.change_cart`)."""
    Cart.objects.select_for_update(no_key=True).get(pk=checkout.cart_id)
    booked = Checkout.objects.filter(cart_id=checkout.cart_id, state=Checkout.State.BOOKED)
    if booked.exists():
        raise CartConverted()
    Cart.objects.filter(pk=checkout.cart_id).update(status=Cart.Status.CONVERTED, updated_at=timezone.now())
    reserved = Checkout.objects.filter(cart_id=checkout.cart_id, state=Checkout.State.RESERVED)
    for later in reserved.exclude(pk=checkout.pk):
        release(later)
        places.forgive_hold(later)
