"""A migration that makes indexes online may be interrupted anywhere, in both directions: it ends when it runs again."""

from functools import cache
from itertools import count

import pytest
from django.db import connection, migrations
from django.db.migrations.state import ProjectState

from core.indexes import AddIndexOnline
from tests.harness.migrations import UnsquashedLoader

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

OURS = {"accounts", "booking", "core", "notifications", "payment"}
MIGRATIONS = UnsquashedLoader(None)
IN_STEPS = sorted(
    key for key, migration in MIGRATIONS.disk_migrations.items() if key[0] in OURS and not migration.atomic
)
OF_INDEXES = [key for key in IN_STEPS if key != ("booking", "0010_read_snapshots")]


class Interrupted(Exception):
    pass


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        return {
            name
            for table in connection.introspection.table_names(cursor)
            for name, about in connection.introspection.get_constraints(cursor, table).items()
            if about["index"]
        }


def run(key: tuple[str, str], way: str, changes: int, monkeypatch) -> None:
    """Raises Interrupted before the change of an index behind so many others."""
    state = state_before(key).clone()
    left = iter(range(changes))
    with monkeypatch.context() as patch, connection.schema_editor(atomic=False) as editor:
        execute = editor.execute

        def interrupted(sql, params=()):
            if str(sql).startswith(("CREATE INDEX", "DROP INDEX")) and next(left, None) is None:
                raise Interrupted
            return execute(sql, params)

        patch.setattr(editor, "execute", interrupted)
        getattr(MIGRATIONS.get_migration(*key), way)(state, editor)


@cache
def state_before(key: tuple[str, str]) -> ProjectState:
    """With its models, which take longer to build than an index."""
    state = MIGRATIONS.project_state(key, at_end=False)
    assert state.apps
    return state


@pytest.mark.proof(every=12)
@pytest.mark.parametrize("key", OF_INDEXES, ids=".".join)
def test_what_was_interrupted_is_finished_by_the_next_run(key, monkeypatch):
    before = indexes()
    for way in ("unapply", "apply"):
        for changes in count(1, step=4):
            try:
                run(key, way, changes, monkeypatch)
                break
            except Interrupted:
                continue
    assert indexes() == before


@pytest.mark.only_postgresql  # SQLite has no index that is half made, so it makes them all again
@pytest.mark.parametrize("key", OF_INDEXES, ids=".".join)
def test_on_postgresql_a_second_run_makes_no_index_anew(key, monkeypatch):
    run(key, "apply", 0, monkeypatch)


def test_a_migration_in_steps_holds_nothing_that_cannot_be_repeated():
    """Other changes, above all those for which SQLite copies a table, are for a migration in one transaction."""
    held = {type(step) for key in IN_STEPS for step in MIGRATIONS.disk_migrations[key].operations}
    assert held == {AddIndexOnline, migrations.RunPython}


# They made the table wait, once.
NOT_ONLINE = {
    *(("booking", name) for name in ("0013_hold_limits", "0020_reminders", "0024_waiting_networks")),
    ("notifications", "0005_mails_per_address"),
    *(("payment", name) for name in ("0002_refund_sending", "0030_notify_workers")),
    ("payment", "0035_payments_by_servers"),
}


def test_an_index_of_a_table_that_has_rows_is_made_while_others_write():
    """Else nobody logs in, pays or is refunded until the last index of the migration is made."""
    waited_for = set()
    for key, migration in MIGRATIONS.disk_migrations.items():
        steps = migration.operations
        made = {step.name_lower for step in steps if isinstance(step, migrations.CreateModel)}
        plain = {step.model_name_lower for step in steps if type(step) is migrations.AddIndex}
        if key[0] in OURS and plain - made:
            waited_for.add(key)
    assert waited_for == NOT_ONLINE
