"""Once a night for all workers: compared, kept, told to staff; never mended."""

from datetime import date, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from notifications.models import Notification
from payment.models import Payment, PaymentAttempt, Reconciliation, WorkLease
from payment.reconciliation import runs
from payment.reconciliation.runs import MOST_DAYS, days_due, reconcile
from payment.services import leases
from tests.harness.races import at_once
from worker.jobs import COMPARISON_LEASE, run_due

pytestmark = pytest.mark.django_db(transaction=True)


def compares() -> int:
    return run_due(["reconcile"], limit=1)


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
    assert not Notification.objects.filter(kind="alert").exists()


def test_a_difference_is_told_to_staff_and_left_as_it_is(day, yesterday):
    day.pays(yesterday)
    run_due(["reconcile"])

    (told,) = Notification.objects.filter(kind="alert").values_list("facts", flat=True)
    assert (told["rule"], told["differences"]) == ("books_differ", "1 paid without booking")
    assert Reconciliation.objects.get().differences == 1
    assert Payment.objects.get().is_open


def test_it_is_done_once_a_day():
    assert [compares(), compares()] == [1, 0]


def test_two_workers_at_once_compare_once():
    assert sorted(at_once(*[compares] * 2)) == [0, 1]
    assert Reconciliation.objects.count() == 1


def test_what_a_dead_worker_left_is_taken_over_when_its_lease_has_ended():
    now = timezone.now()
    begin_nightly(ago(1))
    assert leases._claim("reconcile", ago(1).toordinal(), COMPARISON_LEASE)  # … and it is killed
    assert compares() == 0

    WorkLease.objects.update(held_until=now)
    assert compares() == 1
    assert Reconciliation.objects.get().finished_at


def compared() -> list[date]:
    return list(Reconciliation.objects.filter(asked_by="worker").order_by("pk").values_list("day", flat=True))


def ago(days: int) -> date:
    return timezone.localdate() - timedelta(days=days)


def first_order(days: int) -> None:
    PaymentAttempt.objects.update(created_at=timezone.now() - timedelta(days=days))


def test_a_week_without_a_worker_is_caught_up_the_oldest_day_first_each_once(opened):
    first_order(7)

    assert [compares() for _ in range(9)] == [1] * 7 + [0] * 2
    assert compared() == [ago(days) for days in range(7, 0, -1)]


def test_only_the_nights_that_were_missed_are_caught_up(opened):
    first_order(9)
    for days in (8, 7, 5):
        nightly(ago(days))
    done = compared()

    while compares():
        pass
    assert compared()[len(done) :] == [ago(days) for days in (9, 6, 4, 3, 2, 1)]


def test_no_more_than_a_month_is_caught_up(opened):
    first_order(400)

    assert days_due(timezone.now()) == [ago(days).toordinal() for days in range(MOST_DAYS, 0, -1)]


def test_days_before_the_first_order_are_not_compared(opened):
    first_order(2)

    assert days_due(timezone.now()) == [ago(2).toordinal(), ago(1).toordinal()]


@pytest.mark.parametrize(("hour", "last"), [(0, 12), (2, 12), (3, 13), (12, 13), (23, 13)])
def test_a_day_is_owed_when_the_night_after_it_has_ended_whatever_the_hour_is(
    opened, monkeypatch, hour, last
):
    monkeypatch.setattr(runs, "NIGHT_ENDS", 3)
    now = timezone.make_aware(datetime(2026, 6, 14, hour, 1))
    PaymentAttempt.objects.update(created_at=now - timedelta(days=3))

    assert days_due(now) == [date(2026, 6, day).toordinal() for day in range(11, last + 1)]


def test_what_a_person_compares_does_not_take_the_place_of_the_night(opened, day):
    first_order(1)
    reconcile(ago(1))

    assert compares() == 1


def test_a_difference_of_a_missed_night_is_told_with_its_day(day, opened):
    day.pays(opened)
    first_order(3)
    while compares():
        pass

    (told,) = Notification.objects.filter(kind="alert").values_list("facts", flat=True)
    assert (told["day"], told["differences"]) == (str(ago(3)), "1 paid without booking")


def test_two_workers_at_once_share_the_missed_nights_and_compare_each_once(opened):
    first_order(4)

    assert at_once(*[lambda: [compares() for _ in range(4)]] * 2)
    while compares():
        pass
    assert sorted(compared()) == [ago(days) for days in range(4, 0, -1)]


def test_the_database_keeps_one_nightly_comparison_of_a_day():
    nightly(ago(1))
    with pytest.raises(IntegrityError):
        nightly(ago(1))


def test_a_night_that_kills_its_worker_does_not_keep_the_others_waiting(opened):
    first_order(2)
    begin_nightly(ago(2))
    assert leases._claim("reconcile", ago(2).toordinal(), COMPARISON_LEASE)  # … and the worker is killed

    assert [compares(), compares()] == [1, 0]
    assert Reconciliation.objects.get(day=ago(1)).finished_at


def test_a_night_in_which_phonepe_did_not_answer_is_compared_again(day, opened):
    first_order(1)
    day.pays(opened)
    day.phonepe.inject_fault("status", "status_503", times=50)
    assert compares() == 1
    assert Reconciliation.objects.get().report["counts"] == {"PhonePe was not asked": 1}
    assert compares() == 0

    day.phonepe.clear_faults()
    earlier = timezone.now() - timedelta(hours=1)
    Reconciliation.objects.update(compare_again_at=earlier)
    assert [compares(), compares()] == [1, 0]
    assert Reconciliation.objects.get().report["counts"] == {"paid without booking": 1}
    told = Notification.objects.filter(kind="alert").values_list("facts__differences", flat=True)
    assert sorted(told) == ["1 PhonePe was not asked", "1 paid without booking"]


def test_however_often_people_compare_no_night_is_compared_anew(day, opened, monkeypatch):
    first_order(3)
    while compares():
        pass
    monkeypatch.setattr(runs, "ROWS_KEPT", 1)
    for _ in range(3):
        day.compare()

    assert Reconciliation.objects.count() == 4
    assert compares() == 0


def begin_nightly(day):
    """The row as it is while a worker compares."""
    return Reconciliation.objects.create(
        day=day, asked_by="worker", occasion=f"nightly {day}", started_at=timezone.now()
    )


def nightly(day: date) -> None:
    now = timezone.now()
    Reconciliation.objects.create(day=day, asked_by="worker", started_at=now, finished_at=now)


def test_it_waits_for_the_night_to_end(monkeypatch):
    monkeypatch.setattr(runs, "NIGHT_ENDS", 24)
    assert compares() == 0


def test_it_can_be_switched_off(settings):
    settings.RECONCILE_NIGHTLY = False
    assert compares() == 0


def test_old_comparisons_are_forgotten(monkeypatch, day):
    monkeypatch.setattr(runs, "ROWS_KEPT", 2)
    for _ in range(4):
        day.compare()

    assert Reconciliation.objects.count() == 2
