"""A server that ends connections, fails over or takes no writes costs no more requests than it must."""

import time

import pytest
from django.db import InternalError, OperationalError, ProgrammingError, connection, transaction

from accounts.models import User
from tests.harness.databases import query

pytestmark = [pytest.mark.only_postgresql, pytest.mark.django_db(transaction=True)]
END_OURS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def ask(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def other_person(sql):
    """Over a connection that is not of the pool."""
    parameters = connection.get_connection_params()
    return query(
        f"postgresql://{parameters['user']}@{parameters['host'].replace('/', '%2F')}/{parameters['dbname']}",
        sql,
    )


def pid():
    [(number,)] = ask("SELECT pg_backend_pid()")
    return number


def test_a_connection_that_was_ended_in_the_pool_fails_no_request():
    assert connection.pool is not None
    ended = pid()
    connection.close()
    other_person(END_OURS)
    assert pid() != ended


@pytest.fixture
def read_only(alice):
    """As a standby, or the disk of a provider that is nearly full."""
    ask("SET default_transaction_read_only = on")
    yield pid()
    connection.close()


def test_a_server_that_takes_no_writes_is_like_one_that_does_not_answer(read_only, alice):
    with pytest.raises(OperationalError, match="read-only transaction"):
        User.objects.filter(pk=alice.pk).update(first_name="Asha")
    with pytest.raises(OperationalError), transaction.atomic():
        User.objects.filter(pk=alice.pk).update(first_name="Asha")
    connection.close()
    assert pid() != read_only  # the next connection may lead to the new primary server
    assert User.objects.filter(pk=alice.pk).update(first_name="Asha") == 1


def test_a_process_that_was_frozen_in_a_transaction_has_lost_its_connection_and_nothing_else(alice):
    def frozen():
        with transaction.atomic():
            ask("SET LOCAL idle_in_transaction_session_timeout = 1")
            time.sleep(0.05)
            User.objects.filter(pk=alice.pk).update(first_name="Asha")

    with pytest.raises(OperationalError):
        frozen()
    assert User.objects.filter(pk=alice.pk).update(first_name="Usha") == 1


def test_a_statement_after_an_error_in_its_transaction_is_still_a_bug_of_ours():
    with transaction.atomic():
        with pytest.raises(ProgrammingError):
            ask("SELECT nothing")
        with pytest.raises(InternalError):
            ask("SELECT 1")
        transaction.set_rollback(True)


def test_the_pool_looks_for_a_server_that_is_back_each_time_somebody_asks():
    assert connection.pool.reconnect_timeout <= 5
