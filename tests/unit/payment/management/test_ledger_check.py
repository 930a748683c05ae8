"""`manage.py ledger_check`: ends with 0 only when the ledger agrees with everything that it can be held against."""

import json

import pytest

from booking.models import Booking
from payment.services.status import refresh
from tests.unit.payment.management.conftest import run

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_ledger_balances_and_says_so_by_kind(unheard):
    refresh(unheard, 5, "test")
    told, code = run("ledger_check")

    assert code == 0
    assert "simulated money: receipt 1100.00" in told
    assert "The ledger balances." in told


def test_a_ledger_that_lacks_what_phonepe_has_does_not_balance(unheard):
    told, code = run("ledger_check")
    assert code == 1
    assert "ours 0.00, PhonePe's account 1100.00" in told

    answer = json.loads(run("ledger_check", "--json")[0])
    assert (answer["balances"], answer["account"][0]["theirs_paise"]) == (False, 110_000)


def test_a_broken_law_names_the_rows_that_break_it(unheard):
    refresh(unheard, 5, "test")
    Booking.objects.all().delete()
    told, code = run("ledger_check")

    assert code == 1
    assert f"payment {unheard.reference}" in told
