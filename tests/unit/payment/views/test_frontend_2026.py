"""The routes of the frontend of 2026: each row of its contract that pays, waits and confirms."""

import uuid

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.translation import override
from rest_framework.throttling import SimpleRateThrottle

from booking.models import Booking, Slot
from payment.models import Payment, PaymentAttempt
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from payment.services.unpaid import end_if_unpaid
from payment.states import Fulfilment
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

PAY, VERIFY = "/api/payments/cart/", "/api/payments/verify-and-complete/"


@pytest.fixture
def client(api, alice):
    return api(alice)


def pay(client, cart, **more):
    body = {"cart_id": str(cart.cart_id), "address_id": cart.user.addresses.get().pk, **more}
    return client.post(PAY, body)


def cart_status(client, cart):
    return client.get(f"/api/payments/cart/status/{cart.cart_id}/")


def order_status(client, payment):
    order = payment.attempts.latest("number").merchant_order_id
    return client.get(f"/api/payments/status/{order}/")


def verify(client, cart):
    return client.post(VERIFY, {"cart_id": str(cart.cart_id)})


def words(client, payment):
    """What the two pages that wait are told: word, word, whether it is booked."""
    waiting = order_status(client, payment).json()
    two_seconds_pass()
    confirming = cart_status(client, payment.checkout.cart).json()
    assert waiting["booking_created"] == confirming["data"]["booking_created"]
    return waiting["status"], confirming["data"]["payment_status"], waiting["booking_created"]


def two_seconds_pass():
    Payment.objects.update(asked_at=None)


# --- POST payments/cart/ ------------------------------------------------------------------------


def test_a_cart_is_paid_by_its_uuid(client, cart):
    answer = pay(client, cart)

    said, payment = answer.json(), Payment.objects.get()
    attempt = payment.attempts.get()
    assert (answer.status_code, said["success"]) == (201, True)
    assert said["data"]["payment_order"] == {
        "id": payment.pk,
        "merchant_order_id": attempt.merchant_order_id,
        "phonepe_payment_url": attempt.page_url,
        "amount": 110_000,
        "amount_in_rupees": "1100.00",
        "cart_id": str(cart.cart_id),
        "status": "INITIATED",
        "created_at": said["data"]["payment_order"]["created_at"],
    }
    assert attempt.page_url.startswith("http")


def test_a_second_click_finds_the_open_payment_by_either_route(client, cart):
    first = pay(client, cart).json()["data"]["payment_order"]

    again = pay(client, cart)
    july = client.post("/api/payments/payments/process-cart/", {"cart_id": cart.pk}).json()

    assert (again.status_code, again.json()["data"]["payment_order"]) == (200, first)
    assert (july["payment_id"], july["payment_url"]) == (first["id"], first["phonepe_payment_url"])
    assert PaymentAttempt.objects.count() == 1


def test_two_tabs_at_once_open_one_order(api, alice, cart):
    answers = at_once(*(lambda: pay(api(alice), cart) for _ in range(2)))

    assert {answer.status_code for answer in answers} <= {200, 201, 400}
    assert any(answer.status_code < 300 for answer in answers)
    assert PaymentAttempt.objects.count() == Payment.objects.count() == 1


def test_what_is_409_in_july_is_400_here_with_the_same_code(api, client, alice, cart):
    """The page shows the sentence of a 400, and has no text for 409."""
    pay(client, cart)
    another = builders.make_address(alice, is_default=False, address_line1="2 Station Road")

    refused = client.post(PAY, {"cart_id": str(cart.cart_id), "address_id": another.pk})
    july = {"cart_id": cart.pk, "address_id": another.pk}
    there = client.post("/api/payments/payments/process-cart/", july)

    assert (there.status_code, there.json()["code"]) == (409, "checkout_differs")
    assert (refused.status_code, refused.json()["code"]) == (400, "checkout_differs")
    assert next(iter(refused.json().values())) == there.json()["error"]


def test_a_cart_that_is_paid_is_refused_with_its_sentence(client, cart):
    pay(client, cart)
    apply_status(PaymentAttempt.objects.get().pk, completed(), "worker")

    refused = pay(client, cart)

    assert (refused.status_code, refused.json()["code"]) == (400, "already_paid")
    assert next(iter(refused.json())) == "error"


