"""From every open state a customer gets to a cart that can be paid, within the page's life and ten minutes.

Generated: every state of an open payment by every answer of PhonePe about it, with the customer's actions before.
Nobody of the staff does anything here.
"""

import itertools
from datetime import timedelta

import pytest
import responses
from django.db.models import F
from django.utils import timezone

from booking.models import Booking, Cart, Checkout, SlotHold
from payment.models import Payment, PaymentAttempt
from payment.services.checkout import start_payment
from payment.services.outcomes import apply_status
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_attempt
from tests.unit.payment.scripted import ANSWERS, UNDECIDED, ScriptedPhonePe
from worker.jobs import run_due

pytestmark = [pytest.mark.proof(every=38), pytest.mark.django_db(transaction=True)]
PAYMENTS, CARTS = "/api/payments/payments/", "/api/cart/carts/"


@pytest.fixture
def wire():
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


@pytest.fixture(params=["v1", "v2"])
def scripted(request, wire, settings):
    return ScriptedPhonePe(wire, settings, request.param)


@pytest.fixture
def scripted_v2(wire, settings):
    return ScriptedPhonePe(wire, settings, "v2")


def passes(seconds: float) -> None:
    """Time, for every row."""
    span = timedelta(seconds=seconds)
    moments = ("sent_at", "expires_at", "call_lease_until", "next_check_at", "created_at")
    PaymentAttempt.objects.update(**{name: F(name) - span for name in moments})
    Payment.objects.update(asked_at=F("asked_at") - span, created_at=F("created_at") - span)
    Checkout.objects.update(expires_at=F("expires_at") - span)
    SlotHold.objects.update(expires_at=F("expires_at") - span)


# --- The states of a payment that is open ---------------------------------------------------------------------------


def page_open(attempt: PaymentAttempt) -> None:
    pass


def change(attempt: PaymentAttempt, **fields: object) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**fields)


def never_sent(attempt: PaymentAttempt) -> None:
    change(attempt, state=AttemptState.CREATED, page_url="", sent_at=None)


def sent_without_an_answer(attempt: PaymentAttempt) -> None:
    change(attempt, state=AttemptState.CREATED, page_url="")


def outcome_unknown(attempt: PaymentAttempt) -> None:
    change(attempt, state=AttemptState.UNKNOWN, page_url="")


def page_lost(attempt: PaymentAttempt) -> None:
    change(attempt, state=AttemptState.PENDING, page_url="")


def caller_died(attempt: PaymentAttempt) -> None:
    lease = timezone.now() + timedelta(seconds=20)
    change(attempt, state=AttemptState.CREATED, page_url="", call_lease_until=lease)


def three_orders(attempt: PaymentAttempt) -> None:
    page_lost(attempt)
    same = {
        "generation": attempt.generation,
        "merchant": attempt.merchant,
        "simulated": False,
        "page_url": "",
    }
    for number in (2, 3):
        make_attempt(attempt.payment, number, state=AttemptState.UNKNOWN, **same)


def last_of_three_failed(attempt: PaymentAttempt) -> None:
    three_orders(attempt)
    attempt.payment.attempts.filter(number=3).update(state=AttemptState.FAILED)


def held_for_staff(attempt: PaymentAttempt) -> None:
    apply_status(attempt.pk, completed(1), "worker")


def held_beside_an_open_page(attempt: PaymentAttempt) -> None:
    same = {"generation": attempt.generation, "merchant": attempt.merchant, "simulated": False}
    make_attempt(attempt.payment, 2, **same)
    held_for_staff(attempt)


def credentials_gone(attempt: PaymentAttempt) -> None:
    change(attempt, merchant="SOMEBODY-WE-WERE")


def clock_was_ahead(attempt: PaymentAttempt) -> None:
    """By a day when all of it was written."""
    ahead = timedelta(days=1)
    lease = timezone.now() + ahead
    change(attempt, sent_at=F("sent_at") + ahead, expires_at=F("expires_at") + ahead, call_lease_until=lease)
    Payment.objects.filter(pk=attempt.payment_id).update(asked_at=lease)


def clock_was_minutes_ahead(attempt: PaymentAttempt) -> None:
    """No page ends later than any page can; the order was sent in the future all the same."""
    ahead = timedelta(minutes=40)
    change(attempt, sent_at=F("sent_at") + ahead, expires_at=F("expires_at") + ahead)


STATES = (
    *(page_open, never_sent, sent_without_an_answer, outcome_unknown, page_lost, caller_died),
    *(three_orders, last_of_three_failed, held_for_staff, held_beside_an_open_page),
    *(credentials_gone, clock_was_ahead, clock_was_minutes_ahead),
)


# --- What the customer does -----------------------------------------------------------------------------------------


class Customer:
    def __init__(self, api, package, slot) -> None:
        self.user = builders.make_user()
        self.phone, self.package, self.slot = api(self.user), package, slot
        self.fill_cart()

    def fill_cart(self) -> None:
        self.cart = builders.make_cart(self.user, self.package, self.slot.starts_at)

    def retry(self):
        return self.phone.post(PAYMENTS + "process-cart/", {"cart_id": self.cart.pk}, format="json")

    def delete(self):
        return self.phone.delete(f"{CARTS}{self.cart.pk}/")

    def give_up(self):
        return self.phone.post(f"{CARTS}{self.cart.pk}/cleanup_old_payments/")

    def look(self):
        payment = Payment.objects.filter(user=self.user).first()
        return self.phone.get(f"{PAYMENTS}{payment.pk}/status/")

    def wait(self):
        PaymentAttempt.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
        run_due(["attempts", "holds", "watch"])

    @property
    def has_paid(self) -> bool:
        return Booking.objects.filter(user=self.user).exists()


