"""Ways that once led to a payment or a booking without money, or to money without a booking."""

import pytest

from booking.models import Booking, Checkout
from payment.models import Payment, PaymentAttempt, Refund
from payment.services.checkout import start_donation, start_payment
from tests.harness import builders

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS = "/api/payments/payments/"
PROCESS_CART = f"{PAYMENTS}process-cart/"


@pytest.fixture
def payment(alice, package):
    return start_payment(alice, cart_id=builders.make_cart(alice, package).pk).payment


@pytest.fixture
def paid(api, alice, payment):
    assert api(alice).post(f"{PAYMENTS}{payment.pk}/simulate-success/").json()["booking_created"] is True
    return payment


def test_debug_mode_is_no_way_to_pay(api, alice, payment, settings):
    settings.DEBUG, settings.PHONEPE_SIMULATION_MODE = True, False

    for action in ("simulate-success/", "simulate/"):
        assert api(alice).post(f"{PAYMENTS}{payment.pk}/{action}").status_code == 404
    assert api().get(f"{PAYMENTS}simulate-payment-success/").status_code == 404
    assert api().post(f"{PAYMENTS}simulate-payment-success/", {"payment_id": payment.pk}).status_code == 404

    payment.refresh_from_db()
    assert payment.state == "PENDING"
    assert not Booking.objects.exists()


def test_who_has_no_address_pays_and_is_booked(api, charlie, package):
    cart = builders.make_cart(charlie, package)
    started = api(charlie).post(PROCESS_CART, {"cart_id": cart.pk}).json()

    api(charlie).post(f"{PAYMENTS}{started['payment_id']}/simulate-success/")

    assert Booking.objects.get().checkout.agreed_address is None


def test_nobody_pays_with_the_address_of_a_stranger(api, alice, charlie, package):
    cart = builders.make_cart(charlie, package)

    answer = api(charlie).post(PROCESS_CART, {"cart_id": cart.pk, "address_id": alice.addresses.get().pk})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["address_id"])
    assert not Payment.objects.exists()
    assert not Checkout.objects.exists()


def test_an_afternoon_puja_is_not_booked_for_the_morning(api, alice, package):
    start = builders.in_days(5, hour=16)
    body = {"puja_service": package.puja_service_id, "package_id": package.pk}
    body |= {"selected_date": str(start.date()), "selected_time": "04:00 PM"}
    cart = api(alice).post("/api/cart/carts/", body).json()
    started = api(alice).post(PROCESS_CART, {"cart_id": cart["id"]}).json()

    api(alice).post(f"{PAYMENTS}{started['payment_id']}/simulate-success/")

    assert Booking.objects.get().starts_at == start


def test_there_is_no_puja_of_a_kind_that_has_no_price(api, alice, package):
    body = {"service_type": "ASTROLOGY", "puja_service": package.puja_service_id, "package_id": package.pk}
    body |= {"selected_date": str(builders.in_days(5).date()), "selected_time": "10:00"}

    answer = api(alice).post("/api/cart/carts/", body)

    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["service_type"])


def test_no_customer_takes_their_money_back_and_keeps_their_booking(api, alice, paid):
    answer = api(alice).post(f"{PAYMENTS}{paid.pk}/refund/", {"amount": "1100.00", "reason": "because"})

    assert answer.status_code in (403, 404)
    assert not Refund.objects.exists()
    assert Booking.objects.get().status == Booking.Status.CONFIRMED


def test_a_requested_refund_is_not_yet_a_refund(api, alice, paid):
    booking = Booking.objects.get()
    body = {"status": "CANCELLED", "cancellation_reason": "travelling"}

    said = api(alice).post(f"/api/booking/bookings/{booking.pk}/status/", body).json()

    assert said["refund"]["status"] == "WAITING"
    assert api(alice).get(f"{PAYMENTS}{paid.pk}/").json()["status"] == "SUCCESS"


def test_order_ids_of_the_same_moment_differ_and_cannot_be_guessed():
    for _ in range(20):
        start_donation(None, amount_paise=100)

    ids = list(PaymentAttempt.objects.values_list("merchant_order_id", flat=True))
    assert len(set(ids)) == 20
    shared = max(len(common_start(one, other)) for one in ids for other in ids if one != other)
    assert min(map(len, ids)) - shared >= 16


def test_looking_at_a_cart_closes_no_payment(api, alice, payment):
    cart = payment.checkout.cart_id

    for path in ("", "active/", f"{cart}/", f"{cart}/deletion_status/"):
        assert api(alice).get(f"/api/cart/carts/{path}").status_code == 200

    payment.refresh_from_db()
    assert payment.state == "PENDING"
    assert payment.attempts.get().state == "PENDING"


def test_a_browser_may_read_a_refusal(api):
    answer = api().get("/api/cart/carts/", HTTP_ORIGIN="http://frontend.example")

    assert answer.status_code == 401
    assert answer["Access-Control-Allow-Origin"] == "http://frontend.example"


def common_start(one: str, other: str) -> str:
    length = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))
    return one[:length]
