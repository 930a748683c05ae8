from datetime import timedelta

import pytest
from django.utils import timezone

from diagnostics import labour
from payment.models import DiagnosisRun, PaymentAttempt, WebhookEvent
from payment.states import AttemptState
from tests.unit.payment.builders import make_payment

pytestmark = pytest.mark.django_db


def due(seconds):
    payment = make_payment()
    moment = timezone.now() - timedelta(seconds=seconds)
    PaymentAttempt.objects.filter(payment=payment).update(next_check_at=moment)


def test_a_worker_without_work_may_be_idle():
    hop = labour.worker()
    assert hop.ok is True
    assert "idle" in hop.detail


def test_a_row_that_is_due_for_a_moment_is_no_reason_to_worry():
    due(20)
    assert labour.worker().ok is True


def test_a_row_that_is_due_for_minutes_means_that_no_worker_runs():
    due(200)
    hop = labour.worker()
    assert (hop.ok, hop.fault) == (False, "down")
    assert "200 s" in hop.detail or "201 s" in hop.detail


def seen(minutes):
    moment = timezone.now() - timedelta(minutes=minutes)
    DiagnosisRun.objects.create(asked_by=DiagnosisRun.AskedBy.WORKER, started_at=moment)


def paid(number, announced=False, **told):
    for _ in range(number):
        payment = make_payment()
        told = {"simulated": False, "decided_at": timezone.now() - timedelta(minutes=10)} | told
        attempt = payment.attempts.get()
        PaymentAttempt.objects.filter(pk=attempt.pk).update(
            state=AttemptState.COMPLETED, received_paise=attempt.amount_paise, **told
        )
        if announced:
            WebhookEvent.objects.create(
                digest=f"{attempt.pk}",
                scheme="hmac",
                body=b"{}",
                claimed_verdict="COMPLETED",
                attempt=attempt,
            )


def test_a_worker_that_looked_a_while_ago_is_alive(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    seen(minutes=6)
    assert labour.worker().ok is True


def test_a_worker_that_has_not_looked_for_long_is_down_though_nothing_is_due(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    seen(minutes=20)
    hop = labour.worker()
    assert (hop.ok, hop.fault) == (False, "down")
    assert "last seen" in hop.detail


def test_a_worker_that_never_looks_by_itself_is_not_missed_for_it(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 0
    seen(minutes=600)
    assert labour.worker().ok is True


def test_payments_that_were_all_found_by_asking_mean_that_phonepe_does_not_call_us():
    paid(5)
    hop = labour.webhook_silence()
    assert (hop.ok, hop.fault) == (False, "silent")


def test_one_call_among_them_proves_that_calls_come():
    paid(5)
    paid(1, announced=True)
    assert labour.webhook_silence().ok is True


def test_few_payments_say_nothing_about_calls():
    paid(4)
    assert labour.webhook_silence().ok is None


def test_play_money_and_the_last_minutes_say_nothing_about_calls():
    paid(5, simulated=True)
    paid(5, decided_at=timezone.now())
    assert labour.webhook_silence().ok is None
