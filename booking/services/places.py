"""Places of a slot: held for a checkout, taken by a booking, given back exactly once.

Every move is one conditional UPDATE of the hold; only who moved the hold may move the slot's numbers.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from booking.models import ON_SALE, Checkout, ClosedPeriod, Slot, SlotHold, WaitingEntry
from booking.services.hold_limits import HOLD_OUTLASTS_PAYMENT, History, network_digest, refuse_excess
from core.compiled import CompiledWrite
from core.databases import Write, insert_rows, update_row, update_rows
from core.errors import Conflict

LONGEST_PAGE = timedelta(seconds=settings.LONGEST_EXPIRE_AFTER)
State = SlotHold.State


class SlotFull(Conflict):
    default_code = "slot_full"
    default_detail = _("This time is booked out. Please choose another one.")


class SlotGone(Conflict):
    """This slot cannot be taken any more: its time has passed, its last place is taken, or it is for another puja."""

    default_code = "slot_gone"
    default_detail = _("This time is no longer available.")


def lead_time() -> timedelta:
    """What the temple needs between the payment and the puja."""
    return timedelta(minutes=settings.BOOKING_LEAD_MINUTES)


def page_life() -> timedelta:
    return timedelta(seconds=settings.PHONEPE_EXPIRE_AFTER) / settings.PAYMENT_TIME_SCALE


def longest_page_life() -> timedelta:
    """Of any page that can be open, whatever PHONEPE_EXPIRE_AFTER was when it was opened."""
    return LONGEST_PAGE / settings.PAYMENT_TIME_SCALE


def earliest_start() -> datetime:
    """The nearest start that can be bought now: a payment in the page's last second is still in time."""
    return timezone.now() + page_life() + lead_time()


def hold_place(
    checkout: Checkout, slot: Slot, network: str, *, new_customer: bool, history: History | None
) -> tuple[SlotHold, list[Write]]:
    """The hold of a checkout, and what writes it. `network` is where the customer is; empty when nobody knows.

    The last write is that of the slot, for whose row all its customers wait: it writes nothing when the slot is full,
    others wait for its places, or one is kept for this person. `hold_kept_place` decides then. `history`: of the
    account, for the bounds of what one person or network may hold; None when they do not count.
    After it, call `refuse_excess_of_slot`. Raises HoldRefused.
    """
    hold = SlotHold(
        checkout=checkout,
        slot=slot,
        expires_at=hold_expiry(checkout.expires_at),
        new_customer=new_customer,
        network=network_digest(network),
    )
    if history is not None:
        refuse_excess(hold, history)
    return hold, [insert_rows(hold), _holding_slot(slot.pk, checkout.user_id)]


@CompiledWrite
def _holding_slot(slot_id: int, user_id: int) -> Write:
    entries = WaitingEntry.objects.filter(_offered(user_id), slot=OuterRef("pk"))
    return update_rows(free_for_newcomers(slot_id).filter(~Exists(entries)), held=F("held") + 1)


def is_offered(user_id: int, slot: Slot) -> bool:
    """A place of the waiting list is held for this person."""
    return WaitingEntry.objects.filter(_offered(user_id), slot=slot).exists()


def hold_kept_place(user_id: int, slot: Slot) -> bool:
    """The place that the waiting list keeps for this person; a free one when their offer has just ended.

    The slot counts it among the held ones: now for their checkout.
    """
    lock_in_order(slot.pk)
    if Slot.objects.filter(ON_SALE, pk=slot.pk).exists() and _accept_offer(user_id, slot):
        return True
    return free_for_newcomers(slot.pk).update(held=F("held") + 1) == 1


def _offered(user_id: int) -> Q:
    return Q(user_id=user_id, state=WaitingEntry.State.OFFERED)


def _accept_offer(user_id: int, slot: Slot) -> bool:
    """Ends the entry; its place stays counted among the held ones. Under the lock of the slot."""
    offered = WaitingEntry.objects.filter(_offered(user_id), slot=slot)
    return offered.update(state=WaitingEntry.State.TAKEN) == 1


def hold_expiry(payment_expires_at: datetime) -> datetime:
    """Money that was paid in the last second must still find its place."""
    return payment_expires_at + HOLD_OUTLASTS_PAYMENT / settings.PAYMENT_TIME_SCALE


@transaction.atomic
def release_hold(checkout: Checkout, page_expires_at: datetime | None = None, *, counts: bool = True) -> bool:
    """HELD -> RELEASED; says if we moved it. The checkout stays RESERVED: its payment may still be open.

    `counts`: as held for nothing, until the end of its page at most; the wait for PhonePe's answer is not their fault.
    """
    holds = SlotHold.objects.filter(checkout=checkout, state=State.HELD)
    page_end = hold_expiry(page_expires_at or checkout.expires_at)
    until = min(timezone.now(), page_end) if counts else None
    if not holds.update(state=State.RELEASED, released_at=until):
        return False
    _slot_of(checkout).update(held=F("held") - 1)
    return True


