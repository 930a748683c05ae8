"""A booking that staff made is paid by a link: once, until the link ends, and its place is kept until then."""

import uuid
from datetime import timedelta
from functools import partial

import pytest
from django.core import mail
from django.db import IntegrityError
from django.utils import timezone

from accounts.services import lock_user
from booking.models import Booking, Checkout, SlotHold
from core.errors import Conflict
from payment.models import LedgerEntry, ManualEntry, PayLink, Payment, PaymentAttempt, Refund
from payment.reconciliation.invariants import find_violations
from payment.services.by_hand import AlreadyTaken, LinkEnded, ManualPayment, StillPayable, pay_link_by_hand
from payment.services.checkout import LinkOver, pay_by_link
from payment.services.holds import repair_holds
from payment.services.links import pay_link_url
from payment.services.outcomes import apply_status
from payment.services.pay_links import make_pay_link, take_back_link
from payment.states import AttemptState, Fulfilment, PaymentState
from tests.harness import builders, races
from tests.harness.invariants import query, violations
from tests.unit.payment.builders import FAILED, completed
from tests.unit.payment.services.test_by_hand import choice as choice
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clerk(db):
    return builders.make_superuser()


@pytest.fixture
def link(alice, choice, clerk, phonepe):
    return make_pay_link(alice, choice, by=clerk, key=uuid.uuid4())


@pytest.fixture(autouse=True)
def sound():
    yield
    assert find_violations() == []
    assert violations(query) == {}


def path(link):
    return pay_link_url(link).removeprefix("http://testserver")


def test_the_link_keeps_the_place_and_is_mailed_with_its_end(link, alice, slot):
    slot.refresh_from_db()
    assert slot.held == 1
    assert timedelta(hours=23) < link.expires_at - timezone.now() <= timedelta(hours=24)
    run_due(["notifications"])
    [message] = mail.outbox
    assert message.to == [alice.email]
    assert "http://testserver/pay/link/" in message.body
    assert "₹1,100.00" in message.body


def test_it_ends_in_time_for_the_puja(alice, package, clerk):
    soon = builders.make_slot(package.puja_service, days=1)
    start = timezone.localtime(soon.starts_at)
    wanted = {"puja_service": package.puja_service_id, "package_id": package.pk}
    wanted |= {"selected_date": start.date(), "selected_time": start.time()}
    link = make_pay_link(alice, wanted, by=clerk, key=uuid.uuid4(), hours=100)

    assert link.expires_at < soon.starts_at


def test_the_same_form_twice_is_one_link(alice, choice, clerk):
    key = uuid.uuid4()
    assert make_pay_link(alice, choice, by=clerk, key=key) == make_pay_link(alice, choice, by=clerk, key=key)
    assert Checkout.objects.count() == 1


@pytest.mark.postgresql
def test_the_same_form_twice_at_once_is_one_link(alice, choice, clerk):
    key = uuid.uuid4()
    first, second = races.at_once(*[lambda: make_pay_link(alice, choice, by=clerk, key=key)] * 2)
    assert first == second


def test_its_page_says_what_for_how_much_and_until_when(link, client):
    page = client.get(path(link))

    assert page.status_code == 200
    text = page.content.decode()
    assert "₹1,100.00" in text
    assert "Griha Pravesh" in text
    assert "We keep the place for you until" in text
    assert "alice" not in text.lower()


def test_the_button_opens_phonepe_and_the_page_then_shows_the_payment(link, client):
    opened = client.post(path(link))
    payment = Payment.objects.get()

    assert opened.status_code == 303
    assert opened["Location"] == payment.attempts.get().page_url
    assert (payment.amount_paise, payment.checkout) == (110_000, link.checkout)
    assert "/pay/" in client.get(path(link))["Location"]


def test_pressed_twice_it_is_one_order_and_paid_once(link):
    assert pay_by_link(link) == pay_by_link(link)
    attempt = PaymentAttempt.objects.get()
    apply_status(attempt.pk, completed(), "worker")

    assert Booking.objects.get().checkout == link.checkout
    with pytest.raises(Conflict):
        pay_by_link(link)
    assert PaymentAttempt.objects.count() == 1


@pytest.mark.postgresql
def test_pressed_twice_at_once_it_is_one_order(link):
    first, second = races.at_once(*[lambda: pay_by_link(link)] * 2)

    assert first == second
    assert (Payment.objects.count(), PaymentAttempt.objects.count()) == (1, 1)


