"""A day is closed on one page: every booking with what becomes of it, one decision, and its progress."""

import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import rights
from booking.models import ON_SALE, Booking, Slot
from payment.models import Closure, ClosureItem, Refund
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import request_refund
from tests.harness import builders
from tests.integration.access.matrix import Staff
from tests.unit.backoffice.test_case import text
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "The river has risen."


@pytest.fixture
def slot(service):
    return builders.make_slot(service, days=5, capacity=20)


@pytest.fixture
def later(service):
    return builders.make_slot(service, days=6, capacity=2)


@pytest.fixture
def booked(package, slot):
    def made(count: int = 5) -> list[Booking]:
        for _ in range(count):
            cart = builders.make_cart(builders.make_user(first_name="Asha"), package, slot.starts_at)
            payment = make_payment(builders.make_checkout(cart))
            apply_status(payment.attempts.get().pk, completed(), "worker")
        return [*Booking.objects.order_by("pk")]

    return made


@pytest.fixture
def url(slot):
    return f"{reverse('desk:closing')}?day={timezone.localtime(slot.starts_at):%Y-%m-%d}"


def form_of(page, **fields) -> dict[str, str]:
    hidden = dict(re.findall(r'name="(seen|form)" value="([^"]+)"', page.content.decode()))
    return {"reason": REASON, **hidden, **fields}


def test_the_page_shows_each_booking_with_its_own_time_and_the_sum_of_all(booked, later, url, desk):
    first, *_ = booked()
    page = desk("Manager").get(url)
    shown = text(page)

    assert "5 bookings" in shown
    assert shown.count("Let them choose another time") == 2
    assert page.content.decode().count('value="MOVE"') == 2
    assert "Refunded ₹3,300.00 Left to their choice ₹0.00" in shown
    assert f'name="then-{first.pk}"' in page.content.decode()
    assert not Closure.objects.exists()


def sums(page) -> list[str]:
    return re.findall(r'data-sum="\w+">([^<]+)<', page.content.decode())


def test_without_scripts_a_button_adds_up_what_is_chosen_and_does_nothing(booked, later, url, desk):
    moved, chooses, _refunded, left, _ = booked()
    client = desk("Manager")
    chosen = {f"then-{moved.pk}": "MOVE", f"then-{chooses.pk}": "OFFER", f"then-{left.pk}": ""}
    page = client.post(url, form_of(client.get(url), look="1", reason="The river.", **chosen))

    assert sums(page) == ["₹2,200.00", "₹1,100.00"]
    assert 'value="The river."' in page.content.decode()
    assert re.search(rf'name="then-{left.pk}".*?<option value="" selected>', page.content.decode(), re.DOTALL)
    assert not Closure.objects.exists()


def test_a_closing_without_a_reason_keeps_what_was_chosen(booked, later, url, desk):
    first, *_ = booked()
    client = desk("Manager")
    page = client.post(url, form_of(client.get(url), reason="", **{f"then-{first.pk}": "OFFER"}))

    assert sums(page)[1] == "₹1,100.00"
    assert "This field is required." in text(page)
    assert not Closure.objects.exists()


def test_one_decision_closes_the_day_and_its_page_says_what_became_of_each(
    booked, slot, later, url, desk, monkeypatch
):
    monkeypatch.setattr("payment.services.closures.SECONDS_AT_ONCE", 600)  # nothing is left to the worker
    moved, chooses, refunded, left, _ = booked()
    client = desk("Manager")
    choices = {f"then-{chooses.pk}": "OFFER", f"then-{refunded.pk}": "REFUND", f"then-{left.pk}": ""}
    form = form_of(client.get(url), **choices)

    done = client.post(url, form, follow=True)
    again = client.post(url, form, follow=True)

    closure = Closure.objects.get()
    page = reverse("desk:closure", args=[closure.pk])
    assert done.redirect_chain == again.redirect_chain == [(page, 302)]
    assert "All bookings are done." in text(done)
    outcomes = dict(ClosureItem.objects.values_list("booking", "outcome"))
    assert (outcomes[moved.pk], outcomes[chooses.pk], outcomes[refunded.pk]) == (
        "moved",
        "offered",
        "refunded",
    )
    assert left.pk not in outcomes
    assert Refund.objects.filter(payment__checkout__booking=refunded).count() == 1


def test_the_page_of_a_closure_looks_again_until_all_is_done(booked, url, desk, monkeypatch):
    monkeypatch.setattr("payment.services.closures.SECONDS_AT_ONCE", -1)  # all of it is left to the worker
    booked(2)
    client = desk("Manager")
    page = client.post(url, form_of(client.get(url)), follow=True)

    assert page["Refresh"] == "3"
    assert "0 of 2 bookings are done." in text(page)


