"""Staff hear of what does not move, once a day; the dead-man address hears of a worker that does."""

from datetime import UTC, timedelta

import pytest
import requests
import responses
from django.utils import timezone

from notifications.models import Notification
from payment.models import Payment, PaymentAttempt, Refund, WebhookEvent
from payment.services.monitoring import run_checks
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from payment.states import Fulfilment
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

KEY = "k" * 40
BACKUPS = [
    (35, KEY, []),
    (37, KEY, ["backup_overdue"]),
    (None, KEY, ["backup_overdue"]),
    (None, "", []),
]

pytestmark = pytest.mark.django_db
ALIVE = "http://127.0.0.1:9/ping"


@pytest.fixture(autouse=True)
def staff_address(settings):
    settings.STAFF_EMAILS = ["ops@example.com"]


def told():
    return list(Notification.objects.filter(kind="alert").values_list("facts__rule", flat=True))


def ago(**span):
    return timezone.now() - timedelta(**span)


def test_a_quiet_day_alerts_nobody(settings):
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    make_payment()
    run_checks(1)

    assert told() == []


def test_a_payment_that_phonepe_does_not_decide_is_told_once_a_day():
    make_payment()
    PaymentAttempt.objects.update(expires_at=ago(hours=3))
    run_checks(1)
    run_checks(1)

    assert told() == ["payment_stuck"]


@pytest.mark.parametrize("said", [None, 0])
def test_money_of_which_phonepe_does_not_say_how_much_came_is_told_at_once(said):
    attempt = make_payment().attempts.get()
    apply_status(attempt.pk, completed(said), "webhook")
    apply_status(attempt.pk, completed(said), "worker")

    assert told() == ["amount_missing"]


def test_an_amount_that_came_before_is_not_missed_later():
    payment = make_payment()
    attempt = payment.attempts.get()
    apply_status(attempt.pk, completed(payment.amount_paise), "webhook")
    apply_status(attempt.pk, completed(None), "worker")

    assert told() == []


def test_money_that_waits_for_staff_is_told_again():
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(1), "worker")
    assert told() == ["amount_differs"]

    assert Payment.objects.get().fulfilment == Fulfilment.HELD_FOR_STAFF
    Payment.objects.update(created_at=ago(hours=2))
    run_checks(1)
    assert "money_waits" in told()


def test_a_refund_that_is_later_than_promised_is_told():
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    create_refund(payment.attempts.get(), 100, "a gesture", asked_by=None)
    Refund.objects.update(expected_by=ago(days=1))
    run_checks(1)

    assert told() == ["refund_stuck"]


def test_what_is_left_of_a_rehearsal_alerts_nobody(settings):
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    create_refund(payment.attempts.get(), 100, "a gesture", asked_by=None)
    Refund.objects.update(expected_by=ago(days=1))
    make_payment().attempts.update(expires_at=ago(hours=3))
    settings.PHONEPE_SIMULATION_MODE = False
    run_checks(1)
    assert told() == []

    PaymentAttempt.objects.update(simulated=False)
    run_checks(1)
    assert sorted(told()) == ["payment_stuck", "refund_stuck"]


def test_however_many_are_stuck_each_is_told():
    for _ in range(25):
        make_payment()
    PaymentAttempt.objects.update(expires_at=ago(hours=3))
    for _ in range(3):
        run_checks(1)

    assert told() == ["payment_stuck"] * 25


def test_what_phonepe_told_and_never_confirmed_is_told():
    attempt = make_payment().attempts.get()
    WebhookEvent.objects.create(
        digest="d", scheme="hmac", body=b"{}", event="pg.refund.completed", attempt=attempt, checks=40
    )
    run_checks(1)
    run_checks(1)

    assert told() == ["event_unconfirmed"]


@pytest.mark.parametrize(
    ("days", "rules"), [(3, ["event_unconfirmed"]), (30, ["event_unconfirmed"]), (32, [])]
)
def test_an_event_that_is_given_up_after_days_without_a_worker_is_told_as_well(days, rules):
    attempt = make_payment().attempts.get()
    WebhookEvent.objects.create(
        digest="d", scheme="hmac", body=b"{}", event="pg.refund.completed", attempt=attempt
    )
    WebhookEvent.objects.update(received_at=ago(days=days))
    run_checks(1)

    assert told() == rules


def test_payments_that_only_our_questions_confirm_are_told():
    for _ in range(5):
        payment = make_payment()
        apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    run_checks(1)

    assert told() == ["webhook_silence"]


@pytest.mark.parametrize(("hours", "key", "rules"), BACKUPS)
def test_a_backup_that_is_missing_or_too_old_is_told_once_a_day(settings, tmp_path, hours, key, rules):
    settings.BACKUP_DIR, settings.BACKUP_KEY = str(tmp_path), key
    for age in (hours and (hours, hours + 24)) or ():
        (tmp_path / f"okpuja-{ago(hours=age).astimezone(UTC):%Y%m%dT%H%M%SZ}.backup").touch()
    run_checks(1)
    run_checks(1)

    assert told() == rules


@responses.activate
def test_the_dead_man_address_hears_of_a_worker_that_works(settings):
    settings.DEAD_MAN_URL = ALIVE
    responses.get(ALIVE)
    assert [run_due(["watch"]), run_due(["watch"])] == [1, 0]

    assert len(responses.calls) == 1


@responses.activate
def test_it_hears_nothing_of_a_worker_that_is_late(settings):
    settings.DEAD_MAN_URL = ALIVE
    responses.get(ALIVE)
    make_payment()
    PaymentAttempt.objects.update(next_check_at=ago(minutes=6))
    run_checks(1)

    assert len(responses.calls) == 0
    assert told() == ["worker_overdue"]


@responses.activate
def test_a_dead_man_address_that_is_dead_itself_stops_nothing(settings):
    settings.DEAD_MAN_URL = ALIVE
    responses.get(ALIVE, body=requests.ConnectTimeout("no answer"))

    assert run_checks(1) > timezone.now()
