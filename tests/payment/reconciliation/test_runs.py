"""Once a night for all workers: compared, kept, told to staff; never mended."""

from datetime import timedelta

import pytest
from django.utils import timezone

from notices.models import Notice
from payment.models import Payment, PaymentAttempt, Reconciliation
from payment.reconciliation import runs
from payment.reconciliation.runs import reconcile_if_due
from payment.work import run_due
from tests.races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def after_the_night(settings, monkeypatch):
    settings.RECONCILE_NIGHTLY = True
    settings.STAFF_EMAILS = ["ops@example.com"]
    monkeypatch.setattr(runs, "NIGHT_ENDS", 0)


@pytest.fixture
def yesterday(opened):
    PaymentAttempt.objects.update(created_at=timezone.now() - timedelta(days=1))
    return opened


def test_a_clean_day_is_kept_and_nobody_is_told(yesterday):
    assert run_due(["reconcile"]) == 1

    run = Reconciliation.objects.get()
    assert (run.day, run.is_clean) == (timezone.localdate() - timedelta(days=1), True)
    assert run.report["asked"] == 1
    assert not Notice.objects.filter(kind="alert").exists()


def test_a_difference_is_told_to_staff_and_left_as_it_is(day, yesterday):
    day.pays(yesterday)
    run_due(["reconcile"])

    (told,) = Notice.objects.filter(kind="alert").values_list("facts", flat=True)
    assert (told["rule"], told["differences"]) == ("books_differ", "1 paid without booking")
    assert Reconciliation.objects.get().differences == 1
    assert Payment.objects.get().is_open


def test_it_is_done_once_a_day():
    assert [reconcile_if_due(1), reconcile_if_due(1)] == [1, 0]


def test_two_workers_at_once_compare_once():
    assert sorted(at_once(*[lambda: reconcile_if_due(1)] * 2)) == [0, 1]
    assert Reconciliation.objects.count() == 1


def test_what_a_dead_worker_left_is_taken_over_when_its_lease_has_ended():
    now = timezone.now()
    assert runs._claimed(runs.yesterday(), now)  # … and the worker is killed
    assert reconcile_if_due(1) == 0

    Reconciliation.objects.update(lease_until=now - timedelta(seconds=1))
    assert reconcile_if_due(1) == 1
    assert Reconciliation.objects.get().finished_at


def test_it_waits_for_the_night_to_end(monkeypatch):
    monkeypatch.setattr(runs, "NIGHT_ENDS", 24)
    assert reconcile_if_due(1) == 0


def test_it_can_be_switched_off(settings):
    settings.RECONCILE_NIGHTLY = False
    assert reconcile_if_due(1) == 0


def test_old_comparisons_are_forgotten(monkeypatch, day):
    monkeypatch.setattr(runs, "ROWS_KEPT", 2)
    for _ in range(4):
        day.compare()

    assert Reconciliation.objects.count() == 2