def test_a_booking_that_changed_while_staff_looked_stops_the_closure_with_a_message(booked, slot, url, desk):
    first, *_ = booked(2)
    client = desk("Manager")
    form = form_of(client.get(url))
    Booking.objects.filter(pk=first.pk).update(status="CANCELLED")

    answer = client.post(url, form, follow=True)

    assert "has changed since you looked at it" in text(answer)
    assert not Closure.objects.exists()
    assert Slot.objects.filter(ON_SALE, pk=slot.pk).exists()


def test_who_closes_second_reads_who_was_faster_and_keeps_what_they_chose(booked, url, desk, monkeypatch):
    monkeypatch.setattr("payment.services.closures.SECONDS_AT_ONCE", -1)  # all of it is left to the worker
    kept, other = booked(2)
    first, second = desk("Manager"), desk("Owner")
    form = form_of(second.get(url), reason="It rains.", **{f"then-{kept.pk}": "REFUND"})
    first.post(url, form_of(first.get(url), **{f"then-{booking.pk}": "" for booking in (kept, other)}))
    closure = Closure.objects.get()

    late = second.post(url, form)
    shown = text(late)
    assert "Somebody else has closed this time since you looked" in shown
    assert f"Closed by {closure.by.username}" in shown
    assert reverse("desk:closure", args=[closure.pk]) in late.content.decode()
    assert 'value="It rains."' in late.content.decode()
    assert Closure.objects.get() == closure

    second.post(
        url, form_of(late, reason="It rains.", **{f"then-{each.pk}": "REFUND" for each in (kept, other)})
    )
    shown = text(second.get(url))  # what the first left as it was is decided now, once
    assert "Nothing of it is left to decide." in shown
    assert "Close, and do this" not in shown
    assert ClosureItem.objects.count() == 2


def test_the_second_person_approves_a_closed_day_at_once(booked, url, desk, settings):
    settings.REFUND_SECOND_PERSON_ABOVE = 3_000
    booked(3)
    first, second = desk("Manager"), desk("Owner")
    first.post(url, form_of(first.get(url)))
    closure = Closure.objects.get()
    page = reverse("desk:closure-approve", args=[closure.pk])
    shown = second.get(reverse("desk:approvals")).content.decode()
    assert page in shown
    assert f'"{reverse("desk:closure", args=[closure.pk])}"' in shown
    only_refunds = Client()  # whoever closes no times is not led to the page of a closed one
    only_refunds.force_login(Staff().with_only(frozenset({rights.SEE_BOOKINGS, rights.REFUND})))
    shown = only_refunds.get(reverse("desk:approvals")).content.decode()
    assert page in shown
    assert f'"{reverse("desk:closure", args=[closure.pk])}"' not in shown
    assert "another person must approve them" in text(first.get(page))
    shown = second.get(page)
    assert "₹3,300.00 go back in 3 refunds" in text(shown)
    form = form_of(shown)

    own = first.post(page, form, follow=True)
    assert "must be approved by another person" in text(own)
    second.post(page, form)
    late = second.post(page, form, follow=True)

    assert "have changed since you looked" in text(late)
    assert {*Booking.objects.values_list("status", flat=True)} == {"CANCELLED"}
    assert {*Refund.objects.values_list("held_because", flat=True)} == {""}


def test_a_slot_leads_to_its_time(slot, desk):
    answer = desk("Coordinator").get(f"{reverse('desk:closing')}?slot={slot.pk}")

    assert answer.status_code == 302
    assert f"service={slot.service_id}" in answer.url


@pytest.mark.parametrize(
    "query", ["day=x", "day=2020-01-01", "slot=x", "slot=99999999999999999999", "service=x"]
)
def test_an_address_that_names_nothing_shows_the_form(query, desk):
    page = desk("Coordinator").get(f"{reverse('desk:closing')}?{query}")

    assert page.status_code == 200
    assert "Close, and do this" not in text(page)


def test_the_pages_need_as_many_queries_for_twelve_bookings_as_for_two(
    booked, url, desk, django_assert_max_num_queries
):
    client = desk("Manager")
    booked(2)
    client.get(url)
    with django_assert_max_num_queries(82) as plan:
        client.get(url)
    booked(10)
    with django_assert_max_num_queries(len(plan)):
        client.get(url)


def test_the_list_of_approvals_needs_as_many_queries_for_ten_as_for_one(
    booked, desk, settings, staff, django_assert_max_num_queries
):
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    client, bookings = desk("Owner"), booked(6)
    request_refund(bookings[0].checkout.payment.pk, None, "a mistake", staff)
    client.get(reverse("desk:approvals"))
    with django_assert_max_num_queries(10) as few:
        client.get(reverse("desk:approvals"))
    for booking in bookings[1:]:
        request_refund(booking.checkout.payment.pk, None, "a mistake", staff)
    with django_assert_max_num_queries(len(few)):
        page = client.get(reverse("desk:approvals"))
    assert text(page).count("₹1,100.00") == 6
