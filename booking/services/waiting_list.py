"""The waiting list of a full time. The person who has waited longest is offered the next free place, held for them.

A place that becomes free is not sold to others while somebody waits for it (`places.free_for_newcomers`). Each move is
one conditional UPDATE of the entry under the lock of the slot; only who moved it may move the slot's numbers.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

import booking.services.places as places
from accounts.models import User
from accounts.services import lock_active_user
from booking.models import Cart, Package, Slot, WaitingEntry
from booking.services.carts import fill_cart
from booking.services.hold_limits import CONFIRMED_FACTOR, bookings_that_stand, lock_network, network_digest
from core.clocks import database_now
from core.errors import Conflict, Refusal

State = WaitingEntry.State
MOST_AT_ONCE = 5  # times for which one person waits
PASSED_AT_ONCE = 500
MOST_OFFERS = 3  # that end in a row before the place goes to everybody
OFFER_PART = 12  # of the time for which a place can still be sold: three offers leave three quarters of it
SHORTEST_OFFER = timedelta(minutes=10)
NOTICE = places.page_life() + places.lead_time()  # a nearer start cannot be bought any more
OPEN = (State.WAITING, State.OFFERED)


class NotWaited(Conflict):
    """`code` says why nobody can wait: `time_free`, `time_over`, `waiting_too_often`, `email_not_confirmed`."""

    default_code = "time_free"
    default_detail = _("This time has a free place: you can book it now.")


class OfferOver(Conflict):
    default_code = "waiting_over"
    default_detail = _("This place is not kept for you any more.")


class NoSuchPlace(Refusal):
    status_code = 404
    default_code = "no_such_time"
    default_detail = _("There is no such time for this puja.")


@transaction.atomic
def join(user: User, slot_id: int, package_id: int, network: str = "") -> WaitingEntry:
    """Twice is once. `network` is where the person is; empty when nobody knows. Raises NoSuchPlace, NotWaited.

    The offer goes by mail, to an address that reaches them: a list of addresses that nobody reads would keep a place
    unsold. For the same reason the entries of one network are bounded, as holds are.
    """
    lock_active_user(user.pk)
    digest = network_digest(network)
    if digest:
        lock_network(digest, database_now())
    slot = Slot.objects.select_for_update(no_key=True).filter(pk=slot_id, service__is_active=True).first()
    package = Package.objects.filter(
        pk=package_id, is_active=True, puja_service_id=slot.service_id if slot else None
    ).first()
    if slot is None or package is None:
        raise NoSuchPlace
    mine = WaitingEntry.objects.filter(user=user, state__in=OPEN)
    if already := mine.filter(slot=slot).first():
        return already
    if not slot.is_on_sale or slot.starts_at < places.earliest_start():
        raise NotWaited(_("This time cannot be booked any more."), code="time_over")
    if places.free_for_newcomers(slot.pk).exists():
        raise NotWaited
    if user.email_confirmed_at is None:
        raise NotWaited(
            _("Please confirm your e-mail address first: we write to it when a place is free."),
            code="email_not_confirmed",
        )
    _refuse_crowd(user, digest)
    if mine.filter(slot__starts_at__gt=timezone.now()).count() >= MOST_AT_ONCE:
        raise NotWaited(_("You are waiting for several times already."), code="waiting_too_often")
    return WaitingEntry.objects.create(user=user, slot=slot, package=package, network=digest)


@transaction.atomic
def leave(entry: WaitingEntry) -> None:
    """Twice is once. A place that was offered becomes free for the next one."""
    slot = _lock_slot(entry)
    if _move(entry, State.OFFERED, State.LEFT):
        _give_back(slot)
    else:
        _move(entry, State.WAITING, State.LEFT)


def accept(entry: WaitingEntry) -> Cart:
    """Fills their cart with the time that is held for them; checking it out takes the place. Raises OfferOver."""
    current = WaitingEntry.objects.select_related("slot", "user").get(pk=entry.pk)
    if current.state != State.OFFERED:
        raise OfferOver
    start = timezone.localtime(current.slot.starts_at)
    return fill_cart(
        current.user,
        puja_service=current.slot.service_id,
        package_id=current.package_id,
        selected_date=start.date(),
        selected_time=start.time(),
    )


def to_offer(_now: datetime) -> "QuerySet[WaitingEntry]":
    """The person who has waited longest for a time that has a free place, or that staff have closed."""
    earlier = WaitingEntry.objects.filter(slot=OuterRef("slot"), state=State.WAITING, pk__lt=OuterRef("pk"))
    is_free = Q(slot__capacity__gt=F("slot__held") + F("slot__booked"))
    is_closed = Q(slot__is_open=False) | Q(slot__is_suspended=True)
    first = WaitingEntry.objects.filter(
        ~Exists(earlier), is_free | is_closed, state=State.WAITING, slot__starts_at__gt=Now()
    )
    return first.order_by("pk")


def offers_to_end(now: datetime) -> "QuerySet[WaitingEntry]":
    return WaitingEntry.objects.filter(state=State.OFFERED, offered_until__lte=now).order_by(
        "offered_until", "pk"
    )


def too_late(now: datetime) -> "QuerySet[WaitingEntry]":
    """People who wait for a time that nobody can buy any more."""
    late = WaitingEntry.objects.filter(state=State.WAITING, slot__starts_at__lte=now + NOTICE)
    return late.order_by("slot__starts_at", "pk")


@transaction.atomic
def end_unsold_list(entry_id: int) -> list[WaitingEntry]:
    """If nobody can buy this time any more: the entry, and others that wait for the same time, at most PASSED_AT_ONCE.

    Those that it has ended. A time that staff have opened again meanwhile keeps its list.
    """
    slot = _lock_slot(WaitingEntry.objects.get(pk=entry_id))
    if slot.is_on_sale and slot.starts_at > database_now() + NOTICE:
        return []
    waiting = WaitingEntry.objects.filter(slot=slot, state=State.WAITING)
    return _end_waiting(waiting.order_by("pk")[:PASSED_AT_ONCE])


@transaction.atomic
def offer_place(entry_id: int, now: datetime) -> WaitingEntry | None:
    """Holds a free place for this entry. None when there is none: somebody else has it, or it is too late."""
    entry = WaitingEntry.objects.select_related("user").get(pk=entry_id)
    slot = _lock_slot(entry)
    until = _offer_end(slot, now)
    if until <= now or not entry.user.is_active:
        _move(entry, State.WAITING, State.PASSED)
        return None
    earlier = WaitingEntry.objects.filter(slot=slot, state=State.WAITING, pk__lt=entry.pk)
    if earlier.exists() or not places.with_free_place(slot.pk).exists():
        return None
    if not _move(entry, State.WAITING, State.OFFERED, offered_until=until, offers=F("offers") + 1):
        return None
    Slot.objects.filter(pk=slot.pk).update(held=F("held") + 1)
    entry.refresh_from_db(fields=["state", "offered_until", "offers"])
    return entry


def _offer_end(slot: Slot, now: datetime) -> datetime:
    """The nearer the start, the shorter: a part of the time for which the place can be sold, so that it is left."""
    last = slot.starts_at - places.page_life() - places.lead_time()
    longest = timedelta(minutes=settings.WAITING_OFFER_MINUTES) / settings.PAYMENT_TIME_SCALE
    shortest = min(SHORTEST_OFFER / settings.PAYMENT_TIME_SCALE, longest)
    return min(now + max(min(longest, (last - now) / OFFER_PART), shortest), last)


@transaction.atomic
def end_offer(entry_id: int, now: datetime) -> list[WaitingEntry]:
    """Not taken in time: the place is free for the next one. Others whose waiting ends with it."""
    entry = WaitingEntry.objects.get(pk=entry_id)
    slot = _lock_slot(entry)
    entries = WaitingEntry.objects.filter(pk=entry.pk, state=State.OFFERED, offered_until__lte=now)
    if not entries.update(state=State.PASSED):
        return []
    _give_back(slot)
    return _end_if_nobody_takes(slot)


def _refuse_crowd(user: User, network: str) -> None:
    """A person with a booking that stands may always wait. Under the lock of the network. Raises NotWaited."""
    if not network or bookings_that_stand(user.pk).exists():
        return
    entries = WaitingEntry.objects.filter(network=network, state__in=OPEN, slot__starts_at__gt=timezone.now())
    if entries.count() >= CONFIRMED_FACTOR * settings.HOLDS_PER_NETWORK:
        raise NotWaited(
            _("Many people wait over your internet connection already. Please try again later."),
            code="waiting_too_often",
        )


def _end_if_nobody_takes(slot: Slot) -> list[WaitingEntry]:
    """After MOST_OFFERS that ended in a row, the place goes to everybody. Under the lock of the slot."""
    latest = (
        WaitingEntry.objects.filter(slot=slot).exclude(offered_until=None).order_by("-offered_until", "-pk")
    )
    states = list(latest.values_list("state", flat=True)[:MOST_OFFERS])
    if states != [State.PASSED] * MOST_OFFERS:
        return []
    return _end_waiting(WaitingEntry.objects.filter(slot=slot, state=State.WAITING).order_by("pk"))


def _end_waiting(waiting: "QuerySet[WaitingEntry]") -> list[WaitingEntry]:
    """Those that still waited."""
    keys = list(waiting.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True))
    WaitingEntry.objects.filter(pk__in=keys, state=State.WAITING).update(state=State.PASSED)
    return list(WaitingEntry.objects.select_related("slot__service", "package", "user").filter(pk__in=keys))


def _lock_slot(entry: WaitingEntry) -> Slot:
    return Slot.objects.select_for_update(no_key=True).get(pk=entry.slot_id)


def _give_back(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(held=F("held") - 1)


def _move(entry: WaitingEntry, old: str, new: str, **values: Any) -> bool:
    return WaitingEntry.objects.filter(pk=entry.pk, state=old).update(state=new, **values) == 1
