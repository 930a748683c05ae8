"""A row that kills whoever works on it: nobody can catch that, and the others go on all the same."""

import subprocess
import sys

import pytest

from tests.harness import ROOT
from tests.harness.databases import query, seeded_database
from tests.harness.processes import process_environment

pytestmark = [pytest.mark.sockets]

TELL = """
import django
django.setup()
from accounts.models import User
from notifications.services import notify
for name in ("deadly", "other"):
    user = User.objects.create_user(f"{name}@example.com", None)
    notify("received", name, {"amount_paise": 100}, user=user)
"""
WORK = """
import django
django.setup()
from django.conf import settings
from django.core.management import call_command
settings.EMAIL_BACKEND = "tests.system.races.deadly.DeadlyMail"
settings.STAFF_EMAILS = ["ops@example.com"]
call_command("work", "--once")
"""
BACKOFF_PASSES = "UPDATE payment_worklease SET held_until = taken_at"


def run(program, **settings):
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=process_environment(**settings),
        check=False,
        capture_output=True,
    )


@pytest.mark.proof
def test_a_row_that_kills_its_process_is_pushed_back_and_told_and_the_others_go_on():
    with seeded_database() as (url, _):
        assert run(TELL, DATABASE_URL=url).returncode == 0
        dies = run(WORK, DATABASE_URL=url)
        assert dies.returncode == 9, dies.stderr.decode()
        lease = "SELECT tries FROM payment_worklease WHERE kind = 'notifications'"
        assert query(url, lease) == [(1,)]

        lives = run(WORK, DATABASE_URL=url)
        assert lives.returncode == 0, lives.stderr.decode()
        sent = "SELECT key FROM notifications_notification WHERE state = 'SENT' AND kind = 'received'"
        assert query(url, sent) == [("other",)]

        for _ in range(5):
            query(url, BACKOFF_PASSES)
            assert run(WORK, DATABASE_URL=url).returncode == 9
        told = "SELECT count(*) FROM notifications_notification WHERE key LIKE 'alert:work_fails:notifications:%'"
        assert query(url, told) == [(1,)]
