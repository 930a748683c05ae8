"""Backups of an installation in one file: the database, the private files of UPLOADS_DIR, and what was in it.

A backup is a tar archive that is encrypted while it is written (core/encrypted_files.py): nothing of it is on the disk
in the clear but, for a moment, the copy of an SQLite file. The database is read as of one moment; its sums of money of
the same moment are stored beside it, and a restored database is compared with them.
"""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any

import psycopg
from django.conf import settings
from django.utils import timezone

from core.backup_files import PATTERN
from core.encrypted_files import EncryptedReader, EncryptedWriter, Unreadable

PART_BYTES = 8 * 1_048_576
DATABASE, UPLOADS, MANIFEST = "database/", "uploads/", "manifest.json"
SHORTEST_KEY = 32
# What must be the same after a restore.
FACTS = {
    "payments": "SELECT count(*) FROM payment_payment",
    "orders": "SELECT count(*) FROM payment_paymentattempt",
    "bookings": "SELECT count(*) FROM booking_booking",
    "refunds": "SELECT count(*) FROM payment_refund",
    "ledger entries": "SELECT count(*) FROM payment_ledgerentry",
    "ledger paise": "SELECT coalesce(sum(amount_paise), 0) FROM payment_ledgerentry",
    "people": "SELECT count(*) FROM accounts_user",
    "migrations": "SELECT count(*) FROM django_migrations",
}


class BackupFailed(Exception):
    """The message says what to do."""


@dataclass
class Manifest:
    """`facts`: counts and sums of the database at the moment that the backup holds."""

    made_at: str
    build: str
    engine: str
    facts: dict[str, int]
    database_bytes: int = 0
    database_sha256: str = ""
    files: int = 0
    format: int = 1


@dataclass
class RestoreResult:
    manifest: Manifest
    facts: dict[str, int]
    differences: dict[str, tuple[int, int]] = field(default_factory=dict)


def make_backup(folder: Path, key: str) -> tuple[Path, Manifest]:
    """Writes a new backup into `folder`, and reads it again to its end. Raises BackupFailed."""
    _refuse_weak(key)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    now = timezone.now().astimezone(UTC)
    finished = folder / f"okpuja-{now:%Y%m%dT%H%M%SZ}.backup"
    unfinished = finished.with_suffix(".partial")
    try:
        with unfinished.open("xb") as file:
            writer = EncryptedWriter(file, key)
            with tarfile.open(fileobj=writer, mode="w|", bufsize=CHUNK) as archive:
                manifest = _write(archive, now)
            writer.finish()
            file.flush()
            os.fsync(file.fileno())
        verify(unfinished, key)
        unfinished.rename(finished)
    except FileExistsError as error:
        raise BackupFailed(f"another backup is being written to {unfinished}") from error
    except OSError as error:
        raise BackupFailed(f"{folder} cannot be written: {error.strerror}") from error
    finally:
        if not finished.exists():
            unfinished.unlink(missing_ok=True)
    return finished, manifest


def delete_old(folder: Path, days: int) -> list[Path]:
    """Backups that are older than `days`, but never the newest one, and what backups that were killed have left."""
    now = timezone.now()
    old = [file for made_at, file in _finished(folder)[:-1] if made_at < now - timedelta(days=days)]
    yesterday = (now - timedelta(days=1)).timestamp()
    old += [file for file in folder.glob("okpuja-*.partial") if file.stat().st_mtime < yesterday]
    for file in old:
        file.unlink()
    return old


def newest(folder: Path) -> Path:
    files = _finished(folder)
    if not files:
        raise BackupFailed(f"there is no backup in {folder}")
    return files[-1][1]


