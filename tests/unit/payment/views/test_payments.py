"""The REST wire of payments, as the frontend and a person with curl use it."""

import re

import pytest
from django.db import connection
from django.urls import reverse

from accounts.models import User
from booking.models import Booking, Cart
from payment.models import IdempotencyKey, Payment, PaymentAttempt
from payment.services.checkout import start_payment
from payment.services.idempotency import GUEST, claim_key
from payment.services.outcomes import apply_status
from simulator.models import Order as SimulatedOrder
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

PROCESS_CART = "/api/payments/payments/process-cart/"
DEMO = "/api/payments/payments/simulate-payment-success/"


@pytest.fixture
def client(api, alice):
    return api(alice)


@pytest.fixture
def payment(alice, cart):
    return start_payment(alice, cart_id=cart.pk).payment


def url(payment: Payment, action: str = "") -> str:
    return f"/api/payments/payments/{payment.pk}/{action}"


def pay(payment: Payment, phonepe) -> None:
    phonepe.decide(payment.attempts.latest("number").merchant_order_id)


def test_process_cart_answers_what_the_frontend_reads(client, cart):
    answer = client.post(PROCESS_CART, {"cart_id": cart.pk, "method": "PHONEPE"})

    assert answer.status_code == 201
    said, attempt = answer.json(), PaymentAttempt.objects.get()
    assert said["success"] is True
    assert said["payment_id"] == attempt.payment_id
    assert said["payment_url"] == said["checkout_url"] == attempt.page_url
    assert said["transaction_id"] == attempt.payment.reference
    assert said["merchant_transaction_id"] == attempt.merchant_order_id
    assert said["phonepe_transaction_id"] == attempt.provider_order_id
    assert (said["amount"], said["currency"], said["status"]) == ("1100.00", "INR", "PENDING")
    assert said["cart_id"] == cart.pk
    assert said["simulated"] is True
    assert said["expires_at"]


def test_a_second_click_answers_200_with_the_same_page(client, cart):
    first = client.post(PROCESS_CART, {"cart_id": cart.pk})
    second = client.post(PROCESS_CART, {"cart_id": cart.pk})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["payment_url"] == first.json()["payment_url"]


def test_a_guest_may_give_a_free_amount(api, phonepe):
    answer = api().post(PROCESS_CART, {"amount": 100, "user_id": "test_user", "mobile": "9876543210"})

    assert answer.status_code == 201
    said = answer.json()
    assert (said["amount"], said["cart_id"]) == ("100.00", None)
    assert Payment.objects.get().amount_paise == 10_000
    assert api().get(said["status_url"]).status_code == 200


