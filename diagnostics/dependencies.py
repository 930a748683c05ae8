"""Checks of what we depend on ourselves: database, cache, disk, mail, broker, worker, webhooks.

A refusal by one of these has nothing to do with PhonePe. Mail server and broker cannot stop a payment.
"""

import contextlib
import os
import pwd
import secrets
import smtplib
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache as django_cache
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

from core.clocks import database_now
from core.errors import is_busy
from core.logging import redact
from diagnostics.deadlines import cache_errors, call_cache
from diagnostics.load import Load, note_own_limit
from payment.models import DiagnosisRun
from payment.phonepe.enums import ErrorCategory, Stage
from payment.phonepe.errors import categorize
from payment.services.queue import oldest_overdue

DATABASE_ERRORS = (DatabaseError, InterfaceError)
DATABASE_CACHE = "DatabaseCache"  # the target of a cache that is a table
SQLITE = "SQLite file"  # how the target of such a database begins
CONNECT_SECONDS = 5
BUSY_SECONDS = 5  # SQLite: how long to wait for another writer, as long as payments do
LOCK_SECONDS, LOCK_PAUSE = 3.0, 0.25  # PostgreSQL: how long payments wait for a lock; when to look again
MIN_FREE_BYTES = 256 * 1024 * 1024
MIN_FREE_TEMPORARY = 1024 * 1024  # containers give temporary files a small disk of its own
SMTP = "django.core.mail.backends.smtp.EmailBackend"
BROKER_PORT = {"amqp": 5672, "amqps": 5671, "redis": 6379, "rediss": 6379}
# What Redis answers when it does not take our login, or no writes. Its errors have no codes but these words.
CACHE_FAULTS = {
    "Authentication required": "login",
    "NOAUTH": "login",
    "WRONGPASS": "login",
    "invalid username-password": "login",
    "invalid password": "login",
    "NOPERM": "login",
    "no permissions": "login",
    "without any password configured": "login",
    "protected mode": "login",
    "read only replica": "readonly",
    "command not allowed when used memory": "readonly",
    "MISCONF": "readonly",
    "NOREPLICAS": "readonly",
    "enough good replicas": "readonly",
    "MASTERDOWN": "readonly",
    "Link with MASTER is down": "readonly",
}
# They only read rows, or send a request to our own address, which may not be reachable from inside.
NO_FAULT_ON_TIMEOUT = {"worker", "webhook", "webhook_silence"}
MAX_OVERDUE_SECONDS = 60  # a due row waits no longer while a worker runs
MAX_MISSED_RUNS = 3  # of the worker's own diagnoses, before it counts as stopped
# The beginnings of SQLite's names of errors (`sqlite3.Error.sqlite_errorname`).
FAULT_OF_SQLITE_ERROR = {
    "SQLITE_READONLY": "readonly",
    "SQLITE_FULL": "full",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_NOTADB": "damaged",
}
FAULT_OF_SQLSTATE = {
    "25006": "readonly",
    "42501": "rights",
    "53100": "full",
    "53300": "connections",
    "57P03": "starting",
    "58030": "damaged",
    "XX001": "damaged",
    "XX002": "damaged",
}
# A refused connection has no SQLSTATE in libpq. What PostgreSQL says then, in English, its default.
FAULT_OF_REFUSAL = {
    "too many clients": "connections",
    "too many connections": "connections",
    "remaining connection slots": "connections",
    "starting up": "starting",
    "shutting down": "starting",
    "recovery mode": "starting",
    "not yet accepting connections": "starting",
    "authentication failed": "login",
    "no password supplied": "login",
    "no pg_hba.conf entry": "login",
    "does not exist": "login",
    "not permitted to log in": "login",
    "permission denied for database": "login",
    "not currently accepting connections": "login",
    "No space left on device": "full",
    "name resolution": ErrorCategory.DNS_ERROR.value,
    "Name or service not known": ErrorCategory.DNS_ERROR.value,
    "resolve host": ErrorCategory.DNS_ERROR.value,
    "translate host name": ErrorCategory.DNS_ERROR.value,
}
# Locks that make the writes of a payment wait, held by others: process, program, state, table.
HELD_LOCKS = """
    SELECT l.pid, coalesce(nullif(a.application_name, ''), a.backend_type, 'unknown program'),
           coalesce(a.state, 'state unknown'), c.relname
    FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid
    WHERE l.granted AND l.locktype = 'relation' AND l.pid <> pg_backend_pid() AND c.relkind = 'r'
      AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND c.relnamespace <> 'pg_catalog'::regnamespace
      AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    ORDER BY l.pid, c.relname
"""
# Sorts more than fits into its memory: PostgreSQL writes a temporary file, which takes free space and changes no row.
SPILL = """
    SELECT count(*) FROM (SELECT md5(n::text) FROM generate_series(1, 20000) n ORDER BY 1 OFFSET 0) sorted
"""


