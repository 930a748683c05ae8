import pytest
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.db import OperationalError, connection, connections, transaction

from diagnostics import dependencies
from diagnostics.parallel import begin, result
from payment.phonepe.transport import Deadline
from tests.unit.diagnostics.servers import refusing_port

pytestmark = pytest.mark.django_db


class DeafCache(BaseCache):
    """Takes everything, keeps nothing."""

    def __init__(self, *_):
        super().__init__({})

    def get(self, key, default=None, version=None):
        return default

    def set(self, *_, **__):
        pass

    def delete(self, *_, **__):
        return False


def rename(app, other):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_migrations SET app = %s WHERE app = %s", [other, app])


def test_a_database_with_every_table_is_well():
    hop = dependencies.timed(dependencies.database)
    assert (hop.ok, hop.fault) == (True, "")
    assert hop.target


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_was_not_applied_is_counted():
    rename("payment", "renamed")
    hop = dependencies.database()
    rename("renamed", "payment")
    assert (hop.ok, hop.fault) == (False, "migrations")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_takes_writes_is_known_by_one():
    hop = dependencies.writable_database()
    assert hop.ok is True
    assert "takes writes" in hop.detail


@pytest.mark.django_db(transaction=True)
def test_a_database_that_answers_and_takes_no_writes_is_told_from_one_that_is_down(monkeypatch):
    options = dict(connection.settings_dict["OPTIONS"])
    if connection.vendor == "sqlite":
        options["init_command"] = "PRAGMA query_only=ON;"
    else:
        options["options"] += " -c default_transaction_read_only=on"
    readonly = connections.settings["default"] | {
        "NAME": connection.settings_dict["NAME"],
        "OPTIONS": options,
    }
    monkeypatch.setitem(connections.settings, "default", readonly)
    hop = result(begin(dependencies.writable_database), Deadline(5))
    assert (hop.ok, hop.fault) == (False, "readonly")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_somebody_is_just_writing_to_takes_writes(monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("only SQLite lets one write at a time")
    monkeypatch.setattr(dependencies, "BUSY_SECONDS", 0.1)
    with transaction.atomic():
        hop = result(begin(dependencies.writable_database), Deadline(5))
    assert (hop.ok, "somebody is writing" in hop.detail) == (True, True)


def test_a_pool_does_not_hide_what_the_database_says(monkeypatch):
    port = refusing_port()
    engine = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": port, "NAME": "shop"}
    pooled = engine | {"OPTIONS": {"pool": {"min_size": 0, "timeout": 5}}}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | pooled)
    hop = result(begin(dependencies.database), Deadline(3))
    assert hop.fault == "down"
    assert f"port {port}" in hop.detail
    assert "refused" in hop.detail


def test_no_user_and_no_password_stand_in_the_name_of_the_database(monkeypatch):
    target = {"HOST": "db.internal", "PORT": 5433, "USER": "okpuja", "PASSWORD": "pass-word", "NAME": "shop"}
    engine = {"ENGINE": "django.db.backends.postgresql"}
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | engine | target)
    assert result(begin(dependencies.database_target), Deadline(5)) == "db.internal:5433"


def test_a_cache_that_keeps_what_is_written_is_well():
    assert dependencies.cache().ok is True


def test_a_cache_that_forgets_at_once_is_down(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.DeafCache"}}
    assert dependencies.cache().fault == "down"


@pytest.mark.django_db(transaction=True)
def test_a_cache_table_that_was_never_made_is_down(settings):
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "never_made"}
    }
    hop = dependencies.cache()
    assert hop.fault == "down"
    assert "never_made" in hop.detail
    assert caches["default"]


def test_what_a_driver_says_is_told_without_secrets(settings):
    settings.PHONEPE_SALT_KEY = "a-salt-key-that-nobody-may-see"
    error = OperationalError("no access for a-salt-key-that-nobody-may-see\nand a second line")
    assert dependencies.exact(error) == "OperationalError: no access for [secret]"
