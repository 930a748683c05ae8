"""Out of the outbox: at least once, recognisable when repeated; a dead mail server delays mail and nothing else."""

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
import responses
from django.utils import timezone

from core.logging import JsonFormatter
from notifications.models import Notification
from notifications.sending import PAUSES, Attachments, pause_after, send
from notifications.services import alert, notify
from tests.harness.mail_server import mail_server
from tests.harness.network import refusing_port, silent_port
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)
FACTS = {
    "reference": "OKP1",
    "amount_paise": 110000,
    "book_id": "BK-ABCDEFGH",
    "puja": "Griha Pravesh",
    "starts_at": "2026-11-28T10:30:00+05:30",
}


@pytest.fixture
def smtp(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 1
    return settings


@pytest.fixture
def notification(alice):
    notify("booked", "booked:payment:1", FACTS, user=alice)
    return Notification.objects.get()


def make_due():
    Notification.objects.filter(state="WAITING").update(next_check_at=timezone.now() - timedelta(seconds=1))


def test_a_person_gets_one_mail_in_two_forms_with_the_receipt(smtp, notification):
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        send(
            notification,
            lambda notification: Attachments("https://shop.example/pay/1", {"receipt.pdf": b"%PDF-1.7"}),
        )

    (mail,) = server.mails
    assert mail["To"] == "alice@example.com"
    assert mail["Subject"] == "Booking BK-ABCDEFGH confirmed: Griha Pravesh"
    assert mail["Message-ID"] == notification.message_id
    for form in ("plain", "html"):
        said = mail.get_body((form,)).get_content()
        assert "₹1,100.00" in said
        assert "Saturday, 28 November 2026" in said
        assert "https://shop.example/pay/1" in said
    assert [part.get_filename() for part in mail.iter_attachments()] == ["receipt.pdf"]
    assert Notification.objects.get().state == "SENT"


def test_the_worker_sends_what_is_due_once(smtp, notification):
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        assert run_due(["notifications"]) == 1
        assert run_due(["notifications"]) == 0

    assert len(server.mails) == 1
    assert Notification.objects.get().sent_at


def test_messages_of_one_moment_go_out_in_the_order_they_were_written_in(alice, mailoutbox):
    for number in range(3):
        notify("booked", f"booked:payment:{number}", FACTS | {"book_id": f"BK-{number}"}, user=alice)
    first = Notification.objects.get(key="booked:payment:0")
    first.save()  # PostgreSQL keeps it behind the others from now on
    make_due()
    for _ in range(3):
        run_due(["notifications"], limit=1)

    assert [mail.subject.split()[1] for mail in mailoutbox] == ["BK-0", "BK-1", "BK-2"]


def test_a_mail_whose_sender_was_killed_goes_out_again_and_is_recognised(smtp, notification):
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        run_due(["notifications"])
        Notification.objects.update(state="WAITING", sent_at=None)  # killed before it was written down
        make_due()
        run_due(["notifications"])

    assert len(server.mails) == 2
    assert len({mail["Message-ID"] for mail in server.mails}) == 1


def test_an_address_that_was_corrected_is_the_one_it_goes_to(notification, alice, mailoutbox):
    alice.email = "alice@example.org"
    alice.save()
    run_due(["notifications"])

    (mail,) = mailoutbox
    assert mail.to == ["alice@example.org"]
    assert mail.extra_headers["Message-ID"] == notification.message_id
    assert Notification.objects.get().email == "alice@example.org"


def test_what_was_sent_is_not_sent_again_when_its_lease_ends(smtp, notification):
    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        send(notification, lambda notification: Attachments())
        run_due(["notifications"])  # its next_check_at still stands

    assert len(server.mails) == 1
    assert Notification.objects.get().next_check_at is None


def test_a_failed_try_of_what_a_second_worker_has_sent_changes_nothing_and_alerts_nobody(
    notification, alerts
):
    def sent_meanwhile(_: Notification) -> Attachments:
        Notification.objects.filter(pk=notification.pk).update(state=Notification.State.SENT)
        raise ValueError("an address that no mail can carry")

    send(notification, sent_meanwhile)

    assert Notification.objects.get().state == notification.state == Notification.State.SENT
    assert alerts() == []


def test_a_mail_server_that_refuses_delays_the_mail(smtp, notification):
    smtp.EMAIL_PORT = refusing_port()
    run_due(["notifications"])

    waiting = Notification.objects.get()
    assert waiting.state == "WAITING"
    assert "refused" in waiting.last_error
    assert 50 < (waiting.next_check_at - timezone.now()).total_seconds() <= PAUSES[0]

    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        make_due()
        run_due(["notifications"])
    assert Notification.objects.get().state == "SENT"


def test_a_silent_mail_server_is_left_after_the_timeout(smtp, notification):
    with silent_port() as port:
        smtp.EMAIL_PORT = port
        run_due(["notifications"])

    assert Notification.objects.get().state == "WAITING"
    assert "timed out" in Notification.objects.get().last_error


@pytest.mark.parametrize(
    "answers",
    [{"RCPT": "450 box is busy"}, {"DATA": "451 local error"}, {"MAIL": "550 nobody may send from there"}],
)
def test_what_a_server_may_take_later_is_said_again(answers, smtp, notification):
    with mail_server() as server:
        smtp.EMAIL_PORT, server.answers = server.port, answers
        run_due(["notifications"])

    assert Notification.objects.get().state == "WAITING"
    assert answers.popitem()[1][4:] in Notification.objects.get().last_error


@pytest.mark.parametrize("answers", [{"RCPT": "550 no such box"}, {"DATA": "554 not wanted"}])
def test_what_a_server_refuses_for_good_is_given_up_at_once_and_staff_are_told(answers, smtp, notification):
    smtp.STAFF_EMAILS = ["ops@example.com"]
    with mail_server() as server:
        smtp.EMAIL_PORT, server.answers = server.port, answers
        run_due(["notifications"], limit=1)

    given_up = Notification.objects.get(kind="booked")
    assert (given_up.state, given_up.checks, given_up.next_check_at) == ("GIVEN_UP", 1, None)
    assert answers.popitem()[1][4:] in given_up.last_error
    assert Notification.objects.get(channel="STAFF").facts["message"] == given_up.key


def test_no_alert_and_no_log_carries_the_address_of_a_customer(smtp, notification, caplog):
    smtp.STAFF_EMAILS = ["ops@example.com"]
    with mail_server() as server:
        smtp.EMAIL_PORT, server.answers = server.port, {"RCPT": "550 <alice@example.com>: no such box"}
        run_due(["notifications"], limit=1)

    assert "no such box" in Notification.objects.get(channel="STAFF").facts["cause"]
    assert "alice" not in json.dumps(Notification.objects.get(channel="STAFF").facts)
    assert "alice" not in "".join(map(JsonFormatter().format, caplog.records))


def tries(how_many: int) -> None:
    """Rounds in which everything that waits has its turn: the mail, and the alerts of earlier rounds."""
    for _ in range(how_many):
        make_due()
        run_due(["notifications"], limit=Notification.objects.count())


def test_after_three_days_a_mail_that_is_always_put_off_is_given_up_and_staff_are_told(smtp, notification):
    smtp.STAFF_EMAILS = ["ops@example.com"]
    with mail_server() as server:
        smtp.EMAIL_PORT, server.answers = server.port, {"RCPT": "450 box is busy"}
        tries(len(PAUSES) + 1)

    given_up = Notification.objects.get(kind="booked")
    assert (given_up.state, given_up.next_check_at) == ("GIVEN_UP", None)
    assert sum(PAUSES) >= 2 * 24 * 3600
    told = Notification.objects.get(channel="STAFF")
    assert (told.facts["rule"], told.facts["message"]) == ("message_given_up", "booked:payment:1")


def test_a_mail_server_that_does_not_answer_uses_up_no_try(smtp, notification):
    """However long it is away, the mail waits for it, and staff hear of it every day."""
    smtp.EMAIL_PORT, smtp.STAFF_EMAILS = refusing_port(), ["ops@example.com"]
    tries(len(PAUSES) + 5)

    waiting = Notification.objects.get(kind="booked")
    assert waiting.state == "WAITING"
    assert (waiting.next_check_at - timezone.now()).total_seconds() > PAUSES[-1] - 60
    assert [alert.facts["rule"] for alert in Notification.objects.filter(channel="STAFF")] == [
        "messages_wait"
    ]
    Notification.objects.filter(channel="STAFF").delete()

    with mail_server() as server:
        smtp.EMAIL_PORT = server.port
        tries(1)
    assert Notification.objects.get().state == "SENT"


def test_news_of_two_weeks_ago_is_given_up_also_by_silence(smtp, notification):
    smtp.EMAIL_PORT, smtp.STAFF_EMAILS = refusing_port(), ["ops@example.com"]
    Notification.objects.update(created_at=timezone.now() - timedelta(days=15), checks=len(PAUSES))
    tries(1)

    assert Notification.objects.get(kind="booked").state == "GIVEN_UP"
    assert Notification.objects.get(channel="STAFF").facts["rule"] == "message_given_up"


def test_a_dead_mail_server_does_not_breed_alerts_about_alerts(smtp, db):
    smtp.EMAIL_PORT, smtp.STAFF_EMAILS = refusing_port(), ["ops@example.com"]
    alert("amount_differs", "payment:1", {})
    tries(len(PAUSES) + 1)

    assert Notification.objects.get().state == "WAITING"


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("booked", {"amount_paise": 110000}),
        ("booked", FACTS | {"amount_paise": "eleven hundred"}),
        ("booked", FACTS | {"starts_at": "tomorrow"}),
        ("no_such_kind", FACTS),
    ],
)
def test_what_cannot_be_written_is_given_up_and_stops_nobody_else(kind, facts, alice, mailoutbox, settings):
    settings.STAFF_EMAILS = ["ops@example.com"]
    notify(kind, "broken", facts, user=alice)
    notify("booked", "good", FACTS, user=alice)
    while run_due(["notifications"]):
        pass

    assert Notification.objects.get(key="broken").state == "GIVEN_UP"
    assert Notification.objects.get(key="broken").last_error.startswith("Unwritable")
    assert Notification.objects.get(key="good").state == "SENT"
    assert [mail.to for mail in mailoutbox] == [["alice@example.com"], ["ops@example.com"]]


