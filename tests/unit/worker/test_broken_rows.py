"""A row of each kind of work that cannot be worked off: the others go on, staff hear of it; healed it goes through.

The rows of every kind are due at the same time, so that one kind that stops would show in all others.
"""

from contextlib import suppress
from dataclasses import replace

import pytest
from django.core.mail.backends.locmem import EmailBackend
from django.db import OperationalError, connection
from django.utils import timezone

from notifications.models import Notification
from payment.models import WorkLease
from payment.reconciliation import runs
from payment.services import leases
from payment.services.leases import ALERT_AFTER, FIRST_PAUSE, LONGEST_PAUSE, MOST_ALERTS, pause_after
from tests.unit.worker.broken import BROKEN
from worker.jobs import KINDS, run_due

pytestmark = [pytest.mark.proof(every=40), pytest.mark.django_db(transaction=True), pytest.mark.work_fails]


class SlowMail(EmailBackend):
    """A whole lease passes while each mail is on its way, and another worker comes."""

    meanwhile = None

    def send_messages(self, messages):
        action, SlowMail.meanwhile = SlowMail.meanwhile, None
        if action:
            WorkLease.objects.exclude(row__in=Notification.objects.filter(checks__gt=0).values("pk")).update(
                held_until=timezone.now()
            )
            action()
            SlowMail.meanwhile = action
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def everything_is_on(settings, phonepe, monkeypatch):
    settings.STAFF_EMAILS = ["ops@example.com"]
    settings.RECONCILE_NIGHTLY = True
    settings.DIAGNOSIS_EVERY_MINUTES = 60 * 24 * 365
    monkeypatch.setattr(runs, "NIGHT_ENDS", 0)


def work_until_idle():
    for _ in range(30):
        with suppress(OperationalError):  # as the loop of the worker does
            if not run_due(KINDS):
                return
    raise AssertionError("the worker turns in circles")


def backoff_passes():
    WorkLease.objects.update(held_until=timezone.now())


def alerts():
    return list(Notification.objects.filter(facts__rule="work_fails").values_list("facts__case", flat=True))


@pytest.mark.parametrize("kind", KINDS)
def test_one_broken_row_stops_neither_its_kind_nor_another_one(kind, caplog, monkeypatch):
    """However slow the machine is: no pause of a failed try ends by itself while the others are worked off."""
    monkeypatch.setattr(leases, "FIRST_PAUSE", LONGEST_PAUSE)
    good = {name: each.make() for name, each in BROKEN.items()}
    case = BROKEN[kind]
    broken = good.pop(kind) if case.is_one else case.make()
    with case.broken(broken):
        work_until_idle()

        assert {name for name, key in good.items() if not BROKEN[name].is_done(key)} == set()
        assert not case.is_done(broken)
        lease = WorkLease.objects.exclude(error="").get()
        assert (lease.kind, lease.row) == (case.leased_as or kind, broken)
        assert lease.tries == 1
        assert "broken on purpose" in lease.error
        failed = [record for record in caplog.records if record.message == "work failed"]
        assert {(record.kind, record.row) for record in failed} == {(lease.kind, lease.row)}
        assert alerts() == []

        for _ in range(ALERT_AFTER):
            backoff_passes()
            work_until_idle()
        assert alerts() == [f"{lease.kind}:{broken}"]
        assert WorkLease.objects.get(pk=lease.pk).held_until > timezone.now()

    backoff_passes()
    work_until_idle()
    assert case.is_done(broken)
    assert not WorkLease.objects.exclude(error="").exists()


def test_ten_mails_that_take_longer_than_a_lease_are_each_sent_once(settings, mailoutbox):
    """Each is claimed when it is its turn: a second worker that comes in the middle takes another one."""
    settings.EMAIL_BACKEND = "tests.unit.worker.test_broken_rows.SlowMail"
    for _ in range(10):
        BROKEN["notifications"].make()
    SlowMail.meanwhile = lambda: run_due(["notifications"], limit=2)
    run_due(["notifications"], limit=10)

    assert len(mailoutbox) == len({mail.extra_headers["Message-ID"] for mail in mailoutbox}) == 10


def test_staff_let_a_broken_row_be_tried_again_at_once(client, staff):
    case = BROKEN["keys"]
    key = case.make()
    with case.broken(key):
        run_due(["keys"])
    lease = WorkLease.objects.get()
    client.force_login(staff)
    listed = client.get("/admin/payment/worklease/")
    assert "broken on purpose" in listed.content.decode()

    client.post("/admin/payment/worklease/", {"action": "try_again", "_selected_action": [lease.pk]})
    run_due(["keys"])

    assert case.is_done(key)


def test_every_kind_has_a_row_that_is_broken_on_purpose():
    assert BROKEN.keys() == KINDS.keys()


def test_a_broken_row_is_tried_ever_more_rarely_but_at_least_once_an_hour():
    pauses = [pause_after(tries).total_seconds() for tries in range(1, 100)]

    assert pauses[:4] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE, 8 * FIRST_PAUSE]
    assert pauses == sorted(pauses)
    assert max(pauses) == LONGEST_PAUSE == 3_600


def test_a_bug_that_breaks_every_row_of_a_kind_does_not_bury_staff_in_mail(settings):
    case = BROKEN["keys"]
    keys = [case.make() for _ in range(MOST_ALERTS + 5)]
    with replace(case, which="OLD.id > {key}").broken(0):
        for _ in range(ALERT_AFTER):
            backoff_passes()
            while run_due(["keys"]):
                pass

    assert WorkLease.objects.count() == len(keys)
    assert len(alerts()) == MOST_ALERTS


def test_a_kind_whose_rows_cannot_even_be_looked_for_stops_no_other(caplog):
    """As after a deployment whose migration of one table is missing."""
    receipt, key = BROKEN["receipts"].make(), BROKEN["keys"].make()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE payment_receipt RENAME COLUMN number TO gone")
    try:
        work_until_idle()
        work_until_idle()
        assert BROKEN["keys"].is_done(key)
        assert [*WorkLease.objects.filter(kind="receipts").values_list("row", "tries")] == [(0, 1)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE payment_receipt RENAME COLUMN gone TO number")
    backoff_passes()
    work_until_idle()

    assert BROKEN["receipts"].is_done(receipt)
    assert not WorkLease.objects.filter(kind="receipts").exists()
