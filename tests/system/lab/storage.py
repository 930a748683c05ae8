"""Rows about a database or a cache that runs and does not serve us: locks, limits, rights, full disks, logins."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from diagnostics.enums import Verdict
from tests.harness import ROOT
from tests.harness.databases import query
from tests.integration.wire.faults import message
from tests.system.lab import actors
from tests.system.lab.actors import Behaviour
from tests.system.lab.case import NONE, OK, Case, nothing
from tests.system.lab.dependencies import HERE, frozen, postgres
from tests.system.lab.faults import THIS_SERVER
from tests.system.lab.testbed import CACHE, Testbed, Wire

Look = Callable[[Testbed], Wire]
SHOP_HERE = HERE.replace("postgres:", "shop:")
DB_CACHE = {"CACHE_URL": "db://cache"}
# Root as anybody else: rights of files count. (Another user could not read Python and the code here.)
WITHOUT_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
# Takes the lock that the statements take, and says so.
HOLDER = """
import sqlite3, sys, time
held = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[3:]:
    held.execute(statement)
print(flush=True)
time.sleep(int(sys.argv[2]))
"""


def rows() -> Iterator[Case]:
    yield from _sqlite()
    yield from _postgresql()
    yield from _postgresql_by_http()
    yield from _redis()


def _row(title: str, look: Look, verdict: Verdict, finding: str, named: str, **more: object) -> Case:
    return Case(
        title, "v2", "dependencies", nothing, verdict, THIS_SERVER, finding, dependency="database", named=named,
        look=look, **more,
    )  # fmt: skip


def _sqlite() -> Iterator[Case]:
    down = Verdict.DATABASE_DOWN
    for title, look in (
        ("by another writer", _while_held("BEGIN IMMEDIATE")),
        ("by another writer, the cache in it", _while_held("BEGIN IMMEDIATE", CACHE_URL="db://cache")),
        # As `VACUUM` and some backup programs do it: nobody may even read.
        ("for readers too", _while_held("PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE")),
        ("for readers too, the cache in it",
         _while_held("PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE", CACHE_URL="db://cache")),
    ):  # fmt: skip
        yield _row(f"SQLite locked {title}", look, down, "locked", "python) holds the lock")
    for title, statements in (
        (
            "by a reader that has begun to write",
            ("PRAGMA journal_mode=DELETE", "BEGIN", "DELETE FROM core_counter"),
        ),
        ("by one that holds it exclusively", ("PRAGMA locking_mode=EXCLUSIVE", "BEGIN IMMEDIATE")),
        ("by a schema change", ("BEGIN", "CREATE TABLE unfinished (id integer)")),
    ):
        yield _row(f"SQLite locked {title}", _while_held(*statements), down, "locked", "holds the lock")
    reading = _while_held("BEGIN", "SELECT * FROM core_counter")
    yield Case("SQLite read for long by another", "v2", "dependencies", nothing, OK, NONE, look=reading)
    for seconds in (1, 3):
        short = _while_held("BEGIN EXCLUSIVE", seconds=seconds)
        yield Case(
            f"SQLite locked for {seconds} s, exclusively", "v2", "dependencies", nothing, OK, NONE, look=short
        )
    for title, statements in (
        ("SQLite locked", ("BEGIN IMMEDIATE",)),
        ("SQLite locked for readers too", ("PRAGMA journal_mode=DELETE", "BEGIN EXCLUSIVE")),
    ):
        by_http = _while_held(*statements, ask=Testbed.ask_page, **DB_CACHE)
        yield _row(f"{title}, the cache in it, asked by HTTP", by_http, down, "locked", "holds the lock")
    brief = _while_held("BEGIN IMMEDIATE", seconds=2)
    yield Case("SQLite locked for two seconds", "v2", "dependencies", nothing, OK, NONE, look=brief)
    for title, command, named in (
        ("file", "chown nobody {file}", "shop.sqlite3 belongs to nobody (mode 0600)"),
        ("folder", "chown nobody {folder}", "data belongs to nobody (mode 0755)"),
        (
            "journal",
            "touch {file}-wal {file}-shm; chown nobody {file}-wal {file}-shm",
            "-wal belongs to nobody",
        ),
    ):
        yield _row(f"SQLite {title} of another user", _without_rights(command), down, OF_RIGHTS[title], named)
    broken = b"not a database at all, " * 100
    yield _row(
        "SQLite file is empty", _with_file(b""), Verdict.MISCONFIGURED, "migrations", "manage.py migrate"
    )
    header = b"SQLite format 3\0" + b"\x10\0\1\1\0\x40\x20\x20" + b"\xff" * 4096
    yield _row("SQLite file is damaged", _with_file(header), down, "down", "restore the last backup")
    yield _row("SQLite file is a folder", _with_folder, down, "down", "must own the file")
    yield _row("SQLite file is no database", _with_file(broken), down, "down", "restore the last backup")
    yield _row("SQLite folder is missing", _in_no_folder, down, "down", "there is no folder")


# What SQLite does not manage first: to open its journal, or to write.
OF_RIGHTS = {"file": "down", "folder": "readonly", "journal": "down"}


def _while_held(
    *statements: str, seconds: int = 60, ask: Callable[..., Wire] = Testbed.ask_doctor, **environment: str
) -> Look:
    """Another program has the lock of the database, for so many seconds."""

    def look(testbed: Testbed) -> Wire:
        database = f"sqlite:///{_copy(testbed)}"
        command = [
            sys.executable,
            "-c",
            HOLDER,
            database.removeprefix("sqlite:///"),
            str(seconds),
            *statements,
        ]
        subprocess.run(
            [sys.executable, "manage.py", "createcachetable"], cwd=ROOT, check=True, capture_output=True,
            env=testbed.process_environment(DATABASE_URL=database, CACHE_URL="db://cache"),
        )  # fmt: skip
        holder = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert holder.stdout
        holder.stdout.readline()
        try:
            return ask(testbed, DATABASE_URL=database, **environment)
        finally:
            holder.kill()
            holder.wait()

    return look


def _copy(testbed: Testbed) -> Path:
    """A database that the testbed's PhonePe does not use: its answers need a database, too."""
    folder = testbed.folder / "data"
    folder.mkdir()
    folder.chmod(0o755)
    return Path(shutil.copy(testbed.folder / testbed.database, folder / "shop.sqlite3"))


