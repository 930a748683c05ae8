"""`migrate` alone makes the table of a cache in the database."""

from importlib import import_module

import pytest
from django.core.cache import caches
from django.db import connection

from core.cache import SharedCache

migration = import_module("core.migrations.0001_cache_table")
IN_THE_DATABASE = {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "cache_of_this_test"}
REDIS = {"BACKEND": f"{SharedCache.__module__}.{SharedCache.__name__}", "LOCATION": "redis://127.0.0.1:1/0"}


def migrate() -> None:
    with connection.schema_editor() as editor:
        migration.create_cache_table(None, editor)


def tables() -> list[str]:
    return connection.introspection.table_names()


@pytest.fixture
def cache_table(settings):
    settings.CACHES = {"default": IN_THE_DATABASE}
    yield IN_THE_DATABASE["LOCATION"]
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {IN_THE_DATABASE['LOCATION']}")


@pytest.mark.django_db(transaction=True)
def test_the_table_is_made_and_keeps_what_is_written_when_it_is_there_already(cache_table):
    migrate()
    caches["default"].set("token", "kept")
    migrate()

    assert cache_table in tables()
    assert caches["default"].get("token") == "kept"


@pytest.mark.django_db(transaction=True)
def test_no_table_is_made_for_redis(settings):
    settings.CACHES = {"default": REDIS}
    before = tables()
    migrate()

    assert tables() == before
