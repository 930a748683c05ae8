from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import Booking
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db


def test_the_agenda_names_puja_person_and_price_of_today_only(desk, alice, package):
    today = timezone.localtime().replace(hour=23, minute=0, second=0, microsecond=0)
    book(alice, package, today)
    book(alice, package, today + timedelta(days=1))
    cancelled = book(alice, package, today - timedelta(minutes=30))
    Booking.objects.filter(pk=cancelled.pk).update(status=Booking.Status.CANCELLED)
    page = desk("Support").get("/admin/desk/").content.decode()

    assert page.count("Alice Devi") == 1
    assert "11:00\u202fPM" in page or "11:00 PM" in page
    assert package.puja_service.title in page
    assert "₹1,100.00" in page