def test_a_tab_of_each_site_at_once_open_one_order(api, alice, cart):
    july = {"cart_id": cart.pk, "method": "PHONEPE"}
    answers = at_once(
        lambda: pay(api(alice), cart), lambda: api(alice).post("/api/payments/payments/process-cart/", july)
    )

    assert {answer.status_code for answer in answers} <= {200, 201, 400, 409}
    assert any(answer.status_code < 300 for answer in answers)
    assert PaymentAttempt.objects.count() == Payment.objects.count() == 1


def test_a_click_that_is_sent_twice_at_once_with_its_key_is_one(api, alice, cart):
    body = {"cart_id": str(cart.cart_id), "address_id": cart.user.addresses.get().pk}
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answers = at_once(*(lambda: api(alice).post(PAY, body, headers=key) for _ in range(2)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {
        "idempotency_in_flight"
    }
    assert PaymentAttempt.objects.count() == Payment.objects.count() == 1


def test_the_same_key_gets_the_same_answer(client, cart):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = {"cart_id": str(cart.cart_id), "address_id": cart.user.addresses.get().pk}
    first, second = (client.post(PAY, body, headers=key) for _ in range(2))
    other = client.post(PAY, body | {"address_id": None}, headers=key)

    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "cart_id"),
        ({"cart_id": 1}, "cart_id"),
        ({"cart_id": "undefined"}, "cart_id"),
        ({"cart_id": "{cart}", "address_id": "mine"}, "address_id"),
        ({"cart_id": "{cart}", "address_id": 10**9}, "address_id"),
    ],
)
def test_the_first_value_of_a_refusal_is_the_sentence(client, cart, body, field):
    answer = client.post(PAY, {name: str(value).format(cart=cart.cart_id) for name, value in body.items()})

    said = answer.json()
    assert (answer.status_code, said["code"]) == (400, "validation")
    assert next(iter(said.values())) == said["error"] == said[field][0]
    assert not Payment.objects.exists()


def test_the_address_of_others_is_refused(client, charlie, cart):
    theirs = builders.make_address(charlie)
    assert pay(client, cart, address_id=theirs.pk).status_code == 400
    assert not Payment.objects.exists()


def test_a_cart_of_others_does_not_exist(api, charlie, cart):
    builders.make_address(charlie)
    answer = api(charlie).post(PAY, {"cart_id": str(cart.cart_id)})
    assert (answer.status_code, answer.json()["error"]) == (404, "Cart not found.")
    assert api().post(PAY, {"cart_id": str(cart.cart_id)}).status_code == 401


@pytest.mark.parametrize(("fault", "status"), [("refuse", 503), ("reset_after", 504), ("status_502", 504)])
def test_trouble_with_phonepe_is_none_of_the_page(client, cart, phonepe, fault, status):
    """The page shows a text of its own for 502, 503 and 504, and never one for 500."""
    phonepe.inject_fault("pay", fault, times=99)
    phonepe.inject_fault("status", "status_500", times=99)

    answer = pay(client, cart)

    assert (answer.status_code, type(answer.json()["error"])) == (status, str)
    assert cart_status(client, cart).json()["data"]["payment_status"] == "INITIATED"


# --- What a waiting page is told ----------------------------------------------------------------


@pytest.fixture
def payment(alice, cart):
    return start_payment(alice, cart_id=cart.pk).payment


def test_an_open_payment_is_initiated(client, payment):
    assert words(client, payment) == ("INITIATED", "INITIATED", False)


def test_a_payment_is_booked_in_the_answer_that_finds_it_paid(client, cart, payment, phonepe):
    phonepe.decide(payment.attempts.get().merchant_order_id)

    said = cart_status(client, cart).json()

    booking = Booking.objects.get()
    assert said["success"] is True
    assert said["data"]["payment_status"] == "SUCCESS"
    assert (said["data"]["booking_created"], said["data"]["booking_id"]) == (True, booking.book_id)
    assert words(client, payment) == ("SUCCESS", "SUCCESS", True)


def test_the_page_of_an_order_reads_a_flat_answer(client, payment):
    said = order_status(client, payment).json()

    assert said["status"] == "INITIATED"
    assert said["payment_status"] == "PENDING"
    assert (said["id"], said["transaction_id"]) == (payment.pk, payment.reference)
    assert said["amount"] == "1100.00"
    assert said["status_display"] == "Payment is not yet confirmed. Please do not pay twice."
    assert said["created_at"].endswith("+05:30")


