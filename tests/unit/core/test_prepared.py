"""PostgreSQL plans a statement once on a connection; a plan that is no longer valid fails nobody's request for long."""

from contextlib import nullcontext
from datetime import datetime

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from booking.models import Cart
from core import prepared
from core.compiled import CompiledRead
from core.databases import (
    NothingWritten,
    Query,
    insert_rows,
    last_writes,
    read_together,
    reserving_keys,
    update_row,
    write_together,
)
from payment.models import LedgerEntry, Payment
from tests.harness import builders
from tests.unit.payment.builders import make_payment

pytestmark = [
    pytest.mark.only_postgresql,  # SQLite plans each statement as it comes
    pytest.mark.django_db(transaction=True),
]


@CompiledRead
def people(email: str, joined_before: datetime) -> QuerySet[User]:
    return User.objects.filter(email=email, date_joined__lte=joined_before)


@pytest.fixture
def find(alice, future):
    return lambda: people(alice.email, future) == [alice]


@pytest.fixture
def future():
    return datetime.fromisoformat("2100-01-01T00:00:00Z")


@pytest.fixture(autouse=True)
def new_connection(settings):
    settings.DATABASE_PREPARED_STATEMENTS = True
    connection.close()
    if (pool := connection.pool) is not None:
        pool.check()
    prepared._of_connection.clear()
    run("DEALLOCATE ALL")


