"""What an error of the database means, and who is in the way: the holder of a lock, the owner of a file."""

import contextlib
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from django.db.backends.utils import CursorWrapper

from core.errors import is_busy
from payment.phonepe.enums import ErrorCategory

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