def test_a_failed_payment_is_failed(client, payment):
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    assert words(client, payment) == ("FAILED", "FAILED", False)


def test_a_payment_that_was_given_up_is_failed_until_its_money_comes(client, cart, payment, phonepe):
    order = payment.attempts.get().merchant_order_id
    phonepe.decide(order, "expire")
    assert words(client, payment) == ("FAILED", "FAILED", False)

    phonepe.decide(order, "late_success")
    two_seconds_pass()
    assert verify(client, cart).json()["success"] is True
    assert words(client, payment) == ("SUCCESS", "SUCCESS", True)


def test_a_cart_that_is_tried_again_is_what_the_new_payment_is(client, cart, payment):
    """Also for a page that knows the first order only: it must not say "failed" while the second one is open."""
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    again = pay(client, cart).json()["data"]["payment_order"]
    assert again["id"] != payment.pk
    assert words(client, payment) == ("INITIATED", "INITIATED", False)

    apply_status(PaymentAttempt.objects.get(payment=again["id"]).pk, completed(), "worker")
    assert words(client, payment) == ("SUCCESS", "SUCCESS", True)


def test_money_that_came_too_late_is_neither_booked_nor_failed(client, cart, payment, service, slot):
    """Its customer chooses another time. Whoever is told "failed" pays again."""
    builders.make_slot(service, days=4)
    end(payment)
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    apply_status(payment.attempts.get().pk, completed(), "worker")
    payment.refresh_from_db()

    assert payment.fulfilment == Fulfilment.OFFERED
    assert words(client, payment) == ("INITIATED", "INITIATED", False)
    said = verify(client, cart).json()
    assert said == {
        "success": False,
        "message": "Your money has arrived, but too late for the time you chose. Please choose another time.",
        "user_message": "Your money has arrived, but too late for the time you chose. Please choose another time.",
    }


def end(payment):
    attempt = payment.attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(state="EXPIRED")
    attempt.refresh_from_db()
    attempt.payment = payment
    end_if_unpaid(attempt)


def test_money_of_another_amount_waits_for_staff(client, payment):
    apply_status(payment.attempts.get().pk, completed(100_000), "worker")
    assert words(client, payment) == ("INITIATED", "INITIATED", False)


def test_a_booking_that_was_cancelled_is_shown_as_nothing_that_stands(client, cart, payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")
    cancel_booking(Booking.objects.get(), "travelling")

    assert words(client, payment) == ("FAILED", "FAILED", False)
    said = verify(client, cart).json()
    assert (said["success"], said["message"]) == (False, "This booking is cancelled.")
    assert "booking" not in said


def test_a_cart_that_was_paid_twice_is_booked_whichever_order_is_asked_about(client, cart, payment):
    end(payment)
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, completed(), "worker")
    apply_status(payment.attempts.get().pk, completed(), "worker")
    payment.refresh_from_db()

    assert payment.fulfilment == Fulfilment.REFUND_DUE
    assert words(client, payment) == words(client, again) == ("SUCCESS", "SUCCESS", True)


@pytest.fixture
def late_money(payment, cart, slot):
    """The money of the first click came late and found no place; the second click failed."""
    end(payment)
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=2)
    apply_status(payment.attempts.get().pk, completed(), "worker")
    payment.refresh_from_db()
    return payment


def test_late_money_is_told_though_a_newer_click_failed(client, cart, payment, late_money):
    assert late_money.fulfilment == Fulfilment.REFUND_DUE
    again = Payment.objects.latest("pk")
    sentence = "Your money has arrived, but it could not become a booking. It will be refunded in full."

    for said in (cart_status(client, cart).json()["data"], order_status(client, again).json()):
        assert (said["payment_id"] if "payment_id" in said else said["id"]) == payment.pk
        assert said["user_message"] == sentence
    assert words(client, again) == ("FAILED", "FAILED", False)
    assert verify(client, cart).json()["message"] == sentence