def _finished(folder: Path) -> list[tuple[datetime, Path]]:
    """Backups that we have named, the oldest first. Copies that somebody made beside them are theirs."""
    files = []
    for file in folder.glob(PATTERN):
        try:
            made_at = datetime.strptime(file.stem, "okpuja-%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            continue
        files.append((made_at, file))
    return sorted(files)


def verify(file: Path, key: str) -> Manifest:
    """Reads the whole file. Raises BackupFailed if it is not complete and unchanged."""
    digest, size, files, manifest = hashlib.sha256(), 0, 0, None
    with _entries(file, key) as entries:
        for name, content in entries:
            if name.startswith(DATABASE):
                part = content.read()
                digest.update(part)
                size += len(part)
            elif name.startswith(UPLOADS):
                files += 1
            elif name == MANIFEST:
                manifest = Manifest(**json.load(content))
    if manifest is None:
        raise BackupFailed(f"{file} is not complete")
    if (manifest.database_sha256, manifest.database_bytes, manifest.files) != (
        digest.hexdigest(),
        size,
        files,
    ):
        raise BackupFailed(f"{file} does not hold what its manifest says")
    return manifest


def restore(file: Path, key: str, database: dict[str, Any], uploads: Path | None) -> RestoreResult:
    """Fills an empty database, and an empty folder of private files; without a folder these stay in the backup.

    `database`: of settings.DATABASES. Raises BackupFailed, before anything is written where that is possible.
    """
    manifest = verify(file, key)
    kind = _kind(database)
    if kind != manifest.engine:
        raise BackupFailed(f"the backup is one of {manifest.engine}, and the database is {kind}")
    if not _is_empty(database):
        raise BackupFailed("this database has tables: a backup is restored into an empty one")
    if uploads is not None and uploads.exists() and any(uploads.iterdir()):
        raise BackupFailed(f"{uploads} has files: private files are restored into an empty folder")
    with _entries(file, key) as entries, _loader(database) as load:
        for name, content in entries:
            if name.startswith(DATABASE):
                shutil.copyfileobj(content, load, PART_BYTES)
            elif name.startswith(UPLOADS) and uploads is not None:
                target = uploads / PurePosixPath(name).relative_to(UPLOADS)
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with target.open("xb") as copy:
                    shutil.copyfileobj(content, copy)
    facts = _facts(database)
    differences = {
        name: (before, facts.get(name, -1))
        for name, before in manifest.facts.items()
        if facts.get(name) != before
    }
    return RestoreResult(manifest, facts, differences)


CHUNK = 1_048_576


def _refuse_weak(key: str) -> None:
    if len(key) < SHORTEST_KEY:
        raise BackupFailed(
            f"BACKUP_KEY must have at least {SHORTEST_KEY} random characters (`openssl rand -base64 33`)."
            " Keep it elsewhere, too: without it no backup can be read."
        )


def _write(archive: tarfile.TarFile, now: datetime) -> Manifest:
    database = settings.DATABASES["default"]
    with _dump(database) as (stream, facts):
        manifest = Manifest(now.isoformat(), settings.BUILD, _kind(database), facts)
        digest = hashlib.sha256()
        for number in range(1_000_000):
            part = stream.read(PART_BYTES)
            if not part:
                break
            digest.update(part)
            manifest.database_bytes += len(part)
            _add(archive, f"{DATABASE}{number:06}", part)
        manifest.database_sha256 = digest.hexdigest()
    # After the database: a file that it names may have been deleted since, none can be missing from before.
    root = Path(settings.UPLOADS_DIR)
    for path in sorted(root.rglob("*")) if root.is_dir() else []:
        try:
            if path.is_file() and not path.is_symlink():
                _add(archive, f"{UPLOADS}{path.relative_to(root).as_posix()}", path.read_bytes())
                manifest.files += 1
        except FileNotFoundError:
            continue
    _add(archive, MANIFEST, json.dumps(asdict(manifest), indent=2).encode())
    return manifest


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))


