"""The worker looks by itself."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from diagnostics import runner
from diagnostics.runner import run_diagnosis
from payment.models import DiagnosisRun, GatewayCall
from tests.harness.processes import eventually
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


def looks() -> int:
    return run_due(["diagnosis"])


@pytest.fixture(autouse=True)
def every_day(settings):
    """So seldom that a test does not meet the next turn."""
    settings.DIAGNOSIS_EVERY_MINUTES = 60 * 24 * 365


def failing(number, seconds_ago=10, category="CONNECTION_REFUSED"):
    for _ in range(number):
        GatewayCall.objects.create(
            operation="pay",
            endpoint="https://api.phonepe.com",
            host="api.phonepe.com",
            port=443,
            stage="RESOLVED",
            milliseconds=1,
            error_category=category,
            started_at=timezone.now() - timedelta(seconds=seconds_ago),
        )


def looked_before(seconds_ago):
    assert looks() == 1
    newest = DiagnosisRun.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    DiagnosisRun.objects.filter(pk__in=list(newest)).update(
        started_at=timezone.now() - timedelta(seconds=seconds_ago)
    )


def test_the_worker_diagnoses_once_in_its_interval_with_a_status_request():
    assert run_due(["diagnosis"]) == 1
    assert run_due(["diagnosis"]) == 0
    run = DiagnosisRun.objects.get()
    assert (run.verdict, run.asked_by) == ("simulated", "worker")
    [endpoint] = run.answer["endpoints"]
    assert {layer["layer"]: layer["ok"] for layer in endpoint["ladder"]} == {
        "credentials": True,
        "contract": True,
    }


def test_the_report_of_the_worker_is_the_one_that_everyone_gets():
    looks()
    assert runner.latest_report()["checks"] == DiagnosisRun.objects.get().answer["checks"]
    assert DiagnosisRun.objects.count() == 1


def test_the_diagnoses_of_the_worker_can_be_disabled(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 0
    failing(5)
    assert looks() == 0


def test_failing_payments_start_a_diagnosis_at_once():
    looked_before(seconds_ago=60)
    failing(2)
    assert looks() == 0
    failing(1)
    assert looks() == 1
    assert looks() == 0


def test_failing_payments_and_the_regular_diagnosis_are_one():
    """Else the second one is due at once, and its row seems to make no progress."""
    failing(5)
    assert looks() == 1
    assert looks() == 0
    assert DiagnosisRun.objects.get().occasion.startswith(runner.REGULAR)


def test_failures_before_the_last_diagnosis_start_no_other():
    looked_before(seconds_ago=300)
    failing(3, seconds_ago=30)
    looked_before(seconds_ago=5)
    assert looks() == 0


def test_old_failures_and_successful_calls_start_no_diagnosis():
    looked_before(seconds_ago=300)
    failing(5, seconds_ago=200)
    failing(5, category="")
    assert looks() == 0


def test_of_many_workers_one_diagnoses():
    barrier, looked = threading.Barrier(4), []

    def work():
        barrier.wait()
        looked.append(looks())
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(looked) == [0, 0, 0, 1]
    assert DiagnosisRun.objects.count() == 1


@pytest.mark.slow
def test_a_lock_that_begins_during_a_diagnosis_does_not_hold_the_worker_up(real_v1, control, phonepe_server):
    """Saving waits for two seconds of the ten; the report is there for everyone all the same."""
    real_v1.PHONEPE_BASE_URL = f"http://127.0.0.1:{phonepe_server.port}/apis/pg-sandbox"
    phonepe_server.is_mute = True
    saved, began = threading.Event(), []

    def lock():
        eventually(lambda: phonepe_server.questions, "the status request arrives")
        time.sleep(1.5)  # the checks of our own database have ended
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("LOCK TABLE payment_diagnosisrun IN ACCESS EXCLUSIVE MODE")
            began.append(time.monotonic())
            phonepe_server.over.set()  # now PhonePe answers
            saved.wait(30)
        connection.close()

    holder = threading.Thread(target=lock)
    holder.start()
    try:
        run_diagnosis(0)
        took = time.monotonic() - began[0]
    finally:
        saved.set()
        holder.join()
    assert took < 4
    assert runner.latest_report()["verdict"] == "ok"
    if connection.vendor == "sqlite":  # PostgreSQL writes it as soon as the lock is gone
        assert DiagnosisRun.objects.get().finished_at is None
