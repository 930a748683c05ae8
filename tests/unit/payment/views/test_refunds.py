"""Money that goes back, as staff, buyers and strangers meet it on the wire."""

from functools import partial

import pytest
from django.db import IntegrityError, connection
from django.db.models import Sum
from django.utils import timezone

from accounts.models import User
from booking.models import Booking
from payment.gateways import RefundStatus
from payment.models import IdempotencyKey, Payment, Refund
from payment.phonepe.enums import ProviderStatus
from payment.services.outcomes import accept_after_review, apply_status
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import approve_refund, request_refund
from payment.states import RefundState
from tests.harness import builders, races
from tests.unit.payment.builders import completed, make_attempt, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(cart):
    """₹1100, booked."""
    payment = make_payment(builders.make_checkout(cart))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


@pytest.fixture
def colleague(db):
    return User.objects.create_superuser("colleague@example.com", builders.PASSWORD)


@pytest.fixture
def refund(api, staff, paid):
    """`refund("300.00")` as the staff asks for it; without an amount all that is left."""

    def ask(amount: str | None = None, by: User = staff, **headers):
        body = {"reason": "a gesture"} | ({} if amount is None else {"amount": amount})
        return api(by).post(f"/api/payments/payments/{paid.pk}/refund/", body, headers=headers)

    return ask


def promised() -> int:
    return Refund.objects.exclude(state=RefundState.FAILED).aggregate(sum=Sum("amount_paise"))["sum"] or 0


def booking_status() -> str:
    return Booking.objects.get().status


def test_a_part_goes_back_and_the_booking_stays(refund, paid):
    answer = refund("300.00")

    assert answer.status_code == 201
    said = answer.json()
    assert (said["amount"], said["status"], said["payment_id"]) == ("300.00", "WAITING", paid.pk)
    assert "will reach you by" in said["message"]
    assert booking_status() == Booking.Status.CONFIRMED


def test_a_full_refund_cancels_the_booking_and_frees_its_place(refund, slot):
    assert refund().json()["amount"] == "1100.00"

    assert booking_status() == Booking.Status.CANCELLED
    slot.refresh_from_db()
    assert slot.booked == 0


def test_the_part_that_was_left_cancels_the_booking_too(refund):
    refund("300.00")

    assert refund().json()["amount"] == "800.00"
    assert booking_status() == Booking.Status.CANCELLED