def test_an_address_no_mail_can_carry_is_given_up(alice, settings):
    notify("booked", "booked:payment:1", FACTS, user=alice)
    type(alice).objects.update(email="alice@example.com\nBcc: all@example.com")
    run_due(["notifications"])

    assert Notification.objects.get().state == "GIVEN_UP"


def test_pauses_are_shorter_where_time_is(smtp, notification):
    smtp.EMAIL_PORT, smtp.PAYMENT_TIME_SCALE = refusing_port(), 60
    run_due(["notifications"])

    assert (Notification.objects.get().next_check_at - timezone.now()).total_seconds() <= 1


def test_staff_get_one_mail_for_all(mailoutbox, settings, db):
    settings.STAFF_EMAILS = ["ops@example.com", "owner@example.com"]
    alert("amount_differs", "payment:1", {"reference": "OKP1", "amount_paise": 110000})
    run_due(["notifications"])

    (mail,) = mailoutbox
    assert mail.to == ["ops@example.com", "owner@example.com"]
    assert "OKP1" in mail.subject
    assert "Nothing is booked until you decide" in mail.body


@responses.activate
def test_the_staffs_own_program_gets_signed_json(settings, db):
    settings.STAFF_WEBHOOK_URL, settings.STAFF_WEBHOOK_SECRET = "http://127.0.0.1:9/hook", "a-long-secret"
    responses.post(settings.STAFF_WEBHOOK_URL, status=204)
    alert("amount_differs", "payment:1", {"amount_paise": 110000})
    run_due(["notifications"])

    request = responses.calls[0].request
    digest = hmac.new(b"a-long-secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["X-OkPuja-Signature"] == f"sha256={digest}"
    told = json.loads(request.body)
    assert (told["rule"], told["case"], told["amount_paise"]) == ("amount_differs", "payment:1", 110000)
    assert Notification.objects.get().state == "SENT"


@pytest.mark.parametrize("status", [302, 400, 500])
@responses.activate
def test_a_program_that_does_not_take_the_alert_is_called_again(status, settings, db):
    settings.STAFF_WEBHOOK_URL = "http://127.0.0.1:9/hook"
    responses.post(settings.STAFF_WEBHOOK_URL, status=status, headers={"Location": "http://127.0.0.1:9/"})
    alert("amount_differs", "payment:1", {})
    run_due(["notifications"])

    assert Notification.objects.get().state == "WAITING"
    assert str(status) in Notification.objects.get().last_error


def test_nothing_is_due_after_the_end(notification):
    notification.state = "SENT"
    assert pause_after(notification) is None
