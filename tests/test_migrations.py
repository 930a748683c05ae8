"""Rows of an older shape after the migrations: nothing is lost, and the constraints of today hold."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def history():
    """`history(app, name)` brings the database to that migration and gives the models of then."""

    def go(app: str, name: str) -> Callable[[str, str], Any]:
        executor = MigrationExecutor(connection)
        executor.migrate([(app, name)])
        return executor.loader.project_state([(app, name)]).apps.get_model

    yield go
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


OLD_PHONES = {
    "9876543210": "+919876543210",
    "098765 43211": "+919876543211",
    "+91-98765-43212": "+919876543212",
    "+447911123456": "+447911123456",
    "12345": "12345",
    "9876543214 wife": "9876543214 wife",
    "": None,
    None: None,
}


def test_phones_of_accounts_become_e164_and_what_cannot_be_read_stays(history):
    before = history("accounts", "0002_language_of_mails")("accounts", "User")
    for number, phone in enumerate(OLD_PHONES):
        before.objects.create(email=f"devotee{number}@example.com", phone=phone)

    after = history("accounts", "0003_phones_as_e164")("accounts", "User")

    assert list(after.objects.order_by("email").values_list("phone", flat=True)) == list(OLD_PHONES.values())
    after.objects.create(email="family@example.com", phone="+919876543210")  # no longer unique


def test_the_way_back_gives_ten_digits_again(history):
    now = history("accounts", "0003_phones_as_e164")("accounts", "User")
    now.objects.create(email="asha@example.com", phone="+919876543210")
    now.objects.create(email="abroad@example.com", phone="+447911123456")

    before = history("accounts", "0002_language_of_mails")("accounts", "User")

    assert {*before.objects.values_list("phone", flat=True)} == {"9876543210", "+447911123456"}


def test_mobile_numbers_of_guests_become_e164(history):
    before = history("payment", "0007_open_rows_are_asked_about")("payment", "Payment")
    for number, mobile in enumerate(["9876543210", ""]):
        before.objects.create(reference=f"OKP-{number}", amount_paise=100, payer_mobile=mobile)

    after = history("payment", "0008_phones_as_e164")("payment", "Payment")

    assert list(after.objects.order_by("pk").values_list("payer_mobile", flat=True)) == ["+919876543210", ""]
