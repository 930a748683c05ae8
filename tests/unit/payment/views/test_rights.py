"""A member of the staff decides about what they were given the right for, on the wire as in the admin."""

import pytest
from django.contrib.auth.models import Permission

from booking.models import Booking
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

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


@pytest.fixture
def paid(cart):
    payment = make_payment(builders.make_checkout(cart))
    return apply_status(payment.attempts.get().pk, completed(), "worker")


READ = {
    "timeline": "payment.view_payment",
    "refunds": "payment.view_refund",
    "receipt": "payment.view_receipt",
}


@pytest.mark.parametrize(("page", "right"), READ.items())
def test_staff_read_about_others_what_they_hold_the_right_for(api, clerk, paid, page, right):
    path = f"/api/payments/payments/{paid.pk}/{page}/"
    for other in {*READ.values(), "payment.change_payment"} - {right}:
        give(clerk, other)
    assert api(clerk).get(path).status_code == 404

    give(clerk, right)
    assert api(clerk).get(path).status_code == 200


def test_staff_without_the_right_read_about_their_own_payment_what_any_buyer_does(api, clerk, paid):
    paid.user = clerk
    paid.save()

    entries = api(clerk).get(f"/api/payments/payments/{paid.pk}/timeline/").json()["entries"]
    assert {*entries[0]} == {"at", "text"}

    give(clerk, "payment.view_payment")
    entries = api(clerk).get(f"/api/payments/payments/{paid.pk}/timeline/").json()["entries"]
    assert "rule" in entries[0]


def test_staff_complete_a_booking_with_the_right_to_change_it(client, clerk, paid):
    Booking.objects.update(starts_at=builders.in_days(-1))
    action = {"action": "mark_completed", "_selected_action": [Booking.objects.get().pk]}
    client.force_login(clerk)
    give(clerk, "booking.view_booking")
    client.post("/admin/booking/booking/", action)
    assert Booking.objects.get().status == "CONFIRMED"

    give(clerk, "booking.change_booking")
    client.post("/admin/booking/booking/", action)
    assert Booking.objects.get().status == "COMPLETED"


def test_a_right_without_the_staffs_door_is_nothing(api, clerk):
    give(clerk, "payment.change_refund")
    clerk.is_staff = False
    clerk.save()

    assert api(clerk).post("/api/payments/payments/1/refund/").status_code == 403
