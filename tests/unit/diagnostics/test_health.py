import threading

import pytest
from django.db import connection, connections
from django.test import Client

from diagnostics import health
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
    monkeypatch.setattr(health, "TIMEOUT", 0.2)
    with silent_port() as port:
        database_at(port)
        answer = Client().get("/readyz")
    assert answer.json()["database"] == "down"
    for thread in [thread for thread in threading.enumerate() if thread.name == "diagnosis"]:
        thread.join(5)


@pytest.mark.parametrize("method", ["post", "delete"])
def test_only_safe_methods_are_allowed(method):
    assert getattr(Client(), method)("/healthz").status_code == 405


def test_the_answer_is_not_cached():
    assert "no-store" in Client().get("/healthz").headers["Cache-Control"]
