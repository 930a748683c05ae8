"""What a server of the business does for a customer, whom it knows by mail address and phone: open their payment.

It acts as the shop's own pages do for a guest. It reads and changes nothing else of their account: a profile is only
completed, an address is added, and a mail address of staff is refused.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiKey, User
from accounts.services import complete_profile, create_guest, find_or_add_address
from booking.models import PujaService
from booking.promo_guard import guarded_promo
from booking.services import fill_cart
from core.errors import Conflict, InvalidField
from payment.services.checkout import PaymentStart, Server, start_payment


class NotACustomer(Conflict):
    default_code = "not_a_customer"
    default_detail = "This mail address belongs to a member of the staff: no server books for them."


@dataclass(frozen=True)
class Customer:
    """As the server knows them. `language` is of the mails to somebody who is new."""

    email: str
    first_name: str = ""
    phone: str | None = None
    language: str = User.Language.ENGLISH


def open_payment(
    key: ApiKey,
    customer: Customer,
    choice: dict[str, Any],
    *,
    address: dict[str, Any] | None = None,
    expected_paise: int | None = None,
    reference: str = "",
    client_address: str = "",
) -> PaymentStart:
    """The payment of a place for this customer, who becomes a guest if they are new. `choice`: as `fill_cart` takes it.

    An unfinished cart of theirs is replaced. The limits of holds by network do not count: all customers of a server
    come from its one network; those of a person and of a slot do. Raises as `fill_cart` and `start_payment` do, and
    NotACustomer.
    """
    with guarded_promo(choice.get("promo_code"), customer.email, client_address), transaction.atomic():
        person = find_or_create_customer(customer)
        cart = fill_cart(person, **choice)
        if address:
            cart.address_id = find_or_add_address(person, **address).pk
            cart.save(update_fields=["address"])
        elif cart.puja_service.type == PujaService.Type.HOME:
            raise InvalidField("address", _("Please say where the puja takes place."))
    return start_payment(
        person,
        cart_id=cart.pk,
        address_id=cart.address_id,
        expected_paise=expected_paise,
        server=Server(key, reference),
    )


def find_or_create_customer(customer: Customer) -> User:
    name, phone = customer.first_name, customer.phone
    person = create_guest(email=customer.email, first_name=name, phone=phone, language=customer.language)
    if person is not None:
        return person
    person = User.objects.get(email=customer.email.strip().lower())
    if not person.is_customer:
        raise NotACustomer
    complete_profile(person, first_name=name, phone=phone)
    return person
