"""What goes to whom: nothing but codes and money to an unconfirmed address, and not too much to any."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from notifications.messages import write
from notifications.models import Notification
from notifications.services import ABOUT_LOGIN, AT_WORK, BY_STAFF, MONEY_CAME, notify
from tests.unit.notifications.samples import FACTS, PAYMENT
from worker.jobs import run_due

pytestmark = pytest.mark.django_db
OTHERS = {"pending", "failed", "paying_works", "promo_code", "waiting_offer", "waiting_over"}


@pytest.fixture(autouse=True)
def outbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.MAILS_PER_ADDRESS = 3


def send(kind: str, key: str, user) -> Notification:
    notify(kind, key, FACTS[kind] | {"payment_id": 0}, user=user)
    run_due(["notifications"])
    return Notification.objects.get(key=key)


def test_every_kind_of_message_is_sorted():
    assert {*FACTS} <= {*MONEY_CAME, *ABOUT_LOGIN, *AT_WORK, *BY_STAFF} | OTHERS
    assert not OTHERS & {*MONEY_CAME, *ABOUT_LOGIN}


@pytest.mark.parametrize("kind", sorted(OTHERS))
def test_an_unconfirmed_address_hears_of_no_money_that_did_not_come(charlie, alice, kind):
    notify(kind, "one", PAYMENT, user=charlie)
    notify(kind, "two", PAYMENT, user=alice)
    assert [each.user for each in Notification.objects.all()] == [alice]


def test_money_that_came_is_told_without_a_name_to_an_unconfirmed_address(charlie, alice):
    charlie.first_name = "You have won"
    charlie.save()
    for person, has_name in ((charlie, False), (alice, True)):
        message = write(Notification(kind="booked", facts=FACTS["booked"], user=person))
        assert (person.first_name in message.text) is has_name
        assert (person.first_name in message.html) is has_name


def test_a_name_from_before_is_written_without_its_lure(alice):
    type(alice).objects.update(first_name="Win\r\nBcc: x", last_name="https://evil.example\u202e")
    alice.refresh_from_db()
    message = write(Notification(kind="booked", facts=FACTS["booked"], user=alice))
    assert "Namaste Win Bcc: x […]," in message.text
    assert "evil" not in message.text + message.html


def test_an_address_gets_so_many_mails_a_day_and_money_is_told_the_next(alice):
    for number in range(3):
        assert send("booked", f"booked:{number}", alice).state == "SENT"
    code, late = send("pending", "pending:9", alice), send("booked", "booked:9", alice)

    assert code.state == "DROPPED"
    assert (late.state, late.checks) == ("WAITING", 0)
    assert timedelta(hours=23) < late.next_check_at - timezone.now() <= timedelta(days=1)
    assert len(mail.outbox) == 3

    Notification.objects.filter(state="SENT").update(sent_at=timezone.now() - timedelta(hours=25))
    Notification.objects.filter(pk=late.pk).update(next_check_at=timezone.now())
    run_due(["notifications"])
    assert Notification.objects.get(pk=late.pk).state == "SENT"


def test_the_limit_is_of_one_address(alice, charlie):
    for number in range(3):
        send("booked", f"booked:{number}", alice)
    assert send("booked", "booked:charlie", charlie).state == "SENT"