def test_an_order_that_failed_leaves_the_place_and_the_link(link, slot):
    attempt = pay_by_link(link)
    apply_status(attempt.pk, FAILED, "worker")
    payment = Payment.objects.get()
    assert payment.state == PaymentState.PENDING
    slot.refresh_from_db()
    assert slot.held == 1

    another = pay_by_link(link)
    assert (another.number, another.payment) == (2, payment)
    apply_status(another.pk, completed(), "worker")
    assert Booking.objects.get().checkout == link.checkout


def ends(link):
    past = timezone.now() - timedelta(minutes=1)
    PayLink.objects.filter(pk=link.pk).update(expires_at=past)
    link.refresh_from_db()
    while run_due(["pay_links"]):
        pass
    link.refresh_from_db()


def test_the_end_of_a_link_that_nobody_opened_gives_the_place_back(link, slot, client):
    ends(link)

    slot.refresh_from_db()
    assert (slot.held, link.ended_at is None) == (0, False)
    link.checkout.refresh_from_db()
    assert link.checkout.state == Checkout.State.RELEASED
    with pytest.raises(LinkOver):
        pay_by_link(link)
    assert "This link has ended" in client.get(path(link)).content.decode()


def test_the_end_of_a_link_ends_what_was_tried_and_not_paid(link, slot):
    apply_status(pay_by_link(link).pk, FAILED, "worker")
    ends(link)

    assert Payment.objects.get().state == PaymentState.FAILED
    slot.refresh_from_db()
    assert slot.held == 0


def test_a_page_that_is_open_when_the_link_ends_can_still_be_paid(link):
    attempt = pay_by_link(link)
    ends(link)
    apply_status(attempt.pk, completed(), "worker")

    assert Booking.objects.get().checkout == link.checkout


def test_staff_take_a_link_back_but_not_while_its_page_can_be_paid(link, slot):
    attempt = pay_by_link(link)
    with pytest.raises(Conflict):
        take_back_link(link.pk)
    apply_status(attempt.pk, FAILED, "worker")
    take_back_link(link.pk)

    assert Payment.objects.get().state == PaymentState.FAILED
    slot.refresh_from_db()
    assert slot.held == 0


def test_a_hold_that_lasts_as_long_as_its_link_is_of_no_wrong_clock(link):
    assert repair_holds(timezone.now()) == 0
    run_due(["holds"])
    assert SlotHold.objects.get().state == SlotHold.State.HELD


def test_the_customer_may_pay_it_from_their_own_cart_or_give_it_up(link, alice, api, slot):
    cart = link.checkout.cart
    opened = api(alice).post("/api/payments/payments/process-cart/", {"cart_id": cart.pk}, format="json")
    assert opened.status_code == 200, opened.json()
    assert opened.json()["payment_id"] == Payment.objects.get().pk


def test_a_customer_who_gives_it_up_frees_the_place(link, alice, api, slot):
    answer = api(alice).post(f"/api/cart/carts/{link.checkout.cart_id}/cleanup_old_payments/")

    assert answer.json()["success"] is True
    slot.refresh_from_db()
    assert slot.held == 0


def test_a_forged_link_is_not_found(client):
    assert client.get("/pay/link/forged:token/").status_code == 404


def test_an_attempt_of_a_link_is_an_ordinary_order(link):
    attempt = pay_by_link(link)
    assert (attempt.state, attempt.by_hand) == (AttemptState.PENDING, False)


# --- Paid at the counter -------------------------------------------------------------------------


@pytest.fixture
def cash(clerk):
    return ManualPayment(ManualEntry.Means.CASH, "slip 7", clerk, uuid.uuid4())


def test_a_link_that_nobody_opened_is_paid_in_cash_and_ends(link, cash, client, slot):
    booking = pay_link_by_hand(link.pk, cash)
    again = pay_link_by_hand(link.pk, cash)

    assert booking == again == Booking.objects.get(checkout=link.checkout)
    payment = Payment.objects.get()
    assert (payment.state, payment.fulfilment, payment.method) == ("SUCCESS", Fulfilment.BOOKED, "CASH")
    assert [entry.kind for entry in LedgerEntry.objects.all()] == ["CASH"]
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 1)
    with pytest.raises(Conflict):
        pay_by_link(link)
    assert PaymentAttempt.objects.get().by_hand