@pytest.mark.parametrize(
    ("mobile", "kept"),
    [
        ("+91 98765 43210", "+919876543210"),
        ("098765 43210", "+919876543210"),
        ("(+91) 98765-43210", "+919876543210"),
        ("९८७६५\u00a0४३२१०", "+919876543210"),
        (9876543210, "+919876543210"),
        ("+44 7911 123456", "+447911123456"),
        ("0612-2234567", "+916122234567"),
        ("12345", "12345"),
        ("98765 4321O\x00", "98765 4321O"),
        ("x" * 5000, "x" * 32),
        *((nothing, "") for nothing in (None, "", " ", [], {"a": 1}, True, 10**300, -1, 1.5)),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_no_mobile_number_stops_the_payment_of_a_guest(generation, api, phonepe, mobile, kept):
    answer = api().post(PROCESS_CART, {"amount": 100, "user_id": None, "mobile": mobile}, format="json")

    assert answer.status_code == 201, answer.content
    assert Payment.objects.get().payer_mobile == kept


@pytest.mark.parametrize("phone", ["+44 7911 123456", "ask at temple", "0612-2234567", "98765 43210", None])
def test_no_phone_of_an_account_stops_the_payment_of_its_cart(generation, alice, client, cart, phone):
    User.objects.filter(pk=alice.pk).update(phone=phone)

    answer = client.post(PROCESS_CART, {"cart_id": cart.pk, "mobile": "12345"})

    assert answer.status_code == 201, answer.content
    alice.refresh_from_db()
    assert Payment.objects.get().payer_mobile == (alice.phone or "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"cart_id": "x"},
        {"cart_id": 2**70},
        {"cart_id": None},
        {"amount": 0.5},
        {"amount": "1.001"},
        {"amount": -5},
        {"amount": "NaN"},
        {"amount": 60_000},
        {"amount": [1]},
        {"amount": 100, "method": "CASH"},
        {"amount": 100, "user_id": "x" * 65},
    ],
)
def test_bad_input_is_told_in_the_first_key_and_makes_nothing(client, body):
    answer = client.post(PROCESS_CART, body)

    assert answer.status_code == 400
    said = answer.json()
    assert next(iter(said)) == "error"
    assert isinstance(said["error"], str)
    assert said["error"]
    assert said["code"] == "validation"
    assert said["fields"]
    assert not Payment.objects.exists()


@pytest.mark.parametrize("body", ["5", "[]", "null", '"cart_id"', "{", "\ud800", ""])
def test_what_is_no_form_at_all_is_told_so(client, body):
    raw = body.encode("utf-8", "surrogatepass")

    assert client.generic("POST", PROCESS_CART, raw, "application/json").status_code == 400


def test_a_cart_needs_a_login(api, cart):
    assert api().post(PROCESS_CART, {"cart_id": cart.pk}).status_code == 401


def test_guests_can_be_refused(api, settings):
    settings.PAYMENT_GUEST_CHECKOUT = False

    assert api().post(PROCESS_CART, {"amount": 100}).json()["code"] == "guest_checkout_off"


def test_guests_are_throttled_and_carts_are_not(api, client, cart, monkeypatch):
    monkeypatch.setattr("payment.views.payments.GuestPaymentThrottle.rate", "1/min", raising=False)

    assert [api().post(PROCESS_CART, {"amount": 5}).status_code for _ in range(2)] == [201, 429]
    assert [client.post(PROCESS_CART, {"cart_id": cart.pk}).status_code for _ in range(2)] == [201, 200]


def test_a_guest_who_leaves_the_cart_of_a_form_empty_is_throttled_too(api, monkeypatch):
    monkeypatch.setattr("payment.views.payments.GuestPaymentThrottle.rate", "1/min", raising=False)
    form = {"data": "cart_id=&amount=5", "content_type": "application/x-www-form-urlencoded"}

    assert [api().post(PROCESS_CART, **form).status_code for _ in range(2)] == [201, 429]


def test_the_same_idempotency_key_gives_the_same_answer(api, phonepe):
    key = {"HTTP_IDEMPOTENCY_KEY": "b2b9b2b0-7a66-4a52-9d2c-3f6f0f6f1d11"}
    first = api().post(PROCESS_CART, {"amount": 100}, **key)
    second = api().post(PROCESS_CART, {"amount": 100}, **key)

    assert second.json() == first.json()
    assert second.headers["Idempotent-Replayed"] == "true"
    assert Payment.objects.count() == 1


def test_the_same_key_with_another_body_is_refused(api):
    key = {"HTTP_IDEMPOTENCY_KEY": "b2b9b2b0-7a66-4a52-9d2c-3f6f0f6f1d11"}
    api().post(PROCESS_CART, {"amount": 100}, **key)

    answer = api().post(PROCESS_CART, {"amount": 200}, **key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")


def test_a_guests_key_must_be_hard_to_guess(api):
    answer = api().post(PROCESS_CART, {"amount": 100}, HTTP_IDEMPOTENCY_KEY="order-1")

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_an_answer_that_settled_nothing_is_not_stored(api, phonepe):
    key = {"HTTP_IDEMPOTENCY_KEY": "b2b9b2b0-7a66-4a52-9d2c-3f6f0f6f1d11"}
    phonepe.inject_fault("pay", "refuse", times=9)
    assert api().post(PROCESS_CART, {"amount": 100}, **key).status_code == 503
    phonepe.clear_faults()

    assert api().post(PROCESS_CART, {"amount": 100}, **key).status_code == 201


def test_a_key_that_is_freed_while_we_look_at_it_is_asked_for_again(api, phonepe):
    """The other request has just ended without an answer to keep: between our insert and our look."""

    def let_the_other_one_end(execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if sql.startswith("INSERT") and "idempotencykey" in sql:
            IdempotencyKey.objects.all().delete()
        return answer

    key = {"HTTP_IDEMPOTENCY_KEY": "b2b9b2b0-7a66-4a52-9d2c-3f6f0f6f1d11"}
    claim_key(GUEST, "process-cart", key["HTTP_IDEMPOTENCY_KEY"], {"amount": 100})
    with connection.execute_wrapper(let_the_other_one_end):
        answer = api().post(PROCESS_CART, {"amount": 100}, **key)

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_flight")
    assert api().post(PROCESS_CART, {"amount": 100}, **key).status_code == 201


def test_the_cart_of_another_person_is_not_found_in_the_language_of_the_caller(api, charlie, cart):
    answer = api(charlie).post(PROCESS_CART, {"cart_id": cart.pk}, headers={"Accept-Language": "hi"})

    assert answer.status_code == 404
    body = answer.json()
    assert (body["error"], body["code"]) == ("Cart not found.", "not_found")
    assert body["user_message"] == "कार्ट नहीं मिला।"


def test_of_five_donations_with_one_key_at_once_one_is_opened_and_the_others_wait_or_get_its_answer(
    api, phonepe
):
    key = {"HTTP_IDEMPOTENCY_KEY": "b2b9b2b0-7a66-4a52-9d2c-3f6f0f6f1d11"}

    answers = at_once(*[lambda: api().post(PROCESS_CART, {"amount": 100}, **key)] * 5)

    payment = Payment.objects.get()
    opened = [answer for answer in answers if answer.status_code == 201]
    assert {answer.json()["payment_id"] for answer in opened} == {payment.pk}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in opened) == 1
    others = [answer for answer in answers if answer.status_code != 201]
    assert {(answer.status_code, answer.json()["code"]) for answer in others} <= {
        (409, "idempotency_in_flight")
    }


def test_two_people_may_use_the_same_key(api, client, charlie, cart, package, slot):
    key = {"HTTP_IDEMPOTENCY_KEY": "checkout-1"}
    other = builders.make_cart(charlie, package, slot.starts_at)

    assert client.post(PROCESS_CART, {"cart_id": cart.pk}, **key).status_code == 201
    assert api(charlie).post(PROCESS_CART, {"cart_id": other.pk}, **key).json()["cart_id"] == other.pk


def test_an_unreachable_phonepe_is_503_with_the_payment_to_come_back_to(client, cart, phonepe):
    phonepe.inject_fault("pay", "refuse", times=9)

    answer = client.post(PROCESS_CART, {"cart_id": cart.pk})

    said = answer.json()
    assert answer.status_code == 503
    assert next(iter(said)) == "error"
    assert (said["code"], said["error_category"]) == ("phonepe_unreachable", "CONNECTION_REFUSED")
    assert said["retryable"] is True
    assert said["payment_id"] == Payment.objects.get().pk
    assert "Errno" not in answer.content.decode()


def test_an_unknown_outcome_is_504_with_the_payment_to_ask_about(client, cart, phonepe):
    phonepe.inject_fault("pay", "reset_after")
    phonepe.inject_fault("status", "status_500", times=99)

    answer = client.post(PROCESS_CART, {"cart_id": cart.pk})

    assert answer.status_code == 504
    assert answer.json()["payment_id"] == Payment.objects.get().pk


def test_check_booking_asks_phonepe_and_shows_the_booking(client, payment, phonepe):
    pay(payment, phonepe)

    said = client.get(url(payment, "check-booking/")).json()

    booking = Booking.objects.get()
    assert (said["success"], said["payment_status"], said["booking_created"]) == (True, "SUCCESS", True)
    assert (said["booking"]["id"], said["booking"]["book_id"]) == (booking.pk, booking.book_id)
    assert said["booking"]["total_amount"] == "1100.00"
    assert said["booking"]["cart"]["puja_service"]["title"] == "Griha Pravesh"
    assert said["booking"]["address"]["city"] == "Patna"
    assert said["booking"]["user"]["email"] == "alice@example.com"


def test_check_booking_is_200_while_phonepe_is_silent(client, payment, phonepe):
    phonepe.inject_fault("status", "status_500", times=99)

    answer = client.get(url(payment, "check-booking/"))

    assert answer.status_code == 200
    said = answer.json()
    assert (said["success"], said["payment_status"], said["booking_created"]) == (False, "PENDING", False)
    assert "do not pay twice" in said["message"]


@pytest.mark.parametrize(
    "route", ["check-and-create-booking/", "create-booking/", "retry-webhook/", "check-and-process/"]
)
def test_every_repair_route_is_the_same_question(client, payment, phonepe, route):
    pay(payment, phonepe)

    said = client.post(url(payment, route)).json()

    assert (said["success"], said["booking_created"]) == (True, True)


def test_status_tells_where_the_payment_stands(client, payment, phonepe):
    pay(payment, phonepe)

    said = client.get(url(payment, "status/")).json()

    assert (said["success"], said["code"], said["status"]) == (True, "STATUS_CHECKED", "SUCCESS")
    assert (said["amount"], said["payment_method"]) == ("1100.00", "PHONEPE")


def test_history_is_a_bare_list_and_needs_as_many_queries_for_ten_as_for_one(
    client, payment, alice, django_assert_max_num_queries
):
    with django_assert_max_num_queries(6) as one:
        assert len(client.get("/api/payments/payments/").json()) == 1
    for _ in range(9):
        make_payment(user=alice)

    with django_assert_max_num_queries(len(one)):
        listed = client.get("/api/payments/payments/").json()

    assert len(listed) == 10
    wanted = {"id", "transaction_id", "booking_id", "amount", "currency", "method", "method_display"}
    assert wanted | {"status", "status_display", "created_at"} <= listed[0].keys()


def test_detail_shows_what_was_agreed_not_what_the_catalogue_says_today(client, payment, package):
    package.__class__.objects.update(price_paise=5_100_000)

    said = client.get(url(payment)).json()

    assert said["amount"] == "1100.00"
    assert said["cart"]["package"]["price"] == "1100.00"
    assert said["payment_url"]


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_nobody_changes_a_payment_over_rest(client, payment, method):
    assert getattr(client, method)(url(payment), {"amount": "1.00"}).status_code == 405


def test_a_huge_id_is_not_found(client):
    assert client.get("/api/payments/payments/99999999999999999999999999/").status_code == 404


def test_the_timeline_tells_staff_everything_and_the_owner_what_it_means(
    api, client, payment, staff, phonepe
):
    pay(payment, phonepe)
    client.get(url(payment, "check-booking/"))

    owner = client.get(url(payment, "timeline/")).json()["entries"]
    told = [entry["text"] for entry in owner]
    assert told[0] == "You started this payment."
    assert "Your booking was confirmed." in told
    assert all(entry.keys() == {"at", "text"} for entry in owner)

    in_hindi = client.get(url(payment, "timeline/"), headers={"accept-language": "hi"}).json()["entries"]
    assert [re.search("[\u0900-\u097f]", entry["text"]) is not None for entry in in_hindi] == [True] * len(
        owner
    )

    entries = api(staff).get(url(payment, "timeline/")).json()["entries"]
    kinds = {entry["kind"] for entry in entries}
    assert {"decision", "call", "money"} <= kinds
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert "money_received" in {entry.get("rule") for entry in entries}


def test_simulating_success_books(client, payment):
    said = client.post(url(payment, "simulate-success/")).json()

    assert (said["status"], said["booking_created"], said["simulated"]) == ("SUCCESS", True, True)


def test_simulating_failure_fails(client, payment):
    said = client.post(url(payment, "simulate/"), {"outcome": "failure"}).json()

    assert (said["success"], said["status"]) == (False, "FAILED")


def test_one_url_runs_a_whole_demo_payment(api):
    answer = api().get(DEMO)

    said = answer.json()
    assert answer.status_code == 200
    assert (said["success"], said["status"], said["booking_created"]) == (True, "SUCCESS", True)
    booking = Booking.objects.get()
    assert (said["booking_id"], said["booking_reference"]) == (booking.pk, booking.book_id)
    assert said["steps"][0]["step"] == "cart"
    assert Payment.objects.get().simulated


def test_the_demo_can_be_run_again_and_again(api):
    assert [api().get(DEMO).json()["booking_created"] for _ in range(3)] == [True, True, True]


def test_a_guests_payment_may_be_played_by_anyone_others_by_their_owner(api, charlie, client, payment):
    donation = api().post(PROCESS_CART, {"amount": 100}).json()

    assert api().post(DEMO, {"payment_id": donation["payment_id"]}).json()["status"] == "SUCCESS"
    both = api().post(DEMO, {"payment_id": donation["payment_id"], "merchant_order_id": "another"})
    assert (both.status_code, list(both.json()["fields"])) == (400, ["merchant_order_id"])
    assert api().post(DEMO, {"payment_id": payment.pk}).status_code == 404
    assert api(charlie).post(DEMO, {"payment_id": payment.pk}).status_code == 404
    order = payment.attempts.get().merchant_order_id
    assert client.post(DEMO, {"merchant_order_id": order}).json()["booking_created"] is True


def test_outside_simulation_nothing_can_be_simulated(api, client, payment, settings):
    settings.PHONEPE_SIMULATION_MODE = False

    for answer in (
        api().get(DEMO),
        api().post(DEMO, {"payment_id": payment.pk}),
        client.post(url(payment, "simulate-success/")),
        client.post(url(payment, "simulate/"), {"outcome": "success"}),
    ):
        assert answer.status_code == 404
    payment.refresh_from_db()
    assert payment.is_open


def test_giving_up_frees_the_cart_for_deletion(client, payment, cart):
    cart_url = f"/api/cart/carts/{cart.pk}/"
    refused = client.delete(cart_url)
    assert (refused.status_code, refused.json()["can_cleanup"]) == (400, True)

    said = client.post(cart_url + "cleanup_old_payments/").json()

    assert (said["success"], said["can_delete"]) == (True, True)
    assert client.delete(cart_url).status_code == 200


def test_giving_up_a_paid_cart_says_that_it_was_paid(client, payment, cart, phonepe):
    pay(payment, phonepe)

    answer = client.post(f"/api/cart/carts/{cart.pk}/cleanup_old_payments/")

    assert (answer.status_code, answer.json()["code"]) == (409, "already_paid")
    assert Cart.objects.get().status == Cart.Status.CONVERTED


def test_giving_up_what_phonepe_cannot_tell_about_says_that_it_is_still_open(client, payment, cart):
    SimulatedOrder.objects.update(merchant_order_id="an-order-of-somebody-else")

    said = client.post(f"/api/cart/carts/{cart.pk}/cleanup_old_payments/").json()

    assert (said["success"], said["cleaned_count"], said["can_delete"]) == (False, 0, False)
    assert "still open" in said["message"]


def test_giving_up_what_staff_look_at_says_so(client, payment, cart):
    apply_status(payment.attempts.get().pk, completed(1), "worker")

    said = client.post(f"/api/cart/carts/{cart.pk}/cleanup_old_payments/").json()

    assert (said["success"], said["can_delete"]) == (False, False)
    assert "staff" in said["message"]


def test_a_booked_cart_has_nothing_to_give_up_and_cannot_be_deleted(client, payment, cart, phonepe):
    pay(payment, phonepe)
    client.get(url(payment, "check-booking/"))

    said = client.post(f"/api/cart/carts/{cart.pk}/cleanup_old_payments/").json()

    assert (said["cleaned_count"], said["can_delete"]) == (0, False)


@pytest.mark.parametrize("content_type", ["json", "multipart"])
def test_a_customer_cancels_their_booking_and_nothing_else(client, payment, phonepe, content_type):
    pay(payment, phonepe)
    booking = client.get(url(payment, "check-booking/")).json()["booking"]
    status_url = reverse("booking-status", args=[booking["id"]])

    wish = {"status": "COMPLETED", "cancellation_reason": "travelling"}
    refused = client.post(status_url, wish, format=content_type)
    body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
    said = client.post(status_url, body, format=content_type).json()

    assert refused.status_code == 400
    assert said["booking"]["status"] == "CANCELLED"
    assert said["refund"]["amount"] == "1100.00"
    assert client.post(status_url, body).status_code == 409
