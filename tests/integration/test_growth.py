"""What must not grow with the trade: indexes that are used, lists that count no rows. Also the rows of `bench.seed`.

Only PostgreSQL shows its plans; with SQLite these tests are left out, but for those of pages and searches.
"""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from importlib import import_module

import psycopg
import pytest
from django.apps import apps
from django.contrib import admin
from django.core.exceptions import EmptyResultSet
from django.db import connection, migrations
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import okpuja.urls  # noqa: F401 - loads the admin
from accounts.models import User
from core import indexes, long_lists
from core.long_lists import LongPaginator
from payment.models import GatewayCall, StateChange
from payment.services.monitoring import CHECKS
from tests.harness import ROOT, builders
from tests.harness.databases import empty_database, migrated_database
from tests.harness.processes import process_environment
from tests.unit.backoffice.sold import book
from tests.unit.payment.builders import make_payment
from worker.jobs import KINDS

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# As many rows as the temple has of them, or as its settings keep. What is not here grows with the trade.
BOUNDED = {
    *("accounts_apikey", "auth_group", "auth_group_permissions", "auth_permission", "django_content_type"),
    *("accounts_user_groups", "accounts_user_user_permissions", "django_session"),
    *("booking_pujacategory", "booking_pujaservice", "booking_package", "booking_packageprice"),
    *("booking_promocode", "booking_openinghours", "booking_closedperiod", "booking_cataloguepicture"),
    *("booking_priest", "booking_priest_services", "booking_priestlanguage", "booking_priesthours"),
    *("booking_priestleave", "core_counter", "payment_receiptcounter", "payment_webhookendpoint"),
    *(
        "payment_worklease",
        "payment_payingwatch",
        "booking_holdnetwork",
        "otp_totp_totpdevice",
        "otp_static_staticdevice",
    ),
    *("otp_static_statictoken", "backoffice_savedfilter"),
}
# Of a day, a few; their pages show the newest.
SLOW = {"payment_reconciliation", "payment_settlementfile", "payment_diagnosisrun", "payment_closure"}
GROWING = {
    model._meta.db_table
    for model in apps.get_models(include_auto_created=True)
    if model._meta.app_label not in ("simulator", "token_blacklist") and model._meta.managed
} - (BOUNDED | SLOW)


def scanned(queryset) -> set[str]:
    return scanned_by(*queryset.query.sql_with_params())


def scanned_by(sql: str, values: object = None) -> set[str]:
    """The growing tables that PostgreSQL reads whole for it, though it may use any index."""
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        try:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
            [[found]] = cursor.fetchall()
        finally:
            cursor.execute("RESET enable_seqscan")
    return read_whole(found[0]["Plan"]) & GROWING


def read_whole(plan: dict, is_filtered: bool = False) -> set[str]:
    """From end to end; also by an index, where only joined rows tell which are wanted (an OR over two tables), or where
    the condition names the first column of no index."""
    is_filtered = is_filtered or ("Join Type" in plan and "Filter" in plan)
    tables = set().union(*(read_whole(each, is_filtered) for each in plan.get("Plans", ())))
    if plan["Node Type"] == "Seq Scan":
        tables.add(plan["Relation Name"])
    elif "Index Name" in plan:
        table, first = indexed(plan["Index Name"])
        is_walked = is_filtered
        if "Index Cond" in plan:
            is_walked = bool(first) and not any(name in plan["Index Cond"] for name in first)
        tables |= {table} if is_walked else set()
    return tables


