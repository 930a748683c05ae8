"""Where the browser is sent after PhonePe, by the frontend that opened the payment and by what became of it."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from booking.models import Booking, Slot
from okpuja.environment import frontend, words
from payment.models import Payment, PaymentAttempt
from payment.services.frontends import configured_frontends, landing_url
from payment.services.links import return_url, status_url
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from payment.services.unpaid import end_if_unpaid
from payment.states import Fulfilment
from tests.harness import builders
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

SHOP, TWIN = "http://frontend.example", "https://www.okpuja.in"
JULY, TODAY = "/api/payments/payments/process-cart/", "/api/payments/cart/"


def click(client, route, cart, **headers):
    body = {"cart_id": str(cart.cart_id) if route == TODAY else cart.pk}
    assert client.post(route, body, headers=headers).status_code in (200, 201)
    return Payment.objects.latest("pk")


def landing(payment):
    """Path and parameters of the page, and the address of the site."""
    payment = Payment.objects.select_related("checkout").get(pk=payment.pk)
    parts = urlsplit(landing_url(payment))
    return parts.path, dict(parse_qsl(parts.query)), f"{parts.scheme}://{parts.netloc}"


def is_own_page(payment):
    return landing_url(Payment.objects.get(pk=payment.pk)).startswith("http://testserver/pay/")


@pytest.fixture(params=[JULY, TODAY], ids=["2025", "2026"])
def payment(request, api, alice, cart):
    return click(api(alice), request.param, cart)


def facts(payment):
    order = payment.attempts.latest("number").merchant_order_id
    return {"payment_id": str(payment.pk), "merchant_order_id": order}


def test_a_booking_is_named_in_the_address_so_that_no_other_one_is_shown(payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")

    book_id = Booking.objects.get().book_id
    named = {"booking_id": book_id, "book_id": book_id, "payment_id": str(payment.pk)}
    assert landing(payment) == (
        "/confirmbooking",
        named | {"cart_id": str(payment.checkout.cart.cart_id)},
        SHOP,
    )


def test_a_failed_payment_is_named_in_the_words_of_both_pages(payment):
    apply_status(payment.attempts.get().pk, FAILED, "worker")

    july = {"bookingId": payment.reference} if payment.frontend == "2025" else {}
    named = facts(payment) | {"code": "PAYMENT_FAILED"} | july
    assert landing(payment) == ("/failedbooking", named, SHOP)


def test_an_open_payment_waits_where_there_is_a_page_that_waits(api, alice, cart):
    payment = click(api(alice), TODAY, cart)
    where = ("/payment-pending", facts(payment) | {"cart_id": str(cart.cart_id)}, SHOP)
    assert landing(payment) == where


def test_an_open_payment_of_july_waits_on_our_own_page(api, alice, cart):
    """Its page for returns asks twice, and then shows the page of failures: people paid twice."""
    assert is_own_page(click(api(alice), JULY, cart))


def end(payment):
    attempt = payment.attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(state="EXPIRED")
    attempt.refresh_from_db()
    attempt.payment = payment
    end_if_unpaid(attempt)


def test_an_ended_payment_says_so(payment):
    end(payment)
    code = "CANCELLED" if payment.frontend == "2026" else "PAYMENT_FAILED"  # July's page knows no such word
    path, named, _ = landing(payment)
    assert (path, named["code"]) == ("/failedbooking", code)


def test_late_money_that_waits_for_a_choice_is_neither_confirmed_nor_failed(payment, service, slot):
    builders.make_slot(service, days=4)
    end(payment)
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    apply_status(payment.attempts.get().pk, completed(), "worker")

    assert Payment.objects.get().fulfilment == Fulfilment.OFFERED
    assert is_own_page(payment)


def test_money_that_goes_back_is_told_by_our_own_page(payment, slot):
    end(payment)
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    apply_status(payment.attempts.get().pk, completed(), "worker")

    assert Payment.objects.get().fulfilment == Fulfilment.REFUND_DUE
    assert is_own_page(payment)


def test_money_that_goes_back_is_told_though_a_newer_click_failed(payment, cart, slot):
    """ "You have not been charged" would be said of the newer click, while the money is here."""
    end(payment)
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    apply_status(payment.attempts.get().pk, completed(), "worker")

    assert Payment.objects.get(pk=payment.pk).fulfilment == Fulfilment.REFUND_DUE
    assert is_own_page(payment)
    assert landing(again)[0].partition(":")[0] == landing(payment)[0].partition(":")[0]


def test_money_of_another_amount_is_told_by_our_own_page(payment):
    apply_status(payment.attempts.get().pk, completed(100_000), "worker")
    assert is_own_page(payment)


def test_a_cancelled_booking_is_not_confirmed_again(payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")
    cancel_booking(Booking.objects.get(), "travelling")
    assert is_own_page(payment)


def test_a_booking_whose_time_was_called_off_is_told_by_our_own_page_with_the_choice(payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")
    Booking.objects.update(choose_until=timezone.now())
    assert is_own_page(payment)


def test_the_return_from_a_failed_order_leads_to_what_became_of_the_cart(payment, cart):
    end(payment)
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, completed(), "worker")

    path, named, _ = landing(payment)
    assert (path, named["payment_id"], named["booking_id"]) == (
        "/confirmbooking",
        str(again.pk),
        Booking.objects.get().book_id,
    )


def test_a_donation_and_an_installation_without_a_frontend_have_our_own_page(payment, settings):
    assert is_own_page(make_payment())
    settings.FRONTEND_BASE_URL = ""
    apply_status(payment.attempts.get().pk, completed(), "worker")
    assert is_own_page(payment)


# --- Several frontends --------------------------------------------------------------------------


@pytest.fixture
def twin(settings):
    settings.FRONTENDS = [TWIN]
    settings.CORS_ALLOWED_ORIGINS = [SHOP, TWIN]


@pytest.mark.parametrize("route", [JULY, TODAY])
def test_who_pays_from_one_of_several_addresses_comes_back_to_it(api, alice, cart, twin, route):
    payment = click(api(alice), route, cart, Origin=TWIN)
    apply_status(payment.attempts.get().pk, completed(), "worker")
    assert landing(payment)[2] == TWIN


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://www.okpuja.in.evil.example", "null", "", f"{TWIN}/", f"{TWIN}:443"],
)
def test_nobody_is_led_to_an_address_that_the_settings_do_not_name(api, alice, cart, twin, origin):
    payment = click(api(alice), TODAY, cart, Origin=origin)
    assert landing(payment)[2] == SHOP


def test_an_address_that_the_settings_name_no_more_is_not_led_to(api, alice, cart, twin, settings):
    payment = click(api(alice), TODAY, cart, Origin=TWIN)
    settings.FRONTENDS = []
    assert landing(payment)[2] == SHOP
    Payment.objects.update(frontend_url="https://evil.example")
    assert landing(payment)[2] == SHOP


def test_the_frontend_that_clicked_last_gets_its_customer_back(api, alice, cart, twin):
    """The open order is the same: its page at PhonePe leads to us, and we decide then."""
    click(api(alice), JULY, cart, Origin=SHOP)
    payment = click(api(alice), TODAY, cart, Origin=TWIN)

    assert Payment.objects.count() == PaymentAttempt.objects.count() == 1
    path, _, site = landing(payment)
    assert (path, site) == ("/payment-pending", TWIN)


@pytest.mark.parametrize(
    ("entry", "route", "path"),
    [
        (f"{SHOP}|waiting=/payment/callback", JULY, "/payment/callback"),
        (f"{SHOP}|waiting=/soon", TODAY, "/soon"),
    ],
)
def test_the_page_that_waits_is_a_setting_of_each_frontend(api, alice, cart, settings, entry, route, path):
    settings.FRONTENDS = [entry]
    assert landing(click(api(alice), route, cart))[0] == path


def test_a_frontend_without_a_page_that_waits_uses_ours(api, alice, cart, settings):
    settings.FRONTENDS = [f"{SHOP}|waiting="]
    assert is_own_page(click(api(alice), TODAY, cart))


@pytest.mark.parametrize(
    "entry",
    [
        "www.okpuja.in",
        "javascript:alert(1)",
        "https://user@okpuja.in",
        "https://okpuja.in?next=1",
        "https://okpuja.in#x",
        "https://okpuja.in|page=/soon",
        "https://okpuja.in|waiting=//evil.example",
        "https://okpuja.in|waiting=https://evil.example",
        "https://okpuja.in|waiting=.evil.example",
        "https://okpuja.in|waiting=@evil.example",
        "https://okpuja.in|waiting=/soon?a=b",
        "https://okpuja.in|waiting=/so\\on",
        "https://okpuja.in|waiting=/soon/",
    ],
)
def test_an_address_that_could_lead_elsewhere_does_not_start(monkeypatch, entry):
    monkeypatch.setenv("FRONTENDS", entry)
    with pytest.raises(ImproperlyConfigured):
        words("FRONTENDS", "", frontend)


def test_addresses_are_read_from_the_environment(monkeypatch, settings):
    monkeypatch.setenv("FRONTENDS", f"{TWIN}/, https://old.okpuja.com|waiting=/payment/callback")
    settings.FRONTENDS = words("FRONTENDS", "", frontend)
    assert list(configured_frontends()) == [SHOP, TWIN, "https://old.okpuja.com"]


# --- The page on which an open payment waits ----------------------------------------------------


def get(url):
    return Client().get(url.removeprefix("http://testserver"))


def test_who_waits_on_our_page_is_led_on_to_the_shop(api, alice, cart, phonepe):
    payment = click(api(alice), JULY, cart)
    page = get(return_url(payment)).url
    Payment.objects.update(asked_at=None)  # the pause between two polls is over
    waiting = get(page)
    assert "Waiting for your payment" in waiting.content.decode()
    assert "Not paid" not in waiting.content.decode()

    phonepe.decide(payment.attempts.get().merchant_order_id)
    Payment.objects.update(asked_at=None)  # a second later, it is paid
    on = waiting.content.decode().partition('data-next="')[2].partition('"')[0]

    assert "/api/payments/return/" in on
    assert f"url={on}" in waiting.content.decode()  # for browsers without scripts
    assert get(on).url.startswith(f"{SHOP}/confirmbooking?")


def test_the_page_of_a_decided_payment_leads_nowhere(payment):
    """It is linked in mails: whoever opens it elsewhere is not logged in at the shop."""
    apply_status(payment.attempts.get().pk, completed(), "worker")
    assert "data-next" not in get(status_url(payment)).content.decode()
