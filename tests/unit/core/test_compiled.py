"""A statement that is compiled once reads and writes what the ORM would with the same values."""

import ast
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.db.transaction import TransactionManagementError
from django.utils import timezone

from accounts import services as accounts
from accounts import sessions
from accounts.models import User
from booking.models import Checkout, PromoCode
from booking.services import carts, checkouts, hold_limits, places
from core.compiled import CompiledRead, CompiledWrite, NotCompilable, compile_all
from core.databases import read_together, reserving_keys, update_rows, write_together
from notifications import sending
from notifications.models import Notification
from payment.models import (
    CreditNote,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    WebhookDelivery,
    WebhookEvent,
)
from payment.services import at_once, checkout, leases, notification_delivery, receipts, transitions, webhooks
from tests.harness import ROOT, builders
from tests.unit.payment.builders import make_payment
from worker import jobs

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

NOW = timezone.now()
LATER = NOW + timedelta(minutes=1)
COMPLETED = (("attempt__state__in", ("COMPLETED",)),)
REFUNDED = (("refund__state__in", ("CONFIRMED", "COMPLETED")),)
CONSTANT = {kind: job for kind, job in jobs.KINDS.items() if job.constant}
# Every statement that the code compiles once, with values as its callers give them.
READS = {
    "accounts/services.py": [
        (accounts._locked_person, (1,)),
        (accounts._addresses_by_default, (1,)),
        (accounts._addresses_by_key, (1, 2)),
    ],
    "accounts/sessions.py": [(sessions._sessions_with_user, (UUID(int=7),))],
    "booking/services/carts.py": [(carts.locked_carts, (1, 2)), (carts._slots_on_sale, (1, NOW))],
    "booking/services/checkouts.py": [(checkouts._carts_with_history, (1, 2))],
    "payment/services/checkout.py": [
        (checkout._carts_by_key, (1, 2)),
        (checkout._carts_by_uuid, (UUID(int=7), 2)),
    ],
    "payment/services/at_once.py": [(at_once._usual_checkouts, (1, 2, 3, 4, NOW))],
    "payment/services/leases.py": [(leases._leases_of_row, ("attempts", 0))],
    "payment/services/notification_delivery.py": [
        (notification_delivery._payments, (1,)),
        (notification_delivery._bookings_by_name, ("BK-1",)),
    ],
    "payment/services/receipts.py": [
        (receipts._receipts_of_payment, (1,)),
        (receipts._drawings, (1, "en")),
        (receipts._paying_entries, (1,)),
        (receipts._bookings_of_checkout, (1,)),
        (receipts._returning_entries, (1,)),
        *(
            (read, (1,))
            for paper in (Receipt, CreditNote)
            for read in (
                receipts._locked_papers(paper),
                receipts._locked_papers(paper, skip_locked=True),
                receipts._locked_backlog(paper, 49),
            )
        ),
    ],
    "payment/services/transitions.py": [
        (transitions._locked_attempts("payment__user"), (1,)),
        (transitions._locked_attempts("payment__checkout"), (1,)),
    ],
    "payment/services/webhooks.py": [(webhooks._attempts_of_order, ("OKP0123456789abcdef",))],
    "worker/jobs.py": [
        (jobs._rows(model, *related), (1,))
        for model, *related in (
            *((PaymentAttempt, "payment"), (PaymentAttempt,), (Refund,), (WebhookEvent,)),
            *((Notification, "user"), (Notification,), (WebhookDelivery,)),
        )
    ],
}
WRITES = {
    "booking/services/places.py": [
        (places._taking_slot, (1,)),
        (places._holding_slot, (1, 2)),
        (places._extending_hold, (1, NOW)),
    ],
    "payment/services/webhooks.py": [
        (webhooks._finishing(answered), (1, "HANDLED", "", NOW)) for answered in ((), COMPLETED, REFUNDED)
    ],
    "worker/jobs.py": [
        (jobs._counting(model), (1,))
        for model in (PaymentAttempt, Refund, WebhookEvent, Notification, WebhookDelivery)
    ],
}