@cache
def indexed(index: str) -> tuple[str, list[str]]:
    """The table of an index, and the first columns of all indexes of that table. None for an expression or a kind of
    index that finds rows by any of its columns."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT of.indrelid::regclass::text, array_remove(array_agg(attname::text), NULL),"
            " bool_or(of.indkey[0] = 0 OR amname <> 'btree') FROM pg_index of"
            " JOIN pg_class index ON index.oid = of.indexrelid JOIN pg_am ON pg_am.oid = index.relam"
            " JOIN pg_index other ON other.indrelid = of.indrelid"
            " LEFT JOIN pg_attribute ON attrelid = other.indrelid AND attnum = other.indkey[0] AND attnum > 0"
            " WHERE index.relname = %s GROUP BY 1",
            [index],
        )
        table, first, finds_by_any = cursor.fetchone()
        return table, [] if finds_by_any else first


@pytest.mark.only_postgresql
@pytest.mark.parametrize("name", [name for name, check in CHECKS.items() if check.signs])
def test_what_monitoring_asks_each_minute_reads_no_table_whole(name):
    signs = CHECKS[name].signs(timezone.now())
    assert [scanned(query.order_by().values("pk")[:1]) for query in signs] == [set()] * len(signs)


@pytest.mark.only_postgresql
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_worker_asks_reads_no_table_whole(kind):
    rows = KINDS[kind].due(timezone.now())
    assert not isinstance(rows, QuerySet) or scanned(rows.values("pk")[:10]) == set()


@pytest.mark.only_postgresql
def test_texts_have_an_index_for_beginnings_only_where_somebody_searches_by_them():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename, indexname FROM pg_indexes WHERE indexname LIKE '%\\_like'"
            " AND tablename ~ '^(accounts|booking|core|notifications|payment)_'"
        )
        found = {
            (table, name.removeprefix(f"{table}_").rsplit("_", 2)[0]) for table, name in cursor.fetchall()
        }
    assert found == {
        ("booking_booking", "book_id"),
        ("payment_payment", "reference"),
        ("payment_paymentattempt", "merchant_order_id"),
        ("payment_refund", "merchant_refund_id"),
        # a few rows each, or one for each person who wanted it
        ("accounts_apikey", "digest"),
        ("accounts_apikey", "prefix"),
        ("booking_calendarfeed", "digest"),
        ("booking_cataloguepicture", "digest"),
        ("booking_priest", "feed_digest"),
        ("booking_promocode", "code"),
        ("booking_pujacategory", "name"),
        ("booking_pujaservice", "picture_id"),
        ("booking_pujaservice", "title"),
        ("payment_settlementfile", "digest"),
    }


@pytest.fixture
def desk(client, staff):
    client.force_login(staff)
    return client


GROWING_LISTS = sorted(
    (model for model in admin.site._registry if model._meta.db_table in GROWING),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("model", GROWING_LISTS)
def test_every_list_of_a_growing_table_is_a_long_list(model):
    desk = admin.site._registry[model]
    assert isinstance(desk, long_lists.LongList)
    assert desk.date_hierarchy is None
    for each in desk.list_filter:
        field = model._meta.get_field(each) if isinstance(each, str) else None
        is_short = field and field.is_relation and field.related_model._meta.db_table in BOUNDED
        assert not field or field.choices or is_short or field.get_internal_type() == "BooleanField", each


IDS = sorted(
    {
        (model._meta.label, path)
        for model, each in admin.site._registry.items()
        if isinstance(each, long_lists.LongList)
        for path in each.search_fields
        if path.endswith("__startswith")
    }
)


@pytest.mark.only_postgresql
@pytest.mark.parametrize(("label", "path"), IDS)
def test_every_id_is_looked_up_by_an_index(label, path):
    column = long_lists.read_column(apps.get_model(label), path)
    rows = column.model._default_manager.filter(column.holds("OKP0a1")).order_by()
    assert scanned(rows.values("pk")[:10]) == set()


def dear_for_request_ids(rows):
    try:
        where = str(rows.query).partition("WHERE")[2]
    except EmptyResultSet:
        return long_lists.Plan(0, 0)
    return long_lists.Plan(1, 1e9 if "request_id" in where else 1)


def test_an_old_order_is_found_though_another_column_has_no_index(desk, alice, cart, monkeypatch):
    """`request_id` of a change has none: it is looked for among the newest rows, and nothing else is."""
    payment = make_payment(builders.make_checkout(cart))
    old = StateChange.objects.create(payment=payment, after="PENDING", rule="x", request_id="abc")
    monkeypatch.setattr(long_lists, "NEWEST", 0)
    monkeypatch.setattr(long_lists, "plan_of", dear_for_request_ids)
    found = desk.get("/admin/payment/statechange/", {"q": payment.reference}).context["cl"]
    assert [row.pk for row in found.result_list] == [old.pk]
    page = desk.get("/admin/payment/statechange/", {"q": "abc"})
    assert page.context["cl"].result_count == 0
    assert "only the newest 0 rows" in page.content.decode()


@pytest.fixture
def calls():
    return GatewayCall.objects.bulk_create(
        GatewayCall(operation="pay", host=f"h{n}", port=443, milliseconds=n, started_at=timezone.now())
        for n in range(230)
    )


@pytest.fixture
def every_query_is_dear(monkeypatch):
    """As on a table of millions, which no test can wait for."""
    monkeypatch.setattr(long_lists, "plan_of", lambda queryset: long_lists.Plan(1_000, 1e9))


def page_of(paginator, number):
    return [row.milliseconds for row in paginator.page(number).object_list]


def test_the_last_page_of_an_estimated_list_begins_at_its_end(calls, every_query_is_dear):
    paginator = LongPaginator(GatewayCall.objects.order_by("pk"), 50)
    assert (paginator.count, paginator.num_pages) == (1_000, 20)
    with CaptureQueriesContext(connection) as queries:
        last = page_of(paginator, 20)
    assert last == list(range(180, 230))
    assert page_of(paginator, 19) == list(range(130, 180))
    assert page_of(paginator, 2) == list(range(50, 100))
    assert not any("COUNT(" in each["sql"] for each in queries)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_a_page_of_an_exact_count_is_reached_from_the_nearer_end(calls, monkeypatch, number):
    monkeypatch.setattr(long_lists, "FEW", 40)
    with CaptureQueriesContext(connection) as queries:
        page = page_of(LongPaginator(GatewayCall.objects.order_by("pk"), 50), number)
    assert page == list(range(230))[number * 50 - 50 : number * 50]
    skipped = [int(found) for each in queries for found in re.findall(r"OFFSET (\d+)", each["sql"])]
    assert max(skipped, default=0) <= 230 // 2


def test_a_page_far_from_both_ends_is_refused_with_a_sentence(desk, calls, every_query_is_dear, monkeypatch):
    monkeypatch.setattr(long_lists, "DEEPEST", 100)
    page = desk.get("/admin/payment/gatewaycall/?p=10")
    assert page.status_code == 200
    assert "far from both ends" in page.content.decode()


def test_a_filter_without_an_index_looks_at_the_newest_rows_and_says_so(
    desk, calls, every_query_is_dear, monkeypatch
):
    monkeypatch.setattr(long_lists, "NEWEST", 5)
    page = desk.get("/admin/payment/gatewaycall/?error_category=READ_TIMEOUT")
    assert "only the newest 5 rows" in page.content.decode()


def test_a_short_list_counts_and_turns_pages_as_ever(desk, calls):
    listed = desk.get("/admin/payment/gatewaycall/?p=5").context["cl"]
    assert (listed.result_count, len(listed.result_list)) == (230, 30)


@pytest.mark.parametrize("cut", [None, 12])
def test_ids_are_found_by_their_beginning(desk, alice, cart, cut):
    payment = make_payment(builders.make_checkout(cart))
    order = payment.attempts.get().merchant_order_id
    for path, text in (
        ("payment/payment", payment.reference),
        ("payment/payment", order),
        ("payment/paymentattempt", order),
        ("payment/statechange", order),
    ):
        if path.endswith("statechange"):
            StateChange.objects.create(
                payment=payment, attempt=payment.attempts.get(), after="PENDING", rule="x"
            )
        found = desk.get(f"/admin/{path}/", {"q": text[:cut]}).context["cl"]
        assert found.result_count >= 1, path


def test_two_words_are_found_in_two_tables(desk, alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    make_payment(
        builders.make_checkout(builders.make_cart(builders.make_user("x@example.com"), cart.package))
    )
    found = desk.get("/admin/payment/payment/", {"q": f"{payment.reference} {alice.email}"}).context["cl"]
    assert [row.pk for row in found.result_list] == [payment.pk]
    nobody = desk.get("/admin/payment/payment/", {"q": f"{payment.reference} x@example.com"}).context["cl"]
    assert nobody.result_count == 0


def test_both_names_of_a_person_are_found_among_many(desk, monkeypatch):
    monkeypatch.setattr(long_lists, "MOST_FOUND", 3)
    for number in range(9):
        User.objects.create(email=f"r{number}@example.com", first_name="Radha", last_name="Das")
        User.objects.create(email=f"s{number}@example.com", first_name="Asha", last_name="Sharma")
    wanted = User.objects.create(email="both@example.com", first_name="Radha", last_name="Sharma")
    found = desk.get("/admin/accounts/user/", {"q": "radha sharma"}).context["cl"]
    assert [row.pk for row in found.result_list] == [wanted.pk]


def test_a_search_that_finds_too_much_says_so(desk, monkeypatch):
    monkeypatch.setattr(long_lists, "MOST_FOUND", 3)
    for number in range(9):
        User.objects.create(email=f"r{number}@example.com", first_name="Radha")
    page = desk.get("/admin/accounts/user/", {"q": "radha"})
    assert page.context["cl"].result_count == 3
    assert "More than 3 rows" in page.content.decode()


@pytest.mark.parametrize("text", ["", "'", '"', "%", "_", "\\", "a\x00b", "x" * 400, "१२३४"])
@pytest.mark.parametrize("path", ["payment/payment", "booking/cart", "payment/worklease", "accounts/user"])
def test_no_text_breaks_the_search(desk, alice, package, path, text):
    builders.make_cart(alice, package)
    assert desk.get(f"/admin/{path}/", {"q": text}).status_code == 200


@contextmanager
def ordinary_owner(url):
    """A role that owns its database and nothing else."""
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS shop")
        owner.execute("CREATE ROLE shop LOGIN")
        database = owner.info.dbname
        owner.execute(f"ALTER DATABASE {database} OWNER TO shop")
        owner.execute("ALTER SCHEMA public OWNER TO shop")
    yield url.replace("postgres@", "shop@")
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("REASSIGN OWNED BY shop TO postgres")
        owner.execute("DROP OWNED BY shop")


def migrate(url, **more) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"],
        cwd=ROOT,
        env=process_environment(DATABASE_URL=url, **more),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def parts_index(url) -> bool:
    with psycopg.connect(url) as connected:
        return bool(connected.execute("SELECT 1 FROM pg_indexes WHERE indexname = 'user_parts'").fetchone())


@pytest.mark.only_postgresql
@pytest.mark.parametrize(
    "page", ["case/{number}/", "case/{number}/cancel/", "approvals/", "closing/?day={day}"]
)
def test_a_case_and_a_closed_day_read_no_growing_table_whole(desk, alice, package, page):
    booking = book(alice, package, builders.in_days(5))
    path = page.format(number=booking.book_id, day=f"{timezone.localtime(booking.starts_at):%Y-%m-%d}")
    with CaptureQueriesContext(connection) as asked:
        assert desk.get(f"/admin/desk/{path}").status_code == 200
    reads = [each["sql"] for each in asked if each["sql"].startswith("SELECT")]

    assert reads
    assert {table: sql for sql in reads for table in scanned_by(sql)} == {}


@pytest.mark.proof
@pytest.mark.only_postgresql
def test_the_owner_of_the_database_gets_the_extension():
    with empty_database() as url, ordinary_owner(url) as owned:
        migrate(owned)
        assert parts_index(url)


@pytest.mark.proof
@pytest.mark.only_postgresql
def test_without_the_right_to_the_extension_everything_else_is_migrated():
    with empty_database() as url, ordinary_owner(url) as owned:
        with psycopg.connect(url, autocommit=True) as connected:
            connected.execute(f"REVOKE CREATE ON DATABASE {connected.info.dbname} FROM PUBLIC")
            connected.execute(f"ALTER DATABASE {connected.info.dbname} OWNER TO postgres")
            connected.execute(f"REVOKE ALL ON DATABASE {connected.info.dbname} FROM shop")
        said = migrate(owned, LOG_LEVEL="WARNING")
        assert "no extension pg_trgm" in said
        assert not parts_index(url)


@pytest.mark.only_postgresql
def test_an_index_that_was_interrupted_is_made_anew():
    operation = next(
        each
        for each in import_module("notifications.migrations.0006_indexes_for_growth").Migration.operations
        if isinstance(each, indexes.AddIndexOnline)
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'notification_alerts'::regclass"
        )
    state = migrations.state.ProjectState.from_apps(__import__("django.apps").apps.apps)
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("notifications", editor, state, state)
    with connection.cursor() as cursor:
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'notification_alerts'::regclass")
        assert cursor.fetchone() == (True,)


@pytest.mark.only_postgresql
def test_a_thousand_payments_of_the_seed_obey_every_law():
    with migrated_database() as url:
        done = subprocess.run(
            [sys.executable, "-c", SEED.format(url=url)],
            cwd=ROOT,
            env=os.environ | {"LOG_LEVEL": "ERROR", "TEST_DATABASE": "sqlite"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "laws of the harness hold" in done.stdout


SEED = """
from bench.seed import connect, prove, seed
from tests.harness import environment
connect({url!r})
seed(1_000)
prove()
environment.end()
"""