ACTIONS = ("retry", "delete", "give_up", "look", "wait")
BEFORE = list(itertools.product(ACTIONS, repeat=2))


def is_page(answer) -> bool:
    return answer.status_code in (200, 201) and answer.json()["payment_url"].startswith(
        "https://mercury.example/"
    )


def stuck(customer: Customer, scripted: ScriptedPhonePe, state, answer: str, before: tuple[str, ...]) -> None:
    """A payment in `state` of which PhonePe says `answer`; the actions `before` during the page's life."""
    scripted.default = "pending"
    started = start_payment(customer.user, cart_id=customer.cart.pk)
    state(started.attempt)
    orders = started.payment.attempts.values_list("merchant_order_id", flat=True)
    scripted.taken |= set(orders) if answer != "not found" else set()
    scripted.says |= dict.fromkeys(orders, answer)
    for action in before:
        passes(3)
        getattr(customer, action)()
    scripted.says |= dict.fromkeys(orders, answer)


def exit_by_giving_up(customer: Customer) -> str:
    freed = customer.give_up()
    if customer.has_paid:
        return ""
    if freed.status_code != 200 or not freed.json()["success"]:
        return f"giving up: {freed.status_code} {freed.json()}"
    customer.cart.refresh_from_db()
    if customer.cart.status == Cart.Status.ACTIVE:  # not deleted before
        again = customer.retry()
        if not is_page(again):
            return f"paying after giving up: {again.status_code} {again.json()}"
        customer.give_up()
    was_deleted = customer.cart.status == Cart.Status.ABANDONED
    deleted = customer.delete()
    if deleted.status_code not in (200, 204) and not was_deleted:
        return f"deleting after giving up: {deleted.status_code} {deleted.json()}"
    customer.fill_cart()
    anew = customer.retry()
    return "" if is_page(anew) else f"paying a new cart: {anew.status_code} {anew.json()}"


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_no_open_state_is_a_dead_end(state, api, service, package, scripted, settings):
    slot = builders.make_slot(service, capacity=500)
    findings = []
    for number, answer in enumerate(ANSWERS):
        before = BEFORE[(number * 7 + STATES.index(state) * 3) % len(BEFORE)]
        customer = Customer(api, package, slot)
        stuck(customer, scripted, state, answer, before)
        passes(settings.PHONEPE_EXPIRE_AFTER + 600)
        if customer.has_paid:
            continue
        if problem := exit_by_giving_up(customer):
            findings.append((answer, before, problem))

    assert findings == []


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_a_click_on_an_expired_payment_opens_a_page_wherever_phonepe_speaks(
    state, api, service, package, scripted_v2, settings
):
    """Without giving up first. What staff hold needs that: money has come."""
    slot = builders.make_slot(service, capacity=500)
    findings = []
    for answer in ANSWERS:
        customer = Customer(api, package, slot)
        stuck(customer, scripted_v2, state, answer, ())
        passes(settings.PHONEPE_EXPIRE_AFTER + 600)
        again = customer.retry()
        is_silent = answer in ("503", "a page", "silent", "another order") and again.status_code == 504
        is_held = again.json().get("code") == "held_for_staff"
        if not (is_page(again) or customer.has_paid or is_silent or is_held):
            findings.append((answer, again.status_code, again.json()))

    assert findings == []


@pytest.mark.parametrize("answer", UNDECIDED)
def test_two_stuck_payments_do_not_keep_a_person_from_buying(
    answer, api, service, package, scripted_v2, settings
):
    slot = builders.make_slot(service, capacity=500)
    customer = Customer(api, package, slot)
    carts = []
    for state in (page_open, held_for_staff):
        stuck(customer, scripted_v2, state, answer, ())
        carts.append(customer.cart)
        customer.fill_cart()
    assert customer.retry().json()["code"] == "too_many_open"

    passes(settings.PHONEPE_EXPIRE_AFTER + 600)
    for cart in carts:
        customer.cart, newest = cart, customer.cart
        assert customer.give_up().json()["success"]
        customer.cart = newest

    assert is_page(customer.retry())


def test_money_that_comes_after_all_is_booked_as_late_money(api, service, package, scripted, settings):
    slot = builders.make_slot(service, capacity=1)
    customer = Customer(api, package, slot)
    stuck(customer, scripted, page_open, "a new word", ())
    passes(settings.PHONEPE_EXPIRE_AFTER + 600)
    customer.give_up()
    slot.refresh_from_db()
    assert (slot.held, Payment.objects.get().state) == (0, PaymentState.CANCELLED)

    scripted.says = dict.fromkeys(scripted.says, "paid")
    customer.wait()

    assert (Payment.objects.get().fulfilment, customer.has_paid) == (Fulfilment.BOOKED, True)


@pytest.mark.parametrize("answer", ["a new word", "not known yet", "503", "paid, no amount"])
def test_while_the_page_can_be_paid_giving_up_needs_to_know(answer, api, package, slot, scripted):
    customer = Customer(api, package, slot)
    stuck(customer, scripted, page_open, answer, ())

    told = customer.give_up()

    assert told.status_code == 504 or not told.json()["success"]
    assert Payment.objects.get().is_open
