"""`manage.py reconcile`: ends with 0 only when nothing differs, and tells each difference with what to do."""

import csv
import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from booking.models import Booking
from payment.models import Reconciliation
from tests.unit.payment.management.conftest import run
from tests.unit.payment.reconciliation.test_settlement import file, row

pytestmark = pytest.mark.django_db(transaction=True)


def today(*arguments):
    return run("reconcile", "--date", timezone.localdate(), *arguments)


def test_it_tells_the_difference_mends_it_when_asked_and_is_clean_afterwards(unheard):
    told, code = today()
    assert code == 1
    assert f"PAID WITHOUT BOOKING  payment {unheard.pk}" in told
    assert "theirs 1100.00" in told
    assert not Booking.objects.exists()

    told, code = today("--fix")
    assert ("Differences: 1, repaired: 1." in told, code) == (True, 1)

    told, code = today()
    assert ("No differences." in told, code) == (True, 0)
    assert Booking.objects.get().checkout == unheard.checkout


def test_without_a_day_it_is_yesterday(unheard):
    told, code = run("reconcile")

    assert told.startswith(str(timezone.localdate() - timedelta(days=1)))
    assert code == 0


def test_for_machines_it_is_json_with_amounts_in_paise(unheard):
    told = json.loads(today("--format", "json")[0])

    (found,) = told["differences"]
    assert (found["kind"], found["theirs_paise"], found["simulated"]) == (
        "paid without booking",
        110_000,
        True,
    )
    assert told["counts"] == {"paid without booking": 1}


def test_for_a_spreadsheet_it_is_csv_in_a_file(unheard, tmp_path):
    path = tmp_path / "report.csv"
    told, code = today("--format", "csv", "--output", path)

    (found,) = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    assert (told, code, path.read_bytes().count(b"\r\n")) == ("", 1, 2)
    assert (found["kind"], found["ours"], found["theirs"]) == ("paid without booking", "0.00", "1100.00")


def test_nothing_from_a_settlement_file_becomes_a_formula(tmp_path):
    settlement = tmp_path / "settlement.csv"
    settlement.write_text("".join(file(row(reference="-OTHER"))))

    printed = today("--format", "csv", "--settlement", settlement)[0]
    (found,) = csv.DictReader(io.StringIO(printed))
    assert printed.count("\r\n") == 2
    assert (found["kind"], found["order"]) == ("unknown to us", "'-OTHER")


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "11/06/2026"])
def test_a_day_that_is_none_is_refused(day):
    with pytest.raises(CommandError, match="not a day"):
        call_command("reconcile", "--date", day)


def test_tomorrow_cannot_be_compared():
    with pytest.raises(CommandError, match="has not begun"):
        call_command("reconcile", "--date", str(timezone.localdate() + timedelta(days=1)))


def test_a_settlement_file_that_is_none_stops_it_before_anything_is_compared(tmp_path, unheard):
    empty = tmp_path / "empty.csv"
    empty.touch()

    with pytest.raises(CommandError, match="Nothing was compared"):
        today("--fix", "--settlement", empty)
    assert not Booking.objects.exists()


def test_staff_read_the_report_in_the_admin(client, staff, unheard):
    today()
    client.force_login(staff)
    run = Reconciliation.objects.get()

    assert client.get(reverse("admin:payment_reconciliation_changelist")).status_code == 200
    page = client.get(reverse("admin:payment_reconciliation_change", args=[run.pk])).content.decode()
    assert "PAID WITHOUT BOOKING" in page
