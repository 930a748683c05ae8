"""An order that brings no money frees its cart: closed, forgotten, or not waited for any more."""

from contextlib import suppress
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from booking.models import Cart, Checkout
from core.errors import Conflict
from payment.models import Payment, PaymentAttempt, Refund, StateChange
from payment.services.checkout import start_payment
from payment.services.monitoring import run_checks
from payment.services.outcomes import accept_after_review, apply_status, return_after_review, stop_waiting
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness import builders
from tests.unit.payment.builders import NONSENSE, NOT_FOUND, completed

pytestmark = pytest.mark.django_db(transaction=True)
CLEANUP = "/api/cart/carts/{}/cleanup_old_payments/"


@pytest.fixture
def payment(alice, cart):
    return start_payment(alice, cart_id=cart.pk).payment


@pytest.fixture
def resolve(api, payment):
    def ask(user, **body):
        return api(user).post(f"/api/payments/payments/{payment.pk}/resolve/", body, format="json")

    return ask


def pages_expire(minutes: int = 1) -> None:
    ended = timezone.now() - timedelta(minutes=minutes)
    PaymentAttempt.objects.update(expires_at=ended, sent_at=ended - timedelta(minutes=15))
    Checkout.objects.update(expires_at=ended)


def cart_status() -> str:
    return Cart.objects.get().status


def test_an_order_that_phonepe_has_forgotten_is_closed_after_its_page(payment):
    attempt = payment.attempts.get()
    for _ in range(5):
        apply_status(attempt.pk, NOT_FOUND, "worker")
    assert Payment.objects.get().is_open  # its page can be paid

    pages_expire()
    apply_status(attempt.pk, NOT_FOUND, "worker")

    attempt.refresh_from_db()
    assert (attempt.state, attempt.code) == (AttemptState.EXPIRED, "forgotten_by_phonepe")
    assert attempt.next_check_at is not None
    assert cart_status() == Cart.Status.ACTIVE


def test_one_not_found_after_the_page_is_not_enough(payment):
    pages_expire()
    apply_status(payment.attempts.get().pk, NOT_FOUND, "worker")

    assert Payment.objects.get().is_open


def test_nobody_stops_waiting_while_a_page_can_be_paid(payment):
    with pytest.raises(Conflict) as refused:
        stop_waiting(payment.pk, "given_up", "a test")

    assert refused.value.code == "payment_under_way"
    assert Payment.objects.get().is_open


def test_nobody_stops_waiting_for_what_was_paid(payment):
    apply_status(payment.attempts.get().pk, completed(), "worker")
    pages_expire()

    assert stop_waiting(payment.pk, "given_up", "a test").fulfilment == Fulfilment.BOOKED
    assert not StateChange.objects.filter(rule="given_up").exists()


def test_staff_stop_waiting_and_say_why(payment, resolve, staff):
    apply_status(payment.attempts.get().pk, NONSENSE, "worker")
    pages_expire()

    answer = resolve(staff, action="stop_waiting", reason="the bank says it never heard of it")

    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert cart_status() == Cart.Status.ACTIVE
    told = StateChange.objects.filter(rule="stopped_by_staff", subject="payment").get()
    assert told.detail == f"by user {staff.pk}: the bank says it never heard of it"
    assert PaymentAttempt.objects.get().next_check_at is not None, "its money may come all the same"


@pytest.mark.parametrize("reason", [{}, {"reason": ""}, {"reason": "  "}])
def test_nobody_stops_waiting_without_a_reason(payment, resolve, staff, reason):
    pages_expire()

    assert resolve(staff, action="stop_waiting", **reason).status_code == 400
    assert Payment.objects.get().is_open


def test_stopping_needs_the_right_to_change_payments(payment, resolve, alice):
    pages_expire()
    looker = builders.make_user("looker@example.com", is_staff=True)
    for person in (alice, looker):
        assert resolve(person, action="stop_waiting", reason="x").status_code == 403

    looker.user_permissions.add(
        Permission.objects.get(content_type__app_label="payment", codename="change_payment")
    )
    assert resolve(looker, action="stop_waiting", reason="x").status_code == 200


def test_staff_cannot_stop_waiting_twice(payment, resolve, staff):
    pages_expire()
    resolve(staff, action="stop_waiting", reason="x")

    assert resolve(staff, action="stop_waiting", reason="x").json()["code"] == "not_open"


def test_staff_stop_waiting_at_the_desk(payment, client, staff):
    client.force_login(staff)
    url = reverse("admin:payment_payment_changelist")
    body = {"action": "stop_waiting", "_selected_action": [payment.pk]}
    pages_expire()

    assert "Enter the reason" in client.post(url, body, follow=True).content.decode()
    assert Payment.objects.get().is_open
    assert 'name="reason"' in client.get(url).content.decode()

    said = client.post(url, {**body, "reason": "they paid in cash"}, follow=True).content.decode()
    assert "1 decided." in said
    assert Payment.objects.get().state == PaymentState.CANCELLED


@pytest.fixture
def held(payment):
    """Another amount came than was agreed, and staff look at it."""
    return apply_status(payment.attempts.get().pk, completed(1), "worker")


def test_what_staff_hold_keeps_its_cart_only_for_the_life_of_the_page(held, api, alice, cart):
    during = api(alice).post(CLEANUP.format(cart.pk)).json()
    assert (during["success"], cart_status()) == (False, Cart.Status.CHECKED_OUT)

    pages_expire()
    after = api(alice).post(CLEANUP.format(cart.pk)).json()

    assert (after["success"], after["can_delete"], cart_status()) == (True, True, Cart.Status.ACTIVE)
    assert "staff" in after["message"]
    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF


def test_what_staff_hold_gives_its_cart_back_by_itself(held):
    pages_expire(minutes=34)
    run_checks(1)
    assert cart_status() == Cart.Status.CHECKED_OUT

    pages_expire(minutes=36)
    run_checks(1)

    assert cart_status() == Cart.Status.ACTIVE
    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF
    assert StateChange.objects.filter(rule="released_while_held").count() == 1


@pytest.mark.parametrize("bought_again", [True, False])
def test_staff_accept_what_they_held_when_its_cart_was_free(held, alice, cart, api, bought_again):
    """Booked, unless the customer has bought it again meanwhile: then it stays in review, to be sent back."""
    pages_expire()
    api(alice).post(CLEANUP.format(cart.pk))
    if bought_again:
        again = start_payment(alice, cart_id=cart.pk)
        apply_status(again.attempt.pk, completed(), "worker")

    with suppress(Conflict):
        accept_after_review(held.pk, builders.make_superuser())

    held.refresh_from_db()
    assert held.fulfilment == (Fulfilment.HELD_FOR_STAFF if bought_again else Fulfilment.BOOKED)
    assert not Refund.objects.filter(payment=held).exists()


def test_staff_return_what_they_held_when_its_cart_was_free(held, alice, cart, api, staff):
    pages_expire()
    api(alice).post(CLEANUP.format(cart.pk))

    assert return_after_review(held.pk, staff).state == PaymentState.CANCELLED