def forgive_hold(checkout: Checkout) -> None:
    """The money came, or could not come: what was released does not count as held for nothing."""
    released = SlotHold.objects.filter(checkout=checkout, state=State.RELEASED)
    released.exclude(released_at=None).update(released_at=None)


def extend_hold(checkout: Checkout, until: datetime) -> bool:
    """Keeps the place longer while PhonePe has not decided. Says if there was one to keep."""
    return _shorter_holds(checkout.pk, until).update(expires_at=until) == 1


def extending_write(checkout: Checkout, until: datetime) -> Write:
    """As `extend_hold`. It writes nothing when the hold lasts as long anyway."""
    return _extending_hold(checkout.pk, until)


@CompiledWrite
def _extending_hold(checkout_id: int, until: datetime) -> Write:
    return update_rows(_shorter_holds(checkout_id, until), expires_at=until)


def take_place(checkout: Checkout, other_slot: Slot | None = None) -> datetime:
    """The place for good, in the caller's transaction. Returns its start.

    A hold that was released (late money) takes a free place again. What has begun is not taken, held or not; without
    a slot, nor is what the temple has closed meanwhile.
    `other_slot` is what the person has chosen instead. Raises SlotGone, with `start_passed` for what has begun.
    """
    place = SlotHold.objects.select_related("slot").filter(checkout=checkout).first()
    if other_slot is not None:
        return _take_other_place(checkout, place, other_slot)
    starts_at = place.slot.starts_at if place else checkout.starts_at
    if starts_at <= timezone.now():
        raise SlotGone(code="start_passed")
    if place is None:
        if ClosedPeriod.objects.of(checkout.puja_service_id).covering(starts_at).exists():
            raise SlotGone
        return starts_at
    if _change_state(checkout, State.HELD, State.TAKEN):
        _slot_of(checkout).update(held=F("held") - 1, booked=F("booked") + 1)
        return starts_at
    lock_in_order(place.slot_id)
    _take_free_place(checkout, place.slot, with_free_place(place.slot_id), timezone.now())
    SlotHold.objects.filter(pk=place.pk).update(state=State.TAKEN, released_at=None)
    return starts_at


def taking_writes(hold: SlotHold) -> list[Write]:
    """HELD -> TAKEN. The first of them writes no row when somebody has released the hold meanwhile."""
    taken = update_row(SlotHold, {"id": hold.pk, "state": State.HELD}, {"state": State.TAKEN})
    return [taken, _taking_slot(hold.slot_id)]


@CompiledWrite
def _taking_slot(slot_id: int) -> Write:
    return update_rows(Slot.objects.filter(pk=slot_id), held=F("held") - 1, booked=F("booked") + 1)


def release_place(checkout: Checkout) -> None:
    """TAKEN -> RELEASED, of a cancelled booking."""
    if _change_state(checkout, State.TAKEN, State.RELEASED):
        _slot_of(checkout).update(booked=F("booked") - 1)


def exchange_place(checkout: Checkout, slot: Slot) -> None:
    """The place of a booking for one in another slot. Raises SlotGone."""
    taken = SlotHold.objects.filter(checkout=checkout, state=State.TAKEN)
    if slot.service_id != checkout.cart.puja_service_id:
        raise SlotGone()
    lock_in_order(slot.pk, *taken.values_list("slot", flat=True))
    _take_free_place(checkout, slot, free_for_newcomers(slot.pk), timezone.now() + lead_time())
    _slot_of(checkout).filter(holds__in=taken).update(booked=F("booked") - 1)
    if not taken.update(slot=slot):
        _add_taken_hold(checkout, slot)


def close(slot: Slot) -> None:
    """Nobody can choose it any more, and places that are only held for it are given back: whoever is just
    paying is offered another time."""
    with transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(is_open=False)
        withdraw_offers(slot)
    give_back_held([slot])


@transaction.atomic
def withdraw_offers(slot: Slot) -> None:
    """Of the waiting list of a time that is not on sale any more. The worker ends the list, and tells those on it."""
    lock_in_order(slot.pk)
    offers = WaitingEntry.objects.filter(slot=slot, state=WaitingEntry.State.OFFERED)
    withdrawn = offers.update(state=WaitingEntry.State.WAITING, offered_until=None)
    if withdrawn:
        Slot.objects.filter(pk=slot.pk).update(held=F("held") - withdrawn)


def give_back_held(slots: Sequence[Slot]) -> None:
    """Of slots that are not on sale any more: places that are only held, each in a transaction of its own."""
    for hold in SlotHold.objects.select_related("checkout").filter(slot__in=slots, state=State.HELD):
        release_hold(hold.checkout, counts=False)


