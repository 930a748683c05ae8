"""The scheduler wakes threads for due rows, by a notification or by its interval; the leases decide who gets a row."""

import signal
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from queue import SimpleQueue

import pytest
from django.core import mail
from django.db import connection, connections, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.codes import request
from accounts.models import CodeRequest, OneTimeCode
from notifications.models import Notification
from notifications.services import notify
from payment.models import WorkLease
from tests.harness.processes import eventually
from worker import wake_up
from worker.jobs import DATABASE_KINDS, KINDS, NOTIFICATION_KINDS
from worker.moments import DueMoments
from worker.scheduler import ASKED, DIED, Scheduler
from worker.wake_up import CHANNEL, PostgresWakeUp, SqliteWakeUp, make_wake_up

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 300.0  # seconds: what happens earlier was not found by the interval


@contextmanager
def scheduler(interval=NEVER, crews=((NOTIFICATION_KINDS, 2), (DATABASE_KINDS, 2))):
    ends, reasons = SimpleQueue(), []
    running = Scheduler(crews, interval)
    thread = threading.Thread(target=lambda: reasons.append(running.run(ends)))
    thread.start()
    try:
        yield running
    finally:
        ends.put(ASKED)
        thread.join(20)
    assert reasons == [ASKED]


@contextmanager
def listening(of=make_wake_up):
    one = of()
    one.listen()
    try:
        yield one
    finally:
        one.close()


def elsewhere(task):
    """On another connection, as another process would."""

    def run():
        task()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def tell(person, key="one"):
    notify("received", key, {"amount_paise": 100}, user=person)


def is_idle(running):
    return running._looks and not any(crew._due for crew in running.crews)


def all_are_sent(count=1):
    return Notification.objects.filter(state="SENT").count() == count


def test_what_another_process_writes_is_found_without_waiting_for_the_interval(alice):
    with scheduler() as running:
        eventually(lambda: is_idle(running), "nothing is due")
        tell(alice)
        eventually(all_are_sent, "the notification is sent", seconds=30)

    assert len(mail.outbox) == 1
    assert not WorkLease.objects.exists()


def test_many_rows_are_worked_off_by_all_threads_each_once(alice):
    for number in range(12):
        tell(alice, f"number {number}")
    with scheduler():
        eventually(lambda: all_are_sent(12), "all are sent")

    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == len(mail.outbox) == 12


def test_a_lost_notification_costs_no_more_than_the_interval(alice, monkeypatch):
    """No notification comes, as if the notification had been swallowed on its way."""
    monkeypatch.setattr(
        PostgresWakeUp,
        "_is_work_announced",
        lambda self, listening: bool(list(listening.notifies(timeout=0))) and False,
    )
    monkeypatch.setattr(SqliteWakeUp, "_read_version", lambda self: 0)
    with scheduler(interval=0.5) as running:
        eventually(lambda: is_idle(running), "nothing is due")
        tell(alice)
        eventually(all_are_sent, "the notification is sent", seconds=30)


def test_a_busy_worker_looks_for_work_a_tenth_of_its_time(monkeypatch):
    """Each row that ends wakes the scheduler: with several workers, looking would take a core from the work."""

    def look_slowly():
        time.sleep(0.05)
        return DueMoments(timezone.now(), frozenset(), None)

    monkeypatch.setattr("worker.scheduler.read_due_moments", look_slowly)
    with scheduler() as running:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            running._wake_up.send()
            time.sleep(0.01)
        assert 1 <= running._looks <= 6


def test_a_row_that_becomes_due_later_is_worked_on_then(alice):
    tell(alice)
    Notification.objects.update(next_check_at=timezone.now() + timedelta(seconds=1))
    with scheduler():
        eventually(all_are_sent, "it is sent at its time, not after the interval", seconds=30)


def test_work_that_hangs_stops_neither_other_kinds_nor_the_end(alice, monkeypatch):
    hangs, goes_on = threading.Event(), threading.Event()

    def send_messages(self, messages):
        hangs.set()
        assert goes_on.wait(60)
        return len(messages)

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", send_messages)
    with scheduler():
        tell(alice)
        assert hangs.wait(30)
        request("nobody@example.com", OneTimeCode.Purpose.RESET, "192.0.2.7")
        eventually(lambda: not CodeRequest.objects.exists(), "the request is answered", seconds=30)
        goes_on.set()


