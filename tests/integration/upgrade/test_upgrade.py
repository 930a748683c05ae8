"""A database that the previous landing had filled is migrated, worked over and used; nothing of it is lost."""

import json
import subprocess
import sys

import pytest

from tests.harness import ROOT, invariants
from tests.harness.databases import empty_database, query
from tests.harness.processes import process_environment
from tests.integration.upgrade.loading import recorded

# `make test` upgrades from the last release (tests/system/test_last_release.py), `make proofs` from this one, too.
pytestmark = pytest.mark.proof
# The upgrade removes no row. Tables that it renames:
RENAMED = {"notices_notice": "notifications_notification"}
USED_AFTERWARDS = """
import django, json
django.setup()
from django.test import Client
from rest_framework.test import APIClient
from accounts.sessions import open_session
from booking.models import Booking
told = []
for booking in Booking.objects.select_related("user"):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(booking.user).access}")
    payment = booking.checkout.payment
    for path in (
        f"/api/booking/bookings/{booking.pk}/",
        f"/api/payments/payments/{payment.pk}/check-booking/",
        f"/api/payments/payments/{payment.pk}/receipt/",
    ):
        answer = client.get(path, headers={"host": "127.0.0.1"})
        if answer.status_code != 200:
            told.append([path, answer.status_code, str(getattr(answer, "content", b"")[:300])])
print(json.dumps(told))
"""

CHECK_OUTS_READ = """
import django, json
django.setup()
from accounts.serializers import AddressSerializer
from booking.models import Checkout
from booking.serializers import agreed_cart
told = {}
for checkout in Checkout.objects.select_related("cart"):
    address = checkout.agreed_address
    told[checkout.pk] = agreed_cart(checkout), AddressSerializer(address).data if address else None
    assert str(checkout.cart.selected_date) == told[checkout.pk][0]["selected_date"]
print(json.dumps(told))
"""


class UpgradedInstallation:
    """The migrated database; `run` is what a person types, `query` is SQL."""

    def __init__(self, database_url: str) -> None:
        self.environment = process_environment(
            DATABASE_URL=database_url,
            LOG_LEVEL="ERROR",
            SIMULATOR_DELIVERS="False",
            PUBLIC_BASE_URL="http://127.0.0.1",
        )
        self.url = database_url

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def must(self, *arguments: str) -> str:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def query(self, statement: str) -> list[tuple]:
        return [tuple(row) for row in query(self.url, statement)]

    def count(self, table: str) -> int:
        return self.query(f"SELECT count(*) FROM {RENAMED.get(table, table)}")[0][0]  # noqa: S608


@pytest.fixture(scope="module")
def upgraded():
    with empty_database() as url:
        installation = UpgradedInstallation(url)
        installation.must("-m", "tests.integration.upgrade.loading")
        installation.must("manage.py", "migrate", "--verbosity", "0")
        yield installation


@pytest.fixture(scope="module")
def worked_over(upgraded):
    """What was under way goes on: open orders are asked about, refunds sent, mails written."""
    said = upgraded.run("manage.py", "work", "--once")
    assert said.returncode == 0, said.stderr
    return upgraded


def test_no_row_is_lost(upgraded):
    before = {name: len(table["rows"]) for name, table in recorded()["tables"].items()}
    del before["simulator_token"]  # issued for keys that everybody knew: the shop fetches another one
    after = {name: upgraded.count(name) for name in before}
    assert {name: (before[name], after[name]) for name in before if after[name] < before[name]} == {}


def test_no_amount_and_no_reference_changes(upgraded):
    entries = recorded()["tables"]["payment_ledgerentry"]
    wanted = ("kind", "amount_paise", "reference")
    places = [entries["columns"].index(name) for name in wanted]
    before = {tuple(row[place] for place in places) for row in entries["rows"]}
    assert before <= set(upgraded.query("SELECT kind, amount_paise, reference FROM payment_ledgerentry"))


def test_the_books_agree_before_and_after_the_worker_has_gone_on(worked_over):
    assert invariants.violations(worked_over.query) == {}
    answer = json.loads(worked_over.must("manage.py", "ledger_check", "--json"))
    assert (answer["balances"], answer["broken"], answer["account"]) == (True, [], [])


def test_every_check_out_reads_as_the_previous_landing_answered_it(upgraded):
    rows = recorded()["tables"]["booking_checkout"]
    place = rows["columns"].index
    before = {
        str(row[place("id")]): [
            json.loads(row[place("snapshot")]),
            json.loads(row[place("address")] or "null"),
        ]
        for row in rows["rows"]
    }
    after = json.loads(upgraded.must("-c", CHECK_OUTS_READ))
    for cart, _ in [*before.values(), *after.values()]:
        del cart["selected_date"]  # the rows of the file are moved by whole days, its JSON is not
    assert without_new_keys(after, before) == before


def without_new_keys(answer, before):
    """What was answered then, of what is answered now: releases add keys, and take none away."""
    if isinstance(answer, dict) and isinstance(before, dict):
        return {key: without_new_keys(answer[key], before[key]) for key in answer.keys() & before.keys()}
    if isinstance(answer, list) and isinstance(before, list) and len(answer) == len(before):
        return [without_new_keys(each, then) for each, then in zip(answer, before, strict=True)]
    return answer


def test_every_order_that_is_open_will_be_asked_about(worked_over):
    assert (
        worked_over.query(
            "SELECT merchant_order_id, state FROM payment_paymentattempt"
            " WHERE state IN ('CREATED', 'UNKNOWN', 'PENDING') AND next_check_at IS NULL"
        )
        == []
    )


def test_every_booking_of_before_can_be_looked_at_with_its_payment_and_receipt(worked_over):
    assert json.loads(worked_over.must("-c", USED_AFTERWARDS)) == []
