"""Statements that are written without the ORM's compiler have the values that the ORM would give them."""

from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils.safestring import SafeString

from core.databases import _Column, update_row
from payment.models import Payment
from payment.states import PaymentState

pytestmark = pytest.mark.postgresql

OURS = ("accounts", "backoffice", "booking", "notifications", "payment")
FIELDS = [
    field
    for model in apps.get_models()
    if model._meta.app_label in OURS
    for field in model._meta.local_concrete_fields
]
VALUES = (
    None,
    "A b ",
    "",
    SafeString("x"),
    PaymentState.SUCCESS,
    7,
    True,
    datetime(2026, 1, 1, 9, tzinfo=UTC),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {value}")
def test_a_value_is_written_as_the_orm_writes_it_into_each_field(value):
    compared = 0
    for field in FIELDS:
        try:
            expected = field.get_db_prep_save(value, connection)
        except (ArithmeticError, AttributeError, TypeError, ValueError, ValidationError):
            continue  # no value of this field
        assert str(_Column(field).prepare(value)) == str(expected), field  # psycopg's JSON equals nothing
        compared += 1
    assert compared > 100


def test_a_row_without_a_value_is_found_by_none(db):
    write = update_row(Payment, {"id": 1, "decided_at": None, "state": ("A", "B")}, {"asked_at": None})
    assert write.sql.endswith('WHERE "id" IN (%s) AND "decided_at" IS NULL AND "state" IN (%s, %s)')
    assert write.parameters == [None, 1, "A", "B"]