def test_a_cancelled_booking_is_told_though_a_newer_click_failed(client, cart, payment):
    end(payment)
    cart.refresh_from_db()
    again = make_payment(builders.make_checkout(cart))
    apply_status(again.attempts.get().pk, FAILED, "worker")
    apply_status(payment.attempts.get().pk, completed(), "worker")
    cancel_booking(Booking.objects.get(), "travelling")

    said = cart_status(client, cart).json()["data"]
    assert (said["payment_id"], said["message"], said["booking_id"]) == (
        payment.pk,
        "This booking is cancelled.",
        None,
    )


def test_a_silent_phonepe_is_no_failure(client, payment, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)
    assert words(client, payment) == ("INITIATED", "INITIATED", False)


def test_what_nobody_has_paid_for_has_no_status(client, cart):
    assert cart_status(client, cart).status_code == 404
    assert verify(client, cart).status_code == 404
    assert client.get(f"/api/payments/cart/status/{uuid.uuid4()}/").status_code == 404
    assert client.get(f"/api/payments/status/OKP{'0' * 24}/").status_code == 404


@pytest.mark.parametrize(
    "path", ["cart/status/undefined/", "cart/status/1/", "status/a b/", f"status/{'x' * 65}/"]
)
def test_nonsense_in_an_address_is_json_404(client, payment, path):
    answer = client.get(f"/api/payments/{path}")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")


def test_payments_of_others_have_no_status(api, charlie, cart, payment):
    stranger = api(charlie)
    answers = [cart_status(stranger, cart), order_status(stranger, payment), verify(stranger, cart)]
    assert [answer.status_code for answer in answers] == [404] * 3
    answers = [cart_status(api(), cart), order_status(api(), payment), verify(api(), cart)]
    assert [answer.status_code for answer in answers] == [401] * 3


def test_a_donation_has_the_status_of_its_order(client, alice):
    donation = make_payment(user=alice)
    assert order_status(client, donation).json()["status"] == "INITIATED"
    apply_status(donation.attempts.get().pk, completed(10_000), "worker")
    said = order_status(client, donation).json()
    assert (said["status"], said["booking_created"]) == ("SUCCESS", False)


# --- POST payments/verify-and-complete/ ---------------------------------------------------------


def test_a_click_on_i_have_paid_proves_nothing(client, cart, payment):
    answer = verify(client, cart)

    assert answer.status_code == 200
    assert answer.json() == {
        "success": False,
        "message": "Payment is not yet confirmed. Please do not pay twice.",
        "user_message": "Payment is not yet confirmed. Please do not pay twice.",
    }
    assert not Booking.objects.exists()


def test_a_click_on_i_have_paid_finds_the_money(client, cart, payment, phonepe):
    phonepe.decide(payment.attempts.get().merchant_order_id)

    first, second = verify(client, cart).json(), verify(client, cart).json()

    booking = client.get(f"/api/booking/bookings/by-cart/{cart.cart_id}/").json()
    assert (first["success"], first["already_processed"], first["booking"]) == (True, False, booking)
    assert (second["success"], second["already_processed"], second["booking"]) == (True, True, booking)
    assert Booking.objects.count() == 1


def test_two_clicks_on_i_have_paid_and_a_round_of_the_page_make_one_booking(
    api, alice, cart, payment, phonepe
):
    phonepe.decide(payment.attempts.get().merchant_order_id)
    answers = at_once(
        lambda: verify(api(alice), cart),
        lambda: verify(api(alice), cart),
        lambda: cart_status(api(alice), cart),
    )

    assert {answer.status_code for answer in answers} == {200}
    assert Booking.objects.count() == 1
    assert verify(api(alice), cart).json()["success"] is True


def tries(alice, cart, number):
    """Clicks on *Pay* that all ended unpaid, oldest first, with orders that the simulated PhonePe knows."""
    payments = []
    for _ in range(number):
        payments.append(start_payment(alice, cart_id=cart.pk).payment)
        apply_status(payments[-1].attempts.get().pk, FAILED, "worker")
    return payments


def test_a_click_on_i_have_paid_finds_the_money_of_an_older_click(client, alice, cart, phonepe):
    first, _ = tries(alice, cart, 2)
    phonepe.decide(first.attempts.get().merchant_order_id)

    said = verify(client, cart).json()

    assert (said["success"], said["already_processed"]) == (True, False)
    assert Booking.objects.get().checkout.payment == first


