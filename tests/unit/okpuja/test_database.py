"""What connections to the database are told before anything else."""

import pytest
from django.db import connection

from okpuja.environment import database


def test_a_schema_of_its_own_is_kept_beside_our_limits():
    options = database("postgresql://shop@db/shared?currentSchema=shop")["OPTIONS"]["options"]
    assert options.endswith(" -c search_path=shop")
    assert "-c lock_timeout=3000" in options


def test_the_limits_of_a_connection_can_be_changed_by_its_address():
    usual = database("postgresql://shop@db/shop")["OPTIONS"]
    assert usual["tcp_user_timeout"] == 10_000  # milliseconds, for a machine that is gone without a word
    options = database("postgresql://shop@db/shop?keepalives_idle=60&sslmode=require")["OPTIONS"]
    assert (int(options["keepalives_idle"]), options["sslmode"]) == (60, "require")


@pytest.mark.only_sqlite
@pytest.mark.django_db
def test_what_was_committed_outlives_a_power_cut():
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        assert cursor.fetchone() == (2,)  # FULL
