"""What the pages of the desk ask the database reads no growing table whole. Only PostgreSQL shows its plans.

Every page of the desk is here by being in its URLs: without parts in its address, or about a case.
"""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.sessions import open_session
from backoffice.exports import EXPORTS
from backoffice.reports import DIMENSIONS
from backoffice.urls import urlpatterns
from tests.harness import builders
from tests.integration.test_growth import scanned_by
from tests.unit.backoffice.sold import book

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_postgresql,
]
SEARCHED = (
    *("BK-ABCDEFGH", "OKP/26-27/000001", "412345678901", "0001", "9876500001", "a@example.com", "asha devi"),
)
PAGES = [
    *(reverse(f"desk:{each.name}") for each in urlpatterns if not each.pattern.converters),
    *(f"/admin/desk/search/?q={text}" for text in SEARCHED),
    *("/admin/desk/?day=2026-11-28", "/admin/desk/papers/?before=9", "/admin/desk/donations/?below=9"),
    *(
        f"/admin/desk/papers/?kind={kind}{query}"
        for kind in ("receipts", "credit-notes")
        for query in ("", "&q=OKP/26-27/000001", "&q=OKP-1")
    ),
    *(
        "/admin/desk/history/?kind=accounts",
        "/admin/desk/priests/day/?day=2026-11-28",
        "/admin/desk/closing/?day=2026-11-28",
    ),
    "/admin/desk/donations/?lacking=address",
]
OF_A_CASE = [each.name for each in urlpatterns if [*each.pattern.converters] in (["number"], ["book_id"])]


def tables_read_whole_by(client: Client, page: str) -> dict[str, set[str]]:
    with CaptureQueriesContext(connection) as captured:
        status = client.get(page).status_code
    assert status in (200, 302, 404, 405), (page, status)
    return read_whole_in(captured)


def read_whole_in(captured: CaptureQueriesContext) -> dict[str, set[str]]:
    statements = [each["sql"] for each in captured if each["sql"].startswith("SELECT")]
    assert statements
    return {sql: tables for sql in statements if (tables := scanned_by(sql))}


@pytest.fixture
def desk():
    client = Client()
    client.force_login(builders.make_staff("Owner"))
    return client


@pytest.mark.parametrize("page", PAGES)
def test_a_page_of_the_desk_reads_no_growing_table_whole(desk, page):
    assert tables_read_whole_by(desk, page) == {}


@pytest.mark.parametrize("name", OF_A_CASE)
def test_a_page_about_a_case_reads_no_growing_table_whole(desk, name, alice, package):
    booking = book(alice, package, builders.in_days(3))
    assert tables_read_whole_by(desk, reverse(f"desk:{name}", args=[booking.book_id])) == {}


def test_the_page_of_a_person_reads_no_growing_table_whole(desk, alice, package):
    book(alice, package, builders.in_days(3))
    assert tables_read_whole_by(desk, reverse("desk:person", args=[alice.pk])) == {}


@pytest.mark.parametrize("text", SEARCHED)
def test_the_search_of_the_frontend_reads_no_growing_table_whole(text):
    client = Client(headers={"Authorization": f"Bearer {open_session(builders.make_superuser()).access}"})
    assert tables_read_whole_by(client, f"/api/booking/admin/bookings/?search={text}") == {}


def test_what_the_frontend_and_the_accountant_read_of_a_month_reads_no_growing_table_whole(desk):
    frontend = Client(headers={"Authorization": f"Bearer {open_session(builders.make_superuser()).access}"})
    month = {"first": "2026-11-01", "last": "2026-11-30"}
    with CaptureQueriesContext(connection) as captured:
        for kind in ("revenue", "performance", "assignments"):
            frontend.get("/api/booking/admin/reports/", {"report_type": kind})
        frontend.get("/api/booking/admin/dashboard/?days=7")
        for by in DIMENSIONS:
            desk.get(reverse("desk:reports"), month | {"by": by})
        for name in EXPORTS:
            assert list(desk.post(reverse("desk:exports"), month | {"file": f"{name}:csv"}).streaming_content)
    assert read_whole_in(captured) == {}


def test_the_log_of_a_row_is_not_read_whole(desk, alice, package):
    booking = book(alice, package, builders.in_days(3))
    assert tables_read_whole_by(desk, reverse("admin:booking_booking_history", args=[booking.pk])) == {}
