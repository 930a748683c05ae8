"""Short messages to phones: who gets which, what stands in them, and what becomes of one that cannot be sent."""

import re
from datetime import timedelta
from typing import ClassVar

import pytest
import requests
from django.core import mail
from django.core.checks import run_checks
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Slot
from booking.services.waiting_list import join
from notifications.message_sender import TEXTS, TextMessage
from notifications.models import Notification
from notifications.sending import PAUSES
from notifications.services import MONEY_CAME, notify
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import cancel_booking
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = "+919876543210"


class ToPhone:
    sent: ClassVar[list[TextMessage]] = []
    fails: ClassVar[list[Exception]] = []

    def __call__(self, message, timeout):
        assert timeout == 10
        self.sent.append(message)
        if self.fails:
            raise self.fails.pop(0)


@pytest.fixture(autouse=True)
def phones(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.MESSAGE_SENDER = f"{__name__}.ToPhone"
    ToPhone.sent.clear()
    ToPhone.fails.clear()
    return ToPhone.sent


@pytest.fixture
def booking(alice, package, slot):
    User.objects.filter(pk=alice.pk).update(phone=PHONE, first_name="Alice", last_name="Rao")
    alice.refresh_from_db()
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.select_related("user", "checkout").get()


def texts():
    return Notification.objects.filter(channel=Notification.Channel.TEXT)


def try_again():
    texts().update(next_check_at=timezone.now())
    run_due(["notifications"])


def test_who_books_hears_of_it_by_mail_and_on_their_phone(booking, phones):
    run_due(["notifications"])

    [message] = phones
    assert (message.kind, message.phone, message.language) == ("booked", PHONE, "en")
    assert booking.book_id in message.text
    assert message.values["puja"] == booking.checkout.puja_title
    for private in (booking.user.email, "Alice", "Rao", "₹", "http", PHONE):
        assert private not in message.text
    assert [each.to for each in mail.outbox] == [[booking.user.email]]


def test_in_hindi_it_has_no_english_month(booking, phones):
    User.objects.update(language="hi")
    Notification.objects.update(language="hi")
    run_due(["notifications"])

    assert not re.search(
        r"\b(January|February|March|April|May|June|July|August|September|October"
        r"|November|December)\b",
        phones[0].values["starts_at"],
    )


def test_without_a_phone_or_without_the_plug_there_is_the_mail_alone(alice, settings, phones):
    facts = {"puja": "Ganesh", "starts_at": "2026-12-01T10:00:00+05:30", "book_id": "BK-1"}
    User.objects.filter(pk=alice.pk).update(phone=None)
    alice.refresh_from_db()
    notify("reminder", "one", facts, user=alice)
    alice.phone = PHONE
    settings.MESSAGE_SENDER = ""
    notify("reminder", "two", facts, user=alice)

    assert [each.channel for each in Notification.objects.all()] == ["PERSON", "PERSON"]


def test_a_cancelled_booking_is_told_and_what_is_no_longer_true_is_not(booking, phones):
    cancel_booking(booking, "cannot come")
    run_due(["notifications"])

    assert [message.kind for message in phones] == ["cancelled"]
    assert texts().get(kind="booked").state == Notification.State.DROPPED


def test_one_phone_gets_so_many_texts_a_day_whoever_names_it(booking, alice, charlie, settings, phones):
    """A stranger who registers accounts with the phone of somebody else cannot fill it, at our cost."""
    settings.TEXTS_PER_PHONE = 3
    User.objects.filter(pk=charlie.pk).update(phone=PHONE, email_confirmed_at=timezone.now())
    charlie.refresh_from_db()
    facts = {"puja": "Ganesh", "starts_at": "2026-12-01T10:00:00+05:30"}
    run_due(["notifications"])
    for number in range(4):
        notify("waiting_over", f"over:{number}", facts, user=(alice, charlie)[number % 2])
    run_due(["notifications"])

    assert len(phones) == 3
    dropped = texts().filter(state=Notification.State.DROPPED)
    assert [each.dropped_because for each in dropped] == ["too many messages to this phone today"] * 2
    mails = Notification.objects.filter(channel=Notification.Channel.PERSON)
    assert not mails.exclude(state=Notification.State.SENT).exists()

    texts().filter(state=Notification.State.SENT).update(sent_at=timezone.now() - timedelta(hours=25))
    notify("waiting_over", "over:next", facts, user=charlie)
    run_due(["notifications"])
    assert len(phones) == 4


def test_a_failed_try_is_repeated_with_the_same_id_and_then_given_up(booking, phones):
    ToPhone.fails.extend(requests.ConnectionError(f"no answer about {PHONE}") for _ in range(99))
    run_due(["notifications"])
    waiting = texts().get()
    assert waiting.state == Notification.State.WAITING
    assert waiting.next_check_at - timezone.now() < timedelta(seconds=61)
    assert PHONE not in waiting.last_error
    for _ in PAUSES:
        try_again()

    assert texts().get().state == Notification.State.GIVEN_UP
    assert len({message.id for message in phones}) == 1
    assert len(phones) == len(PAUSES) + 1


def test_what_can_never_be_sent_is_given_up_at_once(booking, phones, caplog):
    ToPhone.fails.append(ValueError(f"{PHONE} is no number"))
    run_due(["notifications"])

    given_up = texts().get()
    assert (given_up.state, given_up.checks) == (Notification.State.GIVEN_UP, 1)
    assert PHONE not in given_up.last_error + caplog.text
    assert len(mail.outbox) == 1


def test_who_has_taken_their_phone_away_gets_no_more(booking, phones):
    User.objects.update(phone=None)
    run_due(["notifications"])
    assert phones == []
    assert texts().get().state == Notification.State.DROPPED


def test_a_place_that_is_kept_is_told_on_the_phone(alice, charlie, package, slot, phones):
    Slot.objects.filter(pk=slot.pk).update(capacity=1, booked=1)
    User.objects.filter(pk=charlie.pk).update(phone=PHONE, email_confirmed_at=timezone.now())
    charlie.refresh_from_db()
    join(charlie, slot.pk, package.pk)
    Slot.objects.filter(pk=slot.pk).update(booked=0)
    run_due(["waiting", "notifications"])

    [message] = phones
    assert message.kind == "waiting_offer"
    assert message.values.keys() == {"puja", "starts_at", "until"}


def test_every_text_is_about_something_that_is_mailed_too():
    assert TEXTS.keys() - {*MONEY_CAME} == {"waiting_offer", "waiting_over"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", []),
        (f"{__name__}.ToPhone", []),
        ("notifications.nowhere.Sender", ["notifications.E001"]),
        (f"{__name__}.PHONE", ["notifications.E002"]),
    ],
)
def test_a_plug_that_cannot_work_is_told_when_a_command_starts(settings, path, found):
    settings.MESSAGE_SENDER = path
    assert [each.id for each in run_checks() if each.id.startswith("notifications")] == found
