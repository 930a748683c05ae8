"""Promo codes that staff send by mail."""

import pytest
from django.utils import timezone

from booking.models import PromoCode
from notifications.models import Notification
from payment.services.notification_delivery import reason_to_drop
from tests.harness import builders

pytestmark = pytest.mark.django_db

SEND = "/api/promo/admin/promos/send-email/"


@pytest.fixture
def desk(api, staff):
    return api(staff)


def send(desk, codes, *people):
    body = {"promo_ids": [promo.pk for promo in codes], "user_emails": [*people]}
    return desk.post(SEND, body, format="json")


def test_a_code_goes_to_people_with_a_confirmed_address_and_to_nobody_else(desk, alice, charlie):
    promo = builders.make_promo("TEN", min_order_paise=50_000, expires_at=builders.in_days(9))
    answer = send(desk, [promo], "Alice@example.com", charlie.email, "stranger@example.com")

    assert (answer.status_code, answer.json()["sent_count"]) == (200, 1)
    mail = Notification.objects.get()
    assert (mail.user, mail.kind, mail.facts["code"], mail.facts["percent"]) == (
        alice,
        "promo_code",
        "TEN",
        10,
    )


def test_the_same_code_goes_once_and_three_a_day_at_most(desk, alice):
    codes = [builders.make_promo(f"CODE{number}") for number in range(5)]
    counts = [send(desk, [codes[0]], alice.email).json()["sent_count"] for _ in range(2)]
    counts.append(send(desk, codes, alice.email).json()["sent_count"])

    assert counts == [1, 0, 2]
    assert Notification.objects.count() == 3


def test_a_code_for_assigned_people_is_theirs_when_it_is_sent(desk, api, alice):
    promo = builders.make_promo("OURS", code_type=PromoCode.CodeType.USER_SPECIFIC)
    send(desk, [promo], alice.email)

    assert [*promo.assigned_users.all()] == [alice]
    assert [row["code"] for row in api(alice).get("/api/promo/user/promos/").json()["results"]] == ["OURS"]


def test_a_code_that_ended_meanwhile_is_not_sent(desk, alice):
    promo = builders.make_promo("TEN")
    send(desk, [promo], alice.email)
    mail = Notification.objects.get()
    assert reason_to_drop(mail) == ""
    PromoCode.objects.update(expires_at=timezone.now())
    assert reason_to_drop(mail) == "the promo code is not valid any more"


@pytest.mark.parametrize(
    "body",
    [
        {"promo_ids": [], "user_emails": ["alice@example.com"]},
        {"promo_ids": [10**9], "user_emails": ["alice@example.com"]},
        {"promo_ids": [1], "user_emails": ["nobody"]},
        {"promo_ids": [1], "user_emails": ["a@example.com"] * 101},
        {"promo_ids": [*range(1, 12)], "user_emails": ["a@example.com"]},
    ],
)
def test_what_cannot_be_sent_is_refused(desk, alice, body):
    builders.make_promo("TEN")

    assert desk.post(SEND, body, format="json").status_code == 400
    assert not Notification.objects.exists()


def test_a_code_that_is_switched_off_is_refused(desk, alice):
    assert send(desk, [builders.make_promo("OFF", is_active=False)], alice.email).status_code == 400


def test_only_who_may_change_codes_sends_them(api, alice):
    assert [client.post(SEND, {}).status_code for client in (api(), api(alice))] == [401, 403]