def _without_rights(command: str) -> Look:
    """The files belong to another user than the one who runs the server."""

    def look(testbed: Testbed) -> Wire:
        file = _copy(testbed)
        subprocess.run(["sh", "-c", command.format(folder=file.parent, file=file)], check=True)
        return testbed.ask_doctor(WITHOUT_RIGHTS, DATABASE_URL=f"sqlite:///{file}")

    return look


def _with_file(content: bytes) -> Look:
    def look(testbed: Testbed) -> Wire:
        file = testbed.folder / "other.sqlite3"
        file.write_bytes(content)
        return testbed.ask_doctor(DATABASE_URL=f"sqlite:///{file}")

    return look


def _with_folder(testbed: Testbed) -> Wire:
    (testbed.folder / "folder.sqlite3").mkdir()
    return testbed.ask_doctor(DATABASE_URL=f"sqlite:///{testbed.folder}/folder.sqlite3")


def _in_no_folder(testbed: Testbed) -> Wire:
    return testbed.ask_doctor(DATABASE_URL=f"sqlite:///{testbed.folder}/nowhere/shop.sqlite3")


def _postgresql() -> Iterator[Case]:
    down = Verdict.DATABASE_DOWN
    for title, statements, url, environment, finding, named in (
        ("PostgreSQL table locked", (), HERE, {}, "locked", "pg_terminate_backend"),
        ("PostgreSQL cache table locked", (), HERE, DB_CACHE, "locked", "pg_terminate_backend"),
        ("PostgreSQL list of migrations locked", (), HERE, {}, "locked", "lock"),
        ("PostgreSQL role without connections", ("CREATE ROLE shop LOGIN CONNECTION LIMIT 0",), SHOP_HERE, {}, "down",
         "CONNECTION LIMIT"),
        ("PostgreSQL database without connections",
         ("CREATE ROLE shop LOGIN", "ALTER DATABASE okpuja CONNECTION LIMIT 0"), SHOP_HERE, {}, "down",
         "CONNECTION LIMIT"),
        ("PostgreSQL without this role", (), SHOP_HERE, {}, "down", "Correct user, password"),
        ("PostgreSQL without this database", (), HERE.replace("/okpuja", "/no_such_shop"), {}, "down",
         "Correct user, password"),
    ):  # fmt: skip
        tables = {"table": "payment_paymentattempt", "cache table": "cache", "list": "django_migrations"}
        locked = next((name for words, name in tables.items() if f"PostgreSQL {words}" in title), "")
        look = _of_postgresql(statements, url, environment, locked)
        yield _row(title, look, down, finding, named, needs_postgresql=True)
    yield _row(
        "PostgreSQL disk full", _on_a_full_disk, Verdict.DISK_FULL, "full", "Make room", needs_postgresql=True
    )


