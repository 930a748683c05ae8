"""The code of the last release runs on the new schema: an upgrade migrates first, and a rollback leaves the schema.

While web processes are restarted one after the other, both releases serve over the migrated database.
"""

import shutil
import subprocess
import sys
import tarfile

import pytest

from tests.harness import ROOT, invariants
from tests.harness.customers import FRONTEND, arrive, pay
from tests.harness.databases import copy_migrated_database, query
from tests.harness.installation import WEBHOOK, Installation
from tests.harness.processes import Simulator, eventually, process_environment

LAST_RELEASE = "d64229ae"  # what servers run when this release comes; named anew with each release

SELL = """
import django, io
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
call_command("seed_demo", stdout=io.StringIO())
paid = Client().get("/api/payments/payments/simulate-payment-success/", headers={"host": "127.0.0.1"})
assert paid.json()["booking_created"], paid.content
"""
UPGRADE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("ledger_check")
"""

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture(scope="module")
def old_code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("last-release")
    if shutil.which("git") is None:
        pytest.skip("NOT CHECKED: git is not here")
    archive = folder / "code.tar"
    made = subprocess.run(
        ["git", "archive", "--output", str(archive), LAST_RELEASE],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if made.returncode:
        pytest.skip(f"NOT CHECKED: the history of this clone does not reach {LAST_RELEASE}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "code", filter="data")
    return folder / "code"


@pytest.fixture(scope="module")
def old_database(old_code, tmp_path_factory):
    """What the last release has migrated, with a booking that was paid on it."""
    file = tmp_path_factory.mktemp("old-database") / "shop"
    run(old_code, file, "-c", SELL)
    return file


def run(code, file, *arguments):
    environment = process_environment(DATABASE_URL=f"sqlite:///{file}", LOG_LEVEL="ERROR")
    done = subprocess.run(
        [sys.executable, *arguments], cwd=code, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.only_sqlite  # the same migrations
def test_it_finds_its_tables_and_may_leave_new_columns_out(old_database, tmp_path):
    """A column that it does not know must not be required of its rows: `db_default`, or NULL."""
    copy_migrated_database(str(tmp_path / "new"))
    before, after = columns(old_database), columns(tmp_path / "new")
    gone = {
        (table, column) for table in before for column in before[table] if column not in after.get(table, {})
    }
    required = {
        (table, column)
        for table in before
        for column, is_required in after.get(table, {}).items()
        if is_required and column not in before[table]
    }
    assert gone == set()
    assert required == set()


@pytest.mark.only_sqlite  # PostgreSQL's upgrade: tests/integration/upgrade
def test_after_the_upgrade_its_rows_are_there_and_the_books_agree(old_database, tmp_path):
    new, file = tmp_path / "new", tmp_path / "upgraded"
    copy_migrated_database(str(new))
    shutil.copy(old_database, file)
    run(ROOT, file, "-c", UPGRADE)
    before, after = rows(old_database), rows(file)

    assert columns(file) == columns(new)
    assert {table: count for table, count in before.items() if after[table] < count} == {}
    assert before["booking_booking"] == 1
    assert invariants.violations(lambda statement: query(f"sqlite:///{file}", statement)) == {}


def rows(file):
    """How many each table has."""
    url = f"sqlite:///{file}"
    return {table: query(url, f"SELECT count(*) FROM {table}")[0][0] for table in columns(file)}  # noqa: S608


def columns(file):
    """table -> {column: whether an INSERT must name it}."""
    url = f"sqlite:///{file}"
    tables = [name for (name,) in query(url, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {
        table: {
            name: bool(not_null and default is None and not key)
            for _, name, _, not_null, default, key in query(url, f"PRAGMA table_info({table})")
        }
        for table in tables
    }


@pytest.fixture
def shop(old_code):
    """The new schema, the old code: server and worker."""
    with (
        Simulator() as phonepe,
        Installation(
            FRONTEND_BASE_URL=FRONTEND,
            PHONEPE_API_VERSION="v2",
            REFUND_POLICY="0:100",
            PHONEPE_BASE_URL=phonepe.base_url,
        ) as installation,
    ):
        installation.code = old_code
        installation.serve()
        installation.work()
        phonepe.send_webhooks_to(installation.url + WEBHOOK)
        yield installation


@pytest.mark.proof
def test_people_pay_cancel_give_and_get_their_money_back(shop):
    person = shop.customer()
    started = person.start()
    arrive(pay(started["payment_url"]))
    payment = started["payment_id"]
    eventually(
        lambda: person.check_booking(payment)["booking_created"],
        "the webhook or a status request has made the booking",
    )
    booking = person.check_booking(payment)["booking"]
    assert booking["status"] == "CONFIRMED"

    cancelled = person.post(
        f"booking/bookings/{booking['id']}/status/",
        {"status": "CANCELLED", "cancellation_reason": "travelling"},
    )
    assert cancelled.status_code == 200, cancelled.text
    eventually(
        lambda: shop.query("SELECT count(*) FROM payment_refund WHERE state = 'COMPLETED'")[0][0] == 1,
        "the money is back",
    )

    failed = person.start()
    arrive(pay(failed["payment_url"], "failure"))
    donated = person.post("payments/payments/process-cart/", {"amount": "101.00"})
    assert donated.status_code == 201, donated.text
    pay(donated.json()["payment_url"])
    ended = {failed["payment_id"]: "FAILED", donated.json()["payment_id"]: "SUCCESS"}
    eventually(
        lambda: ended.items() <= dict(shop.query("SELECT id, state FROM payment_payment")).items(),
        "one payment has failed, and the gift has arrived",
    )
    for process in (*shop.servers, *shop.workers):
        assert "Traceback" not in process.output
    # It knows no credit notes: the worker of this release, which comes next, gives the refund its own.
    # That one has ended, as at the end of an upgrade: one worker looks each minute, and it might be the old one.
    for process in shop.workers:
        process.stop()
    shop.code = ROOT
    shop.work()
    eventually(lambda: not invariants.violations(shop.query), "all laws hold", seconds=180)
