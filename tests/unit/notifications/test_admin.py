"""The outbox in the admin: looked at, sent again, never changed."""

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Permission

from notifications.models import Notification
from notifications.services import notify

pytestmark = pytest.mark.django_db
LIST = "/admin/notifications/notification/"


@pytest.fixture
def desk(client, staff):
    client.force_login(staff)
    return client


def test_staff_send_a_message_again(desk, alice):
    notify("booked", "booked:payment:1", {}, user=alice)
    notification = Notification.objects.get()
    Notification.objects.update(state="GIVEN_UP", next_check_at=None, last_error="refused")
    assert "refused" in desk.get(LIST).content.decode()

    desk.post(LIST, {"action": "send_once_more", ACTION_CHECKBOX_NAME: [notification.pk]})

    assert Notification.objects.get().state == "WAITING"


def test_who_may_only_look_sends_nothing(client, alice):
    alice.is_staff = True
    alice.save()
    alice.user_permissions.add(Permission.objects.get(codename="view_notification"))
    client.force_login(alice)
    notify("booked", "booked:payment:1", {}, user=alice)
    Notification.objects.update(state="GIVEN_UP", next_check_at=None)
    assert client.get(LIST).status_code == 200

    client.post(LIST, {"action": "send_once_more", ACTION_CHECKBOX_NAME: [Notification.objects.get().pk]})

    assert Notification.objects.get().state == "GIVEN_UP"


def test_nobody_changes_what_people_are_told(desk, alice):
    notify("booked", "booked:payment:1", {}, user=alice)
    page = f"{LIST}{Notification.objects.get().pk}/change/"
    assert desk.get(page).status_code == 200

    assert desk.post(page, {"email": "charlie@example.com"}).status_code == 403
    assert Notification.objects.get().email == "alice@example.com"
