import threading
from contextlib import ExitStack, suppress

import pytest
from django.db import connection, connections
from django.test import Client

from core.errors import Crowded
from core.waiting import wait_slots
from diagnostics import views
from payment.services.gateway_calls import call_permits, reservation_slots, reserve_call
from tests.harness.network import refusing_port, silent_port


@pytest.fixture
def database_at(monkeypatch):
    """Lets new connections go to a PostgreSQL at this port."""

    def at(port):
        elsewhere = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": port,
            "OPTIONS": {},
        }
        monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | elsewhere)

    return at


def test_healthz_needs_no_database_and_returns_the_build(settings):
    """No database is allowed in this test."""
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive", "build": settings.BUILD})


@pytest.mark.django_db(transaction=True)
def test_readyz_is_200_when_the_database_has_every_table():
    answer = Client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "database": "ok", "migrations": "applied"}


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_when_a_migration_is_pending():
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET app = 'renamed' WHERE app = 'booking'")
    answer = Client().get("/readyz")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET app = 'booking' WHERE app = 'renamed'")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "ok", "migrations": "pending"}


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_without_the_table_of_the_cache(settings):
    backend = "django.core.cache.backends.db.DatabaseCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "a_missing_table"}}
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "ok", "migrations": "pending"}


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_without_a_database(database_at):
    database_at(refusing_port())
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "down", "migrations": "unknown"}


@pytest.mark.django_db(transaction=True)
def test_a_silent_database_is_down(database_at, monkeypatch):
    monkeypatch.setattr(views, "TIMEOUT", 0.2)
    with silent_port() as port:
        database_at(port)
        answer = Client().get("/readyz")
    assert answer.json()["database"] == "down"
    for thread in [thread for thread in threading.enumerate() if thread.name == "diagnosis"]:
        thread.join(5)


def take_all(slots, stack):
    while stack.enter_context(slots.reserve()):
        pass


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("slots", [wait_slots, reservation_slots])
def test_the_database_is_ready_whoever_else_waits_in_this_process(slots):
    with ExitStack() as stack:
        take_all(slots, stack)
        answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (200, "ok")


@pytest.mark.django_db(transaction=True)
def test_the_database_is_ready_while_buyers_wait_for_a_slow_phonepe(settings):
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        assert call_permits.acquire()

    def click():
        with suppress(Crowded), reserve_call():
            pytest.fail("PhonePe is busy")

    buyers = [threading.Thread(target=click) for _ in range(6)]
    for buyer in buyers:
        buyer.start()
    answers = [Client().get("/readyz").json()["database"] for _ in range(3)]
    for buyer in buyers:
        buyer.join()
    for _ in range(settings.PHONEPE_CALLS_AT_ONCE):
        call_permits.release()
    assert answers == ["ok"] * 3


@pytest.mark.django_db(transaction=True)
def test_a_database_that_was_not_asked_is_not_said_to_be_down(monkeypatch):
    monkeypatch.setattr(views, "SHORT_WAIT_SECONDS", 0.01)
    with ExitStack() as stack:
        take_all(views.check_slots, stack)
        answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "database": "unknown", "migrations": "unknown"}


@pytest.mark.parametrize("method", ["post", "delete"])
def test_only_safe_methods_are_allowed(method):
    assert getattr(Client(), method)("/healthz").status_code == 405


def test_the_answer_is_not_cached():
    assert "no-store" in Client().get("/healthz").headers["Cache-Control"]