def run(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else None


def uses():
    """How often each prepared statement was run on this connection."""
    return [count for (count,) in run("SELECT generic_plans + custom_plans FROM pg_prepared_statements")]


def test_a_statement_is_prepared_at_its_first_use_and_run_by_its_name(find):
    assert find()
    assert find()
    with transaction.atomic():
        assert find()
    assert uses() == [3]


def test_the_setting_leaves_every_statement_as_it_is(find, settings):
    settings.DATABASE_PREPARED_STATEMENTS = False
    assert find()
    assert uses() == []


@pytest.mark.parametrize("utr", ["", "it's 100 % \\ of $1 and %s; --", "हिन्दी", "x" * 64])
def test_values_are_written_as_they_are(cart, utr):
    payment = make_payment(builders.make_checkout(cart))
    attempt = payment.attempts.get()
    for number in range(2):
        entry = LedgerEntry(
            payment=payment,
            attempt=attempt,
            kind=LedgerEntry.Kind.RECEIPT,
            amount_paise=attempt.amount_paise,
            reference=f"{number}{utr}"[:64],
        )
        with transaction.atomic():
            write_together([insert_rows(entry)])
            assert LedgerEntry.objects.get(pk=entry.pk).reference == entry.reference
            transaction.set_rollback(True)
    assert 2 in uses()


@pytest.mark.parametrize(
    ("sql", "values", "answer"),
    [
        ("SELECT %s", [5], 5),
        ("SELECT %s", [True], True),
        ("SELECT %s > %s", [10, 9], True),  # "10" comes before "9"
        ("SELECT GREATEST(%s, %s)", [10, 9], 10),
        ("SELECT COALESCE(%s, %s)", [None, 9], 9),
        ("SELECT %s", ["x"], "x"),
    ],
)
def test_a_value_whose_type_the_statement_does_not_say_keeps_it(sql, values, answer):
    """PostgreSQL takes a parameter without a type for text."""
    query = Query(sql, values, lambda rows: rows[0][0])
    assert [read_together(query) for _ in range(2)] == [[answer]] * 2


def test_a_number_that_the_statement_repeats_is_part_of_it(alice):
    """As the 1 of EXISTS (SELECT 1 …): else the largest statement of a webhook is planned each time."""
    sql = "SELECT EXISTS(SELECT %s AS a FROM accounts_user WHERE email = %s)"
    for email in (alice.email, "nobody@example.com"):
        found = read_together(Query(sql, [1, email], lambda rows: rows[0][0]))
        assert found == [email == alice.email]
    assert uses() == [2]


def test_another_number_in_its_place_is_not_the_one_that_was_prepared():
    for left, right in ((10, 9), (9, 10), (10, 9.5), (True, False)):
        query = Query("SELECT %s > %s", [left, right], lambda rows: rows[0][0])
        assert read_together(query) == [left > right]
    assert uses() == [1]


def test_a_value_that_no_column_takes_is_an_error_of_django(future):
    with pytest.raises(DataError):
        people("a\0b@example.com", future)


def run_and(read):
    run("SELECT 1")
    return read()


def test_a_column_that_a_migration_has_changed_is_read_by_the_same_process(find, alice):
    assert find()
    run("ALTER TABLE accounts_user ALTER COLUMN first_name TYPE varchar(151)")
    try:
        assert find()
        assert uses() == [1]  # sent as it came: a second migration at this moment fails nobody
        assert find()
        run("ALTER TABLE accounts_user ALTER COLUMN first_name TYPE varchar(150)")
        with transaction.atomic():
            assert find()  # nothing went before in this transaction
            alice.first_name = "Asha"
            alice.save()
            transaction.set_rollback(True)
        assert named(alice) == "Alice"
        assert find()
        run("ALTER TABLE accounts_user ALTER COLUMN first_name TYPE varchar(151)")
        with transaction.atomic(), pytest.raises(prepared.StalePlan):
            run_and(find)
        with transaction.atomic():
            assert find()
        assert uses()[-1] == 1
    finally:
        run("ALTER TABLE accounts_user ALTER COLUMN first_name TYPE varchar(150)")


def test_nothing_is_prepared_where_somebody_else_ends_what_we_have_prepared(find):
    assert find()
    run("DEALLOCATE ALL")
    assert find()
    with transaction.atomic():
        assert find()
    assert uses() == []


def test_a_pooler_has_no_plans_of_ours(find):
    """It tells its clients an invented process id; tests/integration/flows/test_pgbouncer.py has a real one."""
    assert find()
    [statements] = prepared._of_connection.values()
    statements.is_usable = False
    assert find()
    assert uses() == [1]


def test_a_connection_keeps_a_bounded_number_of_plans(find, monkeypatch):
    monkeypatch.setattr(prepared, "MOST", 1)
    assert find()
    for _ in range(2):
        [(_, keys)] = read_together(reserving_keys(Payment, LedgerEntry))
        assert len(keys) == 2
    assert uses() == [1]


def rename(person, name):
    return update_row(User, {"id": person.pk}, {"first_name": name})


def named(person):
    return User.objects.values_list("first_name", flat=True).get(pk=person.pk)


def test_the_last_writes_of_a_transaction_are_committed_in_their_message(alice):
    with CaptureQueriesContext(connection) as captured, last_writes() as writes:
        locked = User.objects.select_for_update().get(pk=alice.pk)
        writes.append(rename(locked, "Asha"))
    assert named(alice) == "Asha"
    assert [each["sql"] for each in captured][-2].endswith("; COMMIT")
    with last_writes() as writes:
        writes.append(rename(alice, "Usha"))
    assert named(alice) == "Usha"
    assert connection.get_autocommit()


def test_a_transaction_without_last_writes_ends_as_any_other(alice):
    with last_writes():
        User.objects.filter(pk=alice.pk).update(first_name="Asha")
    assert named(alice) == "Asha"


@pytest.mark.parametrize("wrong", [{"status": None}, {"user_id": 0}], ids=["at once", "at the commit"])
def test_last_writes_that_fail_leave_nothing_and_the_next_transaction_works(alice, cart, wrong):
    before = named(alice)
    with pytest.raises(IntegrityError), last_writes() as writes:
        writes += [rename(alice, "Asha"), update_row(Cart, {"id": cart.pk}, wrong)]
    assert named(alice) == before
    with last_writes() as writes:
        writes.append(rename(alice, "Usha"))
    assert named(alice) == "Usha"


def test_last_writes_inside_of_a_transaction_are_committed_with_it(alice):
    before = named(alice)
    with transaction.atomic():
        with last_writes() as writes:
            writes.append(rename(alice, "Asha"))
        assert named(alice) == "Asha"
        transaction.set_rollback(True)
    assert named(alice) == before


def test_writes_of_which_each_must_find_its_row_are_committed_in_their_message(alice, charlie):
    with CaptureQueriesContext(connection) as captured, transaction.atomic():
        write_together([rename(alice, "Asha"), rename(charlie, "Chand")], commits=True, each=True)
    assert (named(alice), named(charlie)) == ("Asha", "Chand")
    assert [each["sql"] for each in captured if each["sql"].endswith("; COMMIT")]


@pytest.mark.parametrize("is_inside", [False, True])
def test_nothing_is_committed_when_one_of_them_finds_no_row(alice, is_inside):
    before, gone = named(alice), User(pk=0)
    with (
        pytest.raises(NothingWritten),
        transaction.atomic(),
        transaction.atomic() if is_inside else nullcontext(),
    ):
        write_together([rename(alice, "Asha"), rename(gone, "Chand")], commits=True, each=True)
    assert named(alice) == before
    with transaction.atomic():
        write_together([rename(alice, "Usha")], commits=True, each=True)
    assert named(alice) == "Usha"
