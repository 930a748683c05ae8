"""The waiting list, as the worker moves it: whoever gets an offer is told in the same transaction."""

from django.db import transaction
from django.utils import timezone

from booking.models import WaitingEntry
from booking.services.waiting_list import end_late_list, end_offer, offer_place
from core.clocks import database_now
from notifications.services import Facts, notify


@transaction.atomic
def offer_to_next(entry_id: int) -> None:
    entry = offer_place(entry_id, database_now())
    if entry is None or entry.offered_until is None:
        return
    facts = _facts(entry) | {"until": timezone.localtime(entry.offered_until).isoformat()}
    notify("waiting_offer", f"waiting_offer:{entry.pk}", facts, user=entry.user)


@transaction.atomic
def pass_on(entry_id: int) -> None:
    """The place of an offer that nobody took. When the list ends with it, the others are told that it is for all."""
    for entry in end_offer(entry_id, database_now()):
        facts = _facts(entry) | {"is_free": True}
        notify("waiting_over", f"waiting_over:{entry.pk}", facts, user=entry.user)


@transaction.atomic
def close_late_list(entry_id: int) -> None:
    """Nobody can buy this time any more: who waits is told, and may look for another one."""
    for entry in end_late_list(entry_id):
        notify("waiting_over", f"waiting_over:{entry.pk}", _facts(entry), user=entry.user)


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