def test_a_thread_that_dies_ends_the_worker(alice, monkeypatch):
    monkeypatch.setattr("worker.scheduler.run_due", lambda *arguments, **options: 1 / 0)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    tell(alice)

    assert Scheduler([(NOTIFICATION_KINDS, 1)], NEVER).run(SimpleQueue()) == DIED


def test_a_signal_that_does_not_wake_the_main_thread_ends_the_worker():
    """As one that comes in the moment before it waits. Here another thread receives it; the main one handles it."""
    waits = threading.Event()

    class Ends(SimpleQueue):
        def get(self, *arguments, **options):
            waits.set()
            return super().get(*arguments, **options)

    def ask_to_end():
        waits.wait()
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    ends = Ends()
    before = signal.signal(signal.SIGUSR1, lambda *_: ends.put(ASKED))
    patience = threading.Timer(20, ends.put, ["not by the signal"])
    asker = threading.Thread(target=ask_to_end)
    patience.start()
    asker.start()
    try:
        assert Scheduler([(NOTIFICATION_KINDS, 1)], NEVER).run(ends) == ASKED
    finally:
        patience.cancel()
        asker.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_commit_rings_and_a_rollback_does_not(alice):
    def write_nothing():
        with transaction.atomic():
            tell(alice)
            transaction.set_rollback(True)

    with listening() as one:
        elsewhere(write_nothing)
        assert not one.wait(0.1)
        one.listen()
        elsewhere(lambda: tell(alice))
        assert one.wait(30)


def test_a_ring_from_inside_is_heard_once():
    with listening() as one:
        for _ in range(100_000):
            one.send()
        assert one.wait(30)
        eventually(lambda: not one.wait(0), "all of them are taken")


# Their rows become due long after they are written, when the scheduler has looked at them often, or may wait for it.
FORESEEN = {
    "holds",
    "offers",
    "pay_links",
    "reminders",
    "paying_watches",
    "waiting",
    "waiting_offers",
    "late_waiting",
    "keys",
    "left_registrations",
    "sessions",
    "uploads",
}


@pytest.mark.only_postgresql  # LISTEN and NOTIFY
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - FORESEEN))
def test_every_kind_with_rows_that_are_due_at_once_is_announced(kind):
    rows = KINDS[kind].due(timezone.now())
    if not isinstance(rows, QuerySet):
        return
    with connection.cursor() as cursor:
        table = rows.model._meta.db_table
        cursor.execute(
            "SELECT count(*) FROM pg_trigger WHERE tgname = 'notify_workers' AND tgrelid = %s::regclass",
            [table],
        )
        assert cursor.fetchone() == (1,)


@pytest.mark.only_postgresql  # LISTEN and NOTIFY
def test_behind_a_pooler_that_keeps_no_session_work_is_looked_for_and_the_log_says_so(
    alice, monkeypatch, caplog
):
    """Such a pooler takes LISTEN, and gives the connection to somebody else."""
    connect = PostgresWakeUp._connect

    def connect_through_pooler(self):
        listening = connect(self)
        listening.execute("UNLISTEN *")
        return listening

    monkeypatch.setattr(PostgresWakeUp, "_connect", connect_through_pooler)
    monkeypatch.setattr(wake_up, "PROOF_WAIT_SECONDS", 0.1)
    with scheduler() as running:
        eventually(lambda: is_idle(running), "nothing is due")
        tell(alice)
        eventually(all_are_sent, "the notification is sent", seconds=30)
    [told] = [record for record in caplog.records if "LISTEN does not work" in record.message]
    assert "pooler" in told.cause


@pytest.mark.only_postgresql  # LISTEN and NOTIFY
def test_a_lost_connection_is_replaced_and_what_was_missed_is_looked_for(caplog):
    with listening() as one:
        first = one._listening.info.backend_pid
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [first])
        assert one.wait(30)
        assert not one.hears_others
        one.listen()
        assert one.hears_others
        assert one._listening.info.backend_pid != first


@pytest.mark.only_postgresql  # LISTEN and NOTIFY
def test_a_proof_of_another_worker_is_no_work():
    with listening() as one:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, 'proof of another')", [CHANNEL])
        assert not one.wait(0.2)


@pytest.mark.only_postgresql  # LISTEN and NOTIFY
@pytest.mark.work_fails
def test_after_a_restart_of_the_database_work_goes_on_without_a_restart_of_the_worker(alice):
    with scheduler() as running:
        eventually(lambda: is_idle(running), "nothing is due")
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        tell(alice)
        eventually(all_are_sent, "the notification is sent", seconds=30)