def _postgresql_by_http() -> Iterator[Case]:
    """Before the diagnosis a request looks into several tables, and afterwards it saves into one."""
    for table in ("core_counter", "accounts_session", "django_session", "payment_diagnosisrun", "cache"):
        locked = _of_postgresql((), HERE, DB_CACHE, table, Testbed.ask_page)
        yield _row(
            f"PostgreSQL {table} locked, asked by HTTP", locked, Verdict.DATABASE_DOWN, "locked", table,
            needs_postgresql=True,
        )  # fmt: skip
    limit = ("CREATE ROLE shop LOGIN CONNECTION LIMIT 0",)
    for title, look, finding, named in (
        ("without connections", _of_postgresql(limit, SHOP_HERE, DB_CACHE, "", Testbed.ask_page), "down",
         "CONNECTION LIMIT"),
        ("frozen", lambda testbed: frozen(testbed, Testbed.ask_page, **DB_CACHE), "down", "127.0.0.1:5432"),
    ):  # fmt: skip
        yield _row(
            f"PostgreSQL {title}, asked by HTTP",
            look,
            Verdict.DATABASE_DOWN,
            finding,
            named,
            needs_postgresql=True,
        )


def _of_postgresql(
    statements: tuple[str, ...],
    url: str,
    environment: dict[str, str],
    locked: str,
    ask: Callable[..., Wire] = Testbed.ask_doctor,
) -> Look:
    def look(testbed: Testbed) -> Wire:
        server = postgres(testbed)
        for statement in statements:
            query(HERE, statement)
        with contextlib.closing(psycopg.connect(HERE)) as session:
            if locked:
                session.execute(f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE")
            try:
                return ask(testbed, DATABASE_URL=url, **environment)
            finally:
                server.stop() if not locked else server.process.kill()

    return look


def _on_a_full_disk(testbed: Testbed) -> Wire:
    disk = testbed.folder / "postgresql"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m,mode=0777", "tmpfs", str(disk)], check=True)
    os.chmod(testbed.folder, 0o755)  # noqa: S103 - PostgreSQL runs as another user
    server = postgres(testbed, str(disk))
    query(HERE, "SELECT count(*) FROM django_migrations")  # the first connection writes files of its own
    subprocess.run(["dd", "if=/dev/zero", f"of={disk}/filler", "bs=64k"], check=False, capture_output=True)
    try:
        return testbed.ask_doctor(DATABASE_URL=HERE)
    finally:
        server.process.kill()


def _redis() -> Iterator[Case]:
    for title, refusals, named in (
        ("cache wants a login", {"*": "NOAUTH Authentication required."}, "user and password in CACHE_URL"),
        ("cache knows another password", {"AUTH": WRONG_PASSWORD, "HELLO": WRONG_PASSWORD},
         "user and password in CACHE_URL"),
        ("cache forbids commands", {"SET": "NOPERM this user has no permissions to run the 'set' command"},
         "user and password in CACHE_URL"),
        ("cache is a replica", {"SET": "READONLY You can't write against a read only replica."},
         "primary in CACHE_URL"),
        ("cache out of memory", {"SET": "OOM command not allowed when used memory > 'maxmemory'."}, "more memory"),
        ("cache cannot save", {"SET": "MISCONF Redis is configured to save RDB snapshots, but is unable to persist"},
         "room on its disk"),
        ("cache is loading", {"*": "LOADING Redis is loading the dataset in memory"}, "Start the cache"),
        ("cache has too many clients", {"*": "ERR max number of clients reached"}, "Start the cache"),
        ("cache loses what is written", {}, "Start the cache"),
        ("cache has no user of this name",
         {"AUTH": WRONG_PASSWORD, "HELLO": WRONG_PASSWORD, "*": "NOAUTH Authentication required."},
         "user and password in CACHE_URL"),
        ("cache forbids keys", {"SET": "NOPERM this user has no permissions to access one of the keys used"},
         "user and password in CACHE_URL"),
        ("cache in protected mode", {"*": "DENIED Redis is running in protected mode because it is enabled"},
         "user and password in CACHE_URL"),
        ("cache has too few replicas", {"SET": "NOREPLICAS Not enough good replicas to write."}, "write again"),
        ("cache's primary is down", {"*": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to"
         " 'no'."}, "primary in CACHE_URL"),
        ("cache is a cluster", {"SET": "MOVED 3999 127.0.0.1:6381"}, "CACHE_URL"),
        ("cache's cluster is down", {"SET": "CLUSTERDOWN The cluster is down"}, "CACHE_URL"),
        ("cache is busy with a script", {"*": "BUSY Redis is busy running a script. You can only call SCRIPT KILL"},
         "CACHE_URL"),
    ):  # fmt: skip
        yield Case(
            title, "v2", "dependencies", _cache_server(redis(refusals)), Verdict.MISCONFIGURED, THIS_SERVER, "down",
            dependency="cache", named=named, look=_with_redis,
        )  # fmt: skip
    for title, behave in (
        ("speaks HTTP", actors.tell(message(400, b""))),
        ("hangs up", actors.cut),
        ("wants TLS", actors.tell(b"\x15\x03\x03\x00\x02\x02\x46")),
    ):
        yield Case(
            f"cache {title}", "v2", "dependencies", _cache_server(behave), Verdict.MISCONFIGURED, THIS_SERVER, "down",
            dependency="cache", named=f"{CACHE}:6379", look=_with_redis,
        )  # fmt: skip


def redis(refusals: dict[str, str]) -> Behaviour:
    """Speaks Redis's protocol: refuses the named commands ("*": all), takes the others, keeps nothing."""

    def behaviour(connection: socket.socket) -> None:
        while said := connection.recv(65_536):
            for command in re.findall(rb"\*\d+\r\n\$\d+\r\n(\w+)\r\n", said):
                name = command.decode().upper()
                refusal = refusals.get(name, refusals.get("*"))
                kept = "_" if name == "GET" else "+OK"  # the null of RESP3, which HELLO has asked for
                connection.sendall(f"{f'-{refusal}' if refusal else kept}\r\n".encode())

    return behaviour


def _cache_server(behave: Behaviour) -> Callable[[Testbed], object]:
    return lambda testbed: testbed.add_host(CACHE, "203.0.113.79", 6379, behave)


def _with_redis(testbed: Testbed) -> Wire:
    return testbed.ask_doctor(CACHE_URL=f"redis://:lab-cache-password@{CACHE}:6379")
