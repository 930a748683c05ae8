from datetime import timedelta

from django.utils import timezone

from booking.models import Package, PujaService
from booking.services import book, demo_cart, demo_package
from booking.services.places import earliest_start
from tests.harness import builders


def test_a_demonstration_needs_no_seed(alice):
    cart = demo_cart(alice)
    assert cart.status == "ACTIVE"
    assert cart.selected_date == timezone.localdate(earliest_start()) + timedelta(days=1)
    assert book(builders.make_checkout(cart)).status == "CONFIRMED"


def test_demonstrations_share_one_puja(alice, charlie):
    assert demo_cart(alice).package == demo_cart(charlie).package == demo_package()
    assert PujaService.objects.count() == Package.objects.count() == 1
