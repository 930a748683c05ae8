"""A day for newcomers to look at: made through the services, once a day, in simulation only."""

import io
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from booking.models import Assignment, Booking, Checkout, Package, Slot
from payment.management.commands import seed_demo_day
from payment.models import ManualEntry, PayLink, Payment, Refund
from payment.services.refunds.amounts import REQUESTED
from payment.states import PaymentState
from tests.harness import builders
from tests.harness.invariants import query, violations

pytestmark = pytest.mark.django_db(transaction=True)


def seed() -> str:
    out = io.StringIO()
    call_command("seed_demo", stdout=out)
    call_command("seed_demo_day", stdout=out)
    return out.getvalue()


def test_the_desk_is_alive():
    seed()
    client = Client()
    client.force_login(builders.make_superuser())
    days = {timezone.localdate(booking.starts_at) for booking in Booking.objects.all()}
    agendas = "".join(client.get(f"/admin/desk/?day={day}").content.decode() for day in days)

    for name in ("Meera Joshi", "Vikram Rathore", "Priya Nair", "Arjun Mehta", "Acharya Shastri"):
        assert name in agendas
    assert "Refunds that wait for a second person" in agendas
    assert "1 payment undecided" in agendas
    assert Booking.objects.count() == 6
    assert Assignment.objects.filter(freed_at=None).count() == 3
    assert ManualEntry.objects.get().means == ManualEntry.Means.CASH
    assert PayLink.objects.get().ended_at is None
    assert Refund.objects.filter(REQUESTED).count() == 1
    assert Refund.objects.count() == 2
    assert Payment.objects.filter(state=PaymentState.PENDING).count() == 1
    assert violations(query) == {}


def test_a_second_run_adds_bookings_on_another_day_only():
    seed()
    seed()
    assert Booking.objects.count() == 6

    Checkout.objects.update(created_at=timezone.now() - timedelta(days=1))
    Payment.objects.update(created_at=timezone.now() - timedelta(days=1))
    PayLink.objects.all().delete()  # its key is of the day
    ManualEntry.objects.all().delete()
    seed()
    assert Booking.objects.count() == 12


def test_an_evening_temple_has_its_day(settings):
    settings.OPENING_HOUR, settings.CLOSING_HOUR = 20, 22
    starts = seed_demo_day.free_starts()
    assert {timezone.localtime(next(starts)).hour for _ in range(3)} == {20}


@pytest.mark.parametrize("gone", [Slot, Package])
def test_a_puja_that_staff_took_out_of_the_demo_leaves_the_rest(gone):
    call_command("seed_demo")
    of_a_puja = {Slot: "service__title", Package: "puja_service__title"}[gone]
    gone.objects.filter(**{of_a_puja: "Satyanarayan Puja"}).delete()
    out, errors = io.StringIO(), io.StringIO()

    call_command("seed_demo_day", stdout=out, stderr=errors)

    assert "4 bookings" in out.getvalue()
    assert f"the demo day is not whole: {gone.__name__} matching query" in errors.getvalue()


def test_beside_a_real_phonepe_there_is_no_day(settings):
    settings.PHONEPE_BASE_URL = "https://api-preprod.phonepe.com/apis/pg-sandbox"
    assert "no demo day" in seed()
    assert not Booking.objects.exists()
