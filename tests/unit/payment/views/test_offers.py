"""The signed link to an offer: by JSON, and as a page that needs no scripts."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from booking.models import Booking, Slot
from payment.models import Payment
from payment.services.links import OFFER, offer_url, payment_behind, return_url, status_url
from payment.services.outcomes import apply_status
from payment.services.slot_closure import move_all
from payment.states import Fulfilment
from tests.harness import builders
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def another(service, slot):
    return builders.make_slot(service, days=4)


@pytest.fixture
def offered(cart, slot, another):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


def token(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


@pytest.fixture
def link(offered):
    return f"/api/payments/offers/{token(offer_url(offered))}/"


@pytest.fixture
def page(offered):
    return f"/offer/{token(offer_url(offered))}/"


def outcome() -> str:
    return Payment.objects.get().fulfilment


def test_whoever_has_the_link_sees_the_times_and_nothing_of_the_person(api, link, another, alice):
    answer = api().get(link)

    said = answer.json()
    assert [place["id"] for place in said["places"]] == [another.pk]
    assert (said["state"], said["amount"], said["booking_id"]) == ("OPEN", "1100.00", None)
    assert alice.email not in answer.content.decode()
    assert alice.phone.removeprefix("+91") not in answer.content.decode()


def test_a_time_is_chosen_and_booked(api, link, another):
    said = api().post(link, {"slot": another.pk}).json()

    assert said["booking_id"] == Booking.objects.get().book_id
    assert (said["state"], said["places"]) == ("TAKEN", [])
    assert outcome() == Fulfilment.BOOKED


def test_declined_the_money_goes_back(api, link):
    said = api().post(link, {"decline": True}).json()

    assert said["state"] == "CLOSED"
    assert "refunded in full" in said["message"]
    assert outcome() == Fulfilment.REFUND_DUE


@pytest.mark.parametrize("body", [{}, {"slot": "x"}, {"slot": 1, "decline": True}, {"slot": 2**70}])
def test_what_is_no_choice_is_refused(api, link, body):
    assert api().post(link, body).status_code == 400
    assert outcome() == Fulfilment.OFFERED


def test_a_time_that_is_gone_is_refused_by_its_name(api, link, another):
    Slot.objects.filter(pk=another.pk).update(booked=F("capacity"))

    answer = api().post(link, {"slot": another.pk})

    assert (answer.status_code, answer.json()["code"]) == (409, "slot_gone")


def test_links_of_other_purposes_open_no_offer(api, offered):
    for url in (return_url(offered), status_url(offered)):
        assert api().get(f"/api/payments/offers/{token(url)}/").status_code == 404


def test_a_person_chooses_on_the_page_without_scripts(client, page, another):
    shown = client.get(page).content.decode()
    assert f'value="{another.pk}"' in shown
    assert shown.count("<script") == shown.count("core/shop.js") == 1  # which it works without

    answer = client.post(page, {"slot": another.pk})

    assert (answer.status_code, answer["Location"]) == (303, page)
    assert Booking.objects.get().book_id in client.get(page).content.decode()


def test_a_person_gets_their_money_back_on_the_page(client, page):
    client.post(page, {"slot": ""})

    assert outcome() == Fulfilment.REFUND_DUE
    assert "refunded in full" in client.get(page).content.decode()


def test_a_person_who_was_too_slow_sees_the_times_that_are_left(client, page, another, service):
    left = builders.make_slot(service, days=5)
    Slot.objects.filter(pk=another.pk).update(booked=F("capacity"))

    answer = client.post(page, {"slot": another.pk})

    shown = answer.content.decode()
    assert answer.status_code == 409
    assert "no longer available" in shown
    assert f'value="{left.pk}"' in shown


def test_nonsense_on_the_page_is_told_as_a_page(client, page):
    assert client.post(page, {"slot": "x"}).status_code == 404
    assert client.post(page, {"slot": "99999"}).status_code == 404
    assert client.post(page, {"slot": "9" * 5000}).status_code == 404


def test_a_second_choice_does_not_get_the_answer_of_the_first(api, link, another, service):
    other = builders.make_slot(service, days=6)
    api().post(link, {"slot": another.pk})

    answers = [api().post(link, body) for body in ({"slot": other.pk}, {"decline": True})]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
        (409, "already_chosen")
    ] * 2
    assert api().post(link, {"slot": another.pk}).status_code == 200
    assert Booking.objects.get().starts_at == another.starts_at


# --- The temple has called a booked time off -----------------------------------------------------


@pytest.fixture
def called_off(cart, slot, service):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    near = Slot.objects.create(service=service, starts_at=timezone.now() + timedelta(hours=10), capacity=1)
    move_all(slot, "the river has risen", builders.make_superuser())
    return payment, near


def test_the_page_of_a_called_off_time_lets_its_customer_choose(api, client, alice, called_off):
    payment, near = called_off
    said = api(alice).get(f"/api/payments/payments/{payment.pk}/").json()
    assert payment_behind(token(said["offer_url"]), OFFER) == payment
    assert "call off your time" in said["message"]
    url = f"/offer/{token(offer_url(payment))}/"

    page = client.get(url).content.decode()
    assert f'value="{near.pk}"' in page
    assert "Your booking" not in page
    assert client.post(url, {"slot": near.pk}).status_code == 303

    assert "Your booking" in client.get(url).content.decode()
    assert Booking.objects.get().starts_at == near.starts_at
    assert api(alice).get(f"/api/payments/payments/{payment.pk}/").json()["offer_url"] is None


def test_the_page_of_a_called_off_time_lets_its_customer_decline(client, called_off):
    payment, _ = called_off
    url = f"/offer/{token(offer_url(payment))}/"
    assert client.post(url, {"slot": ""}).status_code == 303
    assert Booking.objects.get().status == "CANCELLED"
    assert payment.refunds.get().amount_paise == 110_000


def test_the_bookings_of_its_customer_say_until_when_to_choose(api, alice, called_off):
    (row,) = api(alice).get("/api/booking/bookings/").json()
    assert row["choose_until"]
    assert row["status"] == "PENDING"
    assert row["moved_because"] == "the river has risen"


def test_who_reads_hindi_chooses_in_hindi(client, page, another):
    hindi = {"Accept-Language": "hi-IN,hi;q=0.9,en;q=0.5"}

    asked = client.get(page, headers=hindi).content.decode()
    assert '<html lang="hi">' in asked
    assert "<title>दूसरा समय चुनें</title>" in asked
    assert "नहीं, मेरा पैसा लौटा दें" in asked
    assert "send my money back" not in asked

    Slot.objects.filter(pk=another.pk).update(booked=F("capacity"))
    refused = client.post(page, {"slot": another.pk}, headers=hindi)
    assert refused.status_code == 409
    assert "यह समय" in refused.content.decode()
    assert "Choose another time" in client.get(page).content.decode()
