"""`manage.py ledger_check`: ends with 0 only when the ledger agrees with everything that it can be held against."""

import json
from datetime import timedelta

import pytest
from django.utils.timezone import localdate

from booking.models import Booking
from payment.models import Payment
from payment.reconciliation.invariants import INVARIANTS, PAYMENTS
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


def test_since_a_day_the_same_laws_are_checked_of_what_moved_since(unheard):
    refresh(unheard, 5, "test")
    Booking.objects.all().delete()

    told, code = run("ledger_check", "--since", str(localdate()))
    assert (code, f"payment {unheard.reference}" in told) == (1, True)
    told, code = run("ledger_check", "--since", str(localdate() + timedelta(days=1)))
    assert code == 0


def test_since_a_day_a_booking_without_any_payment_is_found(unheard):
    refresh(unheard, 5, "test")
    Payment.objects.filter(pk=unheard.pk).update(checkout=None, fulfilment="GIFT")

    told, code = run("ledger_check", "--since", str(localdate()))

    assert code == 1
    assert Booking.objects.get().book_id in told


def test_every_invariant_can_be_asked_since_a_day():
    assert {each.violating_rows().model for each in INVARIANTS} <= PAYMENTS.keys()
