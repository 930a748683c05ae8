"""What the pages of the desk ask the database reads no growing table whole. Only PostgreSQL shows its plans."""

import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.harness import builders
from tests.harness.databases import ON_POSTGRESQL
from tests.integration.test_growth import GROWING

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not ON_POSTGRESQL, reason="its plans"),
]
PAGES = [
    *("/admin/desk/", "/admin/desk/?day=2026-11-28"),
    *(
        f"/admin/desk/search/?q={text}"
        for text in (
            "BK-ABCDEFGH",
            "OKP/26-27/000001",
            "412345678901",
            "0001",
            "9876500001",
            "a@example.com",
            "asha devi",
        )
    ),
]


def read_whole(statement: str) -> set[str]:
    """The growing tables that PostgreSQL reads from end to end for it, though it may use any index."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        try:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
            [[found]] = cursor.fetchall()
        finally:
            cursor.execute("RESET enable_seqscan")
    found = json.dumps(found)
    return set(re.findall(r'"Node Type": "Seq Scan"[^{}]*?"Relation Name": "(\w+)"', found)) & GROWING


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_desk_reads_no_growing_table_whole(page):
    client = Client()
    client.force_login(builders.make_staff("Owner"))
    with CaptureQueriesContext(connection) as captured:
        assert client.get(page).status_code == 200
    statements = [each["sql"] for each in captured if each["sql"].startswith("SELECT")]

    assert len(statements) > 4
    assert {sql: tables for sql in statements if (tables := read_whole(sql))} == {}