@dataclass(frozen=True)
class CheckResult:
    """`ok` None: could not be checked. `fault` is a word for programs, "" when all is well.

    `cause`: which kind of that fault it is, where the rules tell several apart.
    """

    name: str
    target: str
    ok: bool | None = True
    fault: str = ""
    detail: str = ""
    milliseconds: int = 0
    cause: str = ""

    @property
    def is_timeout(self) -> bool:
        """It got no answer: `timeout_result`, or the error of a driver (`describe_error`)."""
        return self.cause == "timeout" or self.detail.startswith(TimeoutError.__name__)

    def failed(self, fault: str, detail: str, cause: str = "") -> "CheckResult":
        return replace(self, ok=False, fault=fault, detail=detail, cause=cause)

    def passed(self, detail: str) -> "CheckResult":
        return replace(self, detail=detail)

    def unknown(self, detail: str, fault: str = "") -> "CheckResult":
        return replace(self, ok=None, fault=fault, detail=detail)


def run_timed(check: Callable[[], CheckResult | None]) -> CheckResult | None:
    """With the milliseconds it took. None: there is no such dependency here."""
    started = time.monotonic()
    result = check()
    return result and replace(result, milliseconds=round((time.monotonic() - started) * 1000))


def timeout_result(name: str) -> CheckResult:
    """For a check that did not return in time. A cache in the database waits for the database."""
    target = TARGETS[name]()
    ok = None if name in NO_FAULT_ON_TIMEOUT else False
    fault = "database" if name == "cache" and target == DATABASE_CACHE else "down"
    return CheckResult(name, target, ok, fault, "no answer within the time of the diagnosis", cause="timeout")


def judge_under_load(checks: Mapping[str, CheckResult], load: Load) -> dict[str, CheckResult]:
    """The checks, and the row of the load itself. Under a heavy one nobody is blamed for having answered late.

    Without open files or threads nothing works that this process tries.
    """
    judged = dict(checks)
    failed = {name: each for name, each in checks.items() if each.ok is False}
    late = [name for name, each in failed.items() if each.is_timeout or load.exhausted]
    if load.is_heavy:
        for name in late:
            detail = f"this server was not able to tell: {checks[name].detail}"
            judged[name] = replace(checks[name], ok=None, detail=detail)
    is_failed = load.is_heavy and bool(late)
    fault = "busy" if load.is_heavy else ""
    judged["load"] = CheckResult("load", "this process", not is_failed, fault, load.text)
    return judged


def describe_error(error: Exception) -> str:
    """The first line of the driver's message, without passwords."""
    note_own_limit(error)
    lines = str(error).splitlines() or [""]
    return redact(f"{type(error).__name__}: {lines[0][:300]}")


def _network_fault(error: Exception) -> str:
    """The word for a connection that failed, as payments have it: a fault of the network fails for all in one way."""
    is_network = any(isinstance(each, OSError) for each in (error, error.__cause__, error.__context__))
    return categorize(error, Stage.RESOLVED).value if is_network else ""


def check_database() -> CheckResult:
    """Answers `SELECT 1`, and has every table that this code expects."""
    check = CheckResult("database", database_target())
    try:
        with contextlib.closing(_unpooled_connection()) as direct:
            with direct.cursor() as cursor:
                cursor.execute("SELECT 1")
            executor = MigrationExecutor(direct)
            pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
            tables = {
                cache["LOCATION"] for cache in settings.CACHES.values() if "DatabaseCache" in cache["BACKEND"]
            }
            missing = sorted(tables - set(direct.introspection.table_names()))
    except DATABASE_ERRORS as error:
        return _failed_database(check, error)
    if pending:
        return check.failed("migrations", f"{pending} migrations are not applied")
    if missing:
        return check.failed(
            "migrations", f"the table of the cache is missing ({', '.join(missing)}): createcachetable"
        )
    return check.passed("answers, all migrations are applied")


def check_database_writes() -> CheckResult:
    """As `check_database`, and the database takes writes as soon as payments need it."""
    check = check_database()
    if not check.ok:
        return check
    started = time.monotonic()
    try:
        with contextlib.closing(_unpooled_connection()) as direct, direct.cursor() as cursor:
            cursor.execute("SELECT 1")
            took = round((time.monotonic() - started) * 1000)
            cursor.execute("DELETE FROM django_migrations WHERE 1 = 0")
            if direct.vendor == "postgresql":
                if lock := _lasting_lock(cursor):
                    return check.failed("locked", lock)
                cursor.execute("SET work_mem = '64kB'")
                cursor.execute(SPILL)
    except DATABASE_ERRORS as error:
        return _failed_database(check, error)
    return check.passed(f"{check.detail}, takes writes, connected in {took} ms")


