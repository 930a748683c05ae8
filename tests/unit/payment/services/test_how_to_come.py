"""What a customer has to know before the puja: in the mails, and on the page after paying."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Cart, PujaService
from payment.models import Payment
from payment.services.links import status_url
from payment.services.notifications import notify_reminder
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def mails(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.BRAND_EMAIL, settings.BRAND_PHONE = "help@temple.example", "+91 98765 43210"
    return mail.outbox


@pytest.fixture
def booked(alice, package, slot, settings):
    PujaService.objects.update(
        preparation="<p>Please fast.</p><ul><li>Flowers</li><li>Fruit</li></ul>",
        preparation_hi="<p>कृपया उपवास रखें।</p>",
    )
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=timezone.now())
    cart = builders.make_cart(alice, package, slot.starts_at)
    Cart.objects.filter(pk=cart.pk).update(devotee_names="Asha Devi, Rohan", gotra="Kashyap")
    cart.refresh_from_db()
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.select_related("checkout__payment", "user").get()


def told(kind):
    run_due(["notifications"])
    return mail.outbox[-1]


def test_the_mail_of_the_booking_says_where_it_is_for_whom_and_what_to_prepare(booked):
    message = told("booked")
    html = message.alternatives[0][0]
    for form in (message.body, html):
        for fact in ("Please fast. Flowers Fruit", "Asha Devi, Rohan · Kashyap", "12 Temple Road"):
            assert fact in form
        assert "https://www.google.com/maps/search/" in form
        assert "help@temple.example" in form


def test_the_reminder_says_it_in_the_language_of_the_person(booked):
    run_due(["notifications"])
    User.objects.update(language="hi")
    booked.user.refresh_from_db()
    notify_reminder(Booking.objects.get(), timezone.now())
    body = told("reminder").body

    assert "कृपया उपवास रखें।" in body
    assert "Please fast" not in body


def test_an_address_that_nobody_has_confirmed_hears_of_no_devotees(booked):
    User.objects.update(email_confirmed_at=None)
    body = told("booked").body
    assert "Asha" not in body
    assert "Please fast" in body


def test_the_page_after_paying_says_how_to_come_but_no_home_address(booked):
    path = status_url(booked.checkout.payment).removeprefix("http://testserver")
    at_home = Client().get(path).content.decode()
    assert "Please fast. Flowers Fruit" in at_home
    assert "12 Temple Road" not in at_home
    type(booked.checkout).objects.update(puja_type="TEMPLE", package_location="Gaya, Vishnupad")
    in_temple = Client().get(path).content.decode()
    assert "Gaya, Vishnupad" in in_temple
    assert "https://www.google.com/maps/search/" in in_temple
    Booking.objects.update(starts_at=timezone.now() - timedelta(hours=1))
    assert "Please fast" not in Client().get(path).content.decode()
    assert Payment.objects.get().fulfilment == "BOOKED"
