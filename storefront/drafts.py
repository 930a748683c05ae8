"""From what a visitor has typed to the cart of a person. Until we know who they are, it waits in their session."""

from datetime import date, time
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from accounts.models import User
from accounts.services import address_for_delivery, complete_profile, find_or_add_address
from booking.models import Cart
from booking.services import fill_cart
from storefront.sessions import DRAFT

Draft = dict[str, Any]


def make_draft(
    choice: Draft, email: str, contact: Draft, devotees: Draft, address: Draft | int | None
) -> Draft:
    """As a session keeps it, for the account of `email`. `address`: the fields of a new one, or the number of one of
    the person's."""
    return {
        "email": email,
        "service": choice["service"],
        "package": choice["package"],
        "date": choice["date"].isoformat(),
        "time": f"{choice['time']:%H:%M}",
        "contact": contact,
        "devotees": devotees,
        "address": address,
    }


def waiting_draft(request: HttpRequest, email: str) -> Draft | None:
    """What was typed with this address. People share phones: what was typed with another one is nobody's here."""
    draft: Draft = request.session.get(DRAFT, {})
    return draft if draft.get("email") == email else None


def fill(person: User, draft: Draft) -> Cart:
    """The cart of a draft. Raises ValidationError and Refusal, as `fill_cart` does."""
    contact = draft["contact"]
    complete_profile(person, first_name=contact.get("first_name", ""), phone=contact.get("phone"))
    with transaction.atomic():
        return fill_cart(
            person,
            puja_service=draft["service"],
            package_id=draft["package"],
            selected_date=date.fromisoformat(draft["date"]),
            selected_time=time.fromisoformat(draft["time"]),
            address_id=_address_id(person, draft["address"]) if draft["address"] else None,
            **draft["devotees"],
        )


def _address_id(person: User, address: Draft | int) -> int:
    """Of the person's own: typed twice, it is one. Raises ValidationError for one that was deleted meanwhile."""
    if isinstance(address, int):
        stored = address_for_delivery(person, address)
        assert stored is not None  # noqa: S101 - a number was given
        return stored.pk
    return find_or_add_address(person, **address).pk


def change_phone(person: User, phone: str) -> None:
    """They have typed it while they were signed in. Nobody has confirmed it yet."""
    if phone and person.phone and phone != person.phone:
        person.phone, person.phone_confirmed_at = phone, None
        person.save(update_fields=["phone", "phone_confirmed_at"])