def test_a_refund_whose_answer_could_not_be_stored_is_made_once_by_the_same_key(refund):
    """Our process died between the promise and its answer: staff see an error, and press again."""

    def dies(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "idempotencykey" in sql and '"status_code" =' in sql:
            raise SystemExit
        return execute(sql, params, many, context)

    key = {"Idempotency-Key": "a-key-of-mine"}
    with connection.execute_wrapper(dies), pytest.raises(SystemExit):
        refund("300.00", **key)
    IdempotencyKey.objects.update(lease_until=timezone.now())

    assert refund("300.00", **key).status_code == 201
    assert promised() == 30_000


@pytest.mark.parametrize(
    ("amount", "status", "code"),
    [
        ("1100.01", 400, "too_much"),
        ("1099.50", 400, "too_little"),
        ("0.50", 400, "validation"),
        ("-5", 400, "validation"),
        ("abc", 400, "validation"),
    ],
)
def test_an_amount_that_cannot_be_refunded_is_refused_and_creates_no_refund(refund, amount, status, code):
    answer = refund(amount)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["error"]
    assert promised() == 0


def test_what_went_back_does_not_go_back_twice(refund):
    refund()

    answer = refund()

    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_left")
    assert promised() == 110_000


def test_eight_people_who_refund_at_once_send_back_no_more_than_came(refund):
    answers = races.at_once(*[partial(refund, "500.00")] * 8)

    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 6
    assert all(answer.status_code in (400, 503) for answer in refused)
    assert promised() == 100_000


def test_the_same_key_is_one_refund(refund):
    first, second = (refund("300.00", **{"Idempotency-Key": "a-key-of-mine"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert promised() == 30_000


def test_the_same_key_for_another_payment_is_another_refund(refund, api, staff, charlie, package, slot):
    refund("300.00", **{"Idempotency-Key": "a-key-of-mine"})
    theirs = make_payment(builders.make_checkout(builders.make_cart(charlie, package, slot.starts_at)))
    apply_status(theirs.attempts.get().pk, completed(), "worker")

    url, body = f"/api/payments/payments/{theirs.pk}/refund/", {"reason": "a gesture", "amount": "300.00"}
    answer = api(staff).post(url, body, headers={"Idempotency-Key": "a-key-of-mine"})

    assert answer.json()["payment_id"] == theirs.pk
    assert promised() == 60_000


def test_neither_its_owner_nor_a_stranger_refunds(refund, alice, charlie):
    assert [refund("300.00", by=who).status_code for who in (alice, charlie)] == [403, 403]
    assert promised() == 0


def test_what_was_not_paid_is_not_refunded(api, staff, alice, package):
    unpaid = make_payment(builders.make_checkout(builders.make_cart(alice, package)))

    answer = api(staff).post(f"/api/payments/payments/{unpaid.pk}/refund/", {"reason": "a gesture"})

    assert (answer.status_code, answer.json()["code"]) == (409, "not_paid")
    assert promised() == 0


def test_simulated_money_is_not_sent_back_by_a_real_phonepe(refund, settings):
    settings.PHONEPE_SIMULATION_MODE = False

    answer = refund("300.00")

    assert (answer.status_code, answer.json()["code"]) == (409, "simulated_payment")
    assert promised() == 0


def test_a_payment_that_does_not_exist_is_not_found(api, staff):
    assert api(staff).post("/api/payments/payments/99999/refund/", {"reason": "x"}).status_code == 404


@pytest.fixture
def large(refund, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    return refund().json()


def test_above_the_limit_a_second_person_decides_before_anything_happens(large, api, alice, paid):
    assert large["waits_for"] == "SECOND_PERSON"
    assert Refund.objects.get().next_check_at is None
    assert booking_status() == Booking.Status.CONFIRMED
    assert api(alice).get(f"/api/payments/payments/{paid.pk}/refunds/").json() == []


def test_who_asked_cannot_approve(large, api, staff):
    answer = api(staff).post(f"/api/payments/refunds/{large['id']}/approve/")

    assert (answer.status_code, answer.json()["code"]) == (403, "same_person")
    assert Refund.objects.get().held_because == Refund.Hold.SECOND_PERSON


def test_another_person_approves_and_it_goes_out(large, api, colleague):
    answer = api(colleague).post(f"/api/payments/refunds/{large['id']}/approve/")

    assert (answer.status_code, answer.json()["waits_for"]) == (200, "")
    refund = Refund.objects.get()
    assert refund.approved_by == colleague
    assert refund.next_check_at is not None
    assert booking_status() == Booking.Status.CANCELLED


def test_a_refund_is_approved_once(large, api, colleague):
    answers = [api(colleague).post(f"/api/payments/refunds/{large['id']}/approve/") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 409]


def test_the_second_person_may_say_no_and_all_is_left_again(large, api, colleague, refund):
    answer = api(colleague).post(f"/api/payments/refunds/{large['id']}/withdraw/")

    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")
    assert promised() == 0
    assert refund().status_code == 201


def test_a_yes_and_a_no_at_the_same_moment_are_one_of_both(large, api, colleague):
    url = f"/api/payments/refunds/{large['id']}/"

    answers = races.at_once(*(partial(api(colleague).post, url + word) for word in ("approve/", "withdraw/")))

    assert sorted(answer.status_code for answer in answers) == [200, 409]


def test_the_database_refuses_one_person_for_both(paid, staff, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 500
    asked = request_refund(paid.pk, None, "a gesture", staff)

    with pytest.raises(IntegrityError, match="refund_needs_two_people"):
        Refund.objects.filter(pk=asked.pk).update(approved_by=staff)


def test_its_owner_sees_the_refund_and_a_stranger_nothing(refund, api, alice, charlie, paid):
    refund("300.00")
    url = f"/api/payments/payments/{paid.pk}/refunds/"

    (seen,) = api(alice).get(url).json()
    assert (seen["amount"], seen["utr"]) == ("300.00", "")
    assert seen["expected_by"]
    assert api(charlie).get(url).status_code == 404


def test_a_cancellation_during_a_partial_refund_refunds_the_rest_and_drops_nothing(refund, api, alice):
    refund("300.00")
    booking = Booking.objects.get()

    body = {"status": "CANCELLED", "cancellation_reason": "travelling"}
    said = api(alice).post(f"/api/booking/bookings/{booking.pk}/status/", body).json()

    assert said["refund"]["amount"] == "800.00"
    assert "₹800.00" in said["message"]
    assert promised() == 110_000


def test_a_refund_that_failed_too_often_is_let_go_by_anybody_of_the_staff(paid, staff):
    asked = request_refund(paid.pk, 30_000, "a gesture", staff)
    Refund.objects.update(held_because=Refund.Hold.FAILED_OFTEN, next_check_at=None)

    approve_refund(asked.pk, staff)

    assert Refund.objects.get().next_check_at is not None


@pytest.mark.parametrize(("action", "state"), [("book", "SUCCESS"), ("refund", "CANCELLED")])
def test_staff_decide_about_another_amount(api, staff, alice, package, slot, action, state):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(100_000), "worker")
    url = f"/api/payments/payments/{payment.pk}/resolve/"

    answer = api(staff).post(url, {"action": action})

    assert (answer.status_code, answer.json()["status"]) == (200, state)
    assert promised() == (0 if action == "book" else 100_000)
    assert api(staff).post(url, {"action": action}).json()["code"] == "not_held"
    assert Payment.objects.get().state == state


def wire_status(api, alice, payment: Payment) -> str:
    return api(alice).get(f"/api/payments/payments/{payment.pk}/").json()["status"]


def went_back(refund: Refund) -> None:
    apply_refund_status(refund.pk, RefundStatus(ProviderStatus.COMPLETED, refund.amount_paise), "worker")


def sent(refund: Refund) -> Refund:
    Refund.objects.filter(pk=refund.pk).update(state=RefundState.PENDING)
    return refund


def test_the_status_follows_from_completed_refunds_and_not_from_requests(api, alice, paid, staff):
    part = request_refund(paid.pk, 30_000, "a gesture", staff)
    assert wire_status(api, alice, paid) == "SUCCESS"

    went_back(sent(part))
    assert wire_status(api, alice, paid) == "PARTIALLY_REFUNDED"

    went_back(sent(request_refund(paid.pk, None, "the rest", staff)))
    assert wire_status(api, alice, paid) == "REFUNDED"


def test_sending_back_what_came_twice_is_no_refund_of_the_payment(api, alice, paid, staff):
    apply_status(make_attempt(paid, number=2).pk, completed(), "worker")
    went_back(sent(Refund.objects.get()))
    assert wire_status(api, alice, paid) == "SUCCESS"

    went_back(sent(request_refund(paid.pk, 30_000, "a gesture", staff)))
    assert wire_status(api, alice, paid) == "PARTIALLY_REFUNDED"


def test_another_amount_that_was_accepted_is_refunded_when_all_of_it_went_back(
    api, staff, alice, package, slot
):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(100_000), "worker")
    accept_after_review(payment.pk, builders.make_superuser())

    went_back(sent(request_refund(payment.pk, None, "a gesture", staff)))

    assert wire_status(api, alice, payment) == "REFUNDED"
