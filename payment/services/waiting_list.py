"""The waiting list, as the worker moves it: whoever gets an offer is told in the same transaction."""

from django.db import transaction
from django.utils import timezone

from booking.services.waiting_list import end_offer, offer_place
from core.clocks import database_now
from notifications.services import notify


@transaction.atomic
def offer_to_next(entry_id: int) -> None:
    entry = offer_place(entry_id, database_now())
    if entry is None or entry.offered_until is None:
        return
    service = entry.slot.service
    facts = {
        "waiting_id": entry.pk,
        "puja": service.title,
        "puja_hi": service.title_hi,
        "place": entry.package.location,
        "place_hi": entry.package.location_hi,
        "starts_at": timezone.localtime(entry.slot.starts_at).isoformat(),
        "until": timezone.localtime(entry.offered_until).isoformat(),
    }
    notify("waiting_offer", f"waiting_offer:{entry.pk}", facts, user=entry.user)


def pass_on(entry_id: int) -> None:
    end_offer(entry_id, database_now())