VALUES = {
    "booking/services/hold_limits.py": [
        (hold_limits._holds_of_account, (1, NOW, LATER)),
        *((hold_limits._holds_of_network(is_confirmed), ("a", NOW, LATER)) for is_confirmed in (False, True)),
        *((hold_limits._holds_of_slot(is_confirmed), (1, "a")) for is_confirmed in (False, True)),
    ],
    "notifications/sending.py": [(sending._mails_before(20), ("a@example.com", NOW, LATER))],
    "payment/services/leases.py": [
        *((leases._free_constant_rows(kind, job), (NOW, LATER)) for kind, job in CONSTANT.items()),
        *((leases._constant_row(job), (NOW, 1)) for job in CONSTANT.values()),
    ],
    "payment/services/receipts.py": [(receipts._contents, (1, "a digest"))],
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


@pytest.mark.parametrize(("read", "values"), each(VALUES))
def test_values_are_what_the_orm_compiles_with_the_same_values(read, values):
    sql, parameters = read.build(*values).query.sql_with_params()

    compiled, template, _ = read._select(connection.vendor)
    assert (compiled, template.fill(read._signature.bind(*values).arguments)) == (sql, list(parameters))


@pytest.mark.parametrize(("write", "values"), each(WRITES))
def test_a_write_is_what_the_orm_compiles_with_the_same_values(write, values):
    filled, compiled = write(*values), write.build(*values)

    assert (filled.sql, filled.parameters) == (compiled.sql, compiled.parameters)


@pytest.mark.django_db(transaction=True)
def test_postgresql_knows_the_type_of_each_parameter(settings):
    """A statement is prepared without its values (core/prepared.py)."""
    settings.DATABASE_PREPARED_STATEMENTS = True
    with transaction.atomic():
        for found in (READS, VALUES):
            read_together(*(read.query(*values) for each in found.values() for read, values in each))
        for each in WRITES.values():
            assert [write_together([write(*values)]) for write, values in each] == [[0]] * len(each)


def test_a_server_compiles_all_but_locking_statements_before_it_has_a_connection():
    for each in READS.values():
        for read, _ in each:
            read._select.cache_clear()
    compile_all()  # without the mark of a test that may open one
    for each in READS.values():
        for read, values in each:
            is_compiled = read._select.cache_info().currsize == 1
            assert is_compiled is not read.build(*values).query.select_for_update


def test_no_compiled_statement_is_without_such_a_test():
    found = {"CompiledRead": set(), "CompiledValues": set(), "CompiledWrite": set()}
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
    assert found == {"CompiledRead": {*READS}, "CompiledValues": {*VALUES}, "CompiledWrite": {*WRITES}}


def values_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


def test_rows_are_built_as_the_orm_builds_them(cart):
    """With what is read beside them, moments, decimals and JSON included; one of the rows beside is missing."""
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    values = (attempt.pk, payment.pk, payment.checkout_id, payment.user_id, NOW)

    [usual], stored = at_once._usual_checkouts(*values), at_once._usual_checkouts.build(*values).get()
    with transaction.atomic():
        locked = transitions._locked_attempts("payment__user").get(attempt.pk)
        [other] = transitions._locked_attempts("payment__user").build(attempt.pk)

    for ours, theirs in (
        (usual, stored),
        (usual.hold, stored.hold),
        (usual.hold.slot, stored.hold.slot),
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
    def of_codes(is_percent: bool) -> QuerySet[PromoCode]:
        return PromoCode.objects.filter(is_active=is_percent)

    with pytest.raises(NotCompilable, match="is_percent"):
        of_codes(True)


def test_sums_and_moments_come_as_the_orm_gives_them(cart):
    """SQLite has neither a type of moments nor one of spans."""
    hold = builders.make_checkout(cart).hold
    hold.state, hold.released_at = "RELEASED", NOW
    hold.save()
    values = (cart.user_id, NOW - timedelta(hours=1), LATER)

    held, paid, wasted, last_end = found = hold_limits._holds_of_account.first(*values)

    assert [found] == list(hold_limits._holds_of_account.build(*values))
    assert (held, paid, wasted, last_end) == (0, 0, NOW - hold.created_at, NOW)
    assert hold_limits._holds_of_account.first(cart.user_id + 1, *values[1:]) is None


@pytest.mark.django_db(transaction=True)
def test_a_person_is_locked_before_the_clock_is_read(alice):
    with transaction.atomic():
        user, (now, keys) = read_together(accounts.locking_user(alice.pk), reserving_keys(Checkout, Payment))
    with transaction.atomic(), pytest.raises(User.DoesNotExist):
        read_together(accounts.locking_user(0), reserving_keys(Checkout))
    assert (user, len(keys)) == (alice, 2)
    assert abs(now - timezone.now()) < timedelta(seconds=60)
    if connection.vendor == "postgresql":
        with pytest.raises(TransactionManagementError):
            read_together(reserving_keys(Checkout), accounts.locking_user(alice.pk))


@pytest.mark.django_db(transaction=True)
def test_what_is_read_together_is_read_in_the_transaction_and_undone_with_it(alice):
    """Its BEGIN is sent with the first statements: a transaction of its own, an error and a rollback still end it."""
    notices = []
    if connection.vendor == "postgresql":  # it warns of a second BEGIN
        connection.connection.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    for error in (None, IntegrityError, ValueError):
        with suppress(IntegrityError, ValueError), transaction.atomic():
            [found] = read_together(accounts.locking_user(alice.pk))
            User.objects.filter(pk=found.pk).update(first_name=f"in a transaction with {error}")
            if error is IntegrityError:
                User.objects.create(pk=alice.pk)
            if error:
                raise error
        alice.refresh_from_db()
        assert alice.first_name == "in a transaction with None"
        assert connection.get_autocommit()
    with transaction.atomic():
        with suppress(ValueError), transaction.atomic():
            read_together(accounts.locking_user(alice.pk))
            User.objects.filter(pk=alice.pk).update(first_name="undone to its savepoint")
            raise ValueError
        [found] = read_together(accounts.locking_user(alice.pk))
        User.objects.filter(pk=alice.pk).update(last_name="kept")
    alice.refresh_from_db()
    assert (alice.first_name, alice.last_name) == ("in a transaction with None", "kept")
    assert notices == []


def test_two_places_of_one_value_are_both_filled():
    @CompiledWrite
    def twice(user_id: int, now: datetime):
        return update_rows(User.objects.filter(pk=user_id, date_joined__lte=now), updated_at=now)

    filled = twice(7, NOW)
    assert filled.parameters == twice.build(7, NOW).parameters
