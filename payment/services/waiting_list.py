"""The waiting list, as the worker moves it: people who get an offer are told in the same transaction."""

from django.db import transaction
from django.utils import timezone

from booking.models import WaitingEntry
from booking.services.waiting_list import end_offer, end_unsold_list, offer_place
from core.clocks import database_now
from notifications.services import Facts, notify


@transaction.atomic
def offer_to_next(entry_id: int) -> None:
    """The free place; or, of a time that is closed, the news that nobody need wait for it."""
    if _end_unsold(entry_id):
        return
    entry = offer_place(entry_id, database_now())
    if entry is None or entry.offered_until is None:
        return
    until = timezone.localtime(entry.offered_until)
    facts = _facts(entry) | {"until": until.isoformat(), "offer": entry.offers}
    # One that was withdrawn, because the time was closed and opened again, may be followed by another.
    notify("waiting_offer", f"waiting_offer:{entry.pk}:{entry.offers}", facts, user=entry.user)


@transaction.atomic
def pass_on(entry_id: int) -> None:
    """The place of an offer that nobody took. When the list ends with it, the others are told that it is for all."""
    for entry in end_offer(entry_id, database_now()):
        facts = _facts(entry) | {"is_free": True}
        notify("waiting_over", f"waiting_over:{entry.pk}", facts, user=entry.user)


@transaction.atomic
def end_unsold(entry_id: int) -> None:
    """People who wait for a time that nobody can buy any more are told, and may look for another one."""
    _end_unsold(entry_id)


def _end_unsold(entry_id: int) -> bool:
    ended = end_unsold_list(entry_id)
    for entry in ended:
        facts = _facts(entry) | {"is_closed": not entry.slot.is_on_sale}
        notify("waiting_over", f"waiting_over:{entry.pk}", facts, user=entry.user)
    return bool(ended)


def _facts(entry: WaitingEntry) -> Facts:
    service = entry.slot.service
    return {
        "waiting_id": entry.pk,
        "puja": service.title,
        "puja_hi": service.title_hi,
        "place": entry.package.location,
        "place_hi": entry.package.location_hi,
        "starts_at": timezone.localtime(entry.slot.starts_at).isoformat(),
    }