def _failed_database(check: CheckResult, error: Exception) -> CheckResult:
    cause, detail = database_fault(error), describe_error(error)
    if connection.vendor == "sqlite" and (obstacle := sqlite_obstacle(cause)):
        detail = f"{detail}; {obstacle}"
    return check.failed(cause if cause in ("locked", "readonly", "full") else "down", detail, cause)


def _lasting_lock(cursor: CursorWrapper) -> str:
    """A lock on a table that others hold for longer than payments wait. It is only looked at: no lock is taken."""
    locks = postgresql_locks(cursor)
    until = time.monotonic() + LOCK_SECONDS
    while locks and time.monotonic() < until:
        time.sleep(LOCK_PAUSE)
        still = postgresql_locks(cursor)
        locks = {name: text for name, text in locks.items() if name in still}
    return next(iter(locks.values()), "")


def check_cache() -> CheckResult:
    """What is written can be read again: throttles and PhonePe's token are shared through the cache."""
    store = getattr(django_cache, "redis", django_cache)  # the bare one: ours never fails (core.cache)
    check = CheckResult("cache", cache_target())
    key, value = f"diagnosis-{secrets.token_hex(8)}", secrets.token_hex(8)
    try:
        call_cache(store, "set", key, value, 60)
        kept = store.get(key)
        store.delete(key)
    except DATABASE_ERRORS as error:
        is_missing = cache_table_is_missing(error)
        return check.failed("down" if is_missing else "database", describe_error(error))
    except cache_errors() as error:
        words = (fault for words, fault in CACHE_FAULTS.items() if words in str(error))
        return check.failed("down", describe_error(error), next(words, _network_fault(error)))
    if kept != value:
        return check.failed("down", "what was written could not be read again")
    return check.passed("keeps what is written")


def cache_table_is_missing(error: Exception) -> bool:
    return getattr(error.__cause__, "sqlstate", None) == "42P01" or "no such table" in str(error)


def check_disk(min_free: int = MIN_FREE_BYTES) -> CheckResult:
    """Free space and inodes at the database file, where this process was started, and for temporary files."""
    needed = {str(settings.BASE_DIR): min_free}
    if connection.vendor == "sqlite":
        needed[str(Path(str(connection.settings_dict["NAME"])).parent)] = min_free
    needed.setdefault(os.environ.get("TMPDIR") or "/tmp", min(min_free, MIN_FREE_TEMPORARY))  # noqa: S108
    found = {folder: os.statvfs(folder) for folder in needed if Path(folder).is_dir()}
    free = {folder: status.f_bavail * status.f_frsize for folder, status in found.items()}
    for folder, status in found.items():
        check = CheckResult("disk", folder)
        if free[folder] < needed[folder]:
            return check.failed("full", f"{free[folder] // 1024**2} MiB are free")
        if status.f_files and not status.f_favail:  # a file system without a limit says 0 files
            return check.failed("full", "no file can be made: all inodes are taken")
    least = min(free, key=lambda folder: free[folder] - needed[folder])
    return CheckResult("disk", least).passed(f"{free[least] // 1024**2} MiB are free")


def check_mail() -> CheckResult:
    """Connects, greets and logs in as for a mail; sends none."""
    check = CheckResult("mail", mail_target())
    if settings.EMAIL_BACKEND != SMTP:
        return check.passed("no mail server is configured: mails do not leave this machine")
    try:
        return check.passed(_greet_mail_server())
    except smtplib.SMTPAuthenticationError as error:
        # 4xx: not now. 530 with this word: not before the connection is encrypted.
        wants_encryption = "STARTTLS" in str(error)
        by_code = "login" if error.smtp_code >= 500 else ""
        return check.failed("down", describe_error(error), "encryption" if wants_encryption else by_code)
    except smtplib.SMTPNotSupportedError as error:
        # A server offers no STARTTLS, or no login before STARTTLS.
        cause = "login" if "AUTH" in str(error) else "encryption"
        return check.failed("down", describe_error(error), cause)
    except ssl.SSLCertVerificationError as error:
        return check.failed("down", describe_error(error), "certificate")
    except ssl.SSLError as error:
        return check.failed("down", describe_error(error), "encryption")
    except (OSError, smtplib.SMTPException) as error:
        # The server knows no way to log in that Python does.
        cause = "login" if "suitable authentication" in str(error) else _network_fault(error)
        return check.failed("down", describe_error(error), cause)


