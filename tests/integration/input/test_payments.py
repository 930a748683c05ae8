"""Amounts, phones, keys, outcomes, reasons: what comes in where money is about to move."""

from decimal import Decimal

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from booking.models import Booking
from core.money import rupees
from payment.models import Payment
from payment.services.outcomes import apply_status
from simulator.faults import BY_PAISE
from simulator.models import Order
from tests.harness import builders
from tests.integration.input.fuzz import (
    TEXT,
    assert_answered,
    assert_refused_or_done,
    few,
    rows,
    send,
    some_of,
    stranger,
)
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS = "/api/payments/payments/"
PROCESS_CART = f"{PAYMENTS}process-cart/"
AMOUNTS = (
    st.decimals(allow_nan=True) | st.from_regex(r"[0-9]{1,9}(\.[0-9]{0,4})?", fullmatch=True) | st.floats()
)
MOBILES = st.from_regex(r"(\+?91[ -]?)?[6-9][0-9]{9}", fullmatch=True)


# Some amounts mean a fault at the simulated PhonePe.
HARMLESS = st.integers(100, 5_000_000).filter(lambda paise: paise % 100 not in BY_PAISE)


@few
@given(
    body=some_of(
        cart_id=st.integers(),
        address_id=st.integers(),
        amount=AMOUNTS.map(str) | st.floats() | st.integers(-5, 100_000),
        user_id=TEXT,
        mobile=MOBILES | TEXT,
        method=st.just("PHONEPE"),
    )
)
@example({"amount": 10**30})
@example({"amount": "1e400"})
@example({"amount": "sNaN"})
@example({"amount": 50_000.01})
def test_any_request_to_pay_is_answered_and_a_refused_one_leaves_nothing(body):
    before = rows()

    assert_refused_or_done(send(stranger(), "post", PROCESS_CART, body), before)


@few
@given(paise=HARMLESS, as_number=st.booleans(), mobile=MOBILES)
@example(paise=1999, as_number=True, mobile="9876543210")
@example(paise=100, as_number=False, mobile="9876543210")
@example(paise=5_000_000, as_number=True, mobile="9876543210")
@example(paise=4_999_999, as_number=True, mobile="9876543210")
def test_no_paisa_is_lost_between_the_caller_and_phonepe(paise, as_number, mobile):
    amount = float(rupees(paise)) if as_number else rupees(paise)

    said = send(stranger(), "post", PROCESS_CART, {"amount": amount, "mobile": mobile}).json()

    payment = Payment.objects.get(pk=said["payment_id"])
    assert (said["amount"], payment.amount_paise) == (rupees(paise), paise)
    assert Order.objects.get(merchant_order_id=said["merchant_transaction_id"]).amount_paise == paise
    assert payment.payer_mobile == f"+91{mobile[-10:]}"


@few
@given(amount=st.decimals(allow_nan=True, allow_infinity=True))
def test_an_amount_is_taken_exactly_or_not_at_all(amount):
    before = rows()

    response = send(stranger(), "post", PROCESS_CART, {"amount": str(amount)})

    assert_refused_or_done(response, before)
    if response.status_code == 201:
        assert Decimal(response.json()["amount"]) == amount
        assert Payment.objects.get(pk=response.json()["payment_id"]).amount_paise == amount * 100


@few
@given(
    key=st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=300),
    body=st.integers(1, 3),
)
def test_any_idempotency_key_is_answered(key, body):
    response = send(stranger(), "post", PROCESS_CART, {"amount": body}, HTTP_IDEMPOTENCY_KEY=key)

    assert response.status_code in (201, 400, 422)
    assert_answered(response)


@few
@given(key=st.text(st.sampled_from("abcXYZ019-_. "), min_size=24, max_size=255))
def test_the_same_key_opens_one_payment_however_it_is_spelled(key):
    assume(key.strip() == key)

    asked = [
        send(stranger(), "post", PROCESS_CART, {"amount": 7}, HTTP_IDEMPOTENCY_KEY=key) for _ in range(2)
    ]

    assert asked[0].json() == asked[1].json()
    assert asked[0].status_code == asked[1].status_code == 201


@few
@given(body=some_of(outcome=TEXT, payment_id=st.integers(), merchant_order_id=TEXT))
def test_any_wish_to_simulate_is_answered_and_confirms_nothing(body):
    response = send(stranger(), "post", f"{PAYMENTS}simulate-payment-success/", body)

    assert response.status_code in (400, 404)
    assert_answered(response)


@pytest.fixture
def booking(alice, package):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.get()


@settings(few, max_examples=15)
@given(body=some_of(status=TEXT | st.sampled_from(["CONFIRMED", "COMPLETED"]), cancellation_reason=TEXT))
@example({"status": "CANCELLED", "cancellation_reason": "\x00"})
@example({"status": "CANCELLED", "cancellation_reason": "x" * 501})
@example({"status": "CANCELLED", "cancellation_reason": " "})
def test_any_wish_about_a_booking_is_answered_and_changes_nothing(api, alice, booking, body):
    response = send(api(alice), "post", f"/api/booking/bookings/{booking.pk}/status/", body)

    assert response.status_code == 400
    assert_answered(response)
    booking.refresh_from_db()
    assert booking.status == Booking.Status.CONFIRMED


@pytest.mark.parametrize("amount", ["100", 100, 100.0, "100.0", "100.00"])
def test_a_round_amount_may_be_written_in_any_way(amount):
    assert send(stranger(), "post", PROCESS_CART, {"amount": amount}).json()["amount"] == "100.00"
