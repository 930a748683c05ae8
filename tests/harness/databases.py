"""Databases of an installation's own: copies of one that was migrated and seeded once per test run."""

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from django.db import ProgrammingError, connection, transaction

from tests.harness import ROOT
from tests.harness.processes import process_environment

ON_POSTGRESQL = os.environ.get("TEST_DATABASE") == "postgresql"
PASSWORD = "a-long-lotus-pond-47"
# Logging hundreds of people in would take longer than most tests: their access tokens are printed.
SEED = f"""
import django, json, sys
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("seed_demo", "--password={PASSWORD}", stdout=open("/dev/null", "w"))
from accounts.sessions import open_session
from accounts.models import User
people = [User.objects.create_user(f"devotee{{number}}@example.com", None) for number in range(int(sys.argv[1]))]
staff = [User.objects.create_superuser(f"staff{{number}}@example.com", None) for number in range(2)]
token = lambda person: open_session(person).access
print(json.dumps({{"customers": [token(one) for one in people], "staff": [token(one) for one in staff]}}))
"""
MIGRATE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
# Filled by `migrate`, the same for every test.
# Rows of migrations.
KEPT = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
numbers = count(1)


@dataclass(frozen=True)
class Tokens:
    """Access tokens of people who are in a seeded database: customers, and two of the staff."""

    customers: list[str]
    staff: list[str]


def query(database_url: str, statement: str) -> list[Any]:
    """The rows that one SQL statement returns."""
    if not database_url.startswith("sqlite:///"):
        with psycopg.connect(database_url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []
    file = database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=10)) as connection, connection:
        return connection.execute(statement).fetchall()


def delete_all_rows() -> None:
    """Empties the test's database between two tests. Django's `flush` takes ten times as long: it truncates tables
    that have no rows, and creates every permission again.
    """
    if ON_POSTGRESQL:
        with connection.cursor() as cursor:
            try:
                cursor.execute("SELECT pg_temp.delete_all_rows()")
            except ProgrammingError:  # the first time of this connection
                cursor.execute(_function())
                cursor.execute("SELECT pg_temp.delete_all_rows()")
        return
    with transaction.atomic(), connection.cursor() as cursor:  # foreign keys are checked at its end
        cursor.execute(_tables_with_rows())
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")  # noqa: S608


@cache
def _tables_with_rows() -> str:
    """One statement that names them: most tests fill ten tables of eighty."""
    rows = (f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {name})" for table, name in _emptied())  # noqa: S608
    return " UNION ALL ".join(rows)


@cache
def _function() -> str:
    """Each connection plans its statements once, and no backup has it. Without triggers nothing is looked for that
    refers to a deleted row.
    """
    deletes = (
        f"IF EXISTS (SELECT FROM {name}) THEN DELETE FROM {name}; END IF;"  # noqa: S608
        for _, name in _emptied()
    )
    return (
        "CREATE FUNCTION pg_temp.delete_all_rows() RETURNS void LANGUAGE plpgsql "
        f"SET session_replication_role = replica AS $$ BEGIN {' '.join(deletes)} END $$"
    )


def _emptied() -> list[tuple[str, str]]:
    """The tables, and their names in quotes."""
    existing = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [(table, connection.ops.quote_name(table)) for table in existing if table not in KEPT]


@contextmanager
def empty_database() -> Iterator[str]:
    """The URL of a database without a table."""
    with _new_database("empty", template="") as url:
        yield url


@contextmanager
def migrated_database() -> Iterator[str]:
    """The URL of a migrated database without a row of ours."""
    with _new_database("migrated", _migrated_template()) as url:
        yield url


@contextmanager
def seeded_database() -> Iterator[tuple[str, Tokens]]:
    """The URL of a migrated and seeded database that nobody else uses, and tokens of ten customers in it."""
    template, tokens = _seeded_template()
    with _new_database("installation", template) as url:
        yield url, tokens


def seed(environment: dict[str, str], customers: int = 10) -> Tokens:
    """Migrates and seeds the database of a process with this environment."""
    return Tokens(**json.loads(_run(SEED, str(customers), environment=environment | {"LOG_LEVEL": "ERROR"})))


def copy_migrated_database(name: str) -> None:
    """Makes `name` (a file, or a database of the run's PostgreSQL) a copy of an empty, migrated database."""
    template = _migrated_template()
    if ON_POSTGRESQL:
        query(url_of("postgres"), f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        query(url_of("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    else:
        Path(name).unlink(missing_ok=True)
        shutil.copy(template, name)


def url_of(database: str) -> str:
    """The URL of another database on the PostgreSQL server of this run."""
    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{database}"


@contextmanager
def _new_database(prefix: str, template: str) -> Iterator[str]:
    name = f"{prefix}_{os.getpid()}_{next(numbers)}"
    if ON_POSTGRESQL:
        query(url_of("postgres"), f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        try:
            yield url_of(name)
        finally:
            query(url_of("postgres"), f"DROP DATABASE {name} WITH (FORCE)")
        return
    with tempfile.TemporaryDirectory(prefix="okpuja-") as folder:
        file = Path(folder) / "okpuja.sqlite3"
        if template:
            shutil.copy(template, file)
        yield f"sqlite:///{file}"


@cache
def _migrated_template() -> str:
    """An SQLite file outlives the run, under a name that changes with the migrations; PostgreSQL does not."""
    if ON_POSTGRESQL:
        with _only_one_worker("migrated") as done:
            if not done.exists():
                query(url_of("postgres"), "CREATE DATABASE migrated")
                _run(MIGRATE, environment=process_environment(DATABASE_URL=url_of("migrated")))
                done.touch()
        return "migrated"
    file = ROOT / ".pytest_cache" / f"migrated-{_migrations_digest()}.sqlite3"
    with _only_one_worker("migrated"):
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            for outdated in file.parent.glob("migrated-*.sqlite3"):
                outdated.unlink(missing_ok=True)
            unfinished = file.with_suffix(f".{os.getpid()}")
            _run(MIGRATE, environment=process_environment(DATABASE_URL=f"sqlite:///{unfinished}"))
            unfinished.rename(file)
    return str(file)


@cache
def _seeded_template() -> tuple[str, Tokens]:
    """Once per run, whichever worker needs it first."""
    name = "seeded" if ON_POSTGRESQL else str(_run_folder() / "seeded.sqlite3")
    with _only_one_worker("seeded") as done:
        if not done.exists():
            copy_migrated_database(name)
            url = url_of(name) if ON_POSTGRESQL else f"sqlite:///{name}"
            tokens = _run(SEED, "10", environment=process_environment(DATABASE_URL=url, LOG_LEVEL="ERROR"))
            done.write_text(tokens)
        return name, Tokens(**json.loads(done.read_text()))


@contextmanager
def _only_one_worker(what: str) -> Iterator[Path]:
    """Waits for the other xdist workers. Yields the file that says that it was done before."""
    done = _run_folder() / f"{what}.done"
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield done


def _run_folder() -> Path:
    """Shared by the workers of one test run (tests/harness/environment.py)."""
    return Path(os.environ["TEST_RUN_FOLDER"])


def _migrations_digest() -> str:
    digest = hashlib.sha256((ROOT / "requirements.lock").read_bytes())
    for file in sorted(ROOT.glob("*/migrations/*.py")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _run(code: str, *arguments: str, environment: dict[str, str]) -> str:
    """What a Python process of its own prints."""
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
