"""Books a puja with the generated Python client, from the catalogue to the booking, as a customer and as a server.

clients/.tools/bin/python clients/try_client.py URL MAIL PASSWORD API_KEY
"""

import sys
import uuid
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "python"))

from okpuja_client import AuthenticatedClient, Client
from okpuja_client.api.accounts import auth_login
from okpuja_client.api.cart import api_cart_carts_create
from okpuja_client.api.catalogue import (
    api_puja_packages_list,
    api_puja_services_list,
    api_puja_services_slots_list,
)
from okpuja_client.api.payments import (
    api_payments_payments_check_booking_retrieve,
    api_payments_payments_process_cart_create,
    api_payments_payments_simulate_success_create,
)
from okpuja_client.api.servers import server_booking, server_open_payment, server_simulate
from okpuja_client.models import (
    CartChoiceRequest,
    CustomerRequestRequest,
    LoginAnswer,
    LoginRequest,
    OpenPaymentRequestRequest,
    OutcomeRequestRequest,
    ProcessCartRequestRequest,
    ServerAddressRequest,
)


def main(url: str, mail: str, password: str, key: str) -> None:
    shop = Client(url, raise_on_unexpected_status=True)
    choice = choose(shop)
    print("customer:", as_customer(shop, url, mail, password, choice))
    print("server:", as_server(url, key, choice))


def choose(shop: Client) -> dict:
    """The first puja with free times."""
    for puja in api_puja_services_list.sync(client=shop).results:
        slots = api_puja_services_slots_list.sync(puja.id, client=shop)
        packages = api_puja_packages_list.sync(client=shop, puja_service=puja.id)
        if slots and packages:
            slot = slots[-1]
            return {
                "puja_service": puja.id,
                "package_id": packages[0].id,
                "selected_date": date.fromisoformat(str(slot.date)),
                "selected_time": slot.time,
            }
    raise SystemExit("nothing can be booked")


def as_customer(shop: Client, url: str, mail: str, password: str, choice: dict) -> str:
    session = auth_login.sync(client=shop, body=LoginRequest(email=mail, password=password))
    assert isinstance(session, LoginAnswer), session  # NotLoggedIn: the account is not ACTIVE
    me = AuthenticatedClient(url, token=session.access, raise_on_unexpected_status=True)
    cart = api_cart_carts_create.sync(client=me, body=CartChoiceRequest(**choice))
    started = api_payments_payments_process_cart_create.sync(
        client=me, body=ProcessCartRequestRequest(cart_id=cart.id), idempotency_key=str(uuid.uuid4())
    )
    api_payments_payments_simulate_success_create.sync(started.payment_id, client=me)
    checked = api_payments_payments_check_booking_retrieve.sync(started.payment_id, client=me)
    assert checked.booking_created, checked
    return checked.booking.book_id


def as_server(url: str, key: str, choice: dict) -> str:
    program = AuthenticatedClient(url, token=key, raise_on_unexpected_status=True)
    home = ServerAddressRequest("1 Ghat Road", "Varanasi", "Uttar Pradesh", "221001")
    order = OpenPaymentRequestRequest(
        customer=CustomerRequestRequest(email="radha@example.com", name="Radha", phone="98765 43210"),
        address=home,
        reference="CRM-1",
        **choice,
    )
    opened = server_open_payment.sync(client=program, body=order, idempotency_key=str(uuid.uuid4()))
    paid = server_simulate.sync(opened.id, client=program, body=OutcomeRequestRequest())
    booking = server_booking.sync(paid.booking.book_id, client=program)
    assert booking.reference == "CRM-1", booking
    return booking.book_id


if __name__ == "__main__":
    main(*sys.argv[1:])
