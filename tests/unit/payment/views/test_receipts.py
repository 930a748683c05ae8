"""The receipt over HTTP: for its owner and for staff."""

import pytest

from payment.models import Receipt
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid(alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return payment


def path(payment):
    return f"/api/payments/payments/{payment.pk}/receipt/"


def test_the_owner_gets_the_receipt_as_pdf(paid, alice, api):
    answer = api(alice).get(path(paid), headers={"Accept": "application/pdf"})

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/pdf"
    number = str(Receipt.objects.get()).replace("/", "-")
    assert answer["Content-Disposition"] == f'attachment; filename="receipt-{number}.pdf"'
    assert answer.content.startswith(b"%PDF-")
    assert answer.content == api(alice).get(path(paid)).content


def test_staff_get_anybodys_receipt(paid, staff, api):
    assert api(staff).get(path(paid)).status_code == 200


def test_a_stranger_cannot_see_that_there_is_a_receipt(paid, charlie, api):
    answer = api(charlie).get(path(paid), headers={"Accept": "application/pdf"})

    assert answer.status_code == 404
    assert answer.json()["error"]


def test_without_a_login_there_is_no_receipt(paid, api):
    assert api().get(path(paid)).status_code == 401


def test_a_payment_without_money_has_no_receipt(alice, cart, api):
    payment = make_payment(builders.make_checkout(cart))

    assert api(alice).get(path(payment)).status_code == 404