def test_money_that_still_comes_by_an_open_page_goes_back(link, cash):
    opened = pay_by_link(link)
    booking = pay_link_by_hand(link.pk, cash)
    apply_status(opened.pk, completed(), "webhook")

    assert Booking.objects.get() == booking
    refund = Refund.objects.get()
    assert (refund.attempt, refund.amount_paise, refund.reason) == (opened, 110_000, "paid twice")
    assert Payment.objects.get().fulfilment == Fulfilment.BOOKED
    assert sorted(LedgerEntry.objects.values_list("kind", flat=True)) == ["CASH", "SURPLUS"]


def test_no_cash_is_entered_for_what_phonepe_has_the_money_of(link, cash, phonepe):
    phonepe.decide(pay_by_link(link).merchant_order_id)
    with pytest.raises(AlreadyTaken):
        pay_link_by_hand(link.pk, cash)

    assert Booking.objects.get().checkout == link.checkout  # PhonePe was asked
    assert not ManualEntry.objects.exists()
    assert [entry.kind for entry in LedgerEntry.objects.all()] == ["RECEIPT"]


def test_an_order_that_failed_is_followed_by_cash(link, cash):
    apply_status(pay_by_link(link).pk, FAILED, "worker")
    pay_link_by_hand(link.pk, cash)

    assert [each.by_hand for each in PaymentAttempt.objects.order_by("number")] == [False, True]
    assert Payment.objects.get().method == "CASH"


def test_money_in_review_is_no_reason_to_take_more(link, cash):
    apply_status(pay_by_link(link).pk, completed(100_000), "worker")
    with pytest.raises(AlreadyTaken):
        pay_link_by_hand(link.pk, cash)


def test_a_link_that_has_ended_takes_no_cash(link, cash, slot):
    ends(link)
    with pytest.raises(LinkEnded):
        pay_link_by_hand(link.pk, cash)

    assert not Payment.objects.exists()
    slot.refresh_from_db()
    assert (slot.held, slot.booked) == (0, 0)


@pytest.mark.parametrize(("later", "refunds"), [(FAILED, 0), (completed(), 1)], ids=["fails", "is paid"])
def test_cash_waits_for_no_third_page(link, cash, later, refunds):
    for _ in range(2):
        apply_status(pay_by_link(link).pk, FAILED, "worker")
    third = pay_by_link(link)
    booking = pay_link_by_hand(link.pk, cash)
    apply_status(third.pk, later, "worker")

    assert Booking.objects.get() == booking
    payment = Payment.objects.get()
    assert (payment.state, payment.fulfilment) == ("SUCCESS", Fulfilment.BOOKED)
    assert PaymentAttempt.objects.latest("number").number == 4
    assert [refund.attempt for refund in Refund.objects.all()] == [third] * refunds


def test_phonepe_gets_no_fourth_order(link):
    attempt = pay_by_link(link)
    with pytest.raises(IntegrityError):
        PaymentAttempt.objects.filter(pk=attempt.pk).update(number=4)


@pytest.mark.postgresql
def test_cash_and_a_click_at_once_are_one_payment(link, cash):
    races.at_once(lambda: refused(pay_by_link, link), lambda: refused(pay_link_by_hand, link.pk, cash))
    if not Booking.objects.exists():  # the click was faster, and asks for one more try
        pay_link_by_hand(link.pk, cash)

    assert Payment.objects.get().method == "CASH"
    assert LedgerEntry.objects.get().kind == "CASH"
    with pytest.raises(Conflict):
        pay_by_link(link)


@pytest.mark.postgresql
def test_no_link_is_taken_back_whose_money_is_just_being_entered(link, cash):
    """Both lock the person, then the link: neither waits for a row that the other one has."""
    taken_back = races.while_uncommitted(
        partial(lock_user, link.checkout.user_id),
        partial(take_back_link, link.pk),
        then=partial(pay_link_by_hand, link.pk, cash),
    )

    assert taken_back is None or isinstance(taken_back, StillPayable)  # None: it came later, as on SQLite
    assert Booking.objects.get().checkout == link.checkout


def refused(act, *arguments):
    try:
        act(*arguments)
    except Conflict as refusal:
        return refusal
    return None
