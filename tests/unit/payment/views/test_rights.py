"""A member of the staff decides about what they were given the right for, on the wire as in the admin."""

import pytest
from django.contrib.auth.models import Permission

from tests.harness import builders

pytestmark = pytest.mark.django_db

NEEDED = {
    "/api/payments/payments/1/refund/": "payment.change_refund",
    "/api/payments/refunds/1/approve/": "payment.change_refund",
    "/api/payments/refunds/1/withdraw/": "payment.change_refund",
    "/api/payments/payments/1/resolve/": "payment.change_payment",
    "/api/puja/slots/1/close/": "booking.change_slot",
}


def give(user, right):
    app, codename = right.split(".")
    user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))


@pytest.fixture
def clerk(db):
    """Keeps the catalogue."""
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    give(clerk, "booking.change_package")
    return clerk


@pytest.mark.parametrize(("path", "right"), NEEDED.items())
def test_staff_without_the_right_decide_nothing(api, clerk, path, right):
    assert api(clerk).post(path, {"action": "refund"}).status_code == 403

    give(clerk, right)
    assert api(clerk).post(path, {"action": "refund"}).status_code == 404


def test_a_right_without_the_staffs_door_is_nothing(api, clerk):
    give(clerk, "payment.change_refund")
    clerk.is_staff = False
    clerk.save()

    assert api(clerk).post("/api/payments/payments/1/refund/").status_code == 403
