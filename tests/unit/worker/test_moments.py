"""One statement says which kinds of work are due, and when the next one will be."""

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from notifications.models import Notification
from notifications.services import notify
from payment.models import DiagnosisRun, GatewayCall, WorkLease
from payment.reconciliation import runs
from payment.services.leases import WHOLE_KIND
from tests.unit.worker.broken import BROKEN
from worker.jobs import KINDS, run_due
from worker.moments import EVER, _statement, read_due_moments

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)
ROWS = sorted(BROKEN.keys() - {"reconcile"})  # which days are to be compared, is no matter of rows


@pytest.fixture(autouse=True)
def no_diagnosis(settings, phonepe):
    settings.DIAGNOSIS_EVERY_MINUTES = 0


def lease(kind, row, until, taken=None):
    now = timezone.now()
    return WorkLease.claim(kind, row, taken or now, until)


def tell(alice, after=timedelta()):
    notify("received", "one", {"amount_paise": 100}, user=alice)
    Notification.objects.update(next_check_at=timezone.now() + after)
    return Notification.objects.get()


def rest(kind="watch"):
    """The checks of each minute have been made."""
    lease(kind, WHOLE_KIND, timezone.now() + MINUTE)


@pytest.mark.parametrize("kind", ROWS)
def test_a_due_row_of_each_kind_is_found(kind, settings, monkeypatch):
    settings.DIAGNOSIS_EVERY_MINUTES = 60 * 24 * 365 if kind == "diagnosis" else 0
    settings.STAFF_EMAILS = ["ops@example.com"]
    monkeypatch.setattr(runs, "NIGHT_ENDS", 0)
    BROKEN[kind].make()

    assert kind in read_due_moments().due


@pytest.mark.parametrize("kind", ROWS)
def test_a_kind_that_waits_because_it_failed_is_not_found(kind):
    BROKEN[kind].make()
    lease(kind, WHOLE_KIND, timezone.now() + MINUTE)

    assert kind not in read_due_moments().due - {"diagnosis"}


def test_nothing_is_due_in_an_empty_installation():
    rest()

    found = read_due_moments()
    assert found.due == frozenset()
    assert timedelta() < found.next_at - found.now <= MINUTE  # the next checks


def test_one_statement_asks_for_all_kinds(django_assert_num_queries, alice):
    tell(alice)
    with django_assert_num_queries(1):
        read_due_moments()


def test_the_next_moment_is_that_of_the_next_row(alice):
    rest()
    told = tell(alice, timedelta(seconds=20))

    found = read_due_moments()
    assert found.due == frozenset()
    assert found.next_at == told.next_check_at


def test_a_row_that_somebody_works_on_is_found_when_the_lease_ends(alice):
    rest()
    told = tell(alice, -MINUTE)
    until = timezone.now() + timedelta(seconds=10)
    lease("notifications", told.pk, until)

    found = read_due_moments()
    assert "notifications" not in found.due
    assert found.next_at == until


def test_a_lease_of_a_clock_that_was_set_back_holds_nothing(alice):
    rest()
    told = tell(alice, -MINUTE)
    hour = timezone.now() + timedelta(hours=1)
    lease("notifications", told.pk, hour + MINUTE, taken=hour)

    found = read_due_moments()
    assert "notifications" in found.due
    assert found.next_at < hour


@pytest.mark.parametrize("failed", [2, 3])
def test_many_failed_calls_make_a_diagnosis_due_until_it_is_made(settings, failed):
    settings.DIAGNOSIS_EVERY_MINUTES = 60 * 24 * 365
    run_due(["diagnosis"])
    assert "diagnosis" not in read_due_moments().due
    DiagnosisRun.objects.update(started_at=timezone.now() - MINUTE)
    call = {"operation": "pay", "host": "h", "port": 443, "stage": "SENT", "milliseconds": 1}
    for _ in range(failed):
        GatewayCall.objects.create(**call, error_category="READ_TIMEOUT", started_at=timezone.now())

    assert ("diagnosis" in read_due_moments().due) == (failed == 3)
    run_due(["diagnosis"])
    assert "diagnosis" not in read_due_moments().due


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_whose_rows_become_due_in_time_names_their_column(kind):
    """Else its threads would be woken for rows that are not due yet, at every look."""
    job = KINDS[kind]
    rows = job.due(timezone.now())
    if isinstance(rows, QuerySet):
        depends_on_time = str(rows.query) != str(job.due(EVER).query)
        assert depends_on_time == bool(job.columns)
        named = [path.rpartition("__")[2] for path in job.columns]  # of a related row as well
        assert all(f'"{column}"' in str(rows.query) for column in named)


@pytest.mark.only_postgresql
def test_each_part_of_the_statement_is_answered_by_an_index():
    """With rows in the tables, none of them is read whole: what is asked each second must not grow with them."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")  # empty tables: the planner would not care
        sql, parameters = _statement("postgresql")
        cursor.execute(f"EXPLAIN {sql}", parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    scanned = {
        line.partition("Seq Scan on ")[2].split()[0] for line in plan.splitlines() if "Seq Scan on" in line
    }

    assert scanned <= set(), plan