@contextmanager
def _entries(file: Path, key: str) -> Iterator[Iterator[tuple[str, IO[bytes]]]]:
    """Each file of the archive, with its name. Names that lead out of their folder are refused."""

    def read(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
        for entry in archive:
            content = archive.extractfile(entry) if entry.isfile() else None
            parts = PurePosixPath(entry.name).parts
            if content is None or ".." in parts or entry.name.startswith("/"):
                raise BackupFailed(f"{file} has an entry that no backup has: {entry.name}")
            yield entry.name, content

    try:
        with file.open("rb") as raw:
            reader = io.BufferedReader(EncryptedReader(raw, key), CHUNK)
            with tarfile.open(fileobj=reader, mode="r|", bufsize=CHUNK) as archive:
                yield read(archive)
            while reader.read(CHUNK):  # to the mark of the last chunk
                pass
    except Unreadable as error:
        raise BackupFailed(f"{file}: {error}") from error
    except tarfile.TarError as error:
        raise BackupFailed(f"{file} cannot be read: {error}") from error
    except OSError as error:
        raise BackupFailed(f"{file} cannot be read: {error.strerror}") from error


def _kind(database: dict[str, Any]) -> str:
    return "sqlite" if database["ENGINE"].endswith("sqlite3") else "postgresql"


@contextmanager
def _dump(database: dict[str, Any]) -> Iterator[tuple[IO[bytes], dict[str, int]]]:
    """The database as of one moment, and the facts of the same moment."""
    if _kind(database) == "sqlite":
        with tempfile.TemporaryDirectory(prefix="okpuja-backup-") as folder:
            copy = Path(folder) / "copy.sqlite3"
            with closing(sqlite3.connect(database["NAME"])) as live, closing(sqlite3.connect(copy)) as target:
                live.backup(target)
            with copy.open("rb") as stream:
                yield stream, _facts({**database, "NAME": str(copy)})
        return
    with _connect(database) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        snapshot = connection.execute("SELECT pg_export_snapshot()").fetchone()
        arguments = [
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={snapshot and snapshot[0]}",
        ]
        with _program("pg_dump", database, *arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None  # noqa: S101 - a pipe
            yield process.stdout, _read_facts(connection)


@contextmanager
def _loader(database: dict[str, Any]) -> Iterator[IO[bytes]]:
    """Takes what `_dump` gave."""
    if _kind(database) == "sqlite":
        with Path(database["NAME"]).open("wb") as file:
            yield file
        return
    # Comments are those of extensions: pg_trgm that an administrator, or template1, has made is not ours to comment.
    arguments = ["--no-owner", "--no-privileges", "--no-comments", "--exit-on-error"]
    arguments.append(f"--dbname={database['NAME']}")
    with _program("pg_restore", database, *arguments, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None  # noqa: S101 - a pipe
        yield process.stdin
        process.stdin.close()


@contextmanager
def _program(
    name: str, database: dict[str, Any], *arguments: str, **pipes: Any
) -> Iterator["subprocess.Popen[bytes]"]:
    """One of PostgreSQL's programs; the password is in no argument. Raises BackupFailed with its last line."""
    path = shutil.which(name)
    if path is None:
        raise BackupFailed(f"{name} is not installed. On Debian or Ubuntu: apt-get install postgresql-client")
    options = database.get("OPTIONS", {})
    known = {
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"]),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": database["NAME"],
        "PGSSLMODE": options.get("sslmode", ""),
        "PGSSLROOTCERT": options.get("sslrootcert", ""),
    }
    environment = os.environ | {variable: value for variable, value in known.items() if value}
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen([path, *arguments], env=environment, stderr=errors, **pipes)  # noqa: S603
        try:
            yield process
        except BrokenPipeError:
            pass  # its exit code says why
        finally:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None and not pipe.closed:
                    pipe.close()
            code = process.wait()
        if code:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").strip().splitlines()
            raise BackupFailed(f"{name}: {lines[-1] if lines else f'ended with {code}'}")


def _connect(database: dict[str, Any]) -> "psycopg.Connection[Any]":
    """Without the limits of requests: a dump may take hours."""
    options = database.get("OPTIONS", {})
    more = {name: options[name] for name in ("sslmode", "sslrootcert") if name in options}
    known = {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
    }
    given = {name: value for name, value in known.items() if value}
    try:
        return psycopg.connect(dbname=database["NAME"], connect_timeout=10, **given, **more)
    except psycopg.OperationalError as error:
        raise BackupFailed(f"the database cannot be reached: {str(error).splitlines()[0]}") from error


def _is_empty(database: dict[str, Any]) -> bool:
    if _kind(database) == "sqlite":
        # A journal that is left of another file would be played into this one.
        files = [Path(f"{database['NAME']}{end}") for end in ("", "-wal", "-journal")]
        return not any(file.exists() and file.stat().st_size for file in files)
    with _connect(database) as connection:
        tables = connection.execute(
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_%'"
            # Views of an extension that template1 has (pg_stat_statements) are no tables of anybody.
            " AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
            " AND d.objid = c.oid AND d.deptype = 'e') LIMIT 1"
        )
        return tables.fetchone() is None


def _facts(database: dict[str, Any]) -> dict[str, int]:
    if _kind(database) == "sqlite":
        with closing(sqlite3.connect(database["NAME"])) as connection:
            return _read_facts(connection)
    with _connect(database) as connection:
        return _read_facts(connection)


def _read_facts(connection: Any) -> dict[str, int]:
    return {name: int(connection.execute(statement).fetchone()[0]) for name, statement in FACTS.items()}
