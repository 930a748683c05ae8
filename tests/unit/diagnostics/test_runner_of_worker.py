"""The worker looks by itself."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from diagnostics import runner
from payment.models import DiagnosisRun, GatewayCall
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


def test_it_looks_once_in_its_time_and_asks_the_simulated_phonepe():
    assert run_due(["diagnosis"]) == 1
    assert run_due(["diagnosis"]) == 0
    run = DiagnosisRun.objects.get()
    assert (run.verdict, run.asked_by) == ("simulated", "worker")
    [endpoint] = run.answer["endpoints"]
    assert {layer["layer"]: layer["ok"] for layer in endpoint["ladder"]} == {
        "credentials": True,
        "contract": True,
    }


def test_what_it_saw_is_what_everybody_is_told():
    looks()
    assert runner.latest_report()["checks"] == DiagnosisRun.objects.get().answer["checks"]
    assert DiagnosisRun.objects.count() == 1


def test_it_can_be_told_not_to_look(settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 0
    failing(5)
    assert looks() == 0


def test_payments_that_start_to_fail_make_it_look_at_once():
    looked_before(seconds_ago=60)
    failing(2)
    assert looks() == 0
    failing(1)
    assert looks() == 1
    assert looks() == 0


def test_failures_that_somebody_has_looked_into_need_no_other_look():
    looked_before(seconds_ago=300)
    failing(3, seconds_ago=30)
    looked_before(seconds_ago=5)
    assert looks() == 0


def test_failures_of_long_ago_and_calls_that_went_well_are_no_reason():
    looked_before(seconds_ago=300)
    failing(5, seconds_ago=200)
    failing(5, category="")
    assert looks() == 0


def test_of_many_workers_one_looks():
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
