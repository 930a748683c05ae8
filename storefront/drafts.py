"""From what a visitor has typed to the cart of a person. Until we know who they are, it waits in their session."""

from datetime import date, time
from typing import Any

from django.http import HttpRequest

from accounts.models import Address, User
from accounts.services import add_address
from booking.models import Cart
from booking.services import fill_cart
from storefront.sessions import ADDRESSES, DRAFT

MOST_ADDRESSES = 10  # kept in a session

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


def fill(request: HttpRequest, person: User, draft: Draft) -> Cart:
    """The cart of a draft. Raises ValidationError and Refusal, as `fill_cart` does."""
    _complete_profile(person, draft["contact"])
    cart = fill_cart(
        person,
        puja_service=draft["service"],
        package_id=draft["package"],
        selected_date=date.fromisoformat(draft["date"]),
        selected_time=time.fromisoformat(draft["time"]),
        **draft["devotees"],
    )
    if draft["address"]:
        _remember_address(request, cart, _address_id(person, draft["address"]))
    return cart


def address_of(request: HttpRequest, cart: Cart) -> int | None:
    """The number of the address that was chosen for this cart in this session."""
    chosen: int | None = request.session.get(ADDRESSES, {}).get(cart.cart_id.hex)
    return chosen


def keep_address(request: HttpRequest, before: Cart, after: Cart) -> None:
    """For a cart that replaces another one."""
    if chosen := address_of(request, before):
        _remember_address(request, after, chosen)


def _remember_address(request: HttpRequest, cart: Cart, address_id: int) -> None:
    known = request.session.get(ADDRESSES, {})
    latest = [*known.items()][1 - MOST_ADDRESSES :]
    request.session[ADDRESSES] = {**dict(latest), cart.cart_id.hex: address_id}


def _address_id(person: User, address: Draft | int) -> int:
    """Of the person's own: typed twice, it is one."""
    if isinstance(address, int):
        return address
    same = Address.objects.filter(user=person, **address).first()
    return (same or add_address(person, **address)).pk


def _complete_profile(person: User, contact: Draft) -> None:
    """What is missing in it. Nobody's name or phone is changed by booking for somebody else."""
    missing = {
        name: contact[name]
        for name in ("first_name", "phone")
        if contact.get(name) and not getattr(person, name)
    }
    if missing:
        User.objects.filter(pk=person.pk).update(**missing)
        for name, value in missing.items():
            setattr(person, name, value)
