"""One squashed migration of an app makes the same database as those that it replaces, and no upgrade notices it."""

import re
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from tests.harness import ROOT
from tests.harness.databases import ON_POSTGRESQL, empty_database, query
from tests.harness.migrations import UnsquashedLoader, is_squashed
from tests.harness.processes import process_environment

APPS = {"backoffice", "booking", "payment", "simulator"}
UNSQUASHED = UnsquashedLoader(None)
ORIGINALS = UNSQUASHED.graph.nodes
SQUASHED = {key: each for key, each in MigrationLoader(None).disk_migrations.items() if is_squashed(key)}

# Of each table of PostgreSQL: what it is made of, as PostgreSQL itself writes it down.
POSTGRESQL = (
    "SELECT table_name, 'column ' || column_name, data_type || coalesce(character_maximum_length::text, '') || ' '"
    " || is_nullable || ' ' || coalesce(column_default, '') || ' ' || is_identity || coalesce(identity_generation, '')"
    " FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT conrelid::regclass::text, 'constraint ' || conname, pg_get_constraintdef(oid)"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "SELECT tablename, 'index ' || indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT tgrelid::regclass::text, 'trigger ' || tgname, pg_get_triggerdef(oid)"
    " FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT '', 'function ' || proname, pg_get_functiondef(p.oid) FROM pg_proc p"
    " WHERE pronamespace = 'public'::regnamespace AND prokind = 'f'"
    " AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = p.oid AND deptype = 'e')",
    "SELECT '', 'sequence ' || sequencename, concat_ws(' ', data_type, start_value, min_value, max_value, increment_by,"
    " cycle, cache_size) FROM pg_sequences WHERE schemaname = 'public'",
    "SELECT '', 'extension ' || extname, '' FROM pg_extension",
)
# Rows that refer to each other by numbers: what they say instead.
NAMED = {
    "auth_permission": "SELECT app_label, model, codename, name FROM auth_permission p"
    " JOIN django_content_type t ON t.id = p.content_type_id",
    "auth_group_permissions": "SELECT g.name, app_label, model, codename FROM auth_group_permissions l"
    " JOIN auth_group g ON g.id = l.group_id JOIN auth_permission p ON p.id = l.permission_id"
    " JOIN django_content_type t ON t.id = p.content_type_id",
    "auth_group": "SELECT name FROM auth_group",
    "django_content_type": "SELECT app_label, model FROM django_content_type",
}
HISTORY = ("django_migrations", "sqlite_sequence")
# A table that was renamed: PostgreSQL keeps the former name in its sequence, its key, and what Django named after it.
FORMER, NOW = "simulator_luck", "simulator_faultrate"


def schema(url):
    """(table, name of a part) -> how it is defined."""
    if ON_POSTGRESQL:
        parts = [part for each in POSTGRESQL for part in query(url, each)]
        return {(table, as_now(part)): as_now(made) for table, part, made in parts}
    rows = query(url, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    found = {(table, f"{kind} {name}"): made for kind, name, table, made in rows if kind != "table"}
    for kind, _, table, made in rows:
        if kind == "table":  # whose columns have another order if they were added one by one
            head, definitions, tail = re.fullmatch(r"(.*?)\((.*)\)(.*)", made, re.DOTALL).groups()
            found[table, "head"] = (head, tail)
            found[table, "definitions"] = sorted(split(definitions))
    return found


def as_now(text):
    """Also without the digest of an old name."""
    return re.sub(f"({NOW}_operation)_[0-9a-f]{{8}}_like", r"\1_like", text.replace(FORMER, NOW))


def split(definitions):
    """At the commas outside of brackets and texts."""
    parts, depth, is_text = [""], 0, False
    for character in definitions:
        is_text ^= character == "'"
        depth += 0 if is_text else (character == "(") - (character == ")")
        if character == "," and depth == 0 and not is_text:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def rows(url):
    names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    if not ON_POSTGRESQL:
        names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {table for (table,) in query(url, names)} - {*HISTORY}
    return {table: sorted(query(url, NAMED.get(table, f"SELECT * FROM {table}"))) for table in tables}  # noqa: S608


@pytest.fixture(scope="module")
def both():
    """The URLs of a database by squashed migrations, and of one by those that they replace."""
    with empty_database() as squashed, empty_database() as unsquashed:
        for url, command in (
            (squashed, ["manage.py", "migrate", "--verbosity", "0"]),
            (unsquashed, ["-m", "tests.harness.migrations"]),
        ):
            ended = subprocess.run(
                [sys.executable, *command], cwd=ROOT, env=process_environment(DATABASE_URL=url),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            assert ended.returncode == 0, ended.stderr
        ran = [
            {name for (name,) in query(url, "SELECT name FROM django_migrations")}
            for url in (squashed, unsquashed)
        ]
        assert ran[0] - ran[1] == {name for _, name in SQUASHED}
        yield squashed, unsquashed


@pytest.mark.proof
def test_the_tables_are_the_same(both):
    squashed, unsquashed = map(schema, both)
    differs = {
        key: (squashed.get(key), unsquashed.get(key))
        for key in squashed.keys() | unsquashed.keys()
        if squashed.get(key) != unsquashed.get(key)
    }
    assert differs == {}


@pytest.mark.proof
def test_the_rows_are_the_same(both):
    squashed, unsquashed = map(rows, both)
    assert squashed == unsquashed
    assert {name for (name,) in squashed["auth_group"]} >= {"Owner", "Manager", "Priest"}


def closure(*keys):
    """These migrations and all that must have run before them."""
    return {before for key in keys for before in UNSQUASHED.graph.forwards_plan(key)}


def record(applied):
    """As if exactly these had run."""
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.all().delete()
    renamed = {old for key in applied for old in ORIGINALS[key].replaces}
    recorder.migration_qs.bulk_create(
        recorder.Migration(app=app, name=name) for app, name in applied | renamed
    )


def left_to_run():
    """The migrations that `migrate` would run, each as often as it would; of a squashed one those that it replaces."""
    executor = MigrationExecutor(connection)
    executor.loader.check_consistent_history(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    keys = [(each.app_label, each.name) for each, _ in plan]
    return sorted(old for key in keys for old in (SQUASHED[key].replaces if key in SQUASHED else [key]))


def test_models_are_described_the_same():
    assert MigrationLoader(None).project_state() == UNSQUASHED.project_state()
    assert {app for app, _ in SQUASHED} == APPS


@pytest.mark.proof(every=40)
@pytest.mark.django_db
@pytest.mark.parametrize("key", sorted(ORIGINALS), ids=".".join)
def test_an_upgrade_runs_each_migration_that_has_not_run_once(key):
    """From a database that has just what one migration needs, or all but what follows it."""
    later = {other for other in ORIGINALS if key in closure(other)}
    for applied in (closure(key), ORIGINALS.keys() - later):
        record(applied)
        assert left_to_run() == sorted(ORIGINALS.keys() - applied)


@pytest.mark.django_db(transaction=True)
def test_a_database_of_the_release_before_only_notes_the_squashed_ones():
    recorder = MigrationRecorder(connection)
    before = recorder.applied_migrations().keys()
    assert before >= SQUASHED.keys()
    recorder.migration_qs.filter(name__contains="_squashed_").delete()

    call_command("migrate", verbosity=0)

    assert recorder.applied_migrations().keys() == before
    ran = recorder.migration_qs.order_by("pk").values_list("app", "name")
    assert {*ran[ran.count() - len(SQUASHED) :]} == SQUASHED.keys()