def nearby_slots(checkout: Checkout, limit: int = 3, not_before: datetime | None = None) -> list[Slot]:
    """Free places of the same puja that can be taken now, nearest to the time that was paid for."""
    earliest = timezone.now() + lead_time()
    if not_before is not None:
        earliest = max(earliest, not_before)
    return nearest_free_slots(checkout.cart.puja_service_id, checkout.starts_at, earliest, limit)


def nearest_free_slots(
    service_id: int, starts_at: datetime, not_before: datetime, limit: int = 3
) -> list[Slot]:
    """Nearest to the start that somebody wanted, the nearest first."""
    free = free_slots(service_id, not_before)
    before = free.filter(starts_at__lt=starts_at).order_by("-starts_at")[:limit]
    after = free.filter(starts_at__gte=starts_at)[:limit]
    return sorted([*before, *after], key=lambda slot: abs(slot.starts_at - starts_at))[:limit]


def choice_deadline(checkout: Checkout) -> datetime | None:
    """Until when a place of the same puja can be chosen, as far as slots have been opened."""
    last = _free_slots(checkout).order_by("-starts_at").first()
    return last.starts_at - lead_time() if last else None


def free_slots(service_id: int, not_before: datetime) -> QuerySet[Slot]:
    """With a place that can be taken, the earliest first."""
    return free_slots_of([service_id], not_before)


def free_slots_of(service_ids: Collection[int], not_before: datetime) -> QuerySet[Slot]:
    """As `free_slots`, of several pujas."""
    free = Slot.objects.filter(ON_SALE, capacity__gt=F("held") + F("booked"))
    return _unless_waited_for(free).filter(service_id__in=service_ids, starts_at__gte=not_before)


def _free_slots(checkout: Checkout) -> QuerySet[Slot]:
    return free_slots(checkout.cart.puja_service_id, timezone.now() + lead_time())


def _take_other_place(checkout: Checkout, place: SlotHold | None, slot: Slot) -> datetime:
    lock_in_order(slot.pk, *([place.slot_id] if place else []))
    _take_free_place(checkout, slot, free_for_newcomers(slot.pk), timezone.now() + lead_time())
    if place is None:
        _add_taken_hold(checkout, slot)
        return slot.starts_at
    release_hold(checkout)
    SlotHold.objects.filter(pk=place.pk).update(state=State.TAKEN, slot=slot, released_at=None)
    return slot.starts_at


def _add_taken_hold(checkout: Checkout, slot: Slot) -> None:
    """The puja had no slots when it was checked out, and has some now: without a hold its place never comes back."""
    SlotHold.objects.create(checkout=checkout, slot=slot, state=State.TAKEN, expires_at=checkout.expires_at)


def _take_free_place(checkout: Checkout, slot: Slot, free: QuerySet[Slot], not_before: datetime) -> None:
    """The place that the waiting list keeps for this person, else one of `free`. Under the lock of the slot."""
    current = Slot.objects.filter(ON_SALE, pk=slot.pk, starts_at__gte=not_before)
    if current.exists() and _accept_offer(checkout.user_id, slot):
        current.update(held=F("held") - 1, booked=F("booked") + 1)
        return
    if not free.filter(starts_at__gte=not_before).update(booked=F("booked") + 1):
        raise SlotGone()


def lock_in_order(*slot_ids: int) -> None:
    """Two who change slots in opposite directions take the rows in one order: no deadlock."""
    rows = Slot.objects.select_for_update(no_key=True).filter(pk__in=slot_ids).order_by("pk")
    list(rows.values_list("pk", flat=True))


def with_free_place(slot_id: int) -> QuerySet[Slot]:
    return Slot.objects.filter(ON_SALE, pk=slot_id, capacity__gt=F("held") + F("booked"))


def free_for_newcomers(slot_id: int) -> QuerySet[Slot]:
    """While somebody waits for a place of it, a free one is theirs."""
    return _unless_waited_for(with_free_place(slot_id))


def _unless_waited_for(slots: QuerySet[Slot]) -> QuerySet[Slot]:
    waiting = WaitingEntry.objects.filter(slot=OuterRef("pk"), state=WaitingEntry.State.WAITING)
    return slots.filter(~Exists(waiting))


def _change_state(checkout: Checkout, old: str, new: str) -> bool:
    return SlotHold.objects.filter(checkout=checkout, state=old).update(state=new) == 1


def _shorter_holds(checkout_id: int, until: datetime) -> QuerySet[SlotHold]:
    return SlotHold.objects.filter(checkout=checkout_id, state=State.HELD, expires_at__lt=until)


def _slot_of(checkout: Checkout) -> QuerySet[Slot]:
    return Slot.objects.filter(holds__checkout=checkout)
