"""A statement that is compiled once reads and writes what the ORM would with the same values."""

import ast
from datetime import datetime
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from booking.models import Checkout
from booking.services import places
from core.compiled import CompiledRead, CompiledWrite, NotCompilable
from core.databases import update_rows
from payment.models import PaymentAttempt
from payment.services import at_once, transitions, webhooks
from tests.harness import ROOT, builders
from tests.unit.payment.builders import make_payment

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

NOW = timezone.now()
COMPLETED = (("attempt__state__in", ("COMPLETED",)),)
REFUNDED = (("refund__state__in", ("CONFIRMED", "COMPLETED")),)
# Every statement that the code compiles once, with values as its callers give them.
READS = {
    "accounts/services.py": [(accounts._locked_person, (1,))],
    "payment/services/at_once.py": [(at_once._usual_checkouts, (1, 2, 3, 4, NOW))],
    "payment/services/transitions.py": [
        (transitions._locked_attempts("payment__user"), (1,)),
        (transitions._locked_attempts("payment__checkout"), (1,)),
    ],
    "payment/services/webhooks.py": [(webhooks._attempts_of_order, ("OKP0123456789abcdef",))],
}
WRITES = {
    "booking/services/places.py": [(places._taking_slot, (1,))],
    "payment/services/webhooks.py": [
        (webhooks._finishing(answered), (1, "HANDLED", "", NOW)) for answered in ((), COMPLETED, REFUNDED)
    ],
}


def each(statements):
    return [pytest.param(*one, id=path) for path, found in statements.items() for one in found]


@pytest.mark.parametrize(("read", "values"), each(READS))
def test_a_read_is_what_the_orm_compiles_with_the_same_values(read, values):
    sql, parameters = read.build(*values).query.sql_with_params()

    select = read._select(connection.vendor)
    names = read._signature.bind(*values).arguments
    assert select.sql == sql
    assert select.template.fill(names) == list(parameters)
    assert [type(value) for value in select.template.fill(names)] == [type(value) for value in parameters]


@pytest.mark.parametrize(("write", "values"), each(WRITES))
def test_a_write_is_what_the_orm_compiles_with_the_same_values(write, values):
    filled, compiled = write(*values), write.build(*values)

    assert (filled.sql, filled.parameters) == (compiled.sql, compiled.parameters)


def test_no_compiled_statement_is_without_such_a_test():
    found = {"CompiledRead": set(), "CompiledWrite": set()}
    for path in sorted(ROOT.glob("*/**/*.py")):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(("tests/", ".venv/")) or place == "core/compiled.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
            called = [node.func] if isinstance(node, ast.Call) else []
            for name in (*decorators, *called):
                if isinstance(name, ast.Name) and name.id in found:
                    found[name.id].add(place)
    assert found == {"CompiledRead": set(READS), "CompiledWrite": set(WRITES)}


def values_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_are_built_as_the_orm_builds_them(cart):
    """With what is read beside them, moments, decimals and JSON included; one of the rows beside is missing."""
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    values = (attempt.pk, payment.pk, payment.checkout_id, payment.user_id, NOW)

    [checkout], stored = at_once._usual_checkouts(*values), at_once._usual_checkouts.build(*values).get()
    with transaction.atomic():
        locked = transitions._locked_attempts("payment__user").get(attempt.pk)
        [other] = transitions._locked_attempts("payment__user").build(attempt.pk)

    for ours, theirs in (
        (checkout, stored),
        (checkout.hold, stored.hold),
        (checkout.hold.slot, stored.hold.slot),
        (locked, other),
        (locked.payment, other.payment),
        (locked.payment.user, other.payment.user),
    ):
        assert values_of(ours) == values_of(theirs)
        assert (ours._state.adding, ours._state.db) == (False, "default")


def test_another_value_finds_another_row(alice, charlie):
    @CompiledRead
    def people(email: str, joined_before: datetime) -> QuerySet[User]:
        return User.objects.filter(email=email, date_joined__lte=joined_before).order_by("pk")

    assert people(alice.email, timezone.now()) == [alice]
    assert people.get(charlie.email, joined_before=timezone.now()) == charlie
    assert people.first(charlie.email, charlie.date_joined.replace(year=2001)) is None
    with pytest.raises(User.DoesNotExist):
        people.get("nobody@example.com", timezone.now())


def test_rows_are_locked_inside_a_transaction_only(alice, transactional_db):
    with transaction.atomic():
        accounts._locked_person.get(alice.pk)
    if connection.features.has_select_for_update:
        with pytest.raises(TransactionManagementError):
            accounts._locked_person.get(alice.pk)


def test_a_value_that_is_not_in_the_statement_as_it_is_is_refused():
    @CompiledRead
    def beginning(order_id: str) -> QuerySet[PaymentAttempt]:
        return PaymentAttempt.objects.filter(merchant_order_id__startswith=order_id)

    with pytest.raises(NotCompilable, match="order_id"):
        beginning("OKP")


def test_a_value_of_a_type_that_has_no_marker_is_refused():
    @CompiledRead
    def checkouts(cart_id: UUID) -> QuerySet[Checkout]:
        return Checkout.objects.filter(cart__cart_id=cart_id)

    with pytest.raises(NotCompilable, match="cart_id"):
        checkouts(UUID(int=0))


def test_two_places_of_one_value_are_both_filled():
    @CompiledWrite
    def twice(user_id: int, now: datetime):
        return update_rows(User.objects.filter(pk=user_id, date_joined__lte=now), updated_at=now)

    filled = twice(7, NOW)
    assert filled.parameters == twice.build(7, NOW).parameters
