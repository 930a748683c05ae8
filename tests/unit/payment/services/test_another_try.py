"""After a failed payment one click pays for the same puja again, at its time if that is free, else at a near one."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from accounts.models import Address
from accounts.services import add_address
from booking.models import Booking, Cart, Slot, SlotHold
from payment.models import Payment
from payment.services.another_try import MOST_TIMES, OtherCart, TimeGone, can_try_again, try_again
from payment.services.attempts import AlreadyPaid
from payment.services.checkout import start_donation, start_payment
from payment.services.links import status_url
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.harness.races import at_once
from tests.unit.payment.builders import FAILED, completed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slot(service):
    return builders.make_slot(service, capacity=1)


@pytest.fixture
def failed(alice, cart, phonepe) -> Payment:
    payment = start_payment(alice, cart_id=cart.pk).payment
    return ends(payment)


def ends(payment: Payment) -> Payment:
    apply_status(payment.attempts.latest("number").pk, FAILED, "worker")
    return Payment.objects.get(pk=payment.pk)


def url(payment: Payment) -> str:
    return f"/api/payments/payments/{payment.pk}/try-again/"


def taken_by_others(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(booked=1)


def test_the_same_puja_is_paid_again_at_the_same_time_and_price(api, alice, failed, slot):
    answer = api(alice).post(url(failed))

    assert answer.status_code == 201
    again = Payment.objects.get(pk=answer.json()["payment_id"])
    assert again.pk != failed.pk
    assert (again.amount_paise, again.checkout.starts_at) == (failed.amount_paise, slot.starts_at)
    assert again.checkout.address_line1 == failed.checkout.address_line1 == "12 Temple Road"
    assert SlotHold.objects.get(checkout=again.checkout).state == "HELD"
    assert Slot.objects.get(pk=slot.pk).held == 1


@pytest.mark.parametrize("has_another", [False, True])
def test_an_address_that_was_deleted_since_is_still_where_the_puja_is(api, alice, failed, has_another):
    """Not the default address, and not none: the priest would go to another house."""
    agreed = failed.checkout.address_line1
    Address.objects.filter(user=alice).delete()
    if has_another:
        add_address(alice, address_line1="9 Other Lane", city="Gaya", state="Bihar", postal_code="823001")
    answers = [api(alice).post(url(failed)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    again = Payment.objects.get(pk=answers[0].json()["payment_id"])
    assert (again.checkout.address_line1, again.checkout.address_city) == (
        agreed,
        failed.checkout.address_city,
    )
    assert Address.objects.filter(user=alice).count() == has_another
    once_more = ends(again)
    assert api(alice).post(url(once_more)).status_code == 201
    assert Payment.objects.latest("pk").checkout.address_line1 == agreed


def test_twice_is_the_same_payment(api, alice, failed):
    answers = [api(alice).post(url(failed)) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert len({answer.json()["payment_id"] for answer in answers}) == 1


def test_when_the_time_was_taken_the_nearest_ones_are_named_and_can_be_taken(
    api, alice, failed, slot, service
):
    near, far = builders.make_slot(service, days=4), builders.make_slot(service, days=9)
    taken_by_others(slot)
    refused = api(alice).post(url(failed))

    assert (refused.status_code, refused.json()["code"]) == (409, "time_gone")
    assert [each["id"] for each in refused.json()["times"]] == [near.pk, far.pk]

    answer = api(alice).post(url(failed), {"slot": near.pk})
    assert answer.status_code == 201
    assert Payment.objects.get(pk=answer.json()["payment_id"]).checkout.starts_at == near.starts_at


def test_a_time_that_has_come_too_near_is_gone_too(alice, failed, slot, service):
    near = builders.make_slot(service, days=4)
    Slot.objects.filter(pk=slot.pk).update(is_open=False)
    with pytest.raises(TimeGone) as refused:
        try_again(failed)
    assert refused.value.times == [near]


def test_not_more_times_are_named_than_somebody_reads(failed, slot, service):
    for day in range(4, 20):
        builders.make_slot(service, days=day)
    taken_by_others(slot)
    with pytest.raises(TimeGone) as refused:
        try_again(failed)
    assert len(refused.value.times) == MOST_TIMES


def test_what_was_paid_meanwhile_is_not_paid_again(alice, failed):
    again = try_again(failed).payment
    apply_status(again.attempts.get().pk, completed(), "worker")
    for payment in (failed, again):
        with pytest.raises(AlreadyPaid):
            try_again(Payment.objects.get(pk=payment.pk))
    assert Booking.objects.count() == 1


def test_another_cart_that_was_filled_meanwhile_is_not_thrown_away(alice, failed, package, service):
    later = builders.make_slot(service, days=8)
    other = builders.make_cart(alice, package, later.starts_at)
    failed.checkout.cart.refresh_from_db()
    with pytest.raises(OtherCart):
        try_again(failed)
    assert Cart.objects.get(pk=other.pk).status == "ACTIVE"
    assert not can_try_again(Payment.objects.select_related("checkout__cart").get(pk=failed.pk))


def test_nobody_pays_more_than_before_without_being_asked(api, alice, failed):
    type(failed.checkout.package).objects.update(price_paise=200_000)
    answer = api(alice).post(url(failed))

    assert (answer.status_code, answer.json()["code"]) == (409, "price_changed")


def test_a_donation_is_given_again(phonepe):
    failed = ends(start_donation(None, amount_paise=5_100, reference="Asha").payment)
    again = try_again(failed).payment

    assert (again.pk != failed.pk, again.amount_paise, again.payer_reference) == (True, 5_100, "Asha")


def test_the_page_has_one_button_and_leads_to_phonepe(failed):
    path = status_url(failed).removeprefix("http://testserver")
    assert "Try again" in Client().get(path).content.decode()

    answer = Client().post(path)

    assert answer.status_code == 303
    newest = Payment.objects.latest("pk")
    assert answer.url == newest.attempts.get().page_url


def test_the_page_offers_other_times_by_buttons(failed, slot, service):
    near = builders.make_slot(service, days=4)
    taken_by_others(slot)
    path = status_url(failed).removeprefix("http://testserver")
    page = Client().post(path)

    assert page.status_code == 409
    assert f'name="slot" value="{near.pk}"' in page.content.decode()
    assert Client().post(path, {"slot": near.pk}).status_code == 303


@pytest.mark.slow
def test_two_who_try_again_for_the_last_place_are_one(alice, charlie, package, slot, phonepe):
    Slot.objects.filter(pk=slot.pk).update(capacity=2)
    carts = [builders.make_cart(who, package, slot.starts_at) for who in (alice, charlie)]
    payments = [ends(start_payment(cart.user, cart_id=cart.pk).payment) for cart in carts]
    Slot.objects.filter(pk=slot.pk).update(capacity=1)

    outcomes = at_once(*(lambda payment=payment: try_again(payment) for payment in payments))

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["PaymentStart", "TimeGone"]
    assert Slot.objects.get(pk=slot.pk).held == 1


def test_the_next_try_waits_like_every_hold_when_places_were_held_for_nothing(alice, failed, settings):
    """The limits of holds count a new try as any other click."""
    settings.HOLD_COOL_DOWN_MINUTES = 5
    SlotHold.objects.update(released_at=failed.created_at + timedelta(minutes=1))
    holds = SlotHold.objects.filter(checkout__user=alice)
    assert holds.count() == 1
    try_again(failed)
    assert holds.count() == 2


def test_a_higher_price_is_paid_once_it_was_agreed_to(api, alice, failed):
    type(failed.checkout.package).objects.update(price_paise=200_000)
    total = api(alice).post(url(failed)).json()["total"]
    answer = api(alice).post(url(failed), {"expected_total": total})

    assert answer.status_code == 201
    assert Payment.objects.get(pk=answer.json()["payment_id"]).amount_paise == 200_000


def test_the_page_shows_a_higher_price_and_its_button_pays_it(failed):
    type(failed.checkout.package).objects.update(price_paise=200_000)
    path, browser = status_url(failed).removeprefix("http://testserver"), Client()
    page = browser.post(path)
    assert page.status_code == 409
    assert "Pay ₹2,000" in page.content.decode()
    seen = re.search(r'name="expected_total" value="([^"]+)"', page.content.decode())[1]
    type(failed.checkout.package).objects.update(price_paise=300_000)
    assert "Pay ₹3,000" in browser.post(path, {"expected_total": seen}).content.decode()
    assert Payment.objects.count() == 1
    type(failed.checkout.package).objects.update(price_paise=200_000)

    assert browser.post(path, {"expected_total": seen}).status_code == 303
    assert Payment.objects.latest("pk").amount_paise == 200_000
