"""Places of a slot: held for a checkout, taken by a booking, given back exactly once.

Every move is one conditional UPDATE of the hold; only who moved the hold may move the slot's numbers.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from booking.models import Checkout, Slot, SlotHold
from okpuja.errors import Conflict

HOLD_OUTLASTS_PAYMENT = timedelta(minutes=5)
State = SlotHold.State


class SlotFull(Conflict):
    default_code = "slot_full"
    default_detail = "This time is booked out. Please choose another one."
    hindi = "यह समय पूरा बुक हो चुका है। कृपया कोई दूसरा समय चुनें।"


class SlotGone(Conflict):
    """The money came too late: the time has passed or its last place is taken."""

    default_code = "slot_gone"
    default_detail = "This time is no longer available."
    hindi = "यह समय अब उपलब्ध नहीं है।"


def hold(checkout: Checkout, slot: Slot) -> SlotHold:
    """Raises SlotFull."""
    if not _with_room(slot).update(held=F("held") + 1):
        raise SlotFull
    return SlotHold.objects.create(checkout=checkout, slot=slot, expires_at=hold_end(checkout.expires_at))


def hold_end(payment_expires_at: datetime) -> datetime:
    """Money that was paid in the last second must still find its place."""
    return payment_expires_at + HOLD_OUTLASTS_PAYMENT / settings.PAYMENT_TIME_SCALE


@transaction.atomic
def release_hold(checkout: Checkout) -> bool:
    """HELD -> RELEASED; says if we moved it. The checkout stays RESERVED: its payment may still be open."""
    if not _move(checkout, State.HELD, State.RELEASED):
        return False
    _slot_of(checkout).update(held=F("held") - 1)
    return True


def stretch_hold(checkout: Checkout, until: datetime) -> bool:
    """Keeps the place longer while PhonePe has not decided. Says if there was one to keep."""
    holds = SlotHold.objects.filter(checkout=checkout, state=State.HELD, expires_at__lt=until)
    return holds.update(expires_at=until) == 1


def take(checkout: Checkout, elsewhere: Slot | None = None) -> datetime:
    """The place for good, in the caller's transaction. Returns its start.

    A hold that was released (late money) takes a free place again, in `elsewhere` if the person chose so.
    Raises SlotGone.
    """
    place = SlotHold.objects.select_related("slot").filter(checkout=checkout).first()
    if place is None:
        return _take_first(checkout, elsewhere) if elsewhere else _start_without_slot(checkout)
    if _move(checkout, State.HELD, State.TAKEN):
        _slot_of(checkout).update(held=F("held") - 1, booked=F("booked") + 1)
        return place.slot.starts_at
    slot = elsewhere or place.slot
    _take_free(slot)
    SlotHold.objects.filter(pk=place.pk).update(state=State.TAKEN, slot=slot)
    return slot.starts_at


def give_back(checkout: Checkout) -> None:
    """TAKEN -> RELEASED, of a cancelled booking."""
    if _move(checkout, State.TAKEN, State.RELEASED):
        _slot_of(checkout).update(booked=F("booked") - 1)


def exchange(checkout: Checkout, slot: Slot) -> None:
    """The place of a booking for one in another slot. Raises SlotGone."""
    taken = SlotHold.objects.filter(checkout=checkout, state=State.TAKEN)
    _take_free(slot)
    _slot_of(checkout).filter(holds__in=taken).update(booked=F("booked") - 1)
    taken.update(slot=slot)


def close(slot: Slot) -> None:
    """Nobody can choose it any more, and places that are only held for it are given back: whoever is just
    paying is offered another time."""
    Slot.objects.filter(pk=slot.pk).update(is_open=False)
    for held in SlotHold.objects.select_related("checkout").filter(slot=slot, state=State.HELD):
        release_hold(held.checkout)


def nearby_slots(checkout: Checkout, limit: int = 3) -> list[Slot]:
    """Free places of the same puja, nearest to the time that was paid for."""
    free = Slot.objects.filter(
        service_id=checkout.cart.puja_service_id,
        is_open=True,
        starts_at__gt=timezone.now(),
        capacity__gt=F("held") + F("booked"),
    )
    before = free.filter(starts_at__lt=checkout.starts_at).order_by("-starts_at")[:limit]
    after = free.filter(starts_at__gte=checkout.starts_at)[:limit]
    return sorted([*before, *after], key=lambda slot: abs(slot.starts_at - checkout.starts_at))[:limit]


def _take_first(checkout: Checkout, slot: Slot) -> datetime:
    """The puja had no slots when it was checked out, and has some now."""
    _take_free(slot)
    SlotHold.objects.create(checkout=checkout, slot=slot, state=State.TAKEN, expires_at=checkout.expires_at)
    return slot.starts_at


def _start_without_slot(checkout: Checkout) -> datetime:
    released = checkout.state == Checkout.State.RELEASED
    if released and checkout.starts_at <= timezone.now():
        raise SlotGone()
    return checkout.starts_at


def _take_free(slot: Slot) -> None:
    free = _with_room(slot).filter(starts_at__gt=timezone.now())
    if not free.update(booked=F("booked") + 1):
        raise SlotGone()


def _with_room(slot: Slot) -> QuerySet[Slot]:
    return Slot.objects.filter(pk=slot.pk, is_open=True, capacity__gt=F("held") + F("booked"))


def _move(checkout: Checkout, old: str, new: str) -> bool:
    return SlotHold.objects.filter(checkout=checkout, state=old).update(state=new) == 1


def _slot_of(checkout: Checkout) -> QuerySet[Slot]:
    return Slot.objects.filter(holds__checkout=checkout)