def check_broker() -> CheckResult | None:
    """Whether BROKER_URL accepts connections; None without one. No payment needs it. Of a cluster one is enough."""
    if not settings.BROKER_URL:
        return None
    check = CheckResult("broker", broker_target())
    if check.target == "BROKER_URL":
        return check.failed("down", "BROKER_URL is no address")
    if ":" not in check.target:
        return check.unknown("not checked: such a broker has no address of its own")
    errors, cause, addresses = [], "", check.target.split(", ")
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS / len(addresses)):
                return check.passed("takes connections")
        except OSError as error:
            errors.append(describe_error(error))
            cause = _network_fault(error)
    return check.failed("down", "; ".join(dict.fromkeys(errors)), cause)


def check_worker() -> CheckResult:
    """Rows that stay overdue show that no worker runs; where nothing is due, its own diagnoses show that one does."""
    check = CheckResult("worker", TARGETS["worker"]())
    runs = DiagnosisRun.objects.filter(asked_by=DiagnosisRun.AskedBy.WORKER).order_by("-pk")
    try:
        due_since = oldest_overdue()
        last_seen = runs.values_list("started_at", flat=True).first()
        now = database_now()
    except DATABASE_ERRORS:
        return check.unknown("not known while the database cannot be queried")
    if due_since is not None:
        overdue = round((now - due_since).total_seconds())
        if overdue > MAX_OVERDUE_SECONDS:
            return check.failed("down", f"work has been due for {overdue} s")
        return check.passed(f"working: the oldest due row waits for {max(overdue, 0)} s")
    interval = timedelta(minutes=settings.DIAGNOSIS_EVERY_MINUTES)
    if not interval:
        return check.passed("nothing is due: idle, or not needed yet")
    if last_seen is None:
        detail = "nothing is due: idle, or never started. No worker was ever seen here: start `python manage.py work`"
        return replace(check, fault="never_seen", detail=detail)
    ago = now - last_seen
    if ago > MAX_MISSED_RUNS * interval + timedelta(minutes=1):
        return check.failed("down", f"nothing is due, but it was last seen {ago.total_seconds():.0f} s ago")
    return check.passed(f"nothing is due: idle, seen {max(ago.total_seconds(), 0):.0f} s ago")


def cache_target() -> str:
    """host:port of a cache on another machine, else the kind of cache."""
    kind = settings.CACHES["default"]["BACKEND"].rpartition(".")[2]
    return str(getattr(django_cache, "target", kind))


def mail_target() -> str:
    """host:port, or the kind of mail where no server is configured."""
    if settings.EMAIL_BACKEND != SMTP:
        return settings.EMAIL_BACKEND.rpartition(".")[2]
    return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"


def broker_target() -> str:
    """host:port of each, the scheme of a broker without an address, or the name of the setting if it is none."""
    try:
        urls = [urlsplit(url) for url in settings.BROKER_URL.split(";")]
        first = urls[0].scheme
        if first not in BROKER_PORT:
            return first or "BROKER_URL"
        return ", ".join(
            f"{url.hostname or 'localhost'}:{url.port or BROKER_PORT.get(url.scheme, 5672)}" for url in urls
        )
    except ValueError:
        return "BROKER_URL"


def database_target() -> str:
    """host:port, or the name of the file; never user or password."""
    target = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"{SQLITE} {target['NAME']}"
    return f"{target['HOST'] or 'local socket'}:{target['PORT'] or 5432}"


def public_target() -> str:
    """host:port of our own public address."""
    parts = urlsplit(settings.PUBLIC_BASE_URL)
    return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


# host:port or whatever else names a dependency, also when its check did not return.
TARGETS: dict[str, Callable[[], str]] = {
    "database": database_target,
    "worker": lambda: "manage.py work",
    "cache": cache_target,
    "disk": lambda: str(settings.BASE_DIR),
    "mail": mail_target,
    "broker": broker_target,
    "webhook": public_target,
    "webhook_silence": lambda: "the last paid orders",
}


def _unpooled_connection() -> BaseDatabaseWrapper:
    """A new connection: a pool hides the database's error behind "no connection within 5 seconds"."""
    options = {name: value for name, value in connection.settings_dict["OPTIONS"].items() if name != "pool"}
    if connection.vendor == "postgresql":
        options["connect_timeout"] = CONNECT_SECONDS
    else:
        options["timeout"] = min(BUSY_SECONDS, options.get("timeout", BUSY_SECONDS))
    direct = type(connections[DEFAULT_DB_ALIAS])(
        connection.settings_dict | {"OPTIONS": options}, DEFAULT_DB_ALIAS
    )
    direct.execute_wrappers = [
        *connection.execute_wrappers
    ]  # the deadline of this thread (diagnostics.deadlines)
    return direct