def test_a_click_on_i_have_paid_polls_the_five_newest_payments(client, alice, cart, phonepe):
    payments = tries(alice, cart, 6)
    Payment.objects.update(asked_at=None)

    verify(client, cart)

    polled = Payment.objects.filter(asked_at__isnull=False).values_list("pk", flat=True)
    assert set(polled) == {payment.pk for payment in payments[1:]}


@pytest.mark.parametrize("body", [{}, {"cart_id": None}, {"cart_id": "x"}, []])
def test_a_click_about_nothing_is_refused(client, body):
    assert client.post(VERIFY, body).status_code == 400


# --- POST payments/payments/NaN/retry-webhook/ --------------------------------------------------


def test_a_retry_without_a_payment_leads_to_the_checkout(api, client, payment):
    answer = client.post("/api/payments/payments/NaN/retry-webhook/")
    assert (answer.status_code, answer.json()["success"]) == (200, False)
    assert api().post("/api/payments/payments/NaN/retry-webhook/").status_code == 401


def test_a_retry_without_a_payment_is_answered_in_both_languages(client, payment):
    asked = {"Accept-Language": "hi"}
    with override("hi"):
        said = client.post("/api/payments/payments/NaN/retry-webhook/", headers=asked).json()
    assert said["message"].startswith("We do not know which payment this is.")
    assert said["user_message"]


def test_a_retry_finds_the_money(client, payment, phonepe):
    phonepe.decide(payment.attempts.get().merchant_order_id)
    assert client.post(f"/api/payments/payments/{payment.pk}/retry-webhook/").json()["success"] is True


def retry(client, payment):
    return client.post(f"/api/payments/payments/{payment.pk}/retry-webhook/").json()


def test_a_retry_leads_to_a_confirmation_only_where_a_booking_stands(client, cart, payment, late_money):
    """`success` leads to a page that would show another booking as this payment's."""
    said = retry(client, late_money)
    assert (said["success"], said["payment_status"], said["booking_created"]) == (False, "SUCCESS", False)


def test_a_retry_of_a_cancelled_or_called_off_booking_leads_to_no_confirmation(client, payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")
    assert retry(client, payment)["success"] is True
    Booking.objects.update(choose_until=timezone.now())
    assert retry(client, payment)["success"] is False
    Booking.objects.update(choose_until=None, status=Booking.Status.CANCELLED)
    assert retry(client, payment)["success"] is False


def test_a_retry_of_a_donation_leads_to_no_confirmation(client, alice):
    donation = make_payment(user=alice)
    apply_status(donation.attempts.get().pk, completed(10_000), "worker")
    assert retry(client, donation)["success"] is False


# --- What it costs ------------------------------------------------------------------------------


def test_a_page_that_waits_costs_the_same_whatever_its_customer_has_bought(
    api, alice, package, slot, django_assert_num_queries
):
    """Who asks, how often they may, what they paid (with its orders): none of it grows."""
    Slot.objects.update(capacity=9)
    client = api(alice)

    def buy():
        payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
        apply_status(payment.attempts.get().pk, completed(), "worker")
        return payment

    payment = buy()
    cart = payment.checkout.cart
    for _ in range(2):
        with django_assert_num_queries(5):
            assert cart_status(client, cart).status_code == 200
        order = payment.attempts.get().merchant_order_id
        with django_assert_num_queries(5):
            assert client.get(f"/api/payments/status/{order}/").status_code == 200
        with django_assert_num_queries(7):
            assert verify(client, cart).status_code == 200
        for _ in range(3):
            payment = buy()
        cart = payment.checkout.cart


def test_a_cart_of_many_clicks_costs_the_queries_of_one(client, alice, cart, django_assert_num_queries):
    for number in (1, 4):
        payments = tries(alice, cart, number)
        # And whether the newest can still be paid, by the clock of PostgreSQL where there is one.
        with django_assert_num_queries(7 if connection.vendor == "postgresql" else 6):
            assert cart_status(client, cart).json()["data"]["payment_id"] == payments[-1].pk


def test_nobody_who_waits_is_refused_for_asking():
    """Every 30 seconds, in rounds of 5, from two tabs and with all that a page asks in one round."""
    number, _, period = SimpleRateThrottle.THROTTLE_RATES["user"].partition("/")
    assert (period, int(number)) >= ("min", 2 * 12 * 5)
