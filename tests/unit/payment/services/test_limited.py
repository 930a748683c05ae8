"""During the pause that PhonePe asks for with 429, no payment is written that could not be sent."""

import uuid
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from booking.models import Cart, Checkout, SlotHold
from payment.gateways import current_gateway
from payment.models import IdempotencyKey, Payment, PaymentAttempt, StateChange
from payment.services.checkout import start_donation, start_payment
from payment.services.links import pay_link_url, status_url
from payment.services.outcomes import apply_status
from payment.services.pay_links import make_pay_link
from tests.harness import builders
from tests.unit.payment.builders import FAILED

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS = "/api/payments/payments/"
PAUSE = 30
WRITTEN = (Payment, PaymentAttempt, Checkout, SlotHold, StateChange, IdempotencyKey)


def pause():
    """PhonePe has answered 429 to somebody."""
    current_gateway()._rate_limit.record(float(PAUSE))


def end(payment):
    apply_status(payment.attempts.latest("number").pk, FAILED, "worker")
    return Payment.objects.get(pk=payment.pk)


def unsent(payment):
    """An open payment whose order PhonePe has never got."""
    payment.attempts.update(state="CREATED", sent_at=None, page_url="", call_lease_until=None)
    return payment


def of_a_cart(api, alice, cart):
    return lambda: api(alice).post(f"{PAYMENTS}process-cart/", {"cart_id": cart.pk})


def of_a_cart_with_a_key(api, alice, cart):
    key = {"Idempotency-Key": "one-click-of-alice"}
    return lambda: api(alice).post(f"{PAYMENTS}process-cart/", {"cart_id": cart.pk}, headers=key)


def of_the_other_frontend(api, alice, cart):
    return lambda: api(alice).post("/api/payments/cart/", {"cart_id": str(cart.cart_id)})


def of_an_app(api, alice, cart):
    return lambda: api(alice).post(f"{PAYMENTS}app-order/", {"cart_id": cart.pk})


def of_a_guest(api, alice, cart):
    return lambda: api().post(f"{PAYMENTS}process-cart/", {"amount": "101.00"})


def again(api, alice, cart):
    failed = end(start_payment(alice, cart_id=cart.pk).payment)
    return lambda: api(alice).post(f"{PAYMENTS}{failed.pk}/try-again/")


def a_donation_again_by_its_link(api, alice, cart):
    failed = end(start_donation(None, amount_paise=5_100).payment)
    return lambda: Client().post(status_url(failed))


def an_open_payment_by_its_link(api, alice, cart):
    payment = unsent(start_payment(alice, cart_id=cart.pk).payment)
    return lambda: Client().post(status_url(payment))


def a_link_of_staff(api, alice, cart):
    """For what staff have checked out by hand; nobody has clicked it yet."""
    start = timezone.localtime(cart.starts_at)
    wanted = {"puja_service": cart.puja_service_id, "package_id": cart.package_id}
    wanted |= {"selected_date": start.date(), "selected_time": start.time()}
    link = make_pay_link(alice, wanted, by=builders.make_superuser(), key=uuid.uuid4())
    return lambda: Client().post(urlsplit(pay_link_url(link)).path)


def an_open_payment_of_its_cart(api, alice, cart):
    of_a_cart(api, alice, cart)()
    unsent(Payment.objects.get())
    return of_a_cart(api, alice, cart)


def whose_last_order_has_ended(api, alice, cart):
    """Another order of it is open, and a new one would be made."""
    of_a_cart(api, alice, cart)()
    payment = Payment.objects.get()
    first = payment.attempts.get()
    columns = {field.attname: getattr(first, field.attname) for field in first._meta.concrete_fields}
    ended = PaymentAttempt(
        **columns | {"id": None, "number": 2, "merchant_order_id": "OKPENDED", "state": "FAILED"}
    )
    ended.save(force_insert=True)
    payment.attempts.filter(number=1).update(page_url="", state="UNKNOWN")
    return of_a_cart(api, alice, cart)


ENTRIES = [
    of_a_cart,
    of_a_cart_with_a_key,
    of_the_other_frontend,
    of_an_app,
    of_a_guest,
    again,
    a_donation_again_by_its_link,
    an_open_payment_by_its_link,
    a_link_of_staff,
    an_open_payment_of_its_cart,
    whose_last_order_has_ended,
]


def rows():
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in WRITTEN}


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_click_is_told_to_come_again_and_writes_nothing(entry, api, alice, cart, phonepe, settings):
    settings.PHONEPE_API_VERSION = "v2"
    settings.PHONEPE_MERCHANT_ID = "M1"
    click = entry(api, alice, cart)
    pause()
    before, status = rows(), list(Cart.objects.order_by("pk").values_list("status", flat=True))

    answer = click()

    assert answer.status_code == 503, answer.content
    assert 1 <= int(answer["Retry-After"]) <= PAUSE
    if answer["Content-Type"] == "application/json":
        assert (answer.json()["code"], answer.json()["retryable"]) == ("busy", True)
    assert rows() == before
    assert list(Cart.objects.order_by("pk").values_list("status", flat=True)) == status


def test_the_click_after_the_pause_opens_the_payment(api, alice, cart, phonepe):
    pause()
    assert of_a_cart(api, alice, cart)().status_code == 503
    current_gateway()._rate_limit._until = float("-inf")

    assert of_a_cart(api, alice, cart)().status_code == 201


def test_a_page_that_is_open_is_shown_during_the_pause_too(api, alice, cart, phonepe):
    opened = of_a_cart(api, alice, cart)().json()
    pause()

    shown = of_a_cart(api, alice, cart)()

    assert (shown.status_code, shown.json()["payment_url"]) == (200, opened["payment_url"])


def test_what_another_process_was_told_counts_too(api, alice, cart, phonepe):
    """The pause is read from the cache, before anything is written."""
    gateway = current_gateway()
    other = type(gateway)(gateway.merchant)
    other._rate_limit.record(float(PAUSE))

    assert of_a_cart(api, alice, cart)().status_code == 503
    assert not Payment.objects.exists()