def _greet_mail_server() -> str:
    """What has worked. STARTTLS and the login are used where mails use them. Raises OSError and SMTPException."""
    context = ssl.create_default_context()
    address = (settings.EMAIL_HOST, settings.EMAIL_PORT)
    server: smtplib.SMTP
    if settings.EMAIL_USE_SSL:
        server = smtplib.SMTP_SSL(*address, timeout=CONNECT_SECONDS, context=context)
    else:
        server = smtplib.SMTP(*address, timeout=CONNECT_SECONDS)
    with server:
        status, _ = server.ehlo()
        if settings.EMAIL_USE_TLS:
            server.starttls(context=context)
            status, _ = server.ehlo()
        if status >= 400:
            raise smtplib.SMTPResponseException(status, "the server does not greet us")
        # Django logs in only when there is both.
        if not (settings.EMAIL_HOST_USER and settings.EMAIL_HOST_PASSWORD):
            return f"answers EHLO with {status}; no login is configured"
        if server.has_extn("starttls") and not server.has_extn("auth"):
            raise smtplib.SMTPNotSupportedError("the server takes logins after STARTTLS only")
        server.login(settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD)
        return f"answers EHLO with {status}, takes our login"


def database_fault(error: Exception) -> str:
    """locked, readonly, full, damaged, connections, starting, login, rights, or down for everything else."""
    if is_busy(error):
        return "locked"
    cause = error.__cause__ or error
    name = getattr(cause, "sqlite_errorname", "")
    if found := next((fault for begin, fault in FAULT_OF_SQLITE_ERROR.items() if name.startswith(begin)), ""):
        return found
    if sqlstate := getattr(cause, "sqlstate", None):
        return FAULT_OF_SQLSTATE.get(sqlstate, "down")
    text = "" if name else str(error)
    return next((fault for words, fault in FAULT_OF_REFUSAL.items() if words in text), "down")


def sqlite_obstacle(fault: str) -> str:
    """Who holds SQLite's lock, or which of its files this process may not write; "" when nothing is seen."""
    file = Path(str(connection.settings_dict["NAME"]))
    try:
        return _lock_holder(file) if fault == "locked" else "; ".join(_closed_files(file))
    except OSError:  # what is looked at may be gone by now, or may not be looked at
        return ""


def postgresql_locks(cursor: CursorWrapper) -> dict[tuple[int, str], str]:
    """By process and table: the locks of others that stop our writes, in words."""
    cursor.execute(HELD_LOCKS)
    return {
        (pid, table): f"process {pid} ({program}, {state}) has locked {table}; to end it: "
        f"SELECT pg_terminate_backend({pid})"
        for pid, program, state, table in cursor.fetchall()
    }


def _closed_files(file: Path) -> Iterator[str]:
    """SQLite writes the folder, too: its journal is a file beside the database."""
    folder = file.parent
    if not folder.is_dir():
        yield f"there is no folder {folder}"
        return
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        yield f"the disk of {folder} is mounted read-only: mount it for writing"
        return
    needed = {folder: os.W_OK | os.X_OK} | {
        Path(f"{file}{end}"): os.R_OK | os.W_OK for end in ("", "-wal", "-shm", "-journal")
    }
    for path, rights in needed.items():
        if not os.access(path, rights, effective_ids=True):
            with contextlib.suppress(OSError):  # there is no such file, or the folder hides it
                status = path.stat()
                owner, us = _user_name(status.st_uid), _user_name(os.geteuid())
                yield f"{path} belongs to {owner} (mode {status.st_mode & 0o7777:04o}), this process runs as {us}"


def _lock_holder(file: Path) -> str:
    """From the kernel's list of locks. SQLite locks the file itself, or in WAL mode the file -shm beside it."""
    known = {}
    for path in (file, Path(f"{file}-shm")):
        if path.exists():
            status = path.stat()
            known[f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"] = path
    for line in Path("/proc/locks").read_text().splitlines():
        _, kind, _, access, pid, place, *_ = line.split()
        if kind == "POSIX" and access == "WRITE" and place in known and int(pid) not in (0, os.getpid()):
            program = Path(f"/proc/{pid}/comm").read_text().strip()  # its arguments may contain secrets
            return f"process {pid} ({program}) holds the lock: `ps -fp {pid}` shows it"
    return ""


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
